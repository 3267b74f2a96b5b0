/** One entry for each router: objects as users might have them, arbitrary in everything that is foreign, with two arms in it. */
import fc from 'fast-check'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { providers, type ProviderName } from '../../../src/traffic/index.ts'
import type { Arms, Selector } from '../../../src/traffic/router.ts'

export interface Sample {
  readonly object: KubeObject
  readonly arms: Arms
  readonly selector: Selector
  /** Paths of the weights that may change. */
  readonly weights: readonly (readonly (string | number)[])[]
}
export interface Case {
  readonly name: ProviderName
  /** `sharesAreEqual`: all routes carry the same total, so that what is read can be written back exactly. */
  readonly sample: (options: { oneTotal: boolean }) => fc.Arbitrary<Sample>
}

const namespace = 'shop'
const clusterDomain = 'cluster.local'
function arm(service: string, subset?: string): Arms['stable'] {
  return { namespace, service, host: `${service}.${namespace}.svc.${clusterDomain}`, ...(subset ? { subset } : {}) }
}

const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/)
const metadata = fc.record({
  name: word, namespace: fc.constant(namespace), resourceVersion: fc.nat().map(String),
  labels: fc.dictionary(word, word, { maxKeys: 2 }),
  annotations: fc.oneof(fc.constant(undefined), fc.dictionary(fc.oneof(word, word.map((key) => `${key}.io/${key}~x`)), word, { minKeys: 1, maxKeys: 2 })),
}).chain((meta) => fc.option(fc.tuple(word, fc.nat()), { nil: undefined }).map((mark) => ({
  ...meta,
  ...(meta.annotations ? { annotations: { ...meta.annotations, ...(mark ? { 'sluice.dev/closed-to': `${mark[0]}@${mark[1]}` } : {}) } } : { annotations: undefined }),
})).map(({ annotations, ...rest }) => ({ ...rest, ...(annotations ? { annotations } : {}) })))

/** Two weights; with `oneTotal`, of a total that the whole object shares. */
function split(total: fc.Arbitrary<number>): fc.Arbitrary<readonly [number, number]> {
  return total.chain((sum) => fc.nat({ max: sum }).map((canary) => [sum - canary, canary] as const))
}
const total = fc.oneof(fc.constant(100), fc.constant(1000), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1_000_000 }))

const hostOf = (service: string): fc.Arbitrary<string> => fc.constantFrom(service, `${service}.${namespace}`, `${service}.${namespace}.svc`, `${service}.${namespace}.svc.${clusterDomain}`)
const match = fc.array(fc.record({ uri: fc.record({ prefix: word.map((path) => `/${path}`) }), headers: fc.dictionary(word, fc.record({ regex: fc.constant('.*mobile.*') }), { maxKeys: 1 }) }), { minLength: 1, maxLength: 2 })
const extras = fc.record({
  timeout: fc.constantFrom('1s', '300ms'), mirror: fc.record({ host: word }), fault: fc.record({ abort: fc.record({ httpStatus: fc.constant(503) }) }),
  headers: fc.record({ request: fc.record({ set: fc.dictionary(word, word, { maxKeys: 1 }) }) }), fieldOfTomorrow: fc.jsonValue({ maxDepth: 2 }),
}, { requiredKeys: [] })
const foreignDestination = fc.record({ destination: fc.record({ host: word.map((host) => `other-${host}`) }), weight: fc.nat({ max: 100 }) })
const foreignRoute = fc.oneof(
  fc.record({ match, route: fc.array(foreignDestination, { minLength: 1, maxLength: 2 }) }),
  fc.record({ name: word.map((name) => `foreign-${name}`), delegate: fc.record({ name: word }) }),
  fc.record({ match, redirect: fc.record({ uri: word }) }),
)

function splitRoute(arms: Arms, sum: fc.Arbitrary<number>): fc.Arbitrary<{ route: any; cells: readonly [number, number] }> {
  return fc.record({
    weights: split(sum), foreign: fc.array(foreignDestination, { maxLength: 2 }), canaryFirst: fc.boolean(), dropZero: fc.boolean(), at: fc.nat(), extra: extras,
    naming: fc.oneof(word.map((name) => ({ name })), match.map((matches) => ({ match: matches })), fc.constant({})), stableHost: hostOf(arms.stable.service), canaryHost: hostOf(arms.canary.service),
    port: fc.option(fc.record({ number: fc.integer({ min: 1, max: 65535 }) }), { nil: undefined }),
  }).map(({ weights, foreign, canaryFirst, dropZero, at, extra, naming, stableHost, canaryHost, port }) => {
    const item = (host: string, subset: string | undefined, weight: number): any => ({
      destination: { host, ...(subset ? { subset } : {}), ...(port ? { port } : {}) }, ...(dropZero && weight === 0 ? {} : { weight }),
    })
    const two = [item(stableHost, arms.stable.subset, weights[0]), item(canaryHost, arms.canary.subset, weights[1])]
    const destinations: any[] = [...foreign]
    const position = at % (foreign.length + 1)
    destinations.splice(position, 0, ...(canaryFirst ? two.toReversed() : two))
    return { route: { ...naming, ...extra, route: destinations }, cells: (canaryFirst ? [position + 1, position] : [position, position + 1]) as [number, number] }
  })
}

