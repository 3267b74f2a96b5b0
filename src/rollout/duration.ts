/** Durations as the Gateway API writes them (GEP-2257: `90s`, `5m`, `1h30m`, `500ms`) and RFC 3339 times, to and from milliseconds. */

/** One to four parts of at most five digits, each with its unit: the pattern of GEP-2257, also used in the CRDs. */
export const durationPattern = '^([0-9]{1,5}(h|m|s|ms)){1,4}$'

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const duration = new RegExp(durationPattern)

/** `1h30m` in milliseconds, or undefined where the text is no GEP-2257 duration. `0s` is 0. */
export function parseDuration(text: string): number | undefined {
  if (!duration.test(text)) return undefined
  let sum = 0
  for (const [, count, unit] of text.matchAll(/([0-9]+)(h|ms|m|s)/g)) sum += Number(count) * units[unit!]!
  return sum
}

/**
 * A length of time for people, in its two greatest units: `500ms`, `12s`, `2m08s`, `5m`, `1h05m`, `3d04h`. Below zero counts as zero; parts of a second
 * are cut off from one second on, so a countdown never shows more than is left.
 */
export function formatDuration(milliseconds: number): string {
  if (!(milliseconds > 0)) return '0s'
  if (milliseconds < 1000) return `${Math.max(1, Math.round(milliseconds))}ms`
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'm', seconds % 60, 's')
  if (seconds < 86_400) return two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'm')
  return two(Math.floor(seconds / 86_400), 'd', Math.floor((seconds % 86_400) / 3600), 'h')
}
function two(great: number, greatUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${great}${greatUnit}` : `${great}${greatUnit}${String(small).padStart(2, '0')}${smallUnit}`
}

/** Unix milliseconds as RFC 3339 in UTC, `2026-03-29T01:00:00Z`; milliseconds are written where there are any, so what is read back is what was written. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z')
}

/** An RFC 3339 time as Unix milliseconds; NaN where it is absent or no time, so every comparison with it is false. */
export function ms(time: string | undefined): number {
  return time === undefined ? Number.NaN : Date.parse(time)
}
