import { describe, expect, it } from 'vitest'
import { countsAnswer } from '../../../src/analysis/counts.ts'
import { question } from './question.ts'

const series = (count: string, value: string, more: Record<string, string> = {}) => ({ metric: { count, ...more }, value: [1_700_000_000, value] })
const vector = (...result: unknown[]) => ({ resultType: 'vector', result })
const buckets = (name: string, counted: Record<string, number>) => Object.entries(counted).map(([le, value]) => series(name, String(value), { le }))
const latency = (aboveMs: number) => question({ measure: { kind: 'Latency', percentile: 99, aboveMs } })
const zero = { total: 0, bad: 0 }

describe('counts of a success rate', () => {
  it('reads both arms and both windows; requests that never arrived are bad', () => {
    const answer = countsAnswer(
      question(),
      vector(
        series('canary.slow.total', '300'),
        series('canary.slow.bad', '2'),
        series('canary.slow.lost', '10'),
        series('canary.fast.total', '60'),
        series('stable.slow.total', '5000'),
        series('stable.fast.total', '1000'),
        series('stable.fast.bad', '1'),
      ),
    )
    expect(answer).toEqual({
      state: 'Counts',
      canary: { slow: { total: 310, bad: 12 }, fast: { total: 60, bad: 0 } },
      stable: { slow: { total: 5000, bad: 0 }, fast: { total: 1000, bad: 1 } },
    })
  })
  it('an unreachable canary is all bad, not missing', () => {
    expect(countsAnswer(question(), vector(series('canary.slow.lost', '50')))).toMatchObject({ canary: { slow: { total: 50, bad: 50 } } })
  })
  it('an empty vector is zero requests', () => {
    expect(countsAnswer(question(), vector())).toEqual({ state: 'Counts', canary: { fast: zero, slow: zero }, stable: { fast: zero, slow: zero } })
  })
  it('rounds what increase() estimates after a restart, and never has more bad than all', () => {
    expect(countsAnswer(question(), vector(series('canary.slow.total', '30.4'), series('canary.slow.bad', '30.6')))).toMatchObject({
      canary: { slow: { total: 30, bad: 30 } },
    })
  })
  it('takes one window for both where they are the same', () => {
    expect(countsAnswer(question({ fastMs: 60_000, slowMs: 60_000 }), vector(series('canary.slow.total', '7')))).toMatchObject({
      canary: { fast: { total: 7 }, slow: { total: 7 } },
    })
  })
})

describe('counts by status', () => {
  const application = (...elements: Record<string, string>[]) =>
    countsAnswer(question({ telemetry: 'Application' }), vector(...elements.map((labels) => series('canary.slow.status', '3', labels))))
  const good = { total: 3, bad: 0 }
  const bad = { total: 3, bad: 3 }
  it.each([
    [{ status: '200' }, good], [{ status: '404' }, good], [{ status: '503' }, bad], [{ code: '500' }, bad], [{ status_code: '599' }, bad],
    [{ status: '5xx' }, bad], [{ code: '5XX' }, bad], [{ status_code: '2XX' }, good], [{ status: '100' }, good],
    // The first that holds one says it, in this order.
    [{ status: '200', code: '500', status_code: '500' }, good], [{ code: '500', status_code: '200' }, bad], [{ status: 'error', code: '500' }, bad], [{ status: 'ok', code: '0', status_code: '204' }, good],
    // No status: neither well nor failed.
    [{}, zero], [{ status: 'error' }, zero], [{ status: '' }, zero], [{ code: '5' }, zero], [{ code: '50' }, zero], [{ code: '5000' }, zero], [{ code: '600' }, zero], [{ status: '5xX' }, zero], [{ status: '500\n' }, zero], [{ grpc: '500' }, zero],
  ] as [Record<string, string>, typeof zero][])('%j: %j', (labels, slow) => expect(application(labels)).toMatchObject({ state: 'Counts', canary: { slow } }))
  it('adds them up, and rounds once', () => {
    const parts = ['200', '201', '5xx', '500', 'none'].map((status) => series('canary.slow.status', '1.4', { status }))
    expect(countsAnswer(question({ telemetry: 'Application' }), vector(...parts))).toMatchObject({ canary: { slow: { total: 6, bad: 3 }, fast: zero }, stable: { slow: zero } })
  })
  it('refuses the same status twice', () => {
    expect(application({ status: '500' }, { status: '500' })).toEqual({ state: 'Error', reason: 'the source answered canary.slow.status twice for status, code, status_code ["500","",""]' })
  })
  it('has room for every status under every label in one answer', () => {
    const statuses = ['stable', 'canary'].flatMap((arm) => ['fast', 'slow'].flatMap((window) => ['status', 'code', 'status_code'].flatMap((label) =>
      Array.from({ length: 500 }, (_, index) => series(`${arm}.${window}.status`, '1234567.123456789', { [label]: String(100 + index) })))))
    expect(JSON.stringify(vector(...statuses)).length).toBeLessThan(1024 * 1024)
    expect(countsAnswer(question({ telemetry: 'Application' }), vector(...statuses))).toMatchObject({ state: 'Counts', stable: { fast: { total: Math.round(1234567.123456789 * 1500) } } })
  })
})

