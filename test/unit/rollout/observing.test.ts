/** `mode: Observe`: another tool moves the weights, Sluice tells what it would have done, and writes nothing but its status. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Note, RequestAction, RolloutSpec } from '../../../src/rollout/schema.ts'
import { drawn } from '../../support/properties.ts'
import { Backends } from './backends-model.ts'

const flagger = { manager: 'flagger', ours: false, gitOps: false } as const
class Watching extends Backends {
  told: Note[] = []
  constructor(weights: Record<string, number> = { v1: 100, v2: 0 }, spec: Partial<RolloutSpec> = {}) {
    super(weights)
    this.spec = { ...this.spec, mode: 'Observe', ...spec }
  }
  /** The other tool sets the canary's share, and time passes. */
  move(weight: number, minutes = 0): this {
    this.weights = { ...this.weights, v1: 100 - weight, v2: weight }
    this.lastWriter = flagger
    this.until(() => false, minutes)
    this.settle()
    return this
  }
  override pass(): void {
    const before = new Set(this.status?.outbox.map(({ id }) => id))
    super.pass()
    this.told.push(...(this.status?.outbox ?? []).filter(({ id }) => !before.has(id)))
  }
  types(): readonly string[] {
    return this.told.map(({ type }) => type).filter((type) => type.startsWith('Would') || type.startsWith('Observ'))
  }
  get last() {
    return this.status?.history[0]
  }
}
const resting = (spec: Partial<RolloutSpec> = {}): Watching => {
  const world = new Watching({ v1: 100, v2: 0 }, spec)
  world.settle()
  expect(world.phase).toBe('Observing')
  return world
}

describe('a release of another tool', () => {
  it('is seen by the weights, judged, and told once at each turn', () => {
    const world = resting()
    world.arms['v2']!.template = 2
    world.move(10, 3)
    expect(world.status?.message).toBe('observing: v2-h2 carries 10%, moved by flagger; Sluice would be at step 2 of 3')
    world.move(50, 5)
    expect(world.status?.journey).toMatchObject({ observed: { by: 'flagger', would: { outcome: 'WouldPromote', weight: 50 } }, weight: { seen: 50 } })
    world.move(0, 2)
    expect(world.last).toMatchObject({ outcome: 'WouldPromote', revision: 'v2-h2', from: 'v1', observed: { by: 'flagger', message: expect.stringMatching(/^would have promoted v2-h2 at \d\d:\d\d UTC at 50%, \S+ earlier; flagger took its traffic away$/) } })
    expect(world.types()).toEqual(['Observing', 'WouldPromote', 'Observed'])
    expect(world.writes).toEqual([])
    expect(world.finalizer).toBe(false)
  })

  it('that fails would have been rolled back, at a price that is counted until the other tool takes it away', () => {
    const world = resting()
    world.move(10, 3)
    world.arms['v2']!.errors = 0.2
    world.move(10, 2)
    const would = world.status!.journey!.observed!.would!
    expect(would).toMatchObject({ outcome: 'WouldRollBack', reason: 'CheckFailed', check: 'success', bound: '99%', weight: 10 })
    const begun = Date.parse(would.at)
    world.move(50, 20)
    world.move(0, 2)
    const after = world.last!.observed!.after!
    // 20 requests/s: 2 of them at 10 %, 10 at 50 %.
    const expected = 2 * ((world.now - begun) / 1000 - 22 * 60) + 10 * 20 * 60
    expect(after.served).toBeGreaterThan(expected * 0.85)
    expect(after.served).toBeLessThan(expected * 1.15)
    expect(after.lost / after.served).toBeCloseTo(0.2, 1)
    expect(world.last).toMatchObject({ outcome: 'WouldRollBack', observed: { at: would.at, weight: 10, message: expect.stringContaining(`${after.served.toLocaleString('en')} requests earlier, ${after.lost.toLocaleString('en')} of them lost; flagger took its traffic away`) } })
    expect(world.told.find(({ type }) => type === 'WouldRollBack')).toMatchObject({ severity: 'Warning', check: 'success', weight: 10 })
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.writes).toEqual([])
  })

  it('that stays longer than a window of an hour goes on being counted', () => {
    const world = resting()
    world.arms['v2']!.errors = 0.5
    world.move(10, 3)
    const { requests } = world.status!.journey!.observed!.would!
    world.move(10, 120)
    world.move(0, 2)
    expect(world.last!.observed!.after!.served).toBeGreaterThan(2 * 118 * 60 * 0.9)
    expect(world.last!.requests.served).toBeLessThan(2 * 125 * 60 * 1.1)
    expect(requests.served).toBeLessThan(500)
  })

  it('whose pods go away would have been rolled back too', () => {
    const world = resting()
    Object.assign(world.arms['v2']!, { replicas: 4, ready: 4 })
    world.move(10, 1)
    Object.assign(world.arms['v2']!, { ready: 1, complete: false })
    world.move(10, 1)
    expect(world.status?.journey?.observed?.would).toMatchObject({ outcome: 'WouldRollBack', reason: 'CanaryNotReady' })
  })

  it('without data would have been held, and rolled back once there is some that fails', () => {
    const world = resting()
    world.rate = 0
    world.move(10, 17)
    expect(world.status?.journey?.observed?.would).toMatchObject({ outcome: 'WouldHold', reason: 'NoData' })
    world.rate = 20
    world.arms['v2']!.errors = 0.5
    world.move(10, 5)
    expect(world.status?.journey?.observed?.would).toMatchObject({ outcome: 'WouldRollBack', reason: 'CheckFailed' })
    expect(world.types()).toEqual(['Observing', 'WouldHold', 'WouldRollBack'])
  })

  it('that is over too soon is undecided, and that is all that is said', () => {
    const world = resting()
    world.move(50, 1).move(0, 2)
    expect(world.last).toMatchObject({ outcome: 'Undecided', reason: 'NoVerdict', observed: { message: expect.stringContaining('would have decided nothing yet about v2-h1') } })
    expect(world.types()).toEqual(['Observing', 'Observed'])
  })

  it('that ends at everything is over when it has carried that for the last hold, and is not begun again', () => {
    const world = resting()
    world.arms['v2']!.errors = 0.5
    world.move(100, 20)
    expect(world.last).toMatchObject({ outcome: 'WouldRollBack', observed: { message: expect.stringContaining('flagger has led everything to it') } })
    world.move(100, 60)
    expect(world.status?.history).toHaveLength(1)
    world.move(0, 5).move(10, 1)
    expect(world.status?.journey?.ended).toBeUndefined()
  })

  it('another version in the middle is another one', () => {
    const world = resting()
    world.move(10, 2)
    world.arms['v2']!.template = 2
    world.move(10, 1)
    expect(world.last).toMatchObject({ revision: 'v2-h1', outcome: 'Undecided' })
    expect(world.status?.canary?.revision).toBe('v2-h2')
    expect(world.status?.journey?.ended).toBeUndefined()
  })

  it('asks no hook: gates count as open, and nobody outside hears of it', () => {
    const whens = ['BeforeStart', 'BeforeRaise', 'DuringStep', 'BeforePromotion', 'AfterOutcome'] as const
    const world = resting({ hooks: whens.map((when) => ({ name: when.toLowerCase(), when, url: 'https://hooks.example.com/' })) })
    for (const weight of [10, 10, 50, 50, 0]) {
      world.move(weight, 2)
      expect(world.status?.hooks ?? []).toEqual([])
    }
    expect(world.last).toMatchObject({ outcome: 'WouldPromote' })
  })

  it('needs no checks: then the steps rest on holds alone', () => {
    const world = resting({ analysis: undefined })
    world.move(10, 7).move(0)
    expect(world.last).toMatchObject({ outcome: 'WouldPromote' })
  })
})

