/** One journey from its statuses: what was reached when, how it ended and why. Pure. */
import type { RolloutStatus } from '../../rollout/schema.ts'
import { underWay } from '../view.ts'
import { clean } from '../words.ts'
import type { Outcome, Scenario } from './scenarios.ts'

/** One line of --json. */
export interface Report {
  readonly scenario: string
  readonly outcome: string
  readonly expected: Outcome
  /** In numbers where a check decided. */
  readonly reason: string
  /** Shares of traffic that it had, in percent, and for how many simulated seconds. */
  readonly steps: readonly { readonly weight: number; readonly seconds: number }[]
  /** Requests that the new version answered, and the bad ones among them, as Sluice measured them. */
  readonly requests: { readonly served: number; readonly lost: number }
  /** From its start to its end, simulated. */
  readonly seconds: number
}
export interface Ended {
  readonly outcome: string
  readonly reason: string
  readonly requests: { readonly served: number; readonly lost: number }
  readonly startedAt: number
  /** Unix ms of the first moment at which its share could not rise any more. */
  readonly decidedAt: number
  readonly endedAt: number
}

/** Collects the shares that a journey reaches. */
export class Shares {
  readonly #reached: { readonly weight: number; readonly at: number }[] = []

  add(status: RolloutStatus): void {
    const weight = underWay(status)?.weight
    if (weight?.seen === undefined || weight.seen === 0 || weight.seenAt === undefined) return
    if (this.#reached.at(-1)?.weight !== weight.seen) this.#reached.push({ weight: weight.seen, at: Date.parse(weight.seenAt) })
  }

  /** Each share with its simulated seconds; the last one lasted until `end` (Unix ms). */
  until(end: number): Report['steps'] {
    return this.#reached.map(({ weight, at }, index) => ({ weight, seconds: seconds((this.#reached[index + 1]?.at ?? end) - at) }))
  }
}

/** How the journey after `before` (an id) ended; undefined while it goes on. Held is an end: without a person nothing moves. */
export function endOf(status: RolloutStatus, before: string | undefined): Ended | undefined {
  const { journey } = status
  if (journey === undefined || journey.id === before) return undefined
  const { requests } = journey
  const startedAt = Date.parse(journey.startedAt)
  if (journey.ended !== undefined) {
    const endedAt = Date.parse(journey.ended.at)
    const flipped = status.decisions.findLast(one => one.decision === 'Flipping')?.at
    const decidedAt = Date.parse(journey.closing?.at ?? flipped ?? journey.ended.at)
    return { outcome: journey.ended.outcome, reason: clean(journey.closing?.message ?? journey.ended.reason), requests, startedAt, decidedAt, endedAt }
  }
  if (status.phase !== 'Held' || journey.held === undefined) return undefined
  const at = Date.parse(journey.held.at)
  return { outcome: 'Held', reason: clean(journey.held.message), requests, startedAt, decidedAt: at, endedAt: at }
}

/** The line of a journey. `reason` in place of the journey's own, where something better is known. */
export function report(scenario: Scenario, ended: Ended, shares: Shares, reason = ended.reason): Report {
  const { outcome, requests } = ended
  return {
    scenario: scenario.name, outcome, expected: scenario.expected, reason,
    steps: shares.until(ended.decidedAt), requests, seconds: Math.floor((ended.endedAt - ended.startedAt) / 1000),
  }
}
function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1000))
}
