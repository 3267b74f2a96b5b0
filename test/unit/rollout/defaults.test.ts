/** Defaults of the administrator that change while Rollouts are at rest, or in the middle of a journey. */
import { describe, expect, it } from 'vitest'
import { adopted, type Model } from './model.ts'

const holdingAt = (step: number) => (m: Model) => m.phase === 'Holding' && m.status?.journey?.step.index === step
function underway(before: Model['defaults']): Model {
  const model = adopted()
  model.defaults = before
  model.release('r2')
  expect(model.until(holdingAt(1))).toBe(true)
  return model
}

describe('a change of defaults in the middle of a journey', () => {
  it('restarts neither hold nor evidence, and writes nothing by itself', () => {
    const model = underway({ analysis: { minRequests: 10 } })
    model.advance(30_000)
    model.settle()
    const { journey, checks } = model.status!
    const writes = model.writes.length
    model.defaults = { analysis: { minRequests: 5000, interval: '1m', failureLimit: 9 }, onFailure: 'Hold', retainStable: '2h' }
    model.settle()
    expect(model.status).toMatchObject({ journey: { step: journey!.step, weight: journey!.weight, defaults: { analysis: { minRequests: 10 } } }, checks })
    expect(model.writes.length).toBe(writes)
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
    expect(model.status!.decisions.map(({ decision }) => decision)).not.toContain('StepsEdited')
  })
  it.each<[string, Model['defaults'], Model['defaults']]>([
    ['more failures', undefined, { analysis: { failureLimit: 100 } }],
    ['failures that only hold', undefined, { onFailure: 'Hold' }],
    ['more requests before anything is said', { analysis: { minRequests: 10 } }, { analysis: { minRequests: 1_000_000 } }],
    ['none at all any more', { analysis: { failureLimit: 0 } }, undefined],
  ])('to %s takes no protection from it: it is rolled back as it would have been', (_, before, after) => {
    const untouched = underway(before)
    const changed = underway(before)
    changed.defaults = after
    for (const model of [untouched, changed]) {
      model.behaviour.set('r2', { errors: 0.5 })
      expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    }
    expect(changed.status!.history[0]).toEqual(untouched.status!.history[0])
  })
  it('is kept over a restart of the controller', () => {
    const model = underway({ analysis: { failureLimit: 0 } })
    model.defaults = { onFailure: 'Hold' }
    model.restart()
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack' || m.phase === 'Held')).toBe(true)
    expect(model.phase).toBe('RolledBack')
  })
  it('counts once the spec is edited, which begins the evidence anew', () => {
    const model = underway(undefined)
    model.defaults = { onFailure: 'Hold' }
    model.spec = { ...model.spec, analysis: { ...model.spec.analysis!, minRequests: 20 } }
    model.generation++
    model.settle()
    expect(model.status!.journey!.defaults).toEqual({ onFailure: 'Hold' })
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack' || m.phase === 'Held')).toBe(true)
    expect(model.phase).toBe('Held')
  })
  it('counts from the next journey on, also where that takes the place of this one', () => {
    const model = underway(undefined)
    model.defaults = { onFailure: 'Hold', analysis: { failureLimit: 0 } }
    model.release('r3', { errors: 0.5 })
    expect(model.until((m) => m.status?.canary?.revision === 'r3' && m.phase === 'Holding')).toBe(true)
    expect(model.status!.journey!.defaults).toEqual({ onFailure: 'Hold', analysis: { failureLimit: 0 } })
    expect(model.until((m) => m.phase === 'Held' || m.phase === 'RolledBack')).toBe(true)
    expect(model.phase).toBe('Held')
  })
})
