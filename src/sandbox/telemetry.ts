/** The counters that Istio's and Linkerd's proxies expose about requests, and the histogram of the applications behind them. */
import type { Arm, Call, DataPlane } from './routing.ts'
import { signature } from './promql.ts'
import type { Exposed } from './series.ts'

/** How one request ended: an answer of a pod, or why none was reached (Envoy's flags). */
export type Outcome =
  { readonly flag?: undefined; readonly bad: boolean; readonly latencyMs: number; readonly grpcStatus?: number } | { readonly flag: 'UF' | 'UH' | 'NC' | 'NR' }
interface ServingPod {
  readonly key: string
  readonly name: string
  readonly namespace: string
  readonly workload: string
  readonly labels: Readonly<Record<string, string>>
}
type Labels = Readonly<Record<string, string>>
interface Counter {
  readonly labels: Labels
  value: number
}
/** What one proxy or application exposes about requests of one kind: a counter and, for answered ones, a histogram. */
interface Account {
  /** Pod whose it is; undefined: the caller's. */
  readonly pod: string | undefined
  /** Absent of an application: the count of its histogram says the same. */
  readonly requests?: Counter
  /** Milliseconds of one unit of the histogram. */
  readonly unitMs: number
  readonly buckets: readonly (Counter & { readonly bound: number })[]
  readonly sum: Counter | undefined
  readonly observations: Counter | undefined
}

const istioBuckets = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000]
const linkerdBuckets = [1, 10, 100, 1000, 10000].flatMap((unit) => [1, 2, 3, 4, 5].map((times) => times * unit))
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const caller = 'loadgen'

export class Telemetry {
  readonly #dataPlane: DataPlane
  /** By labels: two pods of one workload are one series at the caller. */
  readonly #accounts = new Map<string, Account>()
  /** Where a request of one kind is counted, so that labels are built once. */
  readonly #places = new Map<string, readonly Account[]>()
  constructor(dataPlane: DataPlane) {
    this.#dataPlane = dataPlane
  }

  /** Counts one request at the caller's proxy and, where it was answered, at the pod's and by the application in it. */
  count(call: Call, arm: Arm | undefined, pod: ServingPod | undefined, outcome: Outcome): void {
    const reached = outcome.flag === undefined ? pod : undefined
    const kind = outcome.flag ?? `${outcome.bad} ${outcome.grpcStatus}`
    const key = `${call.namespace} ${arm?.host} ${reached?.key} ${kind}`
    let accounts = this.#places.get(key)
    if (accounts === undefined) this.#places.set(key, (accounts = this.#opened(call, arm, reached, outcome)))
    for (const account of accounts) {
      if (account.requests !== undefined) account.requests.value++
      if (outcome.flag === undefined) observe(account, outcome.latencyMs)
    }
  }

