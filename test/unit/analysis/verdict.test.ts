import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate, measuredShare } from '../../../src/analysis/verdict.ts'
import { windows } from '../../../src/analysis/windows.ts'
import { spread } from '../../../src/analysis/spread.ts'
import type { PlannedCheck } from '../../../src/rollout/plan.ts'
import { at, counts, question, reading } from './question.ts'

const check: PlannedCheck = {
  name: 'success',
  measure: { kind: 'SuccessRate', min: 0.99 },
  bound: '99%',
  allowedBad: 0.01,
  failureLimit: 1,
  minRequests: 30,
  onFailure: 'Rollback',
}
const scrape = 15_000

describe('a verdict by threshold', () => {
  it('passes with enough good requests over four scrapes', () => {
    expect(evaluate(check, reading(counts(1000, 5)), {}, scrape)).toMatchObject({ verdict: 'Pass', value: '99.50%', total: 1000, bad: 5, counts: false })
  })
  it('fails a canary that fails everything, though it has no good series', () => {
    expect(evaluate(check, reading(counts(40, 40)), {}, scrape)).toMatchObject({
      verdict: 'Fail',
      value: '0.00%',
      counts: true,
      memory: { countedAt: at, countedBad: 40 },
    })
  })
  it('takes three bad requests beyond the share as no verdict, four as one', () => {
    expect(evaluate(check, reading(counts(100, 4)), {}, scrape).verdict).toBe('Pass')
    expect(evaluate(check, reading(counts(100, 5)), {}, scrape).verdict).toBe('Fail')
  })
  it('fails by the fast window alone: an outage late in a long hold', () => {
    const evaluation = evaluate(check, reading(counts(100_000, 100), counts(100, 100)), {}, scrape)
    expect(evaluation).toMatchObject({ verdict: 'Fail', total: 100, bad: 100 })
    expect(evaluation.message).toBe('100 of 100 requests failed in the last 60s; the bound is 99%')
  })
  it('fails by the slow window alone: a quiet service gathers evidence', () => {
    expect(evaluate(check, reading(counts(40, 20), counts(8, 8)), {}, scrape)).toMatchObject({ verdict: 'Fail', total: 40, bad: 20 })
  })
  it('never shows a failed request as 100 %', () => {
    expect(evaluate(check, reading(counts(1_000_000, 1)), {}, scrape).value).toBe('99.99%')
  })
  it('shows a percentile for latency', () => {
    const latency = { measure: { kind: 'Latency', percentile: 99, aboveMs: 500 } as const }
    expect(evaluate(check, reading(counts(100), counts(100), latency, 212.4), {}, scrape).value).toBe('212ms')
  })
  it('an answer that is an error is Error, with its reason', () => {
    const failed = { question: question(), answer: { state: 'Error', reason: 'no answer within 5000ms' } as const, answeredAt: at }
    expect(evaluate(check, failed, { countedAt: 1, countedBad: 2 }, scrape)).toMatchObject({
      verdict: 'Error',
      message: 'no answer within 5000ms',
      memory: { countedAt: 1, countedBad: 2 },
    })
  })
})

describe('missing data', () => {
  it('says when enough requests will be there at the present rate', () => {
    const evaluation = evaluate(check, reading(counts(10)), {}, scrape)
    expect(evaluation).toMatchObject({ verdict: 'NoData', expectedAt: at + 600_000 })
    expect(evaluation.message).toBe('10 of 30 requests that are needed, expected at 2026-01-01T12:10:00.000Z')
  })
  it('expects nothing that the hour of the slow window cannot hold', () => {
    const evaluation = evaluate(check, reading(counts(2)), {}, scrape)
    expect(evaluation.expectedAt).toBeUndefined()
    expect(evaluation.message).toContain('not within an hour')
    expect(evaluate(check, reading(counts(0)), {}, scrape).expectedAt).toBeUndefined()
  })
  it('waits for four scrapes before it passes', () => {
    const young = evaluate(check, reading(counts(500), counts(500), { slowMs: 45_000, fastMs: 45_000 }), {}, scrape)
    expect(young).toMatchObject({ verdict: 'NoData', expectedAt: at + 15_000 })
    expect(evaluate(check, reading(counts(500), counts(500), { slowMs: 60_000, fastMs: 60_000 }), {}, scrape).verdict).toBe('Pass')
  })
  it('does not wait for four scrapes before it fails', () => {
    expect(evaluate(check, reading(counts(500, 500), counts(500, 500), { slowMs: 20_000, fastMs: 20_000 }), {}, scrape).verdict).toBe('Fail')
  })
})

