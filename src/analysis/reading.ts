/** Questions to a metric source and their answers, in counts or as one value. Pure. */
import type { Telemetry } from './telemetry.ts'

/** What the data plane calls one side of the split. */
export interface ArmSeries {
  readonly namespace: string
  /** Deployment names whose pods serve this side. */
  readonly workloads: readonly string[]
  /** Fully qualified name of the Service that routes name, for requests that never arrived; absent where both sides share one host and this one is not charged with them. */
  readonly door?: string
  /** Names of the clusters that lead to this side, of Envoy Gateway. */
  readonly clusters?: readonly string[]
}
export type Measure =
  | { readonly kind: 'SuccessRate' }
  /** `aboveMs`: requests slower than this are bad. `percentile` in percent, for display. */
  | { readonly kind: 'Latency'; readonly percentile: number; readonly aboveMs: number }
  /** Requests that clients sent through each arm's door, none of them bad; through a shared host, or without a door, what arrived at the workloads. */
  | { readonly kind: 'DoorRequests' }
  | QueryMeasure
/** A query of one's own, which answers one number. */
export interface QueryMeasure {
  readonly kind: 'Query'
  /** `<namespace>/<name>` of its template: those who ask by one template share its failures, and nobody else does. */
  readonly template: string
  /** PromQL with its values, or why it cannot be asked. */
  readonly query: { readonly ok: true; readonly query: string } | { readonly ok: false; readonly reason: string }
  /** What its number is in, for people; empty where it is in nothing. */
  readonly unit: string
}

export interface Question {
  /** Stable while the question means the same: check name, revision and the start of its slow window. */
  readonly id: string
  readonly check: string
  /** Name of the metric source that is asked. */
  readonly source: string
  /** Whose series are counted. Undefined only where a query of one's own is asked. */
  readonly telemetry: Telemetry | undefined
  readonly measure: Measure
  readonly stable: ArmSeries
  readonly canary: ArmSeries
  /** Unix ms at which the windows end; also when the question is due. */
  readonly at: number
  readonly fastMs: number
  readonly slowMs: number
}
export interface Counts {
  readonly total: number
  readonly bad: number
}
export interface ArmCounts {
  readonly fast: Counts
  readonly slow: Counts
  /** The percentile over the slow window in ms, by interpolation, for display; absent without requests. */
  readonly percentileMs?: number
}
export type Answer =
  | { readonly state: 'Counts'; readonly canary: ArmCounts; readonly stable: ArmCounts }
  /** Of a query of one's own; may be infinite, never NaN. */
  | { readonly state: 'Value'; readonly value: number }
  /** It answered nothing. */
  | { readonly state: 'Empty'; readonly reason: string }
  | { readonly state: 'Error'; readonly reason: string }
export interface Reading {
  readonly question: Question
  readonly answer: Answer
  /** Unix ms when the answer came in. */
  readonly answeredAt: number
}
