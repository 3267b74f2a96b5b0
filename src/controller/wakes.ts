/** Which rollouts must look again when an object has changed. */
import { isDeepStrictEqual } from 'node:util'
import { rolloutLabel } from '../revision/marks.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { RolloutSpec } from '../rollout/schema.ts'
import { placesOf } from '../traffic/index.ts'
import type { Lane } from './queue.ts'
import type { Kind } from './world.ts'

export interface Wake {
  /** `<namespace>/<name>` of a Rollout. */
  readonly key: string
  readonly lane: Lane
}
/** A change as caches tell it: `old` is what was known before. */
export interface Changed {
  readonly type: 'Applied' | 'Deleted'
  readonly object: KubeObject
  readonly old?: KubeObject
}
/** Of these only the spec, labels, annotations and deletion matter; their status changes all the time. */
const specOnly: readonly Kind[] = ['MetricTemplate', 'HorizontalPodAutoscaler', 'ScaledObject', 'ConfigMap', 'Namespace', 'ReferenceGrant', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding']

/** Knows which objects each rollout looks at. */
export class Wakes {
  readonly #byTarget = new Map<string, Set<string>>()
  readonly #targets = new Map<string, readonly string[]>()

  /** The rollouts to wake; a Rollout's own change also changes what it looks at. */
  of(kind: Kind, change: Changed): readonly Wake[] {
    const { object, old, type } = change
    if (kind === 'Rollout') return this.#rollout(change)
    if (kind === 'RolloutRequest') return requestWakes(change)
    if (specOnly.includes(kind) && type === 'Applied' && old !== undefined && sameSpec(object, old)) return []
    const others = !onlyWeights(kind, change)
    const keys = new Set<string>()
    for (const one of old === undefined ? [object] : [object, old]) {
      const { namespace = '', name, labels } = one.metadata
      if (labels?.[rolloutLabel] !== undefined) keys.add(`${namespace}/${labels[rolloutLabel]}`)
      const targets = [`${kind}/${namespace}/${name}`, ...(others ? [`${kind}/${namespace}/*`, ...hosts(kind, one)] : [])]
      for (const key of targets.flatMap(target => [...(this.#byTarget.get(target) ?? [])])) keys.add(key)
    }
    const lane = mayHurt(kind, change) ? 'Closing' : 'Rest'
    return [...keys].map(key => ({ key, lane }))
  }

  #rollout({ type, object, old }: Changed): readonly Wake[] {
    const key = keyOf(object)
    const { generation } = object.metadata
    const respecified = type === 'Deleted' || old === undefined || old.metadata.generation !== generation || old.metadata.uid !== object.metadata.uid
    // Who claimed a target may have let go of it: whoever shares one looks again.
    const before = this.#targets.get(key) ?? []
    if (respecified) this.#enter(key, type === 'Deleted' ? [] : targetsOf(object))
    const rivals = respecified ? [...before, ...(this.#targets.get(key) ?? [])].filter(claimable) : []
    const others = new Set([`Rollout/${key}`, ...rivals].flatMap(target => [...(this.#byTarget.get(target) ?? [])]))
    others.delete(key)
    const phase = object.status?.phase as string | undefined
    const removed = object.metadata.deletionTimestamp !== undefined && old?.metadata.deletionTimestamp === undefined
    return [{ key, lane: phase === 'Closing' || removed ? 'Closing' : 'Rest' }, ...[...others].map(other => ({ key: other, lane: 'Rest' as const }))]
  }

  #enter(key: string, targets: readonly string[]): void {
    for (const target of this.#targets.get(key) ?? []) {
      const keys = this.#byTarget.get(target)
      keys?.delete(key)
      if (keys?.size === 0) this.#byTarget.delete(target)
    }
    if (targets.length === 0) this.#targets.delete(key)
    else this.#targets.set(key, targets)
    for (const target of targets) this.#byTarget.set(target, (this.#byTarget.get(target) ?? new Set()).add(key))
  }
}

/** Something may have to be lowered: ready pods are fewer, a version moved on, weights were written, or it is gone. */
function mayHurt(kind: Kind, { type, object, old }: Changed): boolean {
  if (type === 'Deleted') return true
  if (old === undefined) return false
  if (kind === 'EndpointSlice') return readyIn(object) < readyIn(old)
  const respecified = object.metadata.generation !== old.metadata.generation
  if (kind === 'Deployment') return respecified || (object.status?.readyReplicas ?? 0) < (old.status?.readyReplicas ?? 0)
  return respecified && routeKinds.includes(kind)
}
const routeKinds: readonly Kind[] = ['VirtualService', 'TrafficSplit', 'HTTPRoute', 'GRPCRoute']
function readyIn({ endpoints }: KubeObject): number {
  return Array.isArray(endpoints) ? endpoints.filter(endpoint => endpoint?.conditions?.ready !== false).length : 0
}

export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

/** A person waits for the answer; one who aborts waits for nothing. */
function requestWakes({ type, object }: Changed): readonly Wake[] {
  const name = object.spec?.rolloutName as unknown
  if (typeof name !== 'string' || type === 'Deleted') return []
  const answered = object.status?.state !== undefined
  return [{ key: `${object.metadata.namespace ?? ''}/${name}`, lane: answered ? 'Rest' : object.spec.action === 'Abort' ? 'Closing' : 'People' }]
}

/** `<kind>/<namespace>/<name>`, or `*` for all of a namespace. */
function targetsOf(rollout: KubeObject): readonly string[] {
  const { namespace = '', name } = rollout.metadata
  const spec: Partial<RolloutSpec> = rollout.spec ?? {}
  const here = (kind: Kind, object = '*') => `${kind}/${namespace}/${object}`
  const workload = spec.workloadRef?.name ?? spec.backends?.canary?.workloadRef?.name
  const own = spec.service?.name ?? spec.workloadRef?.name ?? name
  const routes = placesOf(spec.traffic, { namespace, name: own })?.places ?? []
  const templates = (Array.isArray(spec.analysis?.checks) ? spec.analysis.checks : []).flatMap(({ prometheus }) => (prometheus?.templateRef === undefined ? [] : [prometheus.templateRef]))
  const rule = spec.traffic?.istio?.destinationRuleRef
  const whole: readonly Kind[] = [
    'HorizontalPodAutoscaler', 'ScaledObject', 'ConfigMap',
    // Others of the namespace may hold the same host, mirror a policy, or tell of the mesh's uptake.
    ...(spec.traffic?.istio ? (['VirtualService', 'DestinationRule'] as const) : []),
    ...(spec.traffic?.smi ? (['TrafficSplit', 'ServiceProfile'] as const) : []),
    ...(spec.backends ? (['Deployment', 'Service', 'EndpointSlice', 'Pod'] as const) : []),
  ]
  return [
    ...(spec.dependsOn ?? []).map(other => here('Rollout', other.name)),
    ...(workload === undefined ? [] : [here('Deployment', workload)]),
    ...[own, `${own}-stable`, `${own}-canary`].map(service => here('Service', service)),
    ...whole.map(kind => here(kind)),
    ...routes.flatMap(route => [`${route.kind}/${route.namespace}/${route.name}`, `ReferenceGrant/${route.namespace}/*`]),
    ...(rule === undefined ? [] : [`DestinationRule/${rule.namespace ?? namespace}/${rule.name}`]),
    ...(spec.traffic?.istio?.managed?.hosts ?? []).map(host => `host/${host}`),
    ...templates.flatMap(ref => [`MetricTemplate/${ref.namespace ?? namespace}/${ref.name}`, ...(ref.namespace === undefined ? [] : [`ReferenceGrant/${ref.namespace}/*`])]),
    `Namespace//${namespace}`,
  ]
}

/** What one rollout can have and another not: no whole kinds, and not the namespace. */
function claimable(target: string): boolean {
  return !target.endsWith('/*') && !target.startsWith('Namespace/') && !target.startsWith('MetricTemplate/')
}

/** Hosts of a VirtualService anywhere, since two of them must not hold one host. */
function hosts(kind: Kind, object: KubeObject): readonly string[] {
  const names: unknown = kind === 'VirtualService' ? object.spec?.hosts : undefined
  return Array.isArray(names) ? names.map(host => `host/${String(host)}`) : []
}

/** Weights of a route are nobody's business but of those who name it: the steps of a release must not wake all Rollouts of its namespace. */
function onlyWeights(kind: Kind, { type, object, old }: Changed): boolean {
  if ((kind !== 'VirtualService' && kind !== 'TrafficSplit') || type !== 'Applied' || old === undefined) return false
  const essence = ({ metadata, spec }: KubeObject) => JSON.stringify([metadata.uid, metadata.deletionTimestamp, metadata.labels, spec], (key, value: unknown) => (key === 'weight' ? undefined : value))
  return essence(object) === essence(old)
}
function sameSpec(a: KubeObject, b: KubeObject): boolean {
  const essence = ({ metadata, spec }: KubeObject) => [metadata.uid, metadata.deletionTimestamp, metadata.labels, metadata.annotations, spec]
  return isDeepStrictEqual(essence(a), essence(b))
}
