/** The Rollout itself, and the requests of people. */
import { trafficFinalizer } from '../../revision/marks.ts'
import type { Action } from '../../rollout/actions.ts'
import { iso } from '../../rollout/duration.ts'
import type { RequestStatus } from '../../rollout/schema.ts'
import type { Raw } from '../observe.ts'
import { requestsSeen } from '../observe/requests.ts'
import { type ActResult, done, sameObject, unchanged, type Writer } from './writer.ts'

type Of<T extends Action['type']> = Extract<Action, { type: T }>

/** spec.replicas, if it is what was seen. Not through /scale: there an absent count has no value that could be tested (reasons.md 9). */
export async function writeReplicas(writer: Writer, { scope }: Raw, { replicas }: Of<'WriteReplicas'>): Promise<ActResult> {
  const { rollout } = scope
  const seen: number | undefined = rollout.spec?.replicas
  if (seen === replicas) return unchanged
  return done(await writer.patch('Rollout', rollout, [
    ...sameObject(rollout),
    { op: 'test', path: '/spec/replicas', value: seen ?? null },
    { op: 'add', path: '/spec/replicas', value: replicas },
  ]))
}

export async function setFinalizer(writer: Writer, { scope }: Raw, { present }: Of<'SetFinalizer'>): Promise<ActResult> {
  const { rollout } = scope
  const seen = rollout.metadata.finalizers ?? []
  if (seen.includes(trafficFinalizer) === present) return unchanged
  const wanted = present ? [...seen, trafficFinalizer] : seen.filter((finalizer) => finalizer !== trafficFinalizer)
  const answer = await writer.patch('Rollout', rollout, [
    ...sameObject(rollout),
    { op: 'test', path: '/metadata/finalizers', value: rollout.metadata.finalizers ?? null },
    { op: 'add', path: '/metadata/finalizers', value: wanted },
  ])
  // The last finalizer of a deleted Rollout: it is gone with the answer, and the cache must not get it back.
  if (answer.ok && rollout.metadata.deletionTimestamp !== undefined && wanted.length === 0) writer.context.removed('Rollout', rollout)
  return done(answer)
}

/** The answer in the request's status, once: a request that has one is left alone. */
export async function answerRequest(writer: Writer, { scope }: Raw, { name, uid, state, message }: Of<'AnswerRequest'>): Promise<ActResult> {
  const request = scope.world.get('RolloutRequest', scope.namespace, name)
  if (!request || request.metadata.uid !== uid || request.status?.state !== undefined) return unchanged
  const verified = requestsSeen(scope).find((candidate) => candidate.uid === uid)?.verified ?? false
  const status: RequestStatus = { state, message, at: iso(writer.context.now), verified }
  const answer = await writer.patchSubresource('RolloutRequest', request, 'status', [
    ...sameObject(request),
    { op: 'test', path: '/status', value: request.status ?? null },
    { op: 'add', path: '/status', value: status },
  ])
  if (answer.ok) writer.context.applied('RolloutRequest', answer.value)
  return done(answer)
}

export async function deleteRequest(writer: Writer, { name, uid }: Of<'DeleteRequest'>, { scope }: Raw): Promise<ActResult> {
  const request = scope.world.get('RolloutRequest', scope.namespace, name)
  return request && request.metadata.uid === uid ? await writer.delete('RolloutRequest', request) : unchanged
}
