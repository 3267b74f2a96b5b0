import { describe, expect, it } from 'vitest'
import { countsQuery } from '../../../src/analysis/queries.ts'
import { question } from './question.ts'

const selectors = (query: string | undefined): string[] => [...new Set([...(query ?? '').matchAll(/(\w+\{[^}]*\})\[/g)].map((match) => match[1]!))]
const names = (query: string | undefined): string[] => [...(query ?? '').matchAll(/"count", "([^"]+)"/g)].map((match) => match[1]!)

describe('a query for counts', () => {
  it('asks total, bad and lost of both arms and windows, in one query', () => {
    const arms = ['stable', 'canary'].flatMap((arm) => ['total', 'bad', 'lost'].flatMap((what) => ['fast', 'slow'].map((window) => `${arm}.${window}.${what}`)))
    expect(names(countsQuery(question()))).toEqual(arms)
  })
  it('selects what arrived by workload and what never arrived by door', () => {
    expect(selectors(countsQuery(question({ stable: { namespace: '', workloads: [] } })))).toEqual([
      'istio_requests_total{reporter=~"destination|waypoint",destination_workload_namespace="shop",destination_workload="web-2"}',
      'istio_requests_total{reporter=~"destination|waypoint",destination_workload_namespace="shop",destination_workload="web-2",response_code=~"5.."}',
      'istio_requests_total{reporter=~"destination|waypoint",destination_workload_namespace="shop",destination_workload="web-2",response_code!~"5..",grpc_response_status=~"2|4|8|12|13|14|15"}',
      'istio_requests_total{reporter="source",destination_workload=~"unknown|web-2",destination_service="web-canary.shop.svc.cluster.local",response_flags=~"(.*,)?(UF|UH|UO)(,.*)?"}',
      'istio_requests_total{reporter="waypoint",destination_workload="unknown",destination_service="web-canary.shop.svc.cluster.local",response_flags=~"(.*,)?(UF|UH|UO)(,.*)?"}',
    ])
  })
  it('charges a door of its own with every request that never arrived, whoever it was meant for', () => {
    expect(countsQuery(question())).toContain('{reporter="source",destination_service="web-canary.shop.svc.cluster.local"')
  })
  it('asks buckets for latency, with all bounds', () => {
    const query = countsQuery(question({ measure: { kind: 'Latency', percentile: 99, aboveMs: 500 } }))
    expect(names(query)).toContain('canary.fast.bucket')
    expect(names(query)).toContain('canary.fast.lost')
    expect(query).toContain('sum by (le)')
  })
  it('asks Linkerd by deployment, without the kubelet’s probes', () => {
    const query = countsQuery(question({ telemetry: 'Linkerd' }))
    expect(selectors(query)).toContain('response_total{direction="inbound",route_name!="probe",namespace="shop",deployment="web-2",classification="failure"}')
    expect(names(query)).not.toContain('canary.fast.lost')
    expect(selectors(countsQuery(question({ telemetry: 'Linkerd', measure: { kind: 'Latency', percentile: 99, aboveMs: 500 } })))).toContain(
      'response_latency_ms_bucket{direction="inbound",route_name!="probe",namespace="shop",deployment="web-2"}',
    )
  })
  it('asks one window where both are the same', () => {
    expect(names(countsQuery(question({ fastMs: 300_000 }))).every((name) => name.includes('.slow.'))).toBe(true)
  })
  it('asks nothing over an empty window, and nothing of an arm without workloads', () => {
    expect(countsQuery(question({ fastMs: 0, slowMs: 0 }))).toBeUndefined()
    expect(names(countsQuery(question({ stable: { namespace: 'shop', workloads: [] } }))).some((name) => name.startsWith('stable'))).toBe(false)
  })
  it('quotes and escapes names: no name leaves its string, none is a pattern', () => {
    const query = countsQuery(question({ canary: { namespace: 'a"}) or vector(1', workloads: ['web.*', 'b"\\|x\n'], door: 'd"' } }))
    expect(query).toContain('destination_workload_namespace="a\\"}) or vector(1"')
    expect(query).toContain('destination_workload=~"web\\\\.\\\\*|b\\"\\\\\\\\\\\\|x\\n"')
    expect(query).toContain('destination_service="d\\""')
    expect(countsQuery(question({ canary: { namespace: 'shop', workloads: ['web.*'] } }))).toContain('destination_workload="web.*"')
  })
})

describe('requests of doors', () => {
  const asked = { measure: { kind: 'DoorRequests' }, fastMs: 45_000, slowMs: 45_000 } as const
  it('are what clients sent there', () => {
    expect(names(countsQuery(question(asked)))).toEqual(['stable.slow.total', 'canary.slow.total'])
    expect(selectors(countsQuery(question(asked)))).toContain(
      'istio_requests_total{reporter=~"source|waypoint",destination_service="web-canary.shop.svc.cluster.local"}',
    )
    expect(selectors(countsQuery(question({ ...asked, telemetry: 'Linkerd' })))).toContain(
      'response_total{direction="outbound",dst_namespace="shop",dst_service="web-canary"}',
    )
  })
  it('are what arrived where the host is shared', () => {
    const canary = { namespace: 'shop', workloads: ['web-2'], door: 'web.shop.svc.cluster.local' }
    expect(selectors(countsQuery(question({ ...asked, stable: { namespace: 'shop', workloads: ['web-1'] }, canary })))).toEqual([
      'istio_requests_total{reporter=~"destination|waypoint",destination_workload_namespace="shop",destination_workload="web-1"}',
      'istio_requests_total{reporter=~"destination|waypoint",destination_workload_namespace="shop",destination_workload="web-2"}',
    ])
  })
})
