/** The mark that closes a route to a revision: `sluice.dev/closed-to: <revision>@<sequence>`. Pure. */
import type { JsonPatchOp, KubeObject } from '../rollout/objects.ts'
import { pointer } from './json.ts'
import { closedToAnnotation, type SplitChange } from './router.ts'

const path = pointer(['metadata', 'annotations', closedToAnnotation])

/** What the annotation says; undefined where it is absent, or was written by somebody in another form and so names no journey. */
export function closedTo(object: KubeObject): { revision: string; sequence: number } | undefined {
  const match = /^(.+)@(\d{1,16})$/.exec(String(object.metadata.annotations?.[closedToAnnotation] ?? ''))
  return match ? { revision: match[1]!, sequence: Number(match[2]) } : undefined
}

/**
 * The annotation's part of a patch: a test of its present value (of the whole map's absence where there is no annotation at all, since Kubernetes refuses
 * to add below a missing map), and the change. `test … null` is how Kubernetes' JSON patch says "absent".
 */
export function closedToPatch(object: KubeObject, change: SplitChange['closedTo']): { readonly test: JsonPatchOp; readonly changes: readonly JsonPatchOp[] } {
  const { annotations } = object.metadata
  const present = annotations?.[closedToAnnotation]
  const test: JsonPatchOp = annotations ? { op: 'test', path, value: present ?? null } : { op: 'test', path: '/metadata/annotations', value: null }
  if (change === undefined) return { test, changes: [] }
  if (change === 'Remove') return { test, changes: present === undefined ? [] : [{ op: 'remove', path }] }
  const value = `${change.revision}@${change.sequence}`
  if (present === value) return { test, changes: [] }
  if (!annotations) return { test, changes: [{ op: 'add', path: '/metadata/annotations', value: { [closedToAnnotation]: value } }] }
  return { test, changes: [{ op: present === undefined ? 'add' : 'replace', path, value }] }
}
