/** The compare-and-set of the whole status: whoever wins it may raise. procedures.md, commit protocol. */
import { isDeepStrictEqual } from 'node:util'
import type { Failure, KubeApi, Result } from '../kube/api.ts'
import type { JsonPatchOp, KubeObject, Resource } from '../rollout/objects.ts'
import type { RolloutStatus } from '../rollout/schema.ts'

export interface Committing {
  readonly resource: Resource
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** The sequence that this pass saw; undefined where there is no status yet. */
  readonly sequence: number | undefined
}
export type CommitOutcome =
  /** Ours is the status now; `object` is the Rollout as the server has it. */
  | { readonly outcome: 'Won'; readonly object: KubeObject }
  /** Somebody else wrote, or this pass saw an old status. `object` is what is there now, where it could be read. */
  | { readonly outcome: 'Lost'; readonly object?: KubeObject }
  /** The API server takes no such status: a schema of another version, or an admission policy. */
  | { readonly outcome: 'Refused'; readonly message: string }
  /** Nothing is known to be written. */
  | { readonly outcome: 'Failed'; readonly failure: Failure }

/** The longest status in bytes of JSON; every watcher and etcd carry each of them. */
export const longestStatus = 16 * 1024
/** A JSON patch that conflicts inside the server is sent again this often. */
const repetitions = 5

/** Writes `next` if the Rollout still is the one that was seen with the sequence that was seen. Repeats a conflict, reads back after a silence. */
export async function commit(api: KubeApi, seen: Committing, next: RolloutStatus): Promise<CommitOutcome> {
  const { resource, namespace, name } = seen
  const patch = compareAndSet(seen, next)
  let answer: Result<KubeObject> = { ok: false, reason: 'Conflict', message: '' }
  for (let i = 0; i < repetitions && !answer.ok && answer.reason === 'Conflict'; i++) {
    answer = await api.patch(resource, namespace, name, patch, 'status')
  }
  if (answer.ok) return { outcome: 'Won', object: answer.value }
  if (answer.reason === 'Invalid') return { outcome: 'Refused', message: refusal(answer) }
  if (answer.reason === 'NotFound') return { outcome: 'Lost' }
  if (answer.reason !== 'TestFailed' && answer.reason !== 'Timeout' && answer.reason !== 'Unavailable') return { outcome: 'Failed', failure: answer }
  return await readBack(api, seen, next, answer)
}

/** The first write tests that there is no status; every later one tests the sequence. Not the generation: an autoscaler moves it through /scale. */
function compareAndSet(seen: Committing, next: RolloutStatus): readonly JsonPatchOp[] {
  const same: JsonPatchOp = { op: 'test', path: '/metadata/uid', value: seen.uid }
  const value = plain(next)
  if (seen.sequence === undefined) return [same, { op: 'test', path: '/status', value: null }, { op: 'add', path: '/status', value }]
  return [same, { op: 'test', path: '/status/sequence', value: seen.sequence }, { op: 'replace', path: '/status', value }]
}

/** After a lost test or a silence: what is there now? A write whose answer was lost shows as our own. */
async function readBack(api: KubeApi, seen: Committing, next: RolloutStatus, failure: Failure): Promise<CommitOutcome> {
  const now = await api.get(seen.resource, seen.namespace, seen.name)
  if (!now.ok) return failure.reason === 'TestFailed' ? { outcome: 'Lost' } : { outcome: 'Failed', failure }
  const object = now.value
  const status = object.status as RolloutStatus | undefined
  // The writer alone is no proof: an earlier, slower write of ours may have arrived instead of this one.
  const same = object.metadata.uid === seen.uid
  const ours = same && status?.sequence === next.sequence && status.writer === next.writer && isDeepStrictEqual(plain(status), plain(next))
  if (ours) return { outcome: 'Won', object }
  const untouched = same && status?.sequence === seen.sequence
  return untouched && failure.reason !== 'TestFailed' ? { outcome: 'Failed', failure } : { outcome: 'Lost', object }
}

function refusal(failure: Failure): string {
  const causes = (failure.causes ?? []).map(cause => (cause.field === undefined ? cause.message : `${cause.field}: ${cause.message}`))
  return causes.length === 0 ? failure.message : causes.join('; ')
}
/** As it travels: without undefined fields. */
function plain(status: RolloutStatus): unknown {
  return JSON.parse(JSON.stringify(status))
}

/**
 * The status in at most 16 KB of JSON: decisions go first, then history (whose newest entry comes first), then notes, each the oldest first; the newest
 * of each stays.
 */
export function fitted(status: RolloutStatus): RolloutStatus {
  let fit = status
  let size = bytes(fit)
  for (const [field, oldest] of [['decisions', 0], ['history', -1], ['outbox', 0]] as const) {
    while (size > longestStatus && fit[field].length > 1) {
      size -= bytes(fit[field].at(oldest)) + 1
      fit = { ...fit, [field]: oldest === 0 ? fit[field].slice(1) : fit[field].slice(0, -1) }
    }
  }
  if (size <= longestStatus) return fit
  const cut = (_: string, value: unknown) => (typeof value === 'string' && value.length > 500 ? `${value.slice(0, 499)}…` : value)
  return JSON.parse(JSON.stringify(fit, cut)) as RolloutStatus
}
function bytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** What to write where the wanted status was refused: the old one, which the server took before, with the reason in it. */
export function refusedStatus(before: RolloutStatus, message: string, sequence: number, writer: string, now: string): RolloutStatus {
  const text = `The API server refused the status that Sluice wanted to write (${message}). Update the CRDs to this version of Sluice, or change the admission `
    + 'policy that refuses it; traffic can still be taken away.'
  const stalled = { type: 'Stalled', status: 'True' as const, reason: 'StatusRefused', message: text.slice(0, 1000), lastTransitionTime: now }
  const known = before.conditions.find(one => one.type === 'Stalled')
  const condition = known?.status === 'True' && known.reason === 'StatusRefused' ? { ...stalled, lastTransitionTime: known.lastTransitionTime } : stalled
  return { ...before, sequence, writer, message: condition.message, conditions: [...before.conditions.filter(one => one.type !== 'Stalled'), condition] }
}
