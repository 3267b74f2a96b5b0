import { beforeEach, describe, expect, test } from 'vitest'
import { Wakes } from '../../../src/controller/wakes.ts'
import type { Kind } from '../../../src/controller/world.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'

const object = (kind: string, name: string, more: Partial<KubeObject> = {}, namespace = 'shop'): KubeObject => ({ apiVersion: 'v1', kind, ...more, metadata: { name, namespace, uid: `${namespace}/${name}`, ...more.metadata } as KubeObject['metadata'] })
const rollout = (name: string, spec: object, generation = 1, namespace = 'shop', status?: object) => object('Rollout', name, { spec, status, metadata: { name, namespace, uid: name, generation } }, namespace)

let wakes: Wakes
const applied = (kind: Kind, one: KubeObject, old?: KubeObject) => wakes.of(kind, { type: 'Applied', object: one, old })
const keys = (kind: Kind, one: KubeObject, old?: KubeObject) => applied(kind, one, old).map(wake => wake.key).toSorted()

beforeEach(() => {
  wakes = new Wakes()
  applied('Rollout', rollout('cart', { workloadRef: { kind: 'Deployment', name: 'cart-app' }, service: { name: 'cart' }, traffic: { istio: { managed: { hosts: ['cart.example.com'] } } }, steps: [], dependsOn: [{ name: 'pricing' }] }))
  applied('Rollout', rollout('reviews', { backends: { host: 'reviews', stable: { subset: 'v1' }, canary: { subset: 'v2' } }, traffic: { istio: { virtualServiceRefs: [{ name: 'reviews', namespace: 'edge' }], destinationRuleRef: { name: 'reviews', namespace: 'mesh' } } }, steps: [] }))
  applied('Rollout', rollout('front', { workloadRef: { kind: 'Deployment', name: 'front' }, traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'shop-front', namespace: 'edge' }] } }, steps: [] }))
  applied('Rollout', rollout('pricing', { workloadRef: { kind: 'Deployment', name: 'pricing' }, traffic: { smi: {} }, steps: [] }))
})

describe('who looks again', () => {
  test.each<[Kind, KubeObject, string[]]>([
    ['Deployment', object('Deployment', 'cart-app'), ['shop/cart', 'shop/reviews']],
    ['Deployment', object('Deployment', 'cart-app', {}, 'other'), []],
    ['Service', object('Service', 'cart-stable'), ['shop/cart', 'shop/reviews']],
    ['VirtualService', object('VirtualService', 'reviews', {}, 'edge'), ['shop/reviews']],
    ['VirtualService', object('VirtualService', 'rival', { spec: { hosts: ['cart.example.com'] } }, 'elsewhere'), ['shop/cart']],
    ['DestinationRule', object('DestinationRule', 'reviews', {}, 'mesh'), ['shop/reviews']],
    ['ReferenceGrant', object('ReferenceGrant', 'any', {}, 'edge'), ['shop/front', 'shop/reviews']],
    ['Namespace', { ...object('Namespace', 'shop'), metadata: { name: 'shop', uid: 'n' } }, ['shop/cart', 'shop/front', 'shop/pricing', 'shop/reviews']],
    ['HTTPRoute', object('HTTPRoute', 'shop-front', {}, 'edge'), ['shop/front']],
    ['Pod', object('Pod', 'p', { metadata: { name: 'p', labels: { 'sluice.dev/rollout': 'ghost' } } }), ['shop/ghost', 'shop/reviews']],
  ])('%s', (kind, one, expected) => expect(keys(kind, one)).toEqual(expected))

  test('a label that was taken away still wakes', () => {
    const old = object('Service', 'door', { metadata: { name: 'door', namespace: 'shop', labels: { 'sluice.dev/rollout': 'cart' } } })
    expect(keys('Service', object('Service', 'door'), old)).toContain('shop/cart')
  })
  test('a rollout wakes itself and those that depend on it', () => {
    expect(keys('Rollout', rollout('pricing', { workloadRef: { kind: 'Deployment', name: 'pricing' }, traffic: { smi: {} }, steps: [] }), rollout('pricing', {}))).toEqual(['shop/cart', 'shop/pricing'])
  })
  test('whoever shares a target looks again when it is let go', () => {
    const spec = { workloadRef: { kind: 'Deployment', name: 'cart-app' }, traffic: { istio: { managed: {} } }, steps: [] }
    applied('Rollout', rollout('twin', spec))
    expect(wakes.of('Rollout', { type: 'Deleted', object: rollout('twin', spec) }).map(wake => wake.key).toSorted()).toEqual(['shop/cart', 'shop/twin'])
  })
  test('a status write wakes no rivals', () => {
    const spec = { workloadRef: { kind: 'Deployment', name: 'cart-app' }, traffic: { istio: { managed: {} } }, steps: [] }
    applied('Rollout', rollout('twin', spec))
    expect(keys('Rollout', rollout('twin', spec), rollout('twin', spec))).toEqual(['shop/twin'])
  })
  test('the weights of a route wake those who name it, anything else of it all who may hold its host', () => {
    const route = (name: string, weight: number, host = 'cart.example.com', annotations = {}) =>
      object('VirtualService', name, { spec: { hosts: [host], http: [{ route: [{ destination: { host: 'a' }, weight: 100 - weight }, { destination: { host: 'b' }, weight }] }] }, metadata: { name, annotations } })
    expect(keys('VirtualService', route('other', 5), route('other', 1))).toEqual([])
    expect(keys('VirtualService', route('other', 0, undefined, { 'sluice.dev/closed-to': 'a@1' }), route('other', 5))).toEqual([])
    expect(keys('VirtualService', route('cart', 5), route('cart', 1))).toEqual(['shop/cart'])
    expect(keys('VirtualService', route('other', 5, 'else.example.com'), route('other', 5))).toEqual(['shop/cart', 'shop/reviews'])
    expect(keys('VirtualService', route('other', 5))).toEqual(['shop/cart', 'shop/reviews'])
    expect(wakes.of('VirtualService', { type: 'Deleted', object: route('other', 5), old: route('other', 5) }).map(({ key }) => key).toSorted()).toEqual(['shop/cart', 'shop/reviews'])
  })
  test('the status of autoscalers, which changes all the time, wakes nobody', () => {
    const hpa = object('HorizontalPodAutoscaler', 'h', { spec: { scaleTargetRef: { name: 'cart' } } })
    expect(keys('HorizontalPodAutoscaler', hpa)).not.toEqual([])
    expect(keys('HorizontalPodAutoscaler', { ...hpa, metadata: { ...hpa.metadata, resourceVersion: '2' } }, hpa)).toEqual([])
  })
})

