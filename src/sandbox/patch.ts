/** JSON patch (RFC 6902 as the API server's library reads it), JSON merge patch (RFC 7386) and a sensible subset of strategic merge patch. */
import { isDeepStrictEqual } from 'node:util'
import { patchRefused } from './status.ts'

type Json = any

const isMap = (value: unknown): value is Record<string, Json> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** RFC 7386: maps are merged, null deletes, everything else (lists too) replaces. Neither argument is changed. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isMap(patch)) return structuredClone(patch)
  const result: Record<string, Json> = isMap(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

/** The key by which the API server merges a list of that field name; other lists are replaced. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  volumeMounts: ['mountPath'],
  ports: ['port', 'containerPort'],
  conditions: ['type'],
  ownerReferences: ['uid'],
  imagePullSecrets: ['name'],
  hostAliases: ['ip'],
}

/**
 * Strategic merge patch for built-in kinds: as merge patch, but the well-known lists are merged by key, and `$patch`, `$deleteFromPrimitiveList`
 * and `$retainKeys` are understood.
 */
export function strategicPatch(target: Json, patch: Json): Json {
  if (!isMap(patch)) return structuredClone(patch)
  if (patch.$patch === 'replace') return structuredClone(without(patch, ['$patch']))
  let result: Record<string, Json> = isMap(target) ? { ...target } : {}
  if (Array.isArray(patch.$retainKeys)) result = Object.fromEntries(Object.entries(result).filter(([key]) => patch.$retainKeys.includes(key)))
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const list = key.slice('$deleteFromPrimitiveList/'.length)
      result[list] = (result[list] ?? []).filter((item: Json) => !value.includes(item))
    } else if (key.startsWith('$')) continue
    else if (value === null) delete result[key]
    else if (Array.isArray(value)) result[key] = mergeList(key, result[key], value)
    else result[key] = strategicPatch(result[key], value)
  }
  return result
}

function mergeList(field: string, target: Json, patch: Json[]): Json {
  if (field === 'finalizers') return [...new Set([...(target ?? []), ...patch])]
  const key = mergeKeys[field]?.find((candidate) => patch.every((item) => isMap(item) && (candidate in item || '$patch' in item)))
  if (!key || patch.some((item) => item.$patch === 'replace')) return structuredClone(patch.filter((item) => !(isMap(item) && item.$patch === 'replace')))
  const result: Json[] = Array.isArray(target) ? [...target] : []
  for (const item of patch) {
    const index = result.findIndex((existing) => isMap(existing) && existing[key] === item[key])
    if (item.$patch === 'delete') {
      if (index >= 0) result.splice(index, 1)
    } else if (index >= 0) result[index] = strategicPatch(result[index], item)
    else result.push(structuredClone(item))
  }
  return result
}

const without = (map: Record<string, Json>, keys: readonly string[]): Record<string, Json> =>
  Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)))

/**
 * Applies a JSON patch to a copy. Throws 422 without causes where it does not apply, like the real server: a lost `test`, a missing parent, a removal of
 * something absent. As there, `test … null` holds for an absent member, and `replace` of an absent member of a map adds it.
 */
export function jsonPatch(target: Json, patch: readonly Json[]): Json {
  const box = { root: structuredClone(target) }
  for (const operation of patch) apply(box, operation)
  return box.root
}

function apply(box: { root: Json }, operation: Json): void {
  if (!isMap(operation) || typeof operation.path !== 'string') throw patchRefused()
  const path = parse(operation.path)
  switch (operation.op) {
    case 'test':
      if (!isDeepStrictEqual(read(box, path) ?? null, operation.value ?? null)) throw patchRefused()
      return
    case 'add':
      return write(box, path, clone(operation), true)
    case 'replace':
      return write(box, path, clone(operation), false)
    case 'remove':
      return remove(box, path)
    case 'move': {
      const from = parse(String(operation.from))
      const value = read(box, from)
      remove(box, from)
      return write(box, path, value, true)
    }
    case 'copy':
      return write(box, path, structuredClone(read(box, parse(String(operation.from)))), true)
    default:
      throw patchRefused()
  }
}

function clone(operation: Json): Json {
  if (!('value' in operation)) throw patchRefused()
  return structuredClone(operation.value)
}

function parse(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw patchRefused()
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function parentOf(box: { root: Json }, path: readonly string[]): Json {
  let at = box.root
  for (const part of path.slice(0, -1)) {
    at = Array.isArray(at) ? at[position(at, part, at.length - 1)] : isMap(at) ? at[part] : undefined
    if (at === undefined || at === null) throw patchRefused()
  }
  if (!Array.isArray(at) && !isMap(at)) throw patchRefused()
  return at
}

function position(list: readonly Json[], part: string, last: number): number {
  if (!/^-?\d+$/.test(part)) throw patchRefused()
  const index = Number(part) < 0 ? Number(part) + list.length : Number(part)
  if (index < 0 || index > last) throw patchRefused()
  return index
}

function read(box: { root: Json }, path: readonly string[]): Json {
  if (path.length === 0) return box.root
  const parent = parentOf(box, path)
  const key = path.at(-1)!
  return Array.isArray(parent) ? parent[position(parent, key, parent.length - 1)] : Object.hasOwn(parent, key) ? parent[key] : undefined
}

function write(box: { root: Json }, path: readonly string[], value: Json, insert: boolean): void {
  if (path.length === 0) {
    box.root = value
    return
  }
  const parent = parentOf(box, path)
  const key = path.at(-1)!
  if (!Array.isArray(parent)) parent[key] = value
  else if (!insert) parent[position(parent, key, parent.length - 1)] = value
  else parent.splice(key === '-' ? parent.length : position(parent, key, parent.length), 0, value)
}

function remove(box: { root: Json }, path: readonly string[]): void {
  if (path.length === 0) throw patchRefused()
  const parent = parentOf(box, path)
  const key = path.at(-1)!
  if (Array.isArray(parent)) parent.splice(position(parent, key, parent.length - 1), 1)
  else if (Object.hasOwn(parent, key)) delete parent[key]
  else throw patchRefused()
}
