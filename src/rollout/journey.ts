/** A journey up to 100: Waiting → Scaling → Shifting → Holding → AwaitingApproval → Flipping. Each function is one phase; none of them waits for the network. */
import { kept } from './upkeep.ts'
import { beginJourney, stepAt } from './begin.ts'
import { describe } from './describe.ts'
import { iso, ms } from './duration.ts'
import { holdBegins, hooksBefore, hooksDuring, raiseAgreed } from './hooks/consult.ts'
import { countRequests, evidence, missingData, notPassing, unanswered } from './verdicts.ts'
import { canaryCount, close, closedBy, currentStep, enter, hold, journey, type Pass, patientSince, revisionNamed, shareOf, stableBroken, target, wake, wantedCount } from './pass.ts'
import type { Phase } from './schema.ts'
import { done, endpoints, inOrder, leads, propagated, quiet, ready, run, split, together, turned, waitFor, when, type Step } from './procedure.ts'
import { windowState } from './schedule.ts'
import { finish } from './outcome.ts'
import { notSwapped } from './rest.ts'

/** The canary is noticed; gates are asked; the newest revision is taken. */
export function waiting(pass: Pass): void {
  // The arms of the journey that has just ended: the next pass sees those of the spec.
  if (pass.seen.backends?.wanted) return
  const revision = target(pass.seen)
  const proven = pass.seen.backends && pass.seen.backends.canaryBackend === pass.next.stable?.backend
  if (revision === undefined || revision === pass.next.stable?.revision || proven) return enter(pass, 'Idle', 'the template is the stable revision again')
  // What the spec calls stable is not what was proven: there is nothing that this canary could be measured against, or fall back to.
  if (notSwapped(pass)) return enter(pass, 'Idle', `spec.backends calls ${pass.seen.backends!.stableBackend} stable, and ${pass.next.stable?.backend} is proven`)
  if (closedBy(pass, revision) === 'Status') return enter(pass, 'RolledBack', `${revision} has failed before`)
  if (pass.next.canary?.revision !== revision) pass.next.canary = { ...describe(pass, revision), ...(pass.seen.backends ? { backend: pass.seen.backends.canaryBackend } : {}) }
  const closed = gates(pass)
  if (closed) pass.awaiting = closed
  else beginJourney(pass, revision, 0)
}

/** What keeps a revision from starting, as a sentence; undefined: nothing. */
function gates(pass: Pass): string | undefined {
  const lacking = pass.seen.routes.find((route) => route.state === 'Refused' || (route.state === 'Missing' && !route.managed))
  const reason = mayNotRaise(pass) ?? (lacking && `${lacking.key}: ${lacking.message ?? 'is missing'}`)
  if (reason) return reason
  const revision = pass.next.canary?.revision
  const promoted = promotedTo(pass, 0)
  return (promoted ? undefined : startGates(pass, revision)) ?? hooksBefore(pass, { to: 'Start', step: 0, from: 0, weight: 0 }, promoted)
}
/** What a person's promote takes the place of. */
function startGates(pass: Pass, revision: string | undefined): string | undefined {
  const release = windowState(pass.plan.windows, pass.now)
  if (!release.open) {
    if (release.opensAt !== undefined) wake(pass, release.opensAt)
    return `a release window${release.opensAt === undefined ? '; none ever opens, see spec.schedule.windows' : `, the next one opens at ${iso(seconds(release.opensAt))}`}`
  }
  const busy = pass.seen.dependencies.find((dependency) => dependency.state !== 'Settled')
  if (busy) return `rollout ${busy.name}: ${busy.message}`
  const approved = pass.next.approved?.revision === revision && pass.next.approved?.step === -1
  if (pass.plan.steps[0]?.approval === 'Before' && !approved) return `approval to start ${revision}: sluice approve ${pass.seen.rollout.name}`
  return undefined
}
/** Why no raise may happen now, whatever the step; undefined: none. */
export function mayNotRaise(pass: Pass): string | undefined {
  const [problem] = pass.problems
  if (problem) return `a valid spec: ${problem.message}`
  if (pass.plan.paused) return 'spec.paused to be false'
  if (pass.next.paused) return `a person to resume it: sluice resume ${pass.seen.rollout.name}`
  return pass.seen.blockers.find((blocker) => blocker.stops === 'Raise')?.message
}
const promotedTo = (pass: Pass, step: number): boolean => pass.next.promoted?.revision === pass.next.canary?.revision && pass.next.promoted!.step >= step

