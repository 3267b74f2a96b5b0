/** Everything that Sluice measures of itself, in one place: names, units, and what labels mean. Nothing here knows Prometheus or the loop. */

/** What each label says; a value is one of a few words, or the name of a Rollout that exists. */
export const labelMeanings = {
  rollout_namespace: 'Namespace of the Rollout. Not `namespace`, which Prometheus gives to the pod that it scrapes.',
  rollout: 'Name of the Rollout.',
  phase: 'Phase of the Rollout; only the present one has a series.',
  outcome: '`Promoted`, `RolledBack`, `Superseded` or `Withdrawn`.',
  reason: 'One CamelCase word, as in `status.history[].reason` or in the condition.',
  result: 'What came of it; the words stand with the metric.',
  of: 'Which of several numbers; the words stand with the metric.',
  type: 'Type of the note, as in events and notifications; or of the condition.',
  weight: 'Class of the weight by its upper end in percent: `1`, `5`, `10`, `25`, `50`, `75` or `100`.',
  source: 'Name of the metric source.',
  check: 'Name of the check.',
  verdict: '`Pass`, `Fail`, `NoData` or `Error`; only the present one has a series.',
  lane: 'Lane of the queue: `Closing` (traffic may have to be taken away), `People` or `Rest`.',
  action: 'The write, as `Lower`, `SetSplit`, `Scale` or `TurnDoor`.',
  kind: 'Kind of the objects that a cache holds.',
  verb: 'Verb of the request to the API server, as in RBAC.',
  resource: 'Resource of the request, with its group where it is no built-in one; `discovery` for what is served.',
  code: 'HTTP status, `200` for every success; `Timeout` or `Unavailable` where there was no answer.',
  to: '`Leading` or `Standby`.',
  version: 'Version of Sluice.',
} as const
export type Label = keyof typeof labelMeanings

interface Definition {
  readonly type: 'Counter' | 'Gauge' | 'Histogram'
  readonly help: string
  readonly labels: readonly Label[]
  /** Upper ends, in seconds. */
  readonly buckets?: readonly number[]
}
const ofRollout = ['rollout_namespace', 'rollout'] as const
const reactions = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const minutes = [30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400]

