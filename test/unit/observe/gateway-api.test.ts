import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, rollout } from './cluster.ts'

const key = 'shop/cart'
const route = 'HTTPRoute/shop/cart'
const parentRefs = [{ name: 'public', namespace: 'edge' }, { kind: 'Service' as const, name: 'cart', port: 80 }]
const analysis = { telemetry: 'Istio', checks: [{ name: 'success', successRate: { min: '99%' } }] }
const managed = (more: object = {}) => rollout({ traffic: { gatewayAPI: { managed: { parentRefs, ...more } } }, analysis })
const refs = (routeRef: object = {}) => rollout({ traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'cart', ...routeRef }] } }, analysis })
const blockers = (cluster: Cluster) => cluster.look(key).seen.blockers.map(({ reason }) => reason)
const seen = (cluster: Cluster) => cluster.look(key).seen.routes[0]!

type Says = Readonly<Record<string, string | { readonly reason: string; readonly message?: string } | undefined>>
/** What controllers write: one entry per parent. */
function answered(cluster: Cluster, parents: readonly { readonly parentRef: object; readonly says: Says; readonly generation?: number | undefined; readonly controllerName?: string }[], kind: 'HTTPRoute' | 'GRPCRoute' = 'HTTPRoute', namespace = 'shop'): void {
  cluster.change(kind, namespace, 'cart', (object) => {
    object.status = {
      parents: parents.map(({ parentRef, says, controllerName = 'example.com/gateway', ...other }) => ({
        parentRef, controllerName,
        conditions: Object.entries(says).map(([type, value]) => ({
          type, ...(typeof value === 'object' ? { status: 'False', ...value } : { status: value, reason: type }),
          ...('generation' in other ? (other.generation === undefined ? {} : { observedGeneration: other.generation }) : { observedGeneration: object.metadata.generation }),
        })),
      })),
    }
  })
}
const good = { Accepted: 'True', ResolvedRefs: 'True' }
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'public', namespace: 'edge' }
const linkerds = { group: 'core', kind: 'Service', name: 'cart', namespace: 'shop', port: 80 }

describe('a managed route', () => {
  test('is written with every default, owned, labelled, and then in step', async () => {
    const cluster = new Cluster(managed({ hostnames: ['cart.example.com'] }), deployment())
    expect(cluster.look(key).seen.routes).toMatchObject([{ key: route, managed: true, state: 'Missing', totals: [100] }])
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    expect(cluster.get('HTTPRoute', 'shop', 'cart')).toMatchObject({
      apiVersion: 'gateway.networking.k8s.io/v1', metadata: { labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [{ kind: 'Deployment', name: 'cart' }] },
      spec: {
        parentRefs: [gateway, { group: '', kind: 'Service', name: 'cart', port: 80 }], hostnames: ['cart.example.com'],
        rules: [{
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: [{ group: '', kind: 'Service', name: 'cart-stable', port: 80, weight: 100 }, { group: '', kind: 'Service', name: 'cart-canary', port: 80, weight: 0 }],
        }],
      },
    })
    expect(cluster.look(key).seen.upkeep).toEqual([])
    cluster.change('HTTPRoute', 'shop', 'cart', (object) => { object.spec.hostnames = ['other.example.com'] })
    expect(cluster.look(key).seen.upkeep).toEqual([{ key: `Route/${route}`, what: 'Route' }])
    await cluster.do(key, { type: 'Upkeep', key: `Route/${route}` })
    expect(cluster.look(key).seen.upkeep).toEqual([])
  })
  test('of gRPC has no path', async () => {
    const cluster = new Cluster(managed({ kind: 'GRPCRoute' }), deployment())
    await cluster.do(key, { type: 'CreateRoute', route: 'GRPCRoute/shop/cart', canaryDoor: 0 })
    expect(cluster.get('GRPCRoute', 'shop', 'cart')!.spec.rules).toEqual([{ backendRefs: expect.any(Array) }])
  })
  test('leads to one port of the Service', () => {
    const service = (...ports: number[]): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart', namespace: 'shop' }, spec: { selector: { app: 'cart' }, ports: ports.map((port) => ({ name: `p${port}`, port })) } })
    expect(blockers(new Cluster(managed(), deployment(), service(80, 90)))).toEqual([])
    expect(blockers(new Cluster(managed({ parentRefs: [{ name: 'public' }] }), deployment(), service(80, 90)))).toEqual(['PortAmbiguous'])
    expect(blockers(new Cluster(managed({ parentRefs: [{ kind: 'Service', name: 'cart', port: 70 }] }), deployment(), service(80)))).toEqual(['PortMissing'])
  })
  test('without the CRDs stops raises and says what to install', () => {
    const cluster = new Cluster(managed(), deployment())
    cluster.states.set('HTTPRoute', 'NotServed')
    expect(cluster.look(key).seen.blockers).toMatchObject([{ reason: 'MeshNotServed', message: expect.stringContaining('install the CRDs of the Gateway API') }])
  })
})

