/** resourceVersions, which Kubernetes 1.35 and newer declare comparable, and which were decimal numbers before. */

const decimal = /^\d+$/

/** Negative: `a` is older than `b`; positive: newer; undefined: cannot be compared. */
export function compareVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined || !decimal.test(a) || !decimal.test(b)) return a !== undefined && a === b ? 0 : undefined
  // Larger than what a JavaScript number holds exactly.
  const [x, y] = [BigInt(a), BigInt(b)]
  return x < y ? -1 : x > y ? 1 : 0
}
