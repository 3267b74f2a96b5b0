/** The decision: a pure function of what was seen and when. Reads from top to bottom as a pass goes. */
import type { Action } from './actions.ts'
import { adopting, blocked } from './adoption.ts'
import { closing, draining, lowered, toProven } from './closing.ts'
import { conditions, message } from './conditions.ts'
import { dangers, emergencies } from './dangers.ts'
import type { Decision, Settings } from './decision.ts'
import { describe } from './describe.ts'
import { hookAnswers, keepHooks } from './hooks/consult.ts'
import { iso, ms } from './duration.ts'
import { awaitingApproval, flipping, holding, scaling, shifting, waiting } from './journey.ts'
import { notes, posted } from './notes.ts'
import { leaveObserving, observes, observing } from './observing.ts'
import { inJourney, type Pass, shareOf, wake } from './pass.ts'
import type { Plan, SpecProblem } from './plan.ts'
import { run } from './procedure.ts'
import { nothingStands, rebuilt, startAnew } from './rebuild.ts'
import { removing, restored } from './removal.ts'
import { requests } from './requests.ts'
import { chores, grow, idle, scaleStatus } from './rest.ts'
import type { Phase, RolloutStatus } from './schema.ts'
import type { Seen } from './seen.ts'
import { verdicts } from './verdicts.ts'

/** What is wrong with the spec keeps everything where it is; abort works all the same. `problems` empty: the plan is the spec's. */
export function decide(seen: Seen, plan: Plan, settings: Settings, now: number, problems: readonly SpecProblem[] = []): Decision {
  const pass = begin(seen, plan, settings, now, problems)
  if (observes(pass)) return lookOn(pass)
  if (seen.statusFromFuture) return onlyLower(pass)
  if (seen.rollout.deleting) removing(pass)
  else {
    if (nothingStands(pass)) startAnew(pass)
    leaveObserving(pass)
    verdicts(pass)
    hookAnswers(pass)
    requests(pass)
    if (problems.length === 0) dangers(pass)
    else emergencies(pass)
    transitions(pass)
    if (atRest.includes(pass.next.phase)) chores(pass)
    grow(pass)
    stableDoorBack(pass)
    keepOwn(pass)
    finalizer(pass)
  }
  return conclude(pass)
}

/** With `mode: Observe` nothing is decided for anybody: the status tells, requests are refused, and a finalizer of a former journey goes. */
function lookOn(pass: Pass): Decision {
  const { seen } = pass
  if (seen.statusFromFuture) return { lower: [], raise: [], notes: [] }
  if (seen.rollout.hasFinalizer) pass.raise.push({ type: 'SetFinalizer', present: false })
  if (seen.rollout.deleting) return { lower: [], raise: pass.raise, notes: [] }
  if (pass.next.phase === 'Observing') verdicts(pass)
  requests(pass)
  observing(pass)
  return conclude(pass)
}

/** A Rollout that is gone: what is left to put back, or nothing. The controller asks only once it has been absent for a minute. */
export function decideGone(seen: Seen, plan: Plan, settings: Settings, now: number): Decision {
  const pass = begin({ ...seen, status: undefined }, plan, settings, now, [])
  pass.next.phase = 'Removing'
  const behind = seen.doors.canary.leadsTo
  if (behind !== undefined && behind !== 'Workload' && behind !== pass.next.stable?.revision) pass.next.canary = describe(pass, behind)
  run(pass, restored)
  return { lower: pass.lower, raise: unique(pass.raise), notes: [], ...(pass.wakeAt === Infinity ? {} : { wakeAt: pass.wakeAt }) }
}

function begin(seen: Seen, plan: Plan, settings: Settings, now: number, problems: readonly SpecProblem[]): Pass {
  const next = seen.status ? structuredClone(seen.status) : rebuilt(seen, now)
  if (seen.status) next.sequence = seen.status.sequence + 1
  const pass: Pass = { seen, plan, settings, now, problems, next, lower: [], raise: [], awaiting: '', wakeAt: Infinity }
  if (!seen.status && next.stable) next.stable = describe(pass, next.stable.revision)
  return pass
}

