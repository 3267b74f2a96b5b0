/** What all routers share: reading and writing the weights of two arms wherever a layout finds them. Pure. */
import type { JsonPatchOp } from '../rollout/objects.ts'
import { closedTo, closedToPatch } from './closed-to.ts'
import { pointer, same, setAt, type Path } from './json.ts'
import { totalOf, weightEdits, type Layout } from './layout.ts'
import { ownedPatch } from './owned.ts'
import type { Router } from './router.ts'
import { isEven, rounded, shareOf } from './weights.ts'

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
      const edits = layout.places(object, arms, selector).places.flatMap((place) => weightEdits(place, split.canary))
      return edits.reduce((next, edit) => setAt(next, edit.path, edit.to), object)
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
    upkeep: (present, wanted, arms, selector) => ownedPatch(present, wanted, { places: layout.places, arms, selector }),
    rounded,
  }
}

function testOf(path: Path, value: unknown): JsonPatchOp {
  return { op: 'test', path: pointer(path), value }
}
function once(operations: readonly JsonPatchOp[]): readonly JsonPatchOp[] {
  return operations.filter((operation, index) => operations.findIndex((other) => same(other, operation)) === index)
}
