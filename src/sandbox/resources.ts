/** What the embedded API server serves: its built-in kinds. Custom kinds come from CRDs (crds.ts). */
import type { KubeObject } from '../rollout/objects.ts'

/** JSON paths of a CRD's scale subresource, for example `.spec.replicas`. */
export interface ScalePaths {
  readonly spec: string
  readonly status: string
  readonly selector?: string
}
export interface PrinterColumn {
  readonly name: string
  readonly type: string
  readonly jsonPath: string
  readonly format?: string
  readonly priority?: number
  readonly description?: string
}
export interface ServedVersion {
  readonly name: string
  readonly status: boolean
  readonly scale?: ScalePaths
  /** OpenAPI v3 schema of a CRD; undefined: nothing is pruned or validated. */
  readonly schema?: any
  readonly columns?: readonly PrinterColumn[]
}
/** One kind as it is served. `id` is `<plural>.<group>`, for the core group `<plural>`, and names the kind in the store. */
export interface Definition {
  readonly id: string
  readonly group: string
  readonly plural: string
  readonly singular: string
  readonly kind: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly namespaced: boolean
  /** By preference, the preferred one first. */
  readonly versions: readonly ServedVersion[]
  /** Version in which objects are stored and read in-process. */
  readonly storage: string
  readonly custom: boolean
  /** Whether metadata.generation is kept. */
  readonly generation: boolean
  /** Objects live under another id and are converted at the edge (events.k8s.io/v1 Event is v1 Event). */
  readonly alias?: {
    readonly id: string
    readonly out: (object: KubeObject) => KubeObject
    readonly in: (object: KubeObject) => KubeObject
    /** Fields that must be given under this face. */
    readonly required: readonly string[]
  }
}

interface BuiltIn {
  readonly group?: string
  readonly version?: string
  readonly plural: string
  readonly kind: string
  readonly short?: readonly string[]
  readonly all?: true
  readonly cluster?: true
  readonly status?: true
  readonly scale?: true
  readonly generation?: true
}

const builtIns: readonly BuiltIn[] = [
  { plural: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { plural: 'events', kind: 'Event', short: ['ev'] },
  { plural: 'namespaces', kind: 'Namespace', short: ['ns'], cluster: true, status: true },
  { plural: 'nodes', kind: 'Node', short: ['no'], cluster: true, status: true },
  { plural: 'pods', kind: 'Pod', short: ['po'], all: true, status: true, generation: true },
  { plural: 'secrets', kind: 'Secret' },
  { plural: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'] },
  { plural: 'services', kind: 'Service', short: ['svc'], all: true, status: true },
  { group: 'apps', plural: 'deployments', kind: 'Deployment', short: ['deploy'], all: true, status: true, scale: true, generation: true },
  { group: 'apps', plural: 'replicasets', kind: 'ReplicaSet', short: ['rs'], all: true, status: true, scale: true, generation: true },
  { group: 'autoscaling', version: 'v2', plural: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler', short: ['hpa'], all: true, status: true },
  { group: 'coordination.k8s.io', plural: 'leases', kind: 'Lease' },
  { group: 'discovery.k8s.io', plural: 'endpointslices', kind: 'EndpointSlice', generation: true },
  {
    group: 'apiextensions.k8s.io',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    short: ['crd', 'crds'],
    cluster: true,
    status: true,
    generation: true,
  },
]

/** `<plural>.<group>`, or the plural alone for the core group. */
export const idOf = (group: string, plural: string): string => (group ? `${plural}.${group}` : plural)

/** `<group>/<version>`, or the version alone for the core group. */
export const apiVersionOf = (group: string, version: string): string => (group ? `${group}/${version}` : version)

function builtIn(entry: BuiltIn): Definition {
  const version = entry.version ?? 'v1'
  return {
    id: idOf(entry.group ?? '', entry.plural),
    group: entry.group ?? '',
    plural: entry.plural,
    singular: entry.kind.toLowerCase(),
    kind: entry.kind,
    shortNames: entry.short ?? [],
    categories: entry.all ? ['all'] : [],
    namespaced: !entry.cluster,
    versions: [
      {
        name: version,
        status: entry.status ?? false,
        ...(entry.scale && { scale: { spec: '.spec.replicas', status: '.status.replicas', selector: '.spec.selector' } }),
      },
    ],
    storage: version,
    custom: false,
    generation: entry.generation ?? false,
  }
}

/** Every built-in kind, the events API of events.k8s.io as another face of core events included. */
export function builtInDefinitions(): Definition[] {
  const definitions = builtIns.map(builtIn)
  const events = builtIn({ group: 'events.k8s.io', plural: 'events', kind: 'Event', short: ['ev'] })
  return [
    ...definitions,
    { ...events, alias: { id: 'events', out: newEvent, in: coreEvent, required: ['eventTime', 'reportingController', 'reportingInstance', 'action'] } },
  ]
}

const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
]
const translate = (object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject =>
  ({ ...Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value])), apiVersion }) as KubeObject
const newEvent = (object: KubeObject): KubeObject => translate(object, 'events.k8s.io/v1', new Map(renamed))
const coreEvent = (object: KubeObject): KubeObject => translate(object, 'v1', new Map(renamed.map(([core, other]) => [other, core])))

/** Value at a simple JSON path such as `.spec.replicas`; undefined where anything on the way is absent. */
export function at(object: unknown, path: string): any {
  let value: any = object
  for (const part of path.split('.').filter((name) => name !== '')) value = value?.[part]
  return value
}

/** A copy of `object` with `value` at a simple JSON path; absent maps on the way are made. */
export function withValue<T>(object: T, path: string, value: unknown): T {
  const [head, ...rest] = path.split('.').filter((name) => name !== '')
  if (head === undefined) return value as T
  const map = (object ?? {}) as Record<string, unknown>
  return { ...map, [head]: withValue(map[head], rest.join('.'), value) } as T
}