const phases: Readonly<Record<Phase, (pass: Pass) => void>> = {
  Blocked: blocked,
  Adopting: adopting,
  Idle: idle,
  Waiting: waiting,
  Scaling: scaling,
  Shifting: shifting,
  Holding: holding,
  AwaitingApproval: awaitingApproval,
  Flipping: flipping,
  Closing: closing,
  Draining: draining,
  RolledBack: idle,
  Held: () => {},
  Removing: () => {},
  Observing: () => {},
}
const upToTheFlip: readonly Phase[] = ['Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Held']
const atRest: readonly Phase[] = ['Idle', 'Waiting', 'RolledBack']
/** Phases that go on while the spec is invalid: taking traffic away never needs a spec. */
const withoutSpec: readonly Phase[] = ['Closing', 'Draining', 'Blocked', 'Held']

/** From phase to phase as far as this pass gets. A weight never rises twice in one pass, since each raise must be seen first. */
function transitions(pass: Pass): void {
  for (let turn = 0; turn < 12; turn++) {
    const { phase, journey } = pass.next
    const step = journey?.step.index
    if (pass.problems.length > 0 && !withoutSpec.includes(phase)) return
    pass.awaiting = ''
    phases[phase](pass)
    if (pass.next.phase === phase && pass.next.journey?.step.index === step) return
  }
}

/** Doors, mirrored policies and the fields of a managed route are kept in step, in every phase after the adoption. */
function keepOwn(pass: Pass): void {
  if (pass.next.phase === 'Blocked' || pass.problems.length > 0) return
  for (const { key } of pass.seen.upkeep) pass.raise.push({ type: 'Upkeep', key })
  ownServiceBack(pass)
}
/** In a journey the share of stable leads nowhere while its door is gone, whatever else is awaited. At rest, in the flip and on the way back the door is written where it has to lead. */
function stableDoorBack({ seen, next, raise }: Pass): void {
  if (seen.backends || !upToTheFlip.includes(next.phase) || !next.stable || seen.doors.stable.state !== 'Absent') return
  raise.push({ type: 'TurnDoor', door: 'stable', to: next.stable.revision })
}
/** Without a mesh a Service that somebody deleted is all that callers had: it is written again at once, and leads to where it has led. */
function ownServiceBack({ seen, next, raise }: Pass): void {
  if (seen.doors.own.state !== 'Route' || next.phase === 'Adopting') return
  const canary = inJourney(next) && next.phase !== 'Closing' && next.phase !== 'Draining' && next.journey?.weight.seen === 100
  for (const route of seen.routes) if (route.state === 'Missing') raise.push({ type: 'CreateRoute', route: route.key, canaryDoor: canary ? 100 : 0 })
}
/** Only while a journey may carry traffic; at rest none is needed. */
function finalizer(pass: Pass): void {
  const present = inJourney(pass.next)
  if (present !== pass.seen.rollout.hasFinalizer) pass.raise.push({ type: 'SetFinalizer', present })
}

/** Written by a newer Sluice: its status is not understood, so it is not written; an abort and a closed route still take traffic away. */
function onlyLower(pass: Pass): Decision {
  const aborted = pass.seen.requests.some((request) => request.answeredAt === undefined && request.spec.action === 'Abort')
  if (aborted && pass.next.canary && shareOf(pass.seen, pass.next.canary.revision) > 0) run(pass, pass.next.stable ? toProven : lowered(0, pass.next.canary.revision), pass.lower)
  return { lower: unique(pass.lower), raise: [], notes: [] }
}

