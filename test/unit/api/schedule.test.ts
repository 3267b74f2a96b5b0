import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cronProblem, isTimeZone, windowState, windowText } from '../../../src/rollout/schedule.ts'

const hour = 3_600_000
const minute = 60_000
const window = (cron: string, durationMs: number, timeZone = 'Europe/Berlin') => ({ cron, durationMs, timeZone })
const at = (time: string) => Date.parse(time)
const open = (closes: string) => ({ open: true, closesAt: at(closes) })
const closed = (opens: string) => ({ open: false, opensAt: at(opens) })

describe('windowState', () => {
  it('is open without windows', () => expect(windowState([], 0)).toEqual({ open: true }))

  const weekdays = [window('0 9 * * 1-5', 7 * hour)]
  it.each([
    ['2026-05-08T06:59:59.999Z', closed('2026-05-08T07:00:00Z')],
    ['2026-05-08T07:00:00.000Z', open('2026-05-08T14:00:00Z')],
    ['2026-05-08T13:59:59.999Z', open('2026-05-08T14:00:00Z')],
    ['2026-05-08T14:00:00.000Z', closed('2026-05-11T07:00:00Z')],
    ['2026-05-10T12:00:00.000Z', closed('2026-05-11T07:00:00Z')],
    ['2026-12-01T12:00:00.000Z', open('2026-12-01T15:00:00Z')],
  ])('on weekdays at %s', (now, expected) => expect(windowState(weekdays, at(now))).toEqual(expected))

  it('joins windows that overlap or touch', () => {
    const both = [window('0 9 * * *', 2 * hour, 'Etc/UTC'), window('0 10 * * *', 3 * hour, 'Etc/UTC'), window('0 13 * * *', hour, 'Etc/UTC')]
    expect(windowState(both, at('2026-05-08T09:30:00Z'))).toEqual(open('2026-05-08T14:00:00Z'))
    expect(windowState(both, at('2026-05-08T14:00:00Z'))).toEqual(closed('2026-05-09T09:00:00Z'))
  })
  it('sees no end where one follows another for ever', () => {
    expect(windowState([window('0 0 * * *', 24 * hour, 'Etc/UTC')], at('2026-05-08T09:30:00Z'))).toEqual({ open: true })
  })
  it('is longer than the time between its starts', () => {
    expect(windowState([window('0 9 * * 1', 30 * hour, 'Etc/UTC')], at('2026-05-05T14:59:00Z'))).toEqual(open('2026-05-05T15:00:00Z'))
  })
  it('never opens on the 31st of February', () => expect(windowState([window('0 0 31 2 *', hour)], at('2026-05-05T14:59:00Z'))).toEqual({ open: false }))
  it('finds a leap day years away', () => {
    expect(windowState([window('0 0 29 2 *', hour, 'Etc/UTC')], at('2097-01-01T00:00:00Z'))).toEqual(closed('2104-02-29T00:00:00Z'))
  })

  // Berlin: 2026-03-29 02:00 becomes 03:00 (01:00Z); 2026-10-25 03:00 becomes 02:00 (01:00Z).
  const night = [window('30 2 * * *', hour)]
  it.each([
    ['2026-03-28T01:30:00Z', open('2026-03-28T02:30:00Z')],
    ['2026-03-29T01:29:00Z', closed('2026-03-29T01:30:00Z')],
    ['2026-03-29T01:30:00Z', open('2026-03-29T02:30:00Z')],
    ['2026-03-29T02:30:00Z', closed('2026-03-30T00:30:00Z')],
  ])('opens once, an hour later by the clock, where the clock skips its start: %s', (now, expected) => expect(windowState(night, at(now))).toEqual(expected))
  it.each([
    ['2026-10-25T00:29:00Z', closed('2026-10-25T00:30:00Z')],
    ['2026-10-25T00:59:00Z', open('2026-10-25T01:30:00Z')],
    ['2026-10-25T01:29:00Z', open('2026-10-25T01:30:00Z')],
    ['2026-10-25T01:30:00Z', closed('2026-10-26T01:30:00Z')],
    ['2026-10-25T01:59:00Z', closed('2026-10-26T01:30:00Z')],
  ])('opens once where the clock repeats its start: %s', (now, expected) => expect(windowState(night, at(now))).toEqual(expected))
  it('lasts its duration across a change of the clock', () => {
    const evening = [window('0 22 * * 6', 7 * hour)]
    expect(windowState(evening, at('2026-03-29T02:00:00Z'))).toEqual(open('2026-03-29T04:00:00Z'))
    expect(windowState(evening, at('2026-10-25T02:00:00Z'))).toEqual(open('2026-10-25T03:00:00Z'))
  })

  it('says the same whatever moment it is asked at: an opening told before is true when it comes', () => {
    const zone = fc.constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Apia', 'Africa/Casablanca', 'Etc/UTC')
    const fields = fc.tuple(fc.constantFrom('0', '30', '*/20'), fc.constantFrom('2', '1-3', '*/6', '0', '9,17'), fc.constantFrom('*', '1', '1-5', '0,6'))
    const cron = fields.map(([minutes, hours, weekdays]) => `${minutes} ${hours} * * ${weekdays}`)
    const now = fc.integer({ min: at('2026-03-01T00:00:00Z') / minute, max: at('2026-11-15T00:00:00Z') / minute }).map((value) => value * minute)
    const length = fc.integer({ min: 1, max: 20 * 60 })
    const wait = fc.integer({ min: 0, max: 3 * 60 })
    fc.assert(fc.property(zone, cron, length, now, wait, (timeZone, text, minutes, moment, later) => {
      const windows = [window(text, minutes * minute, timeZone)]
      const state = windowState(windows, moment)
      const next = windowState(windows, moment + later * minute)
      if (state.open && (state.closesAt === undefined || state.closesAt > moment + later * minute)) expect(next).toEqual(state)
      if (!state.open && state.opensAt! > moment + later * minute) expect(next).toEqual(state)
      if (!state.open) {
        expect(windowState(windows, state.opensAt! - 1).open).toBe(false)
        expect(windowState(windows, state.opensAt!).open).toBe(true)
      } else if (state.closesAt !== undefined) {
        expect(windowState(windows, state.closesAt - 1).open).toBe(true)
        expect(windowState(windows, state.closesAt).open).toBe(false)
      }
    }), { numRuns: 60 })
  })
})

