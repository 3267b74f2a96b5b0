import type { Action } from './actions.ts'
import type { PlanSettings } from './plan.ts'
import type { Note, RolloutStatus } from './schema.ts'

/** What the controller knows beside the objects. */
export interface Settings extends PlanSettings {
  readonly propagationDelayMs: number
  readonly clusterDomain: string
  /** Written to status.writer. */
  readonly identity: string
}
export interface Decision {
  /** Done first, before and without any commit. */
  readonly lower: readonly Action[]
  /** Absent: nothing to commit (and then `raise` may still repeat effects that an earlier commit already stands for). `sequence` is the next one. */
  readonly commit?: RolloutStatus
  /** Done only after the commit was won. In order; the first failure stops the rest. */
  readonly raise: readonly Action[]
  readonly notes: readonly Note[]
  /** Unix ms at which to look again without being woken. */
  readonly wakeAt?: number
}
