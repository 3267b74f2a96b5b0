/** Reasons not to adopt, or not to raise, that lie in other objects than the routes. */
import { claimBlockers } from './claims.ts'
import type { Blocker } from '../../rollout/seen.ts'
import { sourceUnknown, sourceUnknownReason } from '../../rollout/sources.ts'
import { fullHost } from '../../traffic/hosts.ts'
import { hostTaken } from '../../traffic/istio-hosts.ts'
import { managedHosts } from '../../traffic/istio-managed.ts'
import { wantedShape } from './doors.ts'
import { speakingOf } from './hosts.ts'
import { belongsToAnother, doors, isOurs, type Scope, timeOf } from './scope.ts'

/** For revisions mode; of backends only claims and the metric source are asked. */
export function blockersOf(scope: Scope, templateRevision: string | undefined): readonly Blocker[] {
  const source = sourceBlockers(scope)
  if (scope.plan.mode === 'Backends') return [...claimBlockers(scope), ...source, ...hostBlockers(scope)]
  return [
    ...claimBlockers(scope), ...source, ...autoscaled(scope), ...namesTaken(scope, templateRevision),
    ...ports(scope), ...plainSelector(scope), ...hostBlockers(scope),
  ]
}

/** Nobody could answer what the checks ask: no version gets traffic that nothing watches. */
function sourceBlockers({ plan, settings: { sources } }: Scope): Blocker[] {
  if (sources === undefined || plan.checks.length === 0 || Object.hasOwn(sources, plan.source)) return []
  return [{ reason: sourceUnknownReason, message: sourceUnknown(plan.source, Object.keys(sources)), stops: 'Raise', stalled: true }]
}

/** An autoscaler of the template would scale it up again, and its pods serve nobody. Once adopted it is said, for an HPA sleeps at zero replicas, and KEDA does not. */
function autoscaled(scope: Scope): Blocker[] {
  const { world, namespace } = scope
  const hit = [...world.list('HorizontalPodAutoscaler', namespace), ...world.list('ScaledObject', namespace)].find((object) => {
    const { kind = 'Deployment', name } = object.spec?.scaleTargetRef ?? {}
    return kind === 'Deployment' && name === scope.plan.workload
  })
  if (!hit) return []
  const target = `{apiVersion: sluice.dev/v1alpha1, kind: Rollout, name: ${scope.name}}`
  const message = `${hit.kind} ${hit.metadata.name} scales Deployment ${scope.plan.workload}: let its scaleTargetRef be ${target}`
  return [{ reason: 'HPATargetsWorkload', message, stops: 'Adoption', stalled: true }]
}

function namesTaken(scope: Scope, templateRevision: string | undefined): Blocker[] {
  const services = doors.flatMap((door) => {
    const foreign = scope.foreign[door]
    return foreign && (door !== 'own' || belongsToAnother(scope, foreign)) ? [`Service ${foreign.metadata.name}`] : []
  })
  const revision = templateRevision === undefined ? undefined : scope.world.get('Deployment', scope.namespace, templateRevision)
  const deployments = revision && !isOurs(revision, scope.name) ? [`Deployment ${templateRevision}`] : []
  return [...services, ...deployments].map((what) => {
    const message = `${what} in ${scope.namespace} exists and is not of this Rollout: rename it, or let spec.service.name differ; it is never taken over`
    return { reason: 'NameTaken', message, stops: 'Raise', stalled: true }
  })
}

function ports(scope: Scope): Blocker[] {
  const shape = wantedShape(scope)
  const port = scope.spec.service?.port
  if (!shape) {
    const message = `spec.service.port is not set and there is no Service ${scope.names.own} in ${scope.namespace} whose ports the doors could have: `
      + 'set spec.service.port or create the Service'
    return [{ reason: 'ServiceMissing', message, stops: 'Raise', stalled: true }]
  }
  if (port === undefined || shape.ports.some((one) => one.port === port)) return []
  const ports = shape.ports.map((one) => one.port).join(', ')
  const message = `spec.service.port is ${port}, but Service ${scope.names.own} has ${ports}: write one of them, or leave spec.service.port out`
  return [{ reason: 'PortMissing', message, stops: 'Raise', stalled: true }]
}

/** Services select by equal labels only. */
function plainSelector(scope: Scope): Blocker[] {
  if (!scope.workload || Object.keys(scope.workload.spec?.selector?.matchLabels ?? {}).length > 0) return []
  const message = `Deployment ${scope.plan.workload} selects its pods without matchLabels, and a Service cannot select by expressions: `
    + 'give its spec.selector at least one matchLabel'
  return [{ reason: 'SelectorNotPlain', message, stops: 'Adoption', stalled: true }]
}

/** Of two VirtualServices for one host sidecars use the older one: a younger than ours takes nothing. */
function hostBlockers(scope: Scope): Blocker[] {
  const managed = scope.spec.traffic?.istio?.managed
  if (!managed || managed.delegate || !(managed.gateways ?? ['mesh']).includes('mesh')) return []
  const { namespace, world, plan: { name }, settings: { clusterDomain } } = scope
  const ours = world.get('VirtualService', namespace, name)
  const since = ours ? timeOf(ours.metadata.creationTimestamp) : Number.POSITIVE_INFINITY
  const hosts = managedHosts({ managed, name, namespace, clusterDomain })
  const speaking = speakingOf(world.list('VirtualService', undefined), new Set(hosts.map((host) => fullHost(host, namespace, clusterDomain))), clusterDomain)
  const problem = hostTaken(speaking.filter((other) => timeOf(other.metadata.creationTimestamp) <= since), { namespace, name, clusterDomain, hosts })
  return problem ? [{ ...problem, stops: 'Raise', stalled: true }] : []
}