const virtualService: Case['sample'] = ({ oneTotal }) =>
  fc.record({ subsets: fc.boolean(), sum: total }).chain(({ subsets, sum }) => {
    const arms = subsets ? { stable: arm('reviews', 'v1'), canary: arm('reviews', 'v2') } : { stable: arm('web-stable'), canary: arm('web-canary') }
    const ours = splitRoute(arms, oneTotal ? fc.constant(sum) : total)
    return fc.record({ apiVersion: fc.constantFrom('v1', 'v1beta1', 'v1alpha3'), metadata, before: fc.array(foreignRoute, { maxLength: 2 }), first: ours, second: fc.option(ours, { nil: undefined }),
      after: fc.array(foreignRoute, { maxLength: 1 }), delegate: fc.boolean(), tls: fc.array(fc.record({ route: fc.array(foreignDestination, { minLength: 1, maxLength: 1 }) }), { maxLength: 1 }), byName: fc.boolean() })
      .map(({ apiVersion, metadata: meta, before, first, second, after, delegate, tls, byName }): Sample => {
        const own = [first, ...(second ? [second] : [])]
        const http = [...before, ...own.map(({ route }) => route), ...after]
        const names = own.map(({ route }) => route.name)
        const selectable = byName && names.every((name) => typeof name === 'string')
        return {
          object: { apiVersion: `networking.istio.io/${apiVersion}`, kind: 'VirtualService', metadata: meta, spec: { ...(delegate ? {} : { hosts: ['reviews'], gateways: ['mesh'] }), http, ...(tls.length ? { tls } : {}) } },
          arms, selector: { clusterDomain, ...(selectable ? { routes: names } : {}) },
          weights: own.flatMap(({ cells }, index) => cells.map((cell) => ['spec', 'http', before.length + index, 'route', cell, 'weight'])),
        }
      })
  })

const trafficSplit: Case['sample'] = () =>
  fc.record({ version: fc.constantFrom('v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'), form: fc.constantFrom('number', 'string', 'milli'), metadata, weights: split(total),
    foreign: fc.array(fc.record({ service: word.map((name) => `other-${name}`), weight: fc.nat({ max: 100 }) }), { maxLength: 2 }), canaryFirst: fc.boolean(), extra: fc.dictionary(word.map((key) => `x${key}`), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 1 }) })
    .map(({ version, form, metadata: meta, weights, foreign, canaryFirst, extra }): Sample => {
      const arms = { stable: arm('web-stable'), canary: arm('web-canary') }
      const written = (weight: number): unknown => (version !== 'v1alpha1' || form === 'number' ? weight : form === 'string' ? String(weight) : `${weight}m`)
      const two = [{ service: 'web-stable', weight: written(weights[0]) }, { service: 'web-canary', weight: written(weights[1]) }]
      return {
        object: { apiVersion: `split.smi-spec.io/${version}`, kind: 'TrafficSplit', metadata: meta, spec: { service: 'web', backends: [...foreign, ...(canaryFirst ? two.toReversed() : two)], ...extra } },
        arms, selector: { clusterDomain },
        weights: [foreign.length, foreign.length + 1].map((index) => ['spec', 'backends', index, 'weight']),
      }
    })

