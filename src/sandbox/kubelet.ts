/** Scheduler and kubelet in one: pods are bound, start, get ready, crash and vanish, as their behaviour says, on simulated time. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../rollout/objects.ts'
import { behaviourOf, podAt } from './behaviour.ts'
import type { Behaviour, Timing } from './behaviour.ts'
import { recordEvent } from './events.ts'
import { fromKey, keyFor, loop } from './loop.ts'
import type { Store } from './store.ts'

export const nodeName = 'sandbox'
const manager = 'kubelet'

export interface KubeletOptions extends Timing {
  /** Simulated ms that a deleted pod takes to stop, at most its grace period. */
  readonly stopMs: number
  /** Behaviour of a pod; asked again whenever it changes. */
  readonly behaviour?: (pod: KubeObject) => Behaviour | undefined
}

export function runKubelet(store: Store, options: KubeletOptions): { close(): void } {
  const firstSeen = new Map<string, { readonly at: number; readonly ip: string }>()
  const stopping = new Map<string, number>()
  let addresses = 0
  const nextAddress = (): string => {
    addresses++
    return `10.244.${(addresses >> 8) & 255}.${addresses & 255}`
  }
  const work = loop(store, (key) => {
    const { namespace, name } = fromKey(key)
    const pod = store.get('pods', namespace, name)
    if (!pod || ['Succeeded', 'Failed'].includes(pod.status?.phase)) return
    const uid = pod.metadata.uid!
    const now = store.clock.now()
    if (pod.metadata.deletionTimestamp) return stop(pod, now)
    const seen = firstSeen.get(uid) ?? { at: now, ip: nextAddress() }
    firstSeen.set(uid, seen)
    const moment = podAt(pod, options.behaviour?.(pod) ?? behaviourOf(pod), options, now - seen.at, seen.ip, now)
    if (moment.bound && !pod.spec.nodeName)
      store.update('pods', namespace, name, (current) => ({ ...current, spec: { ...current.spec, nodeName } }), { manager: 'kube-scheduler' })
    if (!isDeepStrictEqual({ ...pod.status }, moment.status)) {
      store.update('pods', namespace, name, (current) => ({ ...current, status: moment.status }), { manager, subresource: 'status' })
      announce(store, pod, moment.status)
    }
    if (moment.wakeInMs !== undefined) work.wake(key, Math.max(1, moment.wakeInMs))
  })
  const stop = (pod: KubeObject, now: number): void => {
    const { uid, namespace, name } = pod.metadata
    const grace = ((pod.metadata as { deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds ?? 0) * 1000
    const due = stopping.get(uid!) ?? now + Math.min(grace, options.stopMs)
    stopping.set(uid!, due)
    if (now < due) return work.wake(keyFor(namespace, name), due - now)
    store.delete('pods', namespace, name, { uid: uid!, gracePeriodSeconds: 0 })
  }
  const watch = store.watchAll((id, change) => {
    if (id !== 'pods') return
    if (change.type === 'DELETED') {
      firstSeen.delete(change.object.metadata.uid!)
      stopping.delete(change.object.metadata.uid!)
    } else work.wake(keyFor(change.object.metadata.namespace, change.object.metadata.name))
  })
  return {
    close: () => {
      watch.close()
      work.close()
    },
  }
}

/** The Events by which people recognise what happens to a pod. */
function announce(store: Store, pod: KubeObject, status: any): void {
  const was = pod.status?.containerStatuses?.[0]
  const is = status.containerStatuses?.[0]
  const waiting: string | undefined = is?.state?.waiting?.reason
  const unscheduled = (status.conditions ?? []).find((condition: any) => condition.type === 'PodScheduled' && condition.status === 'False')
  if (unscheduled) recordEvent(store, pod, 'Warning', 'FailedScheduling', unscheduled.message, 'default-scheduler')
  else if (is?.state?.running && !was?.state?.running) recordEvent(store, pod, 'Normal', 'Started', `Started container ${is.name}`, 'kubelet')
  else if (waiting === 'CrashLoopBackOff' && was?.state?.waiting?.reason !== waiting)
    recordEvent(store, pod, 'Warning', 'BackOff', `Back-off restarting failed container ${is.name} in pod ${pod.metadata.name}`, 'kubelet')
  else if (waiting && waiting !== 'ContainerCreating' && was?.state?.waiting?.reason !== waiting)
    recordEvent(store, pod, 'Warning', 'Failed', is.state.waiting.message ?? waiting, 'kubelet')
  if (was?.ready && !is?.ready) recordEvent(store, pod, 'Warning', 'Unhealthy', 'Readiness probe failed', 'kubelet')
}
