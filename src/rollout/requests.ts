/** Requests of people: each is acted on at most once, only for its revision and step, and answered. */
import { iso, ms } from './duration.ts'
import { beginWayBack } from './outcome.ts'
import { close, decided, enter, inJourney, journey, type Pass, target, wake } from './pass.ts'
import { notSwapped } from './rest.ts'
import type { RequestSeen } from './seen.ts'
import { countRequests } from './verdicts.ts'

type Answer = { readonly state: 'Accepted' | 'Refused'; readonly message: string }
const accept = (message: string): Answer => ({ state: 'Accepted', message })
const refuse = (message: string): Answer => ({ state: 'Refused', message })
const day = 24 * 3_600_000

export function requests(pass: Pass): void {
  const { next, seen } = pass
  for (const request of seen.requests) {
    if (request.answeredAt !== undefined) {
      if (pass.now >= request.answeredAt + day) pass.raise.push({ type: 'DeleteRequest', name: request.name, uid: request.uid })
      else wake(pass, request.answeredAt + day)
      continue
    }
    const handled = next.requests.find((entry) => entry.uid === request.uid)
    const { state, message } = handled ? { state: handled.answer, message: handled.message } : act(pass, request)
    if (!handled) remember(pass, request, state, message)
    pass.raise.push({ type: 'AnswerRequest', name: request.name, uid: request.uid, state, message })
  }
}
function remember(pass: Pass, request: RequestSeen, answer: 'Accepted' | 'Refused', message: string): void {
  const by = request.spec.requestedBy
  const entry = { uid: request.uid, name: request.name, action: request.spec.action, answer, message, ...(by ? { by } : {}), verified: request.verified, at: iso(pass.now) }
  // An answer that is not written yet must not be forgotten, or the request would be acted on again.
  const open = new Set(pass.seen.requests.filter((other) => other.answeredAt === undefined).map((other) => other.uid))
  pass.next.requests = [entry, ...pass.next.requests].filter((other, index) => index < 20 || open.has(other.uid)).slice(0, 60)
  decided(pass, `${request.spec.action}${answer}`, `${actor(request)}: ${message}`)
}
/** Who asked: unverified where no admission policy has compared the name with the caller. */
export const actor = (request: RequestSeen): string => `${request.spec.requestedBy ?? 'somebody'}${request.verified ? '' : ' (unverified)'}`

function act(pass: Pass, request: RequestSeen): Answer {
  const { spec } = request
  if (pass.now + (pass.seen.clockOffsetMs ?? 0) - request.createdAt > 10 * 60_000 && !stillAborts(pass, request)) return refuse('Expired: it was not read within ten minutes; make a new one')
  if (pass.plan.observes && !inJourney(pass.next)) return refuse('spec.mode is Observe: another tool moves the weights, and Sluice only tells what it would do. Ask that tool, or set spec.mode to Release')
  if (spec.action !== 'Abort' && spec.action !== 'Pause' && spec.revision === undefined) return refuse(`spec.revision is missing: ${spec.action} names the revision that it means`)
  switch (spec.action) {
    case 'Abort':
      return abort(pass, request)
    case 'Pause':
      return pause(pass, request)
    case 'Resume':
      return resume(pass, request)
    case 'Promote':
      return promote(pass, request)
    case 'Approve':
      return approve(pass, request)
    case 'Retry':
      return retry(pass, request)
    case 'Rollback':
      return rollback(pass, request)
  }
}

/** Whoever asked for traffic to be taken away in the journey that is still under way means it however late it is read: the safe direction never expires. */
function stillAborts(pass: Pass, { spec, createdAt }: RequestSeen): boolean {
  const { next, seen } = pass
  if (spec.action !== 'Abort' || !inJourney(next) || (spec.revision !== undefined && spec.revision !== next.canary?.revision)) return false
  // The API server writes whole seconds.
  return createdAt >= ms(journey(pass).startedAt) + (seen.clockOffsetMs ?? 0) - 1000
}

const reasonOf = (request: RequestSeen): string => `${actor(request)}${request.spec.reason ? `: ${request.spec.reason}` : ''}`.slice(0, 512)

function abort(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  const { revision } = request.spec
  if (revision !== undefined && revision !== next.canary?.revision) return refuse(stale(pass, revision))
  if (next.phase === 'Waiting' && next.canary) {
    const canary = next.canary.revision
    next.failed = [{ revision: canary, reason: 'Aborted', message: reasonOf(request), at: iso(pass.now) }, ...next.failed].slice(0, 3)
    if (!pass.seen.backends) next.canary = undefined
    enter(pass, 'RolledBack', reasonOf(request))
    return accept(`${canary} will not start`)
  }
  if (!inJourney(next)) return refuse(`nothing to abort: ${pass.seen.rollout.name} is ${next.phase}`)
  if (journey(pass).closing) return accept('it is being closed already')
  close(pass, 'RolledBack', 'Aborted', reasonOf(request), request.spec.requestedBy ? { requestedBy: request.spec.requestedBy } : {})
  return accept(`${next.canary?.revision} loses its traffic now`)
}

function pause(pass: Pass, request: RequestSeen): Answer {
  if (pass.next.paused || pass.plan.paused) return accept('it is paused already')
  pass.next.paused = { at: iso(pass.now), ...(request.spec.requestedBy ? { by: request.spec.requestedBy } : {}) }
  return accept('no weight rises until it is resumed; checks and rollback go on')
}

