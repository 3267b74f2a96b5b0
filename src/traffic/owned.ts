/** Keeping our own objects in step: what differs from what is wanted, and the patch that mends it without moving the split. Pure. */
import type { JsonPatchOp, KubeObject } from '../rollout/objects.ts'
import { same, setAt } from './json.ts'
import { totalOf, unitEdits, type Layout, type Place } from './layout.ts'
import type { Arms, Selector } from './router.ts'
import { canaryWeight, shareOf } from './weights.ts'

/** Where an owned route keeps the split. Left out for objects without one, such as DestinationRules. */
export interface SplitIn {
  readonly places: Layout['places']
  readonly arms: Arms
  readonly selector: Selector
}

/**
 * Which parts of our object are out of step: `spec` (weights aside, but a total too coarse for what the wanted one expresses counts), `labels`,
 * `ownerReferences`. Labels, annotations and owners that others added do not count. Empty: in step.
 */
export function ownedDifference(present: KubeObject, wanted: KubeObject, split?: SplitIn): readonly ('spec' | 'labels' | 'ownerReferences')[] {
  const labels = Object.entries(wanted.metadata.labels ?? {}).some(([key, value]) => present.metadata.labels?.[key] !== value)
  return [
    ...(same(nextSpec(present, wanted, split), present.spec) ? [] : ['spec' as const]),
    ...(labels ? ['labels' as const] : []),
    ...(missingOwners(present, wanted).length > 0 ? ['ownerReferences' as const] : []),
  ]
}

/** The JSON patch that brings our object in step, with the split as it stands in it; it tests what it replaces. Empty when in step. */
export function ownedPatch(present: KubeObject, wanted: KubeObject, split?: SplitIn): readonly JsonPatchOp[] {
  const different = ownedDifference(present, wanted, split)
  const owners = present.metadata.ownerReferences
  return [
    ...(different.includes('spec') ? replaced('/spec', present.spec, nextSpec(present, wanted, split)) : []),
    ...(different.includes('labels') ? replaced('/metadata/labels', present.metadata.labels, { ...present.metadata.labels, ...wanted.metadata.labels }) : []),
    ...(different.includes('ownerReferences')
      ? replaced('/metadata/ownerReferences', owners, [...(owners ?? []), ...missingOwners(present, wanted)])
      : []),
  ]
}
function replaced(path: string, from: unknown, to: unknown): readonly JsonPatchOp[] {
  return [{ op: 'test', path, value: from ?? null }, { op: from === undefined ? 'add' : 'replace', path, value: to }]
}

/** Owners by uid. */
function missingOwners(present: KubeObject, wanted: KubeObject): readonly object[] {
  return (wanted.metadata.ownerReferences ?? []).filter((owner) => !present.metadata.ownerReferences?.some(({ uid }) => uid === owner.uid))
}

/** The wanted spec with the weights of the present object: those of the route of the same label, else of its first one; as wanted where it has none. */
function nextSpec(present: KubeObject, wanted: KubeObject, split: SplitIn | undefined): unknown {
  if (!split) return wanted.spec
  const before = split.places(present, split.arms, split.selector).places
  if (before.length === 0) return wanted.spec
  const { places } = split.places(wanted, split.arms, split.selector)
  return places.reduce((next, place) => carried(next, place, before.find(({ label }) => label === place.label) ?? before[0]!), wanted).spec
}
function carried(object: KubeObject, to: Place, from: Place): KubeObject {
  // A finer total stays as it is: a share of 0.5% rounded up to 1 of 100 would be a raise.
  const keep = totalOf(from) >= totalOf(to)
  const canary = keep ? from.canary.units : canaryWeight(shareOf(from.canary.units, totalOf(from)), totalOf(to))
  const edits = unitEdits(to, (keep ? totalOf(from) : totalOf(to)) - canary, canary)
  const exact = keep ? edits.map((edit) => ({ ...edit, to: edit.path === to.stable.path ? from.stable.value : from.canary.value })) : edits
  return exact.reduce((next, edit) => setAt(next, edit.path, edit.to), object)
}
