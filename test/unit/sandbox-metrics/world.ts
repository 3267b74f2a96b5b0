import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { World } from '../../../src/sandbox/routing.ts'

/** A small cluster of plain objects: two revisions of `web` behind two doors. */
export class PlainWorld implements World {
  readonly objects = new Map<string, KubeObject[]>()
  #version = 0
  list(id: string): readonly KubeObject[] {
    return this.objects.get(id) ?? []
  }
  version(): number {
    return this.#version
  }
  serves(id: string): boolean {
    return this.objects.has(id)
  }
  put(id: string, ...objects: KubeObject[]): void {
    for (const object of objects) {
      const others = this.list(id).filter(({ metadata }) => metadata.name !== object.metadata.name || metadata.namespace !== object.metadata.namespace)
      this.objects.set(id, [...others, object])
    }
    this.#version++
  }
  drop(id: string, name: string): void {
    this.objects.set(
      id,
      this.list(id).filter(({ metadata }) => metadata.name !== name),
    )
    this.#version++
  }
}

const object = (kind: string, name: string, more: object, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'shop', ...metadata },
  ...more,
})

export const service = (name: string, port = 80): KubeObject => object('Service', name, { spec: { ports: [{ port }] } })
export const pod = (name: string, workload: string, image: string, annotations: Record<string, string> = {}): KubeObject =>
  object(
    'Pod',
    name,
    { spec: { containers: [{ image }] } },
    {
      labels: { app: 'web', revision: workload, 'pod-template-hash': 'abc' },
      annotations,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${workload}-abc`, uid: '1', controller: true }],
    },
  )
export const slice = (of: string, ...pods: string[]): KubeObject =>
  object(
    'EndpointSlice',
    `${of}-1`,
    { endpoints: pods.map((name) => ({ conditions: { ready: !name.startsWith('unready') }, targetRef: { name } })) },
    { labels: { 'kubernetes.io/service-name': of } },
  )
export const virtualService = (stable: number, canary: number, more: object = {}): KubeObject =>
  object('VirtualService', 'web', {
    spec: {
      hosts: ['web'],
      http: [
        {
          route: [
            { destination: { host: 'web-stable' }, weight: stable },
            { destination: { host: 'web-canary.shop.svc.cluster.local', port: { number: 80 } }, weight: canary },
          ],
        },
      ],
      ...more,
    },
  })
export const split = (stable: unknown, canary: unknown): KubeObject =>
  object('TrafficSplit', 'web', {
    spec: {
      service: 'web',
      backends: [
        { service: 'web-stable', weight: stable },
        { service: 'web-canary', weight: canary },
      ],
    },
  })

export const ids = {
  pods: 'pods',
  services: 'services',
  slices: 'endpointslices.discovery.k8s.io',
  routes: 'virtualservices.networking.istio.io',
  rules: 'destinationrules.networking.istio.io',
  profiles: 'serviceprofiles.linkerd.io',
  splits: 'trafficsplits.split.smi-spec.io',
} as const

export function cluster(): PlainWorld {
  const world = new PlainWorld()
  world.put(ids.services, service('web'), service('web-stable'), service('web-canary'))
  world.put(ids.pods, pod('one-a', 'web-1', 'web:1'), pod('one-b', 'web-1', 'web:1'), pod('two-a', 'web-2', 'web:2'))
  world.put(ids.slices, slice('web', 'one-a', 'one-b'), slice('web-stable', 'one-a', 'one-b'), slice('web-canary', 'two-a'))
  world.put(ids.routes, virtualService(95, 5))
  return world
}
