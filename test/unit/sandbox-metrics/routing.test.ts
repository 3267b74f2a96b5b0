import { describe, expect, it } from 'vitest'
import { route, worldOf, type Call, type Routing } from '../../../src/sandbox/routing.ts'
import { cluster, ids, service, slice, split, virtualService } from './world.ts'

const call: Call = { namespace: 'shop', host: 'web' }
const arms = (routing: Routing): unknown =>
  'nowhere' in routing
    ? routing.nowhere
    : routing.arms.map(({ weight, service: name, pods, flag }) => `${weight} ${name} ${flag ?? pods.map((pod) => pod.replace('shop/', '')).join(',')}`)
const destination = (host: string, more: object = {}) => ({ destination: { host, ...more } })

describe('Istio', () => {
  const istio = (world = cluster(), to: Call = call) => arms(route(world, 'Istio', to))
  it('follows weights to the ready pods behind each door, however the host is written', () => {
    const both = ['95 web-stable one-a,one-b', '5 web-canary two-a']
    expect(istio()).toEqual(both)
    expect(istio(cluster(), { namespace: 'edge', host: 'web.shop' })).toEqual(both)
    expect(istio(cluster(), { namespace: 'edge', host: 'web.shop.svc.cluster.local' })).toEqual(both)
  })
  it('leaves weight 0 out, and reports a door without ready pods', () => {
    const world = cluster()
    world.put(ids.routes, virtualService(100, 0))
    expect(istio(world)).toEqual(['100 web-stable one-a,one-b'])
    world.put(ids.slices, slice('web-stable', 'unready-a'))
    expect(istio(world)).toEqual(['100 web-stable UH'])
    world.drop(ids.services, 'web-stable')
    expect(istio(world)).toEqual(['100 web-stable NC'])
    world.put(ids.routes, virtualService(0, 0))
    expect(istio(world)).toBe('total destination weight = 0')
  })
  it('goes to the Service itself where nothing routes the host', () => {
    const world = cluster()
    world.drop(ids.routes, 'web')
    expect(istio(world)).toEqual(['100 web one-a,one-b'])
    expect(istio(world, { namespace: 'shop', host: 'nobody' })).toBe('no route and no Service for nobody.shop.svc.cluster.local')
  })
  it('matches headers, paths and ports in order', () => {
    const world = cluster()
    const http = [
      { match: [{ headers: { 'X-Test': { exact: 'yes' } } }], route: [destination('web-canary')] },
      { match: [{ uri: { prefix: '/api' }, port: 80 }, { uri: { regex: '/v\\d' } }], route: [destination('web-stable')] },
    ]
    world.put(ids.routes, virtualService(1, 1, { http }))
    expect(istio(world, { ...call, headers: { 'x-test': 'yes' } })).toEqual(['100 web-canary two-a'])
    expect(istio(world, { ...call, path: '/api/x' })).toEqual(['100 web-stable one-a,one-b'])
    expect(istio(world, { ...call, path: '/v2' })).toEqual(['100 web-stable one-a,one-b'])
    expect(istio(world, { ...call, path: '/v22' })).toBe('no route of VirtualService shop/web matches web.shop.svc.cluster.local')
    world.put(ids.routes, virtualService(1, 1, { http: [{ match: [{ queryParams: {} }], route: [destination('web-stable')] }] }))
    expect(istio(world)).toContain('does not model the match condition queryParams')
  })
  it('follows delegates, gateways and subsets', () => {
    const world = cluster()
    world.put(ids.routes, virtualService(90, 10, { hosts: undefined }))
    world.put(ids.routes, {
      apiVersion: 'v1',
      kind: 'VirtualService',
      metadata: { name: 'root', namespace: 'edge' },
      spec: { hosts: ['web.example.com'], gateways: ['public'], http: [{ delegate: { name: 'web', namespace: 'shop' } }] },
    })
    expect(istio(world, { namespace: 'edge', host: 'web.example.com', gateway: 'edge/public' })).toEqual(['90 web-stable one-a,one-b', '10 web-canary two-a'])
    expect(istio(world, { namespace: 'edge', host: 'web.example.com', gateway: 'edge/other' })).toContain('no route')
    world.put(ids.slices, slice('web', 'one-a', 'two-a'))
    world.put(ids.routes, virtualService(0, 0, { http: [{ route: [destination('web', { subset: 'v2' })] }] }))
    expect(istio(world)).toEqual(['100 web NC'])
    world.put(ids.rules, {
      apiVersion: 'v1',
      kind: 'DestinationRule',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { host: 'web', subsets: [{ name: 'v2', labels: { revision: 'web-2' } }] },
    })
    expect(istio(world)).toEqual(['100 web two-a'])
  })
  it('gives a host of the mesh to its oldest VirtualService', () => {
    const world = cluster()
    world.put(ids.routes, { ...virtualService(1, 0), metadata: { name: 'older', namespace: 'shop', creationTimestamp: '2020-01-01T00:00:00Z' } })
    world.put(ids.routes, { ...virtualService(95, 5), metadata: { name: 'web', namespace: 'shop', creationTimestamp: '2021-01-01T00:00:00Z' } })
    expect(istio(world)).toEqual(['1 web-stable one-a,one-b'])
  })
  it('a port that the Service lacks is no destination', () => {
    const world = cluster()
    world.put(ids.services, service('web-canary', 8080))
    expect(istio(world)).toEqual(['95 web-stable one-a,one-b', '5 web-canary NC'])
  })
})

it('Linkerd follows the TrafficSplit of the apex, in both forms of weights', () => {
  const world = cluster()
  const linkerd = () => arms(route(world, 'Linkerd', call))
  expect(linkerd()).toEqual(['100 web one-a,one-b'])
  world.put(ids.splits, split('900m', '100m'))
  expect(linkerd()).toEqual(['0.9 web-stable one-a,one-b', '0.1 web-canary two-a'])
  world.put(ids.splits, split(100, 0))
  expect(linkerd()).toEqual(['100 web-stable one-a,one-b'])
  world.put(ids.splits, split(0, 0))
  expect(linkerd()).toBe('no backend of web.shop.svc.cluster.local has any weight')
})

it('Linkerd follows the ServiceProfile where that kind is served, whatever the TrafficSplit says', () => {
  const world = cluster()
  world.put(ids.splits, split(100, 0))
  const profile = (dstOverrides: unknown) => ({
    apiVersion: 'linkerd.io/v1alpha2',
    kind: 'ServiceProfile',
    metadata: { name: 'web.shop.svc.cluster.local', namespace: 'shop' },
    spec: { dstOverrides },
  })
  const overrides = [
    { authority: 'web-stable.shop.svc.cluster.local:80', weight: '1' },
    { authority: 'web-canary.shop.svc.cluster.local', weight: '500m' },
  ]
  world.put(ids.profiles, profile(overrides))
  expect(arms(route(world, 'Linkerd', call))).toEqual(['1 web-stable one-a,one-b', '0.5 web-canary two-a'])
  world.put(ids.profiles, profile([]))
  expect(arms(route(world, 'Linkerd', call))).toEqual(['100 web one-a,one-b'])
})

it('a store is a world whose lists are read once for each of its revisions', () => {
  let lists = 0
  const store = { revision: 1, serves: (id: string) => id === 'pods', list: () => (lists++, cluster().list('pods')) }
  const world = worldOf(store)
  expect([world.list('pods').length, world.list('pods').length, world.list('services').length, lists]).toEqual([3, 3, 0, 1])
  store.revision = 2
  expect([world.list('pods').length, lists, world.version()]).toEqual([3, 2, 2])
})
