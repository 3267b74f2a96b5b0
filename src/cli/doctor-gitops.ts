/** Fields that Git, an autoscaler or `kubectl apply` would set back, from managedFields and marks; and the lines that end it. Pure. */
import { isGitOps } from '../controller/world.ts'
import { lastWriter } from '../kube/writers.ts'
import type { KubeObject, ManagedFieldsEntry } from '../rollout/objects.ts'
import type { RoutePlace } from '../traffic/index.ts'
import type { Finding, Remedy } from './doctor-finding.ts'

export type Tool = 'ArgoCD' | 'Flux' | 'Helm' | 'kubectl' | 'Other'
const toolNames: Readonly<Record<Tool, string>> = { ArgoCD: 'Argo CD', Flux: 'Flux', Helm: 'Helm', kubectl: 'kubectl apply', Other: 'a GitOps tool' }

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
const trackingId = 'argocd.argoproj.io/tracking-id'
const fluxMarks = ['kustomize.toolkit.fluxcd.io/name', 'helm.toolkit.fluxcd.io/name']
const fluxSsa = 'kustomize.toolkit.fluxcd.io/ssa'

/** Who would write this object again from Git, by what it leaves on it; undefined where nobody shows. */
export function toolOf({ metadata }: KubeObject): Tool | undefined {
  const { annotations = {}, labels = {}, managedFields = [] } = metadata
  const managers = managedFields.flatMap(({ manager }) => (manager === undefined ? [] : [manager]))
  if (trackingId in annotations || managers.some(one => one.startsWith('argocd'))) return 'ArgoCD'
  if (fluxMarks.some(mark => mark in labels) || managers.some(one => ['kustomize-controller', 'helm-controller', 'flux', 'flux-client-side-apply'].includes(one))) return 'Flux'
  if (labels['app.kubernetes.io/managed-by'] === 'Helm' || managers.some(one => one.toLowerCase() === 'helm')) return 'Helm'
  if (managers.some(isGitOps)) return 'Other'
  return lastApplied in annotations || managedFields.some(entry => isKubectlApply(entry)) ? 'kubectl' : undefined
}
const isKubectlApply = ({ manager, operation }: ManagedFieldsEntry): boolean => manager === 'kubectl-client-side-apply' || (manager === 'kubectl' && operation === 'Apply')

/** Whether what Git says has this field: its tool owns it, or it stands in what was applied last. Our own writes take ownership away, so that either alone is not enough to look at. */
function isInGit(object: KubeObject, path: string, read: (applied: any) => unknown): boolean {
  const { managedFields = [], annotations = {} } = object.metadata
  const owners = managedFields.filter(entry => lastWriter({ ...object, metadata: { ...object.metadata, managedFields: [entry] } }, path) !== undefined)
  if (owners.some(entry => entry.operation === 'Apply' || isKubectlApply(entry) || isGitOps(entry.manager ?? ''))) return true
  try {
    return read(JSON.parse(annotations[lastApplied] ?? 'null')) !== undefined
  } catch {
    return false
  }
}

/** `spec.replicas` of the Deployment of a Rollout stands in Git: each apply starts pods that serve nobody. */
export function replicasInGit(deployment: KubeObject, rollout: KubeObject): Finding | undefined {
  const tool = toolOf(deployment)
  if (tool === undefined || !isInGit(deployment, 'f:spec/f:replicas', applied => applied?.spec?.replicas)) return undefined
  const { namespace, name } = deployment.metadata
  const now = Number(deployment.spec?.replicas ?? 1)
  const said = appliedReplicas(deployment)
  const line = `  replicas: ${said ?? (now > 0 ? now : 'N')}`
  const ignore: Remedy[] = tool !== 'ArgoCD' ? [] : [{
    where: `Where the line must stay in Git: in the Argo CD Application${applicationOf(deployment)}, add`,
    lines: ['spec:', '  ignoreDifferences:', '  - group: apps', '    kind: Deployment', `    name: ${name}`, '    jsonPointers: [/spec/replicas]'],
  }]
  return {
    severity: 'Problem', rule: 'ReplicasContested', object: `Deployment ${namespace}/${name}`,
    what: `${toolNames[tool]} sets spec.replicas${said === undefined ? '' : ` to ${said}`}${now > 0 ? `; ${now} of its pods are wanted now` : ''}`,
    why: `versions of ${name} run as Deployments of their own and this one is their template: each sync starts pods that serve nobody, and pays for them`,
    remedies: [
      { where: `In Git, in the manifest of Deployment ${name}, remove the marked line`, lines: ['spec:', `${line}   # remove`] }, ...ignore,
      ...(rollout.spec?.replicas === undefined ? [{ where: `The count belongs to Rollout ${rollout.metadata.name}, unless an autoscaler scales it`, lines: ['spec:', line] }] : []),
    ],
  }
}
function appliedReplicas(deployment: KubeObject): number | undefined {
  try {
    return JSON.parse(deployment.metadata.annotations?.[lastApplied] ?? 'null')?.spec?.replicas
  } catch {
    return undefined
  }
}