describe('a route counts as taken over', () => {
  const made = async () => {
    const cluster = new Cluster(managed(), deployment())
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    return cluster
  }
  test('when every parent has said so of this generation', async () => {
    const cluster = await made()
    expect(seen(cluster)).toMatchObject({ mirrored: false, message: 'Gateway edge/public to take over HTTPRoute shop/cart: no controller has answered for it yet' })
    answered(cluster, [{ parentRef: gateway, says: good }])
    expect(seen(cluster)).toMatchObject({ mirrored: false, message: expect.stringContaining('Service shop/cart to take over') })
    answered(cluster, [{ parentRef: gateway, says: good }, { parentRef: linkerds, says: { Accepted: 'True' } }])
    expect(seen(cluster).mirrored).toBe(false)
    answered(cluster, [{ parentRef: gateway, says: good }, { parentRef: linkerds, says: good, generation: undefined }])
    expect(seen(cluster)).toMatchObject({ mirrored: true, state: 'Present' })
    await cluster.do(key, { type: 'SetSplit', route, canaryDoor: 25, reopen: false, restore: false })
    expect(seen(cluster)).toMatchObject({ canaryDoor: 25, mirrored: false, message: 'Gateway edge/public to take over HTTPRoute shop/cart' })
    expect(blockers(cluster)).toEqual([])
  })
  test('not when the answer is for another section, port or Gateway, or from before', async () => {
    const cluster = await made()
    for (const parentRef of [{ ...gateway, sectionName: 'https' }, { ...gateway, port: 8443 }, { ...gateway, namespace: 'shop' }, { ...gateway, kind: 'Service' }]) {
      answered(cluster, [{ parentRef, says: good }, { parentRef: linkerds, says: good }])
      expect(seen(cluster).mirrored).toBe(false)
    }
    answered(cluster, [{ parentRef: gateway, says: good, generation: 0 }, { parentRef: linkerds, says: good }])
    expect(seen(cluster).mirrored).toBe(false)
  })
  test('a parent that refuses stops raises with its reason; another controller that accepts outweighs it', async () => {
    const cluster = await made()
    const refusal = { parentRef: gateway, says: { Accepted: { reason: 'NotAllowedByListeners', message: 'namespace shop is not allowed' }, ResolvedRefs: 'True' } }
    answered(cluster, [refusal, { parentRef: linkerds, says: good }])
    expect(cluster.look(key).seen.blockers).toMatchObject([{
      reason: 'NotAllowedByListeners', stops: 'Raise', stalled: true,
      message: 'Gateway edge/public refuses HTTPRoute shop/cart: Accepted is False, NotAllowedByListeners: namespace shop is not allowed; correct the route or its parent',
    }])
    answered(cluster, [refusal, { parentRef: gateway, says: good, controllerName: 'example.com/other' }, { parentRef: linkerds, says: good }])
    expect(blockers(cluster)).toEqual([])
    expect(seen(cluster).mirrored).toBe(true)
  })
  test('doors that are still to be made are waited for, a missing grant is told with its remedy', async () => {
    const cluster = await made()
    answered(cluster, [{ parentRef: gateway, says: { Accepted: 'True', ResolvedRefs: { reason: 'BackendNotFound', message: 'cart-stable' } } }])
    expect(blockers(cluster)).toEqual([])
    expect(seen(cluster)).toMatchObject({ mirrored: false, message: expect.stringContaining('ResolvedRefs is False, BackendNotFound: cart-stable') })
    answered(cluster, [{ parentRef: gateway, says: { Accepted: 'True', ResolvedRefs: { reason: 'RefNotPermitted' } } }])
    expect(cluster.look(key).seen.blockers).toMatchObject([{ reason: 'RefNotPermitted', message: expect.stringContaining('create a ReferenceGrant in the namespace of the Services, from HTTPRoute of shop to Service') }])
  })
})

