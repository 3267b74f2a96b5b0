/** All models on one clock: objects in the embedded API server become pods, pods become endpoints, traffic finds them, and Prometheus knows. */
import { afterEach, expect, it } from 'vitest'
import { prometheusSource } from '../../../src/metrics/prometheus.ts'
import { annotatedAnswers, answersAnnotation } from '../../../src/sandbox/answers.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { embeddedCluster } from '../../../src/sandbox/cluster.ts'
import { embeddedPrometheus } from '../../../src/sandbox/prometheus.ts'
import { worldOf } from '../../../src/sandbox/routing.ts'
import { drive, trafficModel } from '../../../src/sandbox/traffic.ts'
import { question } from '../analysis/question.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const deployment = (name: string, image: string, annotations: Record<string, string> = {}) => {
  const labels = { app: 'web', 'sluice.dev/revision': name }
  const template = { metadata: { labels, annotations }, spec: { containers: [{ name: 'web', image }] } }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'shop' }, spec: { replicas: 2, selector: { matchLabels: labels }, template } }
}
const door = (name: string, revision: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { app: 'web', 'sluice.dev/revision': revision }, ports: [{ port: 80 }] },
})

it('measures a failing canary, and misses no request while its door stands', async () => {
  const clock = new SimulatedClock()
  const cluster = embeddedCluster({ clock, namespaces: ['shop'] })
  ends.push(() => cluster.close())
  const { store } = cluster
  store.register({
    id: 'virtualservices.networking.istio.io',
    group: 'networking.istio.io',
    plural: 'virtualservices',
    singular: 'virtualservice',
    kind: 'VirtualService',
    shortNames: ['vs'],
    categories: [],
    namespaced: true,
    versions: [{ name: 'v1', status: false }],
    storage: 'v1',
    custom: true,
    generation: true,
  })
  const by = { manager: 'test' }
  store.create('deployments.apps', deployment('web-1', 'web:1'), by)
  store.create('deployments.apps', deployment('web-2', 'web:2', { [answersAnnotation]: '{"errorRate":1,"latencyMs":80}' }), by)
  store.create('services', door('web-stable', 'web-1'), by)
  store.create('services', door('web-canary', 'web-2'), by)
  const route = [
    { destination: { host: 'web-stable', port: { number: 80 } }, weight: 90 },
    { destination: { host: 'web-canary', port: { number: 80 } }, weight: 10 },
  ]
  const virtualService = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'web', namespace: 'shop' }, spec: { hosts: ['web'], http: [{ route }] } }
  store.create('virtualservices.networking.istio.io', virtualService, by)
  await clock.advance(60_000)

  const traffic = trafficModel(
    {
      world: worldOf(store),
      dataPlane: 'Istio',
      answers: (pod) => {
        const answers = annotatedAnswers(pod) ?? {}
        if (answers instanceof Error) throw answers
        return answers
      },
    },
    clock.now(),
  )
  const prometheus = embeddedPrometheus({ clock, expose: () => traffic.expose() })
  ends.push(() => prometheus.stop())
  traffic.send({ namespace: 'shop', host: 'web' }, 20)
  ends.push(drive(traffic, clock))
  prometheus.start()
  await clock.advance(301_000)
  expect(traffic.nowhere()).toEqual({ count: 0, examples: [] })

  const source = prometheusSource({ name: 'default', url: await prometheus.listen() }, clock)
  const answer = await source.ask(question({ at: clock.now() }))
  if (answer.state !== 'Counts') throw new Error(JSON.stringify(answer))
  const { canary, stable } = answer
  expect(canary.slow.total).toBeGreaterThan(400)
  expect(canary.slow.bad).toBe(canary.slow.total)
  expect(stable.slow.bad).toBe(0)
  expect(canary.slow.total / (canary.slow.total + stable.slow.total)).toBeCloseTo(0.1, 1)

  store.delete('services', 'shop', 'web-canary')
  await clock.advance(10_000)
  expect(traffic.nowhere().count).toBeGreaterThan(0)
})
