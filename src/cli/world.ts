/** Objects at hand, from files or from one look at a cluster, as the controller's observe reads them: what it would say is said without it. */
import { watched, type CacheState, type Kind, type World } from '../controller/world.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'

/** What is known of a kind beside its objects. Left out: its objects are all that there are. */
export interface KindKnown {
  readonly state?: CacheState
  readonly resource?: Resource
}

/** A World of these objects. Each needs a namespace (but for cluster-wide kinds) and a uid. */
export function worldOf(objects: readonly KubeObject[], known: ReadonlyMap<Kind, KindKnown> = new Map()): World {
  const byKind = Map.groupBy(objects.filter(object => isWatched(object)), object => object.kind)
  const resources = new Map(watched.map(watch => [watch.kind, { group: watch.group, version: watch.versions[0]!, plural: watch.plural, kind: watch.kind, namespaced: watch.namespaced }]))
  return {
    state: kind => known.get(kind)?.state ?? 'Synced',
    resource: kind => (known.get(kind)?.state === 'NotServed' ? undefined : (known.get(kind)?.resource ?? resources.get(kind))),
    get: (kind, namespace, name) => byKind.get(kind)?.find(one => one.metadata.name === name && (one.metadata.namespace ?? '') === namespace),
    list: (kind, namespace, labels = {}) => (byKind.get(kind) ?? []).filter(one =>
      (namespace === undefined || one.metadata.namespace === namespace) && Object.entries(labels).every(([key, value]) => one.metadata.labels?.[key] === value)),
  }
}

/** Whether the controller knows this kind, by group and kind; any version. */
export function isWatched({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): boolean {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  return watched.some(watch => watch.kind === kind && watch.group === group)
}