describe('lanes', () => {
  const ask = (action: string, status?: object) => applied('RolloutRequest', object('RolloutRequest', 'r', { spec: { rolloutName: 'cart', action }, status }))
  test('an abort waits for nothing, other people go before the rest', () => {
    expect(ask('Abort')).toEqual([{ key: 'shop/cart', lane: 'Closing' }])
    expect(ask('Promote')).toEqual([{ key: 'shop/cart', lane: 'People' }])
    expect(ask('Promote', { state: 'Accepted' })).toEqual([{ key: 'shop/cart', lane: 'Rest' }])
  })
  const lane = (kind: Kind, old: Partial<KubeObject>, now: Partial<KubeObject>) => applied(kind, object(kind, 'cart-app', now), object(kind, 'cart-app', old))[0]?.lane
  const generation = (value: number) => ({ metadata: { name: 'cart-app', namespace: 'shop', generation: value, labels: { 'sluice.dev/rollout': 'cart' } } })
  test('pods that are lost, a version that moves on and weights of others may have to be lowered', () => {
    const ready = (...values: boolean[]) => ({ ...generation(1), endpoints: values.map(one => ({ conditions: { ready: one } })) })
    expect(lane('Deployment', { ...generation(1), status: { readyReplicas: 2 } }, { ...generation(1), status: { readyReplicas: 1 } })).toBe('Closing')
    expect(lane('Deployment', { ...generation(1), status: { readyReplicas: 1 } }, { ...generation(1), status: { readyReplicas: 2 } })).toBe('Rest')
    expect(lane('Deployment', generation(1), generation(2))).toBe('Closing')
    expect(lane('VirtualService', generation(1), generation(2))).toBe('Closing')
    expect(lane('Service', generation(1), generation(2))).toBe('Rest')
    expect(lane('EndpointSlice', ready(true, true), ready(true, false))).toBe('Closing')
    expect(lane('EndpointSlice', ready(true, false), ready(true, true))).toBe('Rest')
    expect(wakes.of('Service', { type: 'Deleted', object: object('Service', 'cart-canary') })[0]?.lane).toBe('Closing')
    const deleted = rollout('pricing', {})
    expect(applied('Rollout', { ...deleted, metadata: { ...deleted.metadata, deletionTimestamp: 'now' } }, deleted)[0]?.lane).toBe('Closing')
  })
  test('a malformed request wakes nobody', () => expect(applied('RolloutRequest', object('RolloutRequest', 'r'))).toEqual([]))
  test('a rollout that closes is in lane Closing', () => {
    expect(applied('Rollout', rollout('pricing', {}, 1, 'shop', { phase: 'Closing' }))[0]).toEqual({ key: 'shop/pricing', lane: 'Closing' })
  })
})
