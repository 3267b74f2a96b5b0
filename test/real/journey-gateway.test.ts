/** Journeys through HTTPRoutes and GRPCRoutes: of a Service in a mesh, measured as Linkerd's callers count it, and of a Gateway, measured as Traefik counts it. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { argo, flux, keepSyncing, kubectlApply, type Applier, type Ignored, type Place } from '../support/gitops.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'
import { until } from '../support/process.ts'

const missing = stageMissing()
const httpRoutes = 'gateway.networking.k8s.io/v1/httproutes'
const grpcRoutes = 'gateway.networking.k8s.io/v1/grpcroutes'
const checks = [{ name: 'success', successRate: { min: '99.5%' } }, { name: 'p99', latency: { percentile: 99, max: '250ms' } }]
const base: Omit<RolloutSpec, 'traffic'> = {
  workloadRef: { kind: 'Deployment', name: 'web' },
  service: { port: 80, targetPort: 8080 },
  steps: [{ weight: 10, hold: '4s' }, { weight: 50, hold: '4s' }, { weight: 100, hold: '4s' }],
  progressDeadline: '30s',
  retainStable: '4s',
}
const measured = (telemetry: 'LinkerdRoute' | 'Traefik') => ({ telemetry, interval: '1s', minRequests: 20, checks })
const inMesh: RolloutSpec = { ...base, traffic: { gatewayAPI: { managed: { parentRefs: [{ kind: 'Service', name: 'web', port: 80 }] } } }, analysis: measured('LinkerdRoute') }
const onGateway: RolloutSpec = { ...base, traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'shop', rules: ['default'] }] } }, analysis: measured('Traefik') }

const ref = (name: string, weight: number) => ({ name, port: 80, weight })
const routeOf = (annotations?: Readonly<Record<string, string>>): KubeObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'shop', ...(annotations ? { annotations } : {}) },
  spec: {
    parentRefs: [{ name: 'public' }], hostnames: ['shop.example.com'],
    rules: [
      { name: 'static', matches: [{ path: { type: 'PathPrefix', value: '/static' } }], backendRefs: [ref('web', 1)] },
      { name: 'default', timeouts: { request: '3s' }, backendRefs: [ref('web-stable', 1000), ref('web-canary', 0)] },
    ],
  },
})
const ignoring = parse(readFileSync(resolve(import.meta.dirname, '../../deploy/argocd/application.yaml'), 'utf8')).spec.ignoreDifferences as Ignored[]

describe.skipIf(missing)(`journeys of the Gateway API ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'GatewayAPI' })
  })
  afterAll(() => stage?.stop())

  const adopted = async (t: TestContext, spec: RolloutSpec, prepare: (scene: Scene) => Promise<unknown> = async () => undefined): Promise<Scene> => {
    const scene = await stage.scene('gateway')
    await scene.deploy('web', 'web:v1')
    await prepare(scene)
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'web' }, spec.traffic!.gatewayAPI?.managed ? 100 : 0)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('web', spec)
    await scene.reach('web', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('web:v1') === true)
    return scene
  }
  /** A route of one's own with a rule beside that nobody may touch, on the Gateway `public` of its namespace. */
  const shopRoute = async (scene: Scene): Promise<void> => void (await scene.apply(httpRoutes, routeOf()))
  const public_ = (scene: Scene, path = '/') => ({ namespace: scene.namespace, host: 'shop.example.com', gateway: `${scene.namespace}/public`, path })

  test('in a mesh a good revision is promoted on a managed route without a failed request', async (t) => {
    const scene = await adopted(t, inMesh)
    const split = scene.watchSplit(httpRoutes, 'web')
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
    await scene.reach('web', 'idle', ({ phase }) => phase === 'Idle')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(100)
    expect(stage.mesh.served(scene.namespace).reduce((sum, one) => sum + one.bad, 0)).toBe(0)
  })

  test.for([
    ['fails', { errorRate: 0.3 }],
    ['is slow', { latencyMs: 800 }],
    ['cannot be reached', { unreachable: true }],
  ] as const)('in a mesh a revision that %s is taken back', async ([, behaviour], t) => {
    const scene = await adopted(t, inMesh)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'web:v2', behaviour)
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('RolledBack')
    await scene.reach('web', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(0)
  })

  const ofMesh = { kind: 'Service' as const, name: 'web', port: 80 }
  test.for<[string, RolloutSpec['traffic']]>([
    ['managed', { gatewayAPI: { managed: { kind: 'GRPCRoute', parentRefs: [ofMesh] } } }],
    ['one’s own by rule', { gatewayAPI: { routeRefs: [{ kind: 'GRPCRoute', name: 'web', rules: ['calls'] }] } }],
  ])('a GRPCRoute, %s: a good revision is promoted, one whose failures hide behind HTTP 200 is taken back', async ([, traffic], t) => {
    const own = traffic?.gatewayAPI?.managed === undefined
    const rules = [
      { matches: [{ method: { service: 'grpc.health.v1.Health' } }], backendRefs: [ref('web', 1)] },
      { name: 'calls', backendRefs: [ref('web-stable', 1000), ref('web-canary', 0)] },
    ]
    const scene = await adopted(t, { ...base, traffic, analysis: measured('LinkerdRoute') }, async (one) => {
      stage.mesh.behave((pod) => pod.namespace === one.namespace, { grpcStatus: 14 })
      const route = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GRPCRoute', metadata: { name: 'web' }, spec: { parentRefs: [{ group: '', ...ofMesh }], rules } }
      if (own) await one.apply(grpcRoutes, route)
    })
    const calls = stage.mesh.send({ namespace: scene.namespace, host: 'web', path: '/shop.Web/Get' }, own ? 100 : 0)
    t.onTestFinished(() => calls.stop())
    const route = async () => (await scene.get(`/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/grpcroutes/web`))!
    const before = await route()
    const shares = scene.watchSplit(grpcRoutes, 'web')
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
    await scene.reach('web', 'idle', ({ phase }) => phase === 'Idle')
    shares.stop()
    expect(shares.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(100)
    expect(stage.mesh.served(scene.namespace).reduce((sum, one) => sum + one.bad, 0)).toBe(0)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'web:v3', { errorRate: 0.3, grpcStatus: 14 })
    await scene.push('web', 'web:v3')
    expect(await scene.outcome('web', 'web:v3')).toBe('RolledBack')
    await scene.reach('web', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'web:v3')).toBe(0)
    expect((await route()).spec).toEqual(before.spec)
  })

  test('on a Gateway a good revision is promoted and a bad one taken back, on the user’s own route, of which nothing else changes', async (t) => {
    const scene = await adopted(t, onGateway, shopRoute)
    const before = await scene.get(`/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/shop`)
    const traffic = stage.mesh.send(public_(scene), 100)
    t.onTestFinished(() => traffic.stop())
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
    await scene.reach('web', 'idle', ({ phase }) => phase === 'Idle')
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(100)
    expect(stage.mesh.served(scene.namespace).reduce((sum, one) => sum + one.bad, 0)).toBe(0)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'web:v3', { errorRate: 0.3 })
    await scene.push('web', 'web:v3')
    expect(await scene.outcome('web', 'web:v3')).toBe('RolledBack')
    await scene.reach('web', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'web:v3')).toBe(0)
    const after = await scene.get(`/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/shop`)
    expect(after!.spec).toEqual(before!.spec)
  })

  /** As test/real/gitops.test.ts plays them beside a VirtualService. `once`: one sync in the hold of the first step; otherwise one after the other until the end. */
  const appliers: readonly { name: string; by: (place: Place) => Applier; once?: true; annotations?: Readonly<Record<string, string>>; resets?: number; held?: string }[] = [
    { name: 'Argo CD, three-way, with ignoreDifferences', by: (place) => argo(place, 'ThreeWay', ignoring) },
    { name: 'Argo CD, server-side, with ignoreDifferences', by: (place) => argo(place, 'ServerSide', ignoring) },
    { name: 'Argo CD, server-side, without', by: (place) => argo(place, 'ServerSide'), held: 'ResetByGitOps' },
    { name: 'Flux with ssa: IfNotPresent', by: flux, annotations: { 'kustomize.toolkit.fluxcd.io/ssa': 'IfNotPresent' } },
    { name: 'Flux', by: flux, held: 'ResetByGitOps' },
    { name: 'Flux, one sync', by: flux, once: true, resets: 1 },
    { name: 'kubectl apply', by: kubectlApply, once: true, held: 'LoweredByHand' },
    { name: 'kubectl apply --server-side', by: (place) => kubectlApply(place, '--server-side'), once: true, held: 'LoweredByHand' },
  ]
  test.for(appliers)('an HTTPRoute in Git beside $name', async ({ by, once, annotations, resets = 0, held }, t) => {
    let applier: Applier
    const git = [routeOf(annotations)]
    const spec: RolloutSpec = { ...onGateway, steps: [{ weight: 10, hold: held === undefined ? '8s' : '60s' }, { weight: 100, hold: '3s' }] }
    const scene = await adopted(t, spec, async (one) => {
      applier = by({ plane: stage.plane, namespace: one.namespace })
      await applier.sync(git)
    })
    const traffic = stage.mesh.send(public_(scene), 60)
    t.onTestFinished(() => traffic.stop())
    await scene.push('web', 'web:v2')
    await scene.reach('web', 'holding', ({ phase }) => phase === 'Holding')
    const loop = once ? undefined : keepSyncing(applier!, git)
    if (once) await applier!.sync(git)
    if (held === undefined) {
      expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
      expect((await scene.status('web'))?.resets ?? []).toHaveLength(resets)
      expect(await loop?.stop() ?? 0).toBe(0)
    } else {
      const now = await scene.reach('web', 'held', ({ phase }) => phase === 'Held')
      expect(now.journey?.held?.reason).toBe(held)
      expect(await stage.mesh.measure(scene.namespace, 'web:v1')).toBe(100)
      await loop?.stop()
    }
  })

  test('two Services behind a rule named by its index: weights alone move, and a rule for testers is redirected on the way back', async (t) => {
    const scene = await stage.scene('gateway')
    for (const version of ['v1', 'v2']) await scene.deploy(`reviews-${version}`, `reviews:${version}`)
    await scene.service('reviews', { app: 'reviews-v1' })
    const ref = (version: string, weight?: number) => ({ name: `reviews-${version}`, port: 80, ...(weight === undefined ? {} : { weight }) })
    await scene.apply(httpRoutes, {
      apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'reviews' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'reviews', port: 80 }],
        rules: [
          { matches: [{ headers: [{ name: 'x-tester', value: 'yes' }] }], backendRefs: [ref('v2')] },
          { matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [ref('v1', 100), ref('v2', 0)] },
        ],
      },
    })
    await scene.known('reviews', 2)
    const path = `/apis/gateway.networking.k8s.io/v1/namespaces/${scene.namespace}/httproutes/reviews`
    const rules = async () => (await scene.get(path))!.spec.rules
    const senders = [stage.mesh.send({ namespace: scene.namespace, host: 'reviews' }, 100), stage.mesh.send({ namespace: scene.namespace, host: 'reviews', headers: { 'x-tester': 'yes' } }, 5)]
    t.onTestFinished(() => {
      for (const sender of senders) sender.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('reviews', {
      steps: base.steps, progressDeadline: '30s', retainStable: '4s', analysis: measured('LinkerdRoute'),
      backends: { stable: { service: 'reviews-v1' }, canary: { service: 'reviews-v2', workloadRef: { kind: 'Deployment', name: 'reviews-v2' } } },
      traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'reviews', rules: ['1'], canaryOnlyRoutes: 'RedirectOnRollback' }] } },
    })
    await scene.reach('reviews', 'idle', ({ phase }) => phase === 'Idle')
    const before = await rules()
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'reviews:v3', { errorRate: 0.3 })
    await scene.push('reviews-v2', 'reviews:v3')
    expect(await scene.outcome('reviews', 'reviews:v3')).toBe('RolledBack')
    await scene.reach('reviews', 'rolled back', ({ phase }) => phase === 'RolledBack')
    const closed = await rules()
    expect(closed[0].backendRefs).toMatchObject([{ name: 'reviews-v1', weight: 1 }])
    expect(closed[1]).toEqual(before[1])
    expect(await stage.mesh.measure(scene.namespace, 'reviews:v3')).toBe(0)
    const split = scene.watchSplit(httpRoutes, 'reviews')
    await scene.push('reviews-v2', 'reviews:v4')
    expect(await scene.outcome('reviews', 'reviews:v4')).toBe('Promoted')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect((await rules())[0]).toEqual(before[0])
  })

  test('a Gateway that refuses the route keeps the weight at 0, and its reason is told', async (t) => {
    const scene = await adopted(t, { ...onGateway, analysis: undefined }, shopRoute)
    stage.gateways!.refuse(`${scene.namespace}/public`, 'NotAllowedByListeners')
    await until('the refusal to be told', async () => (await scene.status('web'))?.conditions.find(({ type, reason }) => type === 'Stalled' && reason === 'NotAllowedByListeners'))
    const split = scene.watchSplit(httpRoutes, 'shop')
    await scene.push('web', 'web:v2')
    await scene.reach('web', 'waiting', ({ message }) => message.includes('NotAllowedByListeners'))
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([])
  })
})
