/** Hooks in the journey: every point runs through the same suite; then what promote, deadlines, restarts and edits mean for them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { HookAnswer } from '../../../src/rollout/hooks/call.ts'
import { hookPoints, type When } from '../../../src/rollout/hooks/index.ts'
import type { RolloutSpec } from '../../../src/rollout/schema.ts'
import { adopted, baseSpec, loweredLess, type Model } from './model.ts'

const agreed: HookAnswer = { state: 'Agreed', message: '204' }
const refused: HookAnswer = { state: 'Refused', message: 'not now' }
const later: HookAnswer = { state: 'Later', message: '425' }
const error: HookAnswer = { state: 'Error', message: 'refuses connections' }
type Hook = NonNullable<RolloutSpec['hooks']>[number]
const hook = (when: When, more: Partial<Hook> = {}): Hook => ({ name: 'h', when, url: 'https://gate.example.com/x?token=hidden', ...more })
/** A model with these hooks that has noticed r2. */
function released(hooks: Hook[], answer?: HookAnswer, spec: Partial<RolloutSpec> = {}): Model {
  const model = adopted({ ...spec, hooks })
  if (answer) for (const { name } of hooks) model.hooks.set(name, answer)
  model.release('r2')
  return model
}
const says = (model: Model): string => `${model.phase} ${model.weight}%: ${model.status?.message}`
const asked = (model: Model, name = 'h') => [...new Set(model.hookCalls.filter((call) => call.hook.name === name).map(({ id }) => id))]
const promoted = (model: Model): boolean => model.status?.stable?.revision === 'r2'
const gates = hookPoints.filter(({ kind }) => kind === 'Gate').map(({ when }) => when)
const waits = hookPoints.filter(({ kind }) => kind !== 'Report').map(({ when }) => when)
const entry = (model: Model, name = 'h') => model.status?.hooks?.find((one) => one.name === name)
const condition = (model: Model, type: string) => model.status?.conditions.find((one) => one.type === type)

describe.each(hookPoints.map(({ when, kind }) => ({ when, kind })))('$when', ({ when, kind }) => {
  it('agreed to, the release is promoted', () => {
    const model = released([hook(when)], agreed)
    expect(model.until(promoted), says(model)).toBe(true)
    expect(model.status?.hooks).toBeUndefined()
    expect(model.nowhere).toEqual([])
    expect(asked(model).length > 0).toBe(kind !== 'Report')
  })
  it('each call has an identity of its own, the same through all tries', () => {
    const model = released([hook(when)], error)
    model.until((m) => m.hookCalls.length > 3, 30)
    if (kind === 'Report') return expect(model.hookCalls).toEqual([])
    expect(asked(model)).toHaveLength(1)
    expect(model.hookCalls.map(({ attempt }) => attempt)).toEqual(model.hookCalls.map((_, index) => index + 1))
    model.hooks.set('h', agreed)
    model.until(promoted)
    const counts = { BeforeStart: 1, BeforeRaise: 4, DuringStep: 4, BeforePromotion: 1 } as Record<string, number>
    expect(asked(model)).toHaveLength(counts[when]!)
  })
  it.each([['silent', undefined], ['in trouble', error], ['not ready', later], ['refusing', refused]] as const)('%s, an abort waits for nothing', (_, answer) => {
    const model = released([hook(when, kind === 'Evidence' ? { onFailure: 'Report' } : {})], answer)
    model.until(() => false, 6)
    model.request('Abort')
    model.settle()
    expect(model.status!.phase, says(model)).toMatch(/Closing|Draining|RolledBack|Idle/)
    expect(model.weight).toBe(0)
    expect(model.status?.hooks).toBeUndefined()
  })
})