/** Pods for the step: the canary's share, and stable's full count; the canary door leads to them. */
export function scaling(pass: Pass): void {
  const revision = pass.next.canary!.revision
  const step = currentStep(pass)
  const count = canaryCount(pass, step)
  const canary = inOrder(ready(revision, count), doorOpened(revision, count))
  const agreed = raiseAgreed(pass)
  const since = Math.max(ms(journey(pass).step.since), typeof agreed === 'number' ? agreed : 0)
  const deadline = patientSince(pass, since) + pass.plan.progressDeadlineMs
  const canaryReady = run(pass, canary)
  const stableReady = run(pass, stableFull)
  const reason = mayNotRaise(pass)
  if (!canaryReady || !stableReady) {
    // A gate that is closed takes as long as it takes: the deadline is for readiness alone.
    if (reason || agreed === 'Waiting') return crashing(pass, revision)
    wake(pass, deadline)
    if (pass.now >= deadline) return tooLate(pass, canaryReady)
    return crashing(pass, revision)
  }
  if (reason) {
    pass.awaiting = reason
    return
  }
  const hooks = hooksBefore(pass, { to: 'Step', step: step.index, from: shareOf(pass.seen, revision), weight: step.weight }, promotedTo(pass, Math.max(0, step.index - 1)))
  if (hooks) {
    pass.awaiting = hooks
    return
  }
  journey(pass).readyAtRaise = revisionNamed(pass.seen, revision)?.ready ?? count
  if (step.weight === 0) return reached(pass, 0)
  journey(pass).step.since = iso(pass.now)
  keepOriginals(pass)
  enter(pass, 'Shifting', `${revision} and stable are ready for ${step.weight}%`)
}
/** What closing will redirect, and what it has redirected before: only with these can anybody tell, and put back, what a canary-only route was. */
function keepOriginals(pass: Pass): void {
  pass.next.redirected = pass.seen.routes.flatMap((route) => route.canaryOnly.map(({ name, original }) => ({ route: route.key, name, original })))
}

/** Before the first raise the canary door must lead to the revision; it turns only at weight 0. */
const doorOpened = (revision: string, count: number): Step => (pass) => {
  if (pass.seen.backends) return done
  const leading = pass.seen.doors.canary.leadsTo === revision
  return inOrder(when(!leading, inOrder(split(0), propagated)), turned('canary', revision, count), kept('Policy'))(pass)
}
const stableFull: Step = (pass) => {
  const stable = pass.next.stable?.revision
  if (stable === undefined || stableBroken(pass)) return done
  return ready(stable, pass.seen.backends ? (revisionNamed(pass.seen, stable)?.replicas ?? 1) : wantedCount(pass))(pass)
}
function tooLate(pass: Pass, canaryReady: boolean): void {
  const since = journey(pass).step.since
  if (canaryReady) return hold(pass, 'StableNotReady', `stable was not ready for all traffic since ${since}; bring its pods back, then resume`)
  const message = `the canary was not ready within progressDeadline: waiting for ${pass.awaiting}`
  if (pass.plan.onFailure === 'Hold') return hold(pass, 'ProgressDeadlineExceeded', message)
  close(pass, 'RolledBack', 'ProgressDeadlineExceeded', message)
}
/** A crash loop is not waited out to the deadline: a minute of it is enough. */
function crashing(pass: Pass, revision: string): void {
  const trouble = revisionNamed(pass.seen, revision)?.trouble
  if (!trouble?.crash) return
  const limit = (pass.seen.since[`trouble/${revision}`] ?? pass.now) + 60_000
  wake(pass, limit)
  if (pass.now < limit) return
  if (pass.plan.onFailure === 'Hold') return hold(pass, 'CanaryCrashing', trouble.message)
  close(pass, 'RolledBack', 'CanaryCrashing', `${trouble.reason}: ${trouble.message}`)
}

/** The split is written, read back in every route, and has time to reach the proxies. */
export function shifting(pass: Pass): void {
  const { weight, step } = journey(pass)
  if (canaryLacks(pass, currentStep(pass).weight)) {
    pass.awaiting = 'the canary to be ready again before its weight rises'
    return enter(pass, 'Scaling', 'canary pods were lost before the weight rose')
  }
  const deadline = patientSince(pass, ms(step.since)) + pass.plan.progressDeadlineMs + pass.settings.propagationDelayMs
  if (run(pass, inOrder(split(weight.wanted, { reopen: true, restore: true }), propagated))) return reached(pass, weight.wanted)
  wake(pass, deadline)
  if (pass.now >= deadline) close(pass, 'RolledBack', 'RouteNotFollowing', `the split of ${weight.wanted}% was not seen within progressDeadline: waiting for ${pass.awaiting}`)
}
function canaryLacks(pass: Pass, weight: number): boolean {
  const canary = revisionNamed(pass.seen, pass.next.canary?.revision)
  const raised = shareOf(pass.seen, pass.next.canary?.revision) >= weight - 0.05
  return !raised && (canary?.ready ?? 0) < (pass.seen.backends ? 1 : canaryCount(pass, currentStep(pass), weight))
}
/** From here the hold counts, and only from here evidence counts. */
function reached(pass: Pass, weight: number): void {
  const current = journey(pass)
  // A split that is reached again after a reset or a lost route: what it has carried until here is not forgotten.
  countRequests(pass)
  current.weight = { wanted: weight, seen: weight, seenAt: iso(pass.now) }
  pass.next.checks = weight > 0 ? unanswered(pass) : []
  enter(pass, 'Holding', `the split is seen at ${weight}%`)
}

