/** A handful of objects as World and as KubeApi: caches that are never late, and writes with the preconditions of a real API server. */
import type { Failure, KubeApi, Result } from '../../../src/kube/api.ts'
import { act, type ActResult } from '../../../src/controller/act.ts'
import { observe, type Known, type Observation } from '../../../src/controller/observe.ts'
import type { Sightings } from '../../../src/controller/observe/sightings.ts'
import { type CacheState, type Kind, type World, watched } from '../../../src/controller/world.ts'
import { templateOf } from '../../../src/revision/template.ts'
import { revisionLabel, rolloutLabel } from '../../../src/revision/marks.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import type { Settings } from '../../../src/rollout/decision.ts'
import type { KubeObject, Resource } from '../../../src/rollout/objects.ts'
import { applyPatch, PatchRefused } from '../../support/json-patch.ts'

export const settings: Settings = { propagationDelayMs: 10_000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local', identity: 'a' }
export const now = Date.parse('2026-11-23T02:00:00Z')

export class Cluster implements World {
  readonly objects = new Map<string, KubeObject>()
  readonly states = new Map<Kind, CacheState>()
  readonly memory: Sightings = new Map()
  /** Sent writes as `patch VirtualService shop/cart`, in order. */
  readonly writes: string[] = []
  readonly disowned: string[] = []
  readonly urgent: boolean[] = []
  /** Runs before each write arrives; may change objects, or answer in the server's place. */
  before: (write: string) => Failure | void = () => undefined
  /** A mutating webhook on Deployments of ours. */
  webhook: (object: KubeObject) => KubeObject = (object) => object
  #version = 100

  constructor(...objects: readonly KubeObject[]) {
    for (const object of objects) this.put(object)
  }

  put(object: KubeObject): KubeObject {
    const before = this.objects.get(keyOf(object))
    const { metadata } = object
    const generation = before && JSON.stringify(before.spec) === JSON.stringify(object.spec) ? before.metadata.generation : (metadata.generation ?? 0) + (before ? 1 : 0)
    const stored = structuredClone({
      ...object,
      metadata: {
        creationTimestamp: '2026-11-23T01:00:00Z', ...metadata,
        uid: metadata.uid ?? before?.metadata.uid ?? `uid-${metadata.name}-${++this.#version}`, resourceVersion: `${++this.#version}`, generation: before ? generation : (metadata.generation ?? 1),
      },
    })
    this.objects.set(keyOf(object), stored)
    return stored
  }
  change(kind: Kind, namespace: string, name: string, change: (object: any) => void): KubeObject {
    const copy: any = structuredClone(this.get(kind, namespace, name))
    change(copy)
    return this.put(copy)
  }
  remove(kind: Kind, namespace: string, name: string): void {
    this.objects.delete(`${kind}/${namespace}/${name}`)
  }

  state(kind: Kind): CacheState {
    return this.states.get(kind) ?? 'Synced'
  }
  resource(kind: Kind): Resource | undefined {
    const watch = watched.find((candidate) => candidate.kind === kind)!
    return this.state(kind) === 'NotServed' ? undefined : { group: watch.group, version: watch.versions[0]!, plural: watch.plural, kind, namespaced: watch.namespaced }
  }
  get(kind: Kind, namespace: string, name: string): KubeObject | undefined {
    return this.objects.get(`${kind}/${namespace}/${name}`)
  }
  list(kind: Kind, namespace?: string, labels: Readonly<Record<string, string>> = {}): readonly KubeObject[] {
    return [...this.objects.values()].filter((object) => object.kind === kind && (namespace === undefined || object.metadata.namespace === namespace) && Object.entries(labels).every(([key, value]) => object.metadata.labels?.[key] === value))
  }

  look(key: string, at = now, known: Known = {}): Extract<Observation, { state: 'Seen' }> {
    const observation = observe(this, key, settings, this.memory, at, known)
    if (observation.state !== 'Seen') throw new Error(`observation is ${observation.state}`)
    return observation
  }
  /** Acts on what is seen now, or on an older look. */
  async do(key: string, action: Action, raw = this.look(key).raw): Promise<ActResult> {
    return await act(this.api(), raw, action, { now, applied: () => undefined, removed: () => undefined, disown: async (_, object) => void this.disowned.push(`${object.kind}/${object.metadata.name}`) })
  }

  api(): KubeApi {
    const unsupported = () => Promise.reject(new Error('not in this cluster'))
    return {
      get: async (resource, namespace, name) => this.#found(resource, namespace, name),
      create: async (resource, object) => this.#write(`create ${resource.kind} ${object.metadata.namespace}/${object.metadata.name}`, () => {
        if (this.get(resource.kind as Kind, object.metadata.namespace ?? '', object.metadata.name)) return failed('AlreadyExists', 409)
        return { ok: true, value: this.put(resource.kind === 'Deployment' ? this.webhook(object) : object) }
      }),
      patch: async (resource, namespace, name, patch, subresource, options) => {
        this.urgent.push(options?.urgent ?? false)
        return this.#write(`patch ${resource.kind} ${namespace}/${name}${subresource ? `/${subresource}` : ''}`, () => this.#patched(resource, namespace, name, patch, subresource === 'scale'))
      },
      delete: async (resource, namespace, name, preconditions) => this.#write(`delete ${resource.kind} ${namespace}/${name}`, () => {
        const found = this.#found(resource, namespace, name)
        if (!found.ok) return found
        const { uid, resourceVersion } = found.value.metadata
        if ((preconditions?.uid ?? uid) !== uid || (preconditions?.resourceVersion ?? resourceVersion) !== resourceVersion) return failed('Conflict', 409)
        this.objects.delete(keyOf(found.value))
        return { ok: true, value: undefined }
      }),
      list: unsupported, replace: unsupported, groupVersions: unsupported, resources: unsupported,
      watch: () => { throw new Error('not in this cluster') },
    }
  }
  #found(resource: Resource, namespace: string | undefined, name: string): Result<KubeObject> {
    const object = this.get(resource.kind as Kind, namespace ?? '', name)
    return object ? { ok: true, value: object } : failed('NotFound', 404)
  }
  #patched(resource: Resource, namespace: string | undefined, name: string, patch: any, scale: boolean): Result<KubeObject> {
    const found = this.#found(resource, namespace, name)
    if (!found.ok) return found
    if (!Array.isArray(patch)) return { ok: true, value: this.put(merged(found.value, patch)) }
    try {
      // A Scale leaves a count of zero out.
      const base: any = scale ? { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: found.value.metadata, spec: found.value.spec.replicas ? { replicas: found.value.spec.replicas } : {} } : found.value
      const next: any = applyPatch(base, patch)
      if (!scale) return { ok: true, value: this.put(next) }
      const stored = this.put({ ...found.value, spec: { ...found.value.spec, replicas: next.spec.replicas ?? 0 } })
      return { ok: true, value: { ...next, metadata: { ...next.metadata, resourceVersion: stored.metadata.resourceVersion } } }
    } catch (error) {
      if (error instanceof PatchRefused) return failed('TestFailed', 422, error.message)
      throw error
    }
  }
  #write<T>(write: string, then: () => Result<T>): Result<T> {
    this.writes.push(write)
    return this.before(write) ?? then()
  }
}

