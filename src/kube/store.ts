/** Objects of one resource by key, namespace and indexed labels. */
import type { KubeObject } from '../rollout/objects.ts'

export interface Store {
  get(key: string): KubeObject | undefined
  set(object: KubeObject): void
  delete(object: KubeObject): void
  list(namespace: string | undefined, labels: Readonly<Record<string, string>>): KubeObject[]
  /** Puts all of these in place of what was there, which is returned. */
  replace(objects: ReadonlyMap<string, KubeObject>): ReadonlyMap<string, KubeObject>
}

/** `<namespace>/<name>`, with an empty namespace for cluster-wide kinds. */
export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

type Index = Map<string, Map<string, KubeObject>>

/** An empty store that finds objects quickly by namespace and by these labels. */
export function makeStore(indexedLabels: readonly string[]): Store {
  let all = new Map<string, KubeObject>()
  const byNamespace: Index = new Map()
  const byLabel: Index = new Map()
  const places = ({ metadata }: KubeObject): [Index, string][] => [
    [byNamespace, metadata.namespace ?? ''],
    ...indexedLabels.flatMap((label): [Index, string][] => (metadata.labels?.[label] === undefined ? [] : [[byLabel, `${label}=${metadata.labels[label]}`]])),
  ]
  const enter = (key: string, object: KubeObject): void => {
    for (const [index, at] of places(object)) {
      const there = index.get(at) ?? new Map<string, KubeObject>()
      index.set(at, there.set(key, object))
    }
  }
  const leave = (key: string, object: KubeObject): void => {
    for (const [index, at] of places(object)) {
      const there = index.get(at)
      there?.delete(key)
      if (there?.size === 0) index.delete(at)
    }
  }
  const candidates = (namespace: string | undefined, labels: Readonly<Record<string, string>>): ReadonlyMap<string, KubeObject> => {
    const sets = indexedLabels.filter((label) => label in labels).map((label) => byLabel.get(`${label}=${labels[label]}`) ?? none)
    if (namespace !== undefined) sets.push(byNamespace.get(namespace) ?? none)
    return sets.reduce((smallest, set) => (set.size < smallest.size ? set : smallest), all)
  }
  return {
    get: (key) => all.get(key),
    set(object) {
      const key = keyOf(object)
      const old = all.get(key)
      if (old) leave(key, old)
      all.set(key, object)
      enter(key, object)
    },
    delete(object) {
      const key = keyOf(object)
      const old = all.get(key)
      if (!old) return
      leave(key, old)
      all.delete(key)
    },
    list(namespace, labels) {
      const wanted = Object.entries(labels)
      return [...candidates(namespace, labels).values()].filter(
        ({ metadata }) => (namespace === undefined || (metadata.namespace ?? '') === namespace) && wanted.every(([label, value]) => metadata.labels?.[label] === value),
      )
    },
    replace(objects) {
      const before = all
      all = new Map(objects)
      byNamespace.clear()
      byLabel.clear()
      for (const [key, object] of all) enter(key, object)
      return before
    },
  }
}

const none: ReadonlyMap<string, KubeObject> = new Map()
