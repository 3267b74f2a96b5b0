import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countsAnswer } from '../../../src/analysis/counts.ts'
import { countsQuery } from '../../../src/analysis/queries.ts'
import type { Question } from '../../../src/analysis/reading.ts'
import { podsPattern } from '../../../src/analysis/series-application.ts'
import { telemetries } from '../../../src/analysis/telemetry.ts'
import { evaluate } from '../../../src/sandbox/promql.ts'
import { parse } from '../../../src/sandbox/promql-parser.ts'
import { SeriesMemory, type Exposed } from '../../../src/sandbox/series.ts'
import { at, question } from './question.ts'
import { telemetryCases, type SampleArm } from './telemetry-cases.ts'

const selectors = (query: string | undefined, arm: string): string[] => [...new Set([...(query ?? '').matchAll(/([a-z_]+\{[^}]*\})[[ ]/g)].map((match) => match[1]!))].filter((one) => one.includes(arm))
const latency = { kind: 'Latency', percentile: 99, aboveMs: 500 } as const
const quiet = { measure: { kind: 'DoorRequests' }, fastMs: 45_000, slowMs: 45_000 } as const
const clusters = { canary: { namespace: 'shop', workloads: ['web-2'], clusters: ['httproute/shop/web/rule/0/backend/1'] } }

const sample = (side: 'stable' | 'canary'): SampleArm => ({ workload: `web-${side}1`, service: `web-${side}`, cluster: `shop/${side}` })
const armOf = ({ workload, service, cluster }: SampleArm) => ({ namespace: 'shop', workloads: [workload], door: `${service}.shop.svc.cluster.local`, clusters: [cluster] })
const asked = (more: Partial<Question>) => question({ stable: armOf(sample('stable')), canary: armOf(sample('canary')), fastMs: 300_000, ...more })
/** Counters that were there before the window and have risen to `value` inside it. */
function answered(asking: Question, counters: readonly Exposed[]) {
  const memory = new SeriesMemory(3_600_000)
  for (let ago = 600_000; ago >= 0; ago -= 15_000) memory.append(at - ago, counters.map(({ labels, value }) => ({ labels, value: ago >= 300_000 ? 0 : value })))
  const { elements } = evaluate(countsQuery(asking)!, at, memory) as { elements: readonly Exposed[] }
  return countsAnswer(asking, { resultType: 'vector', result: elements.map(({ labels, value }) => ({ metric: labels, value: [at / 1000, String(value)] })) })
}

describe.each(telemetries)('the laws of telemetries: %s', (telemetry) => {
  const one = telemetryCases[telemetry]
  it('counts every request of an arm once, and the failed ones among them', () => {
    const of = (arm: SampleArm, times: number): Exposed[] => [
      ...one.good(arm).map((labels) => ({ labels, value: 10 * times })), ...one.bad(arm).map((labels) => ({ labels, value: times })), ...one.noise(arm).map((labels) => ({ labels, value: 1000 })),
    ]
    const [stable, canary] = [sample('stable'), sample('canary')]
    const bad = one.bad(canary).length
    const total = 10 * one.good(canary).length + bad
    expect(answered(asked({ telemetry }), [...of(stable, 1), ...of(canary, 3)])).toMatchObject({ state: 'Counts', stable: { slow: { total, bad } }, canary: { slow: { total: 3 * total, bad: 3 * bad } } })
  })
  it('knows its unit of time', () => {
    const bounds = [one.le[0], one.le[1], '+Inf'].map((le, index) => ({ labels: { ...one.bucket(sample('canary')), le }, value: index === 0 ? 90 : 100 }))
    expect(answered(asked({ telemetry, measure: latency }), bounds)).toMatchObject({ state: 'Counts', canary: { slow: { total: 100, bad: 10 } } })
  })
  it('is nothing where no series is, and no failed request where none failed', () => {
    expect(answered(asked({ telemetry }), one.good(sample('stable')).map((labels) => ({ labels, value: 5 })))).toMatchObject({ state: 'Counts', canary: { slow: { total: 0, bad: 0 } }, stable: { slow: { bad: 0 } } })
  })
  it.each([latency, { kind: 'SuccessRate' }, { kind: 'DoorRequests' }] as const)('asks $kind in less than 64 KiB, with names of usual length', (measure) => {
    const arm = (side: string) => armOf({ workload: `recommendations-${side}-1a2b3c4d5e`, service: `recommendations-${side}`, cluster: `httproute/shop/recommendations/rule/0/backend/${side}` })
    const query = countsQuery(asked({ telemetry, measure, stable: arm('stable'), canary: arm('canary'), fastMs: 60_000 }))!
    expect(Buffer.byteLength(query)).toBeLessThan(65_536)
  })
  it('keeps every name in its string, whatever it is', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 })
    const shape = (text: string) => text.replaceAll(/"(\\.|[^"\\])*"/g, '""')
    const plain = countsQuery(asked({ telemetry, canary: { namespace: 'n', workloads: ['w'], door: 'd.n.svc', clusters: ['c'] } }))!
    fc.assert(fc.property(name, name, name.map((text) => `d${text.replaceAll('.', '')}`), (namespace, workload, door) => {
      const query = countsQuery(asked({ telemetry, canary: { namespace, workloads: [workload], door: `${door}.n.svc`, clusters: [door] } }))!
      parse(query)
      expect(shape(query) === shape(plain)).toBe(true)
    }))
  })
})
it('there is an example of each', () => {
  const texts = globSync(resolve(import.meta.dirname, '../../../examples/*/rollout.yaml')).map((file) => readFileSync(file, 'utf8'))
  expect(telemetries.filter((name) => !texts.some((text) => new RegExp(`^ +telemetry: ${name}$`, 'm').test(text)))).toEqual([])
})

