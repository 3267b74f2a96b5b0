import { beforeEach, describe, expect, test } from 'vitest'
import { templateHash } from '../../../src/revision/naming.ts'
import { sameRevision } from '../../../src/revision/template.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, rollout } from './cluster.ts'

const key = 'shop/cart'
const r1 = `cart-${templateHash(deployment('cart:1'))}`
const vs = 'VirtualService/shop/cart'
const lower: Action = { type: 'Lower', route: vs, canaryDoor: 0, closedTo: { revision: r1, sequence: 7 }, redirect: false }
const split = (canaryDoor: number, reopen = false): Action => ({ type: 'SetSplit', route: vs, canaryDoor, reopen, restore: false })
const weights = (cluster: Cluster, name = 'cart') => cluster.get('VirtualService', 'shop', name)!.spec.http.map((http: any) => http.route.map((one: any) => one.weight))

describe('a route of ours', () => {
  let cluster: Cluster
  beforeEach(async () => {
    cluster = new Cluster(rollout(), deployment())
    expect(await cluster.do(key, { type: 'CreateRoute', route: vs, canaryDoor: 0 })).toEqual({ ok: true, wrote: true })
  })
  test('is created owned by the workload, with the doors in full', () => {
    const object = cluster.get('VirtualService', 'shop', 'cart')!
    expect(object.metadata).toMatchObject({ labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [{ kind: 'Deployment', uid: 'uid-cart' }] })
    expect(object.spec.http[0].route).toEqual([
      { destination: { host: 'cart-stable.shop.svc.cluster.local', port: { number: 80 } }, weight: 100 },
      { destination: { host: 'cart-canary.shop.svc.cluster.local', port: { number: 80 } }, weight: 0 },
    ])
    expect(cluster.look(key).seen).toMatchObject({ routes: [{ state: 'Present', canaryDoor: 0, managed: true }], upkeep: [] })
  })
  test('raise and lower are read back; lowering marks the route and is urgent', async () => {
    await cluster.do(key, split(25))
    expect(cluster.look(key).seen.routes[0]!.canaryDoor).toBe(25)
    await cluster.do(key, lower)
    expect(cluster.look(key).seen.routes[0]).toMatchObject({ canaryDoor: 0, closedTo: { revision: r1, sequence: 7 } })
    expect(cluster.urgent).toEqual([false, true])
    expect(await cluster.do(key, lower)).toEqual({ ok: true, wrote: false })
    await cluster.do(key, split(5, true))
    expect(cluster.look(key).seen.routes[0]).not.toHaveProperty('closedTo')
  })
  test('a raise that saw other weights is refused and not repeated', async () => {
    const { raw } = cluster.look(key)
    await cluster.do(key, split(50))
    await cluster.do(key, lower)
    expect(await cluster.do(key, split(25), raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
    expect(weights(cluster)).toEqual([[100, 0]])
  })
  test('a lowering that saw other weights reads again and lowers', async () => {
    await cluster.do(key, split(25))
    const { raw } = cluster.look(key)
    await cluster.do(key, split(50))
    expect(await cluster.do(key, lower, raw)).toEqual({ ok: true, wrote: true })
    expect(weights(cluster)).toEqual([[100, 0]])
  })
  test.each(['Timeout', 'Unavailable', 'Conflict'] as const)('a lowering goes on after %s', async (reason) => {
    await cluster.do(key, split(25))
    let failures = 0
    cluster.before = (write) => (write.startsWith('patch') && failures++ < 3 ? { ok: false, reason, message: reason } : undefined)
    expect(await cluster.do(key, lower)).toEqual({ ok: true, wrote: true })
    expect(weights(cluster)).toEqual([[100, 0]])
  })
  test('a lowering gives up where the server says no, and where a later decision stands', async () => {
    await cluster.do(key, split(25))
    cluster.before = () => ({ ok: false, reason: 'Forbidden', message: 'no' })
    expect(await cluster.do(key, lower)).toMatchObject({ ok: false, reason: 'Forbidden' })
    cluster.before = () => undefined
    const { raw } = cluster.look(key)
    cluster.change('VirtualService', 'shop', 'cart', (object) => {
      object.metadata.annotations = { 'sluice.dev/closed-to': `${r1}@9` }
      object.spec.http[0].route[1].weight = 75
      object.spec.http[0].route[0].weight = 25
    })
    expect(await cluster.do(key, lower, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
    expect(weights(cluster)).toEqual([[25, 75]])
  })
  test('fields that somebody edited are put back without moving the split', async () => {
    await cluster.do(key, split(25))
    cluster.change('VirtualService', 'shop', 'cart', (object) => { object.spec.hosts = ['elsewhere'] })
    expect(cluster.look(key).seen.upkeep).toEqual([{ key: `Route/${vs}`, what: 'Route' }])
    await cluster.do(key, { type: 'Upkeep', key: `Route/${vs}` })
    expect(cluster.look(key).seen).toMatchObject({ upkeep: [], routes: [{ canaryDoor: 25 }] })
    expect(cluster.get('VirtualService', 'shop', 'cart')!.spec.hosts).toEqual(['cart.shop.svc.cluster.local'])
  })
  test('a half percent first makes the weights finer, and never becomes a whole one', async () => {
    cluster.change('Rollout', 'shop', 'cart', (object) => { object.spec.steps = [{ weight: '0.5%' }, { weight: 100 }] })
    await cluster.do(key, split(0.5))
    expect(weights(cluster)).toEqual([[1000, 0]])
    await cluster.do(key, split(0.5))
    expect(weights(cluster)).toEqual([[995, 5]])
    cluster.change('Rollout', 'shop', 'cart', (object) => { object.spec.steps = [{ weight: 5 }, { weight: 100 }] })
    expect(cluster.look(key).seen.upkeep).toEqual([])
  })
  test('is deleted only if it is ours and unchanged', async () => {
    const { raw } = cluster.look(key)
    await cluster.do(key, split(25))
    expect(await cluster.do(key, { type: 'DeleteRoute', route: vs }, raw)).toMatchObject({ ok: false, reason: 'Conflict' })
    cluster.change('VirtualService', 'shop', 'cart', (object) => { object.metadata.labels = {} })
    expect(await cluster.do(key, { type: 'DeleteRoute', route: vs })).toMatchObject({ ok: false, reason: 'Invalid' })
    expect(cluster.get('VirtualService', 'shop', 'cart')).toBeDefined()
  })
})

describe('a route of the user', () => {
  const theirs: KubeObject = {
    apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'theirs', namespace: 'shop', managedFields: [] },
    spec: { hosts: ['cart'], http: [
      { name: 'staff', match: [{ headers: { 'user-type': { exact: 'internal' } } }], route: [{ destination: { host: 'cart-canary' } }] },
      { name: 'default', route: [{ destination: { host: 'cart-stable' }, weight: 75 }, { destination: { host: 'cart-canary' }, weight: 25 }] },
    ] },
  }
  const spec = (canaryOnlyRoutes: string) => ({ traffic: { istio: { virtualServiceRefs: [{ name: 'theirs', canaryOnlyRoutes }] } } })
  const route = 'VirtualService/shop/theirs'
  test('is given back to its owner afterwards, never before', async () => {
    const cluster = new Cluster(rollout(spec('Leave')), deployment(), theirs)
    const result = await cluster.do(key, { ...lower, route } as Action)
    expect(weights(cluster, 'theirs')).toEqual([[undefined], [100, 0]])
    expect(cluster.disowned).toEqual([])
    await (result as any).afterwards()
    expect(cluster.disowned).toEqual(['VirtualService/theirs'])
    expect(cluster.look(key).seen.remarks).toMatchObject([{ type: 'CanaryOnlyRouteExposed' }])
  })
  test('canary-only routes are led to stable by the lowering, and put back from status by a raise', async () => {
    const cluster = new Cluster(rollout(spec('RedirectOnRollback')), deployment(), theirs)
    const { seen } = cluster.look(key)
    const redirected = seen.routes[0]!.canaryOnly.map(({ name, original }) => ({ route, name, original }))
    cluster.change('Rollout', 'shop', 'cart', (object) => { object.status = { schema: 1, sequence: 3, redirected } })
    await cluster.do(key, { ...lower, route, redirect: true } as Action)
    const http = () => cluster.get('VirtualService', 'shop', 'theirs')!.spec.http
    expect(http()[0].route[0].destination.host).toContain('cart-stable')
    expect(cluster.look(key).seen.routes[0]!.canaryOnly).toMatchObject([{ name: 'staff', redirected: true }])
    await cluster.do(key, { type: 'SetSplit', route, canaryDoor: 5, reopen: true, restore: true })
    expect(http()[0].route[0].destination).toEqual({ host: 'cart-canary' })
    expect(http()[1].route[1].weight).toBe(5)
  })
})

describe('doors', () => {
  test('are created with everything that removal must know, and turn only if unchanged', async () => {
    const cluster = new Cluster(rollout({ deletionPolicy: 'Orphan' }), deployment())
    await cluster.do(key, { type: 'TurnDoor', door: 'stable', to: r1 })
    const made = cluster.get('Service', 'shop', 'cart-stable')!
    expect(made.spec).toEqual({ type: 'ClusterIP', selector: { app: 'cart', 'sluice.dev/revision': r1 }, sessionAffinity: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] })
    expect(made.metadata).toMatchObject({ annotations: { 'sluice.dev/deletion-policy': 'Orphan' }, ownerReferences: [{ uid: 'uid-cart' }] })
    expect(JSON.parse(made.metadata.annotations!['sluice.dev/rollout-spec']!)).toMatchObject({ workloadRef: { name: 'cart' }, traffic: { istio: { managed: {} } } })
    const { raw } = cluster.look(key)
    await cluster.do(key, { type: 'TurnDoor', door: 'stable', to: 'Workload' })
    expect(cluster.get('Service', 'shop', 'cart-stable')!.spec.selector).toEqual({ app: 'cart' })
    await cluster.do(key, { type: 'TurnDoor', door: 'stable', to: r1 })
    // Back at what the old look saw: somebody who woke late must still not turn it.
    expect(await cluster.do(key, { type: 'TurnDoor', door: 'stable', to: 'cart-r2' }, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
  })
  test('the user\'s own Service is never touched', async () => {
    const user: KubeObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart', namespace: 'shop' }, spec: { selector: { app: 'cart' }, ports: [{ port: 80 }] } }
    const cluster = new Cluster(rollout(), deployment(), user)
    expect(await cluster.do(key, { type: 'TurnDoor', door: 'own', to: r1 })).toMatchObject({ ok: false, reason: 'AlreadyExists' })
    expect(await cluster.do(key, { type: 'DeleteDoor', door: 'own' })).toEqual({ ok: true, wrote: false })
    expect(cluster.writes).toEqual([])
  })
  test('are brought in step with ports, affinity, owner and policy in one write', async () => {
    const cluster = new Cluster(rollout(), deployment())
    await cluster.do(key, { type: 'TurnDoor', door: 'stable', to: r1 })
    cluster.change('Rollout', 'shop', 'cart', (object) => { object.spec.deletionPolicy = 'Orphan'; object.spec.service.appProtocol = 'grpc' })
    cluster.put(deployment('cart:1', { uid: 'uid-again' }))
    expect(cluster.look(key).seen.upkeep).toEqual([{ key: 'Door/stable', what: 'Door' }])
    cluster.writes.length = 0
    await cluster.do(key, { type: 'Upkeep', key: 'Door/stable' })
    expect(cluster.writes).toHaveLength(1)
    expect(cluster.look(key).seen.upkeep).toEqual([])
    const { metadata, spec } = cluster.get('Service', 'shop', 'cart-stable')!
    expect(metadata.ownerReferences).toEqual([expect.objectContaining({ uid: 'uid-again' })])
    expect(spec).toMatchObject({ selector: { 'sluice.dev/revision': r1 }, ports: [{ appProtocol: 'grpc' }] })
  })
})

describe('revisions', () => {
  const create: Action = { type: 'CreateRevision', revision: r1, replicas: 2 }
  test('are created, and seen as the template', async () => {
    const cluster = new Cluster(rollout(), deployment())
    await cluster.do(key, create)
    expect(cluster.look(key).seen).toMatchObject({ workload: { templateRevision: r1 }, revisions: [{ name: r1, replicas: 2 }], upkeep: [] })
    expect(cluster.get('Deployment', 'shop', r1)!.metadata.annotations).not.toHaveProperty('sluice.dev/template-sent')
    expect(await cluster.do(key, create)).toMatchObject({ ok: false, reason: 'AlreadyExists' })
  })
  test('are never made of another template: the name would lie about what is proven', async () => {
    const cluster = new Cluster(rollout(), deployment())
    await cluster.do(key, create)
    cluster.put(deployment('cart:2'))
    cluster.remove('Deployment', 'shop', r1)
    cluster.writes.length = 0
    expect(await cluster.do(key, create)).toMatchObject({ ok: false, reason: 'NotFound', message: expect.stringContaining(`so revision ${r1} cannot be made of it`) })
    expect(cluster.writes).toEqual([])
  })
  test('what a webhook adds is written down at once, or by upkeep after a stop in between', async () => {
    const cluster = new Cluster(rollout(), deployment())
    cluster.webhook = (object) => {
      const copy: any = structuredClone(object)
      copy.spec.template.spec.containers.push({ name: 'proxy', image: 'proxy:1' })
      return copy
    }
    cluster.before = (write) => (write.startsWith('patch') ? { ok: false, reason: 'Timeout', message: 'stopped' } : undefined)
    expect(await cluster.do(key, create)).toMatchObject({ ok: true })
    cluster.before = () => undefined
    expect(cluster.look(key).seen).toMatchObject({ workload: { templateRevision: r1 }, upkeep: [{ key: `Revision/${r1}` }] })
    await cluster.do(key, { type: 'Upkeep', key: `Revision/${r1}` })
    const made = cluster.get('Deployment', 'shop', r1)!
    expect(made.metadata.annotations).toMatchObject({ 'sluice.dev/injected': expect.stringContaining('proxy') })
    expect(made.metadata.annotations).not.toHaveProperty('sluice.dev/template-sent')
    expect(sameRevision(deployment('cart:1'), made)).toBe(true)
    expect(cluster.look(key).seen.upkeep).toEqual([])
  })
  test('scale down only what is exactly as seen; up also if it changed elsewhere', async () => {
    const cluster = new Cluster(rollout(), deployment())
    await cluster.do(key, create)
    const { raw } = cluster.look(key)
    cluster.change('Deployment', 'shop', r1, (object) => { object.status = { readyReplicas: 2 } })
    expect(await cluster.do(key, { type: 'Scale', revision: r1, replicas: 0 }, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
    expect(await cluster.do(key, { type: 'Scale', revision: r1, replicas: 5 }, raw)).toEqual({ ok: true, wrote: true })
    expect(await cluster.do(key, { type: 'Scale', revision: r1, replicas: 4 }, raw)).toMatchObject({ ok: false })
    expect(cluster.get('Deployment', 'shop', r1)!.spec.replicas).toBe(5)
  })
  test('are deleted unchanged only; one without our label is not even seen', async () => {
    const cluster = new Cluster(rollout(), deployment())
    await cluster.do(key, create)
    const { raw } = cluster.look(key)
    await cluster.do(key, { type: 'Scale', revision: r1, replicas: 5 })
    expect(await cluster.do(key, { type: 'DeleteRevision', revision: r1 }, raw)).toMatchObject({ ok: false, reason: 'Conflict' })
    expect(await cluster.do(key, { type: 'DeleteRevision', revision: r1 })).toEqual({ ok: true, wrote: true })
    expect(await cluster.do(key, { type: 'DeleteRevision', revision: 'cart' })).toEqual({ ok: true, wrote: false })
    expect(cluster.get('Deployment', 'shop', 'cart')).toBeDefined()
  })
})

describe('the workload and the Rollout', () => {
  test('the template goes to zero and back through scale, where zero is an absent count', async () => {
    const cluster = new Cluster(rollout(), deployment())
    const { raw } = cluster.look(key)
    expect(await cluster.do(key, { type: 'ScaleWorkload', replicas: 0 })).toMatchObject({ ok: true, wrote: true })
    expect(cluster.writes).toEqual(['patch Deployment shop/cart/scale'])
    expect(await cluster.do(key, { type: 'ScaleWorkload', replicas: 0 }, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
    await cluster.do(key, { type: 'ScaleWorkload', replicas: 3 })
    expect(cluster.get('Deployment', 'shop', 'cart')!.spec.replicas).toBe(3)
  })
  test('spec.replicas is written where it was absent, and not over what somebody wrote meanwhile', async () => {
    const cluster = new Cluster(rollout(), deployment())
    const { raw } = cluster.look(key)
    await cluster.do(key, { type: 'WriteReplicas', replicas: 3 })
    expect(cluster.get('Rollout', 'shop', 'cart')!.spec.replicas).toBe(3)
    expect(await cluster.do(key, { type: 'WriteReplicas', replicas: 9 }, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
  })
  test('the finalizer comes and goes among others', async () => {
    const cluster = new Cluster(rollout({}, { finalizers: ['other/one'] }), deployment())
    await cluster.do(key, { type: 'SetFinalizer', present: true })
    expect(cluster.look(key).seen.rollout.hasFinalizer).toBe(true)
    await cluster.do(key, { type: 'SetFinalizer', present: false })
    expect(cluster.get('Rollout', 'shop', 'cart')!.metadata.finalizers).toEqual(['other/one'])
  })
  test('a request is answered once, and deleted by uid', async () => {
    const request: KubeObject = { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'q', namespace: 'shop', uid: 'u1' }, spec: { rolloutName: 'cart', action: 'Abort' } }
    const cluster = new Cluster(rollout(), deployment(), request)
    const answer: Action = { type: 'AnswerRequest', name: 'q', uid: 'u1', state: 'Accepted', message: 'closing' }
    const { raw } = cluster.look(key)
    await cluster.do(key, answer)
    expect(cluster.get('RolloutRequest', 'shop', 'q')!.status).toEqual({ state: 'Accepted', message: 'closing', at: '2026-11-23T02:00:00Z', verified: false })
    expect(await cluster.do(key, { ...answer, state: 'Refused' }, raw)).toEqual({ ok: true, wrote: false })
    expect(await cluster.do(key, { type: 'DeleteRequest', name: 'q', uid: 'u2' })).toEqual({ ok: true, wrote: false })
    expect(await cluster.do(key, { type: 'DeleteRequest', name: 'q', uid: 'u1' })).toEqual({ ok: true, wrote: true })
  })
})
