/** A Rollout without status: new, or its status was lost. Nothing unproven is ever adopted. */
import { iso } from './duration.ts'
import { decided, enter, type Pass, target } from './pass.ts'
import type { RolloutStatus } from './schema.ts'
import type { Seen } from './seen.ts'

/** An empty status. Its sequence is the time, so that no older test or annotation matches. */
export function blank(now: number): RolloutStatus {
  return {
    schema: 1,
    sequence: now,
    observedGeneration: 0,
    phase: 'Blocked',
    message: '',
    conditions: [],
    failed: [],
    checks: [],
    redirected: [],
    resets: [],
    requests: [],
    decisions: [],
    history: [],
    outbox: [],
    writer: '',
  }
}

/** The status that the objects tell: stable is what stands behind the stable door, unless a route names that as closed, then what stands behind the other. */
export function rebuilt(seen: Seen, now: number): RolloutStatus {
  const status = blank(now)
  const closed = seen.routes.flatMap((route) => (route.closedTo ? [route.closedTo.revision] : []))
  status.failed = [...new Set(closed)].slice(0, 3).map((revision) => ({ revision, reason: 'NamedByRoute', message: 'a route names it as closed; the status that said why is lost', at: iso(now) }))
  if (seen.backends) return status
  const stable = provenBehindDoors(seen, closed)
  if (stable === undefined) return status
  status.stable = { revision: stable }
  status.phase = settled(seen, stable) ? 'Idle' : 'Adopting'
  status.decisions = [{ at: iso(now), decision: 'Rebuilt', why: `the status was lost; ${stable} is what the objects say is stable` }]
  return status
}

function provenBehindDoors(seen: Seen, closed: readonly string[]): string | undefined {
  const { stable, canary } = seen.doors
  for (const door of [stable, canary]) {
    if (door.state !== 'Present' || door.leadsTo === undefined || door.leadsTo === 'Workload') continue
    if (!closed.includes(door.leadsTo)) return door.leadsTo
  }
  // An adoption that was stopped before its doors: a revision of ours with ready pods is what serves.
  return seen.revisions.find((revision) => revision.ready > 0 && !closed.includes(revision.name) && !revision.terminating)?.name
}
const settled = (seen: Seen, stable: string): boolean => seen.doors.stable.leadsTo === stable && seen.workload.state === 'Present' && (seen.workload.replicas === 0 || seen.revisions.length > 1)

/**
 * The app is gone with its Deployment, or everything of ours was deleted under a template that has not failed: what the status remembers of revisions
 * is no more, so the next template is adopted, as on the first day. Doors or a revision that still stand are what serves; nothing is adopted past them.
 */
export function nothingStands(pass: Pass): boolean {
  const { next, seen } = pass
  if (!seen.status || seen.backends || !next.stable || pass.problems.length > 0 || ['Blocked', 'Adopting', 'Removing'].includes(next.phase)) return false
  if (seen.revisions.some((revision) => !revision.terminating) || [seen.doors.stable, seen.doors.canary].some(({ state, leadsTo }) => state === 'Present' && leadsTo !== 'Workload')) return false
  const wanted = target(seen)
  return wanted === undefined || (wanted !== next.stable.revision && !next.failed.some(({ revision }) => revision === wanted))
}
/** History, requests and notes stay; a journey that was under way is over. */
export function startAnew(pass: Pass): void {
  const { next, now } = pass
  if (next.journey && !next.journey.ended) {
    next.journey.ended = { outcome: 'Withdrawn', reason: 'WorkloadGone', at: iso(now) }
    const { startedAt, requests, ended } = next.journey
    next.history = [{ revision: next.canary?.revision ?? '', outcome: ended.outcome, reason: ended.reason, startedAt, endedAt: ended.at, requests }, ...next.history].slice(0, 10)
  }
  Object.assign(next, { stable: undefined, canary: undefined, previous: undefined, approved: undefined, promoted: undefined, failed: [], checks: [], redirected: [], resets: [] })
  enter(pass, 'Blocked', 'neither revisions nor doors stand any more: the template is taken over anew')
  decided(pass, 'StartedAnew', 'everything that was made of the Deployment is gone')
}
