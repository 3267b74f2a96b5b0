/** How long each step of a Rollout will take at a given traffic. Pure. */
import { longestWindowMs, scrapesToPass } from '../analysis/windows.ts'
import { formatDuration } from '../rollout/duration.ts'
import type { Plan, PlannedStep } from '../rollout/plan.ts'

export interface Pace {
  /** Requests a second that the whole service gets. */
  readonly perSecond: number
  readonly propagationDelayMs: number
}
export interface StepPace {
  /** From 0. */
  readonly index: number
  /** Percent. */
  readonly weight: number
  readonly holdMs: number
  /** Requests a second that reach the canary. */
  readonly perSecond: number
  /** ms from the split being in force until every check can pass: requests and scrapes; undefined: never, since windows reach back an hour. 0 where nothing is asked. */
  readonly evidenceMs: number | undefined
  /** ms from the raise to the next step, without approvals and the start of pods; undefined: never. */
  readonly lastsMs: number | undefined
  readonly approval?: 'Before' | 'After'
  /** What decides how long it lasts, or ends it. */
  readonly because: string
}

/** One line for each step. A step lasts its hold, or until its evidence is there and was looked at, whichever is longer. */
export function paceOf(plan: Plan, pace: Pace): readonly StepPace[] {
  return plan.steps.map(step => stepPace(plan, step, pace))
}
function stepPace(plan: Plan, step: PlannedStep, { perSecond: all, propagationDelayMs }: Pace): StepPace {
  const { scrapeIntervalMs } = plan
  const perSecond = (all * step.weight) / 100
  const base = { index: step.index, weight: step.weight, holdMs: step.holdMs, perSecond, ...(step.approval ? { approval: step.approval } : {}) }
  const deciding = step.weight === 0 ? [] : plan.checks.filter(check => check.onFailure !== 'Report')
  if (deciding.length === 0) return { ...base, evidenceMs: 0, lastsMs: step.holdMs + propagationDelayMs, because: step.weight === 0 ? 'readiness only' : 'hold' }
  const wanted = Math.max(...deciding.map(({ minRequests }) => minRequests))
  const requestsMs = (wanted / perSecond) * 1000
  if (!(requestsMs <= longestWindowMs)) return { ...base, evidenceMs: undefined, lastsMs: undefined, because: `${wanted} requests take ${Number.isFinite(requestsMs) ? formatDuration(requestsMs) : 'for ever'}: ${endless(plan)}` }
  const evidenceMs = Math.max(requestsMs, scrapesToPass * scrapeIntervalMs)
  // Counts are those of the last scrape, and are asked for once an interval.
  const judgedMs = Math.ceil((evidenceMs + scrapeIntervalMs) / plan.intervalMs) * plan.intervalMs
  const because = judgedMs <= step.holdMs ? 'hold' : requestsMs > scrapesToPass * scrapeIntervalMs ? `${wanted} requests` : 'five scrapes'
  return { ...base, evidenceMs, lastsMs: Math.max(step.holdMs, judgedMs) + propagationDelayMs, because }
}
/** More than an hour for the evidence is missing data. */
function endless({ noData: { action, deadlineMs } }: Plan): string {
  const after = formatDuration(deadlineMs)
  return { Hold: `it is Held after ${after}`, Fail: `it is taken back after ${after}`, Pass: `it passes unproven after ${after}` }[action]
}
