/** Calling back at a moment of the wall clock. */
import type { Clock } from '../telemetry/clock.ts'

/** After a jump of the wall clock a waiting alarm is late by at most this, in ms. */
const longestSleep = 30_000

/** Calls back once when `clock.now()` has reached `at` (Unix ms). Looks at the clock again every half minute, since a machine sleeps and a clock is set. */
export function alarm(clock: Clock, at: number, callback: () => void): { cancel(): void } {
  let timer: { cancel(): void }
  const arm = (): void => {
    const left = at - clock.now()
    timer = clock.setTimeout(() => (clock.now() >= at ? callback() : arm()), Math.min(Math.max(left, 0), longestSleep))
  }
  arm()
  return { cancel: () => timer.cancel() }
}
