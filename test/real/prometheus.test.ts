/** Questions put to a real Prometheus over written history: what a canary's series look like when it is born, fails, restarts or cannot be reached. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ArmSeries, Question } from '../../src/analysis/reading.ts'
import { evaluate } from '../../src/analysis/verdict.ts'
import { filledQuery, readTemplate } from '../../src/analysis/template.ts'
import { prometheusSource, type MetricSource } from '../../src/metrics/prometheus.ts'
import { startHistory, type History, type Recorded } from '../support/history.ts'
import { prometheusMissing } from '../support/prometheus.ts'

const missing = prometheusMissing()
if (missing !== undefined) process.stderr.write(`test/real/prometheus.test.ts ${missing}\n`)

const at = Date.UTC(2026, 0, 1, 12)
const scrape = 15_000
/** Scrapes lie 7 s off the windows' ends, as they do in life. */
const scrapes = (fromMs: number, toMs = 0): number[] => {
  const times: number[] = []
  for (let ms = at - 7_000; ms >= at - fromMs; ms -= scrape) if (ms <= at - toMs) times.unshift(ms)
  return times
}
/** A counter with `perScrape` requests between scrapes; `first` is its value at its first scrape. */
const counter = (labels: Record<string, string>, times: readonly number[], perScrape: number, first = perScrape): Recorded => ({
  labels,
  samples: times.map((ms, index) => [ms, first + index * perScrape] as const),
})
const istio = (namespace: string, workload: string, more: Record<string, string> = {}): Record<string, string> => ({
  __name__: 'istio_requests_total',
  reporter: 'destination',
  destination_workload_namespace: namespace,
  destination_workload: workload,
  response_code: '200',
  response_flags: '-',
  ...more,
})
const door = (name: string): string => `${name}.shop.svc.cluster.local`
const lost = (service: string, more: Record<string, string>): Record<string, string> =>
  istio('unknown', 'unknown', { reporter: 'source', destination_service: service, response_code: '503', ...more })
const nasty = 'a"b\\c.d|e\n}) or vector(1) #'

const backendOf = (service: string): Record<string, string> => ({ backend_kind: 'Service', backend_namespace: 'shop', backend_name: service, route_name: 'web' })
const routeSeries = (kind: 'http' | 'grpc', service: string, outcomes: readonly (readonly [Record<string, string>, number])[]): Recorded[] =>
  outcomes.map(([labels, perScrape]) => counter({ __name__: `outbound_${kind}_route_backend_response_statuses_total`, ...backendOf(service), ...labels }, long, perScrape))
