import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { managedTotal, problemsOfSteps } from '../../../src/traffic/expressible.ts'
import { providerNamed } from '../../../src/traffic/index.ts'
import { milli, quantity } from '../../../src/traffic/quantity.ts'
import { managedTrafficSplit, profileFollows, serviceProfileName, smi, splitIgnored, trafficSplitVersion } from '../../../src/traffic/smi.ts'
import { applyPatch } from '../../support/json-patch.ts'
import { clusterDomain, service } from './guide.ts'

const arms = { stable: service('web-stable', 'shop'), canary: service('web-canary', 'shop') }
const selector = { clusterDomain }
function split(version: string, stable: unknown, canary: unknown): KubeObject {
  return { apiVersion: `split.smi-spec.io/${version}`, kind: 'TrafficSplit', metadata: { name: 'web', namespace: 'shop' }, spec: { service: 'web', backends: [{ service: 'web-stable', weight: stable }, { service: 'web-canary', weight: canary }] } }
}
const weights = (object: KubeObject): unknown[] => object.spec.backends.map(({ weight }: any) => weight)

describe('TrafficSplit', () => {
  test('v1alpha1 as SMI shows it: quantities, whose total stays', () => {
    const object = split('v1alpha1', '900m', '100m')
    expect(smi.read(object, arms, selector)).toMatchObject({ canary: 10, totals: [1000], problems: [] })
    expect(weights(smi.write(object, arms, selector, { canary: 0.5 }))).toEqual(['995m', '5m'])
    expect(weights(smi.write(object, arms, selector, { canary: 100 }))).toEqual(['0', '1'])
  })
  test('v1alpha1 with integers keeps them where it can', () => {
    expect(weights(smi.write(split('v1alpha1', 100, 0), arms, selector, { canary: 5 }))).toEqual([95, 5])
    expect(weights(smi.write(split('v1alpha1', 100, 0), arms, selector, { canary: 0.5 }))).toEqual(['99500m', '500m'])
    expect(weights(smi.write(split('v1alpha1', '1', '0'), arms, selector, { canary: 5 }))).toEqual(['950m', '50m'])
  })
  test.each(['v1alpha2', 'v1alpha3', 'v1alpha4'])('%s has integers, and the object’s other fields stay', (version) => {
    const object = { ...split(version, 100, 0), spec: { ...split(version, 100, 0).spec, matches: [{ kind: 'HTTPRouteGroup', name: 'ab' }] } }
    const after = applyPatch(object, smi.patch(object, arms, selector, { canary: 25, closedTo: { revision: 'web-1', sequence: 9 } }))
    expect(after).toMatchObject({ metadata: { annotations: { 'sluice.dev/closed-to': 'web-1@9' } }, spec: { matches: [{ name: 'ab' }] } })
    expect(weights(after)).toEqual([75, 25])
    expect(smi.read(split(version, '900m', '100m'), arms, selector).problems).toMatchObject([{ reason: 'WeightInvalid' }])
  })
  test('the apex may be one of the backends', () => {
    const object = { ...split('v1alpha2', 100, 0), spec: { service: 'web', backends: [{ service: 'web', weight: 100 }, { service: 'web-canary', weight: 0 }] } }
    expect(weights(smi.write(object, { ...arms, stable: service('web', 'shop') }, selector, { canary: 10 }))).toEqual([90, 10])
  })
  test.each([
    ['an arm is missing', { ...arms, canary: service('web-next', 'shop') }, selector, 'RouteLacksDoors'], ['another namespace', { ...arms, canary: service('web-canary', 'front') }, selector, 'RouteLacksDoors'],
    ['routes by name', arms, { ...selector, routes: ['default'] }, 'RouteNotFound'], ['one Service twice', { stable: arms.stable, canary: arms.stable }, selector, 'ArmsEqual'],
  ])('%s', (_, both, which, reason) => {
    expect(smi.read(split('v1alpha2', 100, 0), both, which)).toMatchObject({ totals: [], problems: [{ reason }] })
  })
  test('0 for both, or one backend twice, cannot carry a split', () => {
    expect(smi.read(split('v1alpha2', 0, 0), arms, selector).problems).toMatchObject([{ reason: 'WeightNotExpressible' }])
    const twice = split('v1alpha2', 50, 50)
    expect(smi.read({ ...twice, spec: { ...twice.spec, backends: [...twice.spec.backends, { service: 'web-canary', weight: 1 }] } }, arms, selector).problems).toMatchObject([{ reason: 'DestinationRepeated' }])
  })
  test('ours is what the router reads', () => {
    const wanted = { apiVersion: 'split.smi-spec.io/v1alpha2', name: 'web', namespace: 'shop', arms, total: 1000, canary: 0.5, labels: { 'sluice.dev/rollout': 'web' }, ownerReferences: [] }
    const object = managedTrafficSplit(wanted)
    expect(object.spec).toEqual({ service: 'web', backends: [{ service: 'web-stable', weight: 995 }, { service: 'web-canary', weight: 5 }] })
    expect(smi.upkeep(object, managedTrafficSplit({ ...wanted, canary: 50 }), arms, selector)).toEqual([])
    const changed = { ...object, spec: { ...object.spec, service: 'other' } }
    expect(applyPatch(changed, smi.upkeep(changed, managedTrafficSplit({ ...wanted, canary: 50 }), arms, selector)).spec).toEqual(object.spec)
  })
  test('the version that Linkerd’s extension serves comes first', () => {
    expect([['v1alpha1', 'v1alpha2'], ['v1alpha4', 'v1alpha3', 'v1alpha1'], ['v1alpha3'], ['v2'], []].map(trafficSplitVersion)).toEqual(['v1alpha2', 'v1alpha1', 'v1alpha3', undefined, undefined])
  })
})

