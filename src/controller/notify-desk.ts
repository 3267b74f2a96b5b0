/** One channel's desk: whoever has something to send waits here in line. While the channel fails only one at a time tries, with growing pauses. */
import type { Clock } from '../telemetry/clock.ts'
import type { Pace } from './notify-channel.ts'

export interface Visitor {
  /** One try. Not done: it stands in line again, behind the others, who may be luckier. Never rejects. */
  run(): Promise<{ readonly done: boolean; readonly retryAfterMs?: number }>
}
export interface DeskOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly pace: () => Pace
}
const firstPause = 1000
const longestPause = 5 * 60_000

interface Pause {
  /** On the monotonic clock, ms. */
  readonly until: number
  /** The receiver has asked for it. */
  readonly asked: boolean
  readonly timer: { cancel(): void }
}

export class Desk {
  readonly #options: DeskOptions
  #line: Visitor[] = []
  #running = 0
  #failures = 0
  #pause: Pause | undefined
  #stopped = false

  constructor(options: DeskOptions) {
    this.#options = options
  }

  enter(visitor: Visitor): void {
    this.#line.push(visitor)
    this.#go()
  }
  /** Something was changed: the pause ends, unless the receiver has asked for it. */
  refresh(): void {
    if (this.#pause?.asked) return
    this.#failures = 0
    this.#pause?.timer.cancel()
    this.#pause = undefined
    this.#go()
  }
  stop(): void {
    this.#stopped = true
    this.#pause?.timer.cancel()
    this.#line = []
  }

  #go(): void {
    const { places } = this.#options.pace()
    while (!this.#stopped && this.#pause === undefined && this.#line.length > 0 && this.#running < (this.#failures > 0 ? 1 : places)) {
      void this.#serve(this.#line.shift()!)
    }
  }
  async #serve(visitor: Visitor): Promise<void> {
    this.#running++
    const { done, retryAfterMs } = await visitor.run()
    this.#running--
    if (done) this.#failures = 0
    else {
      this.#line.push(visitor)
      this.#failures++
    }
    const backoff = firstPause * 2 ** Math.min(this.#failures - 1, 20)
    if (done) this.#rest(this.#options.pace().gapMs, false)
    else this.#rest(Math.max(Math.min(backoff, longestPause) * (0.5 + this.#options.random() / 2), retryAfterMs ?? 0), retryAfterMs !== undefined)
    this.#go()
  }
  /** Of two pauses the one that ends later counts. */
  #rest(ms: number, asked: boolean): void {
    const until = this.#options.clock.monotonic() + ms
    if (ms <= 0 || this.#stopped || (this.#pause !== undefined && this.#pause.until >= until)) return
    this.#pause?.timer.cancel()
    const timer = this.#options.clock.setTimeout(() => {
      this.#pause = undefined
      this.#go()
    }, ms)
    this.#pause = { until, asked, timer }
  }
}
