import { beforeEach, describe, expect, test } from 'vitest'
import type { Answer, Question } from '../../../src/analysis/reading.ts'
import { Fetcher, ofMetrics } from '../../../src/controller/fetch.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import { settle, Simulated } from './simulated.ts'

let clock: Simulated
let asked: Question[]
let woken: string[]
let reply: (question: Question) => Promise<Answer>
const counts: Answer = { state: 'Counts', canary: { fast: { total: 1, bad: 0 }, slow: { total: 1, bad: 0 } }, stable: { fast: { total: 1, bad: 0 }, slow: { total: 1, bad: 0 } } }
const arm = { namespace: 'shop', workloads: ['w'] }
const question = (id: string, at: number, source = 'default'): Question => ({ id, check: id, source, telemetry: 'Istio', measure: { kind: 'SuccessRate' }, stable: arm, canary: arm, at, fastMs: 60_000, slowMs: 60_000 })

beforeEach(() => {
  clock = new Simulated()
  asked = []
  woken = []
  reply = () => Promise.resolve(counts)
})
function fetcher(atOnce?: number): Fetcher {
  return new Fetcher({ clock, atOnce, ...ofMetrics, wake: key => woken.push(key), source: { ask: q => (asked.push(q), reply(q)) } })
}

describe('the fetcher', () => {
  test('asks when the question is due, keeps the answer and wakes the rollout', async () => {
    const f = fetcher()
    f.update('shop/a', [question('x', clock.now() + 5000)])
    await clock.advance(4999)
    expect(asked).toHaveLength(0)
    await clock.advance(1)
    expect(asked).toHaveLength(1)
    expect(woken).toEqual(['shop/a'])
    expect(f.readings('shop/a')).toEqual([{ question: asked[0], answer: counts, answeredAt: clock.now() }])
  })
  test('the same question again is asked once, one with a later window again', async () => {
    const f = fetcher()
    const first = question('x', clock.now())
    f.update('shop/a', [first])
    await settle()
    f.update('shop/a', [first])
    await clock.advance(60_000)
    expect(asked).toHaveLength(1)
    f.update('shop/a', [question('x', clock.now() + 1000)])
    expect(f.readings('shop/a')).toHaveLength(1)
    await clock.advance(1000)
    expect(asked).toHaveLength(2)
    expect(f.readings('shop/a')).toHaveLength(2)
    expect(f.readings('shop/a').at(-1)!.question.at).toBe(clock.now())
  })
  test('a question that waits is moved by its newer form', async () => {
    const f = fetcher()
    f.update('shop/a', [question('x', clock.now() + 5000)])
    f.update('shop/a', [question('x', clock.now() + 1000)])
    await clock.advance(10_000)
    expect(asked).toHaveLength(1)
  })
  test('a question that is due is not pushed out by the next one', async () => {
    const f = fetcher()
    f.update('shop/a', [question('x', clock.now() + 5000)])
    clock.jump(5000)
    f.update('shop/a', [question('x', clock.now() + 30_000)])
    await settle()
    expect(asked.map(one => one.at)).toEqual([clock.now()])
  })
  test('what is no longer asked is forgotten, also an answer that comes too late', async () => {
    let answer: (a: Answer) => void = () => {}
    reply = () => new Promise(resolve => (answer = resolve))
    const f = fetcher()
    f.update('shop/a', [question('old', clock.now())])
    await settle()
    f.update('shop/a', [question('new', clock.now() + 60_000)])
    answer(counts)
    await settle()
    expect(f.readings('shop/a')).toEqual([])
    expect(woken).toEqual([])
    f.forget('shop/a')
    expect(clock.pending).toBe(0)
  })
  test('a hanging source holds no more than its places, and a place that gets free is used', async () => {
    const open: ((a: Answer) => void)[] = []
    reply = () => new Promise(resolve => void open.push(resolve))
    const f = fetcher(2)
    for (const key of ['a', 'b', 'c', 'd']) f.update(key, [question('x', clock.now())])
    await settle()
    expect(asked).toHaveLength(2)
    open[0]!(counts)
    await settle()
    expect(asked).toHaveLength(3)
    expect(woken).toEqual(['a'])
  })
  test('a source that rejects is an answer', async () => {
    reply = () => Promise.reject(new Error('boom'))
    const f = fetcher()
    f.update('a', [question('x', clock.now())])
    await settle()
    expect(f.readings('a')[0]!.answer).toEqual({ state: 'Error', reason: 'Error: boom' })
  })
  test('a source that hangs holds up the questions to no other one', async () => {
    reply = q => (q.source === 'slow' ? new Promise(() => {}) : Promise.resolve(counts))
    const f = fetcher(2)
    for (const key of ['a', 'b', 'c']) f.update(key, [question('x', clock.now(), 'slow')])
    for (const key of ['d', 'e', 'f']) f.update(key, [question('x', clock.now())])
    await settle()
    expect(asked.map(({ source }) => source)).toEqual(['slow', 'slow', 'default', 'default', 'default'])
    expect(woken).toEqual(['d', 'e', 'f'])
  })
})
describe('the sources', () => {
  const named = (name: string) => ({ name, ask: (q: Question): Promise<Answer> => (asked.push(q), Promise.resolve({ state: 'Error', reason: name })), state: () => ({ resting: false }) })
  test('without any, every question is answered with what to do', async () => {
    expect(await new Sources([]).ask(question('x', 0))).toEqual({
      state: 'Error', reason: 'no metric source default is configured, nor any other: start the controller with --prometheus URL, or add it to sources of its configuration file',
    })
  })
  test('what is under way at a source that is exchanged is still answered by it', async () => {
    let answer: (a: Answer) => void = () => {}
    const sources = new Sources([{ ...named('default'), ask: () => new Promise(resolve => (answer = resolve)) }])
    const f = new Fetcher({ clock, wake: key => woken.push(key), source: sources, ...ofMetrics })
    f.update('shop/a', [question('x', clock.now())])
    await settle()
    sources.replace([named('default')])
    f.update('shop/b', [question('x', clock.now())])
    await settle()
    answer(counts)
    await settle()
    expect([f.readings('shop/a')[0]?.answer, f.readings('shop/b')[0]?.answer]).toEqual([counts, { state: 'Error', reason: 'default' }])
  })
  test('a question goes to the source that it names; an unknown name is answered with those there are; another set takes over at once', async () => {
    const sources = new Sources([named('default'), named('edge')])
    expect(await sources.ask(question('x', 0, 'edge'))).toEqual({ state: 'Error', reason: 'edge' })
    expect(await sources.ask(question('x', 0, 'edgy'))).toMatchObject({ reason: expect.stringMatching(/^no metric source edgy is configured: name one of default, edge in analysis.sourceRef, or add it/) })
    sources.replace([named('edgy')])
    expect(await sources.ask(question('x', 0, 'edgy'))).toEqual({ state: 'Error', reason: 'edgy' })
    expect((await sources.ask(question('x', 0)) as { reason: string }).reason).toContain('name one of edgy')
  })
})
