/**
 * `mode: Observe`: another tool, or a person, moves the weights. What Sluice would have done is judged by the code that would do it, on a copy of the
 * status, and told; nothing is written but the status. Pure.
 */
import { defaultsKept, stepAt } from './begin.ts'
import { emergencies } from './dangers.ts'
import { describe } from './describe.ts'
import { formatDuration, iso, ms } from './duration.ts'
import { currentStep, decided, enter, inJourney, type Pass, present, revisionNamed, wake } from './pass.ts'
import { answers, missingData, notPassing, planned, unanswered } from './verdicts.ts'
import type { JourneyStatus, Outcome, RolloutStatus } from './schema.ts'

type Observed = NonNullable<JourneyStatus['observed']>
type Would = NonNullable<Observed['would']>

/** Whether this pass only looks on. A journey of our own that is under way goes to its end first: no unproven version is left to itself. */
export const observes = ({ plan, next }: Pass): boolean => plan.observes && !inJourney(next)

/** One look: a journey of the other tool begins when the canary carries something, and ends when it carries nothing, or everything for good. */
export function observing(pass: Pass): void {
  const { next, seen } = pass
  if (next.phase !== 'Observing') beginObserving(pass)
  const open = watched(next)
  const obstacle = obstacleOf(pass, open !== undefined)
  if (obstacle !== undefined) {
    pass.awaiting = obstacle
    return
  }
  const weight = Math.max(...seen.routes.map((route) => route.canaryDoor))
  if (open) watch(pass, open, weight)
  if (!watched(next) && starts(pass, weight)) begin(pass, weight)
  pass.awaiting = saying(pass, weight)
}

/** From now on a journey of ours is history: what was proven, and what had failed, is the other tool's to say. */
function beginObserving(pass: Pass): void {
  const { next } = pass
  for (const key of ['journey', 'stable', 'canary', 'previous', 'approved', 'promoted', 'paused'] as const) next[key] = undefined
  next.checks = []
  next.failed = []
  enter(pass, 'Observing', 'spec.mode is Observe: another tool moves the weights')
}
/** Back to releasing: taken over anew, as a Rollout that has just been created. */
export function leaveObserving(pass: Pass): void {
  const { next } = pass
  if (next.phase !== 'Observing') return
  for (const key of ['journey', 'stable', 'canary'] as const) next[key] = undefined
  next.checks = []
  enter(pass, 'Blocked', 'spec.mode is no longer Observe')
}
const watched = (next: RolloutStatus): JourneyStatus | undefined => (next.journey?.ended ? undefined : next.journey)

/** Why nothing can be read or judged, as a sentence. What a canary under way lacks is for the judgement, not a reason to look away. */
function obstacleOf({ problems, seen }: Pass, open: boolean): string | undefined {
  if (problems.length > 0) return `a valid spec: ${problems[0]!.message}`
  const unreadable = seen.routes.find((route) => !present(route))
  if (unreadable) return `a route that can be read: ${unreadable.message ?? `${unreadable.key} is missing`}`
  if (!seen.backends || seen.routes.length === 0) return 'backends and a route between them'
  return seen.blockers.find((blocker) => blocker.stops === 'Raise' && (!open || blocker.reason === 'NotGranted'))?.message
}

/** The canary carries something, and not since a journey that has been told already. */
function starts({ next, seen }: Pass, weight: number): boolean {
  const last = next.journey
  const same = last !== undefined && next.canary?.revision === seen.backends!.canary
  if (weight >= 0.05) return !same || last.weight.seen === 0
  if (last) last.weight = { wanted: 0, seen: 0 }
  return false
}

function begin(pass: Pass, weight: number): void {
  const { next, now, plan, seen } = pass
  const backends = seen.backends!
  const by = mover(pass)
  // Evidence counts once the weights have had time to reach the proxies.
  const seenAt = now + pass.settings.propagationDelayMs
  next.stable = { ...describe(pass, backends.stable), backend: backends.stableBackend }
  next.canary = { ...describe(pass, backends.canary), backend: backends.canaryBackend }
  next.journey = {
    id: `${backends.canary}-observed-${next.sequence}`,
    since: next.sequence,
    startedAt: iso(now),
    direction: 'Out',
    baseReplicas: 0,
    inputsHash: plan.inputsHash,
    ...defaultsKept(pass),
    step: stepAt(plan, 0, seenAt),
    weight: { wanted: weight, seen: weight, seenAt: iso(seenAt) },
    readyAtRaise: revisionNamed(seen, backends.canary)?.ready ?? 0,
    requests: { served: 0, lost: 0 },
    observed: by ? { by } : {},
  }
  next.checks = unanswered(pass)
  decided(pass, 'Observed', `${backends.canary} carries ${weight}%${by ? `, moved by ${by}` : ''}`)
}
/** Who wrote the weights, as far as the routes say. */
const mover = ({ seen }: Pass): string | undefined => seen.routes.find((route) => route.lastWriter)?.lastWriter?.manager