/** What doctor knows of the Applications of Argo CD: undefined where they could not be read. */
export type Applications = readonly KubeObject[] | undefined
interface WeightField {
  readonly path: string
  readonly group: string
  readonly expression: string
  readonly read: (applied: any) => unknown
}
const weightsOf: Readonly<Partial<Record<RoutePlace['kind'], WeightField>>> = {
  VirtualService: { path: 'f:spec/f:http', group: 'networking.istio.io', expression: '.spec.http[]?.route[]?.weight', read: applied => applied?.spec?.http },
  HTTPRoute: { path: 'f:spec/f:rules', group: 'gateway.networking.k8s.io', expression: '.spec.rules[]?.backendRefs[]?.weight', read: applied => applied?.spec?.rules },
  GRPCRoute: { path: 'f:spec/f:rules', group: 'gateway.networking.k8s.io', expression: '.spec.rules[]?.backendRefs[]?.weight', read: applied => applied?.spec?.rules },
}

/** A route of the user whose weights Git sets back in the middle of a journey. `resets`: how often that was seen in the last one. */
export function weightsInGit(route: KubeObject, rollout: KubeObject, resets: number, applications: Applications): Finding | undefined {
  const field = weightsOf[route.kind as RoutePlace['kind']]
  const tool = toolOf(route)
  if (field === undefined || tool === undefined || !isInGit(route, field.path, field.read)) return undefined
  if (tool === 'Flux' && ['IfNotPresent', 'Ignore'].includes(route.metadata.annotations?.[fluxSsa] ?? '')) return undefined
  const application = tool === 'ArgoCD' ? applicationNamed(route, applications) : undefined
  const ignored = application !== undefined && ignores(application, route, field)
  const copies = application !== undefined && respects(application)
  if (ignored && !copies) return undefined
  const object = `${route.kind} ${route.metadata.namespace}/${route.metadata.name}`
  const seen = resets > 0 ? `; it did so ${resets} time${resets === 1 ? '' : 's'} in the last journey` : ''
  // A person who types kubectl apply now and then is no loop that fights; said once it has happened.
  const severity = tool === 'kubectl' && resets === 0 ? 'Note' : 'Problem'
  if (ignored) {
    return {
      severity, rule: 'WeightsCopied', object, what: `its Argo CD Application has RespectIgnoreDifferences=true${seen}`,
      why: 'a sync then copies the whole live list of routes over that of Git: what you edit in Git beside the weights no longer applies',
      remedies: [{ where: `In Application ${application.metadata.name}, remove the marked line`, lines: ['spec:', '  syncPolicy:', '    syncOptions:', '    - RespectIgnoreDifferences=true   # remove'] }],
    }
  }
  return {
    severity, rule: 'WeightsReset', object, what: `${toolNames[tool]} sets its weights back to those of Git${seen}`,
    why: 'in the middle of a journey Sluice puts the weight of the step back; the third time in ten minutes the journey is held',
    remedies: [...recipe(tool, route, field), ...delegation(route, rollout)],
  }
}

