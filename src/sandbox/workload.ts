/** The Deployment controller of the embedded cluster: Deployments become pods without ReplicaSets between, with rolling updates and the real status. */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../rollout/objects.ts'
import type { Behaviour } from './behaviour.ts'
import { isReady } from './endpoints.ts'
import { recordEvent } from './events.ts'
import { nodeName, runKubelet } from './kubelet.ts'
import { fromKey, keyFor, loop } from './loop.ts'
import type { Loop } from './loop.ts'
import { deploymentStatus } from './progress.ts'
import type { Progress } from './progress.ts'
import type { Store } from './store.ts'
import { timestamp } from './writes.ts'

export interface WorkloadOptions {
  /** Simulated ms from a pod's creation until its container runs; default 1000. */
  readonly startMs?: number
  /** Until it is ready; default 3000. */
  readonly readyMs?: number
  /** That a deleted pod takes to vanish, at most its grace period; default 2000. */
  readonly stopMs?: number
  /** Behaviour of a pod; undefined: what annotation and image say (behaviour.ts). */
  readonly behaviour?: (pod: KubeObject) => Behaviour | undefined
}
export interface Workloads {
  /** Replaces the function that decides how pods behave; undefined: annotation and image decide. */
  setBehaviour(behaviour: ((pod: KubeObject) => Behaviour | undefined) | undefined): void
  close(): void
}
const id = 'deployments.apps'
const manager = 'kube-controller-manager'

/** Runs Deployment controller and kubelet on a store until closed. */
export function runWorkloads(store: Store, options: WorkloadOptions = {}): Workloads {
  let behaviour = options.behaviour
  store.create('nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } }, { manager: 'kubelet' })
  store.update(
    'nodes',
    undefined,
    nodeName,
    (node) => ({
      ...node,
      status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: timestamp(store.clock.now()) }] },
    }),
    { subresource: 'status' },
  )
  const kubelet = runKubelet(store, {
    startMs: options.startMs ?? 1000,
    readyMs: options.readyMs ?? 3000,
    stopMs: options.stopMs ?? 2000,
    behaviour: (pod) => behaviour?.(pod),
  })
  const progress = new Map<string, Progress>()
  const work: Loop = loop(store, (key) => reconcile(store, key, progress, work))
  const watch = store.watchAll((kind, change) => {
    const { namespace, name } = change.object.metadata
    if (kind === id) {
      if (change.type === 'DELETED') progress.delete(keyFor(namespace, name))
      else work.wake(keyFor(namespace, name))
    }
    const owner = kind === 'pods' && change.object.metadata.ownerReferences?.find((reference) => reference.kind === 'Deployment')
    if (owner) work.wake(keyFor(namespace, owner.name))
  })
  return {
    setBehaviour: (next) => {
      behaviour = next
    },
    close: () => {
      watch.close()
      work.close()
      kubelet.close()
    },
  }
}