describe('data planes', () => {
  it.each(['LinkerdRoute', 'Traefik', 'EnvoyGateway'] as const)('%s asks nothing of an arm that it cannot tell', (telemetry) => {
    expect(countsQuery(question({ telemetry, stable: { namespace: 'shop', workloads: ['web-1'] }, canary: { namespace: 'shop', workloads: ['web-2'] } }))).toBeUndefined()
  })
})

describe('Linkerd by route', () => {
  const backend = 'backend_kind="Service",backend_namespace="shop",backend_name="web-canary"'
  const failures = 'UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS'
  it('counts each backend of HTTP and gRPC routes, errors without an answer among the bad ones, callers that left not', () => {
    expect(selectors(countsQuery(question({ telemetry: 'LinkerdRoute' })), 'web-canary')).toEqual([
      `outbound_http_route_backend_response_statuses_total{${backend}}`,
      `outbound_grpc_route_backend_response_statuses_total{${backend}}`,
      `outbound_http_route_backend_response_statuses_total{${backend},http_status=~"5.."}`,
      `outbound_http_route_backend_response_statuses_total{${backend},http_status!~"5..",error!="",error!="CANCEL"}`,
      `outbound_grpc_route_backend_response_statuses_total{${backend},grpc_status=~"${failures}",error!="CANCEL"}`,
      `outbound_grpc_route_backend_response_statuses_total{${backend},grpc_status!~"${failures}",error!="",error!="CANCEL"}`,
    ])
  })
  it('asks durations, and what a door still gets', () => {
    expect(selectors(countsQuery(question({ telemetry: 'LinkerdRoute', measure: latency })), 'web-canary')).toEqual(['http', 'grpc'].map((kind) => `outbound_${kind}_route_backend_response_duration_seconds_bucket{${backend}}`))
    expect(countsQuery(question({ telemetry: 'LinkerdRoute', ...quiet }))).not.toContain('http_status')
  })
})

describe('Traefik', () => {
  it('counts a Service of any port, with and without its route in the name, and where the scrape has moved the label aside', () => {
    const service = '"(.+-svc-)?shop-web-canary-[0-9]+@kubernetesgateway"'
    expect(selectors(countsQuery(question({ telemetry: 'Traefik' })), 'web-canary')).toEqual([
      `traefik_service_requests_total{service=~${service}}`, `traefik_service_requests_total{exported_service=~${service}}`,
      `traefik_service_requests_total{service=~${service},code=~"5.."}`, `traefik_service_requests_total{exported_service=~${service},code=~"5.."}`,
    ])
  })
})

describe('Envoy Gateway', () => {
  it('counts the clusters of an arm', () => {
    expect(selectors(countsQuery(question({ telemetry: 'EnvoyGateway', ...clusters })), 'backend/1')).toEqual([
      'envoy_cluster_upstream_rq{envoy_cluster_name="httproute/shop/web/rule/0/backend/1"}',
      'envoy_cluster_upstream_rq{envoy_cluster_name="httproute/shop/web/rule/0/backend/1",envoy_response_code=~"5.."}',
    ])
    expect(countsQuery(question({ telemetry: 'EnvoyGateway', measure: latency, ...clusters }))).toContain('envoy_cluster_upstream_rq_time_bucket{')
  })
})