describe('the user’s own route', () => {
  const own = (namespace = 'shop', weights = [100, 0], more: object = {}): KubeObject => ({
    apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'cart', namespace },
    spec: {
      parentRefs: [{ name: 'public', namespace: 'edge' }],
      rules: [{ name: 'default', backendRefs: ['cart-stable', 'cart-canary'].map((name, index) => ({ name, namespace: 'shop', port: 80, weight: weights[index] })) }], ...more,
    },
  })
  test('is split by name, and given back', async () => {
    const cluster = new Cluster(refs({ rules: ['default'] }), deployment(), own())
    await cluster.do(key, { type: 'SetSplit', route, canaryDoor: 5, reopen: false, restore: false })
    expect(cluster.get('HTTPRoute', 'shop', 'cart')!.spec.rules[0].backendRefs).toMatchObject([{ weight: 95 }, { weight: 5 }])
    await cluster.do(key, { type: 'Lower', route, canaryDoor: 0, closedTo: { revision: 'cart-b', sequence: 7 }, redirect: false })
    expect(seen(cluster)).toMatchObject({ canaryDoor: 0, closedTo: { revision: 'cart-b', sequence: 7 } })
  })
  test('a rule that is not there, and weights that are too coarse', () => {
    const cluster = new Cluster(refs({ rules: ['7'] }), deployment(), own())
    expect(seen(cluster)).toMatchObject({ state: 'Refused', reason: 'RouteNotFound' })
    expect(blockers(new Cluster(refs(), deployment(), own('shop', [1, 0])))).toEqual(['WeightNotExpressible'])
  })
  test('without parents is served by nobody', () => {
    expect(blockers(new Cluster(refs(), deployment(), own('shop', [100, 0], { parentRefs: [] })))).toEqual(['RouteWithoutParent'])
  })
  test('in another namespace needs a grant, by annotation or ReferenceGrant', () => {
    const cluster = new Cluster(refs({ namespace: 'edge' }), deployment(), own('edge'))
    expect(blockers(cluster)).toEqual(['NotGranted'])
    cluster.put({
      apiVersion: 'gateway.networking.k8s.io/v1beta1', kind: 'ReferenceGrant', metadata: { name: 'carts', namespace: 'edge' },
      spec: { from: [{ group: 'sluice.dev', kind: 'Rollout', namespace: 'shop' }], to: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'cart' }] },
    })
    expect(blockers(cluster)).toEqual([])
  })
  test('one rule is of one Rollout, by name or by index', () => {
    const other = (rules: readonly string[]): KubeObject => rollout(
      { workloadRef: { kind: 'Deployment', name: 'other' }, traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'cart', rules }] } }, analysis },
      { name: 'other', uid: 'uid-other', creationTimestamp: '2026-11-22T01:00:00Z' },
    )
    const claimed = (rules: readonly string[]) => blockers(new Cluster(refs({ rules: ['default'] }), deployment(), own(), other(rules)))
    expect(claimed(['0'])).toEqual(['TargetClaimed'])
    expect(claimed(['default'])).toEqual(['TargetClaimed'])
    expect(claimed(['1'])).toEqual([])
  })
})

describe('Envoy Gateway', () => {
  const measured = (traffic: object) => rollout({ traffic: { gatewayAPI: traffic }, analysis: { ...analysis, telemetry: 'EnvoyGateway' } })
  const clusters = { stable: ['httproute/shop/cart/rule/0/backend/0'], canary: ['httproute/shop/cart/rule/0/backend/1'] }
  test('tells the sides of a managed route apart by a filter', async () => {
    const cluster = new Cluster(measured({ managed: { parentRefs } }), deployment())
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    expect(cluster.get('HTTPRoute', 'shop', 'cart')!.spec.rules[0].backendRefs[1].filters[0].requestHeaderModifier.set).toEqual([{ name: 'x-sluice-door', value: 'canary' }])
    expect(seen(cluster)).toMatchObject({ clusters })
    expect(blockers(cluster)).toEqual([])
    expect(cluster.look(key).seen.upkeep).toEqual([])
  })
  test('does not tell them apart on a route without filters', () => {
    const backendRefs: any[] = ['cart-stable', 'cart-canary'].map((name) => ({ name, port: 80, weight: 50 }))
    const own = (): KubeObject => ({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'cart', namespace: 'shop' }, spec: { parentRefs, rules: [{ name: 'default', backendRefs }] } })
    const traffic = { routeRefs: [{ kind: 'HTTPRoute', name: 'cart' }] }
    const { seen: { blockers: found } } = new Cluster(measured(traffic), deployment(), own()).look(key)
    expect(found).toMatchObject([{ reason: 'TelemetryNotSplit', message: expect.stringContaining('both sides of rule "default" of HTTPRoute shop/cart as one: give one of its backendRefs a filter') }])
    backendRefs[0].filters = [{ type: 'ResponseHeaderModifier' }]
    const cluster = new Cluster(measured(traffic), deployment(), own())
    expect(blockers(cluster)).toEqual([])
    expect(seen(cluster)).toMatchObject({ clusters })
  })
})
