/** The Gateway API as a provider: HTTPRoutes and GRPCRoutes with Gateways or Services as parents, in force when every parent says so. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import { gatewayAPI, places as gatewayLayout, ruleLabels } from './gateway-api.ts'
import { listOf, type Path } from './json.ts'
import { problem, type Problem } from './layout.ts'
import type { Clusters, Managed, ManagedRoute, Provider, Traffic, Uptake } from './provider.ts'
import type { Arms, Selector } from './router.ts'
import { canaryWeight } from './weights.ts'

export const gatewayAPIProvider: Provider = {
  router: gatewayAPI,
  field: 'f:spec/f:rules',
  needs: 'the CRDs of the Gateway API',
  places: ({ gatewayAPI: traffic }, own) => [
    ...(traffic?.managed ? [{ kind: traffic.managed.kind ?? 'HTTPRoute' as const, ...own, managed: true, redirects: false }] : []),
    ...(traffic?.routeRefs ?? []).map(({ kind, namespace = own.namespace, name, rules, canaryOnlyRoutes }) => ({
      kind, namespace, name, managed: false, redirects: canaryOnlyRoutes === 'RedirectOnRollback', ...(rules ? { routes: rules } : {}),
    })),
  ],
  managed,
  uptake,
  clusters,
  labels: ruleLabels,
}

type ManagedSpec = NonNullable<NonNullable<Traffic['gatewayAPI']>['managed']>
const gatewayGroup = 'gateway.networking.k8s.io'

/** Defaults are written out as the API server would add them: what is wanted can then be compared with what is there. */
function managed(traffic: Traffic, wanted: ManagedRoute): Managed {
  const { parentRefs = [], hostnames } = (traffic.gatewayAPI?.managed ?? {}) as Partial<ManagedSpec>
  const ports: number[] = listOf(wanted.service.spec?.ports).map(({ port }) => port)
  const named = [...new Set(parentRefs.flatMap((parent) => (parent.kind === 'Service' && parent.port !== undefined ? [parent.port] : [])))]
  const problems = portProblems(wanted.service.metadata.name, ports, named)
  if (problems.length > 0) return { problems }
  const { kind, apiVersion, name, namespace, labels, ownerReferences, arms, total } = wanted
  const canary = canaryWeight(wanted.canary, total)
  const port = named[0] ?? ports[0]
  const ref = (door: 'stable' | 'canary', weight: number): object =>
    ({ group: '', kind: 'Service', name: arms[door].service, port, weight, ...(wanted.telemetry === 'EnvoyGateway' ? toldApart(door) : {}) })
  const rule = {
    ...(kind === 'HTTPRoute' ? { matches: [{ path: { type: 'PathPrefix', value: '/' } }] } : {}),
    backendRefs: [ref('stable', total - canary), ref('canary', canary)],
  }
  const parents = parentRefs.map((parent) => {
    const service = parent.kind === 'Service'
    return { group: service ? '' : gatewayGroup, kind: service ? 'Service' : 'Gateway', ...withoutKind(parent) }
  })
  const spec = { parentRefs: parents, ...(hostnames ? { hostnames } : {}), rules: [rule] }
  return { object: { apiVersion, kind, metadata: { name, namespace, labels, ownerReferences }, spec } }
}
function withoutKind({ kind: _, ...parent }: ManagedSpec['parentRefs'][number]): object {
  return parent
}

