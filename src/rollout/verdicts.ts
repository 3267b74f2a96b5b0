/** From readings to the checks of the status, and what the checks say about the step. */
import type { Reading } from '../analysis/reading.ts'
import { evaluate, measuredShare } from '../analysis/verdict.ts'
import { shownRange } from '../analysis/value.ts'
import { formatDuration, iso, ms } from './duration.ts'
import { close, hold, inJourney, type Pass, patientSince, wake } from './pass.ts'
import type { PlannedCheck } from './plan.ts'
import { questionId } from './ask.ts'
import type { CheckStatus } from './schema.ts'

/** Takes every new answer into account once: verdict, and failing evaluations in a row. */
export function verdicts(pass: Pass): void {
  const seenAt = evidenceSince(pass)
  if (seenAt === undefined) {
    if (!inJourney(pass.next)) pass.next.checks = []
    return
  }
  // A spec whose checks cannot be read: what is known of them stays.
  if (pass.problems.length > 0 && pass.plan.checks.length === 0) return
  pass.next.checks = pass.plan.checks.map((check) => {
    const before = pass.next.checks.find((candidate) => candidate.name === check.name)
    const refused = refusal(pass, check.name)
    if (refused) return unasking(pass, before ?? unasked(pass, check, seenAt), refused)
    // Every answer since the last one that the status knows, in order: where the status cannot be written, failures still add up.
    const fresh = answers(pass, check.name).filter((reading) => !(reading.question.at <= ms(before?.at)) || before?.message === unansweredMessage)
    return fresh.reduce<CheckStatus>((status, reading) => judged(pass, check, reading, status), before ?? unasked(pass, check, seenAt))
  })
  const share = pass.plan.checks.flatMap((check) => answers(pass, check.name).slice(-1)).find(({ answer }) => answer.state === 'Counts')
  const measured = share && measuredShare(share)
  if (pass.next.journey && measured !== undefined && (inJourney(pass.next) || pass.next.phase === 'Observing')) pass.next.journey.weight.measured = Math.round(measured * 10) / 10
}

/** What was answered to this check about the split that stands, oldest first. */
export const answers = (pass: Pass, check: string): Reading[] =>
  pass.seen.readings.filter(({ question }) => question.check === check && question.id === questionId(pass.seen, pass.next, check)).sort((a, b) => a.question.at - b.question.at)

/** Since when evidence counts: the split was seen and had propagated; in retainStable, since the promotion. */
export function evidenceSince(pass: Pass): number | undefined {
  const { journey: current, previous } = pass.next
  if (!current) return undefined
  if (!current.ended) return current.direction === 'Out' && current.weight.seenAt && (current.weight.seen ?? 0) > 0 ? ms(current.weight.seenAt) : undefined
  if (current.ended.outcome === 'Promoted' && previous && pass.now < ms(previous.warmUntil)) return ms(current.ended.at)
  return undefined
}

const unansweredMessage = 'no answer yet'
/** Every check at the start of its evidence. */
export const unanswered = (pass: Pass): CheckStatus[] => pass.plan.checks.map((check) => unasked(pass, check, pass.now))
const unasked = (pass: Pass, check: PlannedCheck, since: number): CheckStatus => ({
  name: check.name,
  verdict: 'NoData',
  bound: boundOf(pass, check),
  message: unansweredMessage,
  failures: 0,
  since: iso(since),
  at: iso(since),
})

const templateOf = (pass: Pass, check: string) => pass.seen.templates?.find((candidate) => candidate.check === check)
/** Why a check cannot be asked at all; undefined: it can. Nobody is patient with it, since waiting mends nothing, and no version is to blame. */
const refusal = (pass: Pass, check: string): string | undefined => {
  const template = templateOf(pass, check)
  return template?.state === 'Refused' ? template.message : undefined
}
const unasking = (pass: Pass, before: CheckStatus, message: string): CheckStatus =>
  ({ ...before, verdict: 'Error', message, since: before.verdict === 'Error' ? before.since : iso(pass.now) })
/** With the unit of its template. */
function boundOf(pass: Pass, check: PlannedCheck): string {
  const template = templateOf(pass, check.name)
  return check.range && template?.state === 'Ready' ? shownRange(check.range, template.unit) : check.bound
}

function judged(pass: Pass, check: PlannedCheck, reading: Reading, before: CheckStatus): CheckStatus {
  const memory = { ...(before.countedAt ? { countedAt: ms(before.countedAt) } : {}), ...(before.countedBad !== undefined ? { countedBad: before.countedBad } : {}) }
  const found = evaluate(check, reading, memory, pass.plan.scrapeIntervalMs)
  const failures = found.verdict === 'Fail' ? (before.failures ?? 0) + (found.counts ? 1 : 0) : found.verdict === 'Pass' ? 0 : (before.failures ?? 0)
  return {
    name: check.name,
    verdict: found.verdict,
    ...(found.value === undefined ? {} : { value: found.value }),
    bound: boundOf(pass, check),
    ...(found.total === undefined ? {} : { total: Math.round(found.total), bad: Math.round(found.bad ?? 0) }),
    message: found.message,
    failures,
    ...(found.memory.countedAt === undefined ? {} : { countedAt: iso(found.memory.countedAt), ...(found.total === undefined ? {} : { countedBad: found.memory.countedBad ?? 0 }) }),
    since: before.verdict === found.verdict ? before.since : iso(pass.now),
    at: iso(reading.question.at),
  }
}

/** The check of the plan of that name. */
export const planned = (pass: Pass, name: string): PlannedCheck | undefined => pass.plan.checks.find((check) => check.name === name)

