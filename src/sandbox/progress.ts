/** Status of a Deployment as its controller writes it: counts (zeros left out), Available and Progressing. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import { timestamp } from './writes.ts'

export interface Counts {
  readonly total: number
  readonly updated: number
  readonly ready: number
  readonly available: number
}
/** What a controller remembers of a Deployment between two passes. */
export interface Progress {
  readonly hash: string
  /** The template of that hash: a paused Deployment goes on making pods of it. */
  readonly template: unknown
  /** Number in `deployment.kubernetes.io/revision`. */
  readonly revision: number
  readonly signature: string
  /** Unix ms of the last step forward. */
  readonly at: number
}

/** `current` is the template that pods are made of now; `before` what the pass before returned as `progress`. Look again in `wakeInMs`. */
export function deploymentStatus(
  deployment: KubeObject,
  counts: Counts,
  current: Pick<Progress, 'hash' | 'template'>,
  before: Progress | undefined,
  now: number,
): { readonly status: object; readonly progress: Progress; readonly wakeInMs?: number } {
  const wanted: number = deployment.spec.replicas
  const { hash } = current
  const signature = `${hash}/${wanted}/${counts.updated}/${counts.ready}/${counts.available}/${counts.total}`
  const known = Number(deployment.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0)
  const revision = before?.hash === hash ? before.revision : before ? before.revision + 1 : known || 1
  const progress: Progress = before?.signature === signature ? before : { ...current, revision, signature, at: now }
  const complete = counts.updated === wanted && counts.available === wanted && counts.total === wanted
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000
  const late = !complete && !deployment.spec.paused && now - progress.at >= deadlineMs
  const enough = counts.available >= wanted - allowedMissing(deployment, wanted)
  const conditions = [
    condition(
      deployment,
      'Available',
      enough,
      enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      `Deployment ${enough ? 'has' : 'does not have'} minimum availability.`,
      now,
    ),
    condition(
      deployment,
      'Progressing',
      !late,
      late ? 'ProgressDeadlineExceeded' : complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
      `Pods of "${deployment.metadata.name}-${hash}" ${late ? 'have timed out progressing.' : complete ? 'have successfully progressed.' : 'are progressing.'}`,
      now,
    ),
  ]
  const numbers = {
    replicas: counts.total,
    updatedReplicas: counts.updated,
    readyReplicas: counts.ready,
    availableReplicas: counts.available,
    unavailableReplicas: Math.max(0, Math.max(wanted, counts.total) - counts.available),
  }
  const shown = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value > 0))
  const status = { observedGeneration: deployment.metadata.generation, ...shown, conditions }
  return { status, progress, ...(!complete && !late && { wakeInMs: Math.max(1, progress.at + deadlineMs - now) }) }
}

function allowedMissing(deployment: KubeObject, wanted: number): number {
  const value = deployment.spec.strategy.rollingUpdate?.maxUnavailable
  return typeof value === 'number' ? value : Math.floor((Number.parseFloat(value ?? '0') / 100) * wanted)
}

function condition(deployment: KubeObject, type: string, value: boolean, reason: string, message: string, now: number): object {
  const status = value ? 'True' : 'False'
  const before = (deployment.status?.conditions ?? []).find((candidate: { type: string }) => candidate.type === type)
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(now)
  const lastUpdateTime = before?.status === status && before.reason === reason ? before.lastUpdateTime : timestamp(now)
  return { type, status, reason, message, lastTransitionTime, lastUpdateTime }
}
