import { describe, expect, test } from 'vitest'
import { istio } from '../../../src/traffic/istio.ts'
import type { Arms } from '../../../src/traffic/router.ts'
import { applyPatch, PatchRefused } from '../../support/json-patch.ts'
import { clusterDomain, doors, reviews, service, subsets, virtualService } from './guide.ts'

const all = { clusterDomain }
const mobile = 'match [{"headers":{"user-agent":{"regex":".*mobile.*"}}}]'
const pair = (stable: unknown, canary: unknown, name?: string): object => ({
  ...(name ? { name } : {}), route: [{ destination: { host: 'cart-stable' }, weight: stable }, { destination: { host: 'cart-canary' }, weight: canary }],
})

describe("the guide's VirtualService", () => {
  test('is read without a name or a full host anywhere', () => {
    expect(istio.read(reviews, subsets, all)).toEqual({
      canary: 20, uneven: false, totals: [100], problems: [],
      canaryOnly: [{ name: mobile, original: '{"host":"reviews","subset":"v2"}', redirected: false }],
    })
  })

  test('is lowered by one patch that marks the object and leaves the mobile route alone', () => {
    const patch = istio.patch(reviews, subsets, all, { canary: 0, closedTo: { revision: 'v2-abc', sequence: 1_790_000_000_123 } })
    expect(patch).toEqual([
      { op: 'test', path: '/metadata/annotations', value: null },
      { op: 'test', path: '/spec/http/1/name', value: null },
      { op: 'test', path: '/spec/http/1/match', value: null },
      { op: 'test', path: '/spec/http/1/route/0/destination', value: { host: 'reviews', subset: 'v1' } },
      { op: 'test', path: '/spec/http/1/route/1/destination', value: { host: 'reviews', subset: 'v2' } },
      { op: 'test', path: '/spec/http/1/route/0/weight', value: 80 },
      { op: 'test', path: '/spec/http/1/route/1/weight', value: 20 },
      { op: 'replace', path: '/spec/http/1/route/0/weight', value: 100 },
      { op: 'replace', path: '/spec/http/1/route/1/weight', value: 0 },
      { op: 'add', path: '/metadata/annotations', value: { 'sluice.dev/closed-to': 'v2-abc@1790000000123' } },
    ])
    const after = applyPatch(reviews, patch)
    expect(after.spec.http[0]).toEqual(reviews.spec.http[0])
    expect(istio.read(after, subsets, all)).toMatchObject({ canary: 0, closedTo: { revision: 'v2-abc', sequence: 1_790_000_000_123 } })
  })

  test('the first raise of the next journey takes the mark away in the same patch', () => {
    const closed = { ...reviews, metadata: { ...reviews.metadata, annotations: { 'sluice.dev/closed-to': 'v2-abc@7', team: 'books' } } }
    const after = applyPatch(closed, istio.patch(closed, subsets, all, { canary: 5, closedTo: 'Remove' }))
    expect(after.metadata.annotations).toEqual({ team: 'books' })
    expect(istio.read(after, subsets, all)).toMatchObject({ canary: 5 })
    expect(istio.read(after, subsets, all).closedTo).toBeUndefined()
  })

  test('two leaders at once: the second one is refused, and so is one that woke up late', () => {
    const raise = istio.patch(reviews, subsets, all, { canary: 50 })
    const lowered = applyPatch(reviews, istio.patch(reviews, subsets, all, { canary: 0, closedTo: { revision: 'v2', sequence: 3 } }))
    expect(() => applyPatch(lowered, raise)).toThrow(PatchRefused)
    const marked = { ...reviews, metadata: { ...reviews.metadata, annotations: { 'sluice.dev/closed-to': 'v2@3' } } }
    expect(() => applyPatch(marked, raise), 'weights as before, but closed').toThrow(PatchRefused)
  })
})

