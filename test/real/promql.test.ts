/** The embedded Prometheus is held against the real one: same samples, same queries, same answers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countsQuery } from '../../src/analysis/queries.ts'
import type { Question } from '../../src/analysis/reading.ts'
import { SimulatedClock } from '../../src/sandbox/clock.ts'
import { embeddedPrometheus, type EmbeddedPrometheus } from '../../src/sandbox/prometheus.ts'
import { startHistory, type History, type Recorded } from '../support/history.ts'
import { prometheusMissing } from '../support/prometheus.ts'

const missing = prometheusMissing()
if (missing !== undefined) process.stderr.write(`test/real/promql.test.ts ${missing}\n`)

const at = Date.UTC(2026, 0, 1, 12)

/** A small generator, so that every run sees the same untidy world. */
function dice(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
}

/** Counters with late births, restarts, failed scrapes, early ends, odd values and jitter. */
function untidy(): Recorded[] {
  const random = dice(7)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  const recorded = new Map<string, Recorded>()
  for (let index = 0; index < 160; index++) {
    const source = random() < 0.3
    const labels: Record<string, string> = {
      __name__: pick(['istio_requests_total', 'istio_requests_total', 'istio_request_duration_milliseconds_bucket', 'response_total']),
      reporter: source ? 'source' : pick(['destination', 'waypoint']),
      destination_workload_namespace: 'shop',
      destination_workload: source ? pick(['unknown', 'web-1']) : pick(['web-1', 'web-2', 'web"3']),
      destination_service: pick(['web-canary.shop.svc.cluster.local', 'web-stable.shop.svc.cluster.local']),
      response_code: pick(['200', '404', '500', '503']),
      response_flags: pick(['-', 'UF', 'UF,URX', 'DC', 'NR', 'UO']),
      pod: pick(['a', 'b', 'c']),
      ...(random() < 0.3 ? { grpc_response_status: pick(['0', '5', '14']) } : {}),
      ...(random() < 0.3
        ? { direction: 'inbound', namespace: 'shop', deployment: pick(['web-1', 'web-2']), classification: pick(['success', 'failure']) }
        : {}),
    }
    if (index % 5 === 4) {
      const own = { path: '/orders', method: 'GET', ...pick<Record<string, string>>([{ status: '200' }, { status: '503' }, { code: '500' }, { status_code: '5XX' }, { status: 'error', code: '504' }, {}]) }
      for (const label of Object.keys(labels)) delete labels[label]
      Object.assign(labels, own, {
        __name__: pick(['http_request_duration_seconds_count', 'http_request_duration_seconds_bucket']), namespace: 'shop', pod: pick(['web-1-6b7c8d9f4-x2bcd', 'web-2-6b7c8d9f4-x2bcd', 'web-2-6b7c8d9f4-z9xwv', 'web-0']),
      })
      if (random() < 0.2) labels['path'] = '/healthz'
    }
    if (labels['__name__']!.endsWith('_bucket')) labels['le'] = pick(['100', '500', '1000', '+Inf'])
    const born = random() < 0.5 ? 4_000_000 : random() * 600_000
    const ends = random() < 0.8 ? 0 : random() * 300_000
    const gap = random() < 0.2 ? random() * 600_000 : -1
    const samples: [number, number][] = []
    let value = Math.floor(random() * 20)
    const phase = Math.floor(random() * 15_000)
    for (let ago = 4_500_000 - phase; ago >= 0; ago -= 15_000) {
      if (ago > born || ago < ends || Math.abs(ago - gap) < 40_000 || random() < 0.02) continue
      value = random() < 0.01 ? Math.floor(random() * 3) : value + (random() < 0.5 ? 0 : Math.floor(random() * 9))
      samples.push([at - ago + Math.floor(random() * 20), labels['pod'] === 'c' ? value / 8 : value])
    }
    if (samples.length > 0) recorded.set(JSON.stringify(Object.entries(labels).sort()), { labels, samples })
  }
  return [...recorded.values()]
}

