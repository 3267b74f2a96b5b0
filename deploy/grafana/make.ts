/** Writes the dashboards beside it: `npx node deploy/grafana/make.ts`. A test compares, and runs every query against a real Prometheus. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Panel {
  readonly title: string
  readonly text: string
  readonly kind: 'stat' | 'timeseries' | 'bargauge' | 'state-timeline'
  /** Of Grafana: `s`, `percentunit`, `bytes`, `short`, `reqps`. */
  readonly unit: string
  /** Of 24. */
  readonly width: number
  /** Query and legend. */
  readonly queries: readonly (readonly [expr: string, legend: string])[]
}
type Row = readonly [title: string, panels: readonly Panel[]]

const each = 'rollout_namespace, rollout'
const name = '{{rollout_namespace}}/{{rollout}}'
const quantile = (q: number, metric: string, by = '', range = '$__rate_interval') => `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (increase(${metric}_bucket[${range}])))`
/** What `increase` misses of a series that is born with its first 1. */
const since = (series: string) => `(max_over_time(${series}[$__range]) unless ${series} offset $__range) or increase(${series}[$__range])`
const ours = (series: string) => `${series} and on (job, instance) sluice_build_info`

const fleet: readonly Row[] = [
  ['Releases', [
    { title: 'Leads', text: 'Controllers that lead: one. None: nothing is taken back.', kind: 'stat', unit: 'short', width: 4, queries: [['sum(sluice_leader)', '']] },
    { title: 'Rollouts', text: 'As the leader sees them.', kind: 'stat', unit: 'short', width: 4, queries: [[`count(max by (${each}) (sluice_rollout_phase))`, '']] },
    { title: 'Under way', text: 'Journeys that are not at their end.', kind: 'stat', unit: 'short', width: 4, queries: [[`count(max by (${each}) (sluice_rollout_weight_ratio{of="Wanted"})) or vector(0)`, '']] },
    { title: 'Wait for a person', text: 'Held, or waiting for an approval.', kind: 'stat', unit: 'short', width: 4, queries: [[`count(max by (${each}) (sluice_rollout_phase{phase=~"Held|AwaitingApproval"})) or vector(0)`, '']] },
    { title: 'Rolled back', text: 'In the time shown.', kind: 'stat', unit: 'short', width: 4, queries: [['sum(increase(sluice_journeys_ended_total{outcome="RolledBack"}[$__range]))', '']] },
    { title: 'Requests lost', text: 'On new versions, in journeys that ended in the time shown.', kind: 'stat', unit: 'short', width: 4, queries: [['sum(increase(sluice_journey_requests_total{result="Lost"}[$__range]))', '']] },
    { title: 'Phases', text: 'Rollouts by phase.', kind: 'timeseries', unit: 'short', width: 12, queries: [[`count by (phase) (max by (${each}, phase) (sluice_rollout_phase))`, '{{phase}}']] },
    { title: 'Shares', text: 'Share of new versions, as it is seen in routes.', kind: 'timeseries', unit: 'percentunit', width: 12, queries: [[`max by (${each}) (sluice_rollout_weight_ratio{of="Seen"})`, name]] },
    { title: 'Journeys ended', text: 'By outcome.', kind: 'timeseries', unit: 'short', width: 8, queries: [['sum by (outcome) (increase(sluice_journeys_ended_total[$__rate_interval]))', '{{outcome}}']] },
    { title: 'Why they ended', text: 'In the time shown.', kind: 'bargauge', unit: 'short', width: 8, queries: [[`sum by (outcome, reason) (${since('sluice_journeys_ended_by_reason_total')})`, '{{outcome}}: {{reason}}']] },
    { title: 'Requests lost, by Rollout', text: 'On new versions, in journeys that ended in the time shown.', kind: 'bargauge', unit: 'short', width: 8, queries: [[`sum by (${each}) (increase(sluice_journey_requests_total{result="Lost"}[$__range]))`, name]] },
    { title: 'Duration of journeys', text: 'From start to end, in the time shown.', kind: 'bargauge', unit: 's', width: 12, queries: [[quantile(0.5, 'sluice_journey_duration_seconds', 'outcome', '$__range'), '{{outcome}}, half'], [quantile(0.9, 'sluice_journey_duration_seconds', 'outcome', '$__range'), '{{outcome}}, 9 of 10']] },
    { title: 'Time at weight', text: 'How long new versions stayed at weights up to so many percent: the median.', kind: 'bargauge', unit: 's', width: 12, queries: [[quantile(0.5, 'sluice_weight_duration_seconds', 'weight', '$__range'), 'up to {{weight}} %']] },
  ]],
  ['How fast', [
    { title: 'Answer to weight 0', text: 'From the answer that decides against a version to its weight being written as 0.', kind: 'timeseries', unit: 's', width: 12, queries: [[quantile(0.5, 'sluice_lowering_reaction_seconds', '', '$__range'), 'half'], [quantile(0.99, 'sluice_lowering_reaction_seconds', '', '$__range'), '99 of 100']] },
    { title: 'Push to first commit', text: 'From the watch telling of a changed template to the first commit that knows of it.', kind: 'timeseries', unit: 's', width: 12, queries: [[quantile(0.5, 'sluice_template_reaction_seconds', '', '$__range'), 'half'], [quantile(0.99, 'sluice_template_reaction_seconds', '', '$__range'), '99 of 100']] },
    { title: 'Passes', text: 'Duration, the wait for their own writes included: 99 of 100.', kind: 'timeseries', unit: 's', width: 8, queries: [[quantile(0.99, 'sluice_pass_duration_seconds', 'lane'), '{{lane}}']] },
    { title: 'Queue', text: 'Rollouts that wait for a pass.', kind: 'timeseries', unit: 'short', width: 8, queries: [['max by (lane) (sluice_queue_depth)', '{{lane}}']] },
    { title: 'Event loop', text: 'Lag, 99 of 100. While it lags nothing is decided.', kind: 'timeseries', unit: 's', width: 8, queries: [[ours('nodejs_eventloop_lag_p99_seconds'), '{{instance}}']] },
  ]],
  ['API server and metric source', [
    { title: 'API requests', text: 'By verb and code. 429 is the server\'s own limit.', kind: 'timeseries', unit: 'reqps', width: 12, queries: [['sum by (verb, code) (rate(sluice_api_requests_total[$__rate_interval]))', '{{verb}} {{code}}']] },
    { title: 'Writes', text: 'By resource.', kind: 'timeseries', unit: 'reqps', width: 12, queries: [['sum by (resource) (rate(sluice_api_requests_total{verb=~"create|patch|update|delete"}[$__rate_interval]))', '{{resource}}']] },
    { title: 'API requests, duration', text: '99 of 100.', kind: 'timeseries', unit: 's', width: 8, queries: [[quantile(0.99, 'sluice_api_request_duration_seconds', 'verb'), '{{verb}}']] },
    { title: 'Commits', text: 'Compare-and-sets of statuses. Lost: somebody was faster.', kind: 'timeseries', unit: 'short', width: 8, queries: [['sum by (result) (increase(sluice_commits_total[$__rate_interval]))', '{{result}}']] },
    { title: 'Lowerings not done at once', text: 'They are repeated until they are. Empty is well.', kind: 'timeseries', unit: 'short', width: 8, queries: [['sum by (result) (increase(sluice_actions_total{action="Lower",result!="Done"}[$__rate_interval]))', '{{result}}']] },
    { title: 'Questions to the metric source', text: 'By result. Empty: the new version had no request.', kind: 'timeseries', unit: 'reqps', width: 12, queries: [['sum by (source, result) (rate(sluice_queries_total[$__rate_interval]))', '{{source}} {{result}}']] },
    { title: 'Questions, duration', text: '99 of 100, the wait for their turn included.', kind: 'timeseries', unit: 's', width: 12, queries: [[quantile(0.99, 'sluice_query_duration_seconds', 'source'), '{{source}}']] },
  ]],
  ['Controller', [
    { title: 'Passes by result', text: 'Again: something was stale. Failed: a write failed. Bug: report it.', kind: 'timeseries', unit: 'short', width: 8, queries: [['sum by (lane, result) (rate(sluice_passes_total[$__rate_interval]))', '{{lane}} {{result}}']] },
    { title: 'Silence of watches', text: 'Time since each watch of the leader has said something; a server says something every minute.', kind: 'timeseries', unit: 's', width: 8, queries: [['time() - (sluice_watch_heard_timestamp_seconds and on (job, instance) (sluice_leader == 1))', '{{kind}}']] },
    { title: 'Watches begun anew', text: 'Ended: by the server, every five minutes. Failed: not.', kind: 'timeseries', unit: 'short', width: 8, queries: [['sum by (kind, result) (increase(sluice_watch_restarts_total[$__range]))', '{{kind}} {{result}}']] },
    { title: 'Outbox', text: 'Notes that are not told yet, or just have been.', kind: 'timeseries', unit: 'short', width: 6, queries: [['max(sluice_outbox_notes)', 'notes']] },
    { title: 'Events and messages', text: 'By result.', kind: 'timeseries', unit: 'short', width: 6, queries: [['sum by (result) (increase(sluice_events_total[$__range]))', 'events {{result}}'], ['sum by (result) (increase(sluice_messages_total[$__range]))', 'messages {{result}}']] },
    { title: 'Lease', text: 'Times that leading began or ended, and requests for the lease that failed.', kind: 'timeseries', unit: 'short', width: 6, queries: [['sum by (to) (sluice_lease_changes_total)', '{{to}}'], ['sum(sluice_lease_problems_total)', 'problems']] },
    { title: 'In caches', text: 'Objects by kind.', kind: 'timeseries', unit: 'short', width: 6, queries: [['max by (kind) (sluice_cache_objects)', '{{kind}}']] },
    { title: 'CPU', text: 'Of one core.', kind: 'timeseries', unit: 'percentunit', width: 12, queries: [[ours('rate(process_cpu_seconds_total[$__rate_interval])'), '{{instance}}']] },
    { title: 'Memory', text: 'Resident.', kind: 'timeseries', unit: 'bytes', width: 12, queries: [[ours('process_resident_memory_bytes'), '{{instance}}']] },
  ]],
]

