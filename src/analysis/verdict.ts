/** From counts to a verdict, by threshold, in two windows as in alerting on error budgets. */
import type { ArmCounts, Counts, Measure, Reading } from './reading.ts'
import { evaluateValue, type Range } from './value.ts'
import { longestWindowMs, scrapesToPass } from './windows.ts'

/** What a check allows. */
export interface CheckBounds {
  /** For people: `99.5%`, `500ms`. */
  readonly bound: string
  /** Share of requests that may be bad, 0..1. */
  readonly allowedBad: number
  readonly minRequests: number
  /** Of a query of one's own: what its value may be. The two above say nothing then. */
  readonly range?: Range
}
/** Where the last evaluation that counted towards failureLimit stood. */
export interface Memory {
  /** Unix ms at which its windows ended. */
  readonly countedAt?: number
  /** Bad requests in its slow window. */
  readonly countedBad?: number
}
export interface Evaluation {
  readonly verdict: 'Pass' | 'Fail' | 'NoData' | 'Error'
  /** For people: `99.71%`, `212ms`; absent without requests. */
  readonly value?: string
  /** One sentence: what was seen, or what is awaited. */
  readonly message: string
  /** Of the canary in the window that decided: the fast one where it alone fails, else the slow one. Absent of a query of one's own, which has no counts. */
  readonly total?: number
  readonly bad?: number
  /** It fails, and holds bad requests newer than the last counted one's. */
  readonly counts: boolean
  /** To be given to the next evaluation. */
  readonly memory: Memory
  /** NoData: Unix ms at which it will end at the present rate; absent where that cannot be said. */
  readonly expectedAt?: number
}

/** Bad requests that are no verdict yet, whatever the share: one failed request in thirty says nothing. */
const tolerated = 3

/** One check on one reading. No data is never Pass nor Fail; an answer that is an error is Error. */
export function evaluate(check: CheckBounds, reading: Reading, memory: Memory, scrapeIntervalMs: number): Evaluation {
  const { question, answer } = reading
  if (check.range !== undefined) return evaluateValue(reading, check.range, memory, scrapeIntervalMs)
  if (answer.state === 'Value' || answer.state === 'Empty') return { verdict: 'Error', message: 'a value was answered where counts were asked for', counts: false, memory }
  if (answer.state === 'Error') return { verdict: 'Error', message: answer.reason, total: 0, bad: 0, counts: false, memory }
  const { fast, slow } = answer.canary
  const failing = fails(check, slow) ? slow : fails(check, fast) ? fast : undefined
  const shown = failing ?? slow
  const value = shownValue(question.measure, answer.canary, shown)
  const seen = { ...(value === undefined ? {} : { value }), total: shown.total, bad: shown.bad }
  if (failing !== undefined) {
    const windowMs = failing === slow ? question.slowMs : question.fastMs
    const counts = hasNewer(reading, answer.canary, memory)
    const message = `${sentence(question.measure, failing, windowMs)}; the bound is ${check.bound}`
    return { verdict: 'Fail', ...seen, message, counts, memory: counts ? { countedAt: question.at, countedBad: slow.bad } : memory }
  }
  const enoughAt = check.minRequests <= slow.total ? question.at : reachedAt(check.minRequests, slow.total, reading)
  const scrapedAt = question.at - question.slowMs + scrapesToPass * scrapeIntervalMs
  if (check.minRequests <= slow.total && scrapedAt <= question.at) {
    return { verdict: 'Pass', ...seen, message: sentence(question.measure, slow, question.slowMs), counts: false, memory }
  }
  const expectedAt = enoughAt === undefined ? undefined : Math.max(enoughAt, scrapedAt)
  return { verdict: 'NoData', ...seen, message: awaited(check, slow, expectedAt), counts: false, memory, ...(expectedAt === undefined ? {} : { expectedAt }) }
}

/** The canary's share of the requests in the fast window, in percent; undefined without requests or without an answer. */
export function measuredShare(reading: Reading): number | undefined {
  if (reading.answer.state !== 'Counts') return undefined
  const canary = reading.answer.canary.fast.total
  const all = canary + reading.answer.stable.fast.total
  return all > 0 ? (100 * canary) / all : undefined
}

const fails = (check: CheckBounds, { total, bad }: Counts): boolean => total > 0 && total >= check.minRequests && bad > check.allowedBad * total + tolerated

/** Whatever lies in a window that began at or after the last counted evaluation is new; where windows overlap, more bad ones than then are. */
function hasNewer({ question }: Reading, { fast, slow }: ArmCounts, { countedAt, countedBad }: Memory): boolean {
  if (countedAt === undefined || question.at - question.slowMs >= countedAt) return slow.bad > 0 || fast.bad > 0
  if (question.at <= countedAt) return false
  return slow.bad > (countedBad ?? 0) || (question.at - question.fastMs >= countedAt && fast.bad > 0)
}

/** When the slow window will hold `wanted` requests. It grows no longer than an hour: a rate that needs more never gets there. */
function reachedAt(wanted: number, total: number, { question }: Reading): number | undefined {
  if (total <= 0) return undefined
  const neededMs = (question.slowMs * wanted) / total
  return neededMs > longestWindowMs ? undefined : Math.ceil(question.at - question.slowMs + neededMs)
}

function shownValue(measure: Measure, canary: ArmCounts, { total, bad }: Counts): string | undefined {
  if (measure.kind === 'Latency') return canary.percentileMs === undefined ? undefined : `${rounded(canary.percentileMs)}ms`
  // Cut, not rounded: a failed request never shows as 100 %.
  return total > 0 ? `${(Math.floor((10_000 * (total - bad)) / total) / 100).toFixed(2)}%` : undefined
}

const rounded = (ms: number): string => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0))

function sentence(measure: Measure, { total, bad }: Counts, windowMs: number): string {
  const how = measure.kind === 'Latency' ? `slower than ${measure.aboveMs}ms or never answered` : 'failed'
  return `${bad} of ${total} requests ${how} in the last ${Math.round(windowMs / 1000)}s`
}

function awaited(check: CheckBounds, { total }: Counts, expectedAt: number | undefined): string {
  const when = expectedAt === undefined ? '' : `, expected at ${new Date(expectedAt).toISOString()}`
  if (total >= check.minRequests) return `${total} requests, but fewer than ${scrapesToPass} scrapes since the split was seen${when}`
  if (total === 0) return `no requests yet, ${check.minRequests} are needed`
  const never = ', and at this rate not within an hour: lower minRequests or send more traffic'
  return `${total} of ${check.minRequests} requests that are needed${when === '' ? never : when}`
}
