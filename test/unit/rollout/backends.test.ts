/** Backends mode on a small world of its own: two or three Deployments that somebody else owns, one route of the user, and nothing but weights to move. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RequestAction } from '../../../src/rollout/schema.ts'
import { drawn } from '../../support/properties.ts'
import { Backends } from './backends-model.ts'

const resting = (): Backends => {
  const world = new Backends({ v1: 100, v2: 0 })
  world.until((w) => w.phase === 'Idle')
  return world
}
const at = (weight: number): Backends => {
  const world = resting()
  world.arms['v2']!.template = 2
  if (!world.until((w) => w.phase === 'Holding' && w.weights['v2'] === weight)) throw new Error(`${world.phase} ${world.status?.message}`)
  return world
}
const promoted = (): Backends => {
  const world = at(10)
  if (!world.until((w) => w.phase === 'Idle')) throw new Error(`${world.phase} ${world.status?.message}`)
  return world
}

describe('adoption', () => {
  it('of 100/0 writes no weight, and a new template of the canary starts a journey', () => {
    const world = resting()
    expect(world.phase).toBe('Idle')
    expect(world.writes).toEqual([])
    world.until(() => false, 30)
    expect(world.writes).toEqual([])
    world.arms['v2']!.template = 2
    expect(world.until((w) => w.weights['v2'] === 100 && w.phase === 'Idle')).toBe(true)
    expect(world.status?.history[0]).toMatchObject({ revision: 'v2-h2', outcome: 'Promoted' })
  })
  it('of 80/20 is a journey from that weight: a hold first, never a rise at once', () => {
    const world = new Backends({ v1: 80, v2: 20 })
    world.settle()
    expect(world.phase).toBe('Holding')
    expect(world.weights).toEqual({ v1: 80, v2: 20 })
    expect(world.status?.journey?.step.index).toBe(1)
    world.advance(60_000)
    world.settle()
    expect(world.weights['v2']).toBe(20)
    expect(world.until((w) => w.weights['v2'] === 50)).toBe(true)
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
  })
  it('of 80/20 with a canary that fails is rolled back', () => {
    const world = new Backends({ v1: 80, v2: 20 })
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('of 0/100 is a journey in its last step: nothing is proven by carrying everything', () => {
    const world = new Backends({ v1: 0, v2: 100 })
    world.settle()
    expect(world.phase).toBe('Holding')
    expect(world.status?.stable?.revision).toBe('v1')
    expect(world.until((w) => w.phase === 'Idle')).toBe(true)
    expect(world.weights).toEqual({ v1: 0, v2: 100 })
    expect(world.said('BackendsNotSwapped')).toContain('v2')
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.phase).toBe('Idle')
    expect(world.status?.stable?.backend).toBe('v2')
  })
  it('a closed canary that Git has given traffic is not adopted, and loses it', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    world.status = undefined
    world.memory.clear()
    world.git({ v1: 80, v2: 20 })
    world.until(() => false, 20)
    expect(world.phase).toBe('RolledBack')
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
})

describe('after a promotion', () => {
  it('the canary keeps everything, and it is said what to commit; a new template starts nothing', () => {
    const world = promoted()
    expect(world.weights).toEqual({ v1: 0, v2: 100 })
    expect(world.said('BackendsNotSwapped')).toContain('spec.backends.stable')
    const before = world.writes.length
    world.arms['v2']!.template = 3
    world.until(() => false, 60)
    expect(world.writes.length).toBe(before)
    expect(world.phase).toBe('Idle')
    expect(world.said('BackendsNotSwapped')).toBeDefined()
  })
  it('swapped roles are an acknowledgement: no weight moves, and the next template of the other starts a journey', () => {
    const world = promoted()
    const before = world.writes.length
    world.swap('v2', 'v1')
    world.until(() => false, 30)
    expect(world.writes.length).toBe(before)
    expect(world.phase).toBe('Idle')
    expect(world.said('BackendsNotSwapped')).toBeUndefined()
    expect(world.status?.stable?.revision).toBe('v2')
    world.arms['v1']!.template = 2
    expect(world.until((w) => w.phase === 'Holding')).toBe(true)
    expect(world.status?.canary?.revision).toBe('v1-h2')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v1'] === 100)).toBe(true)
  })
  it('swapped and with a third one as canary: that is new, and starts', () => {
    const world = promoted()
    world.swap('v2', 'v3')
    world.weights = { v1: 0, v2: 100, v3: 0 }
    expect(world.until((w) => w.status?.canary?.backend === 'v3' && w.phase === 'Holding')).toBe(true)
    expect(world.status?.stable?.revision).toBe('v2')
    expect(world.weights).toEqual({ v1: 0, v2: 90, v3: 10 })
  })
})

describe('at rest', () => {
  it('a new backend as canary starts a journey once the route names it', () => {
    const world = resting()
    world.swap('v1', 'v3')
    world.until(() => false, 30)
    expect(world.phase).toBe('Waiting')
    expect(world.status?.message).toContain('does not name v3')
    world.weights = { v1: 100, v2: 0, v3: 0 }
    expect(world.until((w) => w.phase === 'Holding' && w.weights['v3'] === 10)).toBe(true)
  })
  it('roles swapped while the new stable carries nothing: no pointer and no weight moves, and it is said', () => {
    const world = resting()
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.writes).toEqual([])
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.said('BackendsNotSwapped')).toBeDefined()
  })
  it('a new stable that the route does not name acknowledges nothing', () => {
    const world = resting()
    world.swap('v3', 'v2')
    world.until(() => false, 10)
    expect(world.status?.stable?.backend).toBe('v1')
  })
  it('weights that somebody set are left alone, and said', () => {
    const world = resting()
    world.git({ v1: 70, v2: 30 })
    world.until(() => false, 30)
    expect(world.weights).toEqual({ v1: 70, v2: 30 })
    expect(world.said('RestSplitDiffers')).toContain('30%')
  })
})

describe('in the middle', () => {
  it('a new template lowers in the pass that sees it, then starts anew', () => {
    const world = at(50)
    world.arms['v2']!.template = 3
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
    expect(world.status?.history.map(({ revision, outcome }) => [revision, outcome])).toEqual([['v2-h3', 'Promoted'], ['v2-h2', 'Superseded']])
  })
  it('a new template does not lower onto a stable without ready pods', () => {
    const world = at(50)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.settle()
    world.arms['v2']!.template = 3
    world.until(() => false, 2)
    expect(world.nowhere).toEqual([])
    expect(world.weights['v2']).toBe(50)
    Object.assign(world.arms['v1']!, { ready: 2, complete: true })
    world.settle()
    expect(world.weights['v2']).toBe(0)
  })
  it('roles swapped too early give the unproven backend nothing: everything goes back to the proven one', () => {
    const world = at(50)
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.status?.history[0]?.outcome).not.toBe('Promoted')
  })
  it('a third backend as canary: the second loses its traffic first, then the third starts', () => {
    const world = at(50)
    world.swap('v1', 'v3')
    world.weights = { ...world.weights, v3: 0 }
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0, v3: 0 })
    expect(world.until((w) => w.phase === 'Holding' && w.weights['v3'] === 10)).toBe(true)
    expect(world.status?.history[0]).toMatchObject({ revision: 'v2-h2', outcome: 'Superseded' })
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v3'] === 100)).toBe(true)
    expect(world.weights['v2']).toBe(0)
  })
  it('a failing canary is rolled back and kept closed when Git gives it traffic again; Retry opens it', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    world.git({ v1: 60, v2: 40 })
    world.settle()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    world.arms['v2']!.errors = 0
    world.until(() => false, 30)
    expect(world.phase).toBe('RolledBack')
    world.request('Retry', 'v2-h2')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
  })
  it('a closed canary keeps what Git gave it while stable has no pod', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.git({ v1: 60, v2: 40 })
    world.until(() => false, 2)
    expect(world.nowhere).toEqual([])
  })
  it('an arm whose Deployment is not rolled out is not ready', () => {
    const world = resting()
    Object.assign(world.arms['v2']!, { template: 2, complete: false })
    world.until(() => false, 5)
    expect(world.phase).toBe('Scaling')
    expect(world.weights['v2']).toBe(0)
    world.arms['v2']!.complete = true
    expect(world.until((w) => w.weights['v2'] === 10, 1)).toBe(true)
  })
  it('a broken stable stops no raise, and nothing is lowered onto it', () => {
    const world = at(10)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    expect(world.until((w) => w.weights['v2'] === 50, 10)).toBe(true)
    expect(world.said('StableBroken')).toBeDefined()
    world.arms['v2']!.errors = 0.5
    world.until(() => false, 5)
    expect(world.nowhere).toEqual([])
    expect(world.weights['v2']).toBe(50)
  })
  it('a canary without ready pods is lowered at once', () => {
    const world = at(50)
    Object.assign(world.arms['v2']!, { ready: 0, complete: false })
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('a subset that somebody deleted is lowered at once', () => {
    const world = at(50)
    world.subsetGone = true
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('deleted in the middle, with the canary\'s Deployment gone too, the proven one gets everything before the finalizer goes', () => {
    const world = at(50)
    world.deleting = true
    world.deploymentGone = true
    world.until((w) => !w.finalizer, 15)
    expect([world.finalizer, world.weights]).toEqual([false, { v1: 100, v2: 0 }])
  })
  it('Retry while the spec calls another backend stable is refused with the way that works, whatever Git does to the weights then', () => {
    const world = resting()
    world.swap('v3', 'v2')
    world.request('Retry', 'v2-h1')
    world.settle()
    expect(world.status?.requests[0]).toMatchObject({ answer: 'Refused', message: 'spec.backends calls v3 stable, but v1 is proven: put the roles right in spec.backends first' })
    world.weights = { v1: 0, v2: 0, v3: 100 }
    world.until(() => false, 3)
    expect(world.phase).toBe('Idle')
  })
  it('a canary-only route that Git leads back to a closed canary at rest is redirected again, and put back with the next journey', () => {
    const world = at(10)
    world.mobile = 'canary'
    world.arms['v2']!.errors = 0.5
    world.until((w) => w.phase === 'RolledBack')
    expect(world.mobile).toBe('stable')
    world.mobile = 'canary'
    world.settle()
    expect([world.mobile, world.weights['v2']]).toEqual(['stable', 0])
    world.arms['v2']!.errors = 0
    world.request('Retry', 'v2-h2')
    world.until((w) => w.phase === 'Holding')
    expect(world.mobile).toBe('canary')
  })
  it('a step below what somebody gave the canary by hand is not reached while stable has no pods', () => {
    const world = resting()
    world.weights = { v1: 80, v2: 20, v3: 0 }
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.request('Retry', 'v2-h1')
    world.until(() => false, 3)
    expect([world.nowhere, world.weights['v2']]).toEqual([[], 20])
    Object.assign(world.arms['v1']!, { ready: 2, complete: true })
    expect(world.until((w) => w.weights['v2'] === 10)).toBe(true)
  })
  it('rollback by a person after the promotion is refused with the way that works', () => {
    const world = promoted()
    world.request('Rollback', 'v2-h2')
    world.settle()
    expect(world.status?.requests[0]).toMatchObject({ answer: 'Refused' })
    expect(world.weights['v2']).toBe(100)
  })
})

/** Whatever Git and pods do: no write gives traffic to a backend without pods or to a closed one, and nothing is written for ever. */
type Happening =
  | { type: 'wait'; minutes: number }
  | { type: 'template' | 'errors' | 'pods'; backend: string; bad: boolean }
  | { type: 'swap'; roles: readonly [string, string] }
  | { type: 'git'; share: number; gitOps: boolean }
  | { type: 'request'; action: RequestAction }
  | { type: 'erase' }
