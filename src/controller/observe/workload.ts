/** The user's Deployment and the revisions of it, in the words of the domain. */
import { commitOf } from '../../revision/deployment.ts'
import { commitAnnotation, sentAnnotation } from '../../revision/marks.ts'
import { revisionName } from '../../revision/naming.ts'
import { readinessOf } from '../../revision/readiness.ts'
import { imagesOf, sameRevision, sameTemplate } from '../../revision/template.ts'
import { changedContent } from '../../revision/tracked.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { RevisionSeen, Seen, WorkloadSeen } from '../../rollout/seen.ts'
import { lastWriter, type Writer } from '../../kube/writers.ts'
import { isGitOps } from '../world.ts'
import { troubleOf } from './pods.ts'
import { isOurs, type Scope, timeOf } from './scope.ts'
import { stableRevision } from './stable.ts'
import { digestNow, isPending, isUnread, recordsNow, trackedUpkeep } from './tracked.ts'

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
    generation: generationSeen(scope, workload),
    templateRevision,
    images: imagesOf(workload),
    ...(commit ? { commit } : {}),
    ...changedConfig(scope, workload),
    ...(recordsNow(scope.tracked) ? {} : { configUnknown: true }),
    replicas,
    ready,
    ...(writer ? { replicasWriter: { manager: writer.manager, gitOps: isGitOps(writer.manager), ...(isDefault(workload, writer) ? { byDefault: true } : {}), ...(writer.at === undefined ? {} : { at: writer.at }) } } : {}),
  }
}

/** Programs that send whole manifests: a count of 1 by them may be what the API server makes of none, as when the line was taken out. */
const sendManifests = ['kubectl-client-side-apply', 'kubectl-create', 'kubectl-replace']
const isDefault = ({ spec }: KubeObject, { manager, subresource }: Writer): boolean =>
  spec?.replicas === 1 && subresource === undefined && sendManifests.includes(manager)

/** A template whose configuration was not read yet has not been looked at: whoever waits for this generation goes on waiting. */
function generationSeen({ tracked, rollout }: Scope, { metadata }: KubeObject): number {
  const { generation = 0 } = metadata
  const before: unknown = rollout.status?.observedWorkloadGeneration
  return isUnread(tracked) && typeof before === 'number' ? Math.min(before, generation) : generation
}
/** What differs from stable where the template does not. */
function changedConfig(scope: Scope, workload: KubeObject): { readonly changedConfig?: readonly string[] } {
  const stable = stableRevision(scope)
  if (scope.tracked.length === 0 || !stable || !sameTemplate(workload, stable)) return {}
  const changed = changedContent(stable, scope.tracked.map(digestNow)).map(({ kind, name }) => `${kind} ${name}`)
  return changed.length > 0 ? { changedConfig: changed } : {}
}

/**
 * The revision that the live template and its tracked configuration are: an equal one, stable before any other, else the name that it will get. A name that
 * an unequal revision has gets a suffix; one that a foreign object has stays, and is told as NameTaken. While some configuration is not known, it is what it was.
 */
export function templateRevision(scope: Scope): string | undefined {
  const { workload, revisions, tracked, name, namespace, world } = scope
  if (!workload) return undefined
  const now = tracked.map(digestNow)
  const equal = revisions.filter((revision) => sameRevision(workload, revision, now)).map((revision) => revision.metadata.name)
  const status: Partial<RolloutStatus> = scope.rollout.status ?? {}
  const stable = stableRevision(scope)?.metadata.name
  const known = now.every(({ digest }) => digest !== undefined)
  const before = known ? undefined : (status.canary?.revision ?? (status.phase === 'RolledBack' ? status.failed?.[0]?.revision : undefined))
  if (before !== undefined && (equal.includes(before) || isUnread(tracked))) return before
  if (stable !== undefined && (equal.includes(stable) || isUnread(tracked))) return stable
  const taken = (candidate: string) => {
    const holder = world.get('Deployment', namespace, candidate)
    return holder !== undefined && isOurs(holder, name)
  }
  return equal[0] ?? revisionName(workload, taken, recordsNow(tracked))
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
    ...(isPending(deployment) ? { pending: true } : {}),
    terminating: deployment.metadata.deletionTimestamp !== undefined,
  }
}

/** Revisions without their owner (the Deployment was re-created), or whose difference to what was sent is not written down yet. */
export function revisionUpkeep(scope: Scope): Seen['upkeep'] {
  const { workload } = scope
  if (!workload) return []
  const unsettled = (revision: KubeObject) => revision.metadata.annotations?.[sentAnnotation] !== undefined && sameRevision(workload, revision)
  const out = scope.revisions.filter((revision) => !isOwned(revision, workload) || unsettled(revision))
  const own = out.map((revision) => ({ key: `Revision/${revision.metadata.name}`, what: 'Revision' as const }))
  return [...own, ...trackedUpkeep(scope).filter(({ key }) => !own.some((one) => one.key === key))]
}

/** Whether the garbage collector would take the object along with this very Deployment. */
export function isOwned(object: KubeObject, workload: KubeObject): boolean {
  return (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === workload.metadata.uid)
}