function recipe(tool: Tool, route: KubeObject, field: WeightField): Remedy[] {
  const { name } = route.metadata
  if (tool === 'ArgoCD') {
    return [{
      where: `In the Argo CD Application${applicationOf(route)}, add, without RespectIgnoreDifferences`,
      lines: ['spec:', '  ignoreDifferences:', `  - group: ${field.group}`, `    kind: ${route.kind}`, `    name: ${name}`, `    jqPathExpressions: ['${field.expression}']`],
    }]
  }
  if (tool === 'Flux') {
    return [{
      where: `In Git, in the manifest of ${route.kind} ${name}, add; edits of it in Git then no longer apply to the one that exists`,
      lines: ['metadata:', '  annotations:', `    ${fluxSsa}: IfNotPresent`],
    }, {
      where: 'And once by hand, for Flux no longer writes it onto the one that exists',
      lines: [`kubectl -n ${route.metadata.namespace} annotate ${route.kind.toLowerCase()} ${name} ${fluxSsa}=IfNotPresent`],
    }]
  }
  if (tool === 'kubectl') return [{ where: `Apply it only while no journey is under way; look first`, lines: [`sluice get -n ${route.metadata.namespace}`] }]
  return [{ where: 'Release it only while no journey is under way, or keep the route out of the chart', lines: [] }]
}
/** The recipe with nothing shared: the route in Git leads to one of ours, which holds the weights. */
function delegation(route: KubeObject, rollout: KubeObject): Remedy[] {
  if (route.kind !== 'VirtualService' || rollout.spec?.workloadRef === undefined) return []
  const { namespace } = rollout.metadata
  const own: string = rollout.spec.service?.name ?? rollout.spec.workloadRef.name
  // Ours would have its name: the one in Git has to be renamed first, which is no line to commit by the way.
  if (own === route.metadata.name && namespace === route.metadata.namespace) return []
  return [
    { where: `Or share nothing: in Rollout ${rollout.metadata.name}`, lines: ['spec:', '  traffic: {istio: {managed: {delegate: true}}}'] },
    { where: `and in VirtualService ${route.metadata.name}, in place of the route with the two destinations`, lines: ['  http:', `  - delegate: {name: ${own}, namespace: ${namespace}}`] },
  ]
}

/** `<application>:<group>/<kind>:<namespace>/<name>`; an Application outside of Argo CD's namespace is `<namespace>_<name>`. */
function applicationOf({ metadata }: KubeObject): string {
  const name = metadata.annotations?.[trackingId]?.split(':')[0]
  return name === undefined || name === '' ? '' : ` ${name.replace('_', '/')}`
}
function applicationNamed(object: KubeObject, applications: Applications): KubeObject | undefined {
  const [name, namespace] = (object.metadata.annotations?.[trackingId]?.split(':')[0] ?? '').split('_').toReversed()
  return applications?.find(({ metadata }) => metadata.name === name && (namespace === undefined || metadata.namespace === namespace))
}
function ignores(application: KubeObject, route: KubeObject, field: WeightField): boolean {
  const entries: readonly Record<string, any>[] = Array.isArray(application.spec?.ignoreDifferences) ? application.spec.ignoreDifferences : []
  const mine = entries.filter(({ group, kind, name, namespace }) => [group, '*'].includes(group === '*' ? '*' : field.group) && [route.kind, '*'].includes(kind)
    && (name === undefined || name === '' || name === route.metadata.name) && (namespace === undefined || namespace === '' || namespace === route.metadata.namespace))
  const top = field.path.split('f:').at(-1)!
  return mine.some(({ jqPathExpressions = [], jsonPointers = [], managedFieldsManagers = [] }) =>
    [...jqPathExpressions].some((one: string) => one.includes('weight') || one.replace(/[[\]?]/g, '') === `.spec.${top}`) || [...jsonPointers].some((one: string) => one === `/spec/${top}` || one === '/spec')
    || [...managedFieldsManagers].includes('sluice'))
}
function respects(application: KubeObject): boolean {
  return ((application.spec?.syncPolicy?.syncOptions ?? []) as unknown[]).includes('RespectIgnoreDifferences=true')
}