  /** Forgets what the proxies of pods exposed that are gone. What callers counted stays. */
  keep(alive: (podKey: string) => boolean): void {
    const gone = ({ pod }: Account): boolean => pod !== undefined && !alive(pod)
    for (const [key, account] of this.#accounts) if (gone(account)) this.#accounts.delete(key)
    for (const [key, accounts] of this.#places) if (accounts.some(gone)) this.#places.delete(key)
  }

  *exposed(): Iterable<Exposed> {
    for (const { requests, buckets, sum, observations } of this.#accounts.values()) {
      if (requests !== undefined) yield requests
      yield* buckets
      if (sum !== undefined) yield sum
      if (observations !== undefined) yield observations
    }
  }

  #opened(call: Call, arm: Arm | undefined, pod: ServingPod | undefined, outcome: Outcome): readonly Account[] {
    const [outside, inside] = this.#dataPlane === 'Istio' ? istioLabels(call, arm, pod, outcome) : linkerdLabels(call, arm, pod, outcome)
    const [total, histogram, bounds] =
      this.#dataPlane === 'Istio'
        ? (['istio_requests_total', 'istio_request_duration_milliseconds', istioBuckets] as const)
        : (['response_total', 'response_latency_ms', linkerdBuckets] as const)
    const known = (labels: Labels, make: () => Account): Account => {
      const key = signature(labels)
      const found = this.#accounts.get(key) ?? make()
      this.#accounts.set(key, found)
      return found
    }
    const open = (labels: Labels, of: string | undefined): Account =>
      known(labels, () => account(total, outcome.flag === undefined ? histogram : undefined, bounds, 1, labels, of))
    if (pod === undefined) return [open(outside, undefined)]
    const own = { namespace: pod.namespace, pod: pod.name, method: 'GET', path: '/', status: codeOf(outcome) }
    return [open(outside, undefined), open(inside, pod.key), known(own, () => account(undefined, 'http_request_duration_seconds', secondsBuckets, 1000, own, pod.key))]
  }
}

function account(total: string | undefined, histogram: string | undefined, bounds: readonly number[], unitMs: number, labels: Labels, pod: string | undefined): Account {
  const counter = (name: string, more: Labels = {}): Counter => ({ labels: { __name__: name, ...labels, ...more }, value: 0 })
  const requests = total === undefined ? {} : { requests: counter(total) }
  if (histogram === undefined) return { pod, ...requests, unitMs, buckets: [], sum: undefined, observations: undefined }
  const buckets = [...bounds, Infinity].map((bound) => ({ ...counter(`${histogram}_bucket`, { le: bound === Infinity ? '+Inf' : String(bound) }), bound }))
  return { pod, ...requests, unitMs, buckets, sum: counter(`${histogram}_sum`), observations: counter(`${histogram}_count`) }
}

function observe({ buckets, sum, observations, unitMs }: Account, latencyMs: number): void {
  const latency = latencyMs / unitMs
  // Buckets are cumulative: from the largest downwards until one is too small.
  for (let index = buckets.length - 1; index >= 0 && latency <= buckets[index]!.bound; index--) buckets[index]!.value++
  if (sum !== undefined) sum.value += latency
  if (observations !== undefined) observations.value++
}

function istioLabels(call: Call, arm: Arm | undefined, pod: ServingPod | undefined, outcome: Outcome): readonly [Labels, Labels] {
  const grpc = outcome.flag === undefined ? outcome.grpcStatus : undefined
  const app = pod?.labels['app'] ?? 'unknown'
  const labels = {
    source_workload: caller,
    source_workload_namespace: call.namespace,
    // Where no connection came about, Envoy knows the Service it wanted and no workload.
    destination_workload: pod?.workload ?? 'unknown',
    destination_workload_namespace: pod?.namespace ?? 'unknown',
    destination_app: app,
    destination_canonical_service: app,
    destination_version: pod?.labels['version'] ?? 'unknown',
    destination_service: arm?.host ?? 'unknown',
    destination_service_name: arm?.service ?? 'unknown',
    destination_service_namespace: arm?.namespace ?? 'unknown',
    request_protocol: grpc === undefined ? 'http' : 'grpc',
    response_code: codeOf(outcome),
    response_flags: outcome.flag ?? '-',
    ...(grpc === undefined ? {} : { grpc_response_status: String(grpc) }),
  }
  return [
    { reporter: 'source', ...labels, namespace: call.namespace, pod: `${caller}-0` },
    { reporter: 'destination', ...labels, namespace: pod?.namespace ?? '', pod: pod?.name ?? '' },
  ]
}

function linkerdLabels(call: Call, arm: Arm | undefined, pod: ServingPod | undefined, outcome: Outcome): readonly [Labels, Labels] {
  const bad = outcome.flag !== undefined || outcome.bad
  const result = { classification: bad ? 'failure' : 'success', status_code: codeOf(outcome) }
  return [
    {
      direction: 'outbound',
      namespace: call.namespace,
      deployment: caller,
      pod: `${caller}-0`,
      dst_namespace: arm?.namespace ?? '',
      dst_service: arm?.service ?? '',
      dst_deployment: pod?.workload ?? '',
      ...result,
    },
    { direction: 'inbound', namespace: pod?.namespace ?? '', deployment: pod?.workload ?? '', pod: pod?.name ?? '', ...result },
  ]
}

function codeOf(outcome: Outcome): string {
  if (outcome.flag !== undefined) return outcome.flag === 'NR' ? '404' : '503'
  return outcome.bad && outcome.grpcStatus === undefined ? '500' : '200'
}
