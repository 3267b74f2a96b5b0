import { describe, expect, it } from 'vitest'
import { prometheusSource } from '../../../src/metrics/prometheus.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { embeddedPrometheus } from '../../../src/sandbox/prometheus.ts'
import { annotatedAnswers, answersAnnotation, type Answers } from '../../../src/sandbox/answers.ts'
import { drive, trafficModel, type Traffic } from '../../../src/sandbox/traffic.ts'
import type { DataPlane } from '../../../src/sandbox/routing.ts'
import { question } from '../analysis/question.ts'
import { cluster, ids, pod, slice, split, virtualService, type PlainWorld } from './world.ts'

const start = Date.UTC(2026, 0, 1)
const canaryOnly =
  (answers: Answers) =>
  (to: { image: string }): Answers =>
    to.image === 'web:2' ? answers : {}

function sent(answers: Answers = {}, { seconds = 100, world = cluster(), dataPlane = 'Istio' as DataPlane, seed = 1 } = {}): Traffic {
  const traffic = trafficModel({ world, dataPlane, answers: canaryOnly(answers), seed }, start)
  traffic.send({ namespace: 'shop', host: 'web' }, 100)
  for (let at = start; at <= start + seconds * 1000; at += 250) traffic.advance(at)
  return traffic
}
const ofCanary = (traffic: Traffic) => traffic.served().find(({ workload }) => workload === 'web-2')!
const sum = (traffic: Traffic, name: string, labels: Record<string, string>): number =>
  [...traffic.expose()]
    .filter((one) => one.labels['__name__'] === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value))
    .reduce((all, { value }) => all + value, 0)

describe('the traffic model', () => {
  it('divides requests by weight over the workloads', () => {
    const traffic = sent()
    const [stable, canary] = [traffic.served().find(({ workload }) => workload === 'web-1')!, ofCanary(traffic)]
    expect(stable.total + canary.total).toBe(10_000)
    expect(canary).toMatchObject({ image: 'web:2', service: 'web-canary', bad: 0, lost: 0 })
    expect(canary.total).toBeGreaterThan(400)
    expect(canary.total).toBeLessThan(600)
    expect(traffic.nowhere()).toEqual({ count: 0, examples: [] })
  })
  it('is the same for the same seed', () => {
    const [first, second, other] = [sent({ errorRate: 0.3 }), sent({ errorRate: 0.3 }), sent({ errorRate: 0.3 }, { seed: 2 })]
    expect([...first.expose()]).toEqual([...second.expose()])
    expect(other.served()).not.toEqual(first.served())
  })
  it('counts failures, unreachable pods and requests without a destination apart', () => {
    const failing = ofCanary(sent({ errorRate: 0.5 }))
    expect(failing.bad / failing.total).toBeCloseTo(0.5, 1)
    const gone = sent({ unreachable: true })
    expect(ofCanary(gone)).toMatchObject({ total: 0, bad: 0 })
    expect(ofCanary(gone).lost).toBeGreaterThan(400)
    expect(gone.nowhere().count).toBe(0)
    const world = cluster()
    world.put(ids.slices, slice('web-canary'))
    const empty = sent({}, { world })
    expect(empty.nowhere().count).toBeGreaterThan(400)
    expect(empty.nowhere().examples).toHaveLength(50)
    expect(empty.nowhere().examples[0]).toMatchObject({ host: 'web', why: 'no ready pod behind web-canary.shop.svc.cluster.local' })
  })
  it('hears of changes late, so that a pod that leaves before its door is shut is missed', () => {
    const world = cluster()
    const traffic = trafficModel({ world, dataPlane: 'Istio', answers: () => ({}), lagMs: 1000 }, start)
    traffic.send({ namespace: 'shop', host: 'web' }, 100)
    traffic.advance(start + 1000)
    world.put(ids.routes, virtualService(100, 0))
    traffic.advance(start + 1900)
    const before = ofCanary(traffic).total
    traffic.advance(start + 2500)
    expect(ofCanary(traffic).total).toBeGreaterThan(before)
    traffic.advance(start + 2900)
    const closed = ofCanary(traffic).total
    traffic.advance(start + 10_000)
    expect(ofCanary(traffic).total).toBe(closed)
    world.drop(ids.pods, 'one-a')
    traffic.advance(start + 10_250)
    expect(traffic.nowhere().examples[0]?.why).toBe('pod shop/one-a behind web-stable.shop.svc.cluster.local was gone')
  })
  it('changes rates and answers on the way', () => {
    const world = cluster()
    let errorRate = 0
    const traffic = trafficModel({ world, dataPlane: 'Istio', answers: () => ({ errorRate }) }, start)
    const sender = traffic.send({ namespace: 'shop', host: 'web' }, 10)
    const bad = () => traffic.served().reduce((all, one) => all + one.bad, 0)
    const total = () => traffic.served().reduce((all, one) => all + one.total, 0)
    traffic.advance(start + 10_000)
    expect([total(), bad()]).toEqual([100, 0])
    errorRate = 1
    traffic.answersChanged()
    sender.rate(100)
    traffic.advance(start + 11_000)
    expect([total(), bad()]).toEqual([200, 100])
    sender.stop()
    traffic.advance(start + 20_000)
    expect(total()).toBe(200)
  })
})

