import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, door, pod, rollout, slice } from './cluster.ts'

const key = 'shop/cart'
const route = 'Service/shop/cart'
const steps = [{ weight: 0 }, { weight: 100 }]
const blueGreen = (spec: object = {}) => rollout({ traffic: { kubernetes: {} }, steps, ...spec })
const leading = (revision: string) => ({ app: 'cart', 'sluice.dev/revision': revision })
const doors = [door('cart-stable', leading('cart-1')), door('cart-canary', leading('cart-2'))]
const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const pods = [pod('a', 'cart-1', ready), pod('b', 'cart-2', ready)]
const theirs = (name: string, selector: object = { app: 'cart' }): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { selector, ports: [{ port: 80 }] } })
const seen = (cluster: Cluster) => cluster.look(key).seen
const at = (selector: object, ...more: KubeObject[]) => new Cluster(blueGreen(), deployment(), ...doors, door('cart', selector), ...pods, ...more)

describe('the Service that callers name', () => {
  test('is made with the doors\' ports, the stable door\'s selector, the memory of the Rollout, and then in step', async () => {
    const cluster = new Cluster(blueGreen(), deployment(), ...doors)
    expect(seen(cluster).routes).toMatchObject([{ key: route, managed: true, state: 'Missing' }])
    expect(seen(cluster).doors.own).toEqual({ state: 'Route', ready: 0, others: 0 })
    await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })
    expect(cluster.get('Service', 'shop', 'cart')).toMatchObject({
      metadata: { labels: { 'sluice.dev/rollout': 'cart' }, annotations: { 'sluice.dev/rollout-spec': expect.stringContaining('"kubernetes":{}') }, ownerReferences: [{ kind: 'Deployment', name: 'cart' }] },
      spec: { type: 'ClusterIP', selector: leading('cart-1'), sessionAffinity: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
    })
    expect(seen(cluster).upkeep.filter(({ key: one }) => one.includes('own') || one.includes('Route'))).toEqual([])
    cluster.change('Service', 'shop', 'cart', (object) => { object.spec.ports[0].targetPort = 9090 })
    expect(seen(cluster).upkeep).toContainEqual({ key: 'Door/own', what: 'Door' })
  })
  test('is not made before its doors are', async () => {
    const cluster = new Cluster(blueGreen(), deployment())
    expect(await cluster.do(key, { type: 'CreateRoute', route, canaryDoor: 0 })).toMatchObject({ ok: false, reason: 'Invalid', message: expect.stringContaining('cart-stable') })
  })
  test.each([['stable', 'cart-1', 0, false], ['canary', 'cart-2', 100, false], ['neither', 'cart-0', 0, true]])('leads to %s', (_, revision, canaryDoor, uneven) => {
    expect(seen(at(leading(revision))).routes[0]).toMatchObject({ state: 'Present', canaryDoor, uneven, totals: [1] })
  })
  test('that selects every version reaches the canary', () => {
    expect(seen(at({ app: 'cart' })).routes[0]).toMatchObject({ state: 'Present', canaryDoor: 100, uneven: true })
  })
  test('is judged by the door that is there, where somebody deleted the other', () => {
    const behind = (one: number, revision: string) => seen(new Cluster(blueGreen(), deployment(), doors[one]!, door('cart', leading(revision)), ...pods)).routes[0]
    expect(behind(0, 'cart-1')).toMatchObject({ state: 'Present', canaryDoor: 0 })
    expect(behind(0, 'cart-2')).toMatchObject({ state: 'Present', canaryDoor: 100 })
    expect(behind(1, 'cart-1')).toMatchObject({ state: 'Present', canaryDoor: 0 })
    expect(behind(1, 'cart-2')).toMatchObject({ state: 'Present', canaryDoor: 100 })
  })
  test('without a selector leads nowhere', () => {
    const cluster = at({})
    cluster.change('Service', 'shop', 'cart', (object) => { delete object.spec.selector })
    expect(seen(cluster).routes[0]).toMatchObject({ state: 'Refused', reason: 'SelectorMissing' })
  })
  test('counts as taken over once it shows the pods that it selects and no others', () => {
    expect(seen(at(leading('cart-2'))).routes[0]).toMatchObject({ mirrored: false, message: 'endpoints of the version that it selects to show in Service shop/cart' })
    expect(seen(at(leading('cart-2'), slice('cart', { a: true, b: true }))).routes[0]).toMatchObject({ mirrored: false, message: expect.stringContaining('1 endpoints of the other version to leave') })
    expect(seen(at(leading('cart-2'), slice('cart', { b: true }))).routes[0]).toMatchObject({ mirrored: true })
    // Nothing is ready, so nothing is to come.
    expect(seen(at(leading('cart-3'), slice('cart', {}))).routes[0]).toMatchObject({ mirrored: true })
  })
})

