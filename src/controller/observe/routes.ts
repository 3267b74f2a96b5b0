/** Route objects through their routers: what split they have, and whether we may write them. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { Blocker, RouteSeen } from '../../rollout/seen.ts'
import { managedTotal, problemsOfSteps } from '../../traffic/expressible.ts'
import { routers } from '../../traffic/index.ts'
import type { Arms, RouteReading, Router, Selector } from '../../traffic/router.ts'
import { profileFollows, serviceProfileName, splitIgnored } from '../../traffic/smi.ts'
import { fieldManager } from '../../kube/client.ts'
import { lastWriter } from '../../kube/writers.ts'
import { isGitOps, type Kind } from '../world.ts'
import { granted, notGranted } from './grant.ts'
import { isOurs, type Scope } from './scope.ts'

/** One route object that the spec leads to, found or not. */
export interface Route {
  /** `VirtualService/<namespace>/<name>` */
  readonly key: string
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly managed: boolean
  /** RedirectOnRollback. */
  readonly redirects: boolean
  readonly router: Router
  readonly arms: Arms
  readonly selector: Selector
  /** Field, in the words of fieldsV1, whose last writer is told. */
  readonly field: string
  /** As the cache has it. */
  readonly object?: KubeObject
}

/** Every route object of this rollout, the managed one first. */
export function routesOf(scope: Scope, arms: Arms): readonly Route[] {
  const { istio, smi } = scope.spec.traffic ?? {}
  const own = { namespace: scope.namespace, name: scope.plan.name, managed: true, redirects: false }
  const refs = (istio?.virtualServiceRefs ?? []).map((ref) => ({
    namespace: ref.namespace ?? scope.namespace, name: ref.name, managed: false, redirects: ref.canaryOnlyRoutes === 'RedirectOnRollback', routes: ref.routes,
  }))
  const istioRoutes = [...(istio?.managed ? [own] : []), ...refs].map((place) => routeAt(scope, arms, 'VirtualService', routers.istio, 'f:spec/f:http', place))
  return smi ? [...istioRoutes, routeAt(scope, arms, 'TrafficSplit', routers.smi, 'f:spec/f:backends', own)] : istioRoutes
}

interface Place {
  readonly namespace: string
  readonly name: string
  readonly managed: boolean
  readonly redirects: boolean
  readonly routes?: readonly string[]
}
function routeAt(scope: Scope, arms: Arms, kind: Kind, router: Router, field: string, { routes, ...place }: Place): Route {
  const key = `${kind}/${place.namespace}/${place.name}`
  const status: RolloutStatus | undefined = scope.rollout.status
  const originals = (status?.redirected ?? []).filter((kept) => kept.route === key)
  const selector: Selector = { clusterDomain: scope.settings.clusterDomain, ...(routes ? { routes } : {}), ...(originals.length > 0 ? { originals } : {}) }
  const object = scope.world.get(kind, place.namespace, place.name)
  return { key, kind, ...place, router, arms, selector, field, ...(object ? { object } : {}) }
}

/** What one route object shows. Without a grant it still is Present, so that it can be lowered; `routeBlockers` keeps it from being raised. */
export function routeSeen(scope: Scope, route: Route): RouteSeen {
  const { key, managed, object } = route
  if (scope.world.state(route.kind) === 'NotServed') return absent(scope, route, 'Refused', meshNotServed(route.kind))
  if (!object) return absent(scope, route, 'Missing', { reason: 'RouteMissing', message: `${key} does not exist: create it or correct spec.traffic` })
  const reading = route.router.read(object, route.arms, route.selector)
  const refusal = managed && !isOurs(object, scope.name) ? nameTaken(route) : refusalOf(reading)
  const writer = lastWriter(object, route.field)
  return {
    key, managed,
    state: refusal ? 'Refused' : 'Present',
    ...refusal,
    canaryDoor: reading.canary,
    uneven: reading.uneven,
    ...(reading.closedTo ? { closedTo: reading.closedTo } : {}),
    totals: reading.totals,
    ...(writer ? { lastWriter: { manager: writer.manager, ours: writer.manager === fieldManager, gitOps: isGitOps(writer.manager) } } : {}),
    mirrored: isMirrored(scope, route, object),
    canaryOnly: route.redirects ? reading.canaryOnly : [],
  }
}

/** What stops raises, or adoption, because of this route object. */
export function routeBlockers(scope: Scope, route: Route, seen: RouteSeen): readonly Blocker[] {
  if (scope.world.state(route.kind) === 'NotServed') return [{ ...meshNotServed(route.kind), stops: 'Raise', stalled: true }]
  const found: Blocker[] = []
  const raise = (problem: { reason: string; message: string }) => found.push({ ...problem, stops: 'Raise', stalled: true })
  if (route.object && !route.managed && !granted(scope.world, scope.namespace, route.object)) raise(notGranted(scope.namespace, route.object))
  if (route.managed && seen.reason === 'NameTaken') raise(nameTaken(route))
  const weights = scope.plan.steps.map((step) => step.weight)
  const totals = route.managed ? [managedTotal(weights)] : [...new Set(seen.totals)]
  const problems = totals.flatMap((total) => problemsOfSteps([0, ...weights], total))
  if (problems[0]) raise({ reason: problems[0].reason, message: `${route.key}: ${problems[0].message}` })
  const ignored = route.kind === 'TrafficSplit' && route.object ? splitIgnored(profileOf(scope, route.object)) : undefined
  if (ignored) raise(ignored)
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

function nameTaken({ key }: Route): { reason: string; message: string } {
  return { reason: 'NameTaken', message: `${key} exists and is not ours: rename it, or let spec.service.name differ; it is never taken over` }
}

function meshNotServed(kind: Kind): { reason: string; message: string } {
  const mesh = kind === 'TrafficSplit' ? 'the SMI extension (linkerd-smi)' : 'Istio'
  const message = `the API server does not serve ${kind}: install ${mesh} with its CRDs, or choose another provider in spec.traffic`
  return { reason: 'MeshNotServed', message }
}

/** Linkerd's extension copies the split into a ServiceProfile; where that kind is not served nothing can be asked. */
function isMirrored(scope: Scope, route: Route, object: KubeObject): boolean {
  if (route.kind !== 'TrafficSplit' || scope.world.state('ServiceProfile') === 'NotServed') return true
  return profileFollows(profileOf(scope, object), object, scope.settings.clusterDomain)
}

function profileOf(scope: Scope, split: KubeObject): KubeObject | undefined {
  return scope.world.get('ServiceProfile', split.metadata.namespace ?? '', serviceProfileName(split, scope.settings.clusterDomain))
}
