/** How a pod of the embedded cluster behaves, and what its status therefore is at a moment. Pure. */
import { createHash } from 'node:crypto'
import type { KubeObject } from '../rollout/objects.ts'
import { timestamp } from './writes.ts'

/** On the pod template: one of `behaviourNames`. On a pod: `sandbox.sluice.dev/ready: "false"` takes its readiness away until removed. */
export const behaviourAnnotation = 'sandbox.sluice.dev/behaviour'
export const readyAnnotation = 'sandbox.sluice.dev/ready'

/** A pod's life in simulated milliseconds after its creation; unset: the cluster's defaults. */
export interface Behaviour {
  /** Its container starts. */
  readonly startMs?: number
  /** It becomes ready. */
  readonly readyMs?: number
  /** It dies that long after each start; a pod that was ready is not any more. */
  readonly crashMs?: number
  /** What keeps it from starting or from getting ready. */
  readonly trouble?: 'NeverReady' | 'ImagePullBackOff' | 'CreateContainerConfigError' | 'Unschedulable' | 'UnknownBehaviour'
}

const named: Readonly<Record<string, Behaviour>> = {
  normal: {},
  slow: { readyMs: 60_000 },
  crash: { crashMs: 1000, readyMs: Infinity },
  'crash-later': { crashMs: 60_000 },
  'never-ready': { trouble: 'NeverReady' },
  'image-pull-error': { trouble: 'ImagePullBackOff' },
  'config-error': { trouble: 'CreateContainerConfigError' },
  unschedulable: { trouble: 'Unschedulable' },
}
/** The names that the annotation, or the end of an image tag (`shop:v2-crash`), may have. */
export const behaviourNames: readonly string[] = Object.keys(named)

/** From the annotation, else from the end of an image tag. An unknown name in the annotation keeps the pod pending and says so. */
export function behaviourOf(pod: KubeObject): Behaviour {
  const wanted = pod.metadata.annotations?.[behaviourAnnotation]
  if (wanted !== undefined) return named[wanted] ?? { trouble: 'UnknownBehaviour' }
  const images: string[] = (pod.spec.containers ?? []).map((container: { image: string }) => container.image)
  const name = behaviourNames.find((candidate) => images.some((image) => image.endsWith(`-${candidate}`) || image.endsWith(`:${candidate}`)))
  return name ? named[name]! : {}
}

export interface Timing {
  readonly startMs: number
  readonly readyMs: number
}
/** Status of a pod and when to look again; `bound`: it has a node. */
export interface PodMoment {
  readonly bound: boolean
  readonly status: object
  readonly wakeInMs?: number
}

/** Kubernetes' back-off between crashes: 10 s, doubled up to five minutes. */
const backOffMs = (crashes: number): number => Math.min(300_000, 10_000 * 2 ** (crashes - 1))

/** The pod at `age` ms after it was first seen. `ip` is the address it has once it is bound; `now` is Unix ms. */
export function podAt(pod: KubeObject, behaviour: Behaviour, timing: Timing, age: number, ip: string, now: number): PodMoment {
  const startMs = behaviour.startMs ?? timing.startMs
  const readyMs = Math.max(behaviour.readyMs ?? timing.readyMs, startMs)
  const { trouble } = behaviour
  if (trouble === 'Unschedulable' || trouble === 'UnknownBehaviour') {
    const message =
      trouble === 'Unschedulable'
        ? '0/1 nodes are available: 1 Insufficient cpu.'
        : `annotation ${behaviourAnnotation}: "${pod.metadata.annotations?.[behaviourAnnotation]}" is none of ${behaviourNames.join(', ')}`
    return { bound: false, status: { phase: 'Pending', conditions: conditions(pod, { PodScheduled: false }, now, trouble, message), qosClass: 'BestEffort' } }
  }
  if (trouble === 'ImagePullBackOff' || trouble === 'CreateContainerConfigError') return stuck(pod, trouble, ip, now)
  if (age < startMs) return { ...stuck(pod, 'ContainerCreating', ip, now), wakeInMs: startMs - age }
  if (behaviour.crashMs !== undefined) return crashing(pod, behaviour.crashMs, startMs, readyMs, age, ip, now)
  const held = pod.metadata.annotations?.[readyAnnotation] === 'false' || trouble === 'NeverReady'
  const ready = age >= readyMs && !held
  const moment = running(pod, ready, 0, ip, now)
  return !held && age < readyMs ? { ...moment, wakeInMs: readyMs - age } : moment
}

