/** Whatever Git, people, pods and crashes do, without ticks: the world always comes to rest, and what rests is what the design allows. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ask } from '../../../src/rollout/ask.ts'
import type { RolloutSpec } from '../../../src/rollout/schema.ts'
import { drawn } from '../../support/properties.ts'
import { Model, settings } from './model.ts'

type Event =
  | { type: 'drive'; minutes: number }
  | { type: 'release'; template: number; errors: number }
  | { type: 'request'; action: 'Promote' | 'Abort' | 'Approve' | 'Retry' | 'Pause' | 'Resume' | 'Rollback'; step: number }
  | { type: 'die'; writes: number }
  | { type: 'replicas'; count: number }
  | { type: 'one' | 'all' | 'drop'; weight: number; gitOps: boolean }
  | { type: 'pods'; ready: boolean }
  | { type: 'pause' | 'restart' | 'edit' | 'stableGone' | 'erase' }
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('drive' as const), minutes: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('release' as const), template: fc.integer({ min: 1, max: 4 }), errors: fc.constantFrom(0, 0, 0.3) }) },
  fc.record({ type: fc.constant('request' as const), action: fc.constantFrom('Promote' as const, 'Abort' as const, 'Approve' as const, 'Retry' as const, 'Pause' as const, 'Resume' as const, 'Rollback' as const), step: fc.integer({ min: -1, max: 4 }) }),
  fc.record({ type: fc.constant('die' as const), writes: fc.integer({ min: 0, max: 4 }) }),
  fc.record({ type: fc.constant('replicas' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ type: fc.constantFrom('one' as const, 'all' as const, 'drop' as const), weight: fc.constantFrom(0, 5, 25, 60, 100), gitOps: fc.boolean() }),
  fc.record({ type: fc.constant('pods' as const), ready: fc.boolean() }),
  fc.record({ type: fc.constantFrom('pause' as const, 'restart' as const, 'edit' as const, 'erase' as const) }),
)
class Woken extends Model {
  step(until: number): boolean {
    for (let again = 0; again < 2; again++) {
      this.settle()
      this.advance(0)
    }
    const wakeAt = this.decisions.at(-1)?.wakeAt
    const pods = [...this.revisions].filter(([name, pods]) => pods.ready < pods.spec && !this.behaviour.get(name)?.neverReady).map(([, pods]) => Math.max(pods.changedAt + 5000, this.now + 1000))
    const questions = ask(this.seen(), this.plan, settings, this.now).map(({ at }) => at).filter((at) => at > this.now)
    const next = Math.min(wakeAt ?? Infinity, ...pods, ...questions)
    if (next > until) return this.advance(Math.max(0, until - this.now)), false
    this.advance(next - this.now)
    return true
  }
  drive(minutes: number, condition: (model: Model) => boolean = () => false): boolean {
    const until = this.now + minutes * 60_000
    for (let turn = 0; turn < 3000; turn++) {
      if (condition(this)) return true
      if (!this.step(until)) return condition(this)
    }
    throw new Error(`no progress: ${this.phase}: ${this.status?.message}`)
  }
}
const steps: RolloutSpec['steps'] = [{ weight: 0, hold: '1m' }, { weight: 10, hold: '2m', approval: 'After' }, { weight: 50, hold: '2m' }, { weight: 100, hold: '2m' }]
function happen(model: Woken, one: Event): void {
  switch (one.type) {
    case 'drive':
      model.drive(one.minutes)
      break
    case 'release':
      model.release(`r${one.template}`, { errors: model.status?.stable?.revision === `r${one.template}` ? 0 : one.errors })
      break
    case 'request':
      model.request(one.action, { ...(one.action === 'Promote' ? { step: one.step } : {}), ...(one.action === 'Abort' || one.action === 'Pause' ? {} : { revision: model.status?.canary?.revision ?? model.status?.stable?.revision ?? 'r1' }) })
      break
    case 'die':
      if (model.pass(one.writes)) model.restart()
      break
    case 'replicas':
      model.spec = { ...model.spec, replicas: one.count }
      break
    case 'one':
    case 'all':
      for (const route of one.type === 'one' ? model.routes.slice(1) : model.routes)
        if (route.state === 'Present' && model.door('canary').ready > 0 && model.door('stable').ready > 0) Object.assign(route, { canaryDoor: one.weight, lastWriter: { manager: 'x', ours: false, gitOps: one.gitOps } })
      break
    case 'drop':
      Object.assign(model.routes[0]!, { state: 'Missing', canaryDoor: 0 })
      break
    case 'pods':
      if (model.status?.canary && model.status.canary.revision !== model.status.stable?.revision) model.behaviour.set(model.status.canary.revision, one.ready ? {} : { neverReady: true })
      break
    case 'pause':
      model.spec = { ...model.spec, paused: !(model.spec.paused ?? false) }
      break
    case 'edit':
      model.spec = { ...model.spec, steps: model.spec.steps === steps ? [{ weight: 20, hold: '2m' }, { weight: 100, hold: '2m' }] : steps }
      break
    case 'restart':
      model.restart()
      break
    case 'erase':
      model.status = undefined
      model.restart()
      break
  }
}
it('comes to rest with two routes, and everything it says fits', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 5, maxLength: 25 }), (events) => {
      const model = new Woken({ steps }, [{ key: 'VirtualService/shop/a', managed: true, state: 'Missing', canaryDoor: 0 }, { key: 'VirtualService/shop/b', managed: true, state: 'Missing', canaryDoor: 0 }])
      model.drive(5, (m) => m.phase === 'Idle')
      for (const one of events) {
        happen(model, one)
        expect(JSON.stringify(model.status ?? {}).length).toBeLessThan(40_000)
      }
      model.spec = { ...model.spec, paused: false }
      for (const revision of model.behaviour.keys()) model.behaviour.set(revision, {})
      const rests = model.drive(180, (m) => {
        if (m.phase === 'AwaitingApproval') return true
        return ['Idle', 'RolledBack', 'Held'].includes(m.phase!) || (m.status?.paused !== undefined && m.phase !== 'Closing' && m.phase !== 'Draining')
      })
      expect(rests, `${model.phase}: ${model.status?.message}`).toBe(true)
      expect(model.status?.message).not.toContain('undefined')
      expect(model.status?.message).not.toContain('the next pass')
      if (model.phase === 'RolledBack' || model.phase === 'Idle') {
        const shares = model.routes.map((route) => (route.state === 'Present' ? route.canaryDoor : 0))
        model.drive(3)
        if (model.phase === 'RolledBack' || model.phase === 'Idle') expect(model.shareOf(model.status!.stable!.revision), `${shares}`).toBe(1)
      }
      expect(model.nowhere).toEqual([])
    }),
    { numRuns: drawn(60).numRuns },
  )
}, drawn(60).timeoutMs)
