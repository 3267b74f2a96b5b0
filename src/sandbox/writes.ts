/** What a write makes of an object before it is stored: server-owned metadata, generation, subresources, pruning, validation, field managers. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject, ManagedFieldsEntry } from '../rollout/objects.ts'
import { managedFields, sentEntries } from './fields.ts'
import { apiVersionOf } from './resources.ts'
import type { Definition, ServedVersion } from './resources.ts'
import { prune, validate, withDefaults } from './schema.ts'
import { badRequest, cause, conflict, failure, invalid, notFound } from './status.ts'
import type { Cause } from './status.ts'
import { builtInCauses, metadataCauses } from './validation.ts'

export interface WriteOptions {
  /** Field manager; unset: `sandbox`. */
  readonly manager?: string
  readonly subresource?: 'status' | 'scale'
  /** Everything but storing. */
  readonly dryRun?: boolean
  /** The version in which the writer speaks; unset: the storage version. */
  readonly version?: string
  /** fieldValidation=Strict: an unknown field of a custom resource is an error and not dropped. */
  readonly strict?: boolean
  /** A patch may not name another uid (422); a replace with another uid is a conflict (409). */
  readonly patch?: boolean
}
export interface Deletion {
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  readonly gracePeriodSeconds?: number
  readonly dryRun?: boolean
}
interface Place {
  readonly clock: { now(): number }
  get(id: string, namespace: string | undefined, name: string): KubeObject | undefined
  uid(): string
  defaulted(id: string, object: KubeObject): KubeObject
}
type Meta = KubeObject['metadata'] & { readonly generateName?: string; readonly deletionGracePeriodSeconds?: number }

/** RFC 3339 in whole seconds, the form of metadata times. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

const versionOf = (definition: Definition, name: string | undefined): ServedVersion =>
  definition.versions.find((version) => version.name === name) ?? definition.versions[0]!

export function preparedCreate(place: Place, definition: Definition, input: KubeObject, options: WriteOptions): KubeObject {
  const sent = input.metadata as Meta
  if (definition.namespaced) refuseMissingNamespace(place, definition, sent)
  if (sent.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  const version = versionOf(definition, options.version)
  const metadata = {
    ...emptyFieldsDropped(sent),
    uid: place.uid(),
    creationTimestamp: timestamp(place.clock.now()),
    ...(definition.generation && { generation: 1 }),
  }
  delete (metadata as { managedFields?: unknown }).managedFields
  delete (metadata as { deletionTimestamp?: unknown }).deletionTimestamp
  const { status, ...rest } = input
  const typed = {
    ...rest,
    ...(!version.status && status !== undefined && { status }),
    apiVersion: apiVersionOf(definition.group, definition.storage),
    kind: definition.kind,
    metadata,
  }
  const object = checked(place, definition, version, typed as KubeObject, undefined, options)
  return { ...object, metadata: { ...object.metadata, managedFields: managedFields(undefined, object, [], writer(place, definition, options)) } }
}

export function preparedUpdate(place: Place, definition: Definition, current: KubeObject, next: KubeObject, options: WriteOptions): KubeObject {
  const version = versionOf(definition, options.version)
  const name = current.metadata.name
  if (next.metadata.uid && next.metadata.uid !== current.metadata.uid) {
    const immutable = cause.invalid('metadata.uid', next.metadata.uid, 'field is immutable')
    // Said twice, as there.
    if (options.patch) throw invalid(definition, name, [immutable, immutable])
    throw conflict(definition, name, `Precondition failed: UID in precondition: ${next.metadata.uid}, UID in object meta: ${current.metadata.uid}`)
  }
  const merged = options.subresource === 'status' ? withStatus(current, next) : withSpec(definition, version, current, next)
  const stored = checked(place, definition, version, merged, current, options)
  const entries = sentEntries(next.metadata.managedFields, current.metadata.managedFields ?? [], definition.custom)
  const fields = managedFields(current, stored, entries, writer(place, definition, options))
  const generation = definition.generation
    ? { generation: (current.metadata.generation ?? 0) + (specChanged(definition, version, current, stored) ? 1 : 0) }
    : {}
  const result = { ...stored, metadata: { ...stored.metadata, ...generation, managedFields: fields as ManagedFieldsEntry[] } }
  return isDeepStrictEqual(result, current) ? current : result
}

/** The object with its deletion marked; itself, when it is marked already and no shorter grace period is asked for. */
export function deleting(definition: Definition, current: KubeObject, deletion: Deletion, now: number): KubeObject {
  const metadata = current.metadata as Meta
  const onNode = definition.id === 'pods' && current.spec?.nodeName
  const grace = onNode ? (deletion.gracePeriodSeconds ?? metadata.deletionGracePeriodSeconds ?? current.spec.terminationGracePeriodSeconds ?? 30) : 0
  const extra = deletion.propagationPolicy === 'Foreground' ? ['foregroundDeletion'] : deletion.propagationPolicy === 'Orphan' ? ['orphan'] : []
  const finalizers = [...new Set([...(metadata.finalizers ?? []), ...extra])]
  if (metadata.deletionTimestamp && grace >= (metadata.deletionGracePeriodSeconds ?? 0) && finalizers.length === (metadata.finalizers ?? []).length)
    return current
  return {
    ...current,
    metadata: {
      ...metadata,
      deletionTimestamp: timestamp(now + grace * 1000),
      deletionGracePeriodSeconds: grace,
      ...(metadata.generation && { generation: metadata.generation + 1 }),
      ...(finalizers.length > 0 && { finalizers }),
    },
    ...(definition.id === 'namespaces' && { status: { ...current.status, phase: 'Terminating' } }),
  } as KubeObject
}

