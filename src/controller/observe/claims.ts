/** What a rollout claims for itself, and which older one has it already. Claims are on the workload, on names, and on single http routes. */
import { rolloutLabel } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import type { Blocker } from '../../rollout/seen.ts'
import { leadsTo } from '../../traffic/hosts.ts'
import { routeLabel } from '../../traffic/istio.ts'
import type { Arms } from '../../traffic/router.ts'
import type { World } from '../world.ts'
import { armsOf } from './arms.ts'
import { type Scope, timeOf } from './scope.ts'

interface Claims {
  /** Whole objects: `Deployment shop/checkout`. */
  readonly objects: readonly string[]
  /** Objects in which single routes are claimed. */
  readonly routes: readonly { readonly object: string; readonly namespace: string; readonly name: string; readonly routes?: readonly string[] }[]
}
const known = new WeakMap<KubeObject, Claims>()

/** TargetClaimed: an older rollout has the workload, a name or a route that this one wants. The oldest wins; equal ages go by namespace and name. */
export function claimBlockers(scope: Scope): readonly Blocker[] {
  const mine = claimsOf(scope.rollout)
  for (const other of scope.world.list('Rollout', undefined)) {
    if (other.metadata.uid === scope.rollout.metadata.uid || !isOlder(other, scope.rollout)) continue
    const what = overlap(scope, mine, other)
    if (!what) continue
    const message = `${what} belongs to the older Rollout ${other.metadata.namespace}/${other.metadata.name}: delete one of the two, or give each a target of its own`
    return [{ reason: 'TargetClaimed', message, stops: 'Raise', stalled: true }]
  }
  return []
}

/** Whether an object carries the label of any rollout. */
export function isSomebodys(object: KubeObject): boolean {
  return object.metadata.labels?.[rolloutLabel] !== undefined
}

function claimsOf(rollout: KubeObject): Claims {
  const cached = known.get(rollout)
  if (cached) return cached
  const { namespace = '', name } = rollout.metadata
  const spec: Partial<RolloutSpec> = rollout.spec ?? {}
  const workload = spec.workloadRef?.name ?? spec.backends?.canary?.workloadRef?.name
  const named = planName(spec, name)
  const { istio, smi } = spec.traffic ?? {}
  const claims: Claims = {
    objects: [
      ...(workload === undefined ? [] : [`Deployment ${namespace}/${workload}`]),
      ...(spec.workloadRef ? [`Service ${namespace}/${named}-stable`] : []),
      ...(istio?.managed ? [`VirtualService ${namespace}/${named}`] : []),
      ...(smi ? [`TrafficSplit ${namespace}/${named}`] : []),
    ],
    routes: (istio?.virtualServiceRefs ?? []).map((ref) => {
      const where = ref.namespace ?? namespace
      return { object: `VirtualService ${where}/${ref.name}`, namespace: where, name: ref.name, ...(ref.routes ? { routes: ref.routes } : {}) }
    }),
  }
  known.set(rollout, claims)
  return claims
}

function overlap(scope: Scope, mine: Claims, other: KubeObject): string | undefined {
  const theirs = claimsOf(other)
  const object = mine.objects.find((claim) => theirs.objects.includes(claim))
  if (object) return object
  const whole = mine.routes.find((claim) => theirs.objects.includes(claim.object)) ?? theirs.routes.find((claim) => mine.objects.includes(claim.object))
  if (whole) return whole.object
  for (const claim of mine.routes) {
    for (const rival of theirs.routes.filter((candidate) => candidate.object === claim.object)) {
      const wanted = new Set(labelsOf(scope, scope.rollout, claim))
      const shared = labelsOf(scope, other, rival).find((label) => wanted.has(label))
      if (shared !== undefined) return `route "${shared}" of ${claim.object}`
    }
  }
  return undefined
}

/** The http routes that a claim means: those it names, else those in which both of its arms are destinations. */
function labelsOf(scope: Scope, rollout: KubeObject, claim: Claims['routes'][number]): readonly string[] {
  if (claim.routes) return claim.routes
  const { namespace = '', name } = rollout.metadata
  const spec: Partial<RolloutSpec> = rollout.spec ?? {}
  const arms = armsOf(spec, planName(spec, name), namespace, scope.settings.clusterDomain)
  return arms ? routesWith(scope.world, claim, arms, scope.settings.clusterDomain) : []
}

function routesWith(world: World, { namespace, name }: { namespace: string; name: string }, arms: Arms, clusterDomain: string): readonly string[] {
  const http: any[] = world.get('VirtualService', namespace, name)?.spec?.http ?? []
  const has = (route: any, arm: Arms['stable']) => (route?.route ?? []).some((item: any) => leadsTo(item?.destination, arm, namespace, clusterDomain))
  return http.filter((route) => has(route, arms.stable) && has(route, arms.canary)).map(routeLabel)
}

function planName(spec: Partial<RolloutSpec>, name: string): string {
  return spec.workloadRef ? (spec.service?.name ?? spec.workloadRef.name) : name
}

function isOlder(a: KubeObject, b: KubeObject): boolean {
  const age = timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp)
  if (age !== 0) return age < 0
  return `${a.metadata.namespace}/${a.metadata.name}` < `${b.metadata.namespace}/${b.metadata.name}`
}
