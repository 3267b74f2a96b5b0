/** Pods and Deployments that will not get ready by waiting. */
import { revisionLabel } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { RevisionSeen } from '../../rollout/seen.ts'
import type { World } from '../world.ts'

export type Trouble = NonNullable<RevisionSeen['trouble']>

/** Reasons of a waiting container that no time cures; the container is there to be described only. */
const stuck = [
  'ImagePullBackOff', 'ErrImagePull', 'InvalidImageName', 'ErrImageNeverPull',
  'CreateContainerConfigError', 'CreateContainerError', 'RunContainerError',
]

/** The worst that the pods of a revision, or its Deployment, say about it; a crash before anything else. */
export function troubleOf(world: World, deployment: KubeObject): Trouble | undefined {
  const { namespace = '', name } = deployment.metadata
  const pods = world.list('Pod', namespace, { [revisionLabel]: name }).filter((pod) => pod.metadata.deletionTimestamp === undefined)
  const troubles = pods.flatMap(podTrouble)
  return troubles.find((trouble) => trouble.crash) ?? troubles[0] ?? deploymentTrouble(deployment)
}

/** What a Deployment itself reports: pods that may not be created (quota, admission), or no progress. */
export function deploymentTrouble(deployment: KubeObject): Trouble | undefined {
  const conditions: { type: string; status: string; reason?: string; message?: string }[] = deployment.status?.conditions ?? []
  const failure = conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  return failure && { reason: failure.reason ?? 'ReplicaFailure', message: failure.message ?? '', crash: false }
}

function podTrouble(pod: KubeObject): Trouble[] {
  const { conditions = [], containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {}
  const scheduled = conditions.find((condition: { type: string }) => condition.type === 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return [{ reason: 'Unschedulable', message: `pod ${pod.metadata.name}: ${scheduled.message ?? 'no node takes it'}`, crash: false }]
  }
  return [...initContainerStatuses, ...containerStatuses].flatMap((container) => containerTrouble(pod.metadata.name, container))
}

function containerTrouble(pod: string, container: any): Trouble[] {
  const { waiting, terminated } = container.state ?? {}
  const where = `pod ${pod}, container ${container.name}`
  if (waiting?.reason === 'CrashLoopBackOff') {
    return [{ reason: 'CrashLoopBackOff', message: `${where}: ${exitOf(container) ?? waiting.message ?? 'crashes again and again'}`, crash: true }]
  }
  if (stuck.includes(waiting?.reason)) return [{ reason: waiting.reason, message: `${where}: ${waiting.message ?? waiting.reason}`, crash: false }]
  // Between two restarts: the back-off has not begun, but the container has crashed before.
  const crashed = terminated && terminated.exitCode !== 0 && container.restartCount > 0
  return crashed ? [{ reason: terminated.reason ?? 'Error', message: `${where}: ${exitOf(container) ?? 'crashed'}`, crash: true }] : []
}

function exitOf(container: any): string | undefined {
  const last = container.state?.terminated ?? container.lastState?.terminated
  return last && `exit code ${last.exitCode}${last.reason ? ` (${last.reason})` : ''}, ${container.restartCount ?? 0} restarts`
}
