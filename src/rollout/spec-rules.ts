/** Rules between fields of a spec. Their types are loose on purpose: the schema is made of them. */
import { dataPlanes, telemetries } from '../analysis/telemetry.ts'
import { parseScale, parseWeight } from './quantity.ts'
import { celString, type Rule } from './rule.ts'
import { celPercent, servicePattern } from './scalars.ts'

interface Arm { service?: string | undefined; subset?: string | undefined }
interface Backends { host?: string | undefined; stable: Arm; canary: Arm }
export const backendsRules: readonly Rule<Backends>[] = [
  {
    cel: 'has(self.stable.service) == has(self.canary.service)',
    message: 'stable and canary are two Services or two subsets of one host: give both service, or both subset',
    holds: ({ stable, canary }) => (stable.service === undefined) === (canary.service === undefined),
  },
  {
    cel: 'has(self.stable.subset) == has(self.host)',
    message: 'host belongs to subsets: give it with subsets, and leave it out with Services',
    holds: ({ host, stable }) => (stable.subset === undefined) === (host === undefined),
  },
  {
    cel: '!(has(self.stable.service) && has(self.canary.service) && self.stable.service == self.canary.service) && !(has(self.stable.subset) && '
      + 'has(self.canary.subset) && self.stable.subset == self.canary.subset)',
    message: 'stable and canary are the same backend: name two different ones',
    holds: ({ stable, canary }) => (stable.service ?? stable.subset) !== (canary.service ?? canary.subset),
  },
]

export const managedRules: readonly Rule<{ delegate?: boolean | undefined; hosts?: unknown; gateways?: unknown }>[] = [
  {
    cel: '!(has(self.delegate) && self.delegate) || (!has(self.hosts) && !has(self.gateways))',
    message: 'a delegate has no hosts and no gateways: give them to the VirtualService that refers to it, and remove them here',
    holds: ({ delegate, hosts, gateways }) => !delegate || (hosts === undefined && gateways === undefined),
  },
]

interface ObjectRef { name: string; namespace?: string | undefined }
const sameRef = (a: ObjectRef, b: ObjectRef) => a.name === b.name && a.namespace === b.namespace
export const virtualServiceRefsRules: readonly Rule<readonly ObjectRef[]>[] = [
  {
    cel: "self.all(a, self.exists_one(b, a.name == b.name && (has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '')))",
    message: 'each VirtualService is named once: list all its routes in one entry',
    holds: (refs) => refs.every((ref) => refs.filter((other) => sameRef(ref, other)).length === 1),
  },
]

interface RouteRef extends ObjectRef { kind: string }
export const routeRefsRules: readonly Rule<readonly RouteRef[]>[] = [
  {
    cel: 'self.all(a, self.exists_one(b, a.kind == b.kind && a.name == b.name && '
      + "(has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '')))",
    message: 'each route is named once: list all its rules in one entry',
    holds: (refs) => refs.every((ref) => refs.filter((other) => ref.kind === other.kind && sameRef(ref, other)).length === 1),
  },
]

interface Parent extends ObjectRef { kind?: string | undefined; sectionName?: string | undefined }
const sameParent = (a: Parent, b: Parent) => (a.kind ?? 'Gateway') === (b.kind ?? 'Gateway') && sameRef(a, b)
  && (a.sectionName === undefined || b.sectionName === undefined || a.sectionName === b.sectionName)
/** As the API server has it for routes: without this the route would be refused only when the first journey makes it. */
export const parentRefsRules: readonly Rule<readonly Parent[]>[] = [
  {
    cel: "self.all(a, self.exists_one(b, (has(a.kind) ? a.kind : 'Gateway') == (has(b.kind) ? b.kind : 'Gateway') && a.name == b.name && "
      + "(has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '') && "
      + '(!has(a.sectionName) || !has(b.sectionName) || a.sectionName == b.sectionName)))',
    message: 'a parent that is named twice needs a sectionName of its own in each entry: give both one, or remove one of them',
    holds: (refs) => refs.every((ref) => refs.filter((other) => sameParent(ref, other)).length === 1),
  },
]

interface Tracked { kind: string; name?: string | undefined }
export const trackedRules: readonly Rule<Tracked>[] = [
  {
    cel: "self.kind != 'Secret' || has(self.name)",
    message: 'a Secret is tracked by its name: add name, and a Role that lets the controller get it',
    holds: ({ kind, name }) => kind !== 'Secret' || name !== undefined,
  },
]
export const trackedConfigRules: readonly Rule<readonly Tracked[]>[] = [
  {
    cel: 'self.all(a, self.exists_one(b, a.kind == b.kind && (has(a.name) == has(b.name)) && (!has(a.name) || a.name == b.name)))',
    message: 'each object is named once: remove one of two entries that are alike',
    holds: (entries) => entries.every((entry) => entries.filter((other) => entry.kind === other.kind && entry.name === other.name).length === 1),
  },
  {
    cel: "!self.exists(a, a.kind == 'ConfigMap' && !has(a.name)) || self.filter(a, a.kind == 'ConfigMap').size() == 1",
    message: 'an entry {kind: ConfigMap} without a name means all of them: remove it, or the ones with names',
    holds: (entries) => !entries.some(({ kind, name }) => kind === 'ConfigMap' && name === undefined) || entries.filter(({ kind }) => kind === 'ConfigMap').length === 1,
  },
]