/** By full name. Counters and histograms count in this process since its start; gauges say how it is at the time of the scrape, those of Rollouts on the leader alone. */
export const definitions = {
  sluice_journeys_started_total: { type: 'Counter', labels: ofRollout, help: 'Journeys that have started. A way back after a promotion ends without having started here.' },
  sluice_journeys_ended_total: { type: 'Counter', labels: [...ofRollout, 'outcome'], help: 'Journeys that have ended, by outcome. Each Rollout begins with a zero for each outcome.' },
  sluice_journeys_ended_by_reason_total: { type: 'Counter', labels: ['outcome', 'reason'], help: 'The same over all Rollouts, by reason.' },
  sluice_journey_requests_total: { type: 'Counter', labels: [...ofRollout, 'result'], help: 'Requests of journeys that have ended: `Served` by the new revision, and `Lost` on it. The price of releasing.' },
  sluice_journey_duration_seconds: { type: 'Histogram', labels: ['outcome'], buckets: minutes, help: 'From the start of a journey to its end.' },
  sluice_weight_duration_seconds: { type: 'Histogram', labels: ['weight'], buckets: minutes, help: 'Time at weight: how long a new revision stayed at one weight, from seeing it in every route until it changed.' },
  sluice_notes_total: { type: 'Counter', labels: ['type'], help: 'Notes that were made, as events and notifications tell them.' },
  sluice_lowering_reaction_seconds: { type: 'Histogram', labels: [], buckets: reactions, help: 'From the answer that decided against a revision to its weight being written as 0 in every route.' },
  sluice_template_reaction_seconds: { type: 'Histogram', labels: [], buckets: reactions, help: 'From the watch telling of a changed pod template to the first commit that knows of it.' },
  sluice_passes_total: { type: 'Counter', labels: ['lane', 'result'], help: 'Passes: `Done`; `Again` where something was stale; `Failed` where a write failed; `Bug` where the pass threw.' },
  sluice_pass_duration_seconds: { type: 'Histogram', labels: ['lane'], buckets: reactions, help: 'Duration of a pass, the wait for its own writes included.' },
  sluice_queue_depth: { type: 'Gauge', labels: ['lane'], help: 'Rollouts that wait for a pass.' },
  sluice_commits_total: { type: 'Counter', labels: ['result'], help: 'Compare-and-sets of a status: `Won`; `Lost` where somebody was faster; `Refused` by the API server; `Failed` where nothing is known to be written.' },
  sluice_actions_total: { type: 'Counter', labels: ['action', 'result'], help: 'Writes of passes: `Done`; `Stale` where the object had changed; `Failed`. A `Lower` that is not `Done` is repeated until it is.' },
  sluice_raises_fenced_total: { type: 'Counter', labels: [], help: 'Raises that were left undone, since the lease may have run out.' },
  sluice_queries_total: { type: 'Counter', labels: ['source', 'result'], help: 'Questions to the metric source: answered with `Counts`, or the value of a query of one’s own; `Empty` where the new revision had no request, or such a query no value; `Error`.' },
  sluice_query_duration_seconds: { type: 'Histogram', labels: ['source'], buckets: reactions, help: 'Duration of a question to the metric source, the wait for its turn included.' },
  sluice_api_requests_total: { type: 'Counter', labels: ['verb', 'resource', 'code'], help: 'Requests to the API server, repetitions included. 429 is its own limit.' },
  sluice_api_request_duration_seconds: { type: 'Histogram', labels: ['verb'], buckets: reactions, help: 'Duration of a request to the API server until its answer; of a watch, until its first line.' },
  sluice_watch_restarts_total: { type: 'Counter', labels: ['kind', 'result'], help: 'Watches that began anew after they had `Ended` (the server does that every five minutes), or `Failed`.' },
  sluice_watch_heard_timestamp_seconds: { type: 'Gauge', labels: ['kind'], help: 'When a watch last said something, as Unix time; a server says something once a minute at the latest.' },
  sluice_cache_synced: { type: 'Gauge', labels: ['kind'], help: '1 where everything of the kind is known, 0 where its first list is awaited. A kind that is not served has no series.' },
  sluice_cache_objects: { type: 'Gauge', labels: ['kind'], help: 'Objects in the cache.' },
  sluice_leader: { type: 'Gauge', labels: [], help: '1 in the process that leads, 0 in one that waits.' },
  sluice_lease_changes_total: { type: 'Counter', labels: ['to'], help: 'Times that this process began to lead, or ceased to.' },
  sluice_lease_problems_total: { type: 'Counter', labels: [], help: 'Requests for the lease that failed.' },
  sluice_events_total: { type: 'Counter', labels: ['result'], help: 'Kubernetes events: `Delivered`, `Refused` for good, `Failed` and to be tried again.' },
  sluice_messages_total: { type: 'Counter', labels: ['result'], help: 'Messages to notification channels, each try: `Delivered`; `Busy`: later; `Failed`: somebody must change something; `Refused`: this one is not taken.' },
  sluice_hook_calls_total: { type: 'Counter', labels: ['result'], help: 'Calls of hooks, each try: `Agreed`; `Refused`; `Later`: put off; `Error`: no answer of anybody who decides. Reports of outcomes count as messages.' },
  sluice_outbox_notes: { type: 'Gauge', labels: [], help: 'Notes in all outboxes that are not delivered, or have been within the last minute.' },
  sluice_config_valid: { type: 'Gauge', labels: [], help: '1 where the configuration file is in force as it stands, 0 where it is wrong or gone and the one before is. No series without a file.' },
  sluice_config_loaded_timestamp_seconds: { type: 'Gauge', labels: [], help: 'Since when the configuration that is in force is, as Unix time. No series without a file.' },
  sluice_build_info: { type: 'Gauge', labels: ['version'], help: 'Always 1.' },
  sluice_rollout_phase: { type: 'Gauge', labels: [...ofRollout, 'phase'], help: '1 for the present phase.' },
  sluice_rollout_condition: { type: 'Gauge', labels: [...ofRollout, 'type', 'reason'], help: '1 for each condition that is True.' },
  sluice_rollout_weight_ratio: { type: 'Gauge', labels: [...ofRollout, 'of'], help: 'Share of the new revision, from 0 to 1, while a journey is under way: `Wanted`; `Seen` in every route; `Measured` in requests. Once it closes only `Wanted`, which is 0 then.' },
  sluice_rollout_weight_seen_timestamp_seconds: { type: 'Gauge', labels: ofRollout, help: 'Since when the present weight is seen, as Unix time, while a journey is under way.' },
  sluice_rollout_step: { type: 'Gauge', labels: [...ofRollout, 'of'], help: '`Present` step of the journey under way, counted from 1, and `All` of them.' },
  sluice_rollout_check_verdict: { type: 'Gauge', labels: [...ofRollout, 'check', 'verdict'], help: '1 for the present verdict of each check, while it is asked.' },
  sluice_rollout_check_requests: { type: 'Gauge', labels: [...ofRollout, 'check', 'of'], help: 'Requests in the window of the last verdict: `All`, and the `Bad` ones among them.' },
  sluice_rollout_check_failures: { type: 'Gauge', labels: [...ofRollout, 'check'], help: 'Failing evaluations in a row that count against the revision.' },
  sluice_rollout_journey_requests: { type: 'Gauge', labels: [...ofRollout, 'result'], help: 'Requests of the journey under way, or the last one: `Served` by the new revision, and `Lost` on it.' },
  sluice_rollout_last_end_info: { type: 'Gauge', labels: [...ofRollout, 'outcome', 'reason'], help: '1: how the last journey ended, and why.' },
  sluice_rollout_last_end_timestamp_seconds: { type: 'Gauge', labels: ofRollout, help: 'When the last journey ended, as Unix time.' },
  sluice_rollout_outbox_oldest_timestamp_seconds: { type: 'Gauge', labels: ofRollout, help: 'Time of the oldest note in the outbox, as Unix time. No series where it is empty.' },
  sluice_rollout_lowering_failing: { type: 'Gauge', labels: ofRollout, help: '1 while traffic that has to be taken away cannot be: the route cannot be written, or no pod is ready to lower onto. No series otherwise.' },
} as const satisfies Readonly<Record<string, Definition>>

