/** Where the doors lead, and which pods stand behind them. */
import { type DoorShape, memoryOf, doorShape, leadsTo, sameShape, shapeOf } from '../../revision/door.ts'
import { revisionLabel } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { DoorSeen, Seen } from '../../rollout/seen.ts'
import { placesOf } from '../../traffic/index.ts'
import type { World } from '../world.ts'
import { belongsToAnother, type Door, doors, type Scope } from './scope.ts'
import { isOwned } from './workload.ts'

export function doorsSeen(scope: Scope): Seen['doors'] {
  return { stable: doorSeen(scope, 'stable'), canary: doorSeen(scope, 'canary'), own: doorSeen(scope, 'own') }
}

/** What doors have to look like; undefined where neither the user's Service, nor `spec.service`, nor a door of ours names a port. */
export function wantedShape(scope: Scope): DoorShape | undefined {
  const shape = doorShape(scope.foreign.own, scope.spec.service)
  const present = scope.doors.own ?? scope.doors.stable
  return shape ?? (present && shapeOf(present))
}

/** Doors whose ports, affinity, owner or memory are not what they have to be. Selectors are decided elsewhere. */
export function doorUpkeep(scope: Scope): Seen['upkeep'] {
  const shape = wantedShape(scope)
  const { workload } = scope
  if (!shape || !workload) return []
  const out = doors.filter((door) => {
    const service = scope.doors[door]
    return service !== undefined && !(isOwned(service, workload) && sameShape(shapeOf(service), shape) && remembers(service, memoryOf(scope.spec)))
  })
  return out.map((door) => ({ key: `Door/${door}`, what: 'Door' }))
}

function doorSeen(scope: Scope, door: Door): DoorSeen {
  const service = scope.doors[door]
  const isRoute = door === 'own' && isOwnService(scope)
  if (!service) {
    const state = foreignState(scope, door)
    return { state: isRoute && state === 'Absent' ? 'Route' : state, ready: 0, others: 0 }
  }
  const to = leadsTo(service, scope.workload)
  return { state: isRoute ? 'Route' : 'Present', ...(to === undefined ? {} : { leadsTo: to }), ...countEndpoints(scope.world, service, to) }
}

/** Whether the Service `<name>` is the route itself. */
function isOwnService({ spec, namespace, plan }: Scope): boolean {
  return placesOf(spec.traffic, { namespace, name: plan.name })?.provider.isOwnService === true
}

/** What a Service of ours shows, and how many pods of the revision that it selects are ready: where none is, none is to come. */
export function endpointsOf(scope: Scope, service: KubeObject): { readonly ready: number; readonly others: number; readonly expected: number } {
  const to = leadsTo(service, scope.workload)
  const pods = to === undefined || to === 'Workload' ? [] : scope.world.list('Pod', service.metadata.namespace, { [revisionLabel]: to })
  return { ...countEndpoints(scope.world, service, to), expected: pods.filter(isReady).length }
}
function isReady({ metadata, status }: KubeObject): boolean {
  const conditions: { type?: string; status?: string }[] = status?.conditions ?? []
  return metadata.deletionTimestamp === undefined && conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True')
}

function foreignState(scope: Scope, door: Door): 'Absent' | 'Theirs' | 'Taken' {
  const foreign = scope.foreign[door]
  if (!foreign) return 'Absent'
  return door === 'own' && !belongsToAnother(scope, foreign) ? 'Theirs' : 'Taken'
}

/**
 * Ready endpoints of a door. Behind `Workload` the template's own pods count as ready, and revisions, whose labels it matches too, as neither:
 * what is asked there is whether the template serves. A pod that no cache knows is somebody else's.
 */
function countEndpoints(world: World, service: KubeObject, to: string | undefined): Pick<DoorSeen, 'ready' | 'others'> {
  let [ready, others] = [0, 0]
  for (const pod of readyPods(world, service)) {
    const revision = world.get('Pod', service.metadata.namespace ?? '', pod)?.metadata.labels?.[revisionLabel]
    if (to === 'Workload' ? revision === undefined : revision !== undefined && revision === to) ready++
    else if (to !== 'Workload') others++
  }
  return { ready, others }
}

/** Names of the pods behind a Service's ready endpoints, each once; an endpoint without a pod gets a name that no pod has. */
function readyPods(world: World, service: KubeObject): ReadonlySet<string> {
  const slices = world.list('EndpointSlice', service.metadata.namespace, { 'kubernetes.io/service-name': service.metadata.name })
  const endpoints: { conditions?: { ready?: boolean }; targetRef?: { kind?: string; name?: string } }[] = slices.flatMap((slice) => slice['endpoints'] ?? [])
  const ready = endpoints.filter((endpoint) => endpoint.conditions?.ready !== false)
  return new Set(ready.map((endpoint, index) => (endpoint.targetRef?.kind === 'Pod' && endpoint.targetRef.name ? endpoint.targetRef.name : `#${index}`)))
}

function remembers(service: KubeObject, annotations: Readonly<Record<string, string>>): boolean {
  return Object.entries(annotations).every(([key, value]) => service.metadata.annotations?.[key] === value)
}
