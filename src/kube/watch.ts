/**
 * Keeps watching one resource, whatever happens. A state machine after kube-rs: `transition` is pure, `startWatcher` asks the API server.
 *
 * Guarantee: after `InitDone` the objects of this Init are all there were at one resourceVersion; every later change follows as Apply or Delete, until the next Init.
 * Assumption: whoever listens treats what an Init no longer names as deleted, since deletions may fall into a gap.
 */
import type { Failure, KubeApi, ListPage, Result, Selection, WatchEvent } from './api.ts'
import { pause, type Clock } from './clock.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'

/** `failures` counts tries since a watch last worked, for the backoff. */
export type WatcherState =
  /** Nothing is known: a list begins. */
  | { readonly name: 'Empty'; readonly failures: number }
  /** In the middle of a list. */
  | { readonly name: 'InitPage'; readonly continue: string; readonly failures: number }
  /** The list is complete, or (not `fresh`) a watch has ended: a watch begins from here. */
  | { readonly name: 'InitListed'; readonly resourceVersion: string; readonly fresh: boolean; readonly failures: number }
  /** Events arrive. */
  | { readonly name: 'Watching'; readonly resourceVersion: string; readonly failures: number }
  /** The API server knows no such resource (404): not an empty list. Asked again slowly. */
  | { readonly name: 'NotServed'; readonly failures: number }

export type WatcherInput =
  | { readonly type: 'Page'; readonly page: ListPage }
  /** A list or a watch failed. */
  | { readonly type: 'Failed'; readonly failure: Failure }
  /** A watch request is under way. */
  | { readonly type: 'WatchStarted' }
  | { readonly type: 'Event'; readonly event: WatchEvent }
  /** A watch has lasted for a while, be it in silence: it works. */
  | { readonly type: 'WatchHeld' }
  /** The server ended the watch, as it does every few minutes. */
  | { readonly type: 'WatchEnded' }

export type WatcherEvent =
  | { readonly type: 'Init' }
  | { readonly type: 'InitApply'; readonly object: KubeObject }
  /** `resourceVersion` is the list's. */
  | { readonly type: 'InitDone'; readonly resourceVersion: string }
  | { readonly type: 'Apply'; readonly object: KubeObject }
  | { readonly type: 'Delete'; readonly object: KubeObject }

export const initialState: WatcherState = { name: 'Empty', failures: 0 }

/** Failed watches in a row, answered by the server, after which a new list is tried: a restored etcd may never reach the resourceVersion we wait for. */
const relistAfter = 5

/** The next state and what to tell. An input that does not fit the state changes nothing. */
export function transition(state: WatcherState, input: WatcherInput): { readonly state: WatcherState; readonly events: readonly WatcherEvent[] } {
  switch (input.type) {
    case 'Page':
      return listed(state, input.page)
    case 'Failed':
      return { state: failed(state, input.failure), events: [] }
    case 'WatchStarted':
      return { state: state.name === 'InitListed' ? watching(state.resourceVersion, state.failures) : state, events: [] }
    case 'Event':
      return state.name === 'Watching' ? happened(state, input.event) : { state, events: [] }
    case 'WatchHeld':
      return { state: state.name === 'Watching' ? watching(state.resourceVersion, 0) : state, events: [] }
    case 'WatchEnded':
      // No failure, but a server that ends each watch at once must not be asked in a tight loop.
      return { state: state.name === 'Watching' ? ended(state, state.failures + 1) : state, events: [] }
  }
}

const watching = (resourceVersion: string, failures: number): WatcherState => ({ name: 'Watching', resourceVersion, failures })
const ended = ({ resourceVersion }: { readonly resourceVersion: string }, failures: number): WatcherState => ({ name: 'InitListed', resourceVersion, fresh: false, failures })

function listed(state: WatcherState, page: ListPage): ReturnType<typeof transition> {
  if (state.name === 'InitListed' || state.name === 'Watching') return { state, events: [] }
  const begin: WatcherEvent[] = state.name === 'InitPage' ? [] : [{ type: 'Init' }]
  const items = page.items.map((object): WatcherEvent => ({ type: 'InitApply', object }))
  // Only a watch that works ends the backoff: a server whose lists succeed and whose watches are all refused would be asked in a tight loop.
  const failures = state.name === 'NotServed' ? 0 : state.failures
  if (page.continue) return { state: { name: 'InitPage', continue: page.continue, failures }, events: [...begin, ...items] }
  if (page.resourceVersion === '') return { state: { name: 'Empty', failures: failures + 1 }, events: [] }
  const { resourceVersion } = page
  return { state: { name: 'InitListed', resourceVersion, fresh: true, failures }, events: [...begin, ...items, { type: 'InitDone', resourceVersion }] }
}

function happened(state: Extract<WatcherState, { name: 'Watching' }>, event: WatchEvent): ReturnType<typeof transition> {
  if (event.type === 'ERROR') return { state: failed(state, event.failure), events: [] }
  const resourceVersion = event.object.metadata.resourceVersion
  // Without it the watch cannot be resumed.
  if (!resourceVersion) return { state: { name: 'Empty', failures: state.failures + 1 }, events: [] }
  const next = watching(resourceVersion, 0)
  if (event.type === 'BOOKMARK') return { state: next, events: [] }
  return { state: next, events: [{ type: event.type === 'DELETED' ? 'Delete' : 'Apply', object: event.object }] }
}