describe.each(waits)('%s, awaited', (when) => {
  it.each([['silent', undefined, 'Awaited', 'no answer yet'], ['in trouble', error, 'Error', 'no answer since'], ['not ready', later, 'Awaited', 'puts it off: 425']] as const)('%s: waits visibly, and goes on by itself', (_, answer, state, words) => {
    const model = released([hook(when)], answer)
    model.until(() => false, 60)
    expect(promoted(model)).toBe(false)
    expect(entry(model)?.state, says(model)).toBe(state)
    for (const text of [model.status!.message, condition(model, 'HookAwaited')!.message]) {
      for (const word of ['hook h', 'gate.example.com', when, words, 'asked since 2026-11-23T']) expect(text).toContain(word)
    }
    expect(JSON.stringify(model.status)).not.toContain('hidden')
    model.hooks.set('h', agreed)
    if (answer === undefined) return
    expect(model.until(promoted), says(model)).toBe(true)
  })
  it('while it says the same, nothing is written', () => {
    for (const answer of [undefined, error, later]) {
      const model = released([hook(when)], answer)
      model.until(() => false, 30)
      const writes = model.writes.length
      // Values of checks move where the canary holds traffic; that is all.
      const held = model.weight > 0
      model.until(() => false, 60)
      expect(model.writes.length - writes).toBeLessThanOrEqual(held ? 61 : 0)
    }
  })
  it('people are told once that it does not answer for five minutes, and that its deadline is over', () => {
    const model = released([hook(when)], error)
    const told = (): string[] => model.decisions.flatMap(({ notes }) => notes.map(({ type }) => type)).filter((type) => type === 'HookFailing')
    model.until((m) => entry(m)?.state === 'Error')
    model.until(() => false, 4)
    expect(told()).toEqual([])
    model.until(() => false, 30)
    expect(told()).toEqual(['HookFailing'])
    expect(condition(model, 'HookFailing')?.reason).toBe('NoAnswer')
    model.hooks.set('h', agreed)
    model.until(promoted)
    expect(condition(model, 'HookFailing')).toBeUndefined()
  })
  it('after its deadline the journey is Held; one that has not started waits on, and people are told', () => {
    const model = released([hook(when, { deadline: '10m' })], when === 'DuringStep' ? later : refused)
    if (when === 'BeforeStart') {
      model.until((m) => condition(m, 'HookFailing') !== undefined)
      expect([model.phase, condition(model, 'HookFailing')?.reason]).toEqual(['Waiting', 'DeadlineExceeded'])
    } else {
      expect(model.until((m) => m.phase === 'Held'), says(model)).toBe(true)
      expect(model.status?.journey?.held).toMatchObject({ reason: 'HookDeadline', message: expect.stringContaining('its deadline of 10m is over') })
      model.request('Resume', { revision: 'r2' })
    }
    model.hooks.set('h', agreed)
    expect(model.until(promoted), says(model)).toBe(true)
  })
  it('a restart asks again under the same identity, and agreements stay', () => {
    const model = released([hook(when), { ...hook(when), name: 'other' }], agreed)
    model.hooks.set('h', error)
    model.until((m) => entry(m, 'other')?.state === 'Agreed' && entry(m)?.state === 'Error')
    const before = [asked(model), asked(model, 'other')]
    model.restart()
    model.until(() => false, 3)
    expect([asked(model), asked(model, 'other')]).toEqual(before)
    expect(model.hookCalls.filter((call) => call.hook.name === 'other')).toHaveLength(1)
  })
  it('a hook that is taken out of the spec is awaited no longer', () => {
    const model = released([hook(when)], error)
    model.until((m) => entry(m)?.state === 'Error')
    const { hooks: _, ...spec } = model.spec
    model.spec = spec
    expect(model.until(promoted), says(model)).toBe(true)
  })
  it('a promote passes over its silence once it was heard, or could have been', () => {
    for (const answer of [undefined, error, later]) {
      const model = released([hook(when)], answer)
      model.until((m) => entry(m) !== undefined)
      model.request('Promote', { revision: 'r2', step: -1 })
      expect(model.until(promoted, 30), says(model)).toBe(true)
      expect(asked(model).length).toBeGreaterThan(0)
    }
  })
  it('a newer version begins with calls of its own', () => {
    const model = released([hook(when)], error)
    model.until((m) => entry(m)?.state === 'Error')
    const [first] = asked(model)
    model.release('r3')
    model.until((m) => m.status?.canary?.revision === 'r3' && entry(m)?.state === 'Error')
    expect(entry(model)?.id).not.toBe(first)
  })
})

describe.each(gates)('%s, refusing', (when) => {
  it('keeps the gate closed, says why, and is asked again until it agrees', () => {
    const model = released([hook(when)], refused)
    model.until(() => false, 40)
    expect(entry(model), says(model)).toMatchObject({ state: 'Refused', message: 'not now' })
    expect(model.status!.message).toMatch(/it refuses since .*: not now/)
    expect(model.decisions.flatMap(({ notes }) => notes).filter(({ type, reason }) => type === 'Waiting' && reason === 'Hook')).toHaveLength(1)
    model.hooks.set('h', agreed)
    expect(model.until(promoted), says(model)).toBe(true)
  })
  it('stops even a promote, and the message says so', () => {
    const model = released([hook(when)], refused)
    model.until((m) => entry(m) !== undefined)
    model.request('Promote', { revision: 'r2', step: -1 })
    expect(model.until(promoted, 30)).toBe(false)
    expect(model.status!.message).toContain('a promote does not pass over a refusal')
    model.hooks.set('h', agreed)
    expect(model.until(promoted), says(model)).toBe(true)
  })
})

