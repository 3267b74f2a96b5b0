/** One rollout's raw objects, from caches, in the words of the domain. No network, no clock of its own: milliseconds. */
import type { Reading } from '../analysis/reading.ts'
import { trafficFinalizer } from '../revision/marks.ts'
import type { Settings } from '../rollout/decision.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { Plan, SpecProblem } from '../rollout/plan.ts'
import { armsUnderway, nameOf } from '../rollout/arms.ts'
import type { RolloutSpec, RolloutStatus } from '../rollout/schema.ts'
import type { Seen } from '../rollout/seen.ts'
import { watchpoints } from '../rollout/watchpoints.ts'
import type { Arms } from '../traffic/router.ts'
import { armsOf } from './observe/arms.ts'
import { type BackendsSeen, backendsSeen } from './observe/backends.ts'
import { blockersOf } from './observe/blockers.ts'
import { doorsSeen, doorUpkeep } from './observe/doors.ts'
import { managedBlockers, managedUpkeep } from './observe/managed.ts'
import { policiesSeen, type Policy } from './observe/policies.ts'
import { remarksOf } from './observe/remarks.ts'
import { dependenciesSeen, requestsSeen } from './observe/requests.ts'
import { type Route, routeBlockers, routeRemarks, routeSeen, routesOf } from './observe/routes.ts'
import { templateBlockers, templateRemarks, templatesSeen, withTemplates } from './observe/templates.ts'
import { type Scope, scopeOf, timeOf } from './observe/scope.ts'
import { sight, type Sightings } from './observe/sightings.ts'
import { type Contents, trackedBlockers } from './observe/tracked.ts'
import { revisionSeen, revisionUpkeep, templateRevision, workloadSeen } from './observe/workload.ts'
import { type Kind, watched, type World } from './world.ts'

/** The objects behind a Seen. A write takes its precondition from here: from what this very pass saw. */
export interface Raw {
  readonly scope: Scope
  readonly routes: ReadonlyMap<string, Route>
  readonly policies: ReadonlyMap<string, Policy>
}
/** What the loop knows beside the caches. */
export interface Known {
  readonly readings?: readonly Reading[]
  readonly hookAnswers?: Seen['hookAnswers']
  readonly delivered?: readonly string[]
  /** Facts that no object tells: channels that do not work. */
  readonly remarks?: Seen['remarks']
  readonly clockOffsetMs?: number
  /** What was read of tracked ConfigMaps and Secrets. Left out, nobody reads them, and nothing is said of them. */
  readonly contents?: Contents
}
export type Observation =
  /** `problems`: the spec as it stands is invalid; seen.spec and plan are what could be saved of it, enough to lower and to abort. */
  | { readonly state: 'Seen'; readonly seen: Seen; readonly raw: Raw; readonly plan: Plan; readonly problems: readonly SpecProblem[] }
  /** No complete list of these kinds yet, so nothing that is absent is known to be. */
  | { readonly state: 'Syncing'; readonly kinds: readonly Kind[] }
  /** The caches hold no such Rollout. */
  | { readonly state: 'Gone' }

/** The newest shape of the status that this Sluice writes. */
export const statusSchema = 1

/** One pass' view of the Rollout `namespace/name`. `memory` is the one thing that is changed: since when watched values are what they are. */
export function observe(world: World, key: string, settings: Settings, memory: Sightings, now: number, known: Known = {}): Observation {
  const kinds = syncing(world)
  if (kinds.length > 0) return { state: 'Syncing', kinds }
  const [namespace = '', name = ''] = key.split('/')
  const rollout = world.get('Rollout', namespace, name)
  return rollout ? observeRollout(world, rollout, settings, memory, now, known) : { state: 'Gone' }
}

