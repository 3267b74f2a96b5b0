/** JSON patch (RFC 6902) as a Kubernetes API server applies it: all or nothing, and `test … null` holds where the last key of the path is absent. */
import { isDeepStrictEqual } from 'node:util'
import type { JsonPatchOp } from '../../src/rollout/objects.ts'

export class PatchRefused extends Error {}

export function applyPatch<T>(object: T, patch: readonly JsonPatchOp[]): T {
  const next = structuredClone(object)
  for (const operation of patch) {
    const keys = operation.path.split('/').slice(1).map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    const last = keys.pop()!
    let parent: any = next
    for (const key of keys) parent = parent?.[key]
    if (parent === null || typeof parent !== 'object') throw new PatchRefused(`${operation.op} ${operation.path}: nothing is there to hold it`)
    applyTo(parent, last, operation)
  }
  return next
}

function applyTo(parent: any, key: string, operation: JsonPatchOp): void {
  const present = Array.isArray(parent) ? Number(key) in parent : key in parent
  if (operation.op === 'test') {
    if (!isDeepStrictEqual(parent[key] ?? null, operation.value ?? null)) throw new PatchRefused(`test ${operation.path}: is ${JSON.stringify(parent[key])}`)
    return
  }
  if (operation.op !== 'add' && !present) throw new PatchRefused(`${operation.op} ${operation.path}: is absent`)
  const value = structuredClone(operation.value)
  if (operation.op === 'remove') Array.isArray(parent) ? parent.splice(Number(key), 1) : delete parent[key]
  else if (operation.op === 'add' && Array.isArray(parent)) parent.splice(key === '-' ? parent.length : Number(key), 0, value)
  else parent[key] = value
}