describe('canary-only routes', () => {
  const originals = [{ name: mobile, original: '{"host":"reviews","subset":"v2"}' }]

  test('are led to stable and put back as they were', () => {
    const closed = applyPatch(reviews, istio.patch(reviews, subsets, all, { canary: 0, canaryOnly: { redirect: true }, closedTo: { revision: 'v2', sequence: 3 } }))
    expect(closed.spec.http[0].route).toEqual([{ destination: { host: 'reviews', subset: 'v1' } }])
    expect(istio.read(closed, subsets, all).canaryOnly).toEqual([])
    expect(istio.read(closed, subsets, { ...all, originals }).canaryOnly).toEqual([{ ...originals[0], redirected: true }])
    expect(istio.patch(closed, subsets, all, { canary: 0, canaryOnly: { redirect: true } })).toEqual([])
    const opened = applyPatch(closed, istio.patch(closed, subsets, all, { canary: 5, canaryOnly: { restore: originals }, closedTo: 'Remove' }))
    expect(opened.spec.http[0]).toEqual(reviews.spec.http[0])
  })

  test('a route that a person has edited since is left to them', () => {
    const edited = structuredClone(reviews)
    edited.spec.http[0].route = [{ destination: { host: 'reviews', subset: 'v3' } }]
    expect(istio.patch(edited, subsets, all, { canary: 20, canaryOnly: { restore: originals } })).toEqual([])
    expect(istio.patch(edited, subsets, all, { canary: 20, canaryOnly: { restore: [{ name: mobile, original: 'no JSON {' }] } })).toEqual([])
  })

  test('a Service door: host in full, the port and everything beside the destination stay', () => {
    const object = virtualService([{ name: 'staff', match: [{ headers: { 'user-type': { exact: 'internal' } } }], timeout: '2s', route: [{ destination: { host: 'cart-canary', port: { number: 80 } }, headers: { request: { add: { a: 'b' } } } }] }, pair(95, 5)])
    const after = applyPatch(object, istio.patch(object, doors, all, { canary: 0, canaryOnly: { redirect: true } }))
    expect(after.spec.http[0]).toEqual({ ...object.spec.http[0], route: [{ destination: { host: 'cart-stable.shop.svc.cluster.local', port: { number: 80 } }, headers: { request: { add: { a: 'b' } } } }] })
    const kept = istio.read(object, doors, all).canaryOnly
    expect(kept).toEqual([{ name: 'staff', original: '{"host":"cart-canary","port":{"number":80}}', redirected: false }])
    expect(applyPatch(after, istio.patch(after, doors, all, { canary: 5, canaryOnly: { restore: kept } })).spec).toEqual(object.spec)
  })

  test('the patch is refused where the route was replaced meanwhile', () => {
    const patch = istio.patch(reviews, subsets, all, { canary: 20, canaryOnly: { redirect: true } })
    const replaced = structuredClone(reviews)
    replaced.spec.http[0].match = [{ headers: { 'user-type': { exact: 'internal' } } }]
    expect(() => applyPatch(replaced, patch)).toThrow(PatchRefused)
    expect(applyPatch(reviews, patch).spec.http[0].route[0].destination.subset).toBe('v1')
  })

  test('long matches of unnamed routes get short labels that differ', () => {
    const route = (last: string): object => ({ match: [{ uri: { regex: `${'x'.repeat(500)}${last}` } }], route: [{ destination: { host: 'cart-canary' } }] })
    const names = istio.read(virtualService([route('a'), route('b'), pair(100, 0)]), doors, all).canaryOnly.map(({ name }) => name)
    expect(new Set(names).size).toBe(2)
    for (const name of names) expect(name.length).toBeLessThan(170)
  })
})

