import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { hostTaken } from '../../../src/traffic/istio-hosts.ts'
import { mirroredDestinationRules, missingDestination, subsetLabels, type Mirror } from '../../../src/traffic/istio-rules.ts'
import { clusterDomain, doors, reviewsRule, service, subsets, virtualService } from './guide.ts'

function rule(name: string, spec: object, namespace = 'shop', labels?: Record<string, string>): KubeObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name, namespace, ...(labels ? { labels } : {}) }, spec }
}
const trafficPolicy = { tls: { mode: 'ISTIO_MUTUAL' }, outlierDetection: { consecutive5xxErrors: 5 }, portLevelSettings: [{ port: { number: 80 }, connectionPool: { tcp: { maxConnections: 9 } } }] }
function mirrored(rules: readonly KubeObject[]): ReturnType<typeof mirroredDestinationRules> {
  const mirror: Mirror = { rules, host: 'cart.shop.svc.cluster.local', namespace: 'shop', doors: [doors.stable, doors.canary], clusterDomain, labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [] }
  return mirroredDestinationRules(mirror)
}

describe('mirrored policies', () => {
  test('each door gets the policy and the reach of the Service’s rule, without its subsets', () => {
    const { rules, problems } = mirrored([rule('cart', { host: 'cart', trafficPolicy, exportTo: ['.'], subsets: [{ name: 'v1', labels: { version: 'v1' } }] }), rule('ads', { host: 'ads', trafficPolicy })])
    expect(problems).toEqual([])
    expect(rules.map(({ metadata, spec }) => [metadata.name, spec])).toEqual([
      ['cart-stable', { host: 'cart-stable.shop.svc.cluster.local', trafficPolicy, exportTo: ['.'] }], ['cart-canary', { host: 'cart-canary.shop.svc.cluster.local', trafficPolicy, exportTo: ['.'] }],
    ])
    expect(rules[0]!.metadata).toMatchObject({ namespace: 'shop', labels: { 'sluice.dev/rollout': 'cart' } })
  })
  test('nothing where there is no policy, and none of our own is mirrored again', () => {
    expect(mirrored([rule('cart', { host: 'cart', subsets: [] })])).toEqual({ rules: [], problems: [] })
    expect(mirrored([rule('cart-stable', { host: 'cart-stable', trafficPolicy }, 'shop', { 'sluice.dev/rollout': 'cart' })])).toEqual({ rules: [], problems: [] })
    expect(mirrored([rule('all', { host: '*.shop.svc.cluster.local', trafficPolicy })])).toEqual({ rules: [], problems: [] })
  })
  test('a second rule with subsets only does not matter; one with a policy does', () => {
    const plain = rule('cart', { host: 'cart.shop.svc.cluster.local', trafficPolicy })
    expect(mirrored([rule('cart-subsets', { host: 'cart', subsets: [] }), plain]).rules).toHaveLength(2)
    expect(mirrored([plain, rule('cart-2', { host: 'cart', trafficPolicy })])).toMatchObject({ rules: [], problems: [{ reason: 'PolicyNotCarried', message: expect.stringContaining('DestinationRule shop/cart and DestinationRule shop/cart-2') }] })
  })
  test('a rule in a caller’s namespace, or one that speaks for a door already, is a problem', () => {
    expect(mirrored([rule('cart', { host: 'cart.shop.svc.cluster.local', trafficPolicy }, 'front')]).problems).toMatchObject([{ reason: 'PolicyNotCarried', message: expect.stringContaining('another namespace') }])
    expect(mirrored([rule('cart', { host: 'cart', trafficPolicy }), rule('mine', { host: 'cart-canary', trafficPolicy: {} })]).problems).toMatchObject([{ reason: 'PolicyNotCarried', message: expect.stringContaining('shop/mine already speaks for cart-canary') }])
  })
})

describe('what a route names', () => {
  const serviceObject: KubeObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'reviews', namespace: 'default' } }
  test('subsets are labels of the host’s rule', () => {
    expect(subsetLabels(reviewsRule, 'v2')).toEqual({ version: 'v2' })
    expect(subsetLabels(reviewsRule, 'v3')).toBeUndefined()
  })
  test('is there, or the missing part is said', () => {
    expect(missingDestination(subsets.canary, [serviceObject], [reviewsRule], clusterDomain)).toBeUndefined()
    expect(missingDestination(subsets.canary, [], [reviewsRule], clusterDomain)).toMatchObject({ reason: 'HostMissing' })
    expect(missingDestination(service('reviews', 'default', 'v3'), [serviceObject], [reviewsRule], clusterDomain)).toMatchObject({ reason: 'SubsetMissing', message: expect.stringContaining('DestinationRule default/reviews') })
    expect(missingDestination(subsets.canary, [serviceObject], [], clusterDomain)).toMatchObject({ reason: 'SubsetMissing' })
  })
})

describe('hosts that are taken', () => {
  const self = { namespace: 'shop', name: 'cart', hosts: ['cart.shop.svc.cluster.local', 'cart.example.com'], clusterDomain }
  const other = (spec: object, namespace = 'shop', name = 'other'): KubeObject => ({ ...virtualService([]), metadata: { name, namespace }, spec })
  test.each([
    ['a short host', other({ hosts: ['cart'] })], ['mesh said', other({ hosts: ['cart.shop'], gateways: ['edge/public', 'mesh'] })], ['one of several', other({ hosts: ['x', 'cart.example.com'] }, 'edge')],
    ['exported to its own namespace', other({ hosts: ['cart.shop.svc.cluster.local'], exportTo: ['.'] }, 'front')],
  ])('%s', (_, one) => {
    expect(hostTaken([virtualService([]), one], self)).toMatchObject({ reason: 'HostTaken', message: expect.stringContaining(`VirtualService ${one.metadata.namespace}/other already holds host`) })
  })
  test.each([
    ['our own object', virtualService([])], ['the same short host elsewhere', other({ hosts: ['cart'] }, 'front')], ['a gateway only', other({ hosts: ['cart'], gateways: ['edge/public'] })],
    ['a delegate', other({ http: [] })], ['exported to nobody', other({ hosts: ['cart'], exportTo: ['~'] })], ['a wildcard beside it', other({ hosts: ['*.example.com'] })],
  ])('%s does not count', (_, one) => {
    expect(hostTaken([one], self)).toBeUndefined()
  })
  test('a wildcard meets the same wildcard', () => {
    expect(hostTaken([other({ hosts: ['*.example.com'] })], { ...self, hosts: ['*.example.com'] })).toMatchObject({ reason: 'HostTaken' })
  })
})
