/** Shares and weights: what a wanted percentage becomes on a route of a given total. Pure. */

/**
 * Weight of the canary arm in units of a route whose two arms sum up to `total`: rounded down, never to 0 for a wanted share above 0, all of it for 100.
 * A share that is no number counts as 0.
 */
export function canaryWeight(wanted: number, total: number): number {
  if (!(wanted > 0) || total <= 0) return 0
  if (wanted >= 100) return total
  const units = (wanted * total) / 100
  // A share that was read from weights (5 of 1000 is 0.5) must give the same weights back although binary fractions fall short by some 1e-16.
  return Math.max(1, Math.floor(units + 1e-9 + units * 1e-12))
}

/** The share in percent, 0..100, of a weight; 0 where the total is 0. */
export function shareOf(weight: number, total: number): number {
  return total > 0 ? (weight / total) * 100 : 0
}

/** The share in percent that a route of this total expresses for a wanted one. */
export function rounded(wanted: number, total: number): number {
  return shareOf(canaryWeight(wanted, total), total)
}

/** Whether one wanted share could have produced all of these weights: routes of different totals round differently and are even all the same. */
export function isEven(weights: readonly { readonly canary: number; readonly total: number }[]): boolean {
  const closed = weights.filter(({ canary }) => canary === 0).length
  if (closed > 0) return closed === weights.length
  // A weight stands for the shares from its own up to, but not with, the next one's; 1 also for everything below, and the total for 100.
  const from = weights.map(({ canary, total }) => (canary === 1 ? 0 : shareOf(canary, total)))
  const to = weights.map(({ canary, total }) => (canary === total ? Number.POSITIVE_INFINITY : shareOf(canary + 1, total)))
  return Math.max(0, ...from) < Math.min(Number.POSITIVE_INFINITY, ...to)
}