function failed(reason: Failure['reason'], status: number, message: string = reason): Failure {
  return { ok: false, reason, status, message }
}
function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`
}
function merged(target: any, patch: any): any {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const next = { ...(typeof target === 'object' ? target : {}) }
  for (const [key, value] of Object.entries(patch)) value === null ? delete next[key] : value !== undefined && (next[key] = merged(next[key], value))
  return next
}

/** A Rollout over Deployment `cart` in `shop`, on a managed VirtualService unless `spec` says otherwise. */
export function rollout(spec: object = {}, metadata: object = {}, status?: object): KubeObject {
  return {
    apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'cart', namespace: 'shop', uid: 'uid-rollout', ...metadata },
    spec: { workloadRef: { kind: 'Deployment', name: 'cart' }, service: { port: 80, targetPort: 8080 }, traffic: { istio: { managed: {} } }, steps: [{ weight: 5 }, { weight: 100 }], ...spec },
    ...(status ? { status } : {}),
  }
}
/** The user's Deployment as an API server keeps it. */
export function deployment(image = 'cart:1', metadata: object = {}, spec: object = {}): KubeObject {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cart', namespace: 'shop', uid: 'uid-cart', ...metadata },
    spec: {
      replicas: 3, selector: { matchLabels: { app: 'cart' } }, minReadySeconds: 5, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: { metadata: { labels: { app: 'cart', team: 'web' }, creationTimestamp: null }, spec: { containers: [{ name: 'main', image, resources: {}, terminationMessagePath: '/dev/termination-log' }], restartPolicy: 'Always' } },
      ...spec,
    },
    status: { observedGeneration: 1, replicas: 3, readyReplicas: 3, updatedReplicas: 3, availableReplicas: 3 },
  }
}
/** A Service of ours that is a door. */
export function door(name: string, selector: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop', labels: { [rolloutLabel]: 'cart' }, ...metadata },
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.7', selector, sessionAffinity: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  }
}
/** Endpoints of a door: pods by name, each with its readiness. */
export function slice(service: string, pods: Readonly<Record<string, boolean | undefined>>): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `${service}-x`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service, [rolloutLabel]: 'cart' } },
    endpoints: Object.entries(pods).map(([name, ready]) => ({ conditions: ready === undefined ? {} : { ready }, targetRef: { kind: 'Pod', name } })),
  }
}
export function pod(name: string, revision: string, status: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', labels: { [revisionLabel]: revision, [rolloutLabel]: 'cart' } }, status }
}
export { templateOf }