function watch(pass: Pass, journey: JourneyStatus, weight: number): void {
  const { next, now, plan, seen } = pass
  const observed = (journey.observed ??= {})
  count(pass, journey)
  const by = mover(pass)
  if (by) observed.by = by
  if (seen.backends!.canary !== next.canary?.revision || seen.backends!.stable !== next.stable?.revision) return end(pass, journey, weight, 'another version or backend takes its place')
  if (weight < 0.05) return takenAway(pass, journey, observed)
  observed.takenAt = undefined
  journey.weight = { ...journey.weight, wanted: weight, seen: weight }
  judge(pass, journey, observed)
  walk(pass, journey, observed)
  const settled = Math.max(seen.since['split'] ?? now, ms(journey.weight.seenAt)) + plan.steps.at(-1)!.holdMs
  if (weight < 99.95 || !observed.would) return
  wake(pass, settled)
  if (now >= settled) end(pass, journey, weight, `${by ?? 'the other tool'} has led everything to it`)
}

/** What it served up to the last moment is counted by the next answer; without one, after a while. */
function takenAway(pass: Pass, journey: JourneyStatus, observed: Observed): void {
  const { now, plan } = pass
  observed.takenAt ??= iso(now)
  journey.weight = { ...journey.weight, wanted: 0 }
  const taken = ms(observed.takenAt)
  const limit = taken + plan.intervalMs + 2 * plan.scrapeIntervalMs
  const answered = pass.next.checks.length === 0 || pass.next.checks.some((check) => ms(check.at) >= taken + plan.scrapeIntervalMs)
  wake(pass, limit)
  if (answered || now >= limit) end(pass, journey, 0, `${observed.by ?? 'the other tool'} took its traffic away`)
}

/** What the canary has served and lost since the evidence began: the whole of it while one window holds it, and what comes afterwards by the rate of the last one. */
function count(pass: Pass, journey: JourneyStatus): void {
  const check = pass.plan.checks.find((one) => one.measure.kind === 'SuccessRate') ?? pass.plan.checks.find((one) => one.measure.kind === 'Latency')
  if (!check) return
  const knows = check.measure.kind === 'SuccessRate'
  let last = ms(pass.seen.status?.checks.find((one) => one.name === check.name)?.at ?? journey.weight.seenAt)
  for (const { question, answer } of answers(pass, check.name)) {
    if (answer.state !== 'Counts' || question.at <= last) continue
    const whole = question.at - question.slowMs <= ms(journey.weight.seenAt) + 1000
    const { fast, slow } = answer.canary
    const part = whole ? 1 : Math.min(1, (question.at - last) / question.fastMs)
    const [base, counts] = whole ? [{ served: 0, lost: 0 }, slow] : [journey.requests, fast]
    const { served, lost } = journey.requests
    journey.requests = {
      served: Math.max(served, Math.round(base.served + part * counts.total)),
      lost: Math.max(lost, Math.round(base.lost + (knows ? part * counts.bad : 0))),
    }
    last = question.at
  }
}

/** The same code that would take it back or hold it, on a copy: what it would write or wait for stays there. */
function judge(pass: Pass, journey: JourneyStatus, observed: Observed): void {
  if (observed.would && observed.would.outcome !== 'WouldHold') return
  const copy: Pass = { ...pass, next: structuredClone(pass.next), lower: [], raise: [], awaiting: '', wakeAt: Infinity }
  copy.next.phase = 'Holding'
  emergencies(copy)
  if (copy.next.phase === 'Holding') missingData(copy)
  if (copy.wakeAt < Infinity) wake(pass, copy.wakeAt)
  const { closing, held } = copy.next.journey!
  if (closing) would(pass, journey, observed, { ...closing, outcome: 'WouldRollBack' })
  else if (held && !observed.would) would(pass, journey, observed, { outcome: 'WouldHold', ...held })
}