function resume(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  if (pass.plan.paused) return refuse('spec.paused is true and wins: set it to false where the Rollout is kept')
  if (inJourney(next) && request.spec.revision !== next.canary?.revision) return refuse(stale(pass, request.spec.revision!))
  const wasPaused = next.paused !== undefined
  next.paused = undefined
  if (next.phase === 'Held') {
    leaveHeld(pass, actor(request))
    return accept('the step starts anew')
  }
  if (!wasPaused) return refuse(`nothing to resume: ${pass.seen.rollout.name} is ${next.phase} and not paused`)
  if (next.journey && !next.journey.ended && next.phase === 'Scaling') next.journey.step.since = iso(pass.now)
  return accept('it goes on')
}
function leaveHeld(pass: Pass, by: string): void {
  const current = journey(pass)
  countRequests(pass)
  const step = pass.plan.steps[current.step.index]!
  current.held = undefined
  current.step = { ...current.step, since: iso(pass.now) }
  current.weight = { ...current.weight, seen: Math.min(current.weight.seen ?? 0, current.weight.wanted), wanted: Math.max(step.weight, current.weight.wanted) }
  pass.next.checks = []
  pass.next.resets = []
  enter(pass, 'Scaling', `resumed by ${by}`)
}

function promote(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  const { revision, step } = request.spec
  if (revision !== next.canary?.revision) return refuse(stale(pass, revision!))
  const index = next.phase === 'Waiting' ? 0 : inJourney(next) ? journey(pass).step.index : undefined
  if (index === undefined || next.phase === 'Closing' || next.phase === 'Draining') return refuse(`nothing to promote: ${pass.seen.rollout.name} is ${next.phase}`)
  const last = pass.plan.steps.length - 1
  const upTo = step === undefined ? index : step === -1 ? last : step
  if (upTo < index) return refuse(`step ${upTo + 1} has been left already; it is in step ${index + 1}`)
  if (upTo > last) return refuse(`spec.step is ${upTo}, but there are ${last + 1} steps, counted from 0`)
  next.promoted = { revision: revision!, step: upTo }
  if (next.phase === 'Held') leaveHeld(pass, actor(request))
  const over = pass.plan.hooks.length > 0 ? 'hold, approval, missing data and hooks that do not answer' : 'hold, approval and missing data'
  return accept(`${over} are passed over ${upTo === last ? 'up to the promotion' : `in step ${upTo + 1}`}`)
}

function approve(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  const { revision, step } = request.spec
  if (revision !== next.canary?.revision) return refuse(stale(pass, revision!))
  if (next.phase === 'Waiting') {
    if (pass.plan.steps[0]?.approval !== 'Before') return refuse('the first step wants no approval')
    next.approved = { revision: revision!, step: -1 }
    return accept(`${revision} may start`)
  }
  if (!inJourney(next)) return refuse(`nothing to approve: ${pass.seen.rollout.name} is ${next.phase}`)
  const index = journey(pass).step.index
  if (step !== undefined && step !== index) return refuse(`step ${step + 1} is not the present one; it is in step ${index + 1}`)
  if (pass.plan.steps[index]?.approval !== 'After' && pass.plan.steps[index + 1]?.approval !== 'Before') return refuse(`step ${index + 1} wants no approval`)
  next.approved = { revision: revision!, step: index }
  return accept(`step ${index + 1} may be left`)
}

function retry(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  const { revision } = request.spec
  const wanted = target(pass.seen)
  if (revision !== wanted) return refuse(`${revision} is not what the template says now, which is ${wanted}`)
  if (revision === next.stable?.revision) return refuse(`${revision} is stable`)
  if (pass.seen.backends && pass.seen.backends.canaryBackend === next.stable?.backend) return refuse(`${next.stable.backend} carries everything as the proven backend: swap the roles in spec.backends first`)
  if (notSwapped(pass)) return refuse(`spec.backends calls ${pass.seen.backends!.stableBackend} stable, but ${next.stable?.backend} is proven: put the roles right in spec.backends first`)
  if (next.phase === 'Blocked' || next.phase === 'Adopting') return refuse(`nothing has failed: ${pass.seen.rollout.name} is ${next.phase}`)
  if (inJourney(next)) {
    if (next.phase !== 'Held') return refuse(`${revision} is under way: ${next.phase}`)
    leaveHeld(pass, actor(request))
    return accept('the step starts anew')
  }
  next.failed = next.failed.filter((failed) => failed.revision !== revision)
  enter(pass, 'Waiting', `retried by ${actor(request)}`)
  return accept(`${revision} starts again`)
}

function rollback(pass: Pass, request: RequestSeen): Answer {
  const { next } = pass
  const { revision } = request.spec
  if (inJourney(next)) return refuse('a release is under way: abort it instead')
  if (revision !== next.stable?.revision && revision !== next.previous?.revision) return refuse(`${revision} is neither stable (${next.stable?.revision}) nor the one before it (${next.previous?.revision ?? 'none'})`)
  if (!next.previous) return refuse('no revision before the stable one is kept')
  if (pass.seen.backends) return refuse('with backends the way back is to swap the roles in the Rollout, which moves the other way through the steps')
  if (!pass.seen.revisions.some((kept) => kept.name === next.previous!.revision)) return refuse(`${next.previous.revision} is gone: it was beyond revisionHistoryLimit`)
  const back = next.previous.revision
  beginWayBack(pass, 'RolledBackByHand', reasonOf(request), request.spec.requestedBy ? { requestedBy: request.spec.requestedBy } : {})
  return accept(`everything goes back to ${back}`)
}
function stale(pass: Pass, revision: string): string {
  const canary = pass.next.canary?.revision
  return canary ? `${revision} is not on its way: ${canary} is` : `${revision} is not on its way: ${pass.seen.rollout.name} is ${pass.next.phase} at ${pass.next.stable?.revision ?? 'nothing'}`
}
