/** The points of a journey at which hooks are called. A new one is one file beside this, one line in index.ts, one example; the suites cover it. */

/** A move that gives the new revision more than it has: the only thing that a hook can stand before. Nothing is ever asked before traffic is taken away. */
export interface Move {
  /** `Start`: from Waiting. `Step`: into a step. `Promotion`: after the last one. */
  readonly to: 'Start' | 'Step' | 'Promotion'
  /** Index of the step that is entered; of the last one before the promotion. */
  readonly step: number
  /** Percent that the revision has now, and that it would have. */
  readonly from: number
  readonly weight: number
}
interface Point {
  /** The value of `when`. */
  readonly when: string
  /** For the reference page, continuing the name. */
  readonly meaning: string
}
/** Asked until it agrees; until then the move is not made. */
export interface Gate extends Point {
  readonly kind: 'Gate'
  readonly before: (move: Move) => boolean
}
/** Called once for each step whose split is seen: the step is not left before it agrees, and a refusal is a failing check. */
export interface Evidence extends Point {
  readonly kind: 'Evidence'
  readonly during: (step: { readonly index: number; readonly weight: number }) => boolean
}
/** Told of notes of these types, at least once; nothing waits for it. */
export interface Report extends Point {
  readonly kind: 'Report'
  readonly of: readonly string[]
}
export type HookPoint = Gate | Evidence | Report
