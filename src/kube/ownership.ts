/**
 * After a write to somebody else's object the API server records us as the owner of what we wrote, for VirtualServices of the whole route list. The owner's next
 * server-side apply would then conflict with us, or be overridden without a word. So our entry is dropped again by a second patch, which changes nothing else.
 */
import { isDeepStrictEqual } from 'node:util'
import type { CallOptions, KubeApi, Result } from './api.ts'
import { fieldManager } from './client.ts'
import type { JsonPatchOp, KubeObject, ManagedFieldsEntry, Resource } from '../rollout/objects.ts'
import { closedToAnnotation } from '../traffic/router.ts'

const tries = 4

/**
 * Drops our managedFields entries of an object. `object` is the answer of the write: it must still have its managedFields.
 * Value: the object as it is afterwards. TestFailed: others wrote in between, again and again; worth another try later.
 */
export async function dropOwnership(api: KubeApi, resource: Resource, object: KubeObject, options: CallOptions & { readonly manager?: string } = {}): Promise<Result<KubeObject>> {
  const { manager = fieldManager, ...call } = options
  const { namespace, name, uid } = object.metadata
  let current = object
  for (let tried = 1; ; tried++) {
    const patch = dropPatch(current.metadata.managedFields ?? [], manager)
    if (patch.length === 0) return { ok: true, value: current }
    // An object of the same name that is not the one we wrote is none of our business.
    const test: JsonPatchOp[] = uid ? [{ op: 'test', path: '/metadata/uid', value: uid }] : []
    const answer = await api.patch(resource, namespace, name, [...test, ...patch], undefined, call)
    if (answer.ok || (answer.reason !== 'TestFailed' && answer.reason !== 'Conflict') || tried >= tries) return answer
    const read = await api.get(resource, namespace, name, undefined, call)
    if (!read.ok) return read
    if (uid && read.value.metadata.uid !== uid) return answer
    current = read.value
  }
}

/** JSON patch that removes our entries, each after a test that it is ours; empty where there is nothing to drop. */
export function dropPatch(entries: readonly ManagedFieldsEntry[], manager: string): readonly JsonPatchOp[] {
  const ours = entries.flatMap((entry, index) => (entry.manager === manager && !ownsOnlyMark(entry) ? [index] : []))
  if (ours.length === 0) return []
  if (ours.length === entries.length) return [{ op: 'test', path: list, value: entries }, { op: 'replace', path: list, value: [markOnly(entries[ours[0] ?? 0])] }]
  // From the end, so that the indexes before stay what they are.
  return ours.toReversed().flatMap((index): JsonPatchOp[] => [
    { op: 'test', path: `${list}/${index}/manager`, value: manager },
    { op: 'remove', path: `${list}/${index}` },
  ])
}

const list = '/metadata/managedFields'
const mark = { 'f:metadata': { 'f:annotations': { [`f:${closedToAnnotation}`]: {} } } }

/**
 * Without any entry the API server takes all fields for owned by `before-first-apply`, and the owner's next apply conflicts with that (seen with 1.36). So where
 * ours is the only entry it stays, and owns nothing but our one annotation. Whole lists are tested: nobody else's new entry may go with ours.
 */
function markOnly(entry: ManagedFieldsEntry | undefined): ManagedFieldsEntry {
  const { subresource: _, ...rest } = entry ?? {}
  return { ...rest, operation: 'Update', fieldsV1: mark }
}

function ownsOnlyMark({ fieldsV1 }: ManagedFieldsEntry): boolean {
  return fieldsV1 !== undefined && isDeepStrictEqual(fieldsV1, mark)
}
