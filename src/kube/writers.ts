/** Who wrote which field last, by managedFields. */
import type { KubeObject, ManagedFieldsEntry } from '../rollout/objects.ts'

/** `time` as the API server wrote it, to the second. */
export interface Writer {
  readonly manager: string
  readonly operation: string
  readonly time?: string
  /** Unix ms of `time`. */
  readonly at?: number
  /** `status` or `scale` where it was written through one. */
  readonly subresource?: string
}

const remembered = new WeakMap<KubeObject, ReadonlyMap<string, Writer>>()

/** Keeps the last writers of these paths for an object that is about to lose its managedFields. */
export function rememberWriters(whole: KubeObject, kept: KubeObject, paths: readonly string[]): void {
  const found = paths.flatMap((path) => {
    const writer = newest(whole.metadata.managedFields, path)
    return writer ? [[path, writer] as const] : []
  })
  if (found.length > 0) remembered.set(kept, new Map(found))
}

/**
 * The writer that owns a field and wrote last. `path` in the words of fieldsV1, as `f:spec/f:http` or `f:metadata/f:annotations/f:sluice.dev~1closed-to` (`~1` is a slash inside a key).
 * Of an atomic list or map ask for the whole. Undefined where nobody owns it, as after our own entry was dropped, or where the cache was not asked to remember this path.
 */
export function lastWriter(object: KubeObject, path: string): Writer | undefined {
  return remembered.get(object)?.get(path) ?? newest(object.metadata.managedFields, path)
}

function newest(entries: readonly ManagedFieldsEntry[] | undefined, path: string): Writer | undefined {
  const keys = path.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  let last: ManagedFieldsEntry | undefined
  for (const entry of entries ?? []) {
    if (entry.manager === undefined || !owns(entry.fieldsV1, keys)) continue
    if (last === undefined || (entry.time ?? '') >= (last.time ?? '')) last = entry
  }
  if (last?.manager === undefined) return undefined
  const { manager, operation = 'Update', time, subresource } = last
  return { manager, operation, ...(time ? { time, at: Date.parse(time) } : {}), ...(subresource ? { subresource } : {}) }
}

/** The field itself, or something inside it. An owner of the parent alone is none: `f:data: {}` says who made the map, not who wrote its values. */
function owns(fields: unknown, keys: readonly string[]): boolean {
  let at: any = fields
  for (const key of keys) {
    if (typeof at !== 'object' || at === null || !(key in at)) return false
    at = at[key]
  }
  return true
}
