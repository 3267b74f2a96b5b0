/** Objects as a client asked for them: another API version, plain or as Table, whole or metadata only; scales of workloads and custom resources. */
import type { KubeObject } from '../rollout/objects.ts'
import { columnsOf } from './columns.ts'
import { apiVersionOf, at } from './resources.ts'
import type { Definition, ServedVersion } from './resources.ts'
import { selectorText } from './selectors.ts'
import { internalError } from './status.ts'

export type Form = 'Plain' | 'Table' | 'Metadata'
/** How to write objects into an answer. */
export interface Presentation {
  readonly definition: Definition
  readonly version: string
  readonly form: Form
  readonly now: number
  /** Table rows carry metadata, the whole object, or nothing. */
  readonly include: 'Metadata' | 'Object' | 'None'
}

/** The form that an Accept header asks for: the first that is understood. */
export function formOf(accept: string | undefined): Form {
  for (const part of (accept ?? '').split(',')) {
    if (part.includes('as=Table') && part.includes('json') && !part.includes('v1beta1')) return 'Table'
    if (part.includes('as=PartialObjectMetadata') && part.includes('json')) return 'Metadata'
    if (part.trim().startsWith('application/json') && !part.includes('as=')) return 'Plain'
  }
  return 'Plain'
}

/** An object as stored in the version that was asked for. */
export function inVersion(definition: Definition, version: string, object: KubeObject): KubeObject {
  if (definition.alias) return definition.alias.out(object)
  const apiVersion = apiVersionOf(definition.group, version)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

/** An object as sent in the version in which it is stored. */
export const inStorage = (definition: Definition, object: KubeObject): KubeObject =>
  definition.alias ? definition.alias.in(object) : { ...object, apiVersion: apiVersionOf(definition.group, definition.storage) }

const metadataOnly = (object: KubeObject): object => ({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata })

/** One object, or one event's object. */
export function presented(object: KubeObject, how: Presentation): object {
  if (how.form === 'Plain') return inVersion(how.definition, how.version, object)
  return how.form === 'Table' ? table([object], { resourceVersion: object.metadata.resourceVersion }, how) : metadataOnly(object)
}

/** A list, with its metadata (resourceVersion, continue, remainingItemCount). */
export function presentedList(items: readonly KubeObject[], metadata: object, how: Presentation): object {
  if (how.form === 'Table') return table(items, metadata, how)
  if (how.form === 'Metadata') return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: items.map(metadataOnly) }
  const apiVersion = apiVersionOf(how.definition.group, how.version)
  const listed = items.map((item) => inVersion(how.definition, how.version, item))
  // Built-in lists leave kind and apiVersion of their items out, lists of custom resources do not.
  const plain = how.definition.custom ? listed : listed.map(({ kind: _kind, apiVersion: _version, ...item }) => item)
  return { kind: `${how.definition.kind}List`, apiVersion, metadata, items: plain }
}

function table(items: readonly KubeObject[], metadata: object, how: Presentation): object {
  const columns = columnsOf(how.definition, how.version)
  const object = (item: KubeObject): object | null =>
    how.include === 'None' ? null : how.include === 'Object' ? inVersion(how.definition, how.version, item) : metadataOnly(item)
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(({ name, type, format, priority }) => ({ name, type, format: format ?? '', description: '', priority })),
    rows: items.map((item) => ({ cells: columns.map((column) => column.cell(item, how.now) ?? null), object: object(item) })),
  }
}

/** The `autoscaling/v1` Scale of an object. Throws 500 where a custom resource has no replicas yet, like the real server. */
export function scaleOf(definition: Definition, version: ServedVersion, object: KubeObject, forWrite = false): KubeObject {
  const paths = version.scale!
  const replicas = at(object, paths.spec)
  if (replicas === undefined && definition.custom && !forWrite) throw internalError(`the spec replicas field "${paths.spec}" does not exist`)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = definition.custom ? paths.selector && at(object, paths.selector) : selectorText(object.spec.selector)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp },
    // As there: a count of zero is left out, so a JSON patch that tests for 0 is refused.
    spec: replicas ? { replicas } : {},
    status: { replicas: at(object, paths.status) ?? 0, ...(selector && { selector }) },
  } as KubeObject
}
