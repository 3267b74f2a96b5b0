/** A clock that only moves when a test says so. */
import type { Clock } from '../../../src/telemetry/clock.ts'

export class Simulated implements Clock {
  #now: number
  #elapsed = 0
  #timers: { at: number; callback: () => void }[] = []
  constructor(now = 1_000_000_000_000) {
    this.#now = now
  }
  now(): number {
    return this.#now
  }
  monotonic(): number {
    return this.#elapsed
  }
  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.#elapsed + ms, callback }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter(one => one !== timer)) }
  }
  /** Runs every timer that falls into the next `ms`, in order, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    for (;;) {
      const next = this.#timers.filter(one => one.at <= end).toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter(one => one !== next)
      this.#move(next.at)
      next.callback()
      await settle()
    }
    this.#move(end)
  }
  /** Sets the wall clock, as an operator would; elapsed time does not move. */
  jump(ms: number): void {
    this.#now += ms
  }
  get pending(): number {
    return this.#timers.length
  }
  #move(to: number): void {
    this.#now += to - this.#elapsed
    this.#elapsed = to
  }
}
/** Lets everything that is ready to run, run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
}
