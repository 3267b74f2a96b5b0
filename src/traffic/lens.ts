/** What all routers share: reading and writing the weights of two arms wherever an object keeps them. A mesh only says where that is. Pure. */
import type { JsonPatchOp, KubeObject } from '../rollout/objects.ts'
import { closedTo, closedToPatch } from './closed-to.ts'
import { pointer, same, setAt, type Path } from './json.ts'
import type { Arms, RouteReading, Router, Selector, SplitChange } from './router.ts'
import { canaryWeight, isEven, rounded, shareOf } from './weights.ts'

/** The weight of one arm in one route. */
export interface Cell {
  readonly path: Path
  /** As it stands in the object; undefined: absent. */
  readonly value: unknown
  /** The value in whole units of its route. */
  readonly units: number
  /** Units as this object writes them. */
  readonly written: (units: number) => unknown
}
/** One route in which both arms have a weight. */
export interface Place {
  /** For people, and to find the same route in another version of the object. */
  readonly label: string
  /** What makes it this route and these arms: values by path that a patch tests. null: absent. */
  readonly identity: readonly { readonly path: Path; readonly value: unknown }[]
  readonly stable: Cell
  readonly canary: Cell
}
/** A value that is to be replaced, with what must hold beside it. */
export interface Edit {
  readonly identity: Place['identity']
  readonly path: Path
  readonly from: unknown
  readonly to: unknown
}
export type Problem = RouteReading['problems'][number]
/** What a mesh adds: where its weights are, and its routes that lead to the canary alone. */
export interface Layout {
  readonly places: (object: KubeObject, arms: Arms, selector: Selector) => { readonly places: readonly Place[]; readonly problems: readonly Problem[] }
  readonly canaryOnly?: (object: KubeObject, arms: Arms, selector: Selector) => RouteReading['canaryOnly']
  readonly redirects?: (object: KubeObject, arms: Arms, selector: Selector, change: NonNullable<SplitChange['canaryOnly']>) => readonly Edit[]
}

/** The router of a layout. */
export function routerOf(layout: Layout): Router {
  return {
    read(object, arms, selector) {
      const { places, problems } = layout.places(object, arms, selector)
      const weights = places.map((place) => ({ canary: place.canary.units, total: totalOf(place) }))
      const mark = closedTo(object)
      return {
        canary: Math.max(0, ...weights.map(({ canary, total }) => shareOf(canary, total))),
        uneven: !isEven(weights),
        totals: weights.map(({ total }) => total),
        ...(mark ? { closedTo: mark } : {}),
        canaryOnly: layout.canaryOnly?.(object, arms, selector) ?? [],
        problems,
      }
    },
    write(object, arms, selector, split) {
      return layout.places(object, arms, selector).places.flatMap((place) => weightEdits(place, split.canary)).reduce((next, edit) => setAt(next, edit.path, edit.to), object)
    },
    patch(object, arms, selector, change) {
      const weights = layout.places(object, arms, selector).places.flatMap((place) => weightEdits(place, change.canary))
      const redirects = change.canaryOnly ? (layout.redirects?.(object, arms, selector, change.canaryOnly) ?? []) : []
      const edits = [...weights, ...redirects]
      const mark = closedToPatch(object, change.closedTo)
      if (edits.length === 0 && mark.changes.length === 0) return []
      const tests = edits.flatMap((edit) => [...edit.identity.map(({ path, value }) => testOf(path, value)), testOf(edit.path, edit.from ?? null)])
      const changes = edits.map((edit): JsonPatchOp => ({ op: edit.from === undefined ? 'add' : 'replace', path: pointer(edit.path), value: edit.to }))
      return [...once([mark.test, ...tests]), ...changes, ...mark.changes]
    },
    rounded,
  }
}

/** Sum of the two arms in units. */
export function totalOf(place: Place): number {
  return place.stable.units + place.canary.units
}

/** The edits that bring one route to a share; none where it expresses that share already. Both weights are tested, also one that stays. */
export function weightEdits(place: Place, share: number): readonly Edit[] {
  const canary = canaryWeight(share, totalOf(place))
  return unitEdits(place, totalOf(place) - canary, canary)
}

/** The same for weights in units, whatever the present total. */
export function unitEdits(place: Place, stable: number, canary: number): readonly Edit[] {
  if (place.canary.units === canary && place.stable.units === stable) return []
  const cells = [{ cell: place.stable, units: stable }, { cell: place.canary, units: canary }]
  const identity = [...place.identity, ...cells.map(({ cell }) => ({ path: cell.path, value: cell.value ?? null }))]
  return cells.filter(({ cell, units }) => cell.units !== units)
    .map(({ cell, units }) => ({ identity, path: cell.path, from: cell.value, to: cell.written(units) }))
}

function testOf(path: Path, value: unknown): JsonPatchOp {
  return { op: 'test', path: pointer(path), value }
}
function once(operations: readonly JsonPatchOp[]): readonly JsonPatchOp[] {
  return operations.filter((operation, index) => operations.findIndex((other) => same(other, operation)) === index)
}
