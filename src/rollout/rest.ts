/** Outside of a journey: both doors lead to stable, counts are kept, old revisions go. Also notices the next revision. */
import { countWritten } from './adoption.ts'
import { describe } from './describe.ts'
import { carriesNothing, endpoints, inOrder, leads, propagated, ready, routesPresent, run, scaled, split, turned, when } from './procedure.ts'
import { canaryCount, closedBy, currentStep, enter, type Pass, revisionNamed, target, wantedCount } from './pass.ts'
import type { Phase } from './schema.ts'
import type { Blocker } from './seen.ts'
import { keepClosed } from './closing.ts'
import { warm } from './outcome.ts'

/** Idle and RolledBack: is there something to release? */
export function idle(pass: Pass): void {
  const wanted = target(pass.seen)
  const { next } = pass
  if (wanted === undefined) {
    pass.awaiting = `Deployment ${pass.plan.workload}, which does not exist`
    return
  }
  if (pass.seen.backends) return idleBackends(pass, wanted)
  if (wanted === next.stable?.revision) {
    if (next.phase === 'RolledBack') enter(pass, 'Idle', 'the template is the stable revision')
    return
  }
  if (closedBy(pass, wanted) !== undefined) {
    if (next.phase === 'Idle') enter(pass, 'RolledBack', `${wanted} has failed before`)
    return
  }
  notice(pass, wanted)
}
function notice(pass: Pass, revision: string): void {
  pass.next.canary = { ...describe(pass, revision), ...(pass.seen.backends ? { backend: pass.seen.backends.canaryBackend } : {}) }
  const changed = pass.seen.workload.state === 'Present' ? pass.seen.workload.changedConfig : undefined
  enter(pass, 'Waiting', `${revision} is neither stable nor failed${changed ? `: ${changed.join(', ')} changed` : ''}`)
}

/** Backends: a journey starts on a new backend, or on the canary's new template while it carries nothing; swapped roles are an acknowledgement. */
function idleBackends(pass: Pass, wanted: string): void {
  const { next, seen } = pass
  const backends = seen.backends!
  if (backends.wanted) return
  keepClosed(pass)
  const named = seen.routes.length > 0 && routesPresent(pass)
  const nothing = named && seen.routes.every((route) => route.canaryDoor < 0.05 && route.totals.every((total) => total > 0))
  if (nothing && (backends.stableBackend !== next.stable?.backend || next.canary === undefined)) return acknowledged(pass, wanted)
  // Promoted and not swapped, or swapped while the new stable does not carry everything: BackendsNotSwapped says what to commit.
  if (notSwapped(pass)) return
  if (closedBy(pass, wanted) !== undefined) {
    if (next.phase === 'Idle') enter(pass, 'RolledBack', `${wanted} has failed before`)
    return
  }
  const fresh = backends.canaryBackend !== next.canary!.backend && !named
  if (wanted !== next.canary!.revision && (nothing || fresh)) notice(pass, wanted)
}
/** Stable of the spec carries everything, so the roles are as it says: no weight moves. What is canary now and was no arm before is new. */
function acknowledged(pass: Pass, wanted: string): void {
  const { next } = pass
  const backends = pass.seen.backends!
  const known = [next.stable?.backend, next.canary?.backend, next.previous?.revision]
  next.stable = { ...describe(pass, backends.stable), backend: backends.stableBackend }
  next.previous = undefined
  if (!known.includes(backends.canaryBackend)) return notice(pass, wanted)
  next.canary = { ...describe(pass, wanted), backend: backends.canaryBackend }
}
/** The roles of the spec are not those of the status. */
export const notSwapped = (pass: Pass): boolean =>
  pass.seen.backends !== undefined && pass.seen.backends.wanted === undefined && (pass.next.canary === undefined || pass.seen.backends.stableBackend !== pass.next.stable?.backend)

/** What is kept in step in every phase in which nothing is on its way. Each chore stands for itself; one that waits does not hold up the others. */
export function chores(pass: Pass): void {
  if (pass.seen.backends || !pass.next.stable || pass.problems.length > 0) return
  const stable = pass.next.stable.revision
  const previous = warm(pass) ? pass.next.previous!.revision : undefined
  const awaiting = pass.awaiting
  const count = wantedCount(pass)
  run(pass, countWritten)
  const canaryLeads = previous ?? stable
  // A split at rest is only moved where it matters: on our own route, or before a door may turn.
  const mustBeZero = pass.seen.routes.some((route) => route.managed) || (pass.seen.doors.canary.leadsTo !== canaryLeads && !carriesNothing(pass, 'canary')) || previous !== undefined
  const routes = when(mustBeZero, split(0))
  run(pass, inOrder(ready(stable, count), scaled(stable, count)))
  run(pass, inOrder(leads('stable', stable), leads('own', stable), routes))
  const canaryDoor = inOrder(when(pass.seen.doors.canary.leadsTo !== canaryLeads, inOrder(routes, propagated)), turned('canary', canaryLeads))
  const settled = run(pass, canaryDoor)
  if (previous !== undefined) run(pass, scaled(previous, count))
  if (settled) retire(pass, new Set([stable, ...(previous === undefined ? [] : [previous])]))
  templateScaledUp(pass)
  pass.awaiting = awaiting
}