const backendRef = fc.record({
  name: word.map((name) => `other-${name}`), port: fc.constant(80), weight: fc.nat({ max: 100 }), kind: fc.constantFrom('Service', 'ServiceImport'),
  filters: fc.array(fc.record({ type: fc.constant('RequestHeaderModifier') }), { maxLength: 1 }),
}, { requiredKeys: ['name'] })
const pathMatches = fc.array(fc.record({ path: fc.record({ type: fc.constantFrom('PathPrefix', 'Exact'), value: word.map((path) => `/${path}`) }) }), { minLength: 1, maxLength: 2 })
const ruleExtras = fc.record({
  timeouts: fc.record({ request: fc.constant('3s') }), filters: fc.array(fc.record({ type: fc.constant('RequestMirror'), requestMirror: fc.record({ backendRef: fc.record({ name: fc.constant('web-canary') }) }) }), { maxLength: 1 }),
  fieldOfTomorrow: fc.jsonValue({ maxDepth: 2 }),
}, { requiredKeys: [] })
const otherNamespace = fc.record({ name: fc.constantFrom('web-stable', 'web-canary'), namespace: fc.constant('other'), port: fc.constant(80), weight: fc.nat({ max: 100 }) })
const foreignRule = fc.oneof(
  fc.record({ matches: pathMatches, backendRefs: fc.array(fc.oneof(backendRef, otherNamespace), { minLength: 1, maxLength: 2 }) }),
  fc.record({ name: word.map((name) => `foreign-${name}`), filters: fc.array(fc.record({ type: fc.constant('RequestRedirect') }), { minLength: 1, maxLength: 1 }) }),
)
function splitRule(arms: Arms, sum: fc.Arbitrary<number>, name: string): fc.Arbitrary<{ rule: any; cells: readonly [number, number] }> {
  return fc.record({
    weights: split(sum), foreign: fc.array(fc.oneof(backendRef, otherNamespace), { maxLength: 2 }), canaryFirst: fc.boolean(), dropOne: fc.boolean(), at: fc.nat(), extra: ruleExtras,
    naming: fc.oneof(fc.constant({ name }), pathMatches.map((matches) => ({ matches })), fc.constant({})), defaulted: fc.boolean(), located: fc.boolean(),
  }).map(({ weights, foreign, canaryFirst, dropOne, at, extra, naming, defaulted, located }) => {
    const item = ({ service: of }: Arms['stable'], weight: number): any => ({
      ...(defaulted ? { group: '', kind: 'Service' } : {}), name: of, ...(located ? { namespace } : {}), port: 80, ...(dropOne && weight === 1 ? {} : { weight }),
    })
    const two = [item(arms.stable, weights[0]), item(arms.canary, weights[1])]
    const backendRefs: any[] = [...foreign]
    const position = at % (foreign.length + 1)
    backendRefs.splice(position, 0, ...(canaryFirst ? two.toReversed() : two))
    return { rule: { ...naming, ...extra, backendRefs }, cells: (canaryFirst ? [position + 1, position] : [position, position + 1]) as [number, number] }
  })
}

const gatewayRoute: Case['sample'] = ({ oneTotal }) =>
  total.chain((sum) => {
    const arms = { stable: arm('web-stable'), canary: arm('web-canary') }
    const ours = (name: string) => splitRule(arms, oneTotal ? fc.constant(sum) : total, name)
    return fc.record({ kind: fc.constantFrom('HTTPRoute', 'GRPCRoute'), metadata, before: fc.array(foreignRule, { maxLength: 2 }), first: ours('first'), second: fc.option(ours('second'), { nil: undefined }),
      after: fc.array(foreignRule, { maxLength: 1 }), chosen: fc.constantFrom('All', 'Names', 'Indexes'), hostnames: fc.array(word, { maxLength: 1 }) })
      .map(({ kind, metadata: meta, before, first, second, after, chosen, hostnames }): Sample => {
        const own = [first, ...(second ? [second] : [])]
        const names = own.map(({ rule }, index) => (chosen === 'Names' && rule.name ? rule.name : String(before.length + index)))
        return {
          object: {
            apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: meta,
            spec: { parentRefs: [{ name: 'public', namespace: 'edge' }], hostnames, rules: [...before, ...own.map(({ rule }) => rule), ...after] },
          },
          arms, selector: { clusterDomain, ...(chosen === 'All' ? {} : { routes: names }) },
          weights: own.flatMap(({ cells }, index) => cells.map((cell) => ['spec', 'rules', before.length + index, 'backendRefs', cell, 'weight'])),
        }
      })
  })

/** Labels that doors add to the user's, and other fields as Services have them. What it leads to may be either door's, the user's pods, or somebody else's. */
const service: Case['sample'] = ({ oneTotal }) =>
  fc.record({ metadata, own: fc.dictionary(word, word, { minKeys: 1, maxKeys: 2 }), at: fc.constantFrom('stable', 'canary', ...(oneTotal ? [] : ['workload', 'rival'])), lacking: fc.constantFrom(...(oneTotal ? [undefined] : [undefined, 'ports'])),
    extra: fc.dictionary(word.map((key) => `x${key}`), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 }), type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer') })
    .map(({ metadata: meta, own, at, lacking, extra, type }): Sample => {
      const leading = (revision: string) => ({ ...own, 'sluice.dev/revision': revision })
      const arms = { stable: { ...arm('web-stable'), selector: leading('web-1') }, canary: { ...arm('web-canary'), selector: leading('web-2') } }
      const selector = at === 'workload' ? own : at === 'rival' ? leading('web-0') : at === 'stable' ? arms.stable.selector : arms.canary.selector
      return {
        object: { apiVersion: 'v1', kind: 'Service', metadata: meta, spec: { type, clusterIP: '10.0.0.7', selector, ...(lacking ? {} : { ports: [{ port: 80 }] }), ...extra } },
        arms, selector: { clusterDomain }, weights: [['spec', 'selector']],
      }
    })

export const cases: readonly Case[] = [
  { name: 'gatewayAPI', sample: gatewayRoute },
  { name: 'istio', sample: virtualService },
  { name: 'kubernetes', sample: service },
  { name: 'smi', sample: trafficSplit },
]
/** Every router has a case: adding one without the other is an error of the suite. */
export const uncovered = Object.keys(providers).filter((name) => !cases.some((entry) => entry.name === name))
