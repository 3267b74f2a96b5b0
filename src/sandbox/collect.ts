/** The garbage collector and the end of namespaces, as the controller manager does them: in the background, a moment after the deletion. */
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import type { Change } from './history.ts'
import { ApiError } from './status.ts'
import type { Store } from './store.ts'

const manager = 'kube-controller-manager'
/** Simulated milliseconds between a change and the collector's next pass. */
const delayMs = 100

/** Deletes objects whose owners are all gone, works off `foregroundDeletion` and `orphan`, and empties namespaces that are being deleted. */
export function collectGarbage(store: Store): { close(): void } {
  let planned: { cancel(): void } | undefined
  const pass = (): void => {
    planned = undefined
    for (const { id, object } of everything(store)) collect(store, id, object)
    for (const namespace of store.list('namespaces')) if (namespace.metadata.deletionTimestamp) empty(store, namespace)
  }
  const watch = store.watchAll((_id, change) => {
    if (relevant(change)) planned ??= store.clock.setTimeout(pass, delayMs)
  })
  return {
    close: () => {
      watch.close()
      planned?.cancel()
    },
  }
}

const relevant = (change: Change): boolean =>
  change.type === 'DELETED' ||
  change.object.metadata.deletionTimestamp !== undefined ||
  (change.object.metadata.ownerReferences ?? []).length !== (change.previous?.metadata.ownerReferences ?? []).length

function* everything(store: Store): Generator<{ id: string; object: KubeObject }> {
  for (const definition of store.definitions()) if (!definition.alias) for (const object of store.list(definition.id)) yield { id: definition.id, object }
}

function collect(store: Store, id: string, object: KubeObject): void {
  const { name, namespace, finalizers = [], deletionTimestamp, ownerReferences = [] } = object.metadata
  if (deletionTimestamp && finalizers.includes('orphan')) return orphan(store, id, object)
  if (deletionTimestamp && finalizers.includes('foregroundDeletion')) return foreground(store, id, object)
  if (deletionTimestamp || ownerReferences.length === 0) return
  const [alive, dead] = partition(ownerReferences, (owner) => lives(store, owner, namespace))
  if (dead.length === 0) return
  if (alive.length === 0) attempt(() => store.delete(id, namespace, name, { uid: object.metadata.uid }))
  else update(store, id, object, (metadata) => ({ ...metadata, ownerReferences: alive }))
}

/** An owner in another namespace does not count, as there. */
function lives(store: Store, owner: OwnerReference, namespace: string | undefined): boolean {
  const found = store.byUid(owner.uid)
  return (
    found !== undefined &&
    found.object.metadata.name === owner.name &&
    (found.object.metadata.namespace === undefined || found.object.metadata.namespace === namespace)
  )
}

function dependents(store: Store, uid: string | undefined): { id: string; object: KubeObject }[] {
  return [...everything(store)].filter(({ object }) => (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid))
}

function orphan(store: Store, id: string, object: KubeObject): void {
  for (const dependent of dependents(store, object.metadata.uid))
    update(store, dependent.id, dependent.object, (metadata) => ({
      ...metadata,
      ownerReferences: metadata.ownerReferences!.filter((owner) => owner.uid !== object.metadata.uid),
    }))
  update(store, id, object, (metadata) => ({ ...metadata, finalizers: metadata.finalizers!.filter((finalizer) => finalizer !== 'orphan') }))
}

function foreground(store: Store, id: string, object: KubeObject): void {
  const children = dependents(store, object.metadata.uid)
  for (const child of children) {
    const { name, namespace, uid, deletionTimestamp } = child.object.metadata
    if (!deletionTimestamp) attempt(() => store.delete(child.id, namespace, name, { uid, propagationPolicy: 'Foreground' }))
  }
  const blocking = dependents(store, object.metadata.uid).filter((child) =>
    child.object.metadata.ownerReferences!.some((owner) => owner.uid === object.metadata.uid && owner.blockOwnerDeletion),
  )
  if (blocking.length === 0)
    update(store, id, object, (metadata) => ({ ...metadata, finalizers: metadata.finalizers!.filter((finalizer) => finalizer !== 'foregroundDeletion') }))
}

function empty(store: Store, namespace: KubeObject): void {
  const inside = [...everything(store)].filter(({ object }) => object.metadata.namespace === namespace.metadata.name)
  for (const { id, object } of inside) if (!object.metadata.deletionTimestamp) attempt(() => store.delete(id, namespace.metadata.name, object.metadata.name))
  const left = [...everything(store)].some(({ object }) => object.metadata.namespace === namespace.metadata.name)
  if (left) return
  attempt(() =>
    store.update('namespaces', undefined, namespace.metadata.name, (current) => ({ ...current, spec: { ...current.spec, finalizers: [] } }), { manager }),
  )
}

function update(store: Store, id: string, object: KubeObject, change: (metadata: KubeObject['metadata']) => KubeObject['metadata']): void {
  const { namespace, name } = object.metadata
  attempt(() => store.update(id, namespace, name, (current) => ({ ...current, metadata: change(current.metadata) }), { manager }))
}

/** Somebody else may have been faster within this pass; the next pass sees what is left. */
function attempt(write: () => unknown): void {
  try {
    write()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
  }
}

function partition<T>(list: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((item) => !test(item))]
}