/** The pod-template-hash of a template: the same for templates that are equal as stored. */
export function templateHash(template: unknown): string {
  const canonical = JSON.stringify(template, (_key, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  return [...createHash('sha256').update(canonical).digest().subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('')
}

function reconcile(store: Store, key: string, progress: Map<string, Progress>, work: Loop): void {
  const { namespace, name } = fromKey(key)
  const deployment = store.get(id, namespace, name)
  if (!deployment || deployment.metadata.deletionTimestamp) return
  const owned = store.list('pods', { namespace }).filter((pod) => pod.metadata.ownerReferences?.some((owner) => owner.uid === deployment.metadata.uid))
  const alive = owned.filter((pod) => !pod.metadata.deletionTimestamp)
  const current = currentTemplate(deployment, progress.get(key))
  const { hash } = current
  const fresh = alive.filter((pod) => hashOf(pod) === hash)
  const old = alive.filter((pod) => hashOf(pod) !== hash)
  const minReadyMs = (deployment.spec.minReadySeconds ?? 0) * 1000
  const availableAt = (pod: KubeObject): number => (isReady(pod) ? readySince(pod) + minReadyMs : Infinity)
  const now = store.clock.now()
  const isAvailable = (pod: KubeObject): boolean => availableAt(pod) <= now
  const change = planned(
    deployment,
    fresh,
    old,
    owned.length > alive.length && owned.some((pod) => pod.metadata.deletionTimestamp && hashOf(pod) !== hash),
    isAvailable,
  )
  for (let count = 0; count < change.create; count++) store.create('pods', podOf(deployment, current), { manager })
  for (const pod of change.remove) store.delete('pods', namespace, pod.metadata.name, { uid: pod.metadata.uid! })
  if (change.create > 0)
    recordEvent(
      store,
      deployment,
      'Normal',
      'ScalingReplicaSet',
      `Scaled up ${name}-${hash} from ${fresh.length} to ${fresh.length + change.create}`,
      'deployment-controller',
    )
  if (change.remove.length > 0)
    recordEvent(store, deployment, 'Normal', 'ScalingReplicaSet', `Removed ${change.remove.length} of ${alive.length} pods`, 'deployment-controller')
  const waits = alive.map(availableAt).filter((time) => time > now && time < Infinity)
  if (waits.length > 0) work.wake(key, Math.min(...waits) - now)
  writeStatus(store, key, current, isAvailable, progress, work)
}

/** A paused Deployment keeps the template that it had. */
function currentTemplate(deployment: KubeObject, before: Progress | undefined): Pick<Progress, 'hash' | 'template'> {
  if (deployment.spec.paused && before) return { hash: before.hash, template: before.template }
  return { hash: templateHash(deployment.spec.template), template: deployment.spec.template }
}

const hashOf = (pod: KubeObject): string => pod.metadata.labels?.['pod-template-hash'] ?? ''

function readySince(pod: KubeObject): number {
  const ready = pod.status.conditions.find((condition: { type: string }) => condition.type === 'Ready')
  return Date.parse(ready.lastTransitionTime)
}

function planned(
  deployment: KubeObject,
  fresh: readonly KubeObject[],
  old: readonly KubeObject[],
  oldStopping: boolean,
  isAvailable: (pod: KubeObject) => boolean,
): { readonly create: number; readonly remove: readonly KubeObject[] } {
  const wanted: number = deployment.spec.replicas
  const surplus = leastUseful(fresh, isAvailable).slice(0, Math.max(0, fresh.length - wanted))
  if (deployment.spec.strategy.type === 'Recreate')
    return { create: old.length > 0 || oldStopping ? 0 : Math.max(0, wanted - fresh.length), remove: [...old, ...surplus] }
  if (deployment.spec.paused)
    return {
      create: Math.max(0, wanted - fresh.length - old.length),
      remove: leastUseful([...old, ...fresh], isAvailable).slice(0, Math.max(0, fresh.length + old.length - wanted)),
    }
  const surge = bound(deployment.spec.strategy.rollingUpdate?.maxSurge, wanted, Math.ceil)
  const missing = bound(deployment.spec.strategy.rollingUpdate?.maxUnavailable, wanted, Math.floor)
  const enough = wanted - (surge === 0 && missing === 0 ? 1 : missing)
  const room = old.length === 0 ? Infinity : wanted + surge - fresh.length - old.length
  const create = Math.max(0, Math.min(wanted - fresh.length, room))
  // As the real one: of the old pods those that serve nobody go first, and the others only while enough are available.
  const available = (pods: readonly KubeObject[]): number => pods.filter(isAvailable).length
  let unhealthy = Math.max(0, old.length + available(fresh) - enough)
  let spare = available([...fresh, ...old]) - enough
  const remove = leastUseful(old, isAvailable).filter((pod) => (isAvailable(pod) ? spare-- > 0 : unhealthy-- > 0))
  return { create, remove: [...remove, ...surplus] }
}

function leastUseful(pods: readonly KubeObject[], isAvailable: (pod: KubeObject) => boolean): KubeObject[] {
  return pods.toSorted((a, b) => Number(isAvailable(a)) - Number(isAvailable(b)) || (a.metadata.creationTimestamp! < b.metadata.creationTimestamp! ? 1 : -1))
}

function bound(value: number | string | undefined, wanted: number, round: (value: number) => number): number {
  return typeof value === 'number' ? value : round((Number.parseFloat(value ?? '25') / 100) * wanted)
}

function podOf(deployment: KubeObject, current: Pick<Progress, 'hash' | 'template'>): KubeObject {
  const { hash } = current
  const template = current.template as any
  const { name, namespace, uid } = deployment.metadata
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...template.metadata,
      generateName: `${name}-${hash}-`,
      namespace,
      labels: { ...template.metadata.labels, 'pod-template-hash': hash },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: template.spec,
  } as unknown as KubeObject
}

function writeStatus(
  store: Store,
  key: string,
  current: Pick<Progress, 'hash' | 'template'>,
  isAvailable: (pod: KubeObject) => boolean,
  progress: Map<string, Progress>,
  work: Loop,
): void {
  const { namespace, name } = fromKey(key)
  const deployment = store.get(id, namespace, name)!
  const alive = store
    .list('pods', { namespace })
    .filter((pod) => !pod.metadata.deletionTimestamp && pod.metadata.ownerReferences?.some((owner) => owner.uid === deployment.metadata.uid))
  const counts = {
    total: alive.length,
    updated: alive.filter((pod) => hashOf(pod) === current.hash).length,
    ready: alive.filter(isReady).length,
    available: alive.filter(isAvailable).length,
  }
  const next = deploymentStatus(deployment, counts, current, progress.get(key), store.clock.now())
  progress.set(key, next.progress)
  if (next.wakeInMs !== undefined) work.wake(key, next.wakeInMs)
  const revision = deployment.metadata.annotations?.['deployment.kubernetes.io/revision']
  if (revision !== String(next.progress.revision)) {
    const annotations = { ...deployment.metadata.annotations, 'deployment.kubernetes.io/revision': String(next.progress.revision) }
    store.update(id, namespace, name, (object) => ({ ...object, metadata: { ...object.metadata, annotations } }), { manager })
  }
  if (!isDeepStrictEqual(deployment.status, next.status))
    store.update(id, namespace, name, (object) => ({ ...object, status: next.status }), { manager, subresource: 'status' })
}