describe.each(waits.filter((when) => when !== 'BeforeStart'))('%s, awaited under traffic', (when) => {
  const dangers: Record<string, (model: Model) => void> = {
    'a failing check': (model) => model.behaviour.set('r2', { errors: 0.5 }),
    'an abort': (model) => model.request('Abort'),
    'lost pods': (model) => model.behaviour.set('r2', { crash: true }),
    'a newer version': (model) => model.release('r3'),
    'the stable template': (model) => model.release('r1'),
  }
  it.each(Object.keys(dangers).flatMap((danger) => [undefined, error, later, refused].map((answer) => [danger, answer?.state ?? 'Silent', answer] as const)))('%s takes the traffic at once, hook %s', (danger, _, answer) => {
    const model = released([hook(when, when === 'DuringStep' ? { onFailure: 'Report' } : {})], agreed)
    model.until((m) => m.phase === 'Shifting' && m.status?.journey?.step.index === 1)
    if (answer) model.hooks.set('h', answer)
    else model.hooks.delete('h')
    const reported = when === 'DuringStep' && answer === refused
    model.until((m) => m.phase === 'Holding' && m.status!.hooks?.some(({ state }) => state === (reported ? 'Refused' : ({ Refused: 'Refused', Error: 'Error', Later: 'Awaited', Agreed: 'Agreed' } as const)[answer?.state ?? 'Later'])) === true && m.weight >= 25)
    const weight = model.weight
    expect(weight, says(model)).toBeGreaterThan(0)
    const original = model.decided.bind(model)
    let lowered = 0
    model.decided = () => {
      const made = original()
      expect(loweredLess(model, made.seen, made.decision)).toEqual([])
      lowered += made.decision.lower.length
      return made
    }
    dangers[danger]!(model)
    model.until((m) => m.weight === 0, 10)
    expect([model.weight, lowered > 0], says(model)).toEqual([0, true])
  })
})

describe('BeforeRaise', () => {
  it('is asked for what would be, with the pods ready for the first raise', () => {
    const model = released([hook('BeforeRaise')])
    model.until((m) => entry(m) !== undefined)
    expect([model.phase, model.revisions.get('r2')?.ready]).toEqual(['Scaling', 1])
    model.advance(0)
    expect(model.hookCalls[0]!.facts).toMatchObject({ when: 'BeforeRaise', rollout: 'shop', namespace: 'shop', revision: 'r2', from: 'r1', version: 'r2', step: { index: 0, of: '1/4' }, weight: 0, nextWeight: 5, phase: 'Scaling' })
  })
  it('pods that are lost while it waits have their whole deadline once it agrees', () => {
    const model = released([hook('BeforeRaise')], refused)
    model.until((m) => entry(m)?.state === 'Refused')
    model.until(() => false, 60)
    model.behaviour.set('r2', { neverReady: true })
    model.until(() => false, 20)
    expect(model.phase, says(model)).toBe('Scaling')
    model.hooks.set('h', agreed)
    model.until((m) => entry(m)?.state === 'Agreed')
    model.until(() => false, 9)
    expect(model.phase, says(model)).toBe('Scaling')
    model.behaviour.set('r2', {})
    expect(model.until(promoted), says(model)).toBe(true)
  })
  it('a raise that is made again is asked for again', () => {
    const model = released([hook('BeforeRaise')], agreed)
    model.until((m) => m.phase === 'Holding' && m.weight === 25)
    expect(asked(model)).toHaveLength(2)
    model.behaviour.set('r2', { neverReady: true })
    model.until((m) => m.weight === 0, 2)
    model.behaviour.set('r2', {})
    model.until((m) => m.phase === 'Holding' && m.weight === 25)
    expect(asked(model)).toHaveLength(3)
  })
  it('checks decide while it waits: a failing version is taken back in the pass that sees it', () => {
    const model = released([hook('BeforeRaise')], agreed)
    model.until((m) => m.weight === 5 && m.phase === 'Holding')
    model.hooks.set('h', refused)
    model.until((m) => entry(m)?.state === 'Refused')
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
  })
  it('an approval comes first, and is not asked of people while the hook waits', () => {
    const steps = [{ weight: 5, hold: '2m', approval: 'After' as const }, { weight: 100, hold: '2m' }]
    const model = released([hook('BeforeRaise')], agreed, { steps })
    model.until((m) => m.phase === 'AwaitingApproval')
    expect(asked(model)).toHaveLength(1)
    model.hooks.set('h', refused)
    model.request('Approve', { revision: 'r2' })
    model.until((m) => entry(m)?.state === 'Refused')
    expect(model.phase).toBe('Holding')
    model.hooks.set('h', agreed)
    expect(model.until(promoted), says(model)).toBe(true)
  })
})