describe('cronProblem', () => {
  it.each(['0 9 * * 1-5', '*/15 8-18 * * MON-FRI', '0 0 1 JAN,JUL *', '0 9 * * 7', '0 0 29 2 *', '5/10 * * * *'])('understands %s', (cron) => {
    expect(cronProblem(cron)).toBeUndefined()
  })
  it.each([
    '', '* * * *', '* * * * * *', '@daily', '0  9 * * *', 'a b c d e', '60 * * * *', '0 24 * * *', '0 0 0 * *', '0 0 31 2 *', '0 0 * 13 *', '0 0 * * 8',
    '0 9 * * MON-FOO', '*/0 * * * *', '9-5 * * * *', 'H 9 * * *', '0 9 L * *', '0 9 * * 1#2', '0 9 ? * *',
  ])('refuses %j', (cron) => expect(cronProblem(cron)).toBeTypeOf('string'))
})

describe('isTimeZone', () => {
  it.each(['Europe/Berlin', 'Etc/UTC', 'UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('knows %s', (zone) => expect(isTimeZone(zone)).toBe(true))
  it.each(['', 'Local', 'Europe/Berlinn', '+02:00', 'Mars/Olympus'])('does not know %j', (zone) => expect(isTimeZone(zone)).toBe(false))
})

describe('windowText', () => {
  it.each([
    [{ open: true } as const, 'open'],
    [{ open: true, closesAt: 125 * minute } as const, 'open for 2h05m'],
    [{ open: false, opensAt: 90_000 } as const, 'opens in 1m30s'],
    [{ open: false } as const, 'never opens'],
  ])('%j', (state, text) => expect(windowText(state, 0)).toBe(text))
})
