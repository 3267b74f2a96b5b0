/** Conditions and the message: kstatus reads Ready, Reconciling and Stalled; people read the rest. */
import { adoptionBlockers, workloadMissing } from './adoption.ts'
import { iso } from './duration.ts'
import { hookFacts } from './hooks/consult.ts'
import { flipDeadline, mayNotRaise } from './journey.ts'
import { inJourney, type Pass, revisionNamed, shareOf, stableBroken, target, wantedCount } from './pass.ts'
import { gone } from './procedure.ts'
import { autoscaled, contested, notSwapped } from './rest.ts'
import type { Condition } from './schema.ts'
import { answers, evidenceSince } from './verdicts.ts'

interface Claim {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

/** Conditions of this pass; those of a fact that is gone disappear, lastTransitionTime moves with the status only. */
export function conditions(pass: Pass): Condition[] {
  const before = pass.seen.status?.conditions ?? []
  const claims = merged([...standing(pass), ...remarks(pass)])
  return claims.map((claim) => {
    const old = before.find((condition) => condition.type === claim.type)
    const lastTransitionTime = old && old.status === claim.status ? old.lastTransitionTime : iso(pass.now)
    return { ...claim, message: claim.message.slice(0, 1024), lastTransitionTime, observedGeneration: pass.seen.rollout.generation }
  })
}

/** Conditions are a map by type: what two routes say alike is said once, with both sentences. */
function merged(claims: readonly Claim[]): Claim[] {
  const byType = new Map<string, Claim>()
  for (const claim of claims) {
    const same = byType.get(claim.type)
    byType.set(claim.type, same && same.message !== claim.message ? { ...same, message: `${same.message}; ${claim.message}` } : claim)
  }
  return [...byType.values()]
}
function standing(pass: Pass): Claim[] {
  const { next } = pass
  const stalled = stalledBy(pass)
  const serving = next.phase !== 'Blocked' && next.phase !== 'Adopting' && next.phase !== 'Removing'
  const working = !stalled && (next.phase === 'Adopting' || next.phase === 'Removing')
  return [
    { type: 'Ready', status: serving && !stalled ? 'True' : 'False', reason: stalled?.reason ?? next.phase, message: stalled?.message ?? next.message },
    { type: 'Reconciling', status: working ? 'True' : 'False', reason: next.phase, message: working ? next.message : '' },
    { type: 'Stalled', status: stalled ? 'True' : 'False', reason: stalled?.reason ?? 'Working', message: stalled?.message ?? '' },
    promoted(pass),
  ]
}
function promoted(pass: Pass): Claim {
  const { next } = pass
  if (next.phase === 'Observing') return { type: 'Promoted', status: 'Unknown', reason: 'Observing', message: 'spec.mode is Observe: what is promoted is for the other tool to say' }
  const wanted = target(pass.seen)
  const revision = next.stable?.revision
  if (revision !== undefined && next.canary === undefined && (wanted === revision || pass.seen.backends) && next.phase === 'Idle') return { type: 'Promoted', status: 'True', reason: 'Promoted', message: `${revision} serves all traffic` }
  if (pass.seen.backends && next.phase === 'Idle') return { type: 'Promoted', status: 'True', reason: 'Idle', message: `${revision} serves all traffic` }
  return { type: 'Promoted', status: 'False', reason: next.phase, message: next.message }
}

/** Why nothing will happen until somebody changes something; undefined: it works or waits. */
function stalledBy(pass: Pass): { reason: string; message: string } | undefined {
  const [problem] = pass.problems
  if (problem) return { reason: 'InvalidSpec', message: pass.problems.map(({ message }) => message).join('; ') }
  const blockers = pass.next.phase === 'Blocked' || pass.next.phase === 'Adopting' ? adoptionBlockers(pass) : pass.seen.blockers
  const blocker = blockers.find((candidate) => candidate.stalled && (candidate.stops === 'Raise' || pass.next.phase === 'Blocked' || pass.next.phase === 'Adopting'))
  if (blocker) return blocker
  if (pass.seen.workload.state === 'Missing' && !pass.seen.rollout.deleting) return { reason: 'WorkloadMissing', message: workloadMissing(pass.plan.workload ?? '') }
  if (stableGone(pass)) return { reason: 'StableGone', message: `waiting for ${gone(pass, pass.next.stable!.revision)}` }
  if (pass.next.phase === 'Blocked' && pass.next.message) return { reason: blockedRoute(pass), message: pass.next.message }
  const unreadable = pass.next.phase === 'Observing' ? pass.seen.routes.find((route) => route.state !== 'Present') : undefined
  if (unreadable) return { reason: unreadable.reason ?? 'RouteMissing', message: pass.next.message }
  if (pass.next.phase === 'Flipping' && pass.now >= flipDeadline(pass)) return { reason: 'FlipIncomplete', message: `the flip waits for ${pass.awaiting}; all traffic is on the new, healthy revision` }
  return undefined
}
/** What is proven was deleted and the template is another: only people have what it takes to bring it back. */
const stableGone = (pass: Pass): boolean => {
  const { next, seen } = pass
  const stable = next.stable?.revision
  return stable !== undefined && !seen.backends && !['Blocked', 'Removing', 'Flipping'].includes(next.phase) && !revisionNamed(seen, stable) && target(seen) !== stable && shareOf(seen, stable) > 0
}
const blockedRoute = (pass: Pass): string => pass.seen.routes.find((route) => route.state !== 'Present')?.reason ?? 'Blocked'

function remarks(pass: Pass): Claim[] {
  const { next, seen } = pass
  const found: Claim[] = seen.remarks.map((remark) => ({ ...remark, status: 'True' }))
  const say = (type: string, reason: string, message: string | undefined): void => {
    if (message !== undefined) found.push({ type, status: 'True', reason, message })
  }
  say('ReplicasContested', 'ScaledByGitOps', contested(pass))
  if (!['Blocked', 'Adopting', 'Removing'].includes(next.phase)) say('ReplicasContested', 'ScaledByAutoscaler', autoscaled(pass)?.message)
  for (const { type, reason, message } of hookFacts(pass)) say(type, reason, message)
  if (next.phase === 'Held') say('Held', next.journey?.held?.reason ?? 'Held', next.journey?.held?.message ?? '')
  if (next.stable && !['Blocked', 'Adopting', 'Removing', 'Observing'].includes(next.phase) && stableBroken(pass))
    say('StableBroken', 'PodsNotReady', `${revisionNamed(seen, next.stable.revision)?.ready ?? 0} of ${wantedCount(pass)} pods of ${next.stable.revision} are ready: nothing is lowered onto it`)
  say('TrafficNotMoving', 'NoRequestsSeen', notMoving(pass))
  say('RestSplitDiffers', 'WeightsAtRest', restSplit(pass))
  if ((next.phase === 'Idle' || next.phase === 'RolledBack') && notSwapped(pass))
    say('BackendsNotSwapped', next.canary === undefined ? 'Promoted' : 'RolesDiffer', `${next.stable?.backend} is proven and carries the traffic: to release again commit spec.backends.stable: ${next.stable?.backend}, and the other as spec.backends.canary`)
  return found
}

/** Requests should reach the canary and do not: never at weight 0, and not where there is too little traffic to tell. */
function notMoving(pass: Pass): string | undefined {
  const { next } = pass
  if (next.phase !== 'Holding' && next.phase !== 'Held' && next.phase !== 'AwaitingApproval') return undefined
  const since = evidenceSince(pass)
  // Only what was counted at this split: at the last one the canary had its share of then.
  const reading = next.checks.flatMap((check) => answers(pass, check.name)).findLast((candidate) => candidate.answer.state === 'Counts')
  if (since === undefined || reading?.answer.state !== 'Counts') return undefined
  const { canary, stable } = reading.answer
  const weight = next.journey?.weight.wanted ?? 0
  const all = stable.slow.total + canary.slow.total
  const expected = (all * weight) / 100
  if (expected < 30 || canary.slow.total > expected / 10 || reading.question.slowMs < 4 * pass.plan.scrapeIntervalMs) return undefined
  const why = pass.seen.doors.own.state === 'Route'
    ? 'do callers keep their connections to the old pods open, or name another Service?'
    : 'is the caller outside of the mesh, or does another route with the same host come first?'
  return `${canary.slow.total} of ${all} requests reached the canary at weight ${weight}%: ${why}`
}
function restSplit(pass: Pass): string | undefined {
  const { next, seen } = pass
  if (inJourney(next) || ['Blocked', 'Adopting', 'Removing', 'Observing'].includes(next.phase)) return undefined
  const differing = seen.routes.find((route) => route.state === 'Present' && !route.managed && route.canaryDoor > 0.05 && route.canaryDoor < 99.95)
  if (!differing) return undefined
  const hurts = seen.backends ? `${shareOf(seen, seen.backends.canary)}% of it to ${seen.backends.canary}` : 'both doors lead to stable, so nobody is exposed'
  return `${differing.key} has its weights at ${100 - differing.canaryDoor}/${differing.canaryDoor} at rest (${hurts}); Sluice leaves them to their owner`
}

/** status.message: what is awaited, and what a person could do. */
export function message(pass: Pass): string {
  const { next } = pass
  const { name } = pass.seen.rollout
  switch (next.phase) {
    case 'Idle':
      return pass.awaiting ? `waiting for ${pass.awaiting}` : next.stable ? `${next.stable.revision} serves all traffic` : ''
    case 'RolledBack': {
      const failed = next.failed.find((entry) => entry.revision === target(pass.seen)) ?? next.failed[0]
      return failed ? `${failed.revision} was taken back: ${failed.message}; push a fix, or: sluice retry ${name}` : 'the release was taken back'
    }
    case 'Held':
      return `held: ${next.journey?.held?.message ?? ''}; sluice resume ${name}, sluice promote ${name} or sluice abort ${name}`
    case 'Observing':
      return `observing: ${pass.awaiting}`
    case 'Blocked':
      return pass.problems.length > 0 ? `spec is invalid: ${pass.problems[0]!.message}` : pass.awaiting
    case 'Closing':
    case 'Draining':
      return `${next.journey?.closing?.message ?? ''}${pass.awaiting ? `; waiting for ${pass.awaiting}` : ''}`
    default: {
      const paused = inJourney(next) ? mayNotRaise(pass) : undefined
      return `waiting for ${paused ?? (pass.awaiting || 'the next pass')}`
    }
  }
}
