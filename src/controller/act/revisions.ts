/** Revisions and the user's Deployment: created, scaled, deleted. */
import { revisionDeployment, settledAnnotations } from '../../revision/deployment.ts'
import { memoryOf } from '../../revision/door.ts'
import { copiesPendingAnnotation } from '../../revision/marks.ts'
import type { Action } from '../../rollout/actions.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { Raw } from '../observe.ts'
import { isOurs } from '../observe/scope.ts'
import { templateRevision } from '../observe/workload.ts'
import { gather, makeCopies } from './copies.ts'
import { type ActResult, done, refused, sameObject, unchanged, unchangedSince, type Writer } from './writer.ts'

type Of<T extends Action['type']> = Extract<Action, { type: T }>

/**
 * Creates the revision from the template as this pass saw it, then its copies of configuration, then writes down what webhooks made of it. Without its copies
 * it has no pods. A stop in between is mended by upkeep.
 */
export async function createRevision(writer: Writer, { scope }: Raw, { revision, replicas }: Of<'CreateRevision'>): Promise<ActResult> {
  const { workload } = scope
  if (!workload) return refused('NotFound', `Deployment ${scope.plan.workload} does not exist, so revision ${revision} cannot be made`)
  // Under the name of a revision only its own template may run: for another one the name would lie about what is proven.
  const template = templateRevision(scope)
  if (template !== revision) return refused('NotFound', `the template of Deployment ${scope.plan.workload} is ${template}, so revision ${revision} cannot be made of it`)
  const gathered = await gather(writer, scope, revision)
  if (!gathered.ok) return gathered
  const wanted = revisionDeployment({ workload, rollout: scope.name, revision, replicas, memory: memoryOf(scope.spec), tracked: gathered.records })
  const created = await writer.create('Deployment', wanted)
  if (!created.ok) return created
  const { uid } = created.value.metadata
  const copied = await makeCopies(writer, scope, created.value, gathered.originals)
  const settled = { ...settledAnnotations(workload, created.value), ...(copied.ok ? { [copiesPendingAnnotation]: null } : {}) }
  await writer.patch('Deployment', created.value, { metadata: { uid, annotations: settled } })
  return copied.ok ? { ok: true, wrote: true } : copied
}

/** Fewer pods only of exactly what was seen: somebody who woke late must not drain what serves by now. More pods harm nobody. */
export async function scaleRevision(writer: Writer, { scope }: Raw, { revision, replicas }: Of<'Scale'>): Promise<ActResult> {
  const present = scope.revisions.find((candidate) => candidate.metadata.name === revision)
  if (!present) return refused('NotFound', `revision ${revision} does not exist`)
  const seen: number = present.spec?.replicas ?? 1
  if (seen === replicas) return unchanged
  const same = replicas < seen ? unchangedSince(present) : sameObject(present)
  return done(await writer.patch('Deployment', present, [
    ...same,
    { op: 'test', path: '/spec/replicas', value: seen },
    { op: 'replace', path: '/spec/replicas', value: replicas },
  ]))
}

export async function deleteRevision(writer: Writer, { scope }: Raw, { revision }: Of<'DeleteRevision'>): Promise<ActResult> {
  const present = scope.revisions.find((candidate) => candidate.metadata.name === revision)
  if (!present) return unchanged
  if (!isOurs(present, scope.name)) return refused('Invalid', `Deployment ${revision} is not ours to delete`)
  return await writer.delete('Deployment', present)
}

/**
 * The user's Deployment through /scale, if nothing of it has changed since it was seen. Not by a test of the count: a Scale may leave out a zero.
 * The answer is a Scale; the cache gets the count from it.
 */
export async function scaleWorkload(writer: Writer, { scope }: Raw, { replicas }: Of<'ScaleWorkload'>): Promise<ActResult> {
  const { workload } = scope
  if (!workload) return refused('NotFound', `Deployment ${scope.plan.workload} does not exist`)
  if ((workload.spec?.replicas ?? 1) === replicas) return unchanged
  const patch = [...unchangedSince(workload), { op: 'add' as const, path: '/spec/replicas', value: replicas }]
  const answer = await writer.patchSubresource('Deployment', workload, 'scale', patch)
  if (!answer.ok) return answer
  writer.context.applied('Deployment', scaledTo(workload, answer.value, replicas))
  return { ok: true, wrote: true, afterwards: writer.disowning('Deployment', workload) }
}

/** The cached object as the Scale says it is now, until the watch brings the whole one. */
function scaledTo(object: KubeObject, scale: KubeObject, replicas: number): KubeObject {
  const { resourceVersion = object.metadata.resourceVersion } = scale.metadata
  return { ...object, metadata: { ...object.metadata, ...(resourceVersion ? { resourceVersion } : {}) }, spec: { ...object.spec, replicas } }
}
