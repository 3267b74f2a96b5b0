/** At most so many at once; the rest wait in order. */

/** Runs `work` when one of `places` is free. Rejects only as `work` does. */
export function gate(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places
  const waiting: (() => void)[] = []
  return async (work) => {
    // A place that is given up goes straight to the next in line, so that nobody overtakes.
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
