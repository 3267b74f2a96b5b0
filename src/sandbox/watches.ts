/** Watches as streams of lines: replay from a resourceVersion, bookmarks, 410 as an ERROR event, time-outs, and cuts by faults. */
import type { KubeObject } from '../rollout/objects.ts'
import type { CallRecord, Effect, Faults } from './faults.ts'
import { parsedRevision } from './pages.ts'
import { presented } from './present.ts'
import type { Presentation } from './present.ts'
import { apiVersionOf } from './resources.ts'
import { ApiError, expired } from './status.ts'
import type { Selected, Store } from './store.ts'

/** Where a watch writes to. Each `send` is one event. */
export interface Sink {
  send(event: { readonly type: string; readonly object: object }): void
  end(): void
}
export interface Stream {
  /** Starts sending, at once for what is replayed. `close` when the client has gone. */
  open(sink: Sink): { close(): void }
}

/** The call behind a watch, and what strikes it. */
export interface Context {
  readonly faults: Faults
  readonly record: CallRecord
  readonly effects: readonly Effect[]
}

/** Simulated milliseconds between bookmarks, as in the real server. */
export const bookmarkIntervalMs = 60_000

/** Throws 400 and 404 at once; a forgotten resourceVersion becomes an ERROR event, as in the real server. */
export function openWatch(store: Store, id: string, selection: Selected, query: URLSearchParams, how: Presentation, context: Context): Stream {
  const from = parsedRevision(query.get('resourceVersion'))
  store.predicate(id, selection)
  store.definition(id)
  return { open: (sink) => new Watch(store, id, selection, query, how, context, sink).start(from) }
}

class Watch {
  readonly #store: Store
  readonly #id: string
  readonly #selection: Selected
  readonly #query: URLSearchParams
  readonly #how: Presentation
  readonly #cut: { readonly cutAfterEvents: number; readonly expire?: boolean } | undefined
  readonly #sink: Sink
  readonly #closers: (() => void)[] = []
  #sent = 0
  #closed = false

  constructor(store: Store, id: string, selection: Selected, query: URLSearchParams, how: Presentation, context: Context, sink: Sink) {
    this.#store = store
    this.#id = id
    this.#selection = selection
    this.#query = query
    this.#how = how
    this.#cut = context.effects.find((effect) => 'cutAfterEvents' in effect)
    this.#sink = sink
    const { resource, userAgent } = context.record
    const opened = context.faults.opened({ resource, userAgent, end: () => this.#end() })
    this.#closers.push(() => opened.close())
  }

  start(from: number | undefined): { close(): void } {
    const initial = this.#query.get('sendInitialEvents') === 'true'
    const fresh = initial || from === undefined || from === 0
    try {
      if (this.#cut?.cutAfterEvents === 0) this.#end()
      if (fresh) for (const object of this.#store.list(this.#id, this.#selection)) this.#event('ADDED', object)
      if (initial && this.#bookmarks()) this.#bookmark({ 'k8s.io/initial-events-end': 'true' })
      const watcher = this.#store.watch(
        this.#id,
        this.#selection,
        { event: (type, object) => this.#event(type, object), end: () => this.#end() },
        fresh ? this.#store.revision : from,
      )
      this.#closers.push(() => watcher.close())
      if (this.#closed) watcher.close()
      else this.#timers()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.#send({ type: 'ERROR', object: error.status })
      this.#end()
    }
    return { close: () => this.#close() }
  }

  #timers(): void {
    const seconds = Number(this.#query.get('timeoutSeconds') ?? 0)
    if (seconds > 0) this.#later(seconds * 1000, () => this.#end())
    const again = (): void =>
      this.#later(bookmarkIntervalMs, () => {
        this.#bookmark()
        again()
      })
    if (this.#bookmarks()) again()
  }

  #later(ms: number, callback: () => void): void {
    const timer = this.#store.clock.setTimeout(() => {
      if (!this.#closed) callback()
    }, ms)
    this.#closers.push(() => timer.cancel())
  }

  #bookmarks(): boolean {
    return ['1', 'true'].includes(this.#query.get('allowWatchBookmarks') ?? '')
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { definition, version } = this.#how
    const metadata = { resourceVersion: String(this.#store.revision), ...(annotations && { annotations }) }
    this.#send({ type: 'BOOKMARK', object: { kind: definition.kind, apiVersion: apiVersionOf(definition.group, version), metadata } })
  }

  #event(type: string, object: KubeObject): void {
    if (this.#closed) return
    this.#send({ type, object: presented(object, { ...this.#how, now: this.#store.clock.now() }) })
    this.#sent++
    if (!this.#cut || this.#sent < this.#cut.cutAfterEvents) return
    if (this.#cut.expire) this.#send({ type: 'ERROR', object: expired(Number(object.metadata.resourceVersion), this.#store.revision).status })
    this.#end()
  }

  #send(event: { type: string; object: object }): void {
    if (!this.#closed) this.#sink.send(event)
  }

  #end(): void {
    if (this.#closed) return
    this.#close()
    this.#sink.end()
  }

  #close(): void {
    this.#closed = true
    for (const close of this.#closers.splice(0)) close()
  }
}
