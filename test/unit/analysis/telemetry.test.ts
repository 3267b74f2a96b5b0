import { describe, expect, it } from 'vitest'
import { countsAnswer } from '../../../src/analysis/counts.ts'
import { countsQuery } from '../../../src/analysis/queries.ts'
import { telemetries } from '../../../src/analysis/reading.ts'
import { dataPlanes } from '../../../src/analysis/telemetry.ts'
import { question } from './question.ts'

const selectors = (query: string | undefined, arm: string): string[] => [...new Set([...(query ?? '').matchAll(/([a-z_]+\{[^}]*\})[[ ]/g)].map((match) => match[1]!))].filter((one) => one.includes(arm))
const latency = { kind: 'Latency', percentile: 99, aboveMs: 500 } as const
const quiet = { measure: { kind: 'DoorRequests' }, fastMs: 45_000, slowMs: 45_000 } as const
const clusters = { canary: { namespace: 'shop', workloads: ['web-2'], clusters: ['httproute/shop/web/rule/0/backend/1'] } }

describe('data planes', () => {
  it('are all that a Rollout may name', () => {
    expect(Object.keys(dataPlanes).toSorted()).toEqual([...telemetries].toSorted())
  })
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
