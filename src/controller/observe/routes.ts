/** Route objects through their routers: what split they have, and whether we may write them. */
import { rolloutLabel } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { Blocker, RouteSeen } from '../../rollout/seen.ts'
import { managedTotal, problemsOfSteps } from '../../traffic/expressible.ts'
import { placesOf, type Provider, type RouteKind, type RoutePlace } from '../../traffic/index.ts'
import type { Clusters, Find, Look, Uptake } from '../../traffic/provider.ts'
import type { Arms, RouteReading, Router, Selector } from '../../traffic/router.ts'
import { fieldManager } from '../../kube/client.ts'
import { lastWriter } from '../../kube/writers.ts'
import { isGitOps } from '../world.ts'
import { endpointsOf } from './doors.ts'
import { granted, notGranted } from './grant.ts'
import { isOurs, type Scope } from './scope.ts'

/** One route object that the spec leads to, found or not. */
export interface Route {
  /** `VirtualService/<namespace>/<name>` */
  readonly key: string
  readonly kind: RouteKind
  readonly namespace: string
  readonly name: string
  readonly managed: boolean
  /** RedirectOnRollback. */
  readonly redirects: boolean
  readonly provider: Provider
  readonly router: Router
  readonly arms: Arms
  readonly selector: Selector
  /** As the cache has it. */
  readonly object?: KubeObject
}

/** Every route object of this rollout, the managed one first. */
export function routesOf(scope: Scope, arms: Arms): readonly Route[] {
  const found = placesOf(scope.spec.traffic, { namespace: scope.namespace, name: scope.plan.name })
  return (found?.places ?? []).map((place) => routeAt(scope, arms, found!.provider, place))
}

function routeAt(scope: Scope, arms: Arms, provider: Provider, { routes, ...place }: RoutePlace): Route {
  const key = `${place.kind}/${place.namespace}/${place.name}`
  const status: RolloutStatus | undefined = scope.rollout.status
  const originals = (status?.redirected ?? []).filter((kept) => kept.route === key)
  const selector: Selector = { clusterDomain: scope.settings.clusterDomain, ...(routes ? { routes } : {}), ...(originals.length > 0 ? { originals } : {}) }
  const object = scope.world.get(place.kind, place.namespace, place.name)
  return { key, ...place, provider, router: provider.router, arms, selector, ...(object ? { object } : {}) }
}

/** What one route object shows. Without a grant it still is Present, so that it can be lowered; `routeBlockers` keeps it from being raised. */
export function routeSeen(scope: Scope, route: Route): RouteSeen {
  const { key, managed, object } = route
  if (scope.world.state(route.kind) === 'NotServed') return absent(scope, route, 'Refused', meshNotServed(route))
  if (!object) return absent(scope, route, 'Missing', { reason: 'RouteMissing', message: `${key} does not exist: create it or correct spec.traffic` })
  const reading = route.router.read(object, route.arms, route.selector)
  const refusal = managed && !isOurs(object, scope.name) ? nameTaken(scope, route) : refusalOf(reading)
  const taken = uptakeOf(scope, route, object)
  const named = clustersOf(scope, route, object)
  const writer = lastWriter(object, route.provider.field)
  return {
    key, managed,
    state: refusal ? 'Refused' : 'Present',
    ...(refusal ?? (taken.awaiting ? { message: taken.awaiting } : {})),
    canaryDoor: reading.canary,
    uneven: reading.uneven,
    ...(reading.closedTo ? { closedTo: reading.closedTo } : {}),
    totals: reading.totals,
    ...(writer ? { lastWriter: { manager: writer.manager, ours: writer.manager === fieldManager, gitOps: isGitOps(writer.manager) } } : {}),
    mirrored: taken.followed,
    ...(named ? { clusters: { stable: named.stable, canary: named.canary } } : {}),
    canaryOnly: route.redirects ? reading.canaryOnly : [],
  }
}

