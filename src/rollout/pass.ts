/** One pass over one rollout: what was seen, the status in the making, and what is to be done about it. Only decide() and its parts hold one. */
import type { Action } from './actions.ts'
import type { Settings } from './decision.ts'
import { iso } from './duration.ts'
import type { Plan, PlannedStep, SpecProblem } from './plan.ts'
import type { JourneyStatus, outcomes, Phase, RolloutStatus } from './schema.ts'
import type { RevisionSeen, RouteSeen, Seen } from './seen.ts'

export interface Pass {
  readonly seen: Seen
  readonly plan: Plan
  /** The spec is invalid: nothing is raised, everything is kept, abort works. */
  readonly problems: readonly SpecProblem[]
  readonly settings: Settings
  readonly now: number
  /** The status in the making; starts as what was seen. */
  readonly next: RolloutStatus
  readonly lower: Action[]
  readonly raise: Action[]
  /** What is awaited, for status.message; the last one wins. */
  awaiting: string
  wakeAt: number
}

export function wake(pass: Pass, at: number): void {
  if (at > pass.now && at < pass.wakeAt) pass.wakeAt = at
}

/** Journey phases in which an unproven revision may hold traffic or pods. */
export const underway: readonly Phase[] = ['Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Flipping', 'Closing', 'Draining', 'Held']
export const inJourney = (status: RolloutStatus): boolean => underway.includes(status.phase) && status.journey !== undefined && status.journey.ended === undefined

/** The journey under way; calling this outside of one is a bug. */
export function journey(pass: Pass): JourneyStatus {
  if (!pass.next.journey) throw new Error(`phase ${pass.next.phase} without a journey`)
  return pass.next.journey
}

export function currentStep(pass: Pass): PlannedStep {
  const steps = pass.plan.steps
  return steps[Math.min(journey(pass).step.index, steps.length - 1)]!
}

/** Enters a phase and notes the decision with its reason. Staying in a phase writes nothing. */
export function enter(pass: Pass, phase: Phase, why: string): void {
  if (pass.next.phase === phase) return
  pass.next.phase = phase
  decided(pass, phase, why)
}
export function decided(pass: Pass, decision: string, why: string): void {
  pass.next.decisions = [...pass.next.decisions, { at: iso(pass.now), decision, why }].slice(-10)
}

export const revisionNamed = (seen: Seen, name: string | undefined): RevisionSeen | undefined => seen.revisions.find((revision) => revision.name === name)

/** A patience that began at `since`, but not before this controller began to look. */
export const patientSince = (pass: Pass, since: number): number => Math.max(since, pass.seen.since['watched'] ?? 0)

/** The revision that the user wants now: the template's, or the canary backend's. */
export function target(seen: Seen): string | undefined {
  if (seen.backends) return seen.backends.canary
  return seen.workload.state === 'Present' ? seen.workload.templateRevision : undefined
}

/** Pods wanted for all of the traffic. From the first raise until five minutes after the end never below what the journey began with. */
export function wantedCount(pass: Pass): number {
  const stable = revisionNamed(pass.seen, pass.next.stable?.revision)
  const count = pass.plan.replicas ?? stable?.replicas ?? 1
  const { journey } = pass.next
  if (!journey) return count
  const floorEnds = journey.ended ? Date.parse(journey.ended.at) + 5 * 60_000 : Infinity
  if (pass.now >= floorEnds) return count
  if (journey.ended) wake(pass, floorEnds)
  return Math.max(count, journey.baseReplicas)
}

/** Pods of the canary for a step: its share of the wanted count, or more where the step says so, at least one. */
export function canaryCount(pass: Pass, step: PlannedStep, weight = step.weight): number {
  const wanted = wantedCount(pass)
  const share = Math.ceil((weight / 100) * wanted - 1e-9)
  const scale = step.scale === undefined ? 0 : 'pods' in step.scale ? step.scale.pods : Math.ceil((step.scale.percent / 100) * wanted - 1e-9)
  // Backends have the pods that their owner gives them; a share of stable's count is not asked of them.
  const own = revisionNamed(pass.seen, pass.next.canary?.revision)?.replicas ?? 1
  return pass.seen.backends ? Math.max(1, Math.min(share, own)) : Math.max(share, scale, 1)
}