/** The steps as ours would have been: each has its hold and its passing checks on the evidence that there is, and gates and approvals count as given. */
function walk(pass: Pass, journey: JourneyStatus, observed: Observed): void {
  if (observed.would) return
  const step = currentStep(pass)
  const until = ms(journey.step.since) + step.holdMs
  if (pass.now < until) return wake(pass, until)
  if (step.weight > 0 && notPassing(pass, false) !== undefined) return
  if (step.index + 1 < pass.plan.steps.length) {
    journey.step = stepAt(pass.plan, step.index + 1, pass.now)
    return wake(pass, pass.now + 1)
  }
  would(pass, journey, observed, { outcome: 'WouldPromote', reason: 'EveryStepPassed', message: 'every step would have passed' })
}

function would(pass: Pass, journey: JourneyStatus, observed: Observed, what: Pick<Would, 'outcome' | 'reason' | 'message'> & { readonly check?: string | undefined }): void {
  const { outcome, reason, message } = what
  const check = pass.next.checks.find((one) => one.name === what.check)
  const bounds = check && planned(pass, check.name) ? { check: check.name, ...(check.value ? { value: check.value } : {}), bound: check.bound } : {}
  observed.would = { outcome, reason, message: message.slice(0, 512), at: iso(pass.now), weight: journey.weight.seen ?? 0, ...bounds, requests: journey.requests }
  decided(pass, outcome, message)
}

/** The journey is over, whatever the other tool made of it: one entry in the history, with what came after the moment of our decision. */
function end(pass: Pass, journey: JourneyStatus, weight: number, how: string): void {
  const { next, now } = pass
  const decision = journey.observed?.would
  const after = since(journey)
  const outcome: Outcome = decision?.outcome ?? 'Undecided'
  const reason = decision?.reason ?? 'NoVerdict'
  journey.ended = { outcome, reason, at: iso(now) }
  const message = `${verdictOf(next, journey)}; ${how}`
  journey.weight = { wanted: weight, seen: weight }
  const { canary, stable } = next
  const entry = {
    revision: canary?.revision ?? '',
    ...(stable ? { from: stable.revision } : {}),
    ...(canary?.images ? { images: canary.images } : {}),
    ...(canary?.commit ? { commit: canary.commit } : {}),
    outcome, reason, startedAt: journey.startedAt, endedAt: iso(now), requests: journey.requests,
    observed: { message: message.slice(0, 1024), ...(journey.observed?.by ? { by: journey.observed.by } : {}), ...(decision ? { at: decision.at, weight: decision.weight, after } : {}) },
  }
  next.history = [entry, ...next.history].slice(0, 10)
  next.checks = []
  decided(pass, outcome, message)
}
function since({ observed, requests }: JourneyStatus): { served: number; lost: number } {
  const before = observed?.would?.requests ?? requests
  return { served: Math.max(0, requests.served - before.served), lost: Math.max(0, requests.lost - before.lost) }
}

/** What is told of a journey: `would have rolled reviews-v2 back at 14:02 UTC at 25% (success 92% misses 99%), 9,800 requests earlier, 784 of them lost`. */
export function verdictOf(next: Pick<RolloutStatus, 'canary'>, journey: JourneyStatus): string {
  const canary = next.canary?.revision ?? 'the canary'
  const decision = journey.observed?.would
  const { served, lost } = journey.requests
  if (!decision) return `would have decided nothing yet about ${canary}, which served ${grouped(served)} requests and lost ${grouped(lost)}`
  const at = `at ${decision.at.slice(11, 16)} UTC at ${Math.round(decision.weight * 10) / 10}%`
  if (decision.outcome === 'WouldPromote') {
    const over = journey.observed?.takenAt ?? journey.ended?.at
    const later = over ? ms(over) - ms(decision.at) : 0
    return `would have promoted ${canary} ${at}${later >= 1000 ? `, ${formatDuration(Math.floor(later / 1000) * 1000)} earlier` : ''}`
  }
  const after = since(journey)
  const price = `${grouped(after.served)} requests earlier, ${grouped(after.lost)} of them lost`
  return `would have ${decision.outcome === 'WouldHold' ? `held ${canary}` : `rolled ${canary} back`} ${at} (${decision.message}), ${price}`
}

/** 12431 as `12,431`. */
const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',')

function saying({ next, seen, plan }: Pass, weight: number): string {
  const journey = watched(next)
  const share = `${seen.backends!.canary} carries ${Math.round(weight * 10) / 10}%`
  if (!journey) {
    const told = next.journey?.ended ? next.history[0]?.observed?.message : undefined
    return `${share}${told ? `; of the last release: ${told}` : ''}`
  }
  const by = journey.observed?.by ? `, moved by ${journey.observed.by}` : ''
  if (journey.observed?.would) return `${share}${by}; Sluice ${verdictOf(next, journey)}`
  return `${share}${by}; Sluice would be at step ${journey.step.index + 1} of ${plan.steps.length}`
}