interface Step { name?: string | undefined; weight: number | string; scale?: number | string | undefined }
const last = 'self[size(self) - 1].weight'
export const stepsRules: readonly Rule<readonly Step[]>[] = [
  {
    cel: `self.map(s, type(s.weight) == int ? double(s.weight) : ${celPercent('s.weight')}).isSorted()`,
    message: 'weights never fall from one step to the next: put the steps in order, taking traffic away is what a rollback does',
    holds: (steps) => steps.every((step, index) => index === 0 || percentOf(step) >= percentOf(steps[index - 1]!)),
  },
  {
    cel: `type(${last}) == int ? ${last} == 100 : ${last} == '100%'`,
    message: 'the last step has weight 100: add {weight: 100}, for a version is promoted only after it has carried everything',
    holds: (steps) => steps.length === 0 || percentOf(steps.at(-1)!) === 100,
  },
  {
    cel: 'self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && b.name == a.name))',
    message: 'the name of a step is unique: rename one of two that are alike',
    holds: (steps) => steps.every(({ name }) => name === undefined || steps.filter((other) => other.name === name).length === 1),
  },
]
const percentOf = (step: Step) => parseWeight(step.weight) ?? Number.NaN

/** Too dear for CEL on Kubernetes 1.30, so judged by the controller: a scale in percent below the weight. */
export function scaleProblem({ weight, scale }: Step): string | undefined {
  const pods = scale === undefined ? undefined : parseScale(scale)
  if (!pods || !('percent' in pods) || pods.percent >= (parseWeight(weight) ?? 0)) return undefined
  const share = parseWeight(weight)!
  return `${JSON.stringify(scale)} of the pods is too little for weight ${share}%: write at least ${Math.ceil(share)}%, or leave scale out`
}