const backend = fc.constantFrom('v1', 'v2', 'v3')
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('template' as const, 'errors' as const, 'pods' as const), backend, bad: fc.boolean() }) },
  fc.record({ type: fc.constant('swap' as const), roles: fc.tuple(backend, backend).filter(([a, b]) => a !== b) }),
  fc.record({ type: fc.constant('git' as const), share: fc.constantFrom(0, 20, 100), gitOps: fc.boolean() }),
  fc.record({ type: fc.constant('request' as const), action: fc.constantFrom('Abort' as const, 'Retry' as const, 'Promote' as const, 'Resume' as const, 'Rollback' as const) }),
  fc.record({ type: fc.constant('erase' as const) }),
)
it('whatever happens, nobody is sent to where no pod is or to what is closed, and it comes to rest', () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 3, maxLength: 20 }), (events) => {
      const world = new Backends({ v1: 100, v2: 0, v3: 0 })
      const apply = world.apply.bind(world)
      world.apply = (action) => {
        const opened = action.type === 'SetSplit' && action.canaryDoor > world.seen().routes[0]!.canaryDoor && world.status?.failed.some(({ revision }) => revision === world.seen().backends!.canary)
        expect(opened ?? false, 'a closed canary was raised').toBe(false)
        apply(action)
      }
      world.until((w) => w.phase === 'Idle', 2)
      for (const one of events) {
        if (one.type === 'wait') world.until(() => false, one.minutes)
        else if (one.type === 'template') world.arms[one.backend]!.template++
        else if (one.type === 'errors') world.arms[one.backend]!.errors = one.bad ? 0.5 : 0
        else if (one.type === 'pods') Object.assign(world.arms[one.backend]!, { ready: one.bad ? 0 : 2, complete: !one.bad })
        else if (one.type === 'swap') world.swap(...one.roles)
        else if (one.type === 'request') world.request(one.action, one.action === 'Abort' ? undefined : world.status?.canary?.revision ?? 'v1')
        else if (one.type === 'git') {
          const { stable, canary } = world.roles
          world.weights = { v1: 0, v2: 0, v3: 0, [stable]: 100 - one.share, [canary]: one.share }
          world.lastWriter = { manager: 'x', ours: false, gitOps: one.gitOps }
        } else {
          world.status = undefined
          world.memory.clear()
        }
      }
      for (const arm of Object.values(world.arms)) Object.assign(arm, { ready: 2, complete: true, errors: 0 })
      const blocked = (w: Backends): boolean => w.seen().blockers.length > 0 && (w.phase === 'Blocked' || w.phase === 'Waiting')
      expect(world.until((w) => ['Idle', 'RolledBack', 'Held'].includes(w.phase!) || blocked(w), 120), `${world.phase}: ${world.status?.message}`).toBe(true)
      expect(world.nowhere).toEqual([])
    }),
    { numRuns: drawn(60).numRuns },
  )
}, drawn(60).timeoutMs)
