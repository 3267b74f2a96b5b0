/** Simulated time: stands still and is advanced by hand in tests, or runs at a multiple of the wall clock in the demo. */
import type { Clock } from '../telemetry/clock.ts'

interface Timer {
  readonly due: number
  readonly order: number
  readonly callback: () => void
}

/** A machine that was asleep or overloaded must not make simulated hours pass in one jump: more than this much wall time at once is forgotten. */
const longestStallMs = 1000

/** A clock whose time never passes a timer that has not been called yet, so that no callback sees a moment later than its own. */
export class SimulatedClock implements Clock {
  readonly #start: number
  #now: number
  #timers: Timer[] = []
  #order = 0
  #firing = false
  #speed = 0
  #wallThen = 0
  #simulatedThen = 0
  #wake: NodeJS.Timeout | NodeJS.Immediate | undefined
  #advancing: Promise<void> = Promise.resolve()

  /** `start` is Unix time in milliseconds. The clock stands still until `run` or `advance`. */
  constructor(start: number = Date.UTC(2026, 0, 5, 9, 0, 0)) {
    this.#start = start
    this.#now = start
  }

  now(): number {
    if (this.#speed > 0 && !this.#firing) this.#now = Math.max(this.#now, Math.min(this.#target(), this.#timers[0]?.due ?? Infinity))
    return Math.floor(this.#now)
  }

  monotonic(): number {
    return this.now() - this.#start
  }

  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    return this.at(this.now() + Math.max(0, ms), callback)
  }

  /** Calls back once when the clock reaches `when` (Unix ms); timers of one moment are called in the order in which they were set. */
  at(when: number, callback: () => void): { cancel(): void } {
    const timer = { due: Math.max(when, this.#now), order: ++this.#order, callback }
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#timers[middle]!.due <= timer.due) low = middle + 1
      else high = middle
    }
    this.#timers.splice(low, 0, timer)
    if (low === 0) this.#schedule()
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer)
        if (index >= 0) this.#timers.splice(index, 1)
      },
    }
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.#timers.length
  }

  /** Lets time run at `speed` simulated seconds per wall second; 0 stops it. Its timers keep the process alive. */
  run(speed: number): void {
    if (!(speed >= 0 && speed <= 100_000)) throw new RangeError(`speed: ${speed} is not a number from 0 to 100000 (simulated seconds per second)`)
    this.now()
    this.#speed = speed
    this.#rebase()
    this.#schedule()
  }

  /** Stops time. Timers stay and are called once time goes on. */
  stop(): void {
    this.run(0)
  }

  get speed(): number {
    return this.#speed
  }

  /**
   * Moves time by `ms`, calling every timer that becomes due at its own moment. Between two moments `settle` is awaited, so that
   * promises and sockets of what was woken get their turn (default: one turn of the event loop). Calls are queued, never nested.
   */
  advance(ms: number, settle: () => Promise<void> = turn): Promise<void> {
    if (this.#speed > 0) throw new Error(`the clock runs at speed ${this.#speed}: stop it before advancing it by hand`)
    this.#advancing = this.#advancing.then(() => this.#advance(ms, settle))
    return this.#advancing
  }

  async #advance(ms: number, settle: () => Promise<void>): Promise<void> {
    const until = this.#now + ms
    await settle()
    while (this.#timers[0] && this.#timers[0].due <= until) {
      this.#fire(this.#timers[0].due)
      await settle()
    }
    this.#now = Math.max(this.#now, until)
  }

  #fire(due: number): void {
    this.#now = Math.max(this.#now, due)
    this.#firing = true
    try {
      while (this.#timers[0] && this.#timers[0].due <= due) this.#timers.shift()!.callback()
    } finally {
      this.#firing = false
    }
  }

  #target(): number {
    return this.#simulatedThen + (performance.now() - this.#wallThen) * this.#speed
  }

  #rebase(): void {
    this.#wallThen = performance.now()
    this.#simulatedThen = this.#now
  }

  #schedule(): void {
    if (this.#wake) {
      clearTimeout(this.#wake as NodeJS.Timeout)
      clearImmediate(this.#wake as NodeJS.Immediate)
    }
    this.#wake = undefined
    const next = this.#timers[0]
    if (this.#speed === 0 || !next) return
    const wait = (next.due - this.#target()) / this.#speed
    // Late already: one turn of the event loop between two moments, so that sockets are served also at high speed.
    this.#wake = wait > 0 ? setTimeout(() => this.#tick(), wait) : setImmediate(() => this.#tick())
  }

  #tick(): void {
    this.#wake = undefined
    const next = this.#timers[0]
    if (next && next.due <= this.#target()) {
      this.#fire(next.due)
      if (this.#target() - this.#now > longestStallMs * this.#speed) this.#rebase()
    }
    this.#schedule()
  }
}

/** One turn of Node's event loop: pending promises and immediates have run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
