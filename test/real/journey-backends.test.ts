/** Journeys that move only weights: Istio's own example with a header route for mobile users, and two Services. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const virtualServices = 'networking.istio.io/v1/virtualservices'
const mobile = { 'user-agent': 'Mozilla/5.0 (Linux; Android 15; Mobile)' }

const common: Pick<RolloutSpec, 'steps' | 'analysis' | 'progressDeadline' | 'retainStable'> = {
  steps: [{ weight: 10, hold: '4s' }, { weight: 50, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
  progressDeadline: '30s',
  retainStable: '4s',
}

describe.skipIf(missing)(`journeys of backends ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
  })
  afterAll(() => stage?.stop())

  const watched = async (t: TestContext, scene: Scene, host: string, headers?: Record<string, string>, perSecond = 100) => {
    await scene.known(host, 2)
    const traffic = stage.mesh.send({ namespace: scene.namespace, host, ...(headers ? { headers } : {}) }, perSecond)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
  }
  const answers = (scene: Scene, image: string, behaviour: Parameters<Stage['mesh']['behave']>[1]) =>
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === image, behaviour)

  const reviews = async (t: TestContext) => {
    const scene = await stage.scene('reviews')
    for (const version of ['v1', 'v2']) {
      await scene.deploy(`reviews-${version}`, `reviews:${version}`, { service: false, labels: { app: 'reviews', version } })
    }
    await scene.service('reviews', { app: 'reviews' })
    await scene.apply('networking.istio.io/v1/destinationrules', {
      apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'reviews' },
      spec: { host: 'reviews', trafficPolicy: { connectionPool: { http: { maxRetries: 3 } } }, subsets: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })) },
    })
    const arm = (subset: string, weight?: number) => ({ destination: { host: 'reviews', subset }, ...(weight === undefined ? {} : { weight }) })
    await scene.apply(virtualServices, {
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'reviews' },
      spec: {
        hosts: ['reviews'],
        http: [
          { name: 'mobile', match: [{ headers: { 'user-agent': { regex: '.*Mobile.*' } } }], timeout: '2s', route: [arm('v2')] },
          { name: 'default', timeout: '3s', retries: { attempts: 2 }, route: [arm('v1', 100), arm('v2', 0)] },
        ],
      },
    })
    await watched(t, scene, 'reviews')
    await scene.rollout('reviews', {
      ...common,
      backends: { host: 'reviews', stable: { subset: 'v1' }, canary: { subset: 'v2', workloadRef: { kind: 'Deployment', name: 'reviews-v2' } } },
      traffic: { istio: { virtualServiceRefs: [{ name: 'reviews', routes: ['default'] }], destinationRuleRef: { name: 'reviews' } } },
    })
    await scene.reach('reviews', 'idle', ({ phase }) => phase === 'Idle')
    return scene
  }
  const route = async (scene: Scene) => (await scene.get(`/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/reviews`))!
  const withoutWeights = (object: any) => JSON.stringify(object.spec.http, (key, value) => (key === 'weight' ? undefined : value))

  test("Istio's reviews: a changed template is promoted by weights alone, everything else in the route stays", async (t) => {
    const scene = await reviews(t)
    const before = await route(scene)
    const split = scene.watchSplit(virtualServices, 'reviews')
    await scene.push('reviews-v2', 'reviews:v3')
    expect(await scene.outcome('reviews', 'reviews:v3')).toBe('Promoted')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    const after = await route(scene)
    expect(withoutWeights(after)).toBe(withoutWeights(before))
    expect(after.spec.hosts).toEqual(before.spec.hosts)
    expect(await stage.mesh.measure(scene.namespace, 'reviews:v3')).toBe(100)
  })

  test('a failing template is taken back; users of the header route keep what the route says', async (t) => {
    const scene = await reviews(t)
    await watched(t, scene, 'reviews', mobile, 10)
    answers(scene, 'reviews:v3', { errorRate: 0.4 })
    await scene.push('reviews-v2', 'reviews:v3')
    expect(await scene.outcome('reviews', 'reviews:v3')).toBe('RolledBack')
    const weights = (await route(scene)).spec.http[1].route.map(({ weight }: { weight?: number }) => weight ?? 0)
    expect(weights).toEqual([100, 0])
    const now = await scene.status('reviews')
    expect(now?.conditions).toContainEqual(expect.objectContaining({ type: 'CanaryOnlyRouteExposed', status: 'True' }))
  })

  test('a template change in the middle lowers at once', async (t) => {
    const scene = await reviews(t)
    await scene.push('reviews-v2', 'reviews:v3')
    await scene.reach('reviews', 'carrying traffic', (now) => (now.journey?.weight.seen ?? 0) > 0)
    await scene.push('reviews-v2', 'reviews:v4')
    expect(await scene.outcome('reviews', 'reviews:v3')).toBe('Superseded')
    expect(await scene.outcome('reviews', 'reviews:v4')).toBe('Promoted')
  })

  test('two Services: a new canary backend starts a journey, swapping the roles acknowledges it', async (t) => {
    const scene = await stage.scene('services')
    for (const version of ['v1', 'v2', 'v3']) await scene.deploy(`shop-${version}`, `shop:${version}`, { labels: { app: 'shop', version } })
    await scene.service('shop', { app: 'shop', version: 'v1' })
    const shares = (...arms: [string, number][]) => ({
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop' },
      spec: { hosts: ['shop'], http: [{ route: arms.map(([host, weight]) => ({ destination: { host }, weight })) }] },
    })
    await scene.apply(virtualServices, shares(['shop-v1', 100], ['shop-v2', 0]))
    await watched(t, scene, 'shop')
    const traffic = { istio: { virtualServiceRefs: [{ name: 'shop' }] } }
    await scene.rollout('shop', { ...common, backends: { stable: { service: 'shop-v1' }, canary: { service: 'shop-v2' } }, traffic })
    await scene.reach('shop', 'idle', ({ phase }) => phase === 'Idle')
    await scene.apply(virtualServices, shares(['shop-v1', 100], ['shop-v3', 0]))
    await scene.rollout('shop', { ...common, backends: { stable: { service: 'shop-v1' }, canary: { service: 'shop-v3' } }, traffic })
    await scene.reach('shop', 'promoted', (now) => now.history.at(-1)?.outcome === 'Promoted' && now.phase === 'Idle')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v3')).toBe(100)
    const split = scene.watchSplit(virtualServices, 'shop')
    const swapped = await scene.rollout('shop', { ...common, backends: { stable: { service: 'shop-v3' }, canary: { service: 'shop-v1' } }, traffic })
    await scene.reach('shop', 'acknowledged', (now) => now.phase === 'Idle' && now.observedGeneration >= (swapped.metadata.generation ?? 0))
    split.stop()
    expect(new Set(split.seen).size).toBeLessThanOrEqual(1)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v3')).toBe(100)
  })

  test('mode Observe: another one moves the weights of a failing version; Sluice tells what it would have done, and writes nothing but its status', async (t) => {
    const scene = await stage.scene('observe')
    for (const version of ['v1', 'v2']) await scene.deploy(`shop-${version}`, `shop:${version}`, { labels: { app: 'shop', version } })
    await scene.service('shop', { app: 'shop', version: 'v1' })
    const shares = (canary: number) => scene.apply(virtualServices, {
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop' },
      spec: { hosts: ['shop'], http: [{ route: [{ destination: { host: 'shop-v1' }, weight: 100 - canary }, { destination: { host: 'shop-v2' }, weight: canary }] }] },
    })
    await shares(0)
    await watched(t, scene, 'shop')
    answers(scene, 'shop:v2', { errorRate: 0.4 })
    const made = await scene.rollout('shop', { ...common, mode: 'Observe', backends: { stable: { service: 'shop-v1' }, canary: { service: 'shop-v2' } }, traffic: { istio: { virtualServiceRefs: [{ name: 'shop' }] } } })
    await scene.reach('shop', 'observing', ({ phase }) => phase === 'Observing')
    await shares(20)
    const seen = await scene.reach('shop', 'a verdict', ({ journey }) => journey?.observed?.would !== undefined)
    expect(seen.journey!.observed!.would).toMatchObject({ outcome: 'WouldRollBack', check: 'success', weight: 20 })
    const abort = await scene.ask('shop', 'Abort', { revision: undefined })
    await scene.reach('shop', 'the answer', (now) => now.requests.some(({ name, answer }) => name === abort && answer === 'Refused'))
    const route = await shares(0)
    const told = await scene.reach('shop', 'the end', ({ journey }) => journey?.ended !== undefined)
    expect(told.history[0]).toMatchObject({ outcome: 'WouldRollBack', observed: { message: expect.stringMatching(/^would have rolled shop-v2 back at \d\d:\d\d UTC at 20% .* requests earlier, \d+ of them lost/) } })
    expect(told.history[0]!.observed!.after!.lost).toBeGreaterThan(0)
    const after = (await scene.get(`/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/shop`))!
    expect(after.metadata.annotations?.['sluice.dev/closed-to']).toBeUndefined()
    expect(after.metadata.generation).toBe(route.metadata.generation)
    const now = (await scene.get(`/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop`))!
    expect(now.metadata).toMatchObject({ generation: made.metadata.generation })
    expect(now.metadata.finalizers ?? []).toEqual([])
  })
})
