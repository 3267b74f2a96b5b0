/** The EndpointSlice controller: one slice per Service with a selector, in step with the readiness of the pods that it selects. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../rollout/objects.ts'
import { fromKey, keyFor, loop } from './loop.ts'
import type { Store } from './store.ts'

const slices = 'endpointslices.discovery.k8s.io'
const manager = 'kube-controller-manager'
const nameLabel = 'kubernetes.io/service-name'

/** Keeps slices until closed. A terminating pod stays in its slice as not ready, as in the real one. */
export function runEndpoints(store: Store): { close(): void } {
  const work = loop(store, (key) => reconcile(store, key))
  const watch = store.watchAll((id, change) => {
    if (id === 'services') work.wake(keyFor(change.object.metadata.namespace, change.object.metadata.name))
    if (id === slices && change.type === 'DELETED') work.wake(keyFor(change.object.metadata.namespace, change.object.metadata.labels?.[nameLabel] ?? ''))
    if (id !== 'pods') return
    const { namespace } = change.object.metadata
    for (const service of store.list('services', { namespace })) {
      const touched = selects(service, change.object) || (change.previous !== undefined && selects(service, change.previous))
      if (touched) work.wake(keyFor(namespace, service.metadata.name))
    }
  })
  return {
    close: () => {
      watch.close()
      work.close()
    },
  }
}

function selects(service: KubeObject, pod: KubeObject): boolean {
  const selector = Object.entries((service.spec.selector ?? {}) as Record<string, string>)
  return selector.length > 0 && selector.every(([key, value]) => pod.metadata.labels?.[key] === value)
}

/** True where the pod's Ready condition is. */
export function isReady(pod: KubeObject): boolean {
  return (pod.status?.conditions ?? []).some((condition: { type: string; status: string }) => condition.type === 'Ready' && condition.status === 'True')
}

function reconcile(store: Store, key: string): void {
  const { namespace, name } = fromKey(key)
  const service = store.get('services', namespace, name)
  const existing = store.list(slices, {
    namespace,
    labelSelector: `${nameLabel}=${name},endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io`,
  })[0]
  if (!service || service.metadata.deletionTimestamp || !service.spec.selector) return
  const pods = store
    .list('pods', { namespace })
    .filter((pod) => selects(service, pod) && pod.status?.podIP && !['Succeeded', 'Failed'].includes(pod.status.phase))
  const endpoints = pods.map(endpoint)
  const ports = (service.spec.ports ?? [])
    .map((port: any) => ({
      name: port.name ?? '',
      port: portNumber(port, pods[0]),
      protocol: port.protocol,
      ...(port.appProtocol && { appProtocol: port.appProtocol }),
    }))
    .filter((port: any) => port.port !== undefined)
  if (!existing) {
    store.create(slices, slice(store, service, endpoints, ports), { manager })
    return
  }
  const labels = labelsOf(service)
  if (isDeepStrictEqual(existing.endpoints, endpoints) && isDeepStrictEqual(existing.ports, ports) && isDeepStrictEqual({ ...existing.metadata.labels }, labels)) return
  store.update(slices, namespace, existing.metadata.name, (current) => ({ ...current, metadata: { ...current.metadata, labels }, endpoints, ports }), { manager })
}

function endpoint(pod: KubeObject): object {
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const ready = isReady(pod)
  return {
    addresses: [pod.status.podIP],
    conditions: { ready: ready && !terminating, serving: ready, terminating },
    nodeName: pod.spec.nodeName,
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
  }
}

function portNumber(port: { port: number; targetPort?: number | string }, pod: KubeObject | undefined): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number' || /^\d+$/.test(target)) return Number(target)
  const named = (pod?.spec.containers ?? []).flatMap((container: any) => container.ports ?? []).find((candidate: any) => candidate.name === target)
  return named?.containerPort
}

/** As the real controller: a slice mirrors the labels of its Service. */
function labelsOf({ metadata }: KubeObject): Record<string, string> {
  return { ...metadata.labels, [nameLabel]: metadata.name, 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' }
}

function slice(store: Store, service: KubeObject, endpoints: object[], ports: object[]): KubeObject {
  const { name, namespace, uid } = service.metadata
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${store.suffix(5)}`,
      namespace,
      labels: labelsOf(service),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid: uid!, controller: true, blockOwnerDeletion: true }],
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  }
}
