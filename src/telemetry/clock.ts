/** Time as it is injected into everything that waits or stamps: the wall clock in production, simulated time in the embedded cluster and in tests. */

export interface Clock {
  /** Unix time in milliseconds. May jump when somebody sets the machine's clock. */
  now(): number
  /** Milliseconds since an arbitrary moment; never goes back, never jumps. For elapsed time: leases, deadlines, holds. */
  monotonic(): number
  /** Calls back once after `ms` milliseconds of this clock. `cancel` may be called at any time, also afterwards. */
  setTimeout(callback: () => void, ms: number): { cancel(): void }
}

/** Node's timers fire at once above 2^31−1 ms; a longer wait is made of several. */
const longestTimer = 2 ** 31 - 1

/** The machine's own clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(callback, ms) {
    let timer: NodeJS.Timeout | undefined
    const wait = (left: number): void => {
      const part = Math.min(Math.max(left, 0), longestTimer)
      timer = setTimeout(() => (left > part ? wait(left - part) : callback()), part)
    }
    wait(ms)
    return { cancel: () => clearTimeout(timer) }
  },
}