describe('writes', () => {
  const lower = { type: 'Lower', route, canaryDoor: 0, closedTo: { revision: 'cart-2', sequence: 7 }, redirect: false } as const
  test('take traffic away in one patch with the mark, over a connection of their own', async () => {
    const cluster = at(leading('cart-2'))
    expect(await cluster.do(key, lower)).toEqual({ ok: true, wrote: true })
    expect(cluster.get('Service', 'shop', 'cart')).toMatchObject({ metadata: { annotations: { 'sluice.dev/closed-to': 'cart-2@7' } }, spec: { selector: leading('cart-1'), clusterIP: '10.0.0.7' } })
    expect(cluster.writes).toEqual(['patch Service shop/cart'])
    expect(cluster.urgent).toEqual([true])
  })
  test('that lower are tried again where somebody was faster, and those that raise are not', async () => {
    const cluster = at(leading('cart-2'))
    const { raw } = cluster.look(key)
    cluster.change('Service', 'shop', 'cart', (object) => { object.spec.selector = { app: 'cart' } })
    expect(await cluster.do(key, { type: 'SetSplit', route, canaryDoor: 100, reopen: true, restore: false }, raw)).toMatchObject({ ok: true, wrote: false })
    expect(await cluster.do(key, lower, raw)).toMatchObject({ ok: true, wrote: true })
    expect(cluster.get('Service', 'shop', 'cart')!.spec.selector).toEqual(leading('cart-1'))
    const asleep = at(leading('cart-1'))
    const old = asleep.look(key).raw
    asleep.change('Service', 'shop', 'cart', (object) => { object.metadata.annotations = { 'sluice.dev/closed-to': 'cart-2@9' } })
    expect(await asleep.do(key, { type: 'SetSplit', route, canaryDoor: 100, reopen: true, restore: false }, old)).toMatchObject({ ok: false, reason: 'TestFailed' })
  })
})

describe('other Services', () => {
  test('of the user under that name stop it, with two ways out', () => {
    const cluster = new Cluster(blueGreen(), deployment(), theirs('cart'))
    expect(seen(cluster).blockers).toMatchObject([{ reason: 'NameTaken', stalled: true, message: expect.stringMatching(/spec\.service\.name.*kubectl -n shop label service cart sluice\.dev\/rollout=cart/) }])
  })
  test('that select every version are told', () => {
    const told = (cluster: Cluster) => seen(cluster).remarks.map(({ type, message }) => `${type}: ${message}`)
    expect(told(at(leading('cart-1'), theirs('legacy'), theirs('other', { app: 'other' })))).toEqual(['UnroutedCallersReachCanary: callers of Service legacy reach every ready revision, a preview too: lead them to Service cart, and delete the other'])
    expect(told(at(leading('cart-1')))).toEqual([])
  })
  test('are claimed by one Rollout', () => {
    const older = rollout({ workloadRef: { kind: 'Deployment', name: 'basket' }, service: { name: 'cart', port: 80 }, traffic: { kubernetes: {} }, steps }, { name: 'basket', uid: 'uid-basket', creationTimestamp: '2026-11-01T00:00:00Z' })
    const cluster = new Cluster(blueGreen(), deployment(), older)
    expect(seen(cluster).blockers).toMatchObject([{ reason: 'TargetClaimed', message: expect.stringContaining('Service shop/cart-stable belongs to the older Rollout shop/basket') }])
  })
})
