/** The in-memory API server without its HTTP face: kinds, objects, one global resourceVersion, watches. Objects are frozen; a write makes a new one. */
import type { KubeObject } from '../rollout/objects.ts'
import type { Clock } from '../telemetry/clock.ts'
import { defaulted } from './defaults.ts'
import { History, keyOf, selected } from './history.ts'
import type { Change, ChangeType } from './history.ts'
import { Names } from './names.ts'
import { builtInDefinitions } from './resources.ts'
import type { Definition, ServedVersion } from './resources.ts'
import { fieldSelector, labelSelector } from './selectors.ts'
import type { Predicate } from './selectors.ts'
import { alreadyExists, conflict, expired, notFound, preconditionFailed, unknownPath } from './status.ts'
import { deleting, preparedCreate, preparedUpdate } from './writes.ts'
import type { Deletion, WriteOptions } from './writes.ts'

/** Which objects of a kind; no namespace: of all. Selectors are texts as in a query. */
export interface Selected {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}
export interface Listener {
  /** Called synchronously, in the order of resourceVersions, before the write that caused it returns to its caller. */
  event(type: ChangeType, object: KubeObject): void
  /** The kind is no longer served. */
  end?(): void
}
export interface StoreOptions {
  readonly clock: Clock
  /** Writes remembered per kind; a watch from before that is answered with 410. Default 2000. */
  readonly history?: number
  /** Seed of uids and generated names: the same seed gives the same names. Default 1. */
  readonly seed?: number
}

interface Kind {
  definition: Definition
  readonly objects: Map<string, KubeObject>
  readonly history: History
  readonly watchers: Set<{ readonly predicate: Predicate; readonly listener: Listener }>
}

export class Store {
  readonly clock: Clock
  readonly #kinds = new Map<string, Kind>()
  readonly #owners = new Map<string, { readonly id: string; readonly key: string }>()
  readonly #historyLimit: number
  readonly #deliveries: (() => void)[] = []
  readonly #listeners = new Set<(id: string, change: Change) => void>()
  #revision = 100
  readonly #names: Names
  #addresses = 0
  #delivering = false

  constructor(options: StoreOptions) {
    this.clock = options.clock
    this.#historyLimit = options.history ?? 2000
    this.#names = new Names(options.seed ?? 1)
    for (const definition of builtInDefinitions()) this.register(definition)
  }

  /** Newest resourceVersion. */
  get revision(): number {
    return this.#revision
  }

