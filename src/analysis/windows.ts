/** Over how long a question looks back. */

const hour = 3_600_000

/**
 * Fast and slow window in ms, both ending at `now` and neither reaching back before `since`, the moment when the split had been seen
 * and had propagated (Unix ms). Both 0: nothing to ask yet.
 */
export function windows(now: number, since: number, scrapeMs: number, intervalMs: number): { readonly fastMs: number; readonly slowMs: number } {
  const slowMs = Math.max(0, Math.min(now - since, hour))
  return { fastMs: Math.min(Math.max(4 * scrapeMs, intervalMs), slowMs), slowMs }
}

/** The slow window must hold as many scrapes before it can pass. */
export const scrapesToPass = 4

/** Longest slow window in ms. */
export const longestWindowMs = hour