describe('hosts', () => {
  const arms: Arms = { stable: service('cart-stable', 'prod'), canary: service('cart-canary', 'prod') }
  test.each(['cart-stable.prod', 'cart-stable.prod.svc', 'cart-stable.prod.svc.cluster.local'])('%s is found from another namespace', (host) => {
    const object = virtualService([{ route: [{ destination: { host }, weight: 9 }, { destination: { host: 'cart-canary.prod' }, weight: 1 }] }], 'edge')
    expect(istio.read(object, arms, all)).toMatchObject({ canary: 10, totals: [10], problems: [] })
  })
  test('a short host belongs to the VirtualService’s namespace: the same name elsewhere is another Service', () => {
    expect(istio.read(virtualService([pair(90, 10)], 'prod'), arms, all)).toMatchObject({ canary: 10 })
    expect(istio.read(virtualService([pair(90, 10)], 'edge'), arms, all)).toMatchObject({ canary: 0, problems: [{ reason: 'RouteLacksDoors' }] })
  })
  test('another cluster domain is another host', () => {
    const object = virtualService([{ route: [{ destination: { host: 'cart-stable.prod.svc.example.org' }, weight: 9 }, { destination: { host: 'cart-canary.prod.svc.example.org' }, weight: 1 }] }], 'edge')
    expect(istio.read(object, arms, all).totals).toEqual([])
  })
  test('a subset is part of the destination, the port is not', () => {
    const object = virtualService([{ route: [{ destination: { host: 'cart-stable', subset: 'v9' }, weight: 90 }, { destination: { host: 'cart-canary' }, weight: 10 }] }])
    expect(istio.read(object, doors, all)).toMatchObject({ problems: [{ reason: 'RouteLacksDoors' }] })
  })
})

describe('several http routes', () => {
  const object = virtualService([pair(100, 0, 'default'), pair(995, 5, 'fine'), { name: 'ads', route: [{ destination: { host: 'ads' } }] }])
  test('are taken by name, or all in which both arms are destinations', () => {
    expect(istio.read(object, doors, all)).toMatchObject({ totals: [100, 1000], uneven: true, canary: 0.5 })
    expect(istio.read(object, doors, { ...all, routes: ['default'] })).toMatchObject({ totals: [100], uneven: false, canary: 0 })
    expect(istio.write(object, doors, { ...all, routes: ['default'] }, { canary: 25 }).spec.http[1]).toBe(object.spec.http[1])
  })
  test('round each for itself and are even all the same', () => {
    const after = istio.write(object, doors, all, { canary: 0.5 })
    expect(after.spec.http.slice(0, 2).map(({ route }: any) => route.map(({ weight }: any) => weight))).toEqual([[99, 1], [995, 5]])
    expect(istio.read(after, doors, all)).toMatchObject({ uneven: false, canary: 1 })
  })
  test('a name that is not there is a problem of its own; the others are still written', () => {
    const reading = istio.read(object, doors, { ...all, routes: ['default', 'defualt'] })
    expect(reading.problems).toEqual([{ reason: 'RouteNotFound', message: expect.stringContaining('no http route named "defualt" (it has default, fine, ads)') }])
    expect(istio.write(object, doors, { ...all, routes: ['default', 'defualt'] }, { canary: 50 }).spec.http[0].route[1].weight).toBe(50)
  })
  test('an empty list of names is a problem, not every route', () => {
    expect(istio.read(object, doors, { ...all, routes: [] })).toMatchObject({ totals: [], problems: [{ reason: 'RouteNotFound' }] })
  })
  test('two routes of one name are both the split', () => {
    const twice = virtualService([{ ...pair(90, 10, 'default'), match: [{ uri: { prefix: '/a' } }] }, pair(90, 10, 'default')])
    expect(istio.read(istio.write(twice, doors, { ...all, routes: ['default'] }, { canary: 0 }), doors, all)).toMatchObject({ canary: 0, totals: [100, 100] })
  })
})

