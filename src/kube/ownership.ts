/**
 * After a write to somebody else's object the API server records us as the owner of what we wrote, for VirtualServices of the whole route list. The owner's next
 * server-side apply would then conflict with us, or be overridden without a word. So our entry is dropped again by a second patch, which changes nothing else.
 */
import type { CallOptions, KubeApi, Result } from './api.ts'
import { fieldManager } from './client.ts'
import type { JsonPatchOp, KubeObject, ManagedFieldsEntry, Resource } from '../rollout/objects.ts'

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

/** JSON patch that removes our entries, each after a test that it is ours; empty where there is none. */
export function dropPatch(entries: readonly ManagedFieldsEntry[], manager: string): readonly JsonPatchOp[] {
  const ours = entries.flatMap((entry, index) => (entry.manager === manager ? [index] : []))
  const test = (index: number): JsonPatchOp => ({ op: 'test', path: `/metadata/managedFields/${index}/manager`, value: manager })
  // An empty list would be filled again by the API server; a list of one empty entry clears it. The test is of the whole list: nobody else's new entry may go with ours.
  if (ours.length > 0 && ours.length === entries.length) {
    const path = '/metadata/managedFields'
    return [{ op: 'test', path, value: entries }, { op: 'replace', path, value: [{}] }]
  }
  // From the end, so that the indexes before stay what they are.
  return ours.toReversed().flatMap((index): JsonPatchOp[] => [test(index), { op: 'remove', path: `/metadata/managedFields/${index}` }])
}
