/** The invariants of the design under whatever people, Git, pods and crashes do, in any order. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Action } from '../../../src/rollout/actions.ts'
import type { Decision } from '../../../src/rollout/decision.ts'
import type { HookAnswer } from '../../../src/rollout/hooks/call.ts'
import { hookPoints } from '../../../src/rollout/hooks/index.ts'
import type { Seen } from '../../../src/rollout/seen.ts'
import { drawn } from '../../support/properties.ts'
import { adopted, blueGreen, loweredLess, Model, ownService } from './model.ts'

type Event =
  | { type: 'wait'; seconds: number }
  | { type: 'release'; template: number; errors: number }
  | { type: 'errors'; errors: number }
  | { type: 'byHand' | 'byGit'; weight: number }
  | { type: 'request'; action: 'Promote' | 'Abort' | 'Approve' | 'Retry' | 'Pause' | 'Resume' | 'Rollback'; step: number }
  | { type: 'crash' | 'restart' | 'eraseStatus' | 'eraseAnnotation' | 'edit' | 'dropRoute' }
  | { type: 'die'; writes: number }
  | { type: 'source'; source: 'answers' | 'errors' | 'empty' }
  | { type: 'canaryPods'; ready: boolean }
  | { type: 'replicas'; count: number }
  | { type: 'deleted'; what: 'stable' | 'canary' | 'stableDoor' | 'canaryDoor' | 'app' }
  | { type: 'hook'; name: string; state: HookAnswer['state'] | 'Silent' }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('wait' as const), seconds: fc.integer({ min: 5, max: 400 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('release' as const), template: fc.integer({ min: 1, max: 4 }), errors: fc.constantFrom(0, 0, 0.3) }) },
  fc.record({ type: fc.constant('errors' as const), errors: fc.constantFrom(0, 0.3) }),
  fc.record({ type: fc.constantFrom('byHand' as const, 'byGit' as const), weight: fc.constantFrom(0, 5, 25, 80, 100) }),
  fc.record({ type: fc.constant('request' as const), action: fc.constantFrom('Promote' as const, 'Abort' as const, 'Approve' as const, 'Retry' as const, 'Pause' as const, 'Resume' as const, 'Rollback' as const), step: fc.integer({ min: -1, max: 4 }) }),
  fc.record({ type: fc.constantFrom('restart' as const, 'eraseStatus' as const, 'eraseAnnotation' as const, 'edit' as const, 'dropRoute' as const) }),
  fc.record({ type: fc.constant('die' as const), writes: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ type: fc.constant('source' as const), source: fc.constantFrom('answers' as const, 'errors' as const, 'empty' as const) }),
  fc.record({ type: fc.constant('canaryPods' as const), ready: fc.boolean() }),
  fc.record({ type: fc.constant('replicas' as const), count: fc.integer({ min: 2, max: 8 }) }),
  fc.record({ type: fc.constant('deleted' as const), what: fc.constantFrom('stable' as const, 'canary' as const, 'stableDoor' as const, 'canaryDoor' as const, 'app' as const) }),
)

/** One hook at each point, and what each of them does meanwhile. */
const hooks = hookPoints.map(({ when }) => ({ name: when.toLowerCase(), when, url: 'https://hook.example.com/' }))
const hookEvent: fc.Arbitrary<Event> = fc.record({
  type: fc.constant('hook' as const), name: fc.constantFrom(...hooks.map(({ name }) => name)), state: fc.constantFrom('Agreed' as const, 'Agreed' as const, 'Refused' as const, 'Later' as const, 'Error' as const, 'Silent' as const),
})