describe('weights', () => {
  test('an absent weight beside another destination is 0; it is added, and its absence tested', () => {
    const object = virtualService([{ name: 'default', route: [{ destination: { host: 'cart-stable' }, weight: 100 }, { destination: { host: 'cart-canary' } }] }])
    const patch = istio.patch(object, doors, all, { canary: 5 })
    expect(patch).toContainEqual({ op: 'test', path: '/spec/http/0/route/1/weight', value: null })
    expect(patch).toContainEqual({ op: 'add', path: '/spec/http/0/route/1/weight', value: 5 })
    expect(istio.write(object, doors, all, { canary: 0 })).toBe(object)
  })
  test('the share is of the two arms: foreign destinations keep theirs', () => {
    const object = virtualService([{ route: [{ destination: { host: 'beta' }, weight: 20 }, { destination: { host: 'cart-canary' }, weight: 8 }, { destination: { host: 'cart-stable' }, weight: 72 }] }])
    expect(istio.read(object, doors, all)).toMatchObject({ canary: 10, totals: [80] })
    expect(istio.write(object, doors, all, { canary: 100 }).spec.http[0].route.map(({ weight }: any) => weight)).toEqual([20, 80, 0])
  })
  test.each(['80', 1.5, -1, null])('%j is a problem with a remedy, and the route is not written', (weight) => {
    const object = virtualService([pair(weight, 20)])
    expect(istio.read(object, doors, all).problems).toEqual([{ reason: 'WeightInvalid', message: expect.stringContaining(`weight ${JSON.stringify(weight)} at destination 0: write an integer`) }])
    expect(istio.write(object, doors, all, { canary: 0 })).toBe(object)
  })
  test('0 for both arms cannot carry a split', () => {
    expect(istio.read(virtualService([pair(0, 0)]), doors, all).problems).toMatchObject([{ reason: 'WeightNotExpressible' }])
  })
  test('an arm that is named twice is refused', () => {
    const object = virtualService([{ route: [...(pair(50, 25) as any).route, { destination: { host: 'cart-canary' }, weight: 25 }] }])
    expect(istio.read(object, doors, all).problems).toMatchObject([{ reason: 'DestinationRepeated' }])
  })
  test('two equal arms are refused', () => {
    expect(istio.read(reviews, { stable: subsets.stable, canary: subsets.stable }, all)).toMatchObject({ totals: [], problems: [{ reason: 'ArmsEqual' }] })
  })
})

describe('a route without the doors', () => {
  test('gets the lines to commit: short hosts in the same namespace, full ones elsewhere, the port as it is', () => {
    const http = [{ name: 'default', route: [{ destination: { host: 'cart', port: { number: 8080 } } }] }]
    expect(istio.read(virtualService(http), doors, { ...all, routes: ['default'] }).problems).toEqual([{
      reason: 'RouteLacksDoors',
      message: 'http route "default" of VirtualService shop/cart does not lead to both cart-stable and cart-canary: commit, in place of the destination that leads to the workload, '
        + 'route: [{destination: {host: cart-stable, port: {number: 8080}}, weight: 100}, {destination: {host: cart-canary, port: {number: 8080}}, weight: 0}]',
    }])
    expect(istio.read(virtualService(http, 'edge'), doors, { ...all, routes: ['default'] }).problems[0]!.message).toContain('{host: cart-stable.shop.svc.cluster.local, port')
  })
  test('that leads to one arm only is the same problem when it is named, and nobody’s when it is not', () => {
    const object = virtualService([{ name: 'only', route: [{ destination: { host: 'cart-stable' }, weight: 100 }] }, pair(90, 10)])
    expect(istio.read(object, doors, { ...all, routes: ['only'] }).problems).toMatchObject([{ reason: 'RouteLacksDoors' }])
    expect(istio.read(object, doors, all)).toMatchObject({ problems: [], totals: [100] })
  })
  test('that delegates says where to look', () => {
    const object = virtualService([{ name: 'fault', fault: {}, delegate: { name: 'cart-delegate', namespace: 'shop' } }])
    expect(istio.read(object, doors, { ...all, routes: ['fault'] }).problems[0]!.message).toContain('name the VirtualService that it delegates to')
  })
  test('a delegate itself has no hosts and is read like any other', () => {
    const { hosts: _, ...spec } = virtualService([pair(95, 5)]).spec
    expect(istio.read({ ...virtualService([]), spec }, doors, all)).toMatchObject({ canary: 5, problems: [] })
  })
})
