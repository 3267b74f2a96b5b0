/** A kubelet and scheduler for a real API server: binds pods to one node, writes their status, lets terminating ones go. Nothing runs. */
import { configRefs } from '../../src/revision/config-refs.ts'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { follow, keyOf } from './follow.ts'
import { sleep } from './process.ts'

/** How a pod turns out. `slow` becomes ready after `slowMs`. */
export type PodBehaviour = 'ready' | 'slow' | 'never-ready' | 'crash' | 'image-pull' | 'config-error' | 'pending'
export const podBehaviours: readonly PodBehaviour[] = ['slow', 'never-ready', 'crash', 'image-pull', 'config-error', 'pending', 'ready']

export interface KubeletOptions {
  /** Only pods of these namespaces; undefined: all. May grow later through `adopt`. */
  readonly namespaces?: readonly string[]
  /** From bound to ready. Default 300 ms. */
  readonly readyAfterMs?: number
  /** For `slow`. Default 5000 ms. */
  readonly slowMs?: number
  /** How long a terminating pod still answers. Longer than the mesh's propagation, as with a preStop sleep. Default 1500 ms. */
  readonly graceMs?: number
}
export interface Kubelet {
  /** Also looks after the pods of this namespace. */
  adopt(namespace: string): void
  /** From now on all pods that match behave like this, those that run included; undefined: as their image says. The newest rule wins. */
  behave(match: (pod: KubeObject) => boolean, behaviour: PodBehaviour | undefined): Promise<void>
  stop(): Promise<void>
}

const node = 'node-model'

/** Starts the model. A pod starts once the ConfigMaps and Secrets that it names are there. An image tag that contains `never-ready`, `crash`, `slow`, `image-pull`, `config-error` or `pending` makes its pods so. */
export async function startKubelet(plane: ControlPlane, options: KubeletOptions = {}): Promise<Kubelet> {
  await makeNode(plane)
  const ending = new AbortController()
  const namespaces = options.namespaces ? new Set(options.namespaces) : undefined
  const rules: { match: (pod: KubeObject) => boolean; behaviour: PodBehaviour | undefined }[] = []
  const busy = new Map<string, Promise<void>>()
  const behaviourOf = (pod: KubeObject): PodBehaviour => {
    const rule = rules.findLast(({ match }) => match(pod))
    return rule?.behaviour ?? byImage(pod)
  }
  // One run per pod at a time; each looks at what is there now, so nothing is lost by joining.
  const tend = (key: string): Promise<void> => {
    const run = (busy.get(key) ?? Promise.resolve()).then(() => care(key)).catch((error: unknown) => {
      if (!ending.signal.aborted) process.stderr.write(`kubelet model: ${key}: ${String(error)}\n`)
    })
    busy.set(key, run)
    return run.finally(() => busy.get(key) === run && busy.delete(key))
  }
  const care = async (key: string): Promise<void> => {
    const pod = pods.objects.get(key)
    if (ending.signal.aborted || pod === undefined || (namespaces && !namespaces.has(pod.metadata.namespace ?? ''))) return
    if (pod.metadata.deletionTimestamp) return await letGo(plane, pod, options.graceMs ?? 1_500, ending.signal)
    const behaviour = behaviourOf(pod)
    if (behaviour === 'pending') return pod.status?.conditions?.length ? undefined : await writeStatus(plane, pod, unschedulable())
    if (!pod.spec.nodeName) await bind(plane, pod)
    if (!isReady(pod) && (await lacksConfig(plane, pod))) {
      const stuck = statusOf(pod, 'config-error')
      if (!same(pod, stuck)) await writeStatus(plane, pod, stuck)
      return void setTimeout(() => void tend(key), 500)
    }
    const wanted = statusOf(pod, behaviour)
    if (behaviour !== 'ready' && behaviour !== 'slow') return same(pod, wanted) ? undefined : await writeStatus(plane, pod, wanted)
    if (isReady(pod)) return
    if (!pod.status?.podIP) await writeStatus(plane, pod, statusOf(pod, 'never-ready'))
    await sleep(behaviour === 'slow' ? (options.slowMs ?? 5_000) : (options.readyAfterMs ?? 300))
    const later = pods.objects.get(key)
    if (later && !later.metadata.deletionTimestamp && behaviourOf(later) === behaviour) await writeStatus(plane, later, wanted)
  }
  const pods = follow(plane, '/api/v1/pods', ending.signal, (key, now, before) => {
    if (now && (!before || (now.metadata.deletionTimestamp && !before.metadata.deletionTimestamp) || now.metadata.uid !== before.metadata.uid)) void tend(key)
  })
  await pods.synced
  return {
    adopt(namespace) {
      namespaces?.add(namespace)
      for (const pod of pods.objects.values()) if (pod.metadata.namespace === namespace) void tend(keyOf(pod))
    },
    async behave(match, behaviour) {
      rules.push({ match, behaviour })
      await Promise.all([...pods.objects].filter(([, pod]) => match(pod)).map(([key]) => tend(key)))
    },
    async stop() {
      ending.abort()
      await Promise.allSettled(busy.values())
    },
  }
}

