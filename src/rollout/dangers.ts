/** What ends, holds or restarts a journey under way, in order of urgency. Runs before the phases, so that what hurts is taken back in the pass that sees it. */
import { defaultsKept, stepAt } from './begin.ts'
import { iso, ms } from './duration.ts'
import { canaryCount, carries, close, closedBy, currentStep, decided, enter, expressed, hold, inJourney, journey, near, type Pass, present, revisionNamed, shareOf, target, wake } from './pass.ts'
import { hookFails } from './hooks/consult.ts'
import { beginWayBack, warm } from './outcome.ts'
import { countRequests, failing, failureMessage } from './verdicts.ts'

export function dangers(pass: Pass): void {
  if (!inJourney(pass.next)) return afterPromotion(pass)
  if (pass.next.phase === 'Closing' || pass.next.phase === 'Draining') return supersededWhileClosing(pass)
  for (const danger of [verdictFails, testFails, otherRevision, canaryGone, readinessLost, closedElsewhere, weightsOfOthers, inputsEdited]) {
    danger(pass)
    if ((pass.next.phase as string) === 'Closing') return
  }
}

/** With an invalid spec everything stays where it is, but for users who are hurt: by failures, where the checks can still be read, and by pods that do not answer. */
export function emergencies(pass: Pass): void {
  if (!inJourney(pass.next) || pass.next.phase === 'Closing' || pass.next.phase === 'Draining') return
  for (const danger of [verdictFails, canaryGone, readinessLost, closedElsewhere]) {
    danger(pass)
    if ((pass.next.phase as string) === 'Closing') return
  }
}

/** Within retainStable the promoted revision is still watched, and the way back is a patch. */
function afterPromotion(pass: Pass): void {
  if (!warm(pass)) return
  // Deleted by hand, it is no way back any more, and nothing to be measured against.
  if (!pass.seen.backends && !revisionNamed(pass.seen, pass.next.previous!.revision)) return void (pass.next.previous = undefined)
  wake(pass, ms(pass.next.previous!.warmUntil))
  const stable = pass.next.stable?.revision
  if (pass.seen.backends) return
  const failed = failing(pass)
  if (failed?.action === 'Rollback') return beginWayBack(pass, 'CheckFailed', failureMessage(failed.check), { check: failed.check.name })
  if (closedBy(pass, stable) === 'Route') beginWayBack(pass, 'ClosedElsewhere', `a route names ${stable} as closed: another controller began the way back before it could write why`)
}
/** A newer template while closing is remembered by itself, since the template is read again after Draining. A template that came back to the closed one stays closed. */
function supersededWhileClosing(pass: Pass): void {
  const closing = journey(pass).closing
  const wanted = target(pass.seen)
  if (closing?.outcome === 'Superseded' && wanted === pass.next.stable?.revision) closing.outcome = 'Withdrawn'
}

/** Last of those that end a journey: what this pass can see of why is the better reason, also where it was lowered in a hurry, before any pass. */
function closedElsewhere(pass: Pass): void {
  const revision = pass.next.canary?.revision
  if (closedBy(pass, revision) === 'Route') close(pass, 'RolledBack', 'ClosedElsewhere', `a route names ${revision} as closed: another controller took its traffic before it could write why`)
}

function verdictFails(pass: Pass): void {
  const failed = failing(pass)
  if (!failed) return
  const message = failureMessage(failed.check)
  if (failed.action === 'Rollback') close(pass, 'RolledBack', 'CheckFailed', message, { check: failed.check.name })
  else if (pass.next.phase !== 'Flipping') hold(pass, 'CheckFailed', message)
}

/** A hook that accompanies the step has refused: one refusal is enough, for a test that has failed is no noise. */
function testFails(pass: Pass): void {
  const failed = hookFails(pass)
  if (!failed) return
  if (failed.hook.onFailure === 'Rollback') close(pass, 'RolledBack', 'HookRefused', failed.message)
  else hold(pass, 'HookRefused', failed.message)
}

/** The template moved on, or back to stable. In Flipping the flip is finished first. */
function otherRevision(pass: Pass): void {
  const wanted = target(pass.seen)
  const canary = pass.next.canary?.revision
  const renamed = pass.seen.backends?.wanted
  if (renamed && renamed.canaryBackend !== pass.next.stable?.backend) return close(pass, 'Superseded', 'BackendsChanged', `spec.backends names ${renamed.stableBackend} and ${renamed.canaryBackend} now, in the place of ${canary}`)
  if (renamed) return close(pass, 'Withdrawn', 'RolesSwapped', `spec.backends was swapped before ${canary} was promoted: swap the roles once it carries everything`)
  if (wanted === undefined || wanted === canary || pass.next.phase === 'Flipping') return
  if (wanted === pass.next.stable?.revision || isProven(pass)) close(pass, 'Withdrawn', 'TemplateIsStable', 'the template is the stable revision again')
  else close(pass, 'Superseded', 'NewRevision', `${wanted} takes the place of ${canary}`)
}