describe('DuringStep', () => {
  it.each([0, 1, 2, 3])('refusing in step %i takes the version back, says why, and is not asked again', (index) => {
    const model = released([hook('DuringStep')], agreed)
    model.until((m) => m.status?.journey?.step.index === index && m.phase !== 'Holding')
    model.hooks.set('h', refused)
    expect(model.until((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
    expect(model.status!.history[0]).toMatchObject({ reason: 'HookRefused', outcome: 'RolledBack' })
    expect(model.status!.failed[0]!.message).toContain('hook h of gate.example.com refuses: not now')
    expect(model.hookCalls.filter(({ id }) => id === asked(model).at(-1))).toHaveLength(1)
  })
  it('onFailure Hold holds; Report is told as a failing check and goes on', () => {
    const held = released([hook('DuringStep', { onFailure: 'Hold' })], refused)
    expect(held.until((m) => m.phase === 'Held'), says(held)).toBe(true)
    expect(held.status!.journey!.held).toMatchObject({ reason: 'HookRefused' })
    const reported = released([hook('DuringStep', { onFailure: 'Report' })], refused)
    expect(reported.until(promoted), says(reported)).toBe(true)
    expect(reported.decisions.flatMap(({ notes }) => notes).filter(({ type }) => type === 'CheckFailing')).toHaveLength(4)
  })
  it('is called at once and not after the hold; the hold counts from its agreement', () => {
    const model = released([hook('DuringStep')], later)
    model.until((m) => m.phase === 'Holding')
    model.advance(0)
    expect(model.hookCalls).toHaveLength(1)
    model.until(() => false, 10)
    expect(model.weight).toBe(5)
    model.hooks.set('h', agreed)
    model.until((m) => entry(m)?.state === 'Agreed')
    const at = Date.parse(entry(model)!.at!)
    model.until((m) => m.status?.journey?.step.index === 1)
    expect(model.now - at).toBeGreaterThanOrEqual(120_000)
  })
  it('runs in a step of weight 0 too: a test before any user', () => {
    const model = released([hook('DuringStep')], refused, { steps: [{ weight: 0, hold: '1m' }, ...baseSpec.steps] })
    expect(model.until((m) => m.phase === 'RolledBack'), says(model)).toBe(true)
    expect(model.hookCalls[0]!.facts).toMatchObject({ weight: 0, step: { index: 0 } })
  })
  it('a refusal also stops one who promotes', () => {
    const model = released([hook('DuringStep', { onFailure: 'Hold' })], refused)
    model.request('Promote', { revision: 'r2', step: -1 })
    expect(model.until(promoted, 30)).toBe(false)
  })
})

it('there is an example of each point', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../examples/hooks/rollout.yaml'), 'utf8')
  expect([...text.matchAll(/when: (\w+)/g)].map(([, when]) => when)).toEqual(hookPoints.map(({ when }) => when))
})
it('several hooks of one point are asked at once, and each but once agreed', () => {
  const names = ['a', 'b', 'c']
  const model = released(names.map((name) => hook('BeforePromotion', { name })), agreed)
  model.hooks.set('b', refused)
  model.until((m) => m.weight === 100 && entry(m, 'b')?.state === 'Refused')
  model.until(() => false, 10)
  expect(names.map((name) => entry(model, name)?.state)).toEqual(['Agreed', 'Refused', 'Agreed'])
  expect(names.map((name) => model.hookCalls.filter((call) => call.hook.name === name).length > 1)).toEqual([false, true, false])
})
it('pauses grow up to a minute, keep to Retry-After, and differ between calls', () => {
  const model = released([hook('BeforeStart')], { ...refused, retryAfterMs: 600_000 })
  model.until(() => false, 60)
  expect(model.hookCalls.length).toBeLessThanOrEqual(7)
  model.hooks.set('h', refused)
  model.until(() => false, 20)
  const before = model.hookCalls.length
  model.until(() => false, 60)
  expect(model.hookCalls.length - before).toBeGreaterThanOrEqual(55)
  expect(model.hookCalls.length - before).toBeLessThanOrEqual(90)
})