function failed(state: WatcherState, failure: Failure): WatcherState {
  const failures = state.failures + 1
  if (failure.reason === 'NotFound') return { name: 'NotServed', failures: state.name === 'NotServed' ? failures : 0 }
  switch (state.name) {
    case 'Empty':
    case 'NotServed':
      return { name: state.name, failures }
    case 'InitPage':
      // Expired: the continue token is too old. Invalid: it is not understood.
      return failure.reason === 'Expired' || failure.reason === 'Invalid' ? { name: 'Empty', failures } : { ...state, failures }
    case 'InitListed':
    case 'Watching': {
      // Expired: the server no longer knows this resourceVersion. Invalid: a line of the watch was no event, and going on from before it may meet it again.
      const lost = failure.reason === 'Expired' || failure.reason === 'Invalid' || (failures >= relistAfter && failure.status !== undefined)
      return lost ? { name: 'Empty', failures } : ended(state, failures)
    }
  }
}

const firstDelay = 200
const longestDelay = 30_000
const notServedDelay = 30_000

/** A watch that lasts this long works, ms. */
const heldAfter = 10_000

/** Wait before the next request of this state, ms: none at first, then doubling from 0.2 s to 30 s, half of it by chance (`random` in [0, 1)). */
export function delayOf(state: WatcherState, random: number, retryAfterMs = 0): number {
  const spread = (ms: number): number => ms / 2 + (ms / 2) * random
  if (state.name === 'NotServed') return spread(notServedDelay)
  const next = state.name === 'InitListed' && state.fresh
  const backoff = state.failures === 0 || next ? 0 : spread(Math.min(longestDelay, firstDelay * 2 ** (state.failures - 1)))
  return Math.max(backoff, retryAfterMs)
}

export interface WatcherOptions {
  readonly api: KubeApi
  readonly resource: Resource
  readonly selection?: Selection
  readonly clock: Clock
  /** In [0, 1), for jitter. */
  readonly random: () => number
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number
  readonly onEvent: (event: WatcherEvent) => void
  /** Called when name or failures of the state change. `failure` is what led to it. */
  readonly onState?: (state: WatcherState, failure?: Failure) => void
  /** A callback threw; the watch goes on. */
  readonly onCallbackError: (error: unknown) => void
}
export interface Watcher {
  readonly state: WatcherState
  /** Ends a wait at once, for example when a CRD has just appeared. */
  retryNow(): void
  /** Ends it: no callback follows. A list under way is not waited for, since a server that hangs may take a minute. */
  stop(): Promise<void>
}

/** Starts watching at once and goes on until stopped. */
export function startWatcher(options: WatcherOptions): Watcher {
  const { api, resource, clock, random } = options
  const selection = options.selection ?? {}
  const control = new AbortController()
  let state: WatcherState = initialState
  let waiting: { wake(): void } | undefined
  let retryAfterMs = 0

  const tell = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      try {
        options.onCallbackError(error)
      } catch {
        // Whoever cannot even hear of an error must not stop the watch either.
      }
    }
  }
  const take = (input: WatcherInput): void => {
    if (control.signal.aborted) return
    const before = state
    const next = transition(state, input)
    state = next.state
    const failure = input.type === 'Failed' ? input.failure : input.type === 'Event' && input.event.type === 'ERROR' ? input.event.failure : undefined
    retryAfterMs = failure?.retryAfterMs ?? 0
    for (const event of next.events) tell(() => options.onEvent(event))
    // WatchHeld says that all is well again, though the state's name is the same.
    if (before.name !== state.name || before.failures !== state.failures || failure) tell(() => options.onState?.(state, failure))
  }
  const list = async (next: string | undefined): Promise<void> => {
    const answer: Result<ListPage> = await api.list(resource, { ...selection, limit: options.pageSize ?? 500, ...(next === undefined ? {} : { continue: next }) })
    take(answer.ok ? { type: 'Page', page: answer.value } : { type: 'Failed', failure: answer })
  }
  const watch = async (resourceVersion: string): Promise<void> => {
    take({ type: 'WatchStarted' })
    const held = clock.setTimeout(() => take({ type: 'WatchHeld' }), heldAfter)
    try {
      for await (const event of api.watch(resource, { ...selection, resourceVersion }, control.signal)) {
        take({ type: 'Event', event })
        if (state.name !== 'Watching') return
      }
    } finally {
      held.cancel()
    }
    take({ type: 'WatchEnded' })
  }
  const run = async (): Promise<void> => {
    while (!control.signal.aborted) {
      const delay = delayOf(state, random(), retryAfterMs)
      retryAfterMs = 0
      if (delay > 0) {
        const wait = pause(clock, delay, control.signal)
        waiting = wait
        await wait.done
        waiting = undefined
        if (control.signal.aborted) return
      }
      try {
        if (state.name === 'InitListed') await watch(state.resourceVersion)
        else await list(state.name === 'InitPage' ? state.continue : undefined)
      } catch (error) {
        // KubeApi never throws; an implementation that does must not end the watch for ever.
        take({ type: 'Failed', failure: { ok: false, reason: 'Unavailable', message: `watch ${resource.plural}: ${String(error)}` } })
      }
    }
  }
  void run()
  return {
    get state() {
      return state
    },
    retryNow: () => waiting?.wake(),
    stop: async () => control.abort(),
  }
}
