/** Journeys with a query of one's own among the checks. */
import { describe, expect, it } from 'vitest'
import { readTemplate } from '../../../src/analysis/template.ts'
import { ask } from '../../../src/rollout/ask.ts'
import type { RolloutSpec } from '../../../src/rollout/schema.ts'
import type { TemplateSeen } from '../../../src/rollout/seen.ts'
import { adopted, baseSpec, Model, settings } from './model.ts'

const text = 'max(lag{namespace="{{namespace}}",pod=~"{{pods}}",queue="{{args.queue}}"})[{{window}}]'
function template(stamp = 'first'): TemplateSeen {
  const read = readTemplate(text)
  if (!read.ok) throw new Error(read.problem)
  return { check: 'lag', state: 'Ready', name: 'sluice/lag', query: read.template, unit: 'ms', stamp }
}
const missing: TemplateSeen = { check: 'lag', state: 'Refused', reason: 'TemplateMissing', message: 'there is no MetricTemplate shop/lag: create it, or correct templateRef' }
const lag = { name: 'lag', prometheus: { templateRef: { name: 'lag' }, args: { queue: 'orders' }, max: '250' } }
function releasing(more: Partial<RolloutSpec['analysis'] & object> = {}, checks: NonNullable<RolloutSpec['analysis']>['checks'] = [lag]): Model {
  const model = adopted({ analysis: { ...more, checks } })
  model.templates = [template()]
  model.value = 100
  model.release('r2')
  return model
}
const until = (model: Model, what: (m: Model) => boolean) => expect(model.until(what)).toBe(true)
const holding = (model: Model, step: number) => until(model, (m) => m.phase === 'Holding' && m.status?.journey?.step.index === step)

describe('a check with a query of its own', () => {
  it('is asked with the names of the canary, over the time since the split', () => {
    const model = releasing()
    holding(model, 1)
    until(model, (m) => m.status?.checks[0]?.verdict === 'Pass')
    const { measure, slowMs, telemetry } = model.readings.at(-1)!.question
    expect(measure).toMatchObject({ kind: 'Query', template: 'sluice/lag', unit: 'ms', query: { ok: true, query: expect.stringContaining(`pod=~"(?:r2-[bcdf`) } })
    expect(measure).toMatchObject({ query: { query: expect.stringContaining(`namespace="shop",`) } })
    expect(measure).toMatchObject({ query: { query: expect.stringContaining(`queue="orders"})[${slowMs}ms]`) } })
    expect(telemetry).toBe('Istio')
    expect(model.status!.checks[0]).toMatchObject({ verdict: 'Pass', value: '100ms', bound: '250ms' })
    expect(model.status!.checks[0]).not.toHaveProperty('total')
  })
  it('passes, and the journey is promoted', () => {
    const model = releasing()
    const weights = new Set<number>()
    until(model, (m) => (weights.add(m.weight), m.status?.stable?.revision === 'r2'))
    expect([...weights]).toEqual([0, 5, 25, 50, 100])
    expect(model.nowhere).toEqual([])
  })
  it('takes the canary back where its value is beyond the bound, and says both with their unit', () => {
    const model = releasing()
    holding(model, 1)
    model.value = 300
    until(model, (m) => m.phase === 'RolledBack')
    expect(model.weight).toBe(0)
    const said = 'lag 300ms misses 250ms: the query answered 300ms; the bound is 250ms'
    expect(model.status?.failed[0]).toMatchObject({ reason: 'CheckFailed', message: expect.stringContaining(said) })
    const notes = model.decisions.flatMap((decision) => decision.notes)
    expect(notes.find(({ type }) => type === 'Closing')).toMatchObject({ check: 'lag', value: '300ms', bound: '250ms' })
    expect(model.nowhere).toEqual([])
  })
  it('within failureLimit is no reason to take it back', () => {
    const model = releasing({ failureLimit: 3 })
    holding(model, 1)
    model.value = 300
    until(model, (m) => m.status?.checks[0]?.verdict === 'Fail')
    model.value = 100
    until(model, (m) => m.status?.stable?.revision === 'r2')
  })
  it.each([['Hold', 'Held'], ['Rollback', 'RolledBack']] as const)('with onFailure %s ends %s', (onFailure, phase) => {
    const model = releasing({}, [{ ...lag, onFailure }])
    model.value = 300
    until(model, (m) => m.phase === phase)
  })
  it('without a value is held, and not passed', () => {
    const model = releasing({ noData: { deadline: '3m' } })
    model.source = 'empty'
    until(model, (m) => m.phase === 'Held')
    expect(model.status?.journey).toMatchObject({ step: { index: 0 }, held: { reason: 'NoData', message: expect.stringContaining('the query answered no series') } })
  })
  it('without an answer is held', () => {
    const model = releasing({ sourceError: { deadline: '3m' } })
    model.source = 'errors'
    until(model, (m) => m.phase === 'Held')
    expect(model.status?.journey?.held?.reason).toBe('SourceError')
  })
  it('beside others costs them nothing: requests are counted by those that count', () => {
    const model = releasing({}, [lag, baseSpec.analysis!.checks[0]!])
    until(model, (m) => m.status?.stable?.revision === 'r2')
    expect(model.status!.journey!.requests.served).toBeGreaterThan(100)
    expect(model.decisions.some(({ commit }) => commit?.journey?.weight.seen === 25 && commit.journey.weight.measured === 25)).toBe(true)
  })
  it('is asked without telemetry too', () => {
    const model = releasing()
    holding(model, 1)
    const [question] = ask(model.seen(), { ...model.plan, telemetry: undefined }, settings, model.now)
    expect(question).toMatchObject({ telemetry: undefined, measure: { kind: 'Query' } })
  })
})

