/** Which rollout is looked at next. Keys are deduplicated, one pass per key runs at a time, and who must take traffic away never waits for who must not. */
import type { Clock } from '../telemetry/clock.ts'
import { alarm } from './alarm.ts'

/** Closing: traffic may have to be taken away. People: somebody waits in front of a screen. Rest: everything else. */
export type Lane = 'Closing' | 'People' | 'Rest'
export const lanes: readonly Lane[] = ['Closing', 'People', 'Rest']

/** What a pass wants next. */
export interface Next {
  /** Unix ms at which to look again at the latest. */
  readonly wakeAt?: number
  /** Look again at once, for something was stale. Counts as a failure only from the second time in a row. */
  readonly again?: boolean
  /** The pass moved something forward: look again at once, though nothing is wrong. */
  readonly more?: boolean
  /** Something failed that time may heal: look again after a growing pause, or after `retryAfterMs` where the server said so. */
  readonly failed?: boolean
  readonly retryAfterMs?: number
  /** The lane of a repetition; what was lowered in vain repeats in Closing. */
  readonly lane?: Lane
}
export interface QueueOptions {
  readonly clock: Clock
  /** One pass. A rejection counts as `failed` and harms only this key. */
  readonly run: (key: string, lane: Lane) => Promise<Next>
  /** What must be lowered of a key that is woken in Closing and cannot have its pass yet: no slot is free, or a pass of its own hangs in a slow write. */
  readonly hurry: (key: string) => Promise<void>
  /** A pass threw: a bug of ours. */
  readonly onBug: (key: string, error: unknown) => void
  /** Something changes the objects of this key so often that its passes are slowed down; said once a minute. */
  readonly onFlood: (key: string) => void
  /** Passes at a time. Each lane has slots of its own, so that slow writes of one never hold up another. */
  readonly slots: Readonly<Record<Lane, number>>
  /** In [0, 1), for the jitter of pauses. */
  readonly random: () => number
}
/** A rollout comes to rest after a few commits; one that moves on at once this often in a row is a bug of ours that must not flood the API server. */
const mostInARow = 25

/**
 * Passes of one rollout that may follow each other at once, and the ms after which one more may: whoever fights over our objects must not make us flood
 * the API server.
 */
const burst = 60
const pace: Readonly<Record<Lane, number>> = { Closing: 50, People: 50, Rest: 200 }
const floodEvery = 60_000

/** First and longest pause after failures, in ms. Somebody may be hurt while Closing repeats. */
const pauses: Readonly<Record<Lane, { first: number; longest: number }>> = {
  Closing: { first: 50, longest: 1000 },
  People: { first: 100, longest: 5000 },
  Rest: { first: 200, longest: 60_000 },
}

interface Entry {
  /** Waits for a slot in this lane. */
  queued?: Lane
  running: boolean
  /** Woken while it ran. */
  dirty?: Lane
  /** A lowering ahead of its pass is under way; `Again`: and was asked for once more meanwhile. */
  hurrying?: 'Once' | 'Again'
  failures: number
  /** Passes in a row that ended with `more`. */
  inARow: number
  /** Monotonic ms before which a wake-up in lane Rest waits. */
  notBefore: number
  timer?: { readonly at: number; cancel(): void }
  /** Passes that may start at once, as of `countedAt` (monotonic ms). */
  allowance: number
  countedAt: number
  floodedAt?: number
}

/** The queue; keys are `<namespace>/<name>`. Nothing runs before `start`. */
export class Queue {
  readonly #options: QueueOptions
  readonly #entries = new Map<string, Entry>()
  readonly #waiting: Readonly<Record<Lane, Set<string>>> = { Closing: new Set(), People: new Set(), Rest: new Set() }
  readonly #running: Record<Lane, number> = { Closing: 0, People: 0, Rest: 0 }
  readonly #passes = new Set<Promise<void>>()
  #started = false

  constructor(options: QueueOptions) {
    this.#options = options
  }

  /** Begins to run what waits. */
  start(): void {
    this.#started = true
    this.#fill()
  }