const long = scrapes(3_600_000 + 1_200_000)
const young = scrapes(100_000)
const recorded: Recorded[] = [
  // steady: 20 requests a scrape for more than an hour, 3 failures in the last minute
  counter(istio('shop', 'steady'), long, 20),
  { labels: istio('shop', 'steady', { response_code: '500' }), samples: long.map((ms, index) => [ms, 5 + Math.max(0, index - (long.length - 4))] as const) },
  // born: failing all from the start, 6 failures at its first scrape
  counter(istio('shop', 'born', { response_code: '500', pod: 'born-a' }), young, 10, 6),
  // burst: born with 40 failures at its first scrape, nothing afterwards: increase() sees no failure at all
  counter(istio('shop', 'burst', { response_code: '500' }), young, 0, 40),
  counter(istio('shop', 'burst'), young, 30, 10),
  // restarted: counter falls to zero in the middle
  {
    labels: istio('shop', 'restarted'),
    samples: long.map((ms, index) => [ms, index < long.length - 8 ? 1000 + index * 10 : (index - (long.length - 8)) * 10] as const),
  },
  // gapped: three failed scrapes just before a window of 300 s; 5000 requests long ago are not in it
  counter(
    istio('shop', 'gapped'),
    long.filter((ms) => ms < at - 600_000 || ms > at - 290_000),
    20,
    5000,
  ),
  // grpc: failures behind HTTP 200
  counter(istio('shop', 'grpc', { grpc_response_status: '0' }), long, 10),
  counter(istio('shop', 'grpc', { grpc_response_status: '14' }), long, 2),
  counter(istio('shop', 'grpc', { grpc_response_status: '5' }), long, 3),
  counter(istio('shop', 'grpc', { grpc_response_status: '13', response_code: '503' }), long, 1),
  // ambient
  counter(istio('shop', 'ambient', { reporter: 'waypoint' }), long, 10),
  counter(istio('shop', 'ambient', { reporter: 'waypoint', response_code: '503' }), long, 1),
  counter({ ...lost(door('ambient-canary'), { response_flags: 'UH' }), reporter: 'waypoint' }, long, 4),
  // source's own view of requests that arrived is not counted twice
  counter(istio('shop', 'ambient', { reporter: 'source', destination_service: door('ambient-canary') }), long, 10),
  // unreachable: only what clients say, with flags that do and do not count
  counter(lost(door('gone-canary'), { response_flags: 'UF' }), long, 5),
  counter(lost(door('gone-canary'), { response_flags: 'UF,URX', source_workload: 'b' }), long, 3),
  counter(lost(door('gone-canary'), { response_flags: 'URX' }), long, 100),
  counter(lost(door('gone-canary'), { response_flags: 'DC' }), long, 100),
  counter(lost(door('gone-canary'), { response_flags: 'NR', response_code: '404' }), long, 100),
  counter(lost(door('gone-canary-2'), { response_flags: 'UF' }), long, 100),
  // subsets of one host: stable's own failed connections are not the canary's
  counter({ ...lost(door('reviews'), { response_flags: 'UF' }) }, long, 2),
  counter({ ...lost(door('reviews'), { response_flags: 'UF' }), destination_workload: 'reviews-v1' }, long, 50),
  counter({ ...lost(door('reviews'), { response_flags: 'UO' }), destination_workload: 'reviews-v2' }, long, 1),
  // latency
  ...Object.entries({ '100': 6, '250': 8, '500': 9, '1000': 10, '+Inf': 10 }).map(([le, perScrape]) =>
    counter({ ...istio('shop', 'slow', { le }), __name__: 'istio_request_duration_milliseconds_bucket' }, long, perScrape),
  ),
  counter(lost(door('slow-canary'), { response_flags: 'UF' }), long, 1),
  // Linkerd
  ...['inbound', 'outbound'].flatMap((direction) =>
    (['success', 'failure'] as const).map((classification) =>
      counter(
        {
          __name__: 'response_total',
          direction,
          classification,
          namespace: 'shop',
          deployment: 'linkerd',
          dst_namespace: 'shop',
          dst_service: 'linkerd-canary',
        },
        long,
        classification === 'success' ? 10 : 2,
      ),
    ),
  ),
  counter(
    { __name__: 'response_total', direction: 'inbound', classification: 'success', namespace: 'shop', deployment: 'linkerd', route_name: 'probe' },
    long,
    50,
  ),
  ...Object.entries({ '100': 6, '500': 9, '+Inf': 10 }).map(([le, perScrape]) =>
    counter({ __name__: 'response_latency_ms_bucket', direction: 'inbound', namespace: 'shop', deployment: 'linkerd', le }, long, perScrape),
  ),
  // Linkerd by route: a backend of an HTTPRoute and of a GRPCRoute, callers that left, and one that nobody reaches
  ...routeSeries('http', 'route-canary', [[{ http_status: '200', error: '' }, 10], [{ http_status: '503', error: '' }, 1], [{ http_status: '', error: 'CANCEL' }, 2]]),
  ...routeSeries('grpc', 'route-canary', [[{ grpc_status: 'OK', error: '' }, 5], [{ grpc_status: 'UNAVAILABLE', error: '' }, 1], [{ grpc_status: 'UNKNOWN', error: 'CANCEL' }, 2]]),
  ...routeSeries('http', 'alone-canary', [[{ http_status: '', error: 'FAIL_FAST' }, 3]]),
  ...routeSeries('http', 'route-canary-2', [[{ http_status: '500', error: '' }, 100]]),
  ...Object.entries({ '0.1': 6, '0.5': 9, '+Inf': 10 }).map(([le, perScrape]) =>
    counter({ __name__: 'outbound_http_route_backend_response_duration_seconds_bucket', ...backendOf('route-canary'), le }, long, perScrape),
  ),
  // Traefik: both forms of the name, moved aside or not, and a neighbour whose name begins alike
  ...[
    [{ service: 'shop-web-canary-80@kubernetesgateway' }, '200', 10],
    [{ service: 'shop-web-canary-80@kubernetesgateway' }, '502', 1],
    [{ service: 'httproute-shop-web-gw-edge-ep-web-0-1a2b-svc-shop-web-canary-8080@kubernetesgateway' }, '200', 4],
    [{ service: 'traefik', exported_service: 'shop-web-canary-80@kubernetesgateway' }, '503', 2],
    [{ service: 'shop-web-canary-b-80@kubernetesgateway' }, '500', 100],
  ].map(([labels, code, perScrape]) => counter({ __name__: 'traefik_service_requests_total', ...(labels as object), code: code as string }, long, perScrape as number)),
  ...Object.entries({ '0.1': 6, '0.5': 9, '+Inf': 10 }).map(([le, perScrape]) =>
    counter({ __name__: 'traefik_service_request_duration_seconds_bucket', service: 'shop-web-canary-80@kubernetesgateway', le }, long, perScrape),
  ),
  // Envoy Gateway
  counter({ __name__: 'envoy_cluster_upstream_rq', envoy_cluster_name: 'httproute/shop/web/rule/0/backend/1', envoy_response_code: '200' }, long, 10),
  counter({ __name__: 'envoy_cluster_upstream_rq', envoy_cluster_name: 'httproute/shop/web/rule/0/backend/1', envoy_response_code: '503' }, long, 2),
  counter({ __name__: 'envoy_cluster_upstream_rq', envoy_cluster_name: 'httproute/shop/web/rule/0/backend/0', envoy_response_code: '500' }, long, 100),
  ...Object.entries({ '100': 6, '500': 9, '+Inf': 10 }).map(([le, perScrape]) =>
    counter({ __name__: 'envoy_cluster_upstream_rq_time_bucket', envoy_cluster_name: 'httproute/shop/web/rule/0/backend/1', le }, long, perScrape),
  ),
  // names
  counter(istio(nasty, nasty), long, 10),
  counter(istio('shop', 'dot-x'), long, 1000),
  counter(istio('shop', 'dot.x'), long, 10),
  // a door that closed 40 s ago
  counter({ ...istio('shop', 'closing'), reporter: 'source', destination_service: door('closing-canary') }, long, 10),
  {
    labels: { ...istio('shop', 'closing'), reporter: 'source', destination_service: door('closed-canary') },
    samples: long.map((ms) => [ms, Math.min(ms, at - 52_000) / 1000] as const),
  },
]

