/** What is known of one resource, kept current by a watcher; read without a network wait. Objects are shared and must not be changed. */
import type { Failure, KubeApi, Selection } from './api.ts'
import type { Clock } from './clock.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { keyOf, makeStore } from './store.ts'
import { compareVersions } from './versions.ts'
import { startWatcher, type WatcherEvent, type WatcherState } from './watch.ts'
import { rememberWriters } from './writers.ts'

/** Syncing: no complete list yet, so what is absent may exist. NotServed: the API server has no such kind; what was known before stays readable. */
export type CacheState = 'Syncing' | 'Synced' | 'NotServed'

/** One change. `old` is what was known before; for Deleted, `object` and `old` are both the last known one. */
export interface Change {
  readonly type: 'Applied' | 'Deleted'
  readonly resource: Resource
  readonly object: KubeObject
  readonly old?: KubeObject
}
export interface CacheOptions {
  readonly api: KubeApi
  readonly resource: Resource
  readonly selection?: Selection
  readonly clock: Clock
  /** In [0, 1), for jitter. */
  readonly random: () => number
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number
  /** Drops what nobody reads; gets the whole object, returns a new one to keep. managedFields and last-applied are dropped in any case. */
  readonly prune?: (object: KubeObject) => KubeObject
  /** Paths of fieldsV1, as `f:spec/f:http`, whose last writer stays known (`lastWriter`). */
  readonly writers?: readonly string[]
  /** Labels by which `list` finds objects without looking at all of them. */
  readonly labelIndexes?: readonly string[]
  /** A request failed, or a listener or `prune` threw; the cache goes on. */
  readonly onProblem?: (problem: { readonly resource: Resource; readonly failure?: Failure; readonly error?: unknown }) => void
}
export interface Cache {
  readonly resource: Resource
  readonly state: CacheState
  /** When the last complete list was received, Unix ms; undefined before, and while the kind is not served. */
  readonly complete: number | undefined
  /** Since when (Unix ms) lists and watches fail, and why; undefined while they work. Meanwhile what the cache says may be old. */
  readonly trouble: { readonly since: number; readonly failure: Failure } | undefined
  /** `namespace` is undefined or '' for cluster-wide kinds. */
  get(namespace: string | undefined, name: string): KubeObject | undefined
  /** All, of one namespace or (undefined) of all, that carry all given labels. In no particular order. */
  list(namespace?: string, labels?: Readonly<Record<string, string>>): readonly KubeObject[]
  /** The answer of an own write to an object that the selection covers: readable at once. Ignored where something newer is known, or its deletion. */
  apply(object: KubeObject): void
  /** Called after each change is readable. Returns how to end it. */
  subscribe(listener: (change: Change) => void): () => void
  /** Called when `state` changes. Returns how to end it. */
  subscribeState(listener: (state: CacheState) => void): () => void
  /** Resolves when the state is not Syncing for the first time, or the cache is stopped. */
  settled(): Promise<void>
  /** Ends a wait between tries, for example when the CRD of a kind that was not served has appeared. */
  retryNow(): void
  stop(): Promise<void>
}

/** Starts filling at once. */
export function startCache(options: CacheOptions): Cache {
  const { resource } = options
  const content = makeContent(options)
  const states = new Set<(state: CacheState) => void>()
  let state: CacheState = 'Syncing'
  let complete: number | undefined
  let trouble: Cache['trouble']
  let settle = (): void => undefined
  const settled = new Promise<void>((resolve) => (settle = resolve))

  const enter = (next: CacheState): void => {
    settle()
    if (next === state) return
    state = next
    for (const listener of states) guarded(options, () => listener(next))
  }
  const onEvent = (event: WatcherEvent): void => {
    if (event.type === 'InitDone') {
      complete = options.clock.now()
      trouble = undefined
      content.take(event, () => enter('Synced'))
    } else content.take(event, () => undefined)
  }
  const onState = (now: WatcherState, failure?: Failure): void => {
    if (now.name === 'NotServed') {
      complete = undefined
      trouble = undefined
      enter('NotServed')
    } else if (failure && failure.reason !== 'Expired') {
      trouble = { since: trouble?.since ?? options.clock.now(), failure }
      options.onProblem?.({ resource, failure })
    } else if (now.name === 'Watching' && now.failures === 0) trouble = undefined
  }
  const watcher = startWatcher({ ...options, onEvent, onState, onCallbackError: (error) => options.onProblem?.({ resource, error }) })
  return {
    resource,
    get state() {
      return state
    },
    get complete() {
      return complete
    },
    get trouble() {
      return trouble
    },
    get: (namespace, name) => content.store.get(`${namespace ?? ''}/${name}`),
    list: (namespace, labels = {}) => content.store.list(namespace, labels),
    apply: (object) => content.write(object, watcher.state.name !== 'Watching' && watcher.state.name !== 'InitListed'),
    subscribe: (listener) => content.subscribe(listener),
    subscribeState: (listener) => added(states, listener),
    settled: () => settled,
    retryNow: () => watcher.retryNow(),
    stop: () => {
      settle()
      return watcher.stop()
    },
  }
}

