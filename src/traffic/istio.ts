/** Router for Istio's VirtualService: the weights of two destinations in its http routes. Lists of tls and tcp routes are never touched. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import { leadsTo, writtenHost } from './hosts.ts'
import { listOf, same } from './json.ts'
import { nothingToShare, problem, type Cell, type Edit, type Place, type Problem } from './layout.ts'
import { routerOf } from './lens.ts'
import { matchLabel } from './match-label.ts'
import type { Arms, Destination, RouteReading, Router, Selector, SplitChange } from './router.ts'

/** VirtualService of any served version of networking.istio.io. Labels of unnamed routes are their matches. */
export const istio: Router = routerOf({ places, canaryOnly, redirects })

interface HttpRoute {
  readonly index: number
  readonly route: any
  readonly destinations: readonly any[]
}
type Outcome = { readonly place: Place } | { readonly problem: Problem }

function httpRoutes(object: KubeObject): readonly HttpRoute[] {
  return listOf(object.spec?.http).map((route, index) => ({ index, route, destinations: listOf(route?.route) }))
}
function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? 'default'
}
function called(object: KubeObject): string {
  return `${object.kind} ${namespaceOf(object)}/${object.metadata.name}`
}

/** The name of an http route, or what tells an unnamed one from the others. */
export function routeLabel(route: any): string {
  return matchLabel(route, 'match')
}

function places(object: KubeObject, arms: Arms, selector: Selector): { places: readonly Place[]; problems: readonly Problem[] } {
  if (arms.stable.host === arms.canary.host && (arms.stable.subset || '') === (arms.canary.subset || '')) {
    return { places: [], problems: [problem('ArmsEqual', `stable and canary are both ${described(arms.stable)}: name two Services or two subsets`)] }
  }
  const all = httpRoutes(object)
  const { routes } = selector
  if (routes?.length === 0) {
    return { places: [], problems: [problem('RouteNotFound', `virtualServiceRefs[].routes of ${called(object)} is empty: name an http route, ${everyRoute}`)] }
  }
  const missing = (routes ?? []).filter((name) => !all.some(({ route }) => route?.name === name)).map((name) => notFound(object, name, all))
  const chosen = routes
    ? all.filter(({ route }) => routes.includes(route?.name))
    : all.filter(({ destinations }) => [arms.stable, arms.canary].every((arm) => indexes(destinations, arm, object, selector).length > 0))
  const outcomes = chosen.map((http) => placeOf(object, http, arms, selector))
  const none = routes === undefined && chosen.length === 0 ? [lacksDoors(object, all.findLast(({ destinations }) => destinations.length > 0), arms)] : []
  return {
    places: outcomes.flatMap((outcome) => ('place' in outcome ? [outcome.place] : [])),
    problems: [...missing, ...none, ...outcomes.flatMap((outcome) => ('problem' in outcome ? [outcome.problem] : []))],
  }
}

function indexes(destinations: readonly any[], arm: Destination, object: KubeObject, selector: Selector): readonly number[] {
  return destinations.flatMap((item, index) => (leadsTo(item?.destination, arm, namespaceOf(object), selector.clusterDomain) ? [index] : []))
}

function placeOf(object: KubeObject, http: HttpRoute, arms: Arms, selector: Selector): Outcome {
  const [stable, canary] = [indexes(http.destinations, arms.stable, object, selector), indexes(http.destinations, arms.canary, object, selector)]
  if (stable.length === 0 || canary.length === 0) return { problem: lacksDoors(object, http, arms) }
  const where = `http route ${quoted(http)} of ${called(object)}`
  for (const [indices, arm] of [[stable, arms.stable], [canary, arms.canary]] as const) {
    if (indices.length > 1) return { problem: problem('DestinationRepeated', `${where} names ${described(arm)} ${indices.length} times: keep one of them`) }
  }
  const cells: Cell[] = []
  for (const index of [stable[0]!, canary[0]!]) {
    const { weight } = http.destinations[index]
    if (weight !== undefined && (!Number.isSafeInteger(weight) || weight < 0)) {
      return { problem: problem('WeightInvalid', `${where} has weight ${JSON.stringify(weight)} at destination ${index}: write an integer of 0 or more`) }
    }
    // Istio reads an absent weight as 0 wherever there are several destinations.
    cells.push({ path: [...pathOf(http), 'route', index, 'weight'], value: weight, units: weight ?? 0, written: (units) => units })
  }
  const place = { label: routeLabel(http.route), identity: identityOf(http, [stable[0]!, canary[0]!]), stable: cells[0]!, canary: cells[1]! }
  if (place.stable.units + place.canary.units > 0) return { place }
  return { problem: nothingToShare(where, described(arms.stable), described(arms.canary)) }
}

function pathOf(http: HttpRoute): readonly (string | number)[] {
  return ['spec', 'http', http.index]
}
function identityOf(http: HttpRoute, destinations: readonly number[]): Place['identity'] {
  const named = typeof http.route.name === 'string'
  return [
    { path: [...pathOf(http), 'name'], value: http.route.name ?? null },
    ...(named ? [] : [{ path: [...pathOf(http), 'match'], value: http.route.match ?? null }]),
    ...destinations.map((index) => ({ path: [...pathOf(http), 'route', index, 'destination'], value: http.destinations[index].destination })),
  ]
}

