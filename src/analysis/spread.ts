/** When in its interval a question is asked, so that a hundred journeys do not ask in the same moment. */

/** A fixed offset in ms, 0 ≤ offset < intervalMs, from the question's id (FNV-1a). */
export function spread(id: string, intervalMs: number): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  // The low bits of FNV differ little between ids that end alike.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0
  return Math.floor((hash / 2 ** 32) * intervalMs)
}
