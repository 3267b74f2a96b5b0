/** Series of data planes as selectors. Names of namespaces, workloads and doors are user input: every value is quoted, every regex escaped. */
import type { ArmSeries, Measure } from './reading.ts'

/** What counts answer. */
export type Counted = Exclude<Measure['kind'], 'Query'>

/**
 * What an element counts. `status`: requests by `statusLabels`, which tell total and bad in one selection. `lost`: requests that never arrived at a pod,
 * part of none of the others. `bucket` comes with `le`.
 */
export type What = 'total' | 'bad' | 'status' | 'lost' | 'bucket'

/** Labels that may hold an HTTP status; the first one that does is believed. */
export const statusLabels = ['status', 'code', 'status_code'] as const

export interface Series {
  readonly metric: string
  readonly matchers: readonly string[]
}
export interface Leaf {
  readonly what: What
  /** Disjoint selections that are added. */
  readonly series: readonly Series[]
}

/** One data plane: how it counts the requests of an arm. */
export interface DataPlane {
  /** Who counts, for the description of `analysis.telemetry`. */
  readonly says: string
  /** Of which `traffic` it tells: `Any`, or only routes of the Gateway API. */
  readonly goesWith: 'Any' | 'GatewayAPI'
  /** Milliseconds that one unit of its histograms' `le` stands for. */
  readonly leMs: 1 | 1000
  /** `shared`: both arms have one host. An arm that this data plane cannot tell has no leaves. */
  readonly leaves: (arm: ArmSeries, measure: Counted, shared: boolean) => readonly Leaf[]
}

/** Unknown, DeadlineExceeded, ResourceExhausted, Unimplemented, Internal, Unavailable, DataLoss: failures that hide behind HTTP 200. */
export const grpcFailures = '2|4|8|12|13|14|15'

export const is = (label: string, value: string): string => `${label}=${quoted(value)}`

/** One of these values; empty ones are left out. */
export const oneOf = (label: string, values: readonly string[]): string => {
  const real = values.filter((value) => value !== '')
  return real.length === 1 ? is(label, real[0]!) : `${label}=~${quoted(real.map(regexEscaped).join('|'))}`
}

/** A PromQL string; JSON's escapes are a subset of Go's. */
export const quoted = (value: string): string => JSON.stringify(value)

export const regexEscaped = (value: string): string => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** Service and namespace of a door's host, `<service>.<namespace>.svc.<domain>`; undefined where the arm has none. */
export function doorOf(arm: ArmSeries): { readonly service: string; readonly namespace: string } | undefined {
  const [service, namespace] = arm.door?.split('.') ?? []
  return service && namespace ? { service, namespace } : undefined
}

/** What most data planes need: counters with the failing ones among them, and a histogram. */
export function counted(measure: Counted, total: readonly Series[], bad: readonly Series[], buckets: readonly Series[]): readonly Leaf[] {
  if (measure === 'Latency') return [{ what: 'bucket', series: buckets }]
  return measure === 'DoorRequests' ? [{ what: 'total', series: total }] : [{ what: 'total', series: total }, { what: 'bad', series: bad }]
}

/** Whether an arm names any workload. */
export const hasWorkload = (arm: ArmSeries): boolean => arm.namespace !== '' && arm.workloads.some((workload) => workload !== '')
