import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, door, rollout } from './cluster.ts'

const key = 'shop/cart'
describe('mirrored DestinationRules', () => {
  const rule: KubeObject = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'cart', namespace: 'shop' }, spec: { host: 'cart', trafficPolicy: { outlierDetection: { consecutive5xxErrors: 5 } }, subsets: [{ name: 'x', labels: {} }] } }
  const keys = ['Policy/cart-stable', 'Policy/cart-canary']
  test('are made, kept in step, and taken away with the policy they mirror', async () => {
    const cluster = new Cluster(rollout(), deployment(), rule)
    expect(cluster.look(key).seen.upkeep.map((one) => one.key)).toEqual(keys)
    for (const one of keys) await cluster.do(key, { type: 'Upkeep', key: one })
    expect(cluster.get('DestinationRule', 'shop', 'cart-canary')!.spec).toEqual({ host: 'cart-canary.shop.svc.cluster.local', trafficPolicy: rule.spec.trafficPolicy })
    expect(cluster.look(key).seen.upkeep).toEqual([])
    cluster.change('DestinationRule', 'shop', 'cart', (object) => { object.spec.trafficPolicy = { tls: { mode: 'SIMPLE' } } })
    expect(cluster.look(key).seen.upkeep).toHaveLength(2)
    for (const one of keys) await cluster.do(key, { type: 'Upkeep', key: one })
    expect(cluster.get('DestinationRule', 'shop', 'cart-stable')!.spec.trafficPolicy).toEqual({ tls: { mode: 'SIMPLE' } })
    cluster.remove('DestinationRule', 'shop', 'cart')
    for (const one of cluster.look(key).seen.upkeep) await cluster.do(key, { type: 'Upkeep', key: one.key })
    expect(cluster.list('DestinationRule')).toEqual([])
  })
  test('a door goes with its rule', async () => {
    const cluster = new Cluster(rollout(), deployment(), rule, door('cart-canary', { app: 'cart' }))
    await cluster.do(key, { type: 'Upkeep', key: 'Policy/cart-canary' })
    await cluster.do(key, { type: 'DeleteDoor', door: 'canary' })
    expect(cluster.writes.slice(-2)).toEqual(['delete DestinationRule shop/cart-canary', 'delete Service shop/cart-canary'])
  })
  test('one that cannot be carried stops raises', () => {
    const other = { ...rule, metadata: { name: 'cart2', namespace: 'shop' } }
    expect(new Cluster(rollout(), deployment(), rule, other).look(key).seen.blockers).toMatchObject([{ reason: 'PolicyNotCarried' }])
  })
})

describe('Linkerd through SMI', () => {
  const smi = () => rollout({ traffic: { smi: {} } })
  const route = 'TrafficSplit/shop/cart'
  const profile = (stable: number | string, canary: number | string, annotations: object = {}): KubeObject => ({
    apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', metadata: { name: 'cart.shop.svc.cluster.local', namespace: 'shop', annotations: annotations as Record<string, string> },
    spec: { dstOverrides: [{ authority: 'cart-stable.shop.svc.cluster.local', weight: stable }, { authority: 'cart-canary.shop.svc.cluster.local', weight: canary }] },
  })
  test('the split counts as seen only when the profile has taken it over', async () => {
    const cluster = new Cluster(smi(), deployment())
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    const mirrored = () => cluster.look(key).seen.routes[0]!.mirrored
    expect(mirrored()).toBe(false)
    expect(cluster.look(key).seen.routes[0]!.message).toContain("ServiceProfile shop/cart.shop.svc.cluster.local to show the split of TrafficSplit shop/cart: Linkerd's SMI adaptor writes it")
    cluster.put(profile(100, 0))
    expect(mirrored()).toBe(true)
    await cluster.do(key, { type: 'SetSplit', route, canaryDoor: 25, reopen: false, restore: false })
    expect(cluster.look(key).seen.routes[0]).toMatchObject({ canaryDoor: 25, mirrored: false })
    cluster.put(profile('75', '25'))
    expect(mirrored()).toBe(true)
    cluster.put(profile(100, 0))
    cluster.states.set('ServiceProfile', 'NotServed')
    expect(mirrored()).toBe(true)
  })
  test('an ignored profile stops raises', async () => {
    const cluster = new Cluster(smi(), deployment(), profile(100, 0, { 'smi.linkerd.io/skip': 'true' }))
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    expect(cluster.look(key).seen.blockers).toMatchObject([{ reason: 'SplitIgnored' }])
  })
})
