/** What a rollout claims for itself, and which older one has it already. Claims are on the workload, on names, and on single http routes. */
import { doorNames } from '../../revision/naming.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import type { Blocker } from '../../rollout/seen.ts'
import { placesOf, type Provider, type RoutePlace } from '../../traffic/index.ts'
import { armsOf } from './arms.ts'
import { readSpec, type Scope, timeOf } from './scope.ts'

interface Claims {
  /** Every object that is claimed, whole or in part: who shares none has nothing to quarrel about. */
  readonly all: readonly string[]
  readonly createdAt: number
  readonly spec: RolloutSpec
  /** plan.name */
  readonly named: string
  /** Whole objects: `Deployment shop/checkout`. */
  readonly objects: readonly string[]
  /** Objects in which single routes are claimed. */
  readonly routes: readonly { readonly object: string; readonly provider: Provider; readonly place: RoutePlace }[]
}
const known = new WeakMap<KubeObject, Claims>()

/** TargetClaimed: an older rollout has the workload, a name or a route that this one wants. The oldest wins; equal ages go by namespace and name. */
export function claimBlockers(scope: Scope): readonly Blocker[] {
  const mine = claimsOf(scope, scope.rollout)
  const wanted = new Set(mine.all)
  for (const other of scope.world.list('Rollout', undefined)) {
    const theirs = claimsOf(scope, other)
    if (other.metadata.uid === scope.rollout.metadata.uid || !theirs.all.some((claim) => wanted.has(claim))) continue
    if (!isOlder(other, theirs, scope.rollout, mine)) continue
    const what = overlap(scope, mine, other)
    if (!what) continue
    const { namespace, name } = other.metadata
    const message = `${what} belongs to the older Rollout ${namespace}/${name}: delete one of the two, or give each a target of its own`
    return [{ reason: 'TargetClaimed', message, stops: 'Raise', stalled: true }]
  }
  return []
}

/** Also of a Rollout that is invalid otherwise: what it leads to stays claimed. */
function claimsOf(scope: Scope, rollout: KubeObject): Claims {
  const cached = known.get(rollout)
  if (cached) return cached
  const { namespace = '' } = rollout.metadata
  const { spec, planned } = readSpec(rollout, scope.settings)
  const { workload, name: named } = planned
  // Who only looks on takes nothing from anybody.
  if (planned.observes) {
    const none: Claims = { all: [], createdAt: 0, spec, named, objects: [], routes: [] }
    known.set(rollout, none)
    return none
  }
  const { provider, places = [] } = placesOf(spec.traffic, { namespace, name: named }) ?? {}
  const objects = [
    ...(workload === undefined ? [] : [`Deployment ${namespace}/${workload}`]),
    ...(planned.mode === 'Revisions' ? [`Service ${namespace}/${doorNames(named).stable}`] : []),
    ...places.filter((place) => place.managed).map((place) => `${place.kind} ${place.namespace}/${place.name}`),
  ]
  const routes = places.filter((place) => !place.managed)
    .map((place) => ({ object: `${place.kind} ${place.namespace}/${place.name}`, provider: provider!, place }))
  const all = [...objects, ...routes.map(({ object }) => object)]
  const claims: Claims = { all, createdAt: timeOf(rollout.metadata.creationTimestamp), spec, named, objects, routes }
  known.set(rollout, claims)
  return claims
}

function overlap(scope: Scope, mine: Claims, other: KubeObject): string | undefined {
  const theirs = claimsOf(scope, other)
  const object = mine.objects.find((claim) => theirs.objects.includes(claim))
  if (object) return object
  const whole = mine.routes.find((claim) => theirs.objects.includes(claim.object)) ?? theirs.routes.find((claim) => mine.objects.includes(claim.object))
  if (whole) return whole.object
  for (const claim of mine.routes) {
    for (const rival of theirs.routes.filter((candidate) => candidate.object === claim.object)) {
      const wanted = new Set(labelsOf(scope, scope.rollout, mine, claim))
      const shared = labelsOf(scope, other, theirs, rival).find((label) => wanted.has(label))
      if (shared !== undefined) return `route "${shared}" of ${claim.object}`
    }
  }
  return undefined
}

/** The routes that a claim means: those it names, else those in which both of its arms are destinations. */
function labelsOf(scope: Scope, { metadata: { namespace = '' } }: KubeObject, { spec, named }: Claims, claim: Claims['routes'][number]): readonly string[] {
  const { provider, place } = claim
  const { clusterDomain } = scope.settings
  const object = scope.world.get(place.kind, place.namespace, place.name)
  return provider.labels(object, armsOf(spec, named, namespace, clusterDomain), { clusterDomain, ...(place.routes ? { routes: place.routes } : {}) })
}

function isOlder(a: KubeObject, { createdAt }: Claims, b: KubeObject, { createdAt: other }: Claims): boolean {
  return createdAt === other ? `${a.metadata.namespace}/${a.metadata.name}` < `${b.metadata.namespace}/${b.metadata.name}` : createdAt < other
}
