/** Where an object keeps the weights of two arms, and the edits that change them: what a mesh adds to the routers. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import type { Path } from './json.ts'
import type { Arms, RouteReading, Selector, SplitChange } from './router.ts'
import { canaryWeight } from './weights.ts'

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

/** A problem of this reason (CamelCase), with a sentence for people. */
export function problem(reason: string, message: string): Problem {
  return { reason, message }
}
/** The problem of a route (`where`) whose arms, as they are called, both have weight 0: there is nothing to share. */
export function nothingToShare(where: string, stable: string, canary: string): Problem {
  const remedy = `give ${stable} the weight that the two shall share, for example 100`
  return problem('WeightNotExpressible', `${where} gives 0 to both ${stable} and ${canary}: ${remedy}`)
}

/** What a mesh adds: where its weights are, and its routes that lead to the canary alone. */
export interface Layout {
  readonly places: (object: KubeObject, arms: Arms, selector: Selector) => { readonly places: readonly Place[]; readonly problems: readonly Problem[] }
  readonly canaryOnly?: (object: KubeObject, arms: Arms, selector: Selector) => RouteReading['canaryOnly']
  readonly redirects?: (object: KubeObject, arms: Arms, selector: Selector, change: NonNullable<SplitChange['canaryOnly']>) => readonly Edit[]
}

/** Sum of the two arms in units. */
export function totalOf(place: Place): number {
  return place.stable.units + place.canary.units
}

/** The edits that bring one route to a share; none where it expresses that share already. The total stays, so both weights change or neither. */
export function weightEdits(place: Place, share: number): readonly Edit[] {
  const canary = canaryWeight(share, totalOf(place))
  return unitEdits(place, totalOf(place) - canary, canary)
}

/** The same for weights in units, whatever the present total. */
export function unitEdits(place: Place, stable: number, canary: number): readonly Edit[] {
  const cells = [{ cell: place.stable, units: stable }, { cell: place.canary, units: canary }]
  return cells.filter(({ cell, units }) => cell.units !== units)
    .map(({ cell, units }) => ({ identity: place.identity, path: cell.path, from: cell.value, to: cell.written(units) }))
}