/** A full hold, passing verdicts and open gates; a person's promote takes the place of hold, approval and missing data. */
export function holding(pass: Pass): void {
  const step = currentStep(pass)
  const { weight } = journey(pass)
  const promoted = promotedTo(pass, step.index)
  if (weight.wanted === 0 && (revisionNamed(pass.seen, pass.next.canary?.revision)?.ready ?? 0) < (pass.seen.backends ? 1 : canaryCount(pass, step))) {
    journey(pass).step.since = iso(pass.now)
    return enter(pass, 'Scaling', 'canary pods were lost in a step without traffic')
  }
  // Started first, since what is measured is measured under its load.
  const load = hooksDuring(pass, promoted)
  if ((pass.next.phase as Phase) === 'Held' || (!promoted && missingData(pass))) return
  if (load) {
    pass.awaiting = load
    return
  }
  const until = holdBegins(pass) + step.holdMs
  if (!promoted && pass.now < until) {
    wake(pass, until)
    pass.awaiting = `the hold of ${step.name ?? `${weight.wanted}%`} until ${iso(seconds(until))}`
    return
  }
  const lacking = weight.wanted > 0 ? notPassing(pass, promoted) : undefined
  if (lacking) {
    pass.awaiting = lacking
    return
  }
  const reason = mayNotRaise(pass)
  if (reason) {
    pass.awaiting = reason
    return
  }
  const needsApproval = step.approval === 'After' || pass.plan.steps[step.index + 1]?.approval === 'Before'
  if (needsApproval && !promoted && !approvedPast(pass, step.index)) return enter(pass, 'AwaitingApproval', `step ${step.index + 1} has passed and wants approval`)
  advance(pass, promoted)
}
const approvedPast = (pass: Pass, index: number): boolean => pass.next.approved?.revision === pass.next.canary?.revision && pass.next.approved!.step >= index

export function awaitingApproval(pass: Pass): void {
  const step = currentStep(pass)
  const { name } = pass.seen.rollout
  pass.awaiting = `approval of step ${step.index + 1} (${step.weight}%): sluice approve ${name}, or sluice abort ${name}`
  if (!approvedPast(pass, step.index) && !promotedTo(pass, step.index)) return
  const lacking = journey(pass).weight.wanted > 0 ? notPassing(pass, promotedTo(pass, step.index)) : undefined
  const reason = lacking ?? mayNotRaise(pass)
  if (reason) pass.awaiting = reason
  else advance(pass, promotedTo(pass, step.index))
}

/** To the next step, or to the flip, once its hooks agree. A step that was edited to a higher weight is reached first. */
function advance(pass: Pass, promoted: boolean): void {
  const current = journey(pass)
  const step = currentStep(pass)
  const short = current.weight.wanted < step.weight - 0.05
  const following = short ? step : pass.plan.steps[step.index + 1]
  const from = current.weight.wanted
  const hooks = hooksBefore(pass, following ? { to: 'Step', step: following.index, from, weight: following.weight } : { to: 'Promotion', step: step.index, from, weight: 100 }, promoted)
  if (hooks) {
    pass.awaiting = hooks
    if (pass.next.phase === 'AwaitingApproval') enter(pass, 'Holding', 'approved, and hooks are asked')
    return
  }
  countRequests(pass)
  if (!following) {
    current.step = { ...current.step, since: iso(pass.now) }
    if (pass.seen.backends) return finish(pass, 'Promoted', 'EveryStepPassed', `${pass.next.canary!.revision} carries everything`)
    return enter(pass, 'Flipping', `every step has passed${evidence(pass, promoted)}`)
  }
  current.step = stepAt(pass.plan, following.index, pass.now)
  current.weight = { ...current.weight, wanted: following.weight }
  enter(pass, 'Scaling', `step ${following.index + 1}: ${following.weight}%${evidence(pass, promoted)}`)
}

/** At `w 0/100`: stable's door (which carries nothing) turns to the new revision, then everything moves over to it. */
export function flipping(pass: Pass): void {
  const revision = pass.next.canary!.revision
  const count = wantedCount(pass)
  const turning = inOrder(
    when(pass.seen.doors.stable.leadsTo !== revision, inOrder(split(100), propagated, quiet)),
    together(turned('stable', revision, count), inOrder(leads('own', revision), endpoints('own', count))),
    split(0, { reopen: true }),
    propagated,
  )
  wake(pass, flipDeadline(pass))
  const healthy = (revisionNamed(pass.seen, revision)?.ready ?? 0) >= count
  if (!healthy && pass.seen.doors.stable.leadsTo !== revision) {
    run(pass, inOrder(ready(revision, count), () => waitFor('the new revision to be ready before the flip')))
    return
  }
  if (run(pass, turning)) return finish(pass, 'Promoted', 'EveryStepPassed', `${revision} is stable`)
}
/** After this the flip is said to be Stalled; the split stays on the new, healthy revision. */
export const flipDeadline = (pass: Pass): number => patientSince(pass, ms(journey(pass).step.since)) + pass.plan.progressDeadlineMs

/** Times for people need no fractions. */
const seconds = (at: number): number => Math.ceil(at / 1000) * 1000
