/** No ticks: time jumps straight to the next wake, ready pod or due question. Whatever needs time alone to move must have asked to be woken. */
import { describe, expect, it } from 'vitest'
import { ask } from '../../../src/rollout/ask.ts'
import type { RolloutSpec } from '../../../src/rollout/schema.ts'
import { Model, settings } from './model.ts'

class Woken extends Model {
  lastEvents: string[] = []
  /** Jumps from event to event; false: nothing will ever happen again, or the time is over. */
  drive(condition: (model: Woken) => boolean, minutes = 120): boolean {
    const end = this.now + minutes * 60_000
    while (this.now <= end) {
      this.settle()
      // Endpoints follow doors at once, and are objects that wake like others.
      this.advance(0)
      this.settle()
      if (condition(this)) return true
      const wakeAt = this.decisions.at(-1)?.wakeAt
      if (wakeAt !== undefined && wakeAt <= this.now) throw new Error(`a wake that is over: ${new Date(wakeAt).toISOString()}`)
      const pods = [...this.revisions].filter(([name, pods]) => pods.ready < pods.spec && pods.changedAt < Infinity && !this.behaviour.get(name)?.neverReady && !this.behaviour.get(name)?.crash).map(([, pods]) => Math.max(pods.changedAt + 5000, this.now + 1000))
      const questions = ask(this.seen(), this.plan, settings, this.now).map(({ at }) => at).filter((at) => at > this.now)
      const next = Math.min(wakeAt ?? Infinity, ...pods, ...questions)
      if (next === Infinity) return false
      this.advance(next - this.now)
    }
    return false
  }
}
function rested(spec: Partial<RolloutSpec> = {}): Woken {
  const model = new Woken(spec)
  if (!model.drive((m) => m.phase === 'Idle')) throw new Error(`not adopted: ${model.phase} ${model.status?.message}`)
  return model
}
const says = (model: Model): string => `${model.phase}: ${model.status?.message}`