const base: Question = {
  id: 'q',
  check: 'q',
  source: 'default',
  telemetry: 'Istio',
  measure: { kind: 'SuccessRate' },
  at,
  fastMs: 60_000,
  slowMs: 300_000,
  stable: { namespace: 'shop', workloads: ['web-1'], door: 'web-stable.shop.svc.cluster.local' },
  canary: { namespace: 'shop', workloads: ['web-2', 'web"3'], door: 'web-canary.shop.svc.cluster.local' },
}
const latency = { kind: 'Latency', percentile: 99, aboveMs: 500 } as const
const questions: readonly Question[] = [
  base,
  { ...base, measure: latency },
  { ...base, telemetry: 'Linkerd' },
  { ...base, telemetry: 'Application' },
  { ...base, telemetry: 'Application', measure: latency },
  { ...base, measure: { kind: 'DoorRequests' }, slowMs: 45_000, fastMs: 45_000 },
  { ...base, slowMs: 3_600_000 },
  { ...base, slowMs: 47_123, fastMs: 47_123 },
  { ...base, stable: { namespace: 'shop', workloads: ['web-1'] } },
]
const x = 'istio_requests_total'
const queries = [
  ...questions.map((question) => countsQuery(question)!),
  x,
  `${x} offset 4m`,
  `${x} offset -1m`,
  `${x}{pod="a"}`,
  `${x}{pod!="a",response_flags=~"U.*"}`,
  `${x}{response_flags!~"(.*,)?(UF|UO)(,.*)?"}`,
  `${x}{grpc_response_status=""}`,
  `{__name__=~"response_total|${x}",pod="b"}`,
  ...['increase', 'rate', 'max_over_time', 'min_over_time', 'last_over_time', 'count_over_time', 'sum_over_time', 'resets'].flatMap((name) =>
    ['15s', '60s', '5m', '1h1m', '61234ms'].map((window) => `${name}(${x}[${window}])`),
  ),
  `increase(${x}[5m] offset 2m)`,
  `sum(${x})`,
  `sum by (pod, response_code) (${x})`,
  `sum without (pod) (${x})`,
  `count by (reporter) (increase(${x}[5m]) > 10)`,
  `max(${x}) - min(${x})`,
  `${x} and ${x}{pod="a"}`,
  `${x} unless ${x} offset 5m`,
  `${x} or response_total`,
  `${x}{pod="a"} or ${x}{pod="b"} unless ${x}{response_code="500"}`,
  `rate(${x}[5m]) * 60 - increase(${x}[5m]) / 5`,
  `${x} - ${x} offset 1m`,
  `${x} > ${x} offset 5m`,
  `100 - sum(${x}{response_code=~"5.."}) / sum(${x}) * 100`,
  `-${x}{pod="c"} + 1`,
  `-2 * 3 + 4 / 8`,
  `1 / 0`,
  `label_replace(sum by (pod) (${x}), "who", "pod-$1", "pod", "(a|b)")`,
  `label_replace(${x}{pod="a"}, "reporter", "", "", "")`,
  `nothing`,
  // Refused by both.
  '',
  'sum(',
  `${x}{`,
  `${x}{a=b}`,
  `${x}[5]`,
  `increase(${x})`,
  `${x} or 1`,
  '{a=~".*"}',
  `${x}{a=~"("}`,
  `${x} ${x}`,
  'sum(1)',
  '1 > 2',
  `label_replace(${x}, "a")`,
  `nonsense(${x}[5m])`,
  `label_replace(${x}, "pod", "", "", "") * 1`,
  `sum(${x}) by (pod`,
  `${x}{pod="a}`,
  '"\\q"',
  `${x} offset x`,
]

describe.skipIf(missing !== undefined)('the embedded Prometheus answers as the real one', () => {
  let history: History
  let embedded: EmbeddedPrometheus
  let url: string
  beforeAll(async () => {
    const recorded = untidy()
    history = await startHistory(recorded)
    embedded = embeddedPrometheus({ clock: new SimulatedClock(at), retentionMs: 10_000_000, expose: () => [] })
    // Straight into memory: the history has no staleness markers, so every series is written as if it were alone.
    const times = new Map<number, { labels: Record<string, string>; value: number }[]>()
    for (const { labels, samples } of recorded) for (const [ms, value] of samples) times.set(ms, [...(times.get(ms) ?? []), { labels, value }])
    for (const ms of [...times.keys()].sort((a, b) => a - b)) embedded.memory.append(ms, times.get(ms)!)
    url = await embedded.listen()
  })
  afterAll(async () => {
    await embedded?.stop()
    await history?.stop()
  })

  it.each(queries.map((query, index) => [index, query.length > 100 ? `${query.slice(0, 100)}…` : query, query] as const))('%i: %s', async (_index, _title, query) => {
    const real = await history.query(query, at)
    const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query, time: String(at / 1000) }) })
    const ours = (await response.json()) as Awaited<ReturnType<History['query']>>
    expect({ status: ours.status, errorType: ours.errorType }).toEqual({ status: real.status, errorType: real.errorType })
    if (real.status !== 'success') return
    expect(ours.data.resultType).toBe(real.data.resultType)
    const sorted = (data: any): [string, string][] =>
      data.resultType === 'scalar'
        ? [['', data.result[1]]]
        : data.result.map(({ metric, value }: any) => [JSON.stringify(Object.entries(metric).sort()), value[1]]).sort()
    const [mine, theirs] = [sorted(ours.data), sorted(real.data)]
    expect(mine.map(([labels]) => labels)).toEqual(theirs.map(([labels]) => labels))
    mine.forEach(([, value], index) => {
      const other = theirs[index]![1]
      if (Number.isFinite(Number(other))) expect(Math.abs(Number(value) - Number(other))).toBeLessThan(1e-9 * Math.max(1, Math.abs(Number(other))))
      else expect(value).toBe(other)
    })
  })
  it('compares something', async () => {
    const counted = await history.query(countsQuery(base)!, at)
    expect(counted.data.result.length).toBeGreaterThan(6)
    expect((await history.query(`resets(${x}[1h]) > 0`, at)).data.result.length).toBeGreaterThan(5)
  })
})