/** Watches every decision and every change of traffic. */
class Watched {
  readonly model: Model
  readonly proven = new Set(['r1'])
  /** Set by events that excuse a rise without a hold. */
  excused = false
  /** An accident of the world itself: somebody sent traffic by hand to where no pod is. */
  handMade = false
  constructor(model: Model) {
    this.model = model
    const original = model.decided.bind(model)
    model.decided = () => {
      const made = original()
      this.check(made.seen, made.decision)
      return made
    }
  }
  private check(seen: Seen, decision: Decision): void {
    const stable = decision.commit?.stable?.revision
    if (stable !== undefined && !this.proven.has(stable)) {
      const nothingStands = seen.revisions.length === 0 && [seen.doors.stable, seen.doors.canary].every(({ leadsTo }) => leadsTo === undefined || leadsTo === 'Workload')
      const everything = this.model.shareOf(stable) === 1 || nothingStands
      expect(everything, `${stable} became stable with ${this.model.shareOf(stable)} of the traffic`).toBe(true)
      this.proven.add(stable)
    }
    for (const action of decision.raise) this.raise(seen, decision, action)
    if (seen.spec.hooks) expect(loweredLess(this.model, seen, decision)).toEqual([])
    if (decision.commit && seen.status && decision.commit.journey && seen.status.journey?.id === decision.commit.journey.id) expect(decision.commit.sequence).toBe(seen.status.sequence + 1)
  }
  private raise(seen: Seen, decision: Decision, action: Action): void {
    if (action.type === 'DeleteRevision' || action.type === 'Scale') {
      const doors = [seen.doors.stable, seen.doors.canary]
      const serving = seen.doors.own.leadsTo === action.revision || doors.some((door, index) => door.leadsTo === action.revision && seen.routes.some((route) => route.state === 'Present' && (index === 1 ? route.canaryDoor > 0 : route.canaryDoor < 100)))
      if (action.type === 'DeleteRevision' || action.replicas === 0) expect(serving, `${action.type} of ${action.revision}, which serves`).toBe(false)
    }
    if (action.type === 'TurnDoor' && action.door !== 'own' && this.model.workload.replicas === 0) {
      const carries = seen.routes.some((route) => route.state === 'Present' && (action.door === 'canary' ? route.canaryDoor > 0 : route.canaryDoor < 100))
      if (seen.doors[action.door].leadsTo !== undefined) expect(carries, `${action.door} door turns to ${action.to} under traffic`).toBe(false)
    }
    if (action.type !== 'SetSplit') return
    const canary = seen.doors.canary.leadsTo
    const route = seen.routes.find((candidate) => candidate.key === action.route)!
    if (canary === undefined || this.proven.has(canary) || action.canaryDoor <= route.canaryDoor) return
    const status = decision.commit ?? seen.status!
    const revision = seen.revisions.find((candidate) => candidate.name === canary)!
    expect(revision.ready, `raise to ${action.canaryDoor}% with ${revision.ready} ready pods`).toBeGreaterThanOrEqual(Math.ceil((action.canaryDoor / 100) * (seen.spec.replicas ?? 1) - 1e-9))
    expect(status.failed.some((failed) => failed.revision === canary), `${canary} has failed and is raised`).toBe(false)
    if (seen.spec.hooks && !this.excused) {
      const agreed = this.model.agreements.some(({ facts }) => facts.when === 'BeforeRaise' && facts.revision === canary && (facts.nextWeight ?? 0) >= action.canaryDoor - 0.05)
      expect(agreed, `raise to ${action.canaryDoor}% that no hook agreed to`).toBe(true)
    }
    const seenAt = seen.status?.journey?.weight.seenAt
    const { seen: weight = 0 } = seen.status?.journey?.weight ?? {}
    if (weight > 0 && seenAt !== undefined && !this.excused && action.canaryDoor > weight) {
      expect(this.model.now - Date.parse(seenAt), 'a raise before the hold was over').toBeGreaterThanOrEqual(120_000)
      const passing = seen.status!.checks.every((check) => check.verdict === 'Pass') || decision.commit?.phase === 'Shifting'
      expect(passing, 'a raise without a passing verdict').toBe(true)
    }
  }
}

function happen(watched: Watched, event: Event): void {
  const { model } = watched
  switch (event.type) {
    case 'wait':
      model.until(() => false, event.seconds / 60)
      break
    case 'release':
      model.release(`r${event.template}`, { errors: watched.proven.has(`r${event.template}`) ? 0 : event.errors })
      break
    case 'errors':
      if (model.status?.canary) model.behaviour.set(model.status.canary.revision, { errors: event.errors })
      break
    case 'byHand':
    case 'byGit': {
      const route = model.routes[0]!
      const ready = model.door('canary').ready > 0 && model.door('stable').ready > 0
      if (route.state === 'Present' && ready) model.move(route, { canaryDoor: event.weight, lastWriter: { manager: event.type, ours: false, gitOps: event.type === 'byGit' } })
      watched.excused = true
      break
    }
    case 'request':
      model.request(event.action, { step: event.step, ...(event.action === 'Abort' || event.action === 'Pause' ? {} : { revision: model.status?.canary?.revision ?? model.status?.stable?.revision ?? 'r1' }) })
      if (event.action === 'Promote' || event.action === 'Resume' || event.action === 'Retry') watched.excused = true
      break
    case 'hook':
      if (event.state === 'Silent') model.hooks.delete(event.name)
      else model.hooks.set(event.name, { state: event.state, message: event.state })
      break
    case 'restart':
      model.restart()
      break
    case 'eraseStatus':
      model.status = undefined
      model.restart()
      break
    case 'eraseAnnotation':
      delete model.routes[0]!.closedTo
      break
    case 'edit':
      model.spec = { ...model.spec, steps: model.withoutMesh ? [{ weight: 100, hold: '2m' }] : [{ weight: 10, hold: '2m' }, { weight: 50, hold: '2m' }, { weight: 100, hold: '2m' }] }
      break
    case 'die':
      if (model.pass(event.writes)) model.restart()
      break
    case 'source':
      model.source = event.source
      break
    case 'canaryPods': {
      const canary = model.status?.canary?.revision
      if (canary && !watched.proven.has(canary)) model.behaviour.set(canary, event.ready ? {} : { neverReady: true })
      break
    }
    case 'replicas':
      model.spec = { ...model.spec, replicas: event.count }
      break
    case 'deleted':
      deleted(watched, event.what)
      break
    case 'dropRoute':
      Object.assign(model.routes[0]!, { state: 'Missing', canaryDoor: 0 })
      break
  }
}

