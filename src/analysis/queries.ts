/** PromQL for questions. Names of namespaces, workloads and doors are user input: every label value is quoted, every regex escaped. */
import type { ArmSeries, Question } from './reading.ts'

/** The label that tells the elements of one answer apart: `<arm>.<window>.<what>`, for example `canary.fast.bad`. */
export const countLabel = 'count'

/** What an element counts. `lost`: requests that never arrived at a pod, part of neither `total` nor `bucket`. `bucket` comes with `le`. */
export type What = 'total' | 'bad' | 'lost' | 'bucket'

interface Series {
  readonly metric: string
  readonly matchers: readonly string[]
}
interface Leaf {
  readonly what: What
  /** Disjoint selections that are added. */
  readonly series: readonly Series[]
}

/** Envoy's flags for requests that reached no pod: connection refused or timed out, no healthy host, circuit breaker. They may be one of a comma list. */
const neverArrived = '(.*,)?(UF|UH|UO)(,.*)?'
/** Unknown, DeadlineExceeded, ResourceExhausted, Unimplemented, Internal, Unavailable, DataLoss: failures that hide behind HTTP 200. */
const grpcFailures = '2|4|8|12|13|14|15'
/** How far back a series is looked for before it counts as born inside the window: a failed scrape hides it from `x offset w` by its staleness marker. */
const bornLookback = '10m'
/** How old the sample may be that the rise inside the window is measured from; where there is none, from the first one inside. */
const baseLookback = '90s'

/** One query for all counts of a question, to be evaluated at `question.at`; undefined where its windows are empty or no arm names a workload. */
export function countsQuery(question: Question): string | undefined {
  const windows = windowsOf(question)
  const parts = (['stable', 'canary'] as const).flatMap((arm) =>
    leaves(question, arm).flatMap((leaf) =>
      windows.map(({ name, ms }) => {
        const counted = leaf.series.map((series) => increments(series, ms)).join(' or ')
        return named(leaf.what === 'bucket' ? `sum by (le) (${counted})` : `sum(${counted})`, `${arm}.${name}.${leaf.what}`)
      }),
    ),
  )
  return parts.length === 0 ? undefined : parts.join(' or ')
}

/** The windows that are asked: one where both are the same, so that a young split costs half. Lengths in ms. */
export function windowsOf(question: Pick<Question, 'fastMs' | 'slowMs'>): readonly { readonly name: 'fast' | 'slow'; readonly ms: number }[] {
  if (!(question.slowMs > 0)) return []
  const slow = { name: 'slow' as const, ms: question.slowMs }
  return question.fastMs > 0 && question.fastMs < question.slowMs ? [{ name: 'fast', ms: question.fastMs }, slow] : [slow]
}

function leaves(question: Question, name: 'stable' | 'canary'): readonly Leaf[] {
  const arm = question[name]
  if (arm.namespace === '' || arm.workloads.every((workload) => workload === '')) return []
  const shared = question[name === 'stable' ? 'canary' : 'stable'].door === undefined
  if (question.measure.kind === 'DoorRequests' && arm.door !== undefined && !shared) return [{ what: 'total', series: [sentTo(arm.door, question.telemetry)] }]
  return question.telemetry === 'Istio' ? istio(question, arm, shared) : linkerd(question, arm)
}

/** What clients' proxies, gateways and waypoints sent to a door. */
function sentTo(door: string, telemetry: Question['telemetry']): Series {
  const [service = '', namespace = ''] = door.split('.')
  return telemetry === 'Istio'
    ? { metric: 'istio_requests_total', matchers: ['reporter=~"source|waypoint"', is('destination_service', door)] }
    : { metric: 'response_total', matchers: ['direction="outbound"', is('dst_namespace', namespace), is('dst_service', service)] }
}

