/** What unset fields of a Rollout mean: as built in, or as the administrator says. Pure. */
import { parseDuration } from './duration.ts'
import { inJourney } from './pass.ts'
import type { JourneyDefaults, RolloutDefaults, RolloutStatus } from './schema.ts'

/** Durations in milliseconds; what depends on the scrape interval is said in scrapes. */
export const defaults = {
  intervalScrapes: 2,
  /** A step without `hold` lasts as long as its evidence needs: four scrapes inside the window, and one for the series to be born. */
  holdScrapes: 5,
  failureLimit: 1,
  minRequests: 30,
  noData: { action: 'Hold', deadlineMs: 15 * 60_000 },
  sourceError: { action: 'Hold', deadlineMs: 5 * 60_000 },
  progressDeadlineMs: 10 * 60_000,
  onFailure: 'Rollback',
  retainStableMs: 30 * 60_000,
  revisionHistoryLimit: 3,
  deletionPolicy: 'Restore',
  timeZone: 'Etc/UTC',
  hookTimeoutMs: 10_000,
} as const

export interface Patience {
  readonly action: 'Hold' | 'Fail' | 'Pass'
  readonly deadlineMs: number
}
/** What each field means where a spec does not say it, in the units of a plan. */
export interface Unset {
  readonly intervalMs: number
  readonly holdMs: number
  readonly failureLimit: number
  readonly minRequests: number
  readonly noData: Patience
  readonly sourceError: Patience
  readonly progressDeadlineMs: number
  readonly onFailure: 'Rollback' | 'Hold'
  readonly retainStableMs: number
  readonly revisionHistoryLimit: number
  readonly deletionPolicy: 'Restore' | 'Orphan'
  readonly timeZone: string
}

/** `given` by the administrator, and for the rest what is built in; `scrapeIntervalMs` is that of the Rollout's metric source. */
export function unset(given: RolloutDefaults | undefined, scrapeIntervalMs: number): Unset {
  const analysis = given?.analysis
  return {
    intervalMs: length(analysis?.interval, defaults.intervalScrapes * scrapeIntervalMs),
    holdMs: defaults.holdScrapes * scrapeIntervalMs,
    failureLimit: analysis?.failureLimit ?? defaults.failureLimit,
    minRequests: analysis?.minRequests ?? defaults.minRequests,
    noData: patience(analysis?.noData, defaults.noData),
    sourceError: patience(analysis?.sourceError, defaults.sourceError),
    progressDeadlineMs: length(given?.progressDeadline, defaults.progressDeadlineMs),
    onFailure: given?.onFailure ?? defaults.onFailure,
    retainStableMs: length(given?.retainStable, defaults.retainStableMs),
    revisionHistoryLimit: given?.revisionHistoryLimit ?? defaults.revisionHistoryLimit,
    deletionPolicy: given?.deletionPolicy ?? defaults.deletionPolicy,
    timeZone: given?.schedule?.timeZone ?? defaults.timeZone,
  }
}
/** Each part by itself: a spec that says only `action` takes the deadline from `otherwise`. */
export function patience(given: { readonly action?: Patience['action']; readonly deadline?: string } | undefined, otherwise: Patience): Patience {
  return { action: given?.action ?? otherwise.action, deadlineMs: length(given?.deadline, otherwise.deadlineMs) }
}
/** A duration that is known to be valid, in ms; `otherwise` where there is none. */
export function length(duration: string | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : parseDuration(duration)!
}

/** What of `given` a journey is judged by, to be kept with it; undefined: nothing was given. */
export function keptWithJourney(given: RolloutDefaults | undefined): JourneyDefaults | undefined {
  const { analysis, progressDeadline, onFailure } = given ?? {}
  const kept = Object.fromEntries(Object.entries({ analysis, progressDeadline, onFailure }).filter(([, value]) => value !== undefined))
  return Object.keys(kept).length === 0 ? undefined : (kept as JourneyDefaults)
}
/** The defaults for a Rollout now: a journey under way is judged by those with which it began, whatever `given` says by now. */
export function inForce(given: RolloutDefaults | undefined, status: RolloutStatus | undefined): RolloutDefaults | undefined {
  const looksOn = status?.phase === 'Observing' && status.journey?.ended === undefined
  if (!status?.journey || !(inJourney(status) || looksOn)) return given
  const { analysis, progressDeadline, onFailure } = status.journey.defaults ?? {}
  return { ...given, analysis, progressDeadline, onFailure }
}
