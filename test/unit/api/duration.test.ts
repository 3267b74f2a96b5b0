import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, iso, ms, parseDuration } from '../../../src/rollout/duration.ts'

describe('parseDuration', () => {
  it.each([
    ['0s', 0], ['90s', 90_000], ['5m', 300_000], ['1h30m', 5_400_000], ['500ms', 500], ['1s500ms', 1500], ['99999h', 359_996_400_000], ['2m5s', 125_000],
  ])('%s', (text, expected) => expect(parseDuration(text)).toBe(expected))
  it.each(['', '5', '5 m', '1.5h', '-5m', '5M', '5d', 'm', '123456s', '1h1m1s1ms1h', '5m\n', ' 5m', '1e3s', 'P1D'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})

describe('formatDuration', () => {
  it.each([
    [0, '0s'], [-5, '0s'], [Number.NaN, '0s'], [0.2, '1ms'], [500, '500ms'], [1999, '1s'], [59_999, '59s'], [60_000, '1m'], [128_000, '2m08s'], [3_600_000,
    '1h'], [3_900_000, '1h05m'], [273_600_000, '3d04h'],
  ])('%d → %s', (value, text) => expect(formatDuration(value)).toBe(text))
  it('is a duration again below a day, and never shows more than there is', () => {
    fc.assert(fc.property(fc.integer({ min: 1000, max: 86_399_999 }), (value) => {
      const again = parseDuration(formatDuration(value))
      expect(again).toBeLessThanOrEqual(value)
      expect(value - again!).toBeLessThan(60_000)
    }))
  })
})

describe('iso and ms', () => {
  it('go there and back', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (value) => {
      expect(ms(iso(value))).toBe(value)
    }))
  })
  it('write no needless milliseconds', () => {
    expect(iso(1_774_746_000_000)).toBe('2026-03-29T01:00:00Z')
    expect(iso(1_774_746_000_120)).toBe('2026-03-29T01:00:00.120Z')
  })
  it('make an absent time compare as nothing', () => {
    expect(ms(undefined)).toBeNaN()
    expect(ms('yesterday')).toBeNaN()
  })
})