describe('with wakes alone', () => {
  it('a release is promoted, and its predecessor retired', () => {
    const model = rested()
    model.release('r2')
    expect(model.drive((m) => m.status?.stable?.revision === 'r2'), says(model)).toBe(true)
    model.drive(() => false)
    expect([model.door('canary').leadsTo, model.revisions.get('r1')?.spec]).toEqual(['r2', 0])
    expect(model.nowhere).toEqual([])
  })
  it.each([0, 1, 2, 3])('a failure at step %i is taken back', (index) => {
    const model = rested()
    model.release('r2')
    expect(model.drive((m) => m.phase === 'Holding' && m.status?.journey?.step.index === index), says(model)).toBe(true)
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.drive((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
  })
  it('the way back runs to its end', () => {
    for (const late of [false, true]) {
      const model = rested()
      model.release('r2')
      model.drive((m) => m.status?.stable?.revision === 'r2')
      if (late) model.drive(() => false)
      model.request('Rollback', { revision: 'r2' })
      expect(model.drive((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
      expect(model.shareOf('r1')).toBe(1)
      expect(model.nowhere).toEqual([])
    }
  })
  it('pods that never get ready, and those that crash', () => {
    for (const behaviour of [{ neverReady: true }, { crash: true }]) {
      const model = rested()
      model.release('r2', behaviour)
      expect(model.drive((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
    }
  })
  it('no data, no answer', () => {
    for (const source of ['empty', 'errors'] as const) {
      const model = rested()
      model.source = source
      model.release('r2')
      expect(model.drive((m) => m.phase === 'Held'), says(model)).toBe(true)
    }
  })
  it('a quarter of the pods for half a minute', () => {
    const model = rested({ replicas: 8 })
    model.release('r2')
    expect(model.drive((m) => m.phase === 'Holding' && m.weight === 50), says(model)).toBe(true)
    const pods = model.revisions.get('r2')!
    Object.assign(pods, { ready: 1, changedAt: Infinity })
    expect(model.drive((m) => m.phase === 'RolledBack', 3), says(model)).toBe(true)
    expect(model.status?.failed[0]?.reason).toBe('CanaryNotReady')
  })
  it('a window opens', () => {
    const model = rested({ schedule: { windows: [{ cron: '0 9 * * *', duration: '1h' }] } })
    model.release('r2')
    expect(model.drive((m) => m.phase === 'Holding', 24 * 60), says(model)).toBe(true)
    expect(new Date(model.now).getUTCHours()).toBe(9)
    expect(model.drive((m) => m.status?.stable?.revision === 'r2'), says(model)).toBe(true)
  })
  it('a flip that cannot go on is said to be stalled', () => {
    const model = rested({ replicas: 4 })
    model.release('r2')
    expect(model.drive((m) => m.phase === 'Holding' && m.weight === 100), says(model)).toBe(true)
    // An autoscaler wants more, and quota refuses it.
    model.spec = { ...model.spec, replicas: 6 }
    const apply = model.apply.bind(model)
    model.apply = (action) => {
      apply(action)
      if (action.type === 'Scale') Object.assign(model.revisions.get(action.revision)!, { changedAt: Infinity })
    }
    const stalled = (m: Model) => m.status?.conditions.some(({ type, status }) => type === 'Stalled' && status === 'True') ?? false
    expect(model.drive(stalled, 30), says(model)).toBe(true)
    expect(model.shareOf('r2')).toBe(1)
  })
  it('deletion in the middle drops the finalizer', () => {
    const model = rested()
    model.release('r2')
    model.drive((m) => m.phase === 'Holding' && m.weight === 25)
    model.deleting = true
    expect(model.drive((m) => !m.finalizer), says(model)).toBe(true)
    expect(model.shareOf('r2')).toBe(0)
    const note = model.status!.outbox.find(({ type }) => type === 'RolledBack')
    if (note) expect(note.revision).toBe('r2')
  })
})

it('a step costs at most five writes, start, flip and end together fourteen', () => {
  const model = rested({ steps: [{ weight: 5, hold: '50s' }, { weight: 25, hold: '50s' }, { weight: 50, hold: '50s' }, { weight: 75, hold: '50s' }, { weight: 100, hold: '50s' }] })
  model.drive(() => false, 10)
  model.release('r2')
  const at: number[] = [model.writes.length]
  const moments: number[] = [model.now]
  for (let index = 0; index < 5; index++) {
    expect(model.drive((m) => m.phase === 'Holding' && m.status?.journey?.step.index === index), says(model)).toBe(true)
    at.push(model.writes.length)
    moments.push(model.now)
  }
  expect(model.drive((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  model.drive(() => false)
  at.push(model.writes.length)
  const each = at.slice(1).map((count, index) => model.writes.slice(at[index], count))
  // Last values are written at most once a minute beside.
  each.slice(1, 5).forEach((step, index) => expect(step.length - Math.floor((moments[index + 2]! - moments[index + 1]!) / 60_000), step.join(' ')).toBeLessThanOrEqual(5))
  const rest = [...each[0]!, ...each[5]!]
  expect(rest.length - 5, rest.join(' ')).toBeLessThanOrEqual(14)
})

it('every note has one id and is told once', () => {
  const model = rested()
  model.release('r2')
  model.drive((m) => m.weight === 25 && m.phase === 'Holding')
  model.release('r3', { errors: 0.5 })
  model.drive((m) => m.phase === 'RolledBack')
  model.release('r4')
  model.drive((m) => m.status?.stable?.revision === 'r4')
  const notes = model.decisions.flatMap((decision) => (decision.commit ? decision.notes : []))
  expect(new Set(notes.map(({ id }) => id)).size).toBe(notes.length)
  const told = notes.map(({ type, journey, weight, reason }) => `${type} ${journey} ${weight} ${reason}`)
  expect(told.filter((one, index) => told.indexOf(one) !== index)).toEqual([])
})