const here = 'rollout_namespace="$namespace",rollout="$rollout"'
const rollout: readonly Row[] = [
  ['Now', [
    { title: 'Phase', text: 'Present phase.', kind: 'stat', unit: 'short', width: 6, queries: [[`max by (phase) (sluice_rollout_phase{${here}})`, '{{phase}}']] },
    { title: 'Step', text: 'Present step, and all of them. Empty at rest.', kind: 'stat', unit: 'short', width: 6, queries: [[`max by (of) (sluice_rollout_step{${here}})`, '{{of}}']] },
    { title: 'At this weight for', text: 'Since it was seen in every route. Empty at rest.', kind: 'stat', unit: 's', width: 6, queries: [[`time() - max(sluice_rollout_weight_seen_timestamp_seconds{${here}})`, '']] },
    { title: 'Last journey', text: 'How the last journey ended.', kind: 'stat', unit: 'short', width: 6, queries: [[`max by (outcome, reason) (sluice_rollout_last_end_info{${here}})`, '{{outcome}}: {{reason}}']] },
    { title: 'Share of the new version', text: 'Wanted, seen in every route, and measured in requests.', kind: 'timeseries', unit: 'percentunit', width: 12, queries: [[`max by (of) (sluice_rollout_weight_ratio{${here}})`, '{{of}}']] },
    { title: 'Phases', text: 'Over time.', kind: 'state-timeline', unit: 'short', width: 12, queries: [[`max by (phase) (sluice_rollout_phase{${here}})`, '{{phase}}']] },
  ]],
  ['Checks', [
    { title: 'Bad requests', text: 'Share of bad ones in the window of the last verdict, written once a minute at most.', kind: 'timeseries', unit: 'percentunit', width: 8, queries: [[`max by (check) (sluice_rollout_check_requests{${here},of="Bad"}) / max by (check) (sluice_rollout_check_requests{${here},of="All"})`, '{{check}}']] },
    { title: 'Verdicts', text: 'Over time.', kind: 'state-timeline', unit: 'short', width: 8, queries: [[`max by (check, verdict) (sluice_rollout_check_verdict{${here}})`, '{{check}}: {{verdict}}']] },
    { title: 'Failures that count', text: 'In a row.', kind: 'timeseries', unit: 'short', width: 8, queries: [[`max by (check) (sluice_rollout_check_failures{${here}})`, '{{check}}']] },
  ]],
  ['What it costs', [
    { title: 'Requests of the journey', text: 'Of the one under way, or the last.', kind: 'timeseries', unit: 'short', width: 8, queries: [[`max by (result) (sluice_rollout_journey_requests{${here}})`, '{{result}}']] },
    { title: 'Requests of ended journeys', text: 'In the time shown.', kind: 'bargauge', unit: 'short', width: 8, queries: [[`sum by (result) (increase(sluice_journey_requests_total{${here}}[$__range]))`, '{{result}}']] },
    { title: 'Journeys', text: 'Ended in the time shown.', kind: 'bargauge', unit: 'short', width: 8, queries: [[`sum by (outcome) (increase(sluice_journeys_ended_total{${here}}[$__range]))`, '{{outcome}}']] },
  ]],
  ['Remarks', [
    { title: 'Conditions that are True', text: 'As in the status, with their reasons.', kind: 'state-timeline', unit: 'short', width: 12, queries: [[`max by (type, reason) (sluice_rollout_condition{${here}})`, '{{type}}: {{reason}}']] },
    { title: 'Traffic that cannot be taken away', text: '1 while lowering fails. Empty is well.', kind: 'timeseries', unit: 'short', width: 6, queries: [[`max(sluice_rollout_lowering_failing{${here}})`, 'failing']] },
    { title: 'Oldest note in the outbox', text: 'Age. Empty is well.', kind: 'timeseries', unit: 's', width: 6, queries: [[`time() - min(sluice_rollout_outbox_oldest_timestamp_seconds{${here}})`, 'age']] },
  ]],
]