describe('its template', () => {
  it('edited in the middle begins the evidence anew', () => {
    const model = releasing()
    holding(model, 1)
    until(model, (m) => m.status?.checks[0]?.verdict === 'Pass')
    const before = model.readings.at(-1)!.question.id
    const since = model.status!.journey!.weight.seenAt
    model.templates = [template('second')]
    until(model, (m) => m.status?.checks[0]?.verdict === 'NoData')
    expect(model.status!.journey).toMatchObject({ step: { index: 1 }, weight: { wanted: 25, seen: 25 } })
    expect(model.status!.journey!.weight.seenAt).not.toBe(since)
    until(model, (m) => m.status?.checks[0]?.verdict === 'Pass')
    expect(model.readings.at(-1)!.question.id).not.toBe(before)
  })
  it('edited while Held is asked anew too', () => {
    const model = releasing({}, [{ ...lag, onFailure: 'Hold' }])
    model.value = 300
    until(model, (m) => m.phase === 'Held')
    model.value = 100
    model.templates = [template('second')]
    model.pass()
    expect(model.status!.checks).toEqual([])
    until(model, (m) => m.status?.checks[0]?.verdict === 'Pass')
  })
  it('missing in the middle: no raise, no rollback, however long and whatever noData and sourceError say', () => {
    const model = releasing({ noData: { action: 'Fail', deadline: '5m' }, sourceError: { action: 'Fail', deadline: '5m' } })
    holding(model, 1)
    until(model, (m) => m.status?.checks[0]?.verdict === 'Pass')
    model.templates = [missing]
    expect(model.until((m) => m.phase !== 'Holding' || m.weight !== 25, 30)).toBe(false)
    expect(model.status!.checks[0]).toMatchObject({ verdict: 'Error', message: missing.message })
    expect(model.status!.conditions.find(({ type }) => type === 'Stalled')).toMatchObject({ status: 'True', reason: 'TemplateMissing', message: expect.stringContaining('check lag: there is no MetricTemplate') })
    model.request('Promote', { revision: 'r2' })
    expect(model.until((m) => m.weight > 25, 10)).toBe(false)
    model.templates = [template()]
    until(model, (m) => m.status?.stable?.revision === 'r2')
  })
  it('missing from the start: nothing begins, and the reason is told once', () => {
    const model = adopted({ analysis: { checks: [lag] } })
    model.templates = [missing]
    model.release('r2')
    expect(model.until((m) => m.weight > 0, 20)).toBe(false)
    expect(model.phase).toBe('Waiting')
    expect(model.status!.message).toContain('there is no MetricTemplate shop/lag')
    expect(model.decisions.flatMap(({ notes }) => notes).filter(({ type }) => type === 'Stalled')).toHaveLength(1)
  })
  it('missing of a check that only reports: the journey goes on', () => {
    const model = releasing({}, [{ ...lag, onFailure: 'Report' }, baseSpec.analysis!.checks[0]!])
    model.templates = [missing]
    until(model, (m) => m.status?.checks[0]?.verdict === 'Error')
    until(model, (m) => m.status?.stable?.revision === 'r2')
  })
  it('missing does not keep a version that hurts', () => {
    const model = releasing({}, [lag, baseSpec.analysis!.checks[0]!])
    holding(model, 1)
    model.templates = [missing]
    model.behaviour.set('r2', { errors: 0.5 })
    until(model, (m) => m.phase === 'RolledBack')
    expect(model.status?.failed[0]).toMatchObject({ reason: 'CheckFailed', message: expect.stringContaining('success') })
  })
})