function described(arm: Destination): string {
  return arm.subset ? `${arm.service} subset ${arm.subset}` : arm.service
}
function quoted(http: HttpRoute): string {
  return typeof http.route?.name === 'string' ? `"${http.route.name}"` : `#${http.index} (${routeLabel(http.route)})`
}
const everyRoute = 'or leave it out to take every route that names both sides'
function notFound(object: KubeObject, name: string, all: readonly HttpRoute[]): Problem {
  const names = all.flatMap(({ route }) => (typeof route?.name === 'string' ? [route.name] : []))
  const known = names.length > 0 ? `it has ${names.join(', ')}` : 'none of its http routes has a name'
  return problem('RouteNotFound', `${called(object)} has no http route named "${name}" (${known}): correct virtualServiceRefs[].routes, ${everyRoute}`)
}

/** The problem of a route without one of the arms, with the lines that mend it. */
function lacksDoors(object: KubeObject, http: HttpRoute | undefined, arms: Arms): Problem {
  const namespace = namespaceOf(object)
  const both = `${described(arms.stable)} and ${described(arms.canary)}`
  const port = http?.destinations[0]?.destination?.port
  const written = (arm: Destination, weight: number): string => {
    const [subset, portNumber] = [arm.subset ? `, subset: ${arm.subset}` : '', port?.number ? `, port: {number: ${port.number}}` : '']
    return `{destination: {host: ${writtenHost(arm, namespace)}${subset}${portNumber}}, weight: ${weight}}`
  }
  const lines = `route: [${written(arms.stable, 100)}, ${written(arms.canary, 0)}]`
  if (!http) return problem('RouteLacksDoors', `${called(object)} has no http route that leads to ${both}: commit one with ${lines}`)
  const remedy = http.route.delegate
    ? `name the VirtualService that it delegates to in virtualServiceRefs, or commit ${lines}`
    : `commit, in place of the destination that leads to the workload, ${lines}`
  return problem('RouteLacksDoors', `http route ${quoted(http)} of ${called(object)} does not lead to both ${both}: ${remedy}`)
}

interface CanaryOnly {
  readonly http: HttpRoute
  readonly name: string
  /** JSON of the destination that leads to the canary, also where the route now leads to stable. */
  readonly original: string
  readonly redirected: boolean
}
/**
 * Routes with the canary as their only destination, whose weight does not count, and those that lead to stable exactly as redirecting one of `originals`
 * leaves it: what a person has edited since is theirs. Routes that `selector.routes` names are routes of the split.
 */
function canaryOnlyRoutes(object: KubeObject, arms: Arms, selector: Selector, originals: Selector['originals'] = []): readonly CanaryOnly[] {
  const kept = [...originals]
  const found: CanaryOnly[] = []
  for (const http of httpRoutes(object)) {
    if (http.destinations.length !== 1 || selector.routes?.includes(http.route.name)) continue
    const name = routeLabel(http.route)
    const destination = http.destinations[0]?.destination
    if (!destination) continue
    if (indexes(http.destinations, arms.canary, object, selector).length === 1) {
      found.push({ http, name, original: JSON.stringify(destination), redirected: false })
      continue
    }
    const at = kept.findIndex((entry) => entry.name === name && same(redirected(parsed(entry.original), arms, object, selector), destination))
    if (at >= 0) found.push({ http, name, original: kept.splice(at, 1)[0]!.original, redirected: true })
  }
  return found
}

function canaryOnly(object: KubeObject, arms: Arms, selector: Selector): RouteReading['canaryOnly'] {
  return canaryOnlyRoutes(object, arms, selector, selector.originals).map(({ name, original, redirected }) => ({ name, original, redirected }))
}

function redirects(object: KubeObject, arms: Arms, selector: Selector, change: NonNullable<SplitChange['canaryOnly']>): readonly Edit[] {
  const restore = 'restore' in change
  const routes = canaryOnlyRoutes(object, arms, selector, restore ? change.restore : []).filter(({ redirected }) => redirected === restore)
  return routes.map(({ http, original }) => ({
    identity: identityOf(http, []),
    path: [...pathOf(http), 'route', 0, 'destination'],
    from: http.destinations[0].destination,
    to: restore ? parsed(original) : redirected(parsed(original), arms, object, selector),
  }))
}

/** A canary destination led to stable: its port stays, and its host where only the subset differs. */
function redirected(destination: any, arms: Arms, object: KubeObject, selector: Selector): any {
  if (typeof destination?.host !== 'string') return undefined
  const { host, subset: _, ...rest } = destination
  const sameHost = leadsTo({ host }, { ...arms.stable, subset: undefined }, namespaceOf(object), selector.clusterDomain)
  return { host: sameHost ? host : arms.stable.host, ...(arms.stable.subset ? { subset: arms.stable.subset } : {}), ...rest }
}
function parsed(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
