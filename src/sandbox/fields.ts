/** managedFields: who last wrote which field. Lists are owned as a whole, as in custom resources without list keys. */
import { isDeepStrictEqual } from 'node:util'
import type { ManagedFieldsEntry } from '../rollout/objects.ts'

/** Who writes, as the API server would see it. */
export interface Writer {
  readonly manager: string
  readonly apiVersion: string
  readonly subresource?: string
  /** RFC 3339, whole seconds. */
  readonly time: string
}

const isMap = (value: unknown): value is Record<string, any> => typeof value === 'object' && value !== null && !Array.isArray(value)
const separator = '\u0000'
const serverFields = new Set(['apiVersion', 'kind'])
const ownedMetadata = new Set(['labels', 'annotations', 'finalizers', 'ownerReferences', 'generateName'])

/** Paths of all fields that can be owned, with their values. */
function leaves(object: any): Map<string, unknown> {
  const found = new Map<string, unknown>()
  const walk = (value: unknown, path: string): void => {
    if (isMap(value) && Object.keys(value).length > 0) for (const [key, child] of Object.entries(value)) walk(child, `${path}${separator}f:${key}`)
    else found.set(path, value)
  }
  for (const [key, value] of Object.entries(object ?? {})) {
    if (serverFields.has(key)) continue
    if (key !== 'metadata') walk(value, `f:${key}`)
    else for (const [name, field] of Object.entries(value as object)) if (ownedMetadata.has(name)) walk(field, `f:metadata${separator}f:${name}`)
  }
  return found
}

function pathsOf(fields: any, prefix = ''): string[] {
  return Object.entries(fields ?? {}).flatMap(([key, value]) => {
    if (key === '.') return []
    const path = prefix ? `${prefix}${separator}${key}` : key
    return isMap(value) && Object.keys(value).some((name) => name !== '.') ? pathsOf(value, path) : [path]
  })
}

function toFields(paths: readonly string[]): Record<string, unknown> {
  const root: Record<string, any> = {}
  for (const path of paths) {
    let at = root
    for (const part of path.split(separator)) at = at[part] ??= {}
  }
  return root
}

/**
 * The entries after a write: fields that it changed or added belong to the writer and to nobody else, fields that are gone to nobody.
 * `entries` are those of the object that is being written, so a client may drop entries by a patch.
 */
export function managedFields(before: any, after: any, entries: readonly ManagedFieldsEntry[], writer: Writer): ManagedFieldsEntry[] {
  const old = leaves(before)
  const now = leaves(after)
  const changed = [...now].filter(([path, value]) => !old.has(path) || !isDeepStrictEqual(old.get(path), value)).map(([path]) => path)
  const gone = new Set([...old.keys()].filter((path) => !now.has(path)))
  const lost = new Set([...changed, ...gone])
  const own = (entry: ManagedFieldsEntry): boolean =>
    entry.manager === writer.manager &&
    entry.operation === 'Update' &&
    entry.subresource === writer.subresource &&
    (entry as { apiVersion?: string }).apiVersion === writer.apiVersion
  const result: ManagedFieldsEntry[] = []
  let mine: string[] = []
  for (const entry of entries) {
    const paths = pathsOf(entry.fieldsV1)
    const kept = paths.filter((path) => !lost.has(path))
    if (own(entry)) {
      mine = kept
      if (changed.length === 0 && kept.length > 0) result.push(kept.length === paths.length ? entry : { ...entry, fieldsV1: toFields(kept) })
    } else if (kept.length === paths.length) result.push(entry)
    else if (kept.length > 0) result.push({ ...entry, fieldsV1: toFields(kept) })
  }
  if (changed.length > 0) {
    const { manager, apiVersion, subresource, time } = writer
    const fieldsV1 = toFields([...new Set([...mine, ...changed])].sort())
    result.push({ manager, operation: 'Update', apiVersion, time, fieldsType: 'FieldsV1', fieldsV1, ...(subresource && { subresource }) } as ManagedFieldsEntry)
  }
  return result
}

/**
 * What a client sent as managedFields: `[{}]` clears all entries, nothing keeps what is stored, and `[]` clears those of built-in kinds only,
 * as in the real server.
 */
export function sentEntries(
  sent: readonly ManagedFieldsEntry[] | undefined,
  stored: readonly ManagedFieldsEntry[],
  custom: boolean,
): readonly ManagedFieldsEntry[] {
  if (!sent || (sent.length === 0 && custom)) return stored
  return sent.filter((entry) => entry.manager !== undefined)
}
