import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { gatewayAPI, ruleLabels } from '../../../src/traffic/gateway-api.ts'
import type { Arms } from '../../../src/traffic/router.ts'

const arm = (service: string, namespace = 'shop'): Arms['stable'] => ({ namespace, service, host: `${service}.${namespace}.svc.cluster.local` })
const arms: Arms = { stable: arm('cart-stable'), canary: arm('cart-canary') }
const selector = { clusterDomain: 'cluster.local' }
const ref = (name: string, weight?: number, more: object = {}) => ({ group: '', kind: 'Service', name, port: 80, ...(weight === undefined ? {} : { weight }), ...more })
const both = [ref('cart-stable', 90), ref('cart-canary', 10)]
const path = (value: string) => [{ path: { type: 'PathPrefix', value } }]
function route(rules: readonly object[], kind = 'HTTPRoute', namespace = 'shop'): KubeObject {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name: 'cart', namespace }, spec: { parentRefs: [{ name: 'public' }], rules } }
}
const reasons = (object: KubeObject, more: object = {}, sides = arms) => gatewayAPI.read(object, sides, { ...selector, ...more }).problems.map(({ reason }) => reason)

describe('rules', () => {
  test('without names every rule that leads to both; others are foreign', () => {
    const object = route([{ matches: path('/a'), backendRefs: both }, { matches: path('/b'), backendRefs: [ref('other')] }, { matches: path('/c'), backendRefs: both }], 'GRPCRoute')
    expect(gatewayAPI.read(object, arms, selector)).toMatchObject({ canary: 10, totals: [100, 100], uneven: false, problems: [], canaryOnly: [] })
  })
  test('by name, and by index where no rule has that name', () => {
    const object = route([{ name: 'first', backendRefs: both }, { backendRefs: [ref('cart-stable', 1), ref('cart-canary', 1)] }, { name: '0', backendRefs: [ref('cart-stable', 3), ref('cart-canary', 1)] }])
    expect(gatewayAPI.read(object, arms, { ...selector, routes: ['first'] }).totals).toEqual([100])
    expect(gatewayAPI.read(object, arms, { ...selector, routes: ['1'] }).totals).toEqual([2])
    expect(gatewayAPI.read(object, arms, { ...selector, routes: ['0'] }).totals).toEqual([4])
    expect(gatewayAPI.read(object, arms, { ...selector, routes: ['first', 'first'] }).totals).toEqual([100])
    expect(gatewayAPI.read(object, arms, { ...selector, routes: ['7', 'none'] }).problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('HTTPRoute shop/cart has no rule "7" (it has 3 rules, of the names first, 0): correct routeRefs[].rules'), expect.stringContaining('no rule "none"'),
    ])
  })
  test('one rule by name and by index is one claim', () => {
    const object = route([{ name: 'first', backendRefs: both }, { matches: path('/b'), backendRefs: both }])
    expect(ruleLabels(object, arms, { ...selector, routes: ['0'] })).toEqual(['first'])
    expect(ruleLabels(object, arms, selector)).toEqual(['first', expect.stringContaining('match [')])
    expect(ruleLabels(undefined, arms, { ...selector, routes: ['0'] })).toEqual(['0'])
  })
})

describe('backendRefs', () => {
  test('an absent weight is 1, and its patch tests that it is absent', () => {
    const object = route([{ backendRefs: [ref('cart-stable'), ref('cart-canary', 0)] }])
    expect(gatewayAPI.read(object, arms, selector)).toMatchObject({ canary: 0, totals: [1] })
    const patch = gatewayAPI.patch(object, arms, selector, { canary: 100 })
    expect(patch).toContainEqual({ op: 'test', path: '/spec/rules/0/backendRefs/0/weight', value: null })
    expect(patch).toContainEqual({ op: 'add', path: '/spec/rules/0/backendRefs/0/weight', value: 0 })
  })
  test('a Service of another namespace is not the arm of that name', () => {
    const object = route([{ backendRefs: [ref('cart-stable', 90), ref('cart-canary', 10, { namespace: 'other' })] }])
    expect(reasons(object, { routes: ['0'] })).toEqual(['RouteLacksDoors'])
    expect(gatewayAPI.read(route([{ backendRefs: both.map((one) => ({ ...one, namespace: 'shop' })) }], 'HTTPRoute', 'edge'), arms, selector).canary).toBe(10)
    expect(reasons(route([{ backendRefs: both }], 'HTTPRoute', 'edge'))).toEqual(['RouteLacksDoors'])
  })
  test('lines to commit name port and namespace', () => {
    const lines = gatewayAPI.read(route([{ backendRefs: [ref('cart')] }], 'HTTPRoute', 'edge'), arms, selector).problems[0]!.message
    expect(lines).toContain('backendRefs: [{name: cart-stable, namespace: shop, port: 80, weight: 100}, {name: cart-canary, namespace: shop, port: 80, weight: 0}]')
  })
  test.each([
    ['weights that are none', [ref('cart-stable', 90), ref('cart-canary', 1.5)], 'WeightInvalid'],
    ['weights above what the API takes', [ref('cart-stable', 1_000_001), ref('cart-canary', 0)], 'WeightInvalid'],
    ['a sum that one of them could not carry', [ref('cart-stable', 600_000), ref('cart-canary', 600_000)], 'WeightNotExpressible'],
    ['nothing to share', [ref('cart-stable', 0), ref('cart-canary', 0)], 'WeightNotExpressible'],
    ['a Service twice', [ref('cart-stable', 1), ref('cart-stable', 1), ref('cart-canary', 0)], 'DestinationRepeated'],
  ])('%s', (_, backendRefs, reason) => {
    expect(reasons(route([{ backendRefs }]))).toEqual([reason])
  })
  test('arms that no route can tell apart', () => {
    expect(reasons(route([{ backendRefs: both }]), {}, { stable: arms.stable, canary: arms.stable })).toEqual(['ArmsEqual'])
    expect(reasons(route([{ backendRefs: both }]), {}, { stable: { ...arms.stable, subset: 'v1' }, canary: { ...arms.canary, subset: 'v2' } })).toEqual(['SubsetsNotKnown'])
  })
})

describe('rules that lead to the canary alone', () => {
  const object = route([{ matches: path('/'), backendRefs: both }, { name: 'staff', backendRefs: [ref('cart-canary', 1, { filters: [{ type: 'RequestHeaderModifier' }] })] }, { name: 'idle', backendRefs: [ref('cart-canary', 0)] }])
  test('are told, redirected in the lowering patch with their filters, and put back', async () => {
    const { applyPatch } = await import('../../support/json-patch.ts')
    const originals = gatewayAPI.read(object, arms, selector).canaryOnly
    expect(originals).toMatchObject([{ name: 'staff', redirected: false }])
    const low: KubeObject = applyPatch(object, gatewayAPI.patch(object, arms, selector, { canary: 0, canaryOnly: { redirect: true } }))
    expect(low.spec.rules[1].backendRefs).toEqual([ref('cart-stable', 1, { filters: [{ type: 'RequestHeaderModifier' }] })])
    expect(low.spec.rules[2]).toEqual(object.spec.rules[2])
    expect(gatewayAPI.read(low, arms, { ...selector, originals }).canaryOnly).toMatchObject([{ name: 'staff', redirected: true }])
    const back: KubeObject = applyPatch(low, gatewayAPI.patch(low, arms, selector, { canary: 10, canaryOnly: { restore: originals } }))
    expect(back.spec).toEqual(object.spec)
  })
})