function crashing(pod: KubeObject, crashMs: number, startMs: number, readyMs: number, age: number, ip: string, now: number): PodMoment {
  let start = startMs
  for (let crashes = 0; ; crashes++) {
    const death = start + crashMs
    const becomesReady = start + (readyMs - startMs)
    const ready = age >= becomesReady && pod.metadata.annotations?.[readyAnnotation] !== 'false'
    if (age < death) return { ...running(pod, ready, crashes, ip, now), wakeInMs: age < becomesReady ? Math.min(death, becomesReady) - age : death - age }
    start = death + backOffMs(crashes + 1)
    if (age < start) return { ...stuck(pod, 'CrashLoopBackOff', ip, now, crashes + 1), wakeInMs: start - age }
  }
}

const messages: Readonly<Record<string, string>> = {
  CrashLoopBackOff: 'back-off restarting failed container',
  ImagePullBackOff: 'Back-off pulling image',
  CreateContainerConfigError: 'configmap "missing" not found',
}

function stuck(pod: KubeObject, reason: string, ip: string, now: number, restartCount = 0): PodMoment {
  const message = messages[reason]
  const crashed = reason === 'CrashLoopBackOff'
  const state = { waiting: { reason, ...(message && { message: `${message}${reason === 'ImagePullBackOff' ? ` "${pod.spec.containers[0].image}"` : ''}` }) } }
  const last = crashed ? { terminated: { exitCode: 1, reason: 'Error' } } : {}
  return { bound: true, status: status(pod, crashed ? 'Running' : 'Pending', false, { state, lastState: last, restartCount }, ip, now) }
}

function running(pod: KubeObject, ready: boolean, restartCount: number, ip: string, now: number): PodMoment {
  const before = pod.status?.containerStatuses?.[0]
  const startedAt = before?.restartCount === restartCount && before.state?.running?.startedAt ? before.state.running.startedAt : timestamp(now)
  return {
    bound: true,
    status: status(pod, 'Running', ready, { state: { running: { startedAt } }, lastState: before?.lastState ?? {}, restartCount }, ip, now),
  }
}

function status(
  pod: KubeObject,
  phase: string,
  ready: boolean,
  container: { state: object; lastState: object; restartCount: number },
  ip: string,
  now: number,
): object {
  const started = 'running' in container.state
  const why = ready
    ? []
    : (['ContainersNotReady', `containers with unready status: [${pod.spec.containers.map((item: { name: string }) => item.name).join(' ')}]`] as const)
  return {
    phase,
    conditions: conditions(pod, { PodScheduled: true, Initialized: true, ContainersReady: ready, Ready: ready }, now, ...why),
    hostIP: '192.168.0.10',
    podIP: ip,
    podIPs: [{ ip }],
    startTime: pod.status?.startTime ?? timestamp(now),
    containerStatuses: pod.spec.containers.map((item: { name: string; image: string }) => ({
      name: item.name,
      image: item.image,
      imageID: item.image.includes('@') ? item.image : `${item.image.replace(/:[^:/]*$/, '')}@sha256:${createHash('sha256').update(item.image).digest('hex')}`,
      ready,
      started,
      ...container,
    })),
    qosClass: 'BestEffort',
  }
}

function conditions(pod: KubeObject, wanted: Record<string, boolean>, now: number, reason?: string, message?: string): object[] {
  return Object.entries(wanted).map(([type, value]) => {
    const status = value ? 'True' : 'False'
    const before = (pod.status?.conditions ?? []).find((condition: { type: string; status: string }) => condition.type === type && condition.status === status)
    return { type, status, lastTransitionTime: before?.lastTransitionTime ?? timestamp(now), ...(!value && reason && { reason, message }) }
  })
}