/** `shared`: both arms have one host, and only the canary is charged with what never arrived there. */
function istio(question: Question, arm: ArmSeries, shared: boolean): readonly Leaf[] {
  const arrived = ['reporter=~"destination|waypoint"', is('destination_workload_namespace', arm.namespace), oneOf('destination_workload', arm.workloads)]
  const requests = (...more: string[]): Series => ({ metric: 'istio_requests_total', matchers: [...arrived, ...more] })
  const failed = [requests('response_code=~"5.."'), requests('response_code!~"5.."', `grpc_response_status=~"${grpcFailures}"`)]
  if (question.measure.kind === 'DoorRequests') return [{ what: 'total', series: [requests()] }]
  const measured: Leaf[] =
    question.measure.kind === 'SuccessRate'
      ? [
          { what: 'total', series: [requests()] },
          { what: 'bad', series: failed },
        ]
      : [{ what: 'bucket', series: [{ metric: 'istio_request_duration_milliseconds_bucket', matchers: arrived }] }]
  return arm.door === undefined ? measured : [...measured, { what: 'lost', series: lost(arm.door, arm, shared) }]
}

/** `shared`: the other arm has the same host, so what is known to have been meant for its workloads is not charged here. */
function lost(door: string, arm: ArmSeries, shared: boolean): readonly Series[] {
  const select = (...more: string[]): Series => ({
    metric: 'istio_requests_total',
    matchers: [...more, is('destination_service', door), `response_flags=~"${neverArrived}"`],
  })
  return [
    select('reporter="source"', ...(shared ? [oneOf('destination_workload', ['unknown', ...arm.workloads])] : [])),
    // A waypoint that knows the workload has already counted the request as one of its 5xx.
    select('reporter="waypoint"', 'destination_workload="unknown"'),
  ]
}

function linkerd(question: Question, arm: ArmSeries): readonly Leaf[] {
  // The kubelet's probes pass the proxy too: without this a canary that nobody calls would look like one that answers.
  const inbound = ['direction="inbound"', 'route_name!="probe"', is('namespace', arm.namespace), oneOf('deployment', arm.workloads)]
  const responses = (...more: string[]): Series => ({ metric: 'response_total', matchers: [...inbound, ...more] })
  if (question.measure.kind === 'DoorRequests') return [{ what: 'total', series: [responses()] }]
  return question.measure.kind === 'SuccessRate'
    ? [
        { what: 'total', series: [responses()] },
        { what: 'bad', series: [responses('classification="failure"')] },
      ]
    : [{ what: 'bucket', series: [{ metric: 'response_latency_ms_bucket', matchers: inbound }] }]
}

/**
 * How far each counter has risen inside the window, in whole requests:
 * born inside it, its whole value (the first failures of a new pod are there at its first scrape, and `increase()` misses them);
 * else last sample minus the last one before the window. Measured from the first one inside, a series that was there before would lose up to a scrape of
 * requests and one that is born with the first failure would not: a good version would look worse than it is;
 * `increase()` would extrapolate 3 to 4 in a window of four scrapes; it is asked after a restart, where differences are no counts.
 */
function increments(series: Series, windowMs: number): string {
  const selector = `${series.metric}{${series.matchers.join(',')}}`
  const window = `${selector}[${Math.round(windowMs)}ms]`
  const offset = `${Math.round(windowMs)}ms`
  return (
    `(max_over_time(${window}) unless last_over_time(${selector}[${bornLookback}] offset ${offset}))` +
    ` or (max_over_time(${window}) - last_over_time(${selector}[${baseLookback}] offset ${offset}) >= 0 unless resets(${window}) > 0)` +
    ` or (max_over_time(${window}) - min_over_time(${window}) unless resets(${window}) > 0)` +
    ` or increase(${window})`
  )
}

const named = (expression: string, name: string): string => `label_replace(${expression}, "${countLabel}", "${name}", "", "")`

const is = (label: string, value: string): string => `${label}=${quoted(value)}`

const oneOf = (label: string, values: readonly string[]): string => {
  const real = values.filter((value) => value !== '')
  return real.length === 1 ? is(label, real[0]!) : `${label}=~${quoted(real.map(regexEscaped).join('|'))}`
}

/** A PromQL string; JSON's escapes are a subset of Go's. */
const quoted = (value: string): string => JSON.stringify(value)

const regexEscaped = (value: string): string => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