const source = { type: 'prometheus', uid: '${datasource}' }
function panelOf({ title, text, kind, unit, width, queries }: Panel, id: number, x: number, y: number): object {
  const height = kind === 'stat' ? 4 : 8
  return {
    id, title, description: text, type: kind, datasource: source, gridPos: { x, y, w: width, h: height },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    ...(kind === 'stat' || kind === 'bargauge' ? { options: { reduceOptions: { calcs: ['lastNotNull'] }, ...(kind === 'stat' ? { textMode: 'value_and_name' } : { orientation: 'horizontal' }) } } : {}),
    targets: queries.map(([expr, legendFormat], index) => ({ refId: 'ABC'[index], expr, legendFormat, ...(kind === 'stat' || kind === 'bargauge' ? { instant: true } : {}), datasource: source })),
  }
}
function panelsOf(rows: readonly Row[]): object[] {
  const made: object[] = []
  let y = 0
  for (const [title, panels] of rows) {
    made.push({ id: made.length + 1, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y += 1
    let x = 0
    let height = 0
    for (const panel of panels) {
      if (x + panel.width > 24) {
        x = 0
        y += height
      }
      made.push(panelOf(panel, made.length + 1, x, y))
      height = panel.kind === 'stat' ? 4 : 8
      x += panel.width
    }
    y += height
  }
  return made
}
function variable(variableName: string, query: string): object {
  return { name: variableName, type: 'query', datasource: source, query: { query, refId: variableName }, definition: query, refresh: 2, sort: 1 }
}
function dashboard(uid: string, title: string, rows: readonly Row[], variables: readonly object[]): string {
  const board = {
    uid, title, tags: ['sluice'], schemaVersion: 39, editable: true, refresh: '30s', time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }, ...variables] },
    panels: panelsOf(rows),
  }
  return `${JSON.stringify(board, undefined, 2)}\n`
}

/** The dashboards by file name. */
export const dashboards: Readonly<Record<string, string>> = {
  'fleet.json': dashboard('sluice-fleet', 'Sluice: fleet', fleet, []),
  'rollout.json': dashboard('sluice-rollout', 'Sluice: one Rollout', rollout, [
    variable('namespace', 'label_values(sluice_rollout_phase, rollout_namespace)'),
    variable('rollout', 'label_values(sluice_rollout_phase{rollout_namespace="$namespace"}, rollout)'),
  ]),
}
if (import.meta.main) for (const [file, text] of Object.entries(dashboards)) writeFileSync(join(import.meta.dirname, file), text)