function byImage(pod: KubeObject): PodBehaviour {
  const images: string = pod.spec.containers.map(({ image }: { image: string }) => image).join(' ')
  return podBehaviours.find((behaviour) => behaviour !== 'ready' && images.includes(behaviour)) ?? 'ready'
}

export function isReady(pod: KubeObject): boolean {
  return pod.status?.conditions?.some((condition: any) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

async function makeNode(plane: ControlPlane): Promise<void> {
  const made = await plane.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: node } })
  if (made.status !== 201 && made.status !== 409) throw new Error(`node: ${JSON.stringify(made.body)}`)
  const status = { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }], capacity: { cpu: '64', memory: '256Gi', pods: '5000' } }
  await plane.request('PATCH', `/api/v1/nodes/${node}/status`, { status })
}

/** Something that the pod names, not optionally, is not there: its containers do not start. What the API server itself mounts is. */
async function lacksConfig(plane: ControlPlane, pod: KubeObject): Promise<boolean> {
  for (const { kind, name, optional } of configRefs(pod)) {
    if (optional || name === 'kube-root-ca.crt') continue
    const { status } = await plane.request('GET', `/api/v1/namespaces/${pod.metadata.namespace}/${kind === 'Secret' ? 'secrets' : 'configmaps'}/${name}`)
    if (status === 404) return true
  }
  return false
}

const path = (pod: KubeObject): string => `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`

async function bind(plane: ControlPlane, pod: KubeObject): Promise<void> {
  await plane.request('POST', `${path(pod)}/binding`, {
    apiVersion: 'v1', kind: 'Binding', metadata: { name: pod.metadata.name, uid: pod.metadata.uid }, target: { apiVersion: 'v1', kind: 'Node', name: node },
  })
}

async function letGo(plane: ControlPlane, pod: KubeObject, graceMs: number, signal: AbortSignal): Promise<void> {
  await sleep(graceMs)
  if (signal.aborted) return
  await plane.request('DELETE', path(pod), { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } })
}

async function writeStatus(plane: ControlPlane, pod: KubeObject, status: object): Promise<void> {
  const written = await plane.request('PATCH', `${path(pod)}/status`, { metadata: { uid: pod.metadata.uid }, status })
  if (written.status !== 200 && written.status !== 404 && written.status !== 409) throw new Error(JSON.stringify(written.body))
}

function unschedulable(): object {
  const message = '0/1 nodes are available: 1 Insufficient cpu.'
  return { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: now() }] }
}

const waitingReasons: Partial<Record<PodBehaviour, string>> = { crash: 'CrashLoopBackOff', 'image-pull': 'ImagePullBackOff', 'config-error': 'CreateContainerConfigError' }

function statusOf(pod: KubeObject, behaviour: PodBehaviour): { readonly containerStatuses: readonly any[]; readonly [field: string]: unknown } {
  const ready = behaviour === 'ready' || behaviour === 'slow'
  const waiting = waitingReasons[behaviour]
  const crashed = behaviour === 'crash'
  const condition = (type: string, holds: boolean) => ({
    type, status: holds ? 'True' : 'False', lastTransitionTime: now(), ...(holds ? {} : { reason: 'ContainersNotReady', message: 'containers with unready status' }),
  })
  const ip = addressOf(pod)
  return {
    phase: waiting && !crashed ? 'Pending' : 'Running',
    hostIP: '10.0.0.1', podIP: ip, podIPs: [{ ip }], startTime: pod.status?.startTime ?? now(),
    conditions: [condition('PodScheduled', true), condition('Initialized', true), condition('ContainersReady', ready), condition('Ready', ready)],
    containerStatuses: pod.spec.containers.map(({ name, image }: { name: string; image: string }) => ({
      name, image, imageID: `model://${image}`, ready, started: waiting === undefined, restartCount: crashed ? 4 : 0,
      state: waiting ? { waiting: { reason: waiting, message: `${waiting}: model` } } : { running: { startedAt: now() } },
      ...(crashed ? { lastState: { terminated: { exitCode: 1, reason: 'Error', startedAt: now(), finishedAt: now() } } } : {}),
    })),
  }
}

function same(pod: KubeObject, wanted: { readonly containerStatuses: readonly any[] }): boolean {
  const has = pod.status?.containerStatuses?.[0]
  const wants = wanted.containerStatuses[0]
  return has !== undefined && has.ready === wants.ready && has.state?.waiting?.reason === wants.state.waiting?.reason && !isReady(pod)
}

/** An address of its own for each pod, from its uid: 10.128.0.0/9. */
function addressOf(pod: KubeObject): string {
  const digits = Number.parseInt((pod.metadata.uid ?? '0').replaceAll('-', '').slice(0, 6), 16)
  return `10.${128 + ((digits >> 16) & 127)}.${(digits >> 8) & 255}.${digits & 255}`
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}
