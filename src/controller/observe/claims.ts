/** What a rollout claims for itself, and which older one has it already. Claims are on the workload, on names, and on single http routes. */
import { doorNames } from '../../revision/naming.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import type { Blocker } from '../../rollout/seen.ts'
import { leadsTo } from '../../traffic/hosts.ts'
import { routeLabel } from '../../traffic/istio.ts'
import { listOf } from '../../traffic/json.ts'
import type { Arms } from '../../traffic/router.ts'
import type { World } from '../world.ts'
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
  readonly routes: readonly { readonly object: string; readonly namespace: string; readonly name: string; readonly routes?: readonly string[] }[]
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
  const { istio, smi } = spec.traffic ?? {}
  const objects = [
    ...(workload === undefined ? [] : [`Deployment ${namespace}/${workload}`]),
    ...(planned.mode === 'Revisions' ? [`Service ${namespace}/${doorNames(named).stable}`] : []),
    ...(istio?.managed ? [`VirtualService ${namespace}/${named}`] : []),
    ...(smi ? [`TrafficSplit ${namespace}/${named}`] : []),
  ]
  const routes = (istio?.virtualServiceRefs ?? []).map((ref) => {
    const where = ref.namespace ?? namespace
    return { object: `VirtualService ${where}/${ref.name}`, namespace: where, name: ref.name, ...(ref.routes ? { routes: ref.routes } : {}) }
  })
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

/** The http routes that a claim means: those it names, else those in which both of its arms are destinations. */
function labelsOf(scope: Scope, { metadata: { namespace = '' } }: KubeObject, { spec, named }: Claims, claim: Claims['routes'][number]): readonly string[] {
  if (claim.routes) return claim.routes
  const arms = armsOf(spec, named, namespace, scope.settings.clusterDomain)
  return arms ? routesWith(scope.world, claim, arms, scope.settings.clusterDomain) : []
}

function routesWith(world: World, { namespace, name }: { namespace: string; name: string }, arms: Arms, clusterDomain: string): readonly string[] {
  const http = listOf(world.get('VirtualService', namespace, name)?.spec?.http)
  const has = (route: any, arm: Arms['stable']) => listOf(route?.route).some((item) => leadsTo(item?.destination, arm, namespace, clusterDomain))
  return http.filter((route) => has(route, arms.stable) && has(route, arms.canary)).map(routeLabel)
}

function isOlder(a: KubeObject, { createdAt }: Claims, b: KubeObject, { createdAt: other }: Claims): boolean {
  return createdAt === other ? `${a.metadata.namespace}/${a.metadata.name}` < `${b.metadata.namespace}/${b.metadata.name}` : createdAt < other
}