/** Backends: what the spec calls canary now is the proven one, since the roles were swapped before the promotion. */
const isProven = (pass: Pass): boolean => pass.seen.backends !== undefined && pass.seen.backends.canaryBackend === pass.next.stable?.backend

function canaryGone(pass: Pass): void {
  const canary = pass.next.canary?.revision
  if (journey(pass).readyAtRaise === undefined || (revisionNamed(pass.seen, canary) && !revisionNamed(pass.seen, canary)!.terminating)) return
  close(pass, 'RolledBack', 'CanaryGone', `the Deployment of ${canary} is gone`)
}

/** None ready: weight 0 at once. Under half of those of the last raise for 30 s: the end. */
function readinessLost(pass: Pass): void {
  const canary = revisionNamed(pass.seen, pass.next.canary?.revision)
  const current = journey(pass)
  const share = shareOf(pass.seen, canary?.name)
  // A door, Service or subset that is missing leads nowhere, so it has no share; what the route still sends there is lost.
  const doorGone = pass.seen.doors.canary.state === 'Absent' && pass.next.phase !== 'Flipping' && carries(pass.seen, 'canary')
  if (!canary || current.readyAtRaise === undefined || (share === 0 && !doorGone)) return
  if (canary.ready === 0 || doorGone) {
    const why = doorGone ? 'what the route names for the canary is gone' : `no pod of ${canary.name} is ready`
    if (canary.trouble?.crash) return close(pass, 'RolledBack', 'CanaryCrashing', `${why}: ${canary.trouble.reason}: ${canary.trouble.message}`)
    return startStepAnew(pass, why)
  }
  const since = pass.seen.since[`lost/${canary.name}`] ?? pass.now
  if (canary.ready * 2 >= current.readyAtRaise) return
  wake(pass, since + 30_000)
  if (pass.now - since < 30_000) return
  close(pass, 'RolledBack', 'CanaryNotReady', `${canary.ready} of ${current.readyAtRaise} pods of ${canary.name} are ready${canary.trouble ? `: ${canary.trouble.reason}: ${canary.trouble.message}` : ''}`)
}
/** Without a verdict against it: the traffic goes now, and the step begins again when its pods are ready. */
function startStepAnew(pass: Pass, why: string): void {
  const { next } = pass
  const stableReady = revisionNamed(pass.seen, next.stable?.revision)?.ready ?? 0
  if (next.phase === 'Flipping') return close(pass, 'RolledBack', 'CanaryNotReady', why)
  if (stableReady === 0) return
  for (const route of pass.seen.routes.filter(present))
    if (route.canaryDoor > 0) pass.lower.push({ type: 'SetSplit', route: route.key, canaryDoor: 0, reopen: false, restore: false })
  const current = journey(pass)
  current.step = { ...current.step, since: iso(pass.now) }
  // Without a valid spec nobody knows the step's weight; the one that was committed stays.
  current.weight = { wanted: pass.problems.length > 0 ? current.weight.wanted : currentStep(pass).weight, seen: 0 }
  next.checks = []
  if (next.phase !== 'Held') {
    if (next.phase === 'Scaling') decided(pass, 'Lowered', why)
    enter(pass, 'Scaling', `${why}: its traffic was taken, the step starts anew`)
  }
}