function conclude(pass: Pass): Decision {
  const { next, seen } = pass
  const before = seen.status
  next.observedGeneration = seen.rollout.generation
  if (seen.workload.state === 'Present') next.observedWorkloadGeneration = seen.workload.generation
  if (next.journey && !inJourney(next) && !next.journey.ended && next.phase !== 'Blocked' && next.phase !== 'Observing') next.journey = undefined
  // Written with the commit that ends Scaling and Shifting, not by one of its own.
  if (next.phase !== 'Scaling' && next.phase !== 'Shifting') scaleStatus(pass, shareOf(seen, next.canary?.revision))
  keepHooks(pass)
  next.message = message(pass).slice(0, 1024)
  next.conditions = conditions(pass)
  next.writer = pass.settings.identity
  next.writtenAt = iso(pass.now)
  const told = notes(before, next, pass.now)
  next.outbox = posted(next.outbox, told, new Set(seen.delivered))
  wakeForValues(pass, before)
  const commit = differs(before, next, pass.now) || newTrouble(pass) ? next : undefined
  return {
    lower: unique(pass.lower),
    ...(commit ? { commit } : {}),
    raise: unique(pass.raise),
    notes: commit ? told : [],
    ...(pass.wakeAt === Infinity ? {} : { wakeAt: pass.wakeAt }),
  }
}

/** Values that moved since the last write are written a minute after it. */
function wakeForValues(pass: Pass, before: RolloutStatus | undefined): void {
  if (before && JSON.stringify(moving(before)) !== JSON.stringify(moving(pass.next))) wake(pass, ms(before.writtenAt) + 60_000)
}
/** Is there something that a reader, or the next leader, must know? Values that only move are written at most once a minute. */
function differs(before: RolloutStatus | undefined, next: RolloutStatus, now: number): boolean {
  if (!before) return true
  if (JSON.stringify(essence(before)) !== JSON.stringify(essence(next))) return true
  const due = ms(before.writtenAt) + 60_000
  return JSON.stringify(moving(before)) !== JSON.stringify(moving(next)) && !(now < due)
}
/** Why pods do not get ready is news: a person who looks must not read a minute long that all is being waited for. */
function newTrouble({ seen, next }: Pass): boolean {
  const reason = seen.revisions.find(({ name }) => name === next.canary?.revision)?.trouble?.reason
  return reason !== undefined && next.message.includes(`${reason}: `) && !seen.status?.message.includes(`${reason}: `)
}
/** Delivered notes leave the outbox with the next write, or a minute after the last one. */
const moving = (status: RolloutStatus): unknown => [status.outbox.map((note) => note.id), status.message, status.conditions.map((condition) => condition.message), status.hooks?.map(({ message }) => message), (inJourney(status) || status.phase === 'Observing') && [status.checks, status.journey?.weight.measured, status.journey?.requests]]
/** Everything but what only moves. Keys in one order, absent like undefined. */
function essence(status: RolloutStatus): unknown {
  const { checks, journey, outbox: _, conditions: facts, hooks, ...rest } = status
  // Data that arrives is no decision: only a failing verdict and a source that does not answer are written at once.
  const alarming = checks.map(({ name, verdict, failures, countedAt }) => ({ name, verdict: verdict === 'Fail' || verdict === 'Error' ? verdict : undefined, failures, countedAt }))
  const weight = journey && { ...journey.weight, measured: undefined }
  // An adoption happens once, and people watch it: what it waits for is news.
  return canonical({ ...rest, hooks: hooks?.map(({ message: _words, ...call }) => call), message: status.phase === 'Adopting' ? status.message : '', conditions: facts.map((fact) => ({ ...fact, message: '' })), sequence: 0, writtenAt: '', writer: '', checks: alarming, journey: journey && { ...journey, weight, ...(status.phase === 'Observing' ? { requests: undefined } : {}) } })
}
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => [key, canonical(entry)]))
}
function unique(actions: readonly Action[]): Action[] {
  const seen = new Set<string>()
  return actions.filter((action) => {
    const key = JSON.stringify(action)
    return seen.has(key) ? false : seen.add(key) !== undefined
  })
}
