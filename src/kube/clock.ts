/** The part of an injected clock that watches, caches and the lease need; telemetry's `Clock` fits. */
export interface Clock {
  /** Unix time, ms. */
  now(): number
  /** Elapsed time, ms, from an arbitrary moment; never jumps. */
  monotonic(): number
  /** Calls back once after `ms` milliseconds. */
  setTimeout(callback: () => void, ms: number): { cancel(): void }
}

/** A wait that can be ended early: by its signal, or by `wake`. */
export interface Pause {
  readonly done: Promise<void>
  wake(): void
}

/** Waits `ms` on this clock, or until the signal aborts or `wake` is called. Never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Pause {
  let wake = (): void => undefined
  const done = new Promise<void>((resolve) => {
    const timer = clock.setTimeout(() => wake(), ms)
    wake = () => {
      timer.cancel()
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    if (signal?.aborted) wake()
    else signal?.addEventListener('abort', wake, { once: true })
  })
  return { done, wake: () => wake() }
}
