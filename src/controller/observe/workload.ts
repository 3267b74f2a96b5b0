/** The user's Deployment and the revisions of it, in the words of the domain. */
import { commitOf } from '../../revision/deployment.ts'
import { commitAnnotation, sentAnnotation } from '../../revision/marks.ts'
import { revisionName } from '../../revision/naming.ts'
import { readinessOf } from '../../revision/readiness.ts'
import { imagesOf, sameRevision } from '../../revision/template.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RevisionSeen, Seen, WorkloadSeen } from '../../rollout/seen.ts'
import { lastWriter, type Writer } from '../../kube/writers.ts'
import { isGitOps } from '../world.ts'
import { troubleOf } from './pods.ts'
import { isOurs, type Scope, timeOf } from './scope.ts'

/** The Deployment whose template makes revisions. `templateRevision` names the arm in backends mode. */
export function workloadSeen(scope: Scope, templateRevision: string | undefined): WorkloadSeen {
  const { plan, workload } = scope
  if (plan.workload === undefined) return { state: 'None' }
  if (!workload || templateRevision === undefined) return { state: 'Missing' }
  const { replicas, ready } = readinessOf(workload)
  const commit = commitOf(workload)
  const writer = lastWriter(workload, 'f:spec/f:replicas')
  return {
    state: 'Present',
    generation: workload.metadata.generation ?? 0,
    templateRevision,
    images: imagesOf(workload),
    ...(commit ? { commit } : {}),
    replicas,
    ready,
    ...(writer ? { replicasWriter: { manager: writer.manager, gitOps: isGitOps(writer.manager), ...(isDefault(workload, writer) ? { byDefault: true } : {}), ...(writer.at === undefined ? {} : { at: writer.at }) } } : {}),
  }
}

/** Programs that send whole manifests: a count of 1 by them may be what the API server makes of none, as when the line was taken out. */
const sendManifests = ['kubectl-client-side-apply', 'kubectl-create', 'kubectl-replace']
const isDefault = ({ spec }: KubeObject, { manager, subresource }: Writer): boolean =>
  spec?.replicas === 1 && subresource === undefined && sendManifests.includes(manager)

/**
 * The revision that the live template is: one of equal template, stable before any other, else the name that it will get. A name that a revision of
 * another template has gets a suffix; one that a foreign object has stays, and is told as NameTaken.
 */
export function templateRevision(scope: Scope): string | undefined {
  const { workload, revisions, rollout, name, namespace, world } = scope
  if (!workload) return undefined
  const equal = revisions.filter((revision) => sameRevision(workload, revision)).map((revision) => revision.metadata.name)
  const stable: string | undefined = rollout.status?.stable?.revision
  if (stable !== undefined && equal.includes(stable)) return stable
  const taken = (candidate: string) => {
    const holder = world.get('Deployment', namespace, candidate)
    return holder !== undefined && isOurs(holder, name)
  }
  return equal[0] ?? revisionName(workload, taken)
}

export function revisionSeen(scope: Scope, deployment: KubeObject): RevisionSeen {
  const trouble = troubleOf(scope.world, deployment)
  const commit = deployment.metadata.annotations?.[commitAnnotation]
  return {
    name: deployment.metadata.name,
    createdAt: timeOf(deployment.metadata.creationTimestamp),
    images: imagesOf(deployment),
    ...(commit ? { commit } : {}),
    ...readinessOf(deployment),
    ...(trouble ? { trouble } : {}),
    terminating: deployment.metadata.deletionTimestamp !== undefined,
  }
}

/** Revisions without their owner (the Deployment was re-created), or whose difference to what was sent is not written down yet. */
export function revisionUpkeep(scope: Scope): Seen['upkeep'] {
  const { workload } = scope
  if (!workload) return []
  const unsettled = (revision: KubeObject) => revision.metadata.annotations?.[sentAnnotation] !== undefined && sameRevision(workload, revision)
  const out = scope.revisions.filter((revision) => !isOwned(revision, workload) || unsettled(revision))
  return out.map((revision) => ({ key: `Revision/${revision.metadata.name}`, what: 'Revision' }))
}

/** Whether the garbage collector would take the object along with this very Deployment. */
export function isOwned(object: KubeObject, workload: KubeObject): boolean {
  return (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === workload.metadata.uid)
}