function refuseMissingNamespace(place: Place, definition: Definition, metadata: Meta): void {
  const namespace = place.get('namespaces', undefined, metadata.namespace ?? '')
  if (!namespace) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, metadata.namespace ?? '')
  if (!namespace.metadata.deletionTimestamp) return
  const why = `unable to create new content in namespace ${metadata.namespace} because it is being terminated`
  const named = definition.group ? `${definition.plural}.${definition.group}` : definition.plural
  throw failure(403, 'Forbidden', `${named} "${metadata.name}" is forbidden: ${why}`, {
    name: metadata.name,
    ...(definition.group && { group: definition.group }),
    kind: definition.plural,
    causes: [{ reason: 'NamespaceTerminating', message: `namespace ${metadata.namespace} is being terminated`, field: 'metadata.namespace' }],
  })
}

function emptyFieldsDropped(metadata: Meta): Meta {
  const isEmpty = (value: unknown): boolean =>
    value === null || value === undefined || value === '' || (typeof value === 'object' && Object.keys(value).length === 0)
  return Object.fromEntries(Object.entries(metadata).filter(([key, value]) => key === 'managedFields' || !isEmpty(value))) as unknown as Meta
}

/** Server-owned metadata is what it was, whatever a client sends. */
function withSpec(definition: Definition, version: ServedVersion, current: KubeObject, next: KubeObject): KubeObject {
  const before = current.metadata as Meta
  const { uid, creationTimestamp, resourceVersion, generation, deletionTimestamp, deletionGracePeriodSeconds, namespace, name } = before
  const metadata: Record<string, unknown> = {
    ...emptyFieldsDropped(next.metadata as Meta),
    uid,
    creationTimestamp,
    resourceVersion,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    namespace,
    name,
  }
  metadata.managedFields = before.managedFields
  for (const key of Object.keys(metadata)) if (metadata[key] === undefined) delete metadata[key]
  const { status, ...rest } = next
  const kept = version.status ? current.status : status
  const storage = apiVersionOf(definition.group, definition.storage)
  return { ...rest, apiVersion: storage, kind: definition.kind, metadata, ...(kept !== undefined && { status: kept }) } as unknown as KubeObject
}

function withStatus(current: KubeObject, next: KubeObject): KubeObject {
  const { status: _before, ...rest } = current
  return { ...rest, ...(next.status !== undefined && next.status !== null && { status: next.status }) } as KubeObject
}

function checked(
  place: Place,
  definition: Definition,
  version: ServedVersion,
  object: KubeObject,
  before: KubeObject | undefined,
  options: WriteOptions,
): KubeObject {
  const name = object.metadata.name
  const full = definition.custom ? structural(definition, version, object, options) : place.defaulted(definition.id, object)
  const causes = [...metadataCauses(full, definition.id), ...newFinalizers(full, before)]
  causes.push(...(definition.custom ? customCauses(version, full) : builtInCauses(definition.id, full, before)))
  if (causes.length > 0) throw invalid(definition, name ?? '', causes)
  return full
}

function structural(definition: Definition, version: ServedVersion, object: KubeObject, options: WriteOptions): KubeObject {
  if (!version.schema) return object
  const unknown: string[] = []
  const pruned = prune(object, version.schema, unknown)
  if (options.strict && unknown.length > 0) {
    const fields = unknown.map((field) => `unknown field "${field}"`).join(', ')
    throw badRequest(`${definition.kind} in version "${version.name}" cannot be handled as a ${definition.kind}: strict decoding error: ${fields}`)
  }
  return withDefaults(pruned, version.schema)
}

function customCauses(version: ServedVersion, object: KubeObject): Cause[] {
  const causes = version.schema ? validate(object, version.schema) : []
  const replicas = version.scale && object.spec?.replicas
  if (typeof replicas === 'number' && replicas < 0) causes.push(cause.invalid('.spec.replicas', replicas, 'should be a non-negative integer'))
  return causes
}

function newFinalizers(object: KubeObject, before: KubeObject | undefined): Cause[] {
  if (!before?.metadata.deletionTimestamp) return []
  const added = (object.metadata.finalizers ?? []).filter((finalizer) => !(before.metadata.finalizers ?? []).includes(finalizer))
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(', ')
  const forbidden = cause.forbidden(
    'metadata.finalizers',
    `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
  )
  return added.length === 0 ? [] : [forbidden, forbidden]
}

/** Everything but metadata and, where there is a status subresource, status. */
function specChanged(definition: Definition, version: ServedVersion, before: KubeObject, after: KubeObject): boolean {
  const relevant = (object: KubeObject): unknown => {
    const { metadata: _metadata, status, ...rest } = object
    return definition.custom && !version.status ? { ...rest, status } : rest
  }
  return !isDeepStrictEqual(relevant(before), relevant(after))
}

function writer(place: Place, definition: Definition, options: WriteOptions): Parameters<typeof managedFields>[3] {
  return {
    manager: options.manager ?? 'sandbox',
    apiVersion: apiVersionOf(definition.group, options.version ?? definition.storage),
    time: timestamp(place.clock.now()),
    ...(options.subresource && { subresource: options.subresource }),
  }
}