describe('counts of a latency', () => {
  const slow = { '100': 800, '250': 950, '500': 990, '1000': 998, '+Inf': 1000 }
  it('counts the slower ones by buckets, and shows the percentile', () => {
    expect(countsAnswer(latency(500), vector(...buckets('canary.slow.bucket', slow)))).toMatchObject({
      canary: { slow: { total: 1000, bad: 10 }, percentileMs: 500 },
    })
  })
  it('spreads a bucket evenly where the bound lies inside it', () => {
    expect(countsAnswer(latency(300), vector(...buckets('canary.slow.bucket', slow)))).toMatchObject({ canary: { slow: { bad: 42 } } })
    expect(countsAnswer(latency(50), vector(...buckets('canary.slow.bucket', slow)))).toMatchObject({ canary: { slow: { bad: 600 } } })
  })
  it('refuses a bound above the highest bucket: slower ones cannot be told', () => {
    expect(countsAnswer(latency(2000), vector(...buckets('canary.slow.bucket', slow)))).toEqual({
      state: 'Error',
      reason: 'the source answered buckets up to 1000ms only, so requests slower than 2000ms cannot be told; choose a max of at most 1000ms',
    })
  })
  it('a percentile above the buckets is shown as the highest bound', () => {
    expect(countsAnswer(latency(500), vector(...buckets('canary.slow.bucket', { '500': 1, '+Inf': 100 })))).toMatchObject({ canary: { percentileMs: 500 } })
  })
  it('requests that never arrived are slow ones', () => {
    const answer = countsAnswer(latency(500), vector(...buckets('canary.slow.bucket', slow), series('canary.slow.lost', '7')))
    expect(answer).toMatchObject({ canary: { slow: { total: 1007, bad: 17 } } })
  })
  it('adds bounds that two pods write differently', () => {
    expect(countsAnswer(latency(500), vector(...buckets('canary.slow.bucket', { '500': 5, '500.0': 6, '+Inf': 20 })))).toMatchObject({
      canary: { slow: { total: 20, bad: 9 } },
    })
  })
  it('buckets that cross by an estimate are made monotone', () => {
    expect(countsAnswer(latency(500), vector(...buckets('canary.slow.bucket', { '250': 10, '500': 9, '+Inf': 9.5 })))).toMatchObject({
      canary: { slow: { total: 10, bad: 0 } },
    })
  })
})

describe('answers that are no counts', () => {
  const reason = (data: unknown, asked = question()): string => {
    const answer = countsAnswer(asked, data)
    return answer.state === 'Error' ? answer.reason.replace('the source answered ', '') : `counts ${JSON.stringify(answer)}`
  }
  it.each([
    ['NaN', vector(series('canary.slow.total', 'NaN')), 'NaN for canary.slow.total, which is no count of requests'],
    ['+Inf', vector(series('canary.slow.total', '+Inf')), '+Inf for canary.slow.total, which is no count of requests'],
    ['-1', vector(series('canary.slow.bad', '-1')), '-1 for canary.slow.bad, which is no count of requests'],
    ['words', vector(series('canary.slow.bad', 'many')), 'many for canary.slow.bad, which is no count of requests'],
    ['matrix', { resultType: 'matrix', result: [] }, 'a matrix where a vector was asked for'],
    ['scalar', { resultType: 'scalar', result: [1, '5'] }, 'a scalar where a vector was asked for'],
    ['string', { resultType: 'string', result: [1, 'x'] }, 'a string where a vector was asked for'],
    ['nothing', null, 'no data'],
    ['no type', {}, 'a result without type where a vector was asked for'],
    ['no list', { resultType: 'vector', result: {} }, 'a vector without a list'],
    ['no value', vector({ metric: { count: 'canary.slow.bad' } }), 'a series without value for canary.slow.bad'],
    ['a number', vector({ metric: {}, value: [1, 5] }), 'a series without value for {}'],
    ['null series', vector(null), 'a series that is no object'],
    ['no labels', vector({ value: [1, '1'] }), 'a series without labels'],
    [
      'native histogram',
      vector({ metric: { count: 'canary.slow.bad' }, histogram: [1, {}] }),
      'a native histogram for canary.slow.bad, where a count was asked for',
    ],
    [
      'duplicates',
      vector(series('canary.slow.bad', '1'), series('canary.slow.bad', '1', { pod: 'b' })),
      '2 series with count="canary.slow.bad" where one was asked for',
    ],
    ['strangers', vector(series('canary.slow.worse', '1')), 'a series with count="canary.slow.worse" that was not asked for'],
  ])('%s', (_name, data, expected) => expect(reason(data)).toBe(expected))
  it('buckets without an end, twice, or without a bound', () => {
    expect(reason(vector(...buckets('canary.slow.bucket', { '500': 1 })), latency(500))).toBe('buckets without le="+Inf"')
    const twice = buckets('canary.slow.bucket', { '+Inf': 1 })
    expect(reason(vector(...twice, ...twice), latency(500))).toBe('the bucket le="+Inf" twice')
    expect(reason(vector(series('canary.slow.bucket', '1')), latency(500))).toBe('a bucket with le="", which is no number')
  })
})

it('reads the requests of doors', () => {
  expect(countsAnswer(question({ measure: { kind: 'DoorRequests' } }), vector(series('canary.slow.total', '17')))).toMatchObject({
    canary: { slow: { total: 17, bad: 0 } },
    stable: { slow: zero },
  })
})