interface Spec {
  workloadRef?: { name: string } | undefined
  backends?: { stable: Arm } | undefined
  service?: { name?: string | undefined } | undefined
  traffic?: {
    istio?: { virtualServiceRefs?: unknown; destinationRuleRef?: unknown } | undefined
    gatewayAPI?: { routeRefs?: unknown } | undefined
    kubernetes?: unknown
  } | undefined
  analysis?: { telemetry?: string | undefined; checks: readonly { prometheus?: unknown }[] } | undefined
  trackedConfig?: unknown
  mode?: string | undefined
  replicas?: unknown
  revisionHistoryLimit?: unknown
  steps: readonly Step[]
}
const withMeshes: readonly string[] = telemetries.filter((one) => dataPlanes[one].goesWith === 'Any')
const doorNameShape = new RegExp(servicePattern)
const notWithBackends = (field: 'service' | 'replicas' | 'revisionHistoryLimit' | 'trackedConfig', why: string): Rule<Spec> => ({
  cel: `!(has(self.backends) && has(self.${field}))`,
  message: `${field} belongs to workloadRef: ${why}; remove it`,
  holds: (spec) => spec.backends === undefined || spec[field] === undefined,
})
export const specRules: readonly Rule<Spec>[] = [
  {
    cel: 'has(self.workloadRef) != has(self.backends)',
    message: 'give exactly one of workloadRef (a Deployment that Sluice runs in versions) and backends (two Services or subsets that exist)',
    holds: (spec) => (spec.workloadRef === undefined) !== (spec.backends === undefined),
  },
  {
    cel: 'has(self.traffic)',
    message: 'traffic is missing: say who moves the requests, for example traffic: {istio: {managed: {}}}',
    holds: (spec) => spec.traffic !== undefined,
  },
  {
    cel:
      '!has(self.workloadRef) || (has(self.service) && has(self.service.name)) '
      + `|| (size(self.workloadRef.name) <= 56 && self.workloadRef.name.matches(${celString(servicePattern)}))`,
    message: 'the name of the workload cannot name Services (<name>-stable and <name>-canary have at most 63 characters, begin with a letter and have '
      + 'no dots): set service.name',
    holds: ({ workloadRef, service }) =>
      workloadRef === undefined || service?.name !== undefined || (workloadRef.name.length <= 56 && doorNameShape.test(workloadRef.name)),
  },
  {
    cel: "!(has(self.mode) && self.mode == 'Observe') || has(self.backends)",
    message: 'mode Observe belongs to backends: Sluice cannot look on where it runs the versions itself; name the two backends of the other tool, or remove mode',
    holds: ({ mode, backends }) => mode !== 'Observe' || backends !== undefined,
  },
  notWithBackends('service', 'backends are Services of your own'),
  notWithBackends('replicas', 'Sluice does not scale backends'),
  notWithBackends('revisionHistoryLimit', 'Sluice keeps no versions of backends'),
  notWithBackends('trackedConfig', 'the pods of backends are not made by Sluice'),
  {
    cel: '!(has(self.backends) && self.steps.exists(s, has(s.scale)))',
    message: 'steps with scale belong to workloadRef: Sluice does not scale backends; remove scale',
    holds: (spec) => spec.backends === undefined || spec.steps.every((step) => step.scale === undefined),
  },
  {
    cel: '!(has(self.backends) && has(self.traffic)) || (has(self.traffic.istio) && has(self.traffic.istio.virtualServiceRefs)) '
      + '|| (has(self.traffic.gatewayAPI) && has(self.traffic.gatewayAPI.routeRefs))',
    message: 'backends need traffic.istio.virtualServiceRefs or traffic.gatewayAPI.routeRefs: a route of Sluice would go with the Rollout and leave your '
      + 'clients to both backends; name the route whose weights are to move',
    holds: ({ backends, traffic }) =>
      backends === undefined || traffic === undefined || traffic.istio?.virtualServiceRefs !== undefined || traffic.gatewayAPI?.routeRefs !== undefined,
  },
  {
    cel: '!(has(self.backends) && has(self.backends.stable.subset) && has(self.traffic) && has(self.traffic.gatewayAPI))',
    message: 'subsets belong to traffic.istio: routes of the Gateway API lead to Services, give each backend a service',
    holds: ({ backends, traffic }) => backends?.stable.subset === undefined || traffic?.gatewayAPI === undefined,
  },
  {
    cel: '!(has(self.traffic) && has(self.traffic.gatewayAPI) && has(self.analysis)) || has(self.analysis.telemetry) '
      + '|| self.analysis.checks.all(c, has(c.prometheus))',
    message: 'analysis.telemetry is missing: the Gateway API does not say whose metrics tell of its requests, name the data plane that implements it',
    holds: ({ traffic, analysis }) => traffic?.gatewayAPI === undefined || analysis === undefined || analysis.telemetry !== undefined || analysis.checks.every((check) => check.prometheus !== undefined),
  },
  {
    cel: '!(has(self.traffic) && has(self.traffic.kubernetes)) '
      + "|| self.steps.all(s, type(s.weight) == int ? s.weight == 0 || s.weight == 100 : s.weight in ['0%', '0.0%', '100%', '100.0%'])",
    message: 'steps[].weight is 0 or 100 with traffic.kubernetes, since a Service leads to one version at a time: write 0 for a preview and 100 for the '
      + 'switch, or choose istio, smi or gatewayAPI for shares between them',
    holds: ({ traffic, steps }) => traffic?.kubernetes === undefined || steps.every((step) => [0, 100].includes(percentOf(step))),
  },
  {
    cel: '!(has(self.traffic) && has(self.traffic.kubernetes) && has(self.analysis)) || has(self.analysis.telemetry) '
      + '|| self.analysis.checks.all(c, has(c.prometheus))',
    message: 'analysis.telemetry is missing: Services measure nothing, so name whose metrics tell of the requests, or leave analysis out and rest on '
      + 'readiness, holds and approvals',
    holds: ({ traffic, analysis }) => traffic?.kubernetes === undefined || analysis === undefined || analysis.telemetry !== undefined || analysis.checks.every((check) => check.prometheus !== undefined),
  },
  {
    cel: '!(has(self.traffic) && !has(self.traffic.gatewayAPI) && has(self.analysis) && has(self.analysis.telemetry)) '
      + `|| self.analysis.telemetry in [${withMeshes.map((one) => `'${one}'`).join(', ')}]`,
    message: 'analysis.telemetry is of a data plane that counts routes of the Gateway API: '
      + `with another traffic write ${withMeshes.join(', ')}`,
    holds: ({ traffic, analysis }) =>
      traffic === undefined || traffic.gatewayAPI !== undefined || analysis?.telemetry === undefined || withMeshes.includes(analysis.telemetry),
  },
  {
    cel: '!(has(self.traffic) && has(self.traffic.istio) && has(self.traffic.istio.destinationRuleRef)) || (has(self.backends) && '
      + 'has(self.backends.stable.subset))',
    message: 'traffic.istio.destinationRuleRef belongs to backends with subsets: remove it, Sluice finds the DestinationRule of a Service by its host',
    holds: (spec) => spec.traffic?.istio?.destinationRuleRef === undefined || spec.backends?.stable.subset !== undefined,
  },
]

interface Request { action: string; revision?: unknown; step?: unknown }
export const requestRules: readonly Rule<Request>[] = [
  {
    cel: "self.action in ['Abort', 'Pause'] || has(self.revision)",
    message: 'revision is missing: name the revision that is meant (status.canary.revision or status.stable.revision of the Rollout), so that nothing '
      + 'else is acted on; only Abort and Pause go without',
    holds: ({ action, revision }) => action === 'Abort' || action === 'Pause' || revision !== undefined,
  },
  {
    cel: "self.action in ['Promote', 'Approve'] || !has(self.step)",
    message: 'step belongs to Promote and Approve: remove it',
    holds: ({ action, step }) => action === 'Promote' || action === 'Approve' || step === undefined,
  },
]
/** The API server alone can judge this: it knows the object before. */
export const immutable = { rule: 'self == oldSelf', message: 'a request is never changed: delete it and make a new one' }