describe('failures that count', () => {
  const memory = { countedAt: at - 30_000, countedBad: 40 }
  it('does not count the same bad requests twice', () => {
    const again = evaluate(check, reading(counts(50, 40)), memory, scrape)
    expect(again).toMatchObject({ verdict: 'Fail', counts: false, memory })
  })
  it('counts when more are bad than then', () => {
    expect(evaluate(check, reading(counts(50, 41)), memory, scrape)).toMatchObject({ counts: true, memory: { countedAt: at, countedBad: 41 } })
  })
  it('counts whatever is in a window that began after the last one: a new step, a fast window', () => {
    expect(evaluate(check, reading(counts(50, 10)), { countedAt: at - 400_000, countedBad: 40 }, scrape).counts).toBe(true)
    expect(evaluate(check, reading(counts(50, 10), counts(30, 1)), { countedAt: at - 60_000, countedBad: 40 }, scrape).counts).toBe(true)
  })
  it('does not count an answer that is older than the last counted one', () => {
    expect(evaluate(check, reading(counts(50, 45)), { countedAt: at + 1, countedBad: 40 }, scrape).counts).toBe(false)
  })
  it('counts one reading once, however often a pass looks at it', () => {
    const failing = reading(counts(50, 40))
    const first = evaluate(check, failing, {}, scrape)
    expect(evaluate(check, failing, first.memory, scrape).counts).toBe(false)
  })
})

const count = fc.tuple(fc.nat(100_000), fc.nat(100_000)).map(([a, b]) => counts(Math.max(a, b), Math.min(a, b)))
const bounds = fc.record({ bound: fc.constant('x'), allowedBad: fc.double({ min: 0, max: 1, noNaN: true }), minRequests: fc.integer({ min: 1, max: 5000 }) })
const rank = { Fail: 0, NoData: 1, Error: 1, Pass: 1 }

describe('laws', () => {
  it('no data is never Pass nor Fail', () => {
    fc.assert(
      fc.property(bounds, fc.nat(4_000_000), fc.nat(60_000), (some, slowMs, scrapeMs) => {
        expect(evaluate(some, reading(counts(0), counts(0), { slowMs, fastMs: slowMs }), {}, scrapeMs).verdict).toBe('NoData')
      }),
    )
  })
  it('below minRequests in both windows is never Pass nor Fail', () => {
    fc.assert(
      fc.property(bounds, count, (some, { total, bad }) => {
        fc.pre(total < some.minRequests)
        expect(evaluate(some, reading(counts(total, bad)), {}, scrape).verdict).toBe('NoData')
      }),
    )
  })
  it('one more bad request never makes a failing check pass', () => {
    fc.assert(
      fc.property(bounds, count, count, fc.nat(100), (some, slow, fast, more) => {
        const worse = ({ total, bad }: { total: number; bad: number }) => counts(total, Math.min(total, bad + more))
        const before = evaluate(some, reading(slow, fast), {}, scrape).verdict
        const after = evaluate(some, reading(worse(slow), worse(fast)), {}, scrape).verdict
        expect(rank[after]).toBeLessThanOrEqual(rank[before])
      }),
    )
  })
  it('everything failing fails wherever a verdict is possible at all', () => {
    fc.assert(
      fc.property(bounds, fc.integer({ min: 1, max: 100_000 }), (some, total) => {
        fc.pre(total >= some.minRequests && total * (1 - some.allowedBad) > 3)
        expect(evaluate(some, reading(counts(total, total)), {}, scrape).verdict).toBe('Fail')
      }),
    )
  })
  it('windows end now, reach back to the split at most, and an hour at most', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fc.nat(10_000_000), fc.integer({ min: 1, max: 120_000 }), fc.nat(600_000), (since, age, scrapeMs, intervalMs) => {
        const { fastMs, slowMs } = windows(since + age, since, scrapeMs, intervalMs)
        expect(slowMs).toBe(Math.min(age, 3_600_000))
        expect(fastMs).toBe(Math.min(slowMs, Math.max(4 * scrapeMs, intervalMs)))
      }),
    )
    expect(windows(1000, 5000, scrape, 0)).toEqual({ fastMs: 0, slowMs: 0 })
  })
})

it('measures the share that the canary really got', () => {
  expect(measuredShare(reading(counts(100), counts(10)))).toBe(10)
  expect(measuredShare(reading(counts(0)))).toBeUndefined()
})

it('spreads questions over their interval, each always at the same place', () => {
  const offsets = Array.from({ length: 1000 }, (_, index) => spread(`success@web-${index}`, 30_000))
  expect(offsets.every((offset) => offset >= 0 && offset < 30_000)).toBe(true)
  const perSecond = Array.from({ length: 30 }, (_, second) => offsets.filter((offset) => Math.floor(offset / 1000) === second).length)
  expect(Math.max(...perSecond)).toBeLessThan(70)
  expect(spread('a', 30_000)).toBe(spread('a', 30_000))
})