const standing: readonly Phase[] = ['Shifting', 'Holding', 'AwaitingApproval', 'Held', 'Flipping']
/** What an autoscaler or a person adds in the middle of a journey goes to both arms at once, and not with the next step. Nothing is taken away here. */
export function grow(pass: Pass): void {
  if (pass.seen.backends || pass.problems.length > 0 || !standing.includes(pass.next.phase)) return
  // An incident does not wait for the end of a long hold.
  templateScaledUp(pass)
  const { journey, stable, canary } = pass.next
  const growing = [[stable?.revision, wantedCount(pass)], [canary?.revision, journey?.weight.seen === undefined ? 0 : canaryCount(pass, currentStep(pass), journey.weight.wanted)]] as const
  for (const [name, count] of growing) {
    const found = revisionNamed(pass.seen, name)
    if (found && found.replicas < count) pass.raise.push({ type: 'Scale', revision: found.name, replicas: count })
  }
}

/** Old revisions: to zero where no door leads to them any more, and gone beyond revisionHistoryLimit. */
function retire(pass: Pass, kept: ReadonlySet<string>): void {
  const doors = [pass.seen.doors.stable, pass.seen.doors.canary, pass.seen.doors.own].map((door) => door.leadsTo)
  const old = pass.seen.revisions.filter((revision) => !kept.has(revision.name) && revision.name !== pass.next.canary?.revision && !doors.includes(revision.name) && !revision.terminating)
  if (old.some((revision) => revision.replicas > 0) && !run(pass, endpoints('canary', 0))) return
  for (const revision of old) if (revision.replicas > 0) run(pass, scaled(revision.name, 0))
  const byAge = [...old].sort((a, b) => b.createdAt - a.createdAt)
  for (const revision of byAge.slice(pass.plan.revisionHistoryLimit)) if (revision.replicas === 0) pass.raise.push({ type: 'DeleteRevision', revision: revision.name })
}

/** The template has pods again. A GitOps tool keeps its idle pods and is named in a condition; a person's `kubectl scale` is an order for more. */
function templateScaledUp(pass: Pass): void {
  const { workload } = pass.seen
  if (workload.state !== 'Present' || workload.replicas === 0 || workload.replicasWriter?.gitOps || autoscaled(pass)) return
  // What nobody wrote down is no order: stable would shrink to one pod.
  if (pass.plan.replicas !== workload.replicas && !workload.replicasWriter?.byDefault) pass.raise.push({ type: 'WriteReplicas', replicas: workload.replicas })
  else pass.raise.push({ type: 'ScaleWorkload', replicas: 0 })
}
/** An autoscaler looks after the template: its count is about pods that serve nobody, so it is no order, and taking it back would be a fight. */
export const autoscaled = (pass: Pass): Blocker | undefined => pass.seen.blockers.find(({ reason }) => reason === 'HPATargetsWorkload')
/** A GitOps tool keeps writing the template's count. */
export function contested(pass: Pass): string | undefined {
  const { workload } = pass.seen
  if (pass.seen.backends || workload.state !== 'Present' || workload.replicas === 0 || !workload.replicasWriter?.gitOps || pass.next.phase === 'Adopting' || pass.next.phase === 'Blocked') return undefined
  return `${workload.replicasWriter.manager} keeps spec.replicas of Deployment ${pass.plan.workload} at ${workload.replicas}: those pods serve nobody; leave the line "replicas: ${workload.replicas}" out of the manifest, then: kubectl -n ${pass.seen.rollout.namespace} scale deployment/${pass.plan.workload} --replicas=0`
}
/** The wanted count is written to status.replicas and status.selector for autoscalers: those of the arm with the greater share. */
export function scaleStatus(pass: Pass, share: number): void {
  const { next } = pass
  const name = next.canary && share > 50 ? next.canary.revision : next.stable?.revision
  const revision = revisionNamed(pass.seen, name)
  if (!revision || pass.seen.backends) return
  next.replicas = revision.ready > 0 || revision.replicas > 0 ? revision.replicas : 0
  next.selector = `sluice.dev/rollout=${pass.seen.rollout.name},sluice.dev/revision=${revision.name}`
}