describe('people', () => {
  it.each(['Promote', 'Abort', 'Approve', 'Retry', 'Pause', 'Resume', 'Rollback'] as const)('are refused a %s, with the reason', (action: RequestAction) => {
    const world = resting()
    world.move(10, 1)
    world.request(action, 'v2-h1')
    world.settle()
    expect(world.status?.requests[0]).toMatchObject({ action, answer: 'Refused', message: expect.stringContaining('spec.mode is Observe') })
    expect(world.writes).toEqual(['AnswerRequest'])
    expect(world.weights['v2']).toBe(10)
  })

  it('may turn it on in the middle of a journey of ours, which goes to its end first', () => {
    const world = new Backends({ v1: 100, v2: 0 })
    world.until((w) => w.phase === 'Idle')
    world.arms['v2']!.template = 2
    expect(world.until((w) => w.weights['v2'] === 10 && w.phase === 'Holding')).toBe(true)
    world.spec = { ...world.spec, mode: 'Observe' }
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'Observing')).toBe(true)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.status?.history[0]).toMatchObject({ outcome: 'RolledBack' })
    expect(world.finalizer).toBe(false)
  })

  it('may turn it off: then the canary is taken over from the weight that it has', () => {
    const world = resting()
    world.move(10, 1)
    world.spec = { ...world.spec, mode: 'Release' }
    world.settle()
    expect(world.phase).toBe('Holding')
    expect(world.status?.journey).toMatchObject({ weight: { seen: 10 }, step: { index: 0 } })
    expect(world.status?.journey?.observed).toBeUndefined()
  })
})