/** Lower than wanted: an order of a person to be safe, or a reset by a GitOps tool. Higher: back to the step's weight. */
function weightsOfOthers(pass: Pass): void {
  const { phase } = pass.next
  const current = journey(pass)
  const standing = phase === 'Holding' || phase === 'AwaitingApproval' || phase === 'Held' ? current.weight.wanted : phase === 'Scaling' || phase === 'Shifting' ? (current.weight.seen ?? 0) : phase === 'Flipping' && !turned(pass) ? 100 : undefined
  if (standing === undefined) return
  if (standing > 0 && (phase === 'Holding' || phase === 'AwaitingApproval') && pass.seen.routes.some((route) => route.managed && route.state === 'Missing')) {
    current.step.since = iso(pass.now)
    return enter(pass, 'Shifting', 'our route was deleted: it is written again, and the hold with it')
  }
  const ceiling = phase === 'Shifting' ? current.weight.wanted : standing
  const routes = pass.seen.routes.filter(present)
  const nowhere = (revisionNamed(pass.seen, pass.next.stable?.revision)?.ready ?? 0) === 0
  for (const route of nowhere ? [] : routes)
    if (route.canaryDoor > expressed(route, ceiling) + 0.05 && pass.seen.doors.canary.leadsTo !== pass.next.stable?.revision)
      pass.lower.push({ type: 'SetSplit', route: route.key, canaryDoor: ceiling, reopen: false, restore: false })
  // What stood when a person resumed is theirs to have put right; the step's own split does it.
  const known = (phase === 'Scaling' || phase === 'Shifting') && (pass.seen.since['split'] ?? pass.now) <= ms(current.step.since)
  const fallen = routes.find((route) => (route.canaryDoor < expressed(route, standing) - 0.05 || (route.uneven && standing > 0 && !known)) && route.lastWriter?.ours !== true)
  if (!fallen) return
  const who = fallen.lastWriter?.manager ?? 'somebody'
  if (fallen.lastWriter?.gitOps) return resetByGitOps(pass, standing, fallen.key, who)
  if (phase === 'Held') return
  current.weight = { ...current.weight, wanted: Math.min(...routes.map((route) => route.canaryDoor)) }
  const what = fallen.uneven ? `${who} changed ${fallen.key}, which no longer gives the canary ${standing}% everywhere` : `${who} lowered ${fallen.key} to ${fallen.canaryDoor}%`
  hold(pass, 'LoweredByHand', `${what}; resume to go on from there`)
}
/** From here on door weights say nothing of versions: both doors lead to the new one. */
const turned = (pass: Pass): boolean => pass.seen.doors.stable.leadsTo === pass.next.canary?.revision
/** A tool that applies Git over the split: put back, but not for ever. */
function resetByGitOps(pass: Pass, standing: number, key: string, manager: string): void {
  const { next, now } = pass
  const recent = next.resets.filter((at) => now - ms(at) < 10 * 60_000)
  if (next.phase === 'Held') return
  if (recent.length >= 3) {
    journey(pass).weight.wanted = Math.min(standing, ...pass.seen.routes.filter(present).map((route) => route.canaryDoor))
    return hold(pass, 'ResetByGitOps', `${manager} reset the weights of ${key} three times in ten minutes: leave them to Sluice (docs/gitops.md), then resume`)
  }
  next.resets = [...recent, iso(now)]
  const ready = revisionNamed(pass.seen, next.canary?.revision)?.ready ?? 0
  // A raise like any other: without the pods for it, the step is scaled and shifted again.
  if (!pass.seen.backends && ready < canaryCount(pass, currentStep(pass), standing)) return enter(pass, 'Scaling', `${manager} reset the weights, and pods are missing for ${standing}%`)
  for (const route of pass.seen.routes.filter(present)) pass.raise.push({ type: 'SetSplit', route: route.key, canaryDoor: standing, reopen: false, restore: false })
}

/** Steps, checks, traffic or backends were edited: the weight stays, the position is the first step that is not below it, hold and evidence restart. */
function inputsEdited(pass: Pass): void {
  const current = journey(pass)
  if (current.inputsHash === pass.plan.inputsHash || pass.problems.length > 0 || pass.next.phase === 'Flipping') return
  const weight = Math.min(current.weight.seen ?? 0, current.weight.wanted)
  const index = pass.plan.steps.findIndex((step) => step.weight >= weight - 0.05)
  const step = pass.plan.steps[index]!
  current.inputsHash = pass.plan.inputsHash
  current.defaults = defaultsKept(pass).defaults
  current.step = stepAt(pass.plan, index, pass.now)
  countRequests(pass)
  pass.next.checks = []
  pass.next.approved = undefined
  pass.next.promoted = undefined
  decided(pass, 'StepsEdited', `the spec was edited: step ${index + 1}, the weight stays at ${weight}%`)
  if (pass.next.phase === 'Held') return
  if (weight > 0) current.weight = { wanted: weight, seen: weight, seenAt: iso(pass.now) }
  else current.weight = { wanted: step.weight }
  const followed = pass.seen.routes.filter(present).every((route) => near(route.canaryDoor, expressed(route, weight)))
  if (weight > 0 && followed) enter(pass, 'Holding', 'the steps were edited')
  else if (weight > 0) enter(pass, 'Shifting', 'the steps were edited')
  else enter(pass, 'Scaling', 'the steps were edited')
}