describe('bounds of histograms', () => {
  const buckets = (bounds: Readonly<Record<string, number>>) => ({
    resultType: 'vector',
    result: Object.entries(bounds).map(([le, count]) => ({ metric: { count: 'canary.slow.bucket', le }, value: [0, String(count)] })),
  })
  it.each([
    ['LinkerdRoute', { '0.5': 90, '1': 100, '+Inf': 100 }],
    ['Traefik', { '0.5': 90, '1.0': 100, '+Inf': 100 }],
    ['EnvoyGateway', { '500': 90, '1000': 100, '+Inf': 100 }],
    ['Istio', { '500': 90, '1000': 100, '+Inf': 100 }],
  ] as const)('%s', (telemetry, bounds) => {
    const answer = countsAnswer(question({ telemetry, measure: latency, fastMs: 300_000 }), buckets(bounds))
    expect(answer).toMatchObject({ state: 'Counts', canary: { slow: { total: 100, bad: 10 }, percentileMs: 950 } })
  })
})

describe('an application', () => {
  const matches = (workload: string, pod: string) => new RegExp(`^(?:${podsPattern(workload)})$`).test(pod)
  it.each([
    ['web-1a2b3c4d5e', 'web-1a2b3c4d5e-6b7c8d9f4-x2bcd', true],
    ['web', 'web-6b7c8d9f4-x2bcd', true],
    ['web', 'web-1a2b3c4d5e-6b7c8d9f4-x2bcd', false],
    ['web', 'web-admin-6b7c8d9f4-x2bcd', false],
    ['web', 'web-0', false],
    ['web', 'my-web-6b7c8d9f4-x2bcd', false],
    ['w.b', 'wab-6b7c8d9f4-x2bcd', false],
    ['w.b', 'w.b-6b7c8d9f4-x2bcd', true],
    // Kubernetes cuts what stands before the last five signs to 58.
    [`${'a'.repeat(46)}`, `${'a'.repeat(46)}-6b7c8d9f4-x2bcd`, true],
    [`${'a'.repeat(48)}-1a2b3c4d5e`, `${'a'.repeat(48)}-1a2b3c4d5x2bcd`, true],
    [`${'a'.repeat(50)}`, `${'a'.repeat(50)}-6b7c8d9x2bcd`, true],
    [`${'a'.repeat(50)}`, `${'a'.repeat(50)}-6b7c8d-x2bcd`, true],
    [`${'a'.repeat(50)}`, `${'a'.repeat(50)}-beta-6bx2bcd`, false],
    [`${'a'.repeat(56)}`, `${'a'.repeat(56)}-6x2bcd`, true],
    [`${'a'.repeat(57)}`, `${'a'.repeat(57)}-x2bcd`, true],
  ])('%s has the pod %s: %s', (workload, pod, has) => expect(matches(workload, pod)).toBe(has))
  it('knows a pod by the name that the ReplicaSet controller gives it', () => {
    const sign = fc.constantFrom(...'bcdfghjklmnpqrstvwxz2456789')
    const signs = (min: number, max: number) => fc.array(sign, { minLength: min, maxLength: max }).map((all) => all.join(''))
    fc.assert(fc.property(fc.stringMatching(/^[a-z]([-a-z0-9]{0,58}[a-z0-9])?$/), signs(1, 10), signs(5, 5), (name, hash, pod) => {
      expect(matches(name, `${`${name}-${hash}-`.slice(0, 58)}${pod}`)).toBe(true)
    }))
  })
  it('is asked in one selection of each arm and window, by the labels that may hold a status', () => {
    const query = countsQuery(question({ telemetry: 'Application' }))!
    expect(query.match(/sum by \(status, code, status_code\)/g)).toHaveLength(4)
    expect(query).not.toMatch(/status\w*[=!]/)
  })
  it.each([
    ...['health', 'healthz', 'healthy', 'live', 'livez', 'liveness', 'ready', 'readyz', 'readiness', 'startup', 'startupz'].flatMap((path) => [`/${path}`, `${path}/`, `/api/v1/${path}`].map((one) => [one, true] as const)),
    ['/metrics', true], ['ping', true], ['/api/metrics', false], ['/api/ping', false], ['/orders', false], ['/healthyz', false], ['/reads', false], ['/read', false], ['/livezz', false], ['/olive', false], ['/', false], ['', false],
  ] as const)('leaves out probes: %s is one: %s', (path, isProbe) => {
    const pattern = /path!~("[^"]*")/.exec(countsQuery(question({ telemetry: 'Application' }))!)![1]!
    expect(new RegExp(`^(?:${JSON.parse(pattern)})$`).test(path)).toBe(isProbe)
  })
  it('counts what arrived, whatever its status, where it is asked what a door still gets', () => {
    const query = countsQuery(question({ telemetry: 'Application', ...quiet }))!
    expect(query).toContain('http_request_duration_seconds_count{namespace="shop",pod=~"web-2-')
    expect(query).not.toContain('status')
  })
})