describe('what it says', () => {
  it('is Ready, and of Promoted nothing', () => {
    const world = resting()
    const of = (type: string) => world.status?.conditions.find((condition) => condition.type === type)
    expect(of('Ready')).toMatchObject({ status: 'True' })
    expect(of('Promoted')).toMatchObject({ status: 'Unknown', reason: 'Observing' })
    world.weights = { v1: 100 }
    world.settle()
    expect(of('Stalled')).toMatchObject({ status: 'True', reason: 'RouteLacksDoors' })
    expect(world.status?.message).toContain('observing: a route that can be read')
  })

  it('is written once where nothing happens, and a few times a minute at most where something does', () => {
    const world = resting()
    world.until(() => false, 2)
    const before = world.statuses
    world.until(() => false, 120)
    expect(world.statuses).toBe(before)
    world.move(10, 1)
    const moving = world.statuses
    world.until(() => false, 30)
    expect(world.statuses - moving).toBeLessThan(35)
  })
})

type Event =
  | { type: 'move'; weight: number }
  | { type: 'wait'; minutes: number }
  | { type: 'errors'; errors: number }
  | { type: 'ready'; ready: number }
  | { type: 'template' | 'erase' | 'delete' | 'subsetGone' | 'restart' | 'invalid' | 'finalizer' }
  | { type: 'swap'; canary: string }
  | { type: 'closedTo'; newer: boolean }
  | { type: 'rate'; rate: number }
  | { type: 'request'; action: RequestAction }
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('move' as const), weight: fc.constantFrom(0, 5, 20, 50, 100) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 10 }) }) },
  fc.record({ type: fc.constant('errors' as const), errors: fc.constantFrom(0, 0.3, 1) }),
  fc.record({ type: fc.constant('ready' as const), ready: fc.constantFrom(0, 1, 2) }),
  fc.record({ type: fc.constantFrom('template' as const, 'erase' as const, 'delete' as const, 'subsetGone' as const, 'restart' as const, 'invalid' as const, 'finalizer' as const) }),
  fc.record({ type: fc.constant('swap' as const), canary: fc.constantFrom('v1', 'v2', 'v3') }),
  fc.record({ type: fc.constant('closedTo' as const), newer: fc.boolean() }),
  fc.record({ type: fc.constant('rate' as const), rate: fc.constantFrom(0, 0.1, 20) }),
  fc.record({ type: fc.constant('request' as const), action: fc.constantFrom<RequestAction>('Promote', 'Abort', 'Retry', 'Resume', 'Rollback', 'Pause') }),
)
function happen(world: Watching, one: Event): void {
  switch (one.type) {
    case 'move': world.weights = Object.fromEntries(['v1', 'v2', 'v3'].map((name) => [name, name === world.roles.canary ? one.weight : name === world.roles.stable ? 100 - one.weight : 0])); break
    case 'wait': world.until(() => false, one.minutes); break
    case 'errors': world.arms[world.roles.canary]!.errors = one.errors; break
    case 'ready': Object.assign(world.arms[world.roles.canary]!, { ready: one.ready, complete: one.ready === 2 }); break
    case 'template': world.arms[world.roles.canary]!.template++; break
    case 'erase': world.status = undefined; break
    case 'delete': world.deleting = !world.deleting; break
    case 'subsetGone': world.subsetGone = !world.subsetGone; break
    case 'restart': world.memory.clear(); world.readings = []; break
    case 'invalid': world.problems = world.problems.length > 0 ? [] : [{ field: 'spec.steps', value: [], message: 'spec.steps: too short' }]; break
    case 'finalizer': world.finalizer = true; break
    case 'swap': world.swap(one.canary === 'v1' ? 'v2' : 'v1', one.canary); break
    case 'closedTo': world.closedTo = { revision: world.name(world.roles.canary), sequence: (world.status?.sequence ?? 0) + (one.newer ? 1 : -1) }; break
    case 'rate': world.rate = one.rate; break
    case 'request': world.request(one.action, world.status?.canary?.revision ?? 'v2-h1'); break
  }
  world.settle()
}

const runs = drawn(30)
it('writes nothing but status and answers, whatever happens, and never puts a finalizer', () => {
  fc.assert(fc.property(fc.array(event, { minLength: 5, maxLength: 25 }), (events) => {
    const world = new Watching({ v1: 100, v2: 0, v3: 0 })
    for (const one of events) {
      const moved = one.type === 'move'
      const before = { ...world.weights }
      happen(world, one)
      if (!moved) expect(world.weights).toEqual(before)
      if (!world.deleting) expect(world.phase).toBe('Observing')
      expect(world.finalizer).toBe(false)
    }
    expect(world.writes.filter((write) => write !== 'AnswerRequest')).toEqual([])
    const would = world.status?.journey?.observed?.would
    if (would) expect(would.requests.served).toBeLessThanOrEqual(world.status!.journey!.requests.served + 1)
  }), { numRuns: runs.numRuns })
}, runs.timeoutMs)