describe('Linkerd’s ServiceProfile', () => {
  const object = split('v1alpha2', 75, 25)
  const profile = (dstOverrides: unknown, annotations?: Record<string, string>): KubeObject => ({
    apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', metadata: { name: serviceProfileName(object, clusterDomain), namespace: 'shop', ...(annotations ? { annotations } : {}) }, spec: { dstOverrides },
  })
  const override = (name: string, weight: unknown): object => ({ authority: `${name}.shop.svc.cluster.local`, weight })
  test('is named by the apex in full', () => {
    expect(serviceProfileName(object, clusterDomain)).toBe('web.shop.svc.cluster.local')
  })
  test('follows when it names the same backends with the same weights, in whatever form and order', () => {
    expect(profileFollows(profile([override('web-canary', '25'), override('web-stable', 75)]), object, clusterDomain)).toBe(true)
    expect(profileFollows(profile([override('web-stable', '900m'), override('web-canary', '100m')]), split('v1alpha1', '0.9', '100m'), clusterDomain)).toBe(true)
  })
  test.each([
    ['old weights', [override('web-stable', '100'), override('web-canary', '0')]], ['a backend less', [override('web-stable', '75')]], ['emptied', undefined],
    ['a backend more', [override('web-stable', '75'), override('web-canary', '25'), override('x', '0')]], ['one twice', [override('web-stable', '75'), override('web-stable', '75')]],
  ])('does not follow yet: %s', (_, overrides) => {
    expect(profileFollows(profile(overrides), object, clusterDomain)).toBe(false)
    expect(profileFollows(undefined, object, clusterDomain)).toBe(false)
  })
  test('is kept from following by the skip annotation, whatever its value', () => {
    expect(splitIgnored(profile([], { 'smi.linkerd.io/skip': '' }))).toMatchObject({ reason: 'SplitIgnored' })
    expect(splitIgnored(profile([]))).toBeUndefined()
    expect(splitIgnored(undefined)).toBeUndefined()
  })
})

test('quantities', () => {
  expect(['900m', '1', 1, '0.5', '.5', '1e2', '1E-1', '2k', '1Ki', '1500u', '0'].map(milli)).toEqual([900, 1000, 1000, 500, 500, 100_000, 100, 2_000_000, 1_024_000, 2, 0])
  expect(['', 'm', '-1', '1x', null, true, '1e99'].map(milli)).toEqual(Array(7).fill(undefined))
  expect([900, 5000, 0, 99_500].map(quantity)).toEqual(['900m', '5', '0', '99500m'])
})

describe('steps that a route cannot tell apart', () => {
  test.each([
    [[5, 25, 50, 100], 100, []], [[0.5, 1, 100], 1000, []], [[0, 0.5, 100], 100, []], [[5, 5, 100], 100, []],
    [[0.5, 1, 100], 100, ['steps[0].weight 0.5% and steps[1].weight 1% are both 1%']], [[5, 25, 50, 100], 10, []],
    [[5, 15, 50, 100], 10, ['steps[0].weight 5% and steps[1].weight 15% are both 10%']], [[50, 100], 1, ['are both 100% on a route whose weights sum up to 1']],
  ])('%j on %i', (steps, total, expected) => {
    const problems = problemsOfSteps(steps, total)
    expect(problems.map(({ reason }) => reason)).toEqual(expected.map(() => 'WeightNotExpressible'))
    problems.forEach(({ message }, index) => expect(message).toContain(expected[index]))
  })
  test('a managed route takes 1000 where a step has parts of a percent', () => {
    expect([managedTotal([5, 100]), managedTotal([0.5, 100])]).toEqual([100, 1000])
  })
})

test('a router by name: unknown ones are an error that lists the known', () => {
  expect(providerNamed('smi')).toEqual({ provider: expect.objectContaining({ router: smi }) })
  expect(providerNamed('toString')).toEqual({ problem: 'spec.traffic.toString is unknown: write one of gatewayAPI, istio, kubernetes, smi' })
})