/** Deletions that are remembered, so that the late answer of an own write does not bring an object back. */
const rememberedDeletions = 1_000

function makeContent(options: CacheOptions) {
  const { resource } = options
  const store = makeStore(options.labelIndexes ?? [])
  const listeners = new Set<(change: Change) => void>()
  /** uid → resourceVersion of its deletion. */
  const deleted = new Map<string, string | undefined>()
  let listing = new Map<string, KubeObject>()
  /** Own writes since the list under way was asked for: it may be older than they are. */
  const written = new Map<string, KubeObject>()

  const tell = (change: Change): void => {
    for (const listener of listeners) guarded(options, () => listener(change))
  }
  const put = (object: KubeObject): void => {
    const old = store.get(keyOf(object))
    store.set(object)
    tell({ type: 'Applied', resource, object, ...(old ? { old } : {}) })
  }
  const remove = ({ metadata }: KubeObject): void => {
    if (metadata.uid) deleted.set(metadata.uid, metadata.resourceVersion)
    for (const oldest of deleted.keys()) {
      if (deleted.size <= rememberedDeletions) break
      deleted.delete(oldest)
    }
    const old = store.get(`${metadata.namespace ?? ''}/${metadata.name}`)
    // A write of ours may already have put a successor of the same name here.
    if (!old || old.metadata.uid !== metadata.uid) return
    store.delete(old)
    tell({ type: 'Deleted', resource, object: old, old })
  }
  const finish = (listVersion: string, then: () => void): void => {
    for (const [key, object] of written) if (isNewer(object.metadata.resourceVersion, listVersion)) listing.set(key, object)
    written.clear()
    const now = listing
    listing = new Map()
    // The whole first, so that a listener never reads half of it.
    const before = store.replace(now)
    then()
    for (const [key, old] of before) if (!now.has(key)) tell({ type: 'Deleted', resource, object: old, old })
    for (const [key, object] of now) {
      const old = before.get(key)
      if (!old || !sameVersion(old, object)) tell({ type: 'Applied', resource, object, ...(old ? { old } : {}) })
    }
  }
  return {
    store,
    subscribe: (listener: (change: Change) => void) => added(listeners, listener),
    /** `then` runs between the whole list being readable and its changes being told. */
    take(event: WatcherEvent, then: () => void): void {
      if (event.type === 'Init') listing = new Map()
      else if (event.type === 'InitApply') listing.set(keyOf(event.object), kept(event.object, options))
      else if (event.type === 'InitDone') finish(event.resourceVersion, then)
      else if (event.type === 'Delete') remove(event.object)
      else if (!knows(store.get(keyOf(event.object)), event.object)) put(kept(event.object, options))
    },
    write(object: KubeObject, listUnderWay: boolean): void {
      const { uid, resourceVersion } = object.metadata
      if (uid && deleted.has(uid) && !isNewer(resourceVersion, deleted.get(uid))) return
      if (knows(store.get(keyOf(object)), object)) return
      const keeping = kept(object, options)
      if (listUnderWay) written.set(keyOf(object), keeping)
      put(keeping)
    },
  }
}

/** This version or a newer one is known; of a successor of the same name too, since versions count through all objects of a kind. */
function knows(known: KubeObject | undefined, object: KubeObject): boolean {
  if (!known) return false
  const order = compareVersions(object.metadata.resourceVersion, known.metadata.resourceVersion)
  return order !== undefined && order <= 0
}

function isNewer(version: string | undefined, than: string | undefined): boolean {
  return (compareVersions(version, than) ?? -1) > 0
}

function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion
}

function kept(object: KubeObject, options: CacheOptions): KubeObject {
  let pruned = object
  // An object that cannot be pruned must neither vanish from the cache nor harm others.
  if (options.prune) guarded(options, () => (pruned = options.prune?.(object) ?? object))
  const keeping = withoutNoise(pruned)
  rememberWriters(object, keeping, options.writers ?? [])
  return keeping
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

function withoutNoise(object: KubeObject): KubeObject {
  const { managedFields, annotations, ...metadata } = object.metadata
  if (!managedFields && annotations?.[lastApplied] === undefined) return object
  const { [lastApplied]: _, ...rest } = annotations ?? {}
  return { ...object, metadata: annotations ? { ...metadata, annotations: rest } : metadata }
}

function guarded(options: CacheOptions, call: () => void): void {
  try {
    call()
  } catch (error) {
    options.onProblem?.({ resource: options.resource, error })
  }
}

function added<T>(set: Set<T>, one: T): () => void {
  set.add(one)
  return () => void set.delete(one)
}
