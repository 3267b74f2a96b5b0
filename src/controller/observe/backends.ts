/** Backends mode: two Services, or two subsets of one host, in the place of revisions and doors. */
import type { ArmSeries } from '../../analysis/reading.ts'
import { commitOf } from '../../revision/deployment.ts'
import { backendRevision } from '../../revision/naming.ts'
import { readinessOf } from '../../revision/readiness.ts'
import { imagesOf } from '../../revision/template.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { Blocker, DoorSeen, RevisionSeen, Seen } from '../../rollout/seen.ts'
import { destinationRulesFor, subsetLabels } from '../../traffic/istio-rules.ts'
import type { Arms, Destination } from '../../traffic/router.ts'
import { deploymentTrouble } from './pods.ts'
import { type Scope, timeOf } from './scope.ts'

export interface BackendsSeen {
  readonly backends: NonNullable<Seen['backends']>
  readonly revisions: readonly RevisionSeen[]
  readonly doors: Seen['doors']
  readonly blockers: readonly Blocker[]
}
/** One arm: where it leads, the labels of its pods, the Deployments that have them, and what is missing. */
interface Arm {
  readonly revision: string
  readonly backend: string
  readonly destination: Destination
  readonly workloads: readonly KubeObject[]
  readonly missing?: { readonly reason: string; readonly message: string }
}

export function backendsSeen(scope: Scope, arms: Arms): BackendsSeen {
  const { canary: canarySpec } = scope.spec.backends!
  const [stable, canary] = [armSeen(scope, arms.stable, undefined), armSeen(scope, arms.canary, canarySpec.workloadRef ? scope.workload : undefined)]
  const [stableSeries, canarySeries] = series(stable, canary)
  const own: DoorSeen = { state: 'Theirs', ready: 0, others: 0 }
  return {
    backends: {
      stable: stable.revision, canary: canary.revision, stableBackend: stable.backend, canaryBackend: canary.backend,
      hasCanaryTemplate: canarySpec.workloadRef !== undefined, stableSeries, canarySeries,
    },
    revisions: [armRevision(canary), armRevision(stable)],
    doors: { stable: armDoor(stable), canary: armDoor(canary), own },
    blockers: [stable, canary].flatMap(({ missing }) => (missing ? [{ ...missing, stops: 'Raise' as const, stalled: true }] : [])),
  }
}

function armSeen(scope: Scope, destination: Destination, template: KubeObject | undefined): Arm {
  const backend = destination.subset ?? destination.service
  const found = podLabels(scope, destination)
  if ('missing' in found) return { revision: backendRevision(backend, template), backend, destination, workloads: [], missing: found.missing }
  const workloads = deploymentsWith(scope, destination.namespace, found.labels)
  const message = `no Deployment in ${destination.namespace} has the pod labels ${describe(found.labels)} of ${backend}: correct the selector or the subset`
  const none = { reason: 'BackendWithoutWorkload', message }
  return { revision: backendRevision(backend, template), backend, destination, workloads, ...(workloads.length === 0 ? { missing: none } : {}) }
}

/** Labels that a pod of this backend must have, or why nobody knows. */
type Labels = { readonly labels: Readonly<Record<string, string>> } | { readonly missing: { readonly reason: string; readonly message: string } }
function podLabels(scope: Scope, { namespace, service, host, subset }: Destination): Labels {
  const missing = (reason: string, message: string): Labels => ({ missing: { reason, message } })
  const found = scope.world.get('Service', namespace, service)
  if (!found) return missing('BackendMissing', `there is no Service ${service} in ${namespace}, which spec.backends names: create it or correct the name`)
  const selector: Record<string, string> | undefined = found.spec?.selector
  if (!selector || Object.keys(selector).length === 0) {
    return missing('BackendMissing', `Service ${service} in ${namespace} has no selector, so its pods are not known: give it one`)
  }
  if (subset === undefined) return { labels: selector }
  const rules = destinationRules(scope, host)
  const labels = rules.map((rule) => subsetLabels(rule, subset)).find((found) => found !== undefined)
  if (labels) return { labels: { ...selector, ...labels } }
  const where = rules.length > 0 ? rules.map((rule) => `DestinationRule ${rule.metadata.namespace}/${rule.metadata.name}`).join(', ') : 'a DestinationRule'
  return missing('SubsetMissing', `no DestinationRule for ${host} has a subset ${subset}, which spec.backends names: add it to ${where}, or correct the name`)
}

/** The DestinationRule that the spec names, else every one for this host in the namespaces of the rollout and of the host. */
function destinationRules(scope: Scope, host: string): readonly KubeObject[] {
  const ref = scope.spec.traffic?.istio?.destinationRuleRef
  if (ref) {
    const named = scope.world.get('DestinationRule', ref.namespace ?? scope.namespace, ref.name)
    return named ? [named] : []
  }
  const namespaces = new Set([scope.namespace, host.split('.')[1] ?? scope.namespace])
  return destinationRulesFor([...namespaces].flatMap((namespace) => scope.world.list('DestinationRule', namespace)), host, scope.settings.clusterDomain)
}

function deploymentsWith(scope: Scope, namespace: string, labels: Readonly<Record<string, string>>): readonly KubeObject[] {
  return scope.world.list('Deployment', namespace).filter((deployment) => {
    const own: Record<string, string> = deployment.spec?.template?.metadata?.labels ?? {}
    return Object.entries(labels).every(([key, value]) => own[key] === value)
  })
}

/** All Deployments of an arm as one revision: counts add up, and it is complete when each is. */
function armRevision({ revision, workloads }: Arm): RevisionSeen {
  const each = workloads.map(readinessOf)
  const trouble = workloads.map(deploymentTrouble).find((found) => found !== undefined)
  const commit = workloads.map(commitOf).find((found) => found !== undefined)
  return {
    name: revision,
    createdAt: Math.max(0, ...workloads.map((workload) => timeOf(workload.metadata.creationTimestamp))),
    images: [...new Set(workloads.flatMap(imagesOf))],
    ...(commit ? { commit } : {}),
    replicas: each.reduce((sum, { replicas }) => sum + replicas, 0),
    ready: each.reduce((sum, { ready }) => sum + ready, 0),
    complete: each.length > 0 && each.every(({ complete }) => complete),
    ...(trouble ? { trouble } : {}),
    terminating: workloads.length > 0 && workloads.every((workload) => workload.metadata.deletionTimestamp !== undefined),
  }
}

/** A Service or subset that routes name and that is missing counts as absent: whatever share it has is lowered at once. */
function armDoor(arm: Arm): DoorSeen {
  if (arm.missing && arm.missing.reason !== 'BackendWithoutWorkload') return { state: 'Absent', ready: 0, others: 0 }
  return { state: 'Present', leadsTo: arm.revision, ready: armRevision(arm).ready, others: 0 }
}

/** Requests that never arrived carry only the host: with two subsets of one host they count for the canary. */
function series(stable: Arm, canary: Arm): [ArmSeries, ArmSeries] {
  const shared = stable.destination.host === canary.destination.host
  const of = ({ destination, workloads }: Arm, door: boolean): ArmSeries => ({
    namespace: destination.namespace,
    workloads: workloads.map((workload) => workload.metadata.name),
    ...(door ? { door: destination.host } : {}),
  })
  return [of(stable, !shared), of(canary, true)]
}

function describe(labels: object): string {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(',')
}
