/** Leaves a failing source alone, so that a dead Prometheus costs one probe now and then and not one time-out per question. */

/** Consecutive failures that begin a rest. */
const failuresToRest = 5
const firstRestMs = 2_000
const longestRestMs = 60_000

export interface Breaker {
  /** Before a question. `refused` says why not to ask now; else ask, and report how it went exactly once. After a rest one is let through as a probe. */
  enter(): { readonly refused: string } | { readonly worked: () => void; readonly failed: (reason: string) => void }
  state(): { readonly resting: boolean; readonly reason?: string }
}

/** `monotonic` in ms; `random` 0..1 spreads the probes of many controllers over a quarter of the rest. */
export function breaker(monotonic: () => number, random: () => number): Breaker {
  let failures = 0
  let lastReason = ''
  let probeAt = 0
  let probing = false
  const resting = (): boolean => failures >= failuresToRest
  const enter: Breaker['enter'] = () => {
    const probe = resting()
    if (probe) {
      const leftMs = probeAt - monotonic()
      if (probing) return { refused: `${lastReason}; a probe is under way` }
      if (leftMs > 0) return { refused: `${lastReason}; next try in ${Math.ceil(leftMs / 1000)}s` }
      probing = true
    }
    return {
      worked() {
        failures = 0
        probing = false
      },
      failed(reason) {
        if (probe) probing = false
        lastReason = reason
        // A question that was under way when the rest began neither ends nor lengthens it.
        if (resting() && !probe) return
        failures++
        const restMs = Math.min(longestRestMs, firstRestMs * 2 ** Math.max(0, failures - failuresToRest))
        probeAt = monotonic() + restMs * (1 - 0.25 * random())
      },
    }
  }
  return { enter, state: () => (resting() ? { resting: true, reason: lastReason } : { resting: false }) }
}