/** The check whose failing evaluations in a row crossed its limit, and what it wants done. */
export function failing(pass: Pass): { readonly check: CheckStatus; readonly action: 'Rollback' | 'Hold' } | undefined {
  const over = pass.next.checks.filter((check) => check.verdict === 'Fail' && check.failures > (planned(pass, check.name)?.failureLimit ?? 1))
  for (const action of ['Rollback', 'Hold'] as const) {
    const check = over.find((candidate) => planned(pass, candidate.name)?.onFailure === action)
    if (check) return { check, action }
  }
  return undefined
}
/** So many checks are told of in one decision: the log shares 16 KB with the rest of the status. */
const mostEvidence = 4

export const failureMessage = (check: CheckStatus): string => `${check.name} ${check.value ?? ''} misses ${check.bound}: ${check.message ?? ''}`.replace('  ', ' ')

/**
 * What a step was left on, to be read in the decision log once the checks have gone on: `, since success 100.00% meets 99% (4788 requests)`.
 * Empty where nothing was measured.
 */
export function evidence(pass: Pass, promoted: boolean): string {
  const said = pass.next.checks.flatMap(({ name, verdict, value, bound, total }) =>
    verdict === 'Pass' && value !== undefined ? [`${name} ${value} meets ${bound}${total === undefined ? '' : ` (${total} requests)`}`] : [],
  )
  const because = [...(promoted ? ['a person promoted'] : []), ...said.slice(0, mostEvidence)]
  const more = said.length > mostEvidence ? `, and ${said.length - mostEvidence} more checks passed` : ''
  return because.length === 0 ? '' : `, since ${because.join(', ')}${more}`
}

/** Why the step may not be left for its checks, as a sentence; undefined: all pass. A promote stands in for missing data, never for a failing verdict. */
export function notPassing(pass: Pass, promoted: boolean): string | undefined {
  for (const check of pass.next.checks) {
    const bounds = planned(pass, check.name)
    if (!bounds || bounds.onFailure === 'Report' || check.verdict === 'Pass') continue
    if (check.verdict === 'Fail') return `check ${check.name} to pass: ${check.value ?? check.message} against ${check.bound}`
    if (promoted || (tolerated(pass, check) && !refusal(pass, check.name))) continue
    return check.verdict === 'NoData' ? `data for check ${check.name}` : `an answer of the metric source for check ${check.name}: ${check.message}`
  }
  return undefined
}
const patience = (pass: Pass, check: CheckStatus) => (check.verdict === 'Error' ? pass.plan.sourceError : pass.plan.noData)
/** Since when a check has had nothing to go by: its verdict, or the step's evidence where that is younger. */
const missingSince = (pass: Pass, check: CheckStatus): number => patientSince(pass, Math.max(ms(check.since), evidenceSince(pass) ?? 0))
const tolerated = (pass: Pass, check: CheckStatus): boolean => patience(pass, check).action === 'Pass' && pass.now >= missingSince(pass, check) + patience(pass, check).deadlineMs

/** Missing data and an unanswering source, each after its own patience: Held or closed as the user said. Slow traffic that will get there is not missing. */
export function missingData(pass: Pass): boolean {
  for (const check of pass.next.checks) {
    const bounds = planned(pass, check.name)
    if (!bounds || bounds.onFailure === 'Report' || (check.verdict !== 'NoData' && check.verdict !== 'Error') || refusal(pass, check.name)) continue
    if (check.verdict === 'NoData' && expected(pass, check)) continue
    const { action, deadlineMs } = patience(pass, check)
    const deadline = missingSince(pass, check) + deadlineMs
    wake(pass, deadline)
    if (pass.now < deadline || action === 'Pass') continue
    const reason = check.verdict === 'NoData' ? 'NoData' : 'SourceError'
    const message = `check ${check.name} has had ${reason === 'NoData' ? 'no data' : 'no answer'} for ${formatDuration(deadlineMs)}: ${check.message ?? ''}`
    if (action === 'Hold') hold(pass, reason, message)
    else close(pass, 'RolledBack', reason, message, { check: check.name })
    return true
  }
  return false
}
/** At the present rate minRequests will be reached within the hour that evidence may take. */
function expected(pass: Pass, check: CheckStatus): boolean {
  const seenAt = evidenceSince(pass)
  const minRequests = planned(pass, check.name)?.minRequests ?? 0
  if (!check.total || seenAt === undefined) return false
  const windowMs = Math.min(ms(check.at) - seenAt, 3_600_000)
  return windowMs > 0 && (minRequests / check.total) * windowMs <= 3_600_000
}

/** Adds what the canary served and failed in this step to the journey's count, by the check that counts failures; each step's evidence once. */
export function countRequests(pass: Pass): void {
  const current = pass.next.journey
  if (!current || current.countedSince === current.weight.seenAt) return
  const { served, lost } = requestsSeen(pass)
  current.requests = { served: current.requests.served + served, lost: current.requests.lost + lost }
  current.countedSince = current.weight.seenAt
}
/** What the checks know of served and failed requests since their evidence began. */
export function requestsSeen(pass: Pass): { readonly served: number; readonly lost: number } {
  const check = pass.next.checks.find((candidate) => planned(pass, candidate.name)?.measure.kind === 'SuccessRate') ?? pass.next.checks.find(({ total }) => total !== undefined)
  const lost = planned(pass, check?.name ?? '')?.measure.kind === 'SuccessRate' ? (check?.bad ?? 0) : 0
  return { served: check?.total ?? 0, lost }
}
