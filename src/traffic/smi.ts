/** Router for SMI's TrafficSplit, and how Linkerd's extension takes a split over. Pure. */
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import { serviceHost } from './hosts.ts'
import { listOf } from './json.ts'
import { nothingToShare, problem, type Cell, type Place, type Problem } from './layout.ts'
import { routerOf } from './lens.ts'
import { milli, quantity } from './quantity.ts'
import type { Arms, Destination, Router, Selector } from './router.ts'
import { canaryWeight } from './weights.ts'

/** TrafficSplit of split.smi-spec.io: quantities in v1alpha1, whole numbers since v1alpha2. */
export const smi: Router = routerOf({ places })

function called(object: KubeObject): string {
  return `TrafficSplit ${object.metadata.namespace ?? 'default'}/${object.metadata.name}`
}

function places(object: KubeObject, arms: Arms, selector: Selector): { places: readonly Place[]; problems: readonly Problem[] } {
  const none = (reason: string, message: string): { places: []; problems: Problem[] } => ({ places: [], problems: [problem(reason, message)] })
  if (selector.routes) return none('RouteNotFound', `${called(object)} has no named routes: leave out routes ${selector.routes.join(', ')}`)
  if (arms.stable.service === arms.canary.service) return none('ArmsEqual', `stable and canary are both ${arms.stable.service}: name two Services`)
  const cells: Cell[] = []
  const identity: { path: (string | number)[]; value: unknown }[] = []
  for (const arm of [arms.stable, arms.canary]) {
    const found = cellOf(object, arm)
    if ('reason' in found) return { places: [], problems: [found] }
    cells.push(found)
    identity.push({ path: ['spec', 'backends', found.path[2]!, 'service'], value: arm.service })
  }
  const [stable, canary] = [cells[0]!, cells[1]!]
  if (stable.units + canary.units === 0) return { places: [], problems: [nothingToShare(called(object), arms.stable.service, arms.canary.service)] }
  const apex = { path: ['spec', 'service'], value: object.spec.service ?? null }
  return { places: [{ label: 'split', identity: [apex, ...identity], stable, canary }], problems: [] }
}

function cellOf(object: KubeObject, arm: Destination): Cell | Problem {
  const backends = listOf(object.spec?.backends)
  const at = backends.flatMap((backend, index) => (backend?.service === arm.service ? [index] : []))
  if ((object.metadata.namespace ?? 'default') !== arm.namespace || at.length === 0) {
    const lines = `{service: ${arm.service}, weight: 0}`
    return problem('RouteLacksDoors', `${called(object)} has no backend ${arm.service} in namespace ${arm.namespace}: commit under spec.backends ${lines}`)
  }
  if (at.length > 1) return problem('DestinationRepeated', `${called(object)} names backend ${arm.service} ${at.length} times: keep one of them`)
  const index = at[0]!
  const value = backends[index].weight
  const path = ['spec', 'backends', index, 'weight']
  if (quantities(object)) {
    // v1alpha1: thousandths, as Linkerd reads them. An integer stays one where it can, everything else becomes a quantity in its shortest form.
    const units = value === undefined ? 0 : milli(value)
    if (units !== undefined) return { path, value, units, written: (next) => (typeof value === 'number' && next % 1000 === 0 ? next / 1000 : quantity(next)) }
    return invalid(object, arm, value, 'a quantity of 0 or more, for example 100 or 900m')
  }
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return { path, value, units: value ?? 0, written: (units) => units }
  return invalid(object, arm, value, 'an integer of 0 or more')
}
function invalid(object: KubeObject, arm: Destination, value: unknown, remedy: string): Problem {
  return problem('WeightInvalid', `${called(object)} has weight ${JSON.stringify(value)} at backend ${arm.service}: write ${remedy}`)
}
function quantities(object: KubeObject): boolean {
  return object.apiVersion === 'split.smi-spec.io/v1alpha1'
}

/** The API version to speak of those that the cluster serves, or undefined where none is known. v1alpha2 and v1alpha1 are what Linkerd's extension serves. */
export function trafficSplitVersion(served: readonly string[]): string | undefined {
  return ['v1alpha2', 'v1alpha1', 'v1alpha4', 'v1alpha3'].find((version) => served.includes(version))
}

export interface ManagedTrafficSplit {
  /** `split.smi-spec.io/<version>`, the version of `trafficSplitVersion`. */
  readonly apiVersion: string
  /** Name of the object and of its apex Service. */
  readonly name: string
  readonly namespace: string
  readonly arms: Arms
  /** Sum of the weights: 100 or 1000 (`managedTotal`). */
  readonly total: number
  /** The canary arm's share in percent. */
  readonly canary: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}
/** The TrafficSplit that Sluice keeps itself. */
export function managedTrafficSplit(wanted: ManagedTrafficSplit): KubeObject {
  const { apiVersion, name, namespace, arms, total, labels, annotations, ownerReferences } = wanted
  const canary = canaryWeight(wanted.canary, total)
  const backends = [{ service: arms.stable.service, weight: total - canary }, { service: arms.canary.service, weight: canary }]
  const metadata = { name, namespace, labels, ...(annotations ? { annotations } : {}), ownerReferences }
  return { apiVersion, kind: 'TrafficSplit', metadata, spec: { service: name, backends } }
}

/** Name of the ServiceProfile (linkerd.io/v1alpha2, in the split's namespace) into which Linkerd's extension copies a split. */
export function serviceProfileName(split: KubeObject, clusterDomain: string): string {
  return serviceHost(String(split.spec?.service), split.metadata.namespace ?? 'default', clusterDomain)
}

/**
 * Whether Linkerd serves this split: the ServiceProfile's dstOverrides name exactly its backends (`<backend>.<namespace>.svc.<domain>`) with their weights.
 * No profile, or one whose overrides are empty: not yet.
 */
export function profileFollows(profile: KubeObject | undefined, split: KubeObject, clusterDomain: string): boolean {
  const overrides = listOf(profile?.spec?.dstOverrides)
  const backends = listOf(split.spec?.backends)
  const weights = new Map(overrides.map((override) => [override?.authority, milli(override?.weight)]))
  return overrides.length === backends.length && weights.size === backends.length && backends.every((backend) => {
    const weight = weights.get(serviceHost(String(backend?.service), split.metadata.namespace ?? 'default', clusterDomain))
    return weight !== undefined && weight === milli(backend?.weight)
  })
}

const skipAnnotation = 'smi.linkerd.io/skip'
/** `SplitIgnored` where the annotation `smi.linkerd.io/skip`, whatever its value, keeps Linkerd's extension from writing the profile. */
export function splitIgnored(profile: KubeObject | undefined): Problem | undefined {
  const value = profile?.metadata.annotations?.[skipAnnotation]
  if (value === undefined) return undefined
  const where = `ServiceProfile ${profile!.metadata.namespace}/${profile!.metadata.name} has annotation ${skipAnnotation}: ${value || '""'}`
  return problem('SplitIgnored', `${where}, so Linkerd's SMI extension does not take the split over: remove the annotation`)
}