/** The same for a Rollout object that need not be in the cache (gone.ts makes one of what is left of a deleted Rollout). */
export function observeRollout(world: World, rollout: KubeObject, settings: Settings, memory: Sightings, now: number, known: Known = {}): Observation {
  const scope = underway(scopeOf(world, rollout, settings, known.contents))
  const arms = leading(scope, armsOf(scope.spec, scope.plan.name, scope.namespace, settings.clusterDomain))
  const routes = arms ? routesOf(scope, arms) : []
  const view = scope.spec.backends && arms ? viewOfBackends(backendsSeen(scope, arms)) : viewOfRevisions(scope, arms)
  const templates = templatesSeen(scope)
  const routesSeen = routes.map((route) => routeSeen(scope, route))
  const seen: Omit<Seen, 'since'> = {
    rollout: identity(world, rollout),
    spec: scope.spec,
    ...statusOf(rollout),
    workload: workloadSeen(scope, view.templateRevision),
    revisions: view.revisions,
    ...(view.backends ? { backends: { ...view.backends, ...renamed(scope) } } : {}),
    doors: view.doors,
    routes: routesSeen,
    requests: requestsSeen(scope),
    readings: known.readings ?? [],
    ...(templates.length > 0 ? { templates } : {}),
    ...(known.hookAnswers && known.hookAnswers.length > 0 ? { hookAnswers: known.hookAnswers } : {}),
    ...(known.delivered ? { delivered: known.delivered } : {}),
    ...(known.clockOffsetMs === undefined ? {} : { clockOffsetMs: known.clockOffsetMs }),
    dependencies: dependenciesSeen(scope),
    blockers: [
      ...blockersOf(scope, view.templateRevision), ...view.blockers, ...templateBlockers(scope.plan, templates),
      ...trackedBlockers(scope, view.templateRevision, known.contents !== undefined),
      ...routes.flatMap((route, index) => [...routeBlockers(scope, route, routesSeen[index]!), ...managedBlockers(scope, route)]),
    ],
    remarks: [...remarksOf(scope), ...templateRemarks(scope.plan, templates), ...routes.flatMap(routeRemarks), ...(known.remarks ?? [])],
    // With an invalid spec nobody knows what our objects have to look like.
    upkeep: scope.problems.length > 0 || isLeaving(scope) ? [] : [...view.upkeep, ...managedUpkeep(scope, routes)],
  }
  const raw: Raw = {
    scope,
    routes: new Map(routes.map((route) => [route.key, route])),
    policies: new Map(view.policies.map((policy) => [policy.name, policy])),
  }
  return { state: 'Seen', seen: { ...seen, since: sight(memory, watchpoints(seen), now) }, raw, plan: withTemplates(scope.plan, templates), problems: scope.problems }
}

/** With what their Services select by now, which is all that a route without a mesh can name. */
function leading({ doors }: Scope, arms: Arms | undefined): Arms | undefined {
  const arm = (door: 'stable' | 'canary'): Arms['stable'] => {
    const selector = doors[door]?.spec?.selector
    return selector ? { ...arms![door], selector } : arms![door]
  }
  return arms && { stable: arm('stable'), canary: arm('canary') }
}

/** With backends a journey keeps the arms that it began with, whatever the spec names by now. */
function underway(scope: Scope): Scope {
  const { backends } = scope.spec
  const written = statusOf(scope.rollout)
  return backends ? { ...scope, spec: { ...scope.spec, backends: armsUnderway(backends, written.statusFromFuture ? undefined : written.status) } } : scope
}
/** What the spec names, where that is not what the pass is about. */
function renamed(scope: Scope): Pick<NonNullable<Seen['backends']>, 'wanted'> {
  const named: RolloutSpec['backends'] = scope.rollout.spec?.backends
  const { backends } = scope.spec
  if (!named || !backends || (nameOf(named.stable) === nameOf(backends.stable) && nameOf(named.canary) === nameOf(backends.canary))) return {}
  return { wanted: { stableBackend: nameOf(named.stable), canaryBackend: nameOf(named.canary) } }
}

/** What differs between the two modes. */
interface View extends Pick<Seen, 'revisions' | 'backends' | 'doors' | 'blockers' | 'upkeep'> {
  readonly templateRevision: string | undefined
  readonly policies: readonly Policy[]
}
function viewOfBackends(seen: BackendsSeen): View {
  return { ...seen, templateRevision: seen.backends.canary, upkeep: [], policies: [] }
}
function viewOfRevisions(scope: Scope, arms: Arms | undefined): View {
  const { policies, upkeep, blockers } = arms ? policiesSeen(scope, arms) : { policies: [], upkeep: [], blockers: [] }
  return {
    templateRevision: templateRevision(scope),
    revisions: scope.revisions.map((revision) => revisionSeen(scope, revision)),
    doors: doorsSeen(scope),
    blockers,
    upkeep: [...revisionUpkeep(scope), ...doorUpkeep(scope), ...upkeep],
    policies,
  }
}

function identity(world: World, { metadata }: KubeObject): Seen['rollout'] {
  const { name, namespace = '', uid = '', generation = 0, creationTimestamp, deletionTimestamp, finalizers = [] } = metadata
  return {
    name, namespace, uid, generation,
    createdAt: timeOf(creationTimestamp),
    deleting: deletionTimestamp !== undefined,
    hasFinalizer: finalizers.includes(trafficFinalizer),
    namespaceTerminating: world.get('Namespace', '', namespace)?.metadata.deletionTimestamp !== undefined,
  }
}

/** A status without a sequence is none: nothing was ever decided on it. */
function statusOf(rollout: KubeObject): Pick<Seen, 'status' | 'statusFromFuture'> {
  const status = rollout.status as RolloutStatus | undefined
  const written = typeof status?.sequence === 'number'
  return { status: written ? status : undefined, statusFromFuture: written && status.schema > statusSchema }
}

function syncing(world: World): readonly Kind[] {
  return watched.map((watch) => watch.kind).filter((kind) => world.state(kind) === 'Syncing')
}

/** The workload is on its way out. With "--cascade=orphan" the garbage collector takes its owner marks away just now: to put them back would have everything collected with it. */
const isLeaving = ({ workload }: Scope): boolean => workload?.metadata.deletionTimestamp !== undefined