/** Greatest share, in percent, that any route gives to a revision through the doors as they stand. */
export function shareOf(seen: Seen, revision: string | undefined): number {
  if (revision === undefined) return 0
  return Math.max(0, ...seen.routes.filter(present).map((route) => shareIn(seen, route, revision)))
}
function shareIn(seen: Seen, route: RouteSeen, revision: string): number {
  const stable = seen.doors.stable.leadsTo === revision ? 100 - route.canaryDoor : 0
  const canary = seen.doors.canary.leadsTo === revision ? route.canaryDoor : 0
  return stable + canary
}
export const present = (route: RouteSeen): boolean => route.state === 'Present'

/** Backends: where the proven one stands now, since roles can be swapped in Git at any time, and the canary's share at which it has everything. */
export function provenArm(pass: Pass): { readonly revision: string; readonly canaryDoor: 0 | 100 } | undefined {
  const { backends } = pass.seen
  const proven = pass.next.stable?.backend
  if (!backends) return undefined
  if (proven === undefined || backends.stableBackend === proven) return { revision: backends.stable, canaryDoor: 0 }
  return backends.canaryBackend === proven ? { revision: backends.canary, canaryDoor: 100 } : undefined
}
/** Greatest share of what is not proven: of the canary, or with backends of whatever stands beside the proven one, also under a new template. */
export function unprovenShare(pass: Pass): number {
  const arm = provenArm(pass)
  if (!arm) return shareOf(pass.seen, pass.next.canary?.revision)
  return Math.max(0, ...pass.seen.routes.filter(present).map((route) => Math.abs(route.canaryDoor - arm.canaryDoor)))
}

/** Any route sends something to this door. */
export function carries(seen: Seen, door: 'stable' | 'canary'): boolean {
  return seen.routes.some((route) => present(route) && (door === 'canary' ? route.canaryDoor > 0 : route.canaryDoor < 100))
}

/** The share of the canary door as the given route expresses a wanted one: rounded down, never to 0 for a wanted weight above 0. */
export function expressed(route: RouteSeen, wanted: number): number {
  const total = route.totals.length === 0 ? 100 : Math.min(...route.totals)
  if (wanted <= 0) return 0
  if (wanted >= 100) return 100
  if (route.managed) return wanted
  return (Math.max(1, Math.floor((wanted * total) / 100 + 1e-9)) * 100) / total
}
export const near = (a: number, b: number): boolean => Math.abs(a - b) < 0.05

/** Is this revision closed: it failed, or a route names it as closed in this journey. */
export function closedBy(pass: Pass, revision: string | undefined): 'Status' | 'Route' | undefined {
  if (revision === undefined) return undefined
  if (pass.next.failed.some((failed) => failed.revision === revision)) return 'Status'
  const since = pass.next.journey?.since ?? 0
  const named = pass.seen.routes.some((route) => route.closedTo?.revision === revision && route.closedTo.sequence >= since)
  return named ? 'Route' : undefined
}

/** Under half of stable's count ready for a minute. */
export function stableBroken(pass: Pass): boolean {
  const stable = revisionNamed(pass.seen, pass.next.stable?.revision)
  const wanted = wantedCount(pass)
  if (wanted === 0 || (stable && stable.ready * 2 >= wanted)) return false
  const since = pass.seen.since[`half/${pass.next.stable?.revision}`] ?? pass.now
  wake(pass, since + 60_000)
  return pass.now - since >= 60_000
}

/** Begins to close the journey; the first reason stays. */
export function close(pass: Pass, outcome: (typeof outcomes)[number], reason: string, message: string, more: { check?: string; requestedBy?: string } = {}): void {
  const current = journey(pass)
  if (current.closing) return
  current.closing = { outcome, reason, message, at: iso(pass.now), ...more }
  enter(pass, 'Closing', message)
}
/** Keeps the split where it is until a person decides. */
export function hold(pass: Pass, reason: string, message: string): void {
  const current = journey(pass)
  if (pass.next.phase === 'Held') return
  current.held = { reason, message, at: iso(pass.now) }
  enter(pass, 'Held', message)
}
