/** Faults that tests inject into the embedded API server, and the log of every call that was made to it. */

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'
export interface CallRecord {
  /** Simulated Unix ms. */
  readonly at: number
  readonly verb: Verb
  /** `<plural>.<group>` or the plural of the core group. */
  readonly resource: string
  readonly subresource?: string
  readonly namespace?: string
  /** Empty for lists, watches and creations. */
  readonly name: string
  readonly userAgent: string
  /** HTTP status that the server gave, also where a fault kept it from the client; 0: cut before anything happened. */
  status: number
}
/** What happens to a matching call. */
export type Effect =
  | { readonly answer: number; readonly reason?: string; readonly message?: string; readonly retryAfterSeconds?: number }
  /** The call is handled that much later (simulated ms). */
  | { readonly delayMs: number }
  /** The connection is cut: before anything happened, or after the write. The client cannot tell which. */
  | { readonly drop: 'Before' | 'After' }
  /** A watch ends after that many events; with `expire` by an ERROR event 410. */
  | { readonly cutAfterEvents: number; readonly expire?: boolean }
export interface Fault {
  readonly verb?: Verb | 'write'
  readonly resource?: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
  /** A part of the user agent. */
  readonly userAgent?: string
  /** Matching calls that pass unharmed first. Default 0. */
  readonly skip?: number
  /** Calls that are hit. Default: all. */
  readonly times?: number
  readonly effect: Effect
}

const writes: ReadonlySet<Verb> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])

export class Faults {
  readonly #active: { readonly fault: Fault; seen: number; hit: number }[] = []
  readonly #watches = new Set<{ readonly resource: string; readonly userAgent: string; readonly end: () => void }>()
  #calls: CallRecord[] = []
  readonly #limit: number

  /** `limit`: how many calls the log remembers; the oldest fall out. */
  constructor(limit = 100_000) {
    this.#limit = limit
  }

  /** Arms a fault; `remove` disarms it, `hits` counts how often it struck. */
  inject(fault: Fault): { remove(): void; readonly hits: number } {
    const entry = { fault, seen: 0, hit: 0 }
    this.#active.push(entry)
    const active = this.#active
    return {
      remove: () => {
        const index = active.indexOf(entry)
        if (index >= 0) active.splice(index, 1)
      },
      get hits() {
        return entry.hit
      },
    }
  }

  /** Disarms everything. */
  clear(): void {
    this.#active.length = 0
  }

  /** Ends open watches now, of one kind or of all, of one user agent or of everybody. Says how many. */
  cutWatches(wanted: { readonly resource?: string; readonly userAgent?: string } = {}): number {
    const cut = [...this.#watches].filter((watch) => (wanted.resource ?? watch.resource) === watch.resource && watch.userAgent.includes(wanted.userAgent ?? ''))
    for (const watch of cut) watch.end()
    return cut.length
  }

  /** Registers an open watch, so that it can be cut. For the server. */
  opened(watch: { readonly resource: string; readonly userAgent: string; readonly end: () => void }): { close(): void } {
    this.#watches.add(watch)
    return { close: () => void this.#watches.delete(watch) }
  }

  /** Logs a call and returns the effects that strike it, in the order in which they were armed. For the server. */
  record(call: CallRecord): Effect[] {
    this.#calls.push(call)
    if (this.#calls.length > this.#limit) this.#calls = this.#calls.slice(-Math.floor(this.#limit / 2))
    const effects: Effect[] = []
    for (const entry of this.#active) {
      if (!matches(entry.fault, call)) continue
      entry.seen++
      if (entry.seen <= (entry.fault.skip ?? 0) || entry.hit >= (entry.fault.times ?? Infinity)) continue
      entry.hit++
      effects.push(entry.fault.effect)
    }
    return effects
  }

  /** Logged calls, oldest first, that fit every given field. */
  calls(filter: Omit<Fault, 'effect' | 'skip' | 'times'> = {}): readonly CallRecord[] {
    return this.#calls.filter((call) => matches(filter, call))
  }

  /** Forgets the log. */
  forget(): void {
    this.#calls = []
  }
}

function matches(wanted: Omit<Fault, 'effect'>, call: CallRecord): boolean {
  if (wanted.verb === 'write' ? !writes.has(call.verb) : wanted.verb !== undefined && wanted.verb !== call.verb) return false
  for (const field of ['resource', 'subresource', 'namespace', 'name'] as const) if (wanted[field] !== undefined && wanted[field] !== call[field]) return false
  return wanted.userAgent === undefined || call.userAgent.includes(wanted.userAgent)
}