/** What people delete leads nowhere until it is put back: that is no fault of ours, but everything after it is. */
function deleted(watched: Watched, what: 'stable' | 'canary' | 'stableDoor' | 'canaryDoor' | 'app'): void {
  const { model, proven } = watched
  const { status, doors, revisions } = model
  const loseRevision = (name: string | undefined) => {
    if (name === undefined || !revisions.delete(name)) return
    for (const door of Object.values(doors)) door.shows.delete(name)
  }
  const loseDoor = (door: 'stable' | 'canary' | 'own') => (doors[door] = { state: 'Absent', shows: new Map() })
  if (what === 'stable' || what === 'canary') loseRevision(status?.[what]?.revision)
  if (what === 'stableDoor' || what === 'canaryDoor') loseDoor(what === 'stableDoor' ? 'stable' : 'canary')
  if (what === 'app') {
    for (const name of [...revisions.keys()]) loseRevision(name)
    for (const door of ['stable', 'canary', 'own'] as const) loseDoor(door)
    Object.assign(model.routes[0]!, { state: 'Missing', canaryDoor: 0 })
    delete model.routes[0]!.closedTo
    Object.assign(model.workload, { replicas: 4, ready: 4 })
    // Nothing of ours stands: the template is what runs.
    proven.add(model.workload.template)
  }
  watched.handMade = true
}

// What people delete is a matter of the others: hooks stand before raises only.
const withHooks = fc.array(fc.oneof({ weight: 3, arbitrary: event.filter(({ type }) => type !== 'deleted') }, { weight: 1, arbitrary: hookEvent }), { minLength: 5, maxLength: 30 })
const withoutHooks = fc.array(event, { minLength: 5, maxLength: 30 })
it.each([
  ['behind a mesh', 100, withoutHooks, () => adopted()],
  ['without a mesh', 50, withoutHooks, () => adopted(blueGreen, [ownService()])],
  ['with hooks that refuse, hang and flap', 60, withHooks, () => adopted({ hooks })],
] as const)('hold %s under whatever happens, and the world comes to rest once nothing does', (_, runs, whatHappens, begin) => {
  fc.assert(
    fc.property(whatHappens, (events) => {
      const watched = new Watched(begin())
      const { model } = watched
      const agree = (): void => hooks.forEach(({ name }) => model.hooks.set(name, { state: 'Agreed', message: '' }))
      agree()
      for (const one of events) happen(watched, one)
      model.source = 'answers'
      agree()
      for (const revision of model.behaviour.keys()) model.behaviour.set(revision, {})
      const rests = model.until((m) => {
        const phase = m.phase
        if (phase === 'Idle' || phase === 'RolledBack' || phase === 'Held') return true
        // The version to go back to was deleted: that is for people, and said.
        if (phase === 'Closing' && m.status?.conditions.some(({ reason }) => reason === 'StableGone')) return true
        return (m.status?.paused !== undefined || m.spec.paused === true) && phase !== 'Closing' && phase !== 'Draining'
      }, 120)
      expect(rests, `${model.phase}: ${model.status?.message}`).toBe(true)
      if (model.phase === 'RolledBack') expect(model.shareOf(model.status!.stable!.revision)).toBe(1)
      if (!watched.handMade) return void expect(model.nowhere).toEqual([])
      // What was deleted is put back, or a person is told what is missing.
      model.until(() => false, 5)
      model.nowhere.length = 0
      model.until(() => false, 5)
      const told = model.status?.conditions.some(({ type, status }) => status === 'True' && (type === 'Stalled' || type === 'StableBroken'))
      if (!told) expect(model.nowhere, model.status?.message).toEqual([])
    }),
    { numRuns: drawn(runs).numRuns },
  )
}, drawn(100).timeoutMs)
it('a rollout that nobody touches is left alone', () => {
  const model = adopted()
  model.until(() => false, 30)
  const before = model.writes.length
  model.until(() => false, 600)
  expect(model.writes.length).toBe(before)
})