type Definitions = typeof definitions
export type MeterName = keyof Definitions
type Named<T extends Definition['type']> = { [N in MeterName]: Definitions[N]['type'] extends T ? N : never }[MeterName]
export type CounterName = Named<'Counter'>
export type HistogramName = Named<'Histogram'>
export type GaugeName = Named<'Gauge'>
/** Exactly the labels of the metric. */
export type LabelsOf<N extends MeterName> = Readonly<Record<Definitions[N]['labels'][number], string>>
export type Sample = { [N in GaugeName]: { readonly name: N; readonly labels: LabelsOf<N>; readonly value: number } }[GaugeName]

/** Where the loop says what has happened. */
export interface Meters {
  /** Adds `by`, 1 where unset; 0 makes the series, so that its first increment is seen. */
  count<N extends CounterName>(name: N, labels: LabelsOf<N>, by?: number): void
  /** One duration, in seconds. */
  observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, seconds: number): void
  /** Gauges are asked for at each scrape. Returns how to end it. */
  read(reader: () => Iterable<Sample>): () => void
  /** Drops the series of a Rollout that is no more. */
  forget(namespace: string, rollout: string): void
}
/** Nobody wants to know. */
export const noMeters: Meters = { count: () => {}, observe: () => {}, read: () => () => {}, forget: () => {} }
