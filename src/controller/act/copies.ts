/** Copies of tracked ConfigMaps and Secrets. What they hold passes through here, into the API server and nowhere else. */
import { configId } from '../../revision/config-refs.ts'
import { copiesPendingAnnotation, trackedConfigAnnotation } from '../../revision/marks.ts'
import { absent, contentDigest, copyName, copyOf, trackedIn, type TrackedRecord } from '../../revision/tracked.ts'
import type { Failure } from '../../kube/api.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import { recordsNow } from '../observe/tracked.ts'
import { isOurs, type Scope } from '../observe/scope.ts'
import { configResources } from '../originals.ts'
import { type ActResult, refused, unchanged, type Writer } from './writer.ts'

/** Originals by id (`ConfigMap/app`). */
type Originals = ReadonlyMap<string, KubeObject>
type Gathered = { readonly ok: true; readonly records: readonly TrackedRecord[]; readonly originals: Originals } | Failure

/** What a new revision begins with: the content that this very pass saw, or Conflict. */
export async function gather(writer: Writer, scope: Scope, revision: string): Promise<Gathered> {
  const records = recordsNow(scope.tracked)
  if (!records) return refused('NotFound', `what ${revision} has to be given a copy of is not there, or was not read`)
  const named = records.map((record) => ({ ...record, copy: copyName(revision, record, writer.context.now) }))
  const originals = await read(writer, scope, named)
  return originals.ok ? { ok: true, records: named, originals: originals.originals } : originals
}

/** Makes every copy that the revision lacks. One that is there is left: it is immutable, and its name was given to this revision alone. */
export async function makeCopies(writer: Writer, { name: rollout }: Scope, revision: KubeObject, originals: Originals): Promise<ActResult> {
  for (const record of trackedIn(revision)) {
    const original = originals.get(configId(record))
    const copy = original && copyOf(original, record, revision, rollout)
    if (!copy) continue
    const answer = await writer.api.create(configResources[record.kind], copy)
    if (answer.ok) {
      if (record.kind === 'ConfigMap') writer.context.applied('ConfigMap', answer.value)
    } else if (answer.reason !== 'AlreadyExists') return said(answer, `${record.kind} ${record.name} could not be copied for ${revision.metadata.name}`)
  }
  return { ok: true, wrote: true }
}

/** Copies that a stop left unmade, or that somebody deleted. */
export async function keepCopies(writer: Writer, scope: Scope, name: string): Promise<ActResult> {
  const present = scope.revisions.find((candidate) => candidate.metadata.name === name)
  if (!present || !isOurs(present, scope.name)) return unchanged
  const found = await read(writer, scope, trackedIn(present).filter(({ copy }) => copy !== undefined))
  if (!found.ok) return found
  const made = await makeCopies(writer, scope, present, found.originals)
  return made.ok ? await settleCopies(writer, present) : made
}
/** From here on pods may start. */
async function settleCopies(writer: Writer, { metadata }: KubeObject): Promise<ActResult> {
  if (metadata.annotations?.[copiesPendingAnnotation] === undefined) return { ok: true, wrote: true }
  const same = { uid: metadata.uid, annotations: { [copiesPendingAnnotation]: null, [trackedConfigAnnotation]: metadata.annotations[trackedConfigAnnotation] } }
  const answer = await writer.patch('Deployment', { apiVersion: 'apps/v1', kind: 'Deployment', metadata }, { metadata: same })
  return answer.ok ? { ok: true, wrote: true } : answer
}

/** The originals, each still with the content that its record names and this pass saw. */
async function read(writer: Writer, { namespace, tracked }: Scope, records: readonly TrackedRecord[]): Promise<{ readonly ok: true; readonly originals: Originals } | Failure> {
  const originals = new Map<string, KubeObject>()
  for (const record of records) {
    const { kind, name, digest } = record
    const seen = tracked.find((one) => configId(one) === configId(record))?.content
    const answer = await writer.api.get(configResources[kind], namespace, name)
    if (!answer.ok && answer.reason === 'NotFound' && digest === absent) continue
    if (!answer.ok) return said(answer, `${kind} ${name} could not be read`)
    const same = seen?.state === 'Known' && seen.digest === digest && seen.plain === contentDigest(answer.value)
    if (!same) return refused('Conflict', `${kind} ${name} has changed since it was seen`)
    originals.set(configId(record), answer.value)
  }
  return { ok: true, originals }
}
/** Only the API server's word for it: its sentence may quote the object. */
function said(failure: Failure, what: string): Failure {
  return { ...failure, message: `${what} (${failure.reason})` }
}
