/** A revision that turns bad at each step, and revisions behind routes of their owner: on a real API server with a real Prometheus. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { until } from '../support/process.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const virtualServices = 'networking.istio.io/v1/virtualservices'
const weights = [10, 50, 100]

const spec = (change: Partial<RolloutSpec> = {}): RolloutSpec => ({
  workloadRef: { kind: 'Deployment', name: 'shop' },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: weights.map((weight) => ({ weight, hold: '4s' })),
  analysis: {
    interval: '1s', minRequests: 20,
    checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'p99', latency: { percentile: 99, max: '500ms' } }],
  },
  progressDeadline: '40s',
  retainStable: '4s',
  ...change,
})

describe.skipIf(missing)(`each step, and routes of one's own ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
  })
  afterAll(() => stage?.stop())

  const running = async (t: TestContext, perSecond = 100): Promise<Scene> => {
    const scene = await stage.scene('steps')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, perSecond)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    return scene
  }
  const idle = (scene: Scene, image: string) => scene.reach('shop', `idle at ${image}`, (now) => now.phase === 'Idle' && now.stable?.images?.includes(image) === true)

  test.for(weights.flatMap((_, index) => [{ index, what: 'errors' as const }, { index, what: 'latency' as const }]))('a revision that turns bad by $what at step $index is taken back there', async ({ index, what }, t) => {
    const scene = await running(t)
    await scene.rollout('shop', spec({ steps: weights.map((weight, at) => ({ weight, hold: at === index ? '60s' : '4s' })) }))
    await idle(scene, 'shop:v1')
    const split = scene.watchSplit(virtualServices, 'shop')
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', `holding step ${index}`, (now) => now.phase === 'Holding' && now.journey?.step.index === index)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'shop:v2', what === 'errors' ? { errorRate: 0.4 } : { latencyMs: 900 })
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const now = await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    split.stop()
    expect(Math.max(...split.seen)).toBe(weights[index])
    expect(split.seen.at(-1)).toBe(0)
    expect(now.failed[0]).toMatchObject({ reason: 'CheckFailed', message: expect.stringContaining(what === 'errors' ? 'success' : 'p99') })
    expect(now.history[0]?.requests.served).toBeGreaterThan(0)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })

  const door = (scene: Scene, name: string, weight: number) => ({ destination: { host: `${name}.${scene.namespace}.svc.cluster.local`, port: { number: 80 } }, weight })
  const ownRoute = (scene: Scene) => [
    { name: 'testers', match: [{ headers: { 'x-tester': { exact: 'yes' } } }], route: [{ destination: { host: 'shop', port: { number: 80 } } }], timeout: '7s' },
    { name: 'default', retries: { attempts: 2 }, route: [door(scene, 'shop-stable', 100), door(scene, 'shop-canary', 0)] },
  ]

  test("behind a VirtualService of the user's: it is said what to commit, then adopted, promoted and taken back, and nothing else in it changes", async (t) => {
    const scene = await running(t)
    const route = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop' }, spec: { hosts: ['shop'], http: [{ name: 'default', route: [{ destination: { host: 'shop', port: { number: 80 } } }] }] } }
    await scene.apply(virtualServices, route)
    await scene.rollout('shop', spec({ traffic: { istio: { virtualServiceRefs: [{ name: 'shop', routes: ['default'] }] } } }))
    const blocked = await scene.reach('shop', 'blocked', (now) => now.phase === 'Blocked' && now.message.includes('shop-stable'))
    expect(blocked.conditions.find(({ type }) => type === 'Stalled')?.reason).toBe('RouteLacksDoors')
    const http = ownRoute(scene)
    // Whoever names the doors in a route does so once the proxies know them; a proxy that hears of the route first has nowhere to go.
    await scene.known('shop-stable', 2)
    await scene.apply(virtualServices, { ...route, spec: { ...route.spec, http } })
    await idle(scene, 'shop:v1')
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    await idle(scene, 'shop:v2')
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'shop:v3', { errorRate: 0.4 })
    await scene.push('shop', 'shop:v3')
    expect(await scene.outcome('shop', 'shop:v3')).toBe('RolledBack')
    const live = await scene.get(`/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/shop`)
    expect(live?.spec.http).toEqual(http)
    expect(live?.metadata.managedFields?.some(({ manager, fieldsV1 }) => manager === 'sluice' && JSON.stringify(fieldsV1).includes('f:http'))).toBe(false)
  })

  test('in another namespace only with a grant there; with it the split moves there too', async (t) => {
    const scene = await running(t)
    const edge = await stage.scene('edge')
    const before = [{ name: 'default', route: [{ destination: { host: `shop.${scene.namespace}.svc.cluster.local`, port: { number: 80 } } }] }]
    const http = [{ name: 'default', route: [door(scene, 'shop-stable', 100), door(scene, 'shop-canary', 0)] }]
    const own = (routes: object[]) => scene.apply(virtualServices, { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop' }, spec: { hosts: ['shop'], http: routes } })
    const there = (routes: object[], annotations = {}) =>
      edge.apply(virtualServices, { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'public', annotations }, spec: { hosts: ['shop.example.com'], http: routes } })
    await there(before)
    await own(before)
    await scene.rollout('shop', spec({ traffic: { istio: { virtualServiceRefs: [{ name: 'shop', routes: ['default'] }, { name: 'public', namespace: edge.namespace, routes: ['default'] }] } } }))
    await scene.reach('shop', 'not granted', (now) => JSON.stringify(now.conditions).includes('sluice.dev/allow-from'))
    await there(before, { 'sluice.dev/allow-from': scene.namespace })
    await scene.reach('shop', 'doors wanted', (now) => now.phase === 'Blocked' && now.message.includes('shop-stable'))
    await scene.known('shop-stable', 2)
    await own(http)
    await there(http)
    await idle(scene, 'shop:v1')
    const splits = edge.watchSplit(virtualServices, 'public')
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    splits.stop()
    expect(splits.seen.filter((share) => share > 0)).toEqual(weights)
  })

  test('deleted in the middle and created again: stable serves, and the revision waits for a Retry, since the route names it as closed', async (t) => {
    const scene = await running(t)
    await scene.rollout('shop', spec({ steps: [{ weight: 50, hold: '30s' }, { weight: 100, hold: '4s' }] }))
    await idle(scene, 'shop:v1')
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await scene.remove('sluice.dev/v1alpha1/rollouts', 'shop')
    await until('the Rollout to be gone', async () => (await scene.get(`/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop`)) === undefined)
    await scene.rollout('shop', spec())
    await scene.reach('shop', 'stable is v1', (now) => now.stable?.images?.includes('shop:v1') === true, 60_000)
    await scene.reach('shop', 'closed', (now) => now.phase === 'RolledBack' && now.failed[0]?.reason === 'NamedByRoute')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(0)
    await scene.ask('shop', 'Retry')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })
})
