import { describe, expect, it } from 'vitest'
import type { Answer, Reading } from '../../../src/analysis/reading.ts'
import { shownRange, valueAnswer, type Range } from '../../../src/analysis/value.ts'
import { evaluate, type Memory } from '../../../src/analysis/verdict.ts'
import { at, question } from './question.ts'

const scrape = 15_000
const sample = (value: unknown) => ({ metric: {}, value: [at / 1000, value] })
const vector = (...result: unknown[]) => ({ resultType: 'vector', result })

describe('the answer to a query', () => {
  it.each([
    ['one series', vector(sample('0.25')), { state: 'Value', value: 0.25 }],
    ['a scalar', { resultType: 'scalar', result: [at / 1000, '3'] }, { state: 'Value', value: 3 }],
    ['less than nothing', vector(sample('-1e3')), { state: 'Value', value: -1000 }],
    ['+Inf', vector(sample('+Inf')), { state: 'Value', value: Infinity }],
    ['-Inf', vector(sample('-Inf')), { state: 'Value', value: -Infinity }],
    ['NaN', vector(sample('NaN')), { state: 'Empty', reason: 'the query answered NaN, as 0/0 is' }],
    ['no series', vector(), { state: 'Empty', reason: 'the query answered no series' }],
  ] as const)('%s', (_, data, answer) => expect(valueAnswer(data)).toEqual(answer))
  it.each([
    ['several series', vector(sample('1'), sample('2'), sample('3')), '3 series where one number is needed: aggregate them, for example with sum(…)'],
    ['a matrix', { resultType: 'matrix', result: [] }, 'a matrix where one number is needed'],
    ['a string', { resultType: 'string', result: [0, 'x'] }, 'a string where one number is needed'],
    ['a native histogram', vector({ metric: {}, histogram: [0, {}] }), 'a native histogram where one number is needed'],
    ['no value', vector({ metric: {} }), 'a sample without a value'],
    ['a word', vector(sample('many')), '"many", which is no number'],
    ['nothing at all', undefined, 'a result without type'],
    ['a list of nothing', vector(null), 'a sample without a value'],
  ] as const)('%s is an error', (_, data, reason) => expect(valueAnswer(data)).toEqual({ state: 'Error', reason: expect.stringContaining(reason) }))
})

const reading = (answer: Answer, slowMs = 300_000, unit = 'ms'): Reading => ({
  question: question({ slowMs, fastMs: Math.min(60_000, slowMs), measure: { kind: 'Query', template: 'shop/lag', query: { ok: true, query: 'x' }, unit } }), answer, answeredAt: at,
})
const judged = (range: Range, answer: Answer | number, { slowMs, memory = {}, unit }: { slowMs?: number; memory?: Memory; unit?: string } = {}) =>
  evaluate({ bound: '', allowedBad: 0, minRequests: 0, range }, reading(typeof answer === 'number' ? { state: 'Value', value: answer } : answer, slowMs, unit), memory, scrape)

describe('a value', () => {
  it.each([
    [{ max: 250 }, 250, 'Pass', '250ms'],
    [{ max: 250 }, 250.0001, 'Fail', '250.0001ms'],
    [{ max: 250 }, 312.4567891, 'Fail', '312.457ms'],
    [{ min: 0.95 }, 0.95, 'Pass', '0.95ms'],
    [{ min: 0.95 }, 0.94, 'Fail', '0.94ms'],
    [{ min: 1, max: 2 }, 1.5, 'Pass', '1.5ms'],
    [{ min: 1, max: 2 }, 2.5, 'Fail', '2.5ms'],
    [{ min: 1, max: 2 }, 0.5, 'Fail', '0.5ms'],
    [{ min: -5 }, -4, 'Pass', '-4ms'],
    // An infinity fails what it is beyond, and is never good enough.
    [{ max: 250 }, Infinity, 'Fail', '+Inf'],
    [{ min: 1 }, -Infinity, 'Fail', '-Inf'],
    [{ min: 1 }, Infinity, 'Error', undefined],
    [{ max: 250 }, -Infinity, 'Error', undefined],
  ] as const)('of %o and %d: %s', (range, value, verdict, shown) => {
    expect(judged(range, value).verdict).toBe(verdict)
    expect(judged(range, value).value).toBe(shown)
  })
  it('has neither verdict before four scrapes lie behind the split', () => {
    for (const value of [1, 1000]) expect(judged({ max: 250 }, value, { slowMs: 59_000 })).toMatchObject({ verdict: 'NoData', message: expect.stringContaining('fewer than 4 scrapes'), expectedAt: at + 1000 })
    expect(judged({ max: 250 }, 1, { slowMs: 60_000 }).verdict).toBe('Pass')
    expect(judged({ max: 250 }, 1000, { slowMs: 60_000 }).verdict).toBe('Fail')
  })
  it('that fails counts once for each scrape', () => {
    const first = judged({ max: 1 }, 2)
    expect(first).toMatchObject({ verdict: 'Fail', counts: true, memory: { countedAt: at }, message: 'the query answered 2ms; the bound is 1ms' })
    expect(judged({ max: 1 }, 2, { memory: { countedAt: at - scrape + 1 } })).toMatchObject({ verdict: 'Fail', counts: false, memory: { countedAt: at - scrape + 1 } })
    expect(judged({ max: 1 }, 2, { memory: { countedAt: at - scrape } })).toMatchObject({ verdict: 'Fail', counts: true })
  })
  it('is missing where nothing was answered, and an error where the source says so', () => {
    expect(judged({ max: 1 }, { state: 'Empty', reason: 'the query answered no series' })).toMatchObject({ verdict: 'NoData', message: 'the query answered no series', counts: false })
    expect(judged({ max: 1 }, { state: 'Error', reason: 'down' })).toMatchObject({ verdict: 'Error', message: 'down' })
    expect(judged({ max: 1 }, 0)).not.toHaveProperty('total')
  })
  it('stands with its unit', () => {
    expect(judged({ max: 10 }, 3, { unit: 'jobs' }).value).toBe('3 jobs')
    expect(judged({ max: 10 }, 3, { unit: '%' }).value).toBe('3%')
    expect(shownRange({ max: 250 }, 'ms')).toBe('250ms')
    expect(shownRange({ min: 0.2, max: 0.9 }, '')).toBe('0.2 to 0.9')
  })
})