/** Envoy Gateway counts all backends of a rule as one cluster unless one of them has a filter: a header that names the door does no harm. */
function toldApart(door: string): object {
  return { filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-sluice-door', value: door }] } }] }
}

/** `httproute/<namespace>/<name>/rule/<index>/backend/<index>` for each rule of the split. */
function clusters(route: KubeObject, arms: Arms, selector: Selector): Clusters {
  const { places } = gatewayLayout(route, arms, selector)
  const where = `${route.kind} ${route.metadata.namespace}/${route.metadata.name}`
  const name = (path: Path): string =>
    `${route.kind.toLowerCase()}/${route.metadata.namespace}/${route.metadata.name}/rule/${path[2]}/backend/${path[4]}`
  const joined = places.filter((place) => !listOf(route.spec.rules[Number(place.stable.path[2])]?.backendRefs).some((ref) => listOf(ref?.filters).length > 0))
  const remedy = 'give one of its backendRefs a filter, for example '
    + '{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-sluice-door, value: canary}]}}'
  return {
    stable: places.map((place) => name(place.stable.path)),
    canary: places.map((place) => name(place.canary.path)),
    problems: joined.map((place) => problem(
      'TelemetryNotSplit', `Envoy Gateway counts both sides of rule "${place.label}" of ${where} as one: ${remedy}`,
    )),
  }
}

/** One rule sends to one port of the doors. */
function portProblems(service: string, ports: readonly number[], named: readonly number[]): readonly Problem[] {
  if (ports.length === 0) return [problem('ServiceMissing', `Service ${service} has no ports: set spec.service.port`)]
  const unknown = named.find((port) => !ports.includes(port))
  if (unknown !== undefined) {
    const remedy = 'write one of them in spec.traffic.gatewayAPI.managed.parentRefs[].port'
    return [problem('PortMissing', `Service ${service} has no port ${unknown} (it has ${ports.join(', ')}): ${remedy}`)]
  }
  if (named.length > 1 || (named.length === 0 && ports.length > 1)) {
    const remedy = 'name one port in spec.traffic.gatewayAPI.managed.parentRefs[].port of a Service parent, or give your own routes by routeRefs'
    return [problem('PortAmbiguous', `a managed route leads to one port, and Service ${service} has ${ports.join(', ')}: ${remedy}`)]
  }
  return []
}

/** Every parent that the route names must have Accepted and ResolvedRefs for the generation that is there. Several controllers may answer for one parent. */
function uptake(route: KubeObject): Uptake {
  const where = `${route.kind} ${route.metadata.namespace}/${route.metadata.name}`
  const parents = listOf(route.spec?.parentRefs)
  if (parents.length === 0) {
    return { followed: false, problems: [problem('RouteWithoutParent', `${where} has no parentRefs, so nobody serves it: name a Gateway or a Service`)] }
  }
  const states = parents.map((parent) => parentState(route, parent))
  const awaiting = states.find((state) => state.state !== 'Followed')
  return {
    followed: awaiting === undefined,
    ...(awaiting?.state === 'Awaited' ? { awaiting: `${awaiting.called} to take over ${where}${awaiting.why}` } : {}),
    problems: states.flatMap((state) => (state.state === 'Refused' ? [problem(state.reason, `${state.called} refuses ${where}: ${state.message}`)] : [])),
  }
}

type ParentState =
  | { readonly state: 'Followed' }
  | { readonly state: 'Awaited'; readonly called: string; readonly why: string }
  | { readonly state: 'Refused'; readonly called: string; readonly reason: string; readonly message: string }

function parentState(route: KubeObject, parent: any): ParentState {
  const namespace = route.metadata.namespace ?? 'default'
  const called = `${parent?.kind ?? 'Gateway'} ${parent?.namespace ?? namespace}/${parent?.name}`
  const answers = listOf(route['status']?.parents).filter((entry) => sameParent(entry?.parentRef, parent, namespace))
  const told = answers.map((answer) => ['Accepted', 'ResolvedRefs'].map((type) => conditionOf(answer, type, route)))
  if (told.some((conditions) => conditions.every((condition) => condition?.status === 'True'))) return { state: 'Followed' }
  const refusal = told.flat().find((condition) => condition?.status === 'False')
  if (!refusal) return { state: 'Awaited', called, why: answers.length === 0 ? ': no controller has answered for it yet' : '' }
  // Doors that the route names before they are made are part of the adoption.
  if (refusal.reason === 'BackendNotFound') return { state: 'Awaited', called, why: `: ${spoken(refusal)}` }
  return { state: 'Refused', called, reason: refusal.reason ?? 'RouteRefused', message: `${spoken(refusal)}${remedy(refusal.reason, route)}` }
}
function spoken({ type, reason, message }: { type?: string; reason?: string; message?: string }): string {
  return `${type} is False, ${reason ?? 'without a reason'}${message ? `: ${message}` : ''}`
}
function remedy(reason: string | undefined, route: KubeObject): string {
  if (reason !== 'RefNotPermitted') return '; correct the route or its parent'
  return `; create a ReferenceGrant in the namespace of the Services, from ${route.kind} of ${route.metadata.namespace} to Service`
}

/** A condition of this very generation. One without observedGeneration, as Linkerd writes them, says nothing about when: it counts as it stands. */
function conditionOf(answer: any, type: string, route: KubeObject): any {
  const found = listOf(answer?.conditions).find((condition) => condition?.type === type)
  const observed = found?.observedGeneration
  return observed === undefined || observed >= (route.metadata.generation ?? 0) ? found : undefined
}

/** Linkerd answers for group `core` where the route says ``. Section and port only count where the answer has them. */
function sameParent(answer: any, parent: any, namespace: string): boolean {
  const group = (ref: any): string => (ref?.group === 'core' ? '' : (ref?.group ?? gatewayGroup))
  return group(answer) === group(parent) && (answer?.kind ?? 'Gateway') === (parent?.kind ?? 'Gateway') && answer?.name === parent?.name
    && (answer?.namespace ?? namespace) === (parent?.namespace ?? namespace)
    && (answer?.sectionName === undefined || answer.sectionName === parent?.sectionName) && (answer?.port === undefined || answer.port === parent?.port)
}