/** What stops raises, or adoption, because of this route object. */
export function routeBlockers(scope: Scope, route: Route, seen: RouteSeen): readonly Blocker[] {
  if (scope.world.state(route.kind) === 'NotServed') return [{ ...meshNotServed(route), stops: 'Raise', stalled: true }]
  const found: Blocker[] = []
  const raise = (problem: { reason: string; message: string }) => found.push({ ...problem, stops: 'Raise', stalled: true })
  if (route.object && !route.managed && !granted(scope.world, scope.namespace, route.object)) raise(notGranted(scope.namespace, route.object))
  if (route.managed && seen.reason === 'NameTaken') raise(nameTaken(scope, route))
  const weights = scope.plan.observes ? [] : scope.plan.steps.map((step) => step.weight)
  const totals = route.managed ? [managedTotal(weights)] : [...new Set(seen.totals)]
  const problems = totals.flatMap((total) => problemsOfSteps([0, ...weights], total))
  if (problems[0]) raise({ reason: problems[0].reason, message: `${route.key}: ${problems[0].message}` })
  if (route.object) for (const problem of clustersOf(scope, route, route.object)?.problems ?? []) raise(problem)
  if (route.object) for (const problem of uptakeOf(scope, route, route.object).problems) raise(problem)
  return found
}

/** Routes that send somebody to the canary whatever the weight, and are left as they are. */
export function routeRemarks(route: Route): readonly { readonly type: string; readonly reason: string; readonly message: string }[] {
  if (!route.object || route.redirects) return []
  const names = route.router.read(route.object, route.arms, route.selector).canaryOnly.filter((only) => !only.redirected).map((only) => `"${only.name}"`)
  if (names.length === 0) return []
  const message = `${route.key}: route ${names.join(', ')} leads to the canary whatever the weight, also after a rollback; `
    + 'set canaryOnlyRoutes: RedirectOnRollback to have it led to stable then'
  return [{ type: 'CanaryOnlyRouteExposed', reason: 'RouteLeadsToCanaryOnly', message }]
}

function absent(scope: Scope, { key, managed }: Route, state: 'Missing' | 'Refused', why: { reason: string; message: string }): RouteSeen {
  const totals = managed ? [managedTotal(scope.plan.steps.map((step) => step.weight))] : []
  return { key, managed, state, ...why, canaryDoor: 0, uneven: false, totals, mirrored: true, canaryOnly: [] }
}

function refusalOf({ problems }: RouteReading): { reason: string; message: string } | undefined {
  const [first] = problems
  return first && { reason: first.reason, message: problems.map((problem) => problem.message).join('; ') }
}

function nameTaken({ name: rollout, namespace }: Scope, { key, name, provider }: Route): { reason: string; message: string } {
  const handOver = 'let spec.service.name be a name of its own and lead callers there, or hand the Service over: take it out of Git without deleting it, then '
    + `kubectl -n ${namespace} label service ${name} ${rolloutLabel}=${rollout}`
  const remedy = provider.isOwnService ? handOver : 'rename it, or let spec.service.name differ; it is never taken over'
  return { reason: 'NameTaken', message: `${key} exists and is not ours: ${remedy}` }
}

function meshNotServed({ kind, provider }: Route): { reason: string; message: string } {
  return { reason: 'MeshNotServed', message: `the API server does not serve ${kind}: install ${provider.needs}, or choose another provider in spec.traffic` }
}

function clustersOf({ plan }: Scope, { provider, arms, selector }: Route, object: KubeObject): Clusters | undefined {
  return plan.telemetry === 'EnvoyGateway' ? provider.clusters?.(object, arms, selector) : undefined
}

/** Where nothing can be asked, what is written counts as taken over. */
function uptakeOf(scope: Scope, { provider }: Route, object: KubeObject): Uptake {
  const { world, settings } = scope
  const find: Find = (kind, namespace, name) => (world.state(kind) === 'NotServed' ? 'NotServed' : world.get(kind, namespace, name))
  const look: Look = { find, endpoints: (service) => endpointsOf(scope, service) }
  return provider.uptake?.(object, look, settings.clusterDomain) ?? { followed: true, problems: [] }
}