  /** Starts no further pass, forgets every wake-up and resolves when the running passes have ended. The queue can be started again. */
  async stop(): Promise<void> {
    this.#started = false
    for (const entry of this.#entries.values()) entry.timer?.cancel()
    await Promise.all(this.#passes)
    for (const lane of lanes) this.#waiting[lane].clear()
    this.#entries.clear()
  }

  /** Wakes a key. A key that waits already is moved to the better lane; one that runs is run again afterwards. */
  add(key: string, lane: Lane): void {
    const entry = this.#entry(key)
    if (entry.running) {
      entry.dirty = better(entry.dirty, lane)
      if (lane === 'Closing') this.#hurry(key, entry)
      return
    }
    const pause = entry.queued === undefined ? this.#pause(key, entry, lane) : 0
    if (pause > 0) return this.wakeAt(key, this.#options.clock.now() + pause, lane)
    const before = entry.queued
    entry.queued = better(before, lane)
    if (before === entry.queued) return
    if (before !== undefined) this.#waiting[before].delete(key)
    this.#waiting[entry.queued].add(key)
    this.#fill()
    if (entry.queued === 'Closing') this.#hurry(key, entry)
  }

  /** Wakes a key at a moment of the wall clock (Unix ms), in lane Rest or the one given. Of several moments the earliest wins; a pass in between forgets it. */
  wakeAt(key: string, at: number, lane: Lane = 'Rest'): void {
    const entry = this.#entry(key)
    if (entry.timer !== undefined && entry.timer.at <= at && lane === 'Rest') return
    entry.timer?.cancel()
    if (entry.timer !== undefined && entry.timer.at < at) at = entry.timer.at
    const timer = alarm(this.#options.clock, at, () => {
      entry.timer = undefined
      this.add(key, lane)
    })
    entry.timer = { at, cancel: () => timer.cancel() }
  }

  /** Forgets a key that is no more, unless it waits or runs. */
  forget(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined && !entry.running && entry.queued === undefined && entry.timer === undefined) this.#entries.delete(key)
  }

  /** Keys that wait for a slot, by lane. */
  depth(): Readonly<Record<Lane, number>> {
    return { Closing: this.#waiting.Closing.size, People: this.#waiting.People.size, Rest: this.#waiting.Rest.size }
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { running: false, failures: 0, inARow: 0, notBefore: 0, allowance: burst, countedAt: this.#options.clock.monotonic() }
      this.#entries.set(key, entry)
    }
    return entry
  }

  /** Ms that this key has to wait, after a failure or a flood. */
  #pause(key: string, entry: Entry, lane: Lane): number {
    const now = this.#options.clock.monotonic()
    this.#refill(entry, lane)
    if (entry.allowance < 1 && now - (entry.floodedAt ?? -Infinity) >= floodEvery) {
      entry.floodedAt = now
      this.#options.onFlood(key)
    }
    const failed = lane === 'Rest' ? entry.notBefore - now : 0
    return Math.ceil(Math.max(failed, (1 - entry.allowance) * pace[lane]))
  }
  #refill(entry: Entry, lane: Lane): void {
    const now = this.#options.clock.monotonic()
    entry.allowance = Math.min(burst, entry.allowance + (now - entry.countedAt) / pace[lane])
    entry.countedAt = now
  }

  #fill(): void {
    if (!this.#started) return
    for (const lane of lanes) {
      for (const key of this.#waiting[lane]) {
        if (this.#running[lane] >= this.#options.slots[lane]) break
        this.#waiting[lane].delete(key)
        this.#begin(key, lane)
      }
    }
  }

  #begin(key: string, lane: Lane): void {
    const entry = this.#entry(key)
    this.#refill(entry, lane)
    entry.allowance -= 1
    entry.queued = undefined
    entry.running = true
    entry.timer?.cancel()
    entry.timer = undefined
    this.#running[lane]++
    // The pass starts in a microtask, so that a burst of wake-ups is one pass.
    const pass = Promise.resolve()
      .then(() => this.#options.run(key, lane))
      .catch((error: unknown): Next => {
        this.#options.onBug(key, error)
        return { failed: true, lane: 'Rest' }
      })
      .then(next => {
        this.#running[lane]--
        this.#passes.delete(pass)
        entry.running = false
        if (this.#started) this.#after(key, entry, this.#tamed(key, entry, next), lane)
      })
    this.#passes.add(pass)
  }

  /** Counts towards the pace of the key like a pass; what comes too often waits for its pass. */
  #hurry(key: string, entry: Entry): void {
    if (!this.#started) return
    if (entry.hurrying !== undefined) return void (entry.hurrying = 'Again')
    this.#refill(entry, 'Closing')
    if (entry.allowance < 1) return
    entry.allowance -= 1
    entry.hurrying = 'Once'
    const work = Promise.resolve()
      .then(() => this.#options.hurry(key))
      .catch((error: unknown) => this.#options.onBug(key, error))
      .then(() => {
        this.#passes.delete(work)
        const again = entry.hurrying === 'Again'
        entry.hurrying = undefined
        if (again) this.#hurry(key, entry)
      })
    this.#passes.add(work)
  }

  #tamed(key: string, entry: Entry, next: Next): Next {
    entry.inARow = next.more === true ? entry.inARow + 1 : 0
    if (entry.inARow <= mostInARow) return next
    if (entry.inARow === mostInARow + 1) this.#options.onBug(key, new Error(`committed ${entry.inARow} times in a row without coming to rest`))
    return { failed: true, lane: 'Rest', wakeAt: next.wakeAt }
  }

  #after(key: string, entry: Entry, next: Next, ran: Lane): void {
    const { clock, random } = this.#options
    const lane = next.lane ?? ran
    const pausing = next.failed === true || (next.again === true && entry.failures > 0)
    entry.failures = next.failed === true || next.again === true ? entry.failures + 1 : 0
    const dirty = entry.dirty
    entry.dirty = undefined
    if (pausing) {
      const { first, longest } = pauses[lane]
      const grown = Math.min(longest, first * 2 ** Math.min(entry.failures - 1, 20))
      const pause = Math.max(next.retryAfterMs ?? 0, grown * (0.5 + random() / 2))
      entry.notBefore = clock.monotonic() + pause
      this.wakeAt(key, clock.now() + pause, lane)
    } else {
      entry.notBefore = 0
      if (next.again === true || next.more === true) this.add(key, lane)
      if (next.wakeAt !== undefined) this.wakeAt(key, next.wakeAt)
    }
    if (dirty !== undefined) this.add(key, dirty)
    this.#fill()
  }
}

function better(a: Lane | undefined, b: Lane): Lane {
  return a !== undefined && lanes.indexOf(a) < lanes.indexOf(b) ? a : b
}
