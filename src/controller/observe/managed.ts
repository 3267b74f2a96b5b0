/** The route object that Sluice keeps itself: what it has to look like, and whether it does. */
import { memoryOf } from '../../revision/door.ts'
import { ownedBy } from '../../revision/deployment.ts'
import { rolloutLabel } from '../../revision/marks.ts'
import type { JsonPatchOp, KubeObject } from '../../rollout/objects.ts'
import type { Blocker, Seen } from '../../rollout/seen.ts'
import { managedTotal } from '../../traffic/expressible.ts'
import { ownedPatch } from '../../traffic/owned.ts'
import { wantedShape } from './doors.ts'
import type { Route } from './routes.ts'
import { isOurs, type Scope } from './scope.ts'

type Wanted = { readonly object: KubeObject } | { readonly problems: readonly { readonly reason: string; readonly message: string }[] }

/** The managed object with the canary door at this share in percent and weights that sum up to `atLeast` or more, or what keeps it from being written. */
export function wantedRoute(scope: Scope, route: Route, canaryDoor: number, atLeast = 0): Wanted {
  const resource = scope.world.resource(route.kind)
  if (!resource) return { problems: [{ reason: 'MeshNotServed', message: `the API server does not serve ${route.kind}` }] }
  const wanted = {
    kind: route.kind,
    clusterDomain: scope.settings.clusterDomain,
    service: shapeWanted(scope),
    telemetry: scope.plan.telemetry,
    apiVersion: route.object?.apiVersion ?? `${resource.group}/${resource.version}`,
    name: route.name,
    namespace: route.namespace,
    arms: route.arms,
    total: Math.max(atLeast, managedTotal(scope.plan.steps.map((step) => step.weight))),
    canary: canaryDoor,
    labels: { [rolloutLabel]: scope.name },
    ownerReferences: scope.workload ? [ownedBy(scope.workload)] : [],
  }
  return route.provider.managed(scope.spec.traffic ?? {}, wanted)
}

/** Why the managed object cannot be written at all, with the field to correct. */
export function managedBlockers(scope: Scope, route: Route): readonly Blocker[] {
  if (!route.managed || !scope.world.resource(route.kind)) return []
  const wanted = wantedRoute(scope, route, 0)
  // Doors that are not there yet are made before it.
  return 'problems' in wanted ? wanted.problems.filter(({ reason }) => reason !== 'RouteLacksDoors').map((problem) => ({ ...problem, stops: 'Raise', stalled: true })) : []
}

/** The patch that brings a managed route's fields in step without moving its split; empty where it is, or while its http routes differ in their weights. */
export function managedPatch(scope: Scope, route: Route): readonly JsonPatchOp[] {
  // A Service is kept in step as a door.
  if (route.provider.isOwnService || !route.managed || !route.object || !isOurs(route.object, scope.name)) return []
  const { canary, uneven, totals } = route.router.read(route.object, route.arms, route.selector)
  // A finer total stays: 0.5% as one part of a hundred would be a raise.
  const wanted = uneven ? undefined : wantedRoute(scope, route, canary, Math.max(0, ...totals))
  return wanted && 'object' in wanted ? ownedPatch(route.object, wanted.object) : []
}

export function managedUpkeep(scope: Scope, routes: readonly Route[]): Seen['upkeep'] {
  return routes.filter((route) => managedPatch(scope, route).length > 0).map((route) => ({ key: `Route/${route.key}`, what: 'Route' }))
}

/** A managed route belongs to doors (backends have routes of their own), and its destinations have the doors' ports; a Service is shaped as they are. */
function shapeWanted(scope: Scope): KubeObject {
  const { ports = [], ...affinity } = wantedShape(scope) ?? {}
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: scope.names.own, annotations: memoryOf(scope.spec) }, spec: { ports, ...affinity } }
}