describe.skipIf(missing !== undefined)('questions to a real Prometheus', () => {
  let history: History
  let source: MetricSource
  beforeAll(async () => {
    history = await startHistory(recorded)
    source = prometheusSource({ name: 'default', url: history.url }, { monotonic: () => performance.now() })
  })
  afterAll(() => history?.stop())

  const arm = (workload: string, more: Partial<ArmSeries> = {}): ArmSeries => ({ namespace: 'shop', workloads: [workload], ...more })
  const ask = async (canary: ArmSeries, more: Partial<Question> = {}) => {
    const question: Question = {
      id: 'q',
      check: 'success',
      source: 'default',
      telemetry: 'Istio',
      measure: { kind: 'SuccessRate' },
      stable: arm('steady'),
      canary,
      at,
      fastMs: 60_000,
      slowMs: 300_000,
      ...more,
    }
    const answer = await source.ask(question)
    if (answer.state !== 'Counts') throw new Error(JSON.stringify(answer))
    return { ...answer, question, reading: { question, answer, answeredAt: at } }
  }
  const bounds = { bound: '99%', allowedBad: 0.01, minRequests: 30 }

  it('counts whole requests in both windows, without extrapolation', async () => {
    const { canary, stable } = await ask(arm('steady'))
    // Four scrapes lie in 60 s and twenty in 300 s, each with what it adds to the one before: 20 requests, and three failures at the end.
    expect(canary).toEqual({ fast: { total: 83, bad: 3 }, slow: { total: 403, bad: 3 } })
    expect(stable).toEqual(canary)
    const extrapolated = await history.query('increase(istio_requests_total{destination_workload="steady",response_code="500"}[60s])', at)
    expect(Number(extrapolated.data.result[0].value[1])).toBeCloseTo(4)
  })
  it('sees every failure of a canary that is born failing', async () => {
    const { canary, reading } = await ask(arm('born'))
    expect(canary.slow).toEqual({ total: 66, bad: 66 })
    expect(canary.fast).toEqual({ total: 40, bad: 40 })
    expect(evaluate(bounds, reading, {}, scrape)).toMatchObject({ verdict: 'Fail', value: '0.00%' })
  })
  it('sees failures that happened before the first scrape, where increase() is 0', async () => {
    expect((await ask(arm('burst'))).canary.slow).toEqual({ total: 230, bad: 40 })
    const increase = await history.query('increase(istio_requests_total{destination_workload="burst",response_code="500"}[300s])', at)
    expect(Number(increase.data.result[0].value[1])).toBe(0)
  })
  it('counts through a restart', async () => {
    const { canary } = await ask(arm('restarted'))
    expect(canary.slow.total).toBeGreaterThanOrEqual(180)
    expect(canary.slow.total).toBeLessThanOrEqual(200)
  })
  it('takes a series that missed its scrapes at the window’s start for what it is, not for new', async () => {
    const naive = await history.query(
      'max_over_time(istio_requests_total{destination_workload="gapped"}[300s]) unless istio_requests_total{destination_workload="gapped"} offset 300s',
      at,
    )
    expect(Number(naive.data.result[0].value[1])).toBeGreaterThan(5000)
    expect((await ask(arm('gapped'))).canary.slow.total).toBe(360)
  })
  it('finds gRPC failures behind HTTP 200, each once', async () => {
    expect((await ask(arm('grpc'))).canary.slow).toEqual({ total: 16 * 20, bad: 3 * 20 })
  })
  it('counts at a waypoint, with what it could not deliver', async () => {
    expect((await ask(arm('ambient', { door: door('ambient-canary') }))).canary.slow).toEqual({ total: 15 * 20, bad: 5 * 20 })
  })
  it('an unreachable canary is failing, not missing', async () => {
    const { canary, reading } = await ask(arm('gone', { door: door('gone-canary') }))
    expect(canary.slow).toEqual({ total: 8 * 20, bad: 8 * 20 })
    expect(evaluate(bounds, reading, {}, scrape).verdict).toBe('Fail')
  })
  it('two subsets of one host: the unknown ones are the canary’s, stable’s own are not', async () => {
    const { canary, stable } = await ask(arm('reviews-v2', { door: door('reviews') }), { stable: arm('reviews-v1') })
    expect(canary.slow).toEqual({ total: 3 * 20, bad: 3 * 20 })
    expect(stable.slow).toEqual({ total: 0, bad: 0 })
  })
  it('counts slow requests by buckets, and those that never arrived with them', async () => {
    const { canary } = await ask(arm('slow', { door: door('slow-canary') }), { measure: { kind: 'Latency', percentile: 90, aboveMs: 500 } })
    expect(canary).toEqual({ fast: { total: 44, bad: 8 }, slow: { total: 11 * 20, bad: 2 * 20 }, percentileMs: 500 })
  })
  it('counts at Linkerd, inbound only and without probes', async () => {
    expect((await ask(arm('linkerd'), { telemetry: 'Linkerd' })).canary.slow).toEqual({ total: 12 * 20, bad: 2 * 20 })
    expect((await ask(arm('linkerd'), { telemetry: 'Linkerd', measure: { kind: 'Latency', percentile: 50, aboveMs: 500 } })).canary.slow).toEqual({
      total: 10 * 20,
      bad: 20,
    })
  })
  const slower = { kind: 'Latency', percentile: 50, aboveMs: 500 } as const
  it('counts at Linkerd’s callers by backend of a route, HTTP and gRPC, without callers that left', async () => {
    const canary = arm('whatever', { door: door('route-canary') })
    expect((await ask(canary, { telemetry: 'LinkerdRoute' })).canary.slow).toEqual({ total: 21 * 20, bad: 2 * 20 })
    expect((await ask(canary, { telemetry: 'LinkerdRoute', measure: slower })).canary.slow).toEqual({ total: 10 * 20, bad: 20 })
    expect((await ask(arm('whatever', { door: door('alone-canary') }), { telemetry: 'LinkerdRoute' })).canary.slow).toEqual({ total: 60, bad: 60 })
  })
  it('counts at Traefik by Service, whatever the scrape has made of its name', async () => {
    const canary = arm('whatever', { door: door('web-canary') })
    expect((await ask(canary, { telemetry: 'Traefik' })).canary.slow).toEqual({ total: 17 * 20, bad: 3 * 20 })
    expect((await ask(canary, { telemetry: 'Traefik', measure: slower })).canary.slow).toEqual({ total: 10 * 20, bad: 20 })
  })
  it('counts at Envoy Gateway by cluster', async () => {
    const canary = arm('whatever', { clusters: ['httproute/shop/web/rule/0/backend/1'] })
    expect((await ask(canary, { telemetry: 'EnvoyGateway' })).canary.slow).toEqual({ total: 12 * 20, bad: 2 * 20 })
    expect((await ask(canary, { telemetry: 'EnvoyGateway', measure: slower })).canary.slow).toEqual({ total: 10 * 20, bad: 20 })
  })
  it('takes names as they are, whatever is in them', async () => {
    expect((await ask({ namespace: nasty, workloads: [nasty] })).canary.slow.total).toBe(200)
    expect((await ask({ namespace: nasty, workloads: [nasty, 'dot.x'] })).canary.slow.total).toBe(200)
    expect((await ask({ namespace: 'shop', workloads: ['dot.x', 'other'] })).canary.slow.total).toBe(200)
    expect((await ask(arm('steady', { door: nasty }))).canary.slow.total).toBe(403)
  })
  it('no series is no requests, and no verdict', async () => {
    const { canary, reading } = await ask(arm('nobody', { door: door('nobody') }))
    expect(canary).toEqual({ fast: { total: 0, bad: 0 }, slow: { total: 0, bad: 0 } })
    expect(evaluate(bounds, reading, {}, scrape).verdict).toBe('NoData')
  })
  it('one window where both are the same, an hour where it is long', async () => {
    expect((await ask(arm('steady'), { fastMs: 60_000, slowMs: 60_000 })).canary).toEqual({ fast: { total: 83, bad: 3 }, slow: { total: 83, bad: 3 } })
    expect((await ask(arm('steady'), { slowMs: 3_600_000 })).canary.slow.total).toBe(240 * 20 + 3)
  })
  it('a door that closed is quiet after two scrapes, one that serves is not', async () => {
    const requests = async (service: string, more: Partial<Question> = {}) => {
      const doors = {
        stable: arm('steady', { door: door('steady-stable') }),
        measure: { kind: 'DoorRequests' },
        fastMs: 2 * scrape,
        slowMs: 2 * scrape,
      } as const
      return (await ask(arm('closing', { door: door(service) }), { ...doors, ...more })).canary.slow
    }
    expect(await requests('closing-canary')).toEqual({ total: 20, bad: 0 })
    expect(await requests('closed-canary')).toEqual({ total: 0, bad: 0 })
    expect(await requests('never-there')).toEqual({ total: 0, bad: 0 })
    expect(await requests('linkerd-canary', { telemetry: 'Linkerd' })).toEqual({ total: 24, bad: 0 })
  })

  describe('of one’s own', () => {
    const own = (text: string, args: Readonly<Record<string, string>> = {}) => {
      const read = readTemplate(text)
      if (!read.ok) throw new Error(read.problem)
      const query = filledQuery(read.template, { namespace: 'shop', rollout: 'steady', revision: ['steady'], stable: ['other'], door: undefined, windowMs: 300_000, args })
      const arms = { stable: arm('other'), canary: arm('steady') }
      return source.ask({ id: 'q', check: 'own', source: 'default', telemetry: undefined, measure: { kind: 'Query', template: 'shop/own', query, unit: '' }, ...arms, at, fastMs: 60_000, slowMs: 300_000 })
    }
    const steady = 'istio_requests_total{destination_workload="{{revision}}"}'
    it.each([
      [`sum(${steady})`, { state: 'Value', value: expect.any(Number) }],
      [`count(count by (response_code) (${steady.replace('}"}', '}",reporter="destination"}')}))`, { state: 'Value', value: 2 }],
      ['3', { state: 'Value', value: 3 }],
      ['vector(1) / 0', { state: 'Value', value: Infinity }],
      ['vector(-1) / 0', { state: 'Value', value: -Infinity }],
      ['vector(0) / 0', { state: 'Empty', reason: 'the query answered NaN, as 0/0 is' }],
      ['nothing{a="{{namespace}}"}', { state: 'Empty', reason: 'the query answered no series' }],
      ['istio_requests_total', { state: 'Error', reason: expect.stringMatching(/answered \d+ series where one number is needed: aggregate them/) }],
      [`${steady}[{{window}}]`, { state: 'Error', reason: expect.stringContaining('a matrix where one number is needed') }],
      ['"text"', { state: 'Error', reason: expect.stringContaining('a string where one number is needed') }],
      ['sum(', { state: 'Error', reason: expect.stringContaining('HTTP 400: invalid parameter "query"') }],
      ['istio_requests_total + on () istio_requests_total', { state: 'Error', reason: expect.stringMatching(/HTTP 422: found duplicate series .*\{…\}/) }],
    ])('%s', async (text, answer) => expect(await own(text)).toEqual(answer))
    it.each(['a"b', 'a\\', '") or vector(1) #', '.*', 'a|b', '(', '[', '\\E', 'a\nb', '{{window}}', '$1', '', '\u{1f600}', '\u0000'])('takes %j for a value and nothing else', async (v) => {
      for (const text of ['count(istio_requests_total{destination_workload="{{args.v}}",destination_workload!=""})', 'count(istio_requests_total{destination_workload=~"{{args.v}}",destination_workload!=""})', 'count(istio_requests_total{destination_workload=~"(x{{args.v}}){2}-.*"})'])
        expect(await own(text, { v })).toEqual({ state: 'Empty', reason: 'the query answered no series' })
    })
  })
})
