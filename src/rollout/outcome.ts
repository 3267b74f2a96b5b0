/** How a journey ends, and how the way back begins. */
import { defaultsKept } from './begin.ts'
import { describe } from './describe.ts'
import { iso, ms } from './duration.ts'
import { decided, enter, journey, type Pass } from './pass.ts'
import type { Outcome } from './schema.ts'
import { countRequests, requestsSeen, unanswered } from './verdicts.ts'

/** Writes the outcome into journey and history and moves the pointers; the phase that follows is Idle, Waiting or RolledBack. */
export function finish(pass: Pass, outcome: Outcome, reason: string, message: string): void {
  const { next, now } = pass
  const current = journey(pass)
  const canary = next.canary
  countRequests(pass)
  current.ended = { outcome, reason, at: iso(now) }
  current.weight = outcome === 'Promoted' ? { ...current.weight, seen: 100, wanted: 100 } : { wanted: 0, seen: 0 }
  const entry = {
    revision: canary?.revision ?? '',
    ...(next.stable ? { from: next.stable.revision } : {}),
    ...(canary?.images ? { images: canary.images } : {}),
    ...(canary?.commit ? { commit: canary.commit } : {}),
    outcome,
    reason,
    startedAt: current.startedAt,
    endedAt: iso(now),
    requests: current.requests,
  }
  next.history = [entry, ...next.history].slice(0, 10)
  next.approved = undefined
  next.promoted = undefined
  next.checks = []
  if (outcome === 'Promoted') return promoted(pass, message)
  if (outcome === 'RolledBack' && canary) {
    const failed = { revision: canary.revision, reason, message: message.slice(0, 512), at: iso(now) }
    next.failed = [failed, ...next.failed.filter((other) => other.revision !== canary.revision)].slice(0, 3)
  }
  if (!pass.seen.backends) next.canary = undefined
  enter(pass, outcome === 'RolledBack' ? 'RolledBack' : outcome === 'Superseded' ? 'Waiting' : 'Idle', message)
}

function promoted(pass: Pass, message: string): void {
  const { next, now, plan } = pass
  const { stable, canary } = next
  // What is gone is no way back.
  next.previous = undefined
  if (stable && pass.seen.revisions.some(({ name }) => name === stable.revision)) {
    const { backend: _, ...previous } = stable
    next.previous = { ...previous, warmUntil: iso(now + plan.retainStableMs) }
  }
  const { changedConfig: _, ...proven } = canary ?? {}
  next.stable = canary && (proven as typeof canary)
  next.canary = undefined
  next.failed = next.failed.filter((failed) => failed.revision !== canary?.revision)
  if (warm(pass)) next.checks = unanswered(pass)
  enter(pass, 'Idle', message)
}

/** After a promotion, back to the revision before it: the pointers change at once, the traffic follows by the procedure of closing. */
export function beginWayBack(pass: Pass, reason: string, message: string, more: { check?: string; requestedBy?: string } = {}): void {
  const { next, now } = pass
  const { previous, stable } = next
  if (!previous || !stable) return
  const before = next.journey
  next.journey = {
    id: `${stable.revision}-back-${next.sequence}`,
    // The annotation is written before this status is: it can only carry the sequence that is committed now.
    since: pass.seen.status?.sequence ?? next.sequence,
    startedAt: iso(now),
    direction: 'Back',
    baseReplicas: before?.baseReplicas ?? 0,
    inputsHash: pass.plan.inputsHash,
    ...defaultsKept(pass),
    step: { index: 0, since: iso(now) },
    weight: { wanted: 0 },
    closing: { outcome: 'RolledBack', reason, message, at: iso(now), ...more },
    // The price of what is taken back now: what it has served since its promotion.
    requests: requestsSeen(pass),
  }
  next.canary = stable
  next.stable = describe(pass, previous.revision)
  next.previous = undefined
  next.checks = []
  enter(pass, 'Closing', message)
  decided(pass, 'WayBack', `${stable.revision} → ${previous.revision}: ${message}`)
}
/** Is the revision before the promotion still kept warm? */
export const warm = (pass: Pass): boolean => pass.next.previous !== undefined && pass.now < ms(pass.next.previous.warmUntil)
