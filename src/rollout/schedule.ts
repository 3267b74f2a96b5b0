/** Release windows: times in which a journey may start. Cron says when one opens, by the wall clock of its zone; its duration is elapsed time. */
import { CronExpressionParser } from 'cron-parser'
import { formatDuration } from './duration.ts'
import type { ReleaseWindow } from './plan.ts'

/** Unix ms. No `closesAt`: no end is in sight (no windows at all, or one follows another for ever). No `opensAt`: none opens again. */
export type WindowState = { readonly open: true; readonly closesAt?: number } | { readonly open: false; readonly opensAt?: number }

const minute = 60_000
const hour = 60 * minute
/** Windows that touch or overlap are one opening; after so many of them it has no end worth telling. */
const chain = 400

/** Whether a journey may start at `now` (Unix ms). Without windows it always may. */
export function windowState(windows: readonly ReleaseWindow[], now: number): WindowState {
  if (windows.length === 0) return { open: true }
  let closesAt = latestClose(windows, now)
  if (closesAt === undefined) {
    const opens = windows.map((window) => nextStart(window, now)).filter((start) => start !== undefined)
    return opens.length > 0 ? { open: false, opensAt: Math.min(...opens) } : { open: false }
  }
  for (let links = 0; links < chain; links++) {
    const later = latestClose(windows, closesAt)
    if (later === undefined) return { open: true, closesAt }
    closesAt = later
  }
  return { open: true }
}

/** The latest close of the windows that are open at `at`. A window is open from its start up to and without its end. */
function latestClose(windows: readonly ReleaseWindow[], at: number): number | undefined {
  const closes = windows.map((window) => {
    const start = latestStart(window, at)
    return start === undefined ? undefined : start + window.durationMs
  })
  const open = closes.filter((close) => close !== undefined && close > at) as number[]
  return open.length > 0 ? Math.max(...open) : undefined
}

/** The last start at or before `at` that can still matter: not longer ago than the window lasts. */
function latestStart(window: ReleaseWindow, at: number): number | undefined {
  for (let back = hour; ; back *= 8) {
    const reach = Math.min(back, window.durationMs)
    let latest: number | undefined
    for (const start of starts(window, at - reach)) {
      if (start > at) break
      latest = start
    }
    if (latest !== undefined || reach === window.durationMs) return latest
  }
}

function nextStart(window: ReleaseWindow, after: number): number | undefined {
  for (const start of starts(window, after)) if (start > after) return start
  return undefined
}

/** Starts in order, from some moment at or before `from`. */
function* starts({ cron, timeZone }: ReleaseWindow, from: number): Generator<number> {
  let anchor = from - minute
  // The library counts from the anchor's wall-clock time, which is ambiguous around a change of the clock: begin where it is not.
  while (offset(timeZone, anchor - 3 * hour) !== offset(timeZone, anchor + 3 * hour)) anchor -= 3 * hour
  try {
    const expression = CronExpressionParser.parse(cron, { currentDate: new Date(anchor), tz: timeZone })
    while (true) yield expression.next().getTime()
  } catch {
    // The 31st of February, or nothing within the library's reach: such a window never opens.
  }
}

/** Minutes between the zone's wall clock and UTC. */
function offset(timeZone: string, at: number): number {
  const parts = Object.fromEntries(clock(timeZone).formatToParts(new Date(at)).map(({ type, value }) => [type, Number(value)]))
  const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour! % 24, parts.minute!)
  return Math.round((wall - at) / minute)
}

/** Making a formatter costs a hundred times what using it does. */
const clocks = new Map<string, Intl.DateTimeFormat>()
function clock(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known) return known
  const parts = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const
  const made = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', ...parts })
  clocks.set(timeZone, made)
  return made
}

const field = /^([0-9]+|[A-Za-z]{3}|\*)(-([0-9]+|[A-Za-z]{3}))?(\/[0-9]+)?$/

/** Why these are not five cron fields that open a window some day, or undefined. */
export function cronProblem(cron: string): string | undefined {
  const fields = cron.split(' ')
  if (fields.length !== 5) return `it has ${fields.length} fields and not five`
  const odd = fields.find((text) => !text.split(',').every((part) => field.test(part)))
  if (odd !== undefined) return `"${odd}" is not understood`
  try {
    CronExpressionParser.parse(cron, { currentDate: new Date(0), tz: 'Etc/UTC' }).next()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** An IANA name that this runtime knows. */
export function isTimeZone(timeZone: string): boolean {
  if (!/^[A-Za-z]/.test(timeZone)) return false
  try {
    clock(timeZone)
    return true
  } catch {
    return false
  }
}

/** For people: `open for 2h05m`, `opens in 3d04h`, `never opens`. */
export function windowText(state: WindowState, now: number): string {
  if (state.open) return state.closesAt === undefined ? 'open' : `open for ${formatDuration(state.closesAt - now)}`
  return state.opensAt === undefined ? 'never opens' : `opens in ${formatDuration(state.opensAt - now)}`
}