  /** Every kind that is served now. */
  definitions(): Definition[] {
    return [...this.#kinds.values()].map((kind) => kind.definition)
  }

  /** Serves a kind, or changes how it is served; its objects stay. */
  register(definition: Definition): void {
    const known = this.#kinds.get(definition.id)
    if (known) known.definition = definition
    else this.#kinds.set(definition.id, { definition, objects: new Map(), history: new History(this.#historyLimit, this.#revision), watchers: new Set() })
  }

  /** Stops serving a kind: its objects are gone and its watches end. */
  unregister(id: string): void {
    const kind = this.#kind(id)
    for (const object of kind.objects.values()) this.#commit(kind, 'DELETED', object, object)
    this.#kinds.delete(id)
    for (const watcher of kind.watchers) watcher.listener.end?.()
  }

  /** The kind and version behind a path; undefined: not served. */
  find(group: string, version: string, plural: string): { readonly definition: Definition; readonly version: ServedVersion } | undefined {
    const definition = this.#kinds.get(group ? `${plural}.${group}` : plural)?.definition
    const served = definition?.versions.find((candidate) => candidate.name === version)
    return definition && served ? { definition, version: served } : undefined
  }

  /** Throws 404 for a kind that is not served. */
  definition(id: string): Definition {
    return this.#kind(id).definition
  }

  serves(id: string): boolean {
    return this.#kinds.has(id)
  }

  /** One object in its storage version; undefined: absent. Cluster-wide kinds take no namespace. */
  get(id: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#kinds.get(this.#stored(id))?.objects.get(`${namespace ?? ''}/${name}`)
  }

  /** Whatever has this uid. */
  byUid(uid: string): { readonly id: string; readonly object: KubeObject } | undefined {
    const place = this.#owners.get(uid)
    const object = place && this.#kinds.get(place.id)?.objects.get(place.key)
    return object ? { id: place.id, object } : undefined
  }

  /** Objects sorted by namespace and name. Throws 404 for an unknown kind, 400 for an unreadable selector. */
  list(id: string, selection: Selected = {}): KubeObject[] {
    return this.listAt(id, selection, this.#revision)
  }

  /** As `list`, at a resourceVersion of the past. Throws 410 when that is forgotten. */
  listAt(id: string, selection: Selected, revision: number): KubeObject[] {
    const kind = this.#kind(id)
    if (revision < kind.history.floor && revision < this.#revision) throw expired(revision, kind.history.floor)
    const objects = revision < this.#revision ? kind.history.past(kind.objects, revision) : kind.objects
    const predicate = this.predicate(id, selection)
    return [...objects]
      .filter(([, object]) => predicate(object))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
  }

  /** Says which objects of a kind a selection means. */
  predicate(id: string, selection: Selected): Predicate {
    const labels = selection.labelSelector ? labelSelector(selection.labelSelector) : undefined
    const fields = selection.fieldSelector ? fieldSelector(selection.fieldSelector, this.#stored(id)) : undefined
    return (object) =>
      (selection.namespace === undefined || object.metadata.namespace === selection.namespace) && (labels?.(object) ?? true) && (fields?.(object) ?? true)
  }

  /** Calls the listener for every change after `from` (default: from now on). Throws 410 where `from` is forgotten. */
  watch(id: string, selection: Selected, listener: Listener, from: number = this.#revision): { close(): void } {
    const kind = this.#kind(id)
    if (from < kind.history.floor) throw expired(from, kind.history.floor)
    const predicate = this.predicate(id, selection)
    for (const change of kind.history.after(from)) notify(change, predicate, listener)
    // Changes that are committed but not yet delivered were replayed above: the watcher starts behind them.
    const start = Math.max(from, this.#revision)
    const watcher = {
      predicate,
      listener: {
        ...listener,
        event: (type: ChangeType, object: KubeObject) => Number(object.metadata.resourceVersion) > start && listener.event(type, object),
      } as Listener,
    }
    kind.watchers.add(watcher)
    return { close: () => void kind.watchers.delete(watcher) }
  }

  /** Calls back for every change of every kind: for the collector. */
  watchAll(callback: (id: string, change: Change) => void): { close(): void } {
    this.#listeners.add(callback)
    return { close: () => void this.#listeners.delete(callback) }
  }

  /** Stores a new object. Throws 404 (namespace), 403 (it is terminating), 409 AlreadyExists, 422. */
  create(id: string, object: KubeObject, options: WriteOptions = {}): KubeObject {
    const kind = this.#kind(id)
    const named = object.metadata.name || !object.metadata['generateName' as 'name'] ? object : this.#generated(kind, object)
    const prepared = preparedCreate(this, kind.definition, structuredClone(named), options)
    if (kind.objects.has(keyOf(prepared))) throw alreadyExists(kind.definition, prepared.metadata.name)
    return options.dryRun ? this.#stamped(prepared) : this.#commit(kind, 'ADDED', this.#stamped(prepared), undefined)
  }

  /**
   * Replaces an object by what `change` makes of it; a write that changes nothing keeps the resourceVersion. Throws 404, 409 (a resourceVersion or
   * uid that is not the stored one), 422. An object that is being deleted and has no finalizer left is gone afterwards.
   */
  update(id: string, namespace: string | undefined, name: string, change: (current: KubeObject) => KubeObject, options: WriteOptions = {}): KubeObject {
    const kind = this.#kind(id)
    const current = kind.objects.get(`${namespace ?? ''}/${name}`)
    if (!current) throw notFound(kind.definition, name)
    const next = change(current)
    const wanted = next.metadata.resourceVersion
    if (wanted && wanted !== '0' && wanted !== current.metadata.resourceVersion) throw conflict(kind.definition, name)
    const prepared = preparedUpdate(this, kind.definition, current, structuredClone(next), options)
    if (prepared === current || options.dryRun) return prepared
    if (removable(kind.definition.id, prepared)) return this.#commit(kind, 'DELETED', prepared, current)
    return this.#commit(kind, 'MODIFIED', this.#stamped(prepared), current)
  }

  /** Deletes, or marks for deletion where finalizers or a grace period keep it. Throws 404, 409. `gone`: it is away already. */
  delete(id: string, namespace: string | undefined, name: string, deletion: Deletion = {}): { readonly gone: boolean; readonly object: KubeObject } {
    const kind = this.#kind(id)
    const current = kind.objects.get(`${namespace ?? ''}/${name}`)
    if (!current) throw notFound(kind.definition, name)
    const { uid, resourceVersion } = current.metadata
    if (deletion.uid && deletion.uid !== uid)
      throw preconditionFailed(
        kind.definition,
        name,
        `the UID in the precondition (${deletion.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
      )
    if (deletion.resourceVersion && deletion.resourceVersion !== resourceVersion)
      throw preconditionFailed(
        kind.definition,
        name,
        `the ResourceVersion in the precondition (${deletion.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). ` +
          'The object might have been modified',
      )
    const marked = deleting(kind.definition, current, deletion, this.clock.now())
    const gone = removable(kind.definition.id, marked)
    if (deletion.dryRun || marked === current) return { gone, object: marked }
    return { gone, object: gone ? this.#commit(kind, 'DELETED', current, current) : this.#commit(kind, 'MODIFIED', this.#stamped(marked), current) }
  }

  /** Forgets the past of a kind, so that older watches and pages are answered with 410. */
  compact(id: string): void {
    this.#kind(id).history.compact(this.#revision)
  }

  /** A random lower-case text of the store's own seed, as in generated names. */
  suffix(length: number): string {
    return this.#names.suffix(length)
  }

  /** A new uid. */
  uid(): string {
    return this.#names.uid()
  }

  /** Defaults of the built-in kinds, with cluster addresses from this store. */
  defaulted(id: string, object: KubeObject): KubeObject {
    return defaulted(id, object, { nextClusterIP: () => `10.96.${(++this.#addresses >> 8) & 255}.${this.#addresses & 255}` })
  }

  #generated(kind: Kind, object: KubeObject): KubeObject {
    const prefix = String((object.metadata as { generateName?: string }).generateName)
    let name = `${prefix}${this.suffix(5)}`
    while (kind.objects.has(`${object.metadata.namespace ?? ''}/${name}`)) name = `${prefix}${this.suffix(5)}`
    return { ...object, metadata: { ...object.metadata, name } }
  }

  #stamped(object: KubeObject): KubeObject {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision + 1) } }
  }

  #commit(kind: Kind, type: ChangeType, object: KubeObject, previous: KubeObject | undefined): KubeObject {
    const committed = deepFreeze(type === 'DELETED' ? this.#stamped(object) : object)
    this.#revision++
    const key = keyOf(committed)
    const uid = committed.metadata.uid!
    if (type === 'DELETED') {
      kind.objects.delete(key)
      this.#owners.delete(uid)
    } else {
      kind.objects.set(key, committed)
      this.#owners.set(uid, { id: kind.definition.id, key })
    }
    const change = { type, revision: this.#revision, object: committed, previous }
    kind.history.add(change)
    this.#deliveries.push(() => {
      for (const watcher of kind.watchers) notify(change, watcher.predicate, watcher.listener)
      for (const listener of this.#listeners) listener(kind.definition.id, change)
    })
    this.#deliver()
    return committed
  }

  /** A listener that writes does not overtake: its change is delivered after the one it is told of. */
  #deliver(): void {
    if (this.#delivering) return
    this.#delivering = true
    try {
      for (let next = this.#deliveries.shift(); next; next = this.#deliveries.shift()) next()
    } finally {
      this.#delivering = false
    }
  }

  #stored(id: string): string {
    return this.#kinds.get(id)?.definition.alias?.id ?? id
  }

  #kind(id: string): Kind {
    const kind = this.#kinds.get(this.#stored(id))
    if (!kind) throw unknownPath()
    return kind
  }
}

function notify(change: Change, predicate: Predicate, listener: Listener): void {
  const event = selected(change, predicate)
  if (event) listener.event(event.type, event.object)
}

function removable(id: string, object: KubeObject): boolean {
  const { deletionTimestamp, finalizers } = object.metadata
  if (!deletionTimestamp || (finalizers ?? []).length > 0) return false
  if (id === 'namespaces') return (object.spec?.finalizers ?? []).length === 0
  return ((object.metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds ?? 0) === 0
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const field of Object.values(value)) deepFreeze(field)
  }
  return value
}