describe('its counters', () => {
  it('are Istio’s, at both ends, once per set of labels', () => {
    const traffic = sent({ errorRate: 0.2, latencyMs: 200 })
    const canary = ofCanary(traffic)
    const at = { destination_workload: 'web-2', destination_workload_namespace: 'shop' }
    for (const reporter of ['source', 'destination']) {
      expect(sum(traffic, 'istio_requests_total', { reporter, ...at })).toBe(canary.total)
      expect(sum(traffic, 'istio_requests_total', { reporter, ...at, response_code: '500' })).toBe(canary.bad)
      expect(sum(traffic, 'istio_request_duration_milliseconds_bucket', { reporter, ...at, le: '+Inf' })).toBe(canary.total)
    }
    expect(sum(traffic, 'istio_request_duration_milliseconds_bucket', { reporter: 'destination', ...at, le: '250' }) / canary.total).toBeGreaterThan(0.5)
    expect(sum(traffic, 'istio_request_duration_milliseconds_bucket', { reporter: 'destination', ...at, le: '50' }) / canary.total).toBeLessThan(0.05)
    const labels = [...traffic.expose()].map((one) => JSON.stringify(Object.entries(one.labels).sort()))
    expect(new Set(labels).size).toBe(labels.length)
  })
  it('say of an unreachable pod only what the caller knows', () => {
    const traffic = sent({ unreachable: true })
    expect(sum(traffic, 'istio_requests_total', { destination_workload: 'web-2' })).toBe(0)
    expect(
      sum(traffic, 'istio_requests_total', {
        reporter: 'source',
        destination_workload: 'unknown',
        response_flags: 'UF',
        destination_service: 'web-canary.shop.svc.cluster.local',
      }),
    ).toBe(ofCanary(traffic).lost)
  })
  it('hide gRPC failures behind HTTP 200', () => {
    const traffic = sent({ errorRate: 1, grpcStatus: 14 })
    expect(sum(traffic, 'istio_requests_total', { reporter: 'destination', response_code: '200', grpc_response_status: '14' })).toBe(ofCanary(traffic).total)
  })
  it('are Linkerd’s', () => {
    const world = cluster()
    world.put(ids.splits, split(90, 10))
    const traffic = sent({ errorRate: 0.5 }, { world, dataPlane: 'Linkerd' })
    const canary = ofCanary(traffic)
    expect(sum(traffic, 'response_total', { direction: 'inbound', deployment: 'web-2', classification: 'failure' })).toBe(canary.bad)
    expect(sum(traffic, 'response_total', { direction: 'outbound', dst_service: 'web-canary' })).toBe(canary.total)
    expect(sum(traffic, 'response_latency_ms_bucket', { direction: 'inbound', deployment: 'web-2', le: '+Inf' })).toBe(canary.total)
  })
  it('end with their pod, and stay at the caller', () => {
    const world = cluster()
    const traffic = sent({}, { world })
    world.drop(ids.pods, 'two-a')
    world.put(ids.routes, virtualService(100, 0))
    traffic.advance(start + 200_000)
    expect(sum(traffic, 'istio_requests_total', { reporter: 'destination', destination_workload: 'web-2' })).toBe(0)
    expect(sum(traffic, 'istio_requests_total', { reporter: 'source', destination_workload: 'web-2' })).toBeGreaterThan(0)
  })
})

describe('model, Prometheus and source together', () => {
  const measured = async (answers: Answers, world: PlainWorld, dataPlane: DataPlane = 'Istio') => {
    const clock = new SimulatedClock(start)
    const traffic = trafficModel({ world, dataPlane, answers: canaryOnly(answers) }, start)
    const prometheus = embeddedPrometheus({ clock, expose: () => traffic.expose() })
    traffic.send({ namespace: 'shop', host: 'web' }, 50)
    const rest = drive(traffic, clock)
    prometheus.start()
    try {
      await clock.advance(310_000, async () => {})
      const answer = await prometheusSource({ name: 'default', url: await prometheus.listen() }, clock).ask(question({ telemetry: dataPlane, at: clock.now() }))
      if (answer.state !== 'Counts') throw new Error(JSON.stringify(answer))
      return { answer, traffic }
    } finally {
      rest()
      await prometheus.stop()
    }
  }
  it.each<[string, Answers, number]>([
    ['well', {}, 0],
    ['failing', { errorRate: 1 }, 1],
    ['gRPC', { errorRate: 1, grpcStatus: 13 }, 1],
    ['unreachable', { unreachable: true }, 1],
  ])('Istio, %s', async (_name, answers, bad) => {
    const { answer } = await measured(answers, cluster())
    expect(answer.canary.slow.total).toBeGreaterThan(500)
    expect(answer.canary.slow.bad / answer.canary.slow.total).toBe(bad)
    expect(answer.stable.slow.bad).toBe(0)
    expect(answer.canary.fast.total / (answer.canary.fast.total + answer.stable.fast.total)).toBeCloseTo(0.05, 1)
  })
  it('Linkerd', async () => {
    const world = cluster()
    world.put(ids.splits, split(50, 50))
    const { answer } = await measured({ errorRate: 0.1 }, world, 'Linkerd')
    expect(answer.canary.slow.bad / answer.canary.slow.total).toBeCloseTo(0.1, 1)
  })
})

it('reads answers from an annotation, and refuses what it does not know', () => {
  const says = (text: string) => annotatedAnswers({ annotations: { [answersAnnotation]: text } })
  expect(annotatedAnswers({ annotations: {} })).toBeUndefined()
  expect(says('{"errorRate":0.2,"unreachable":true}')).toEqual({ errorRate: 0.2, unreachable: true })
  expect(says('nonsense')).toMatchObject({ message: expect.stringContaining('is no JSON') })
  expect(says('[]')).toMatchObject({ message: expect.stringContaining('is no JSON object') })
  expect(says('{"errors":1}')).toMatchObject({ message: expect.stringContaining('unknown field errors') })
  expect(says('{"errorRate":"1"}')).toMatchObject({ message: expect.stringContaining('needs a number') })
  expect(says('{"errorRate":-1}')).toBeInstanceOf(Error)
  expect(pod('p', 'web-1', 'i', { a: 'b' }).metadata.annotations).toEqual({ a: 'b' })
})
