/** The bounded past of one kind: what watches replay and what consistent pages are read from. */
import type { KubeObject } from '../rollout/objects.ts'

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED'
/** One committed write. `object` is the object after it (for DELETED: as it was, under the resourceVersion of the deletion). */
export interface Change {
  readonly type: ChangeType
  readonly revision: number
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
}

/** `<namespace>/<name>`, for cluster-wide kinds `/<name>`: sorts like the API server's keys. */
export const keyOf = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`

export class History {
  #changes: Change[] = []
  readonly #limit: number
  /** Oldest resourceVersion from which a watch can be continued. */
  floor: number

  /** `limit`: how many writes are remembered; `floor`: the server's resourceVersion when the kind was registered. */
  constructor(limit: number, floor: number) {
    this.#limit = limit
    this.floor = floor
  }

  add(change: Change): void {
    this.#changes.push(change)
    if (this.#changes.length <= this.#limit * 1.25) return
    const dropped = this.#changes.splice(0, this.#changes.length - this.#limit)
    this.floor = dropped.at(-1)!.revision
  }

  /** Forgets everything up to `revision`, as compaction does. */
  compact(revision: number): void {
    this.#changes = this.#changes.filter((change) => change.revision > revision)
    this.floor = Math.max(this.floor, revision)
  }

  /** Writes after `revision`, oldest first. */
  after(revision: number): readonly Change[] {
    return this.#changes.filter((change) => change.revision > revision)
  }

  /** The objects as they were at `revision`, given what there is now. */
  past(now: ReadonlyMap<string, KubeObject>, revision: number): Map<string, KubeObject> {
    const objects = new Map(now)
    for (const change of this.#changes.toReversed()) {
      if (change.revision <= revision) break
      if (change.previous) objects.set(keyOf(change.previous), change.previous)
      else objects.delete(keyOf(change.object))
    }
    return objects
  }
}

/** How a change looks to somebody who only sees selected objects: leaving the selection is a deletion. Undefined: not at all. */
export function selected(change: Change, predicate: (object: KubeObject) => boolean): { readonly type: ChangeType; readonly object: KubeObject } | undefined {
  const is = change.type !== 'DELETED' && predicate(change.object)
  const was = change.previous !== undefined && predicate(change.previous)
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: change.object }
  if (!was) return undefined
  const object =
    change.type === 'DELETED'
      ? change.object
      : { ...change.previous!, metadata: { ...change.previous!.metadata, resourceVersion: change.object.metadata.resourceVersion! } }
  return { type: 'DELETED', object }
}
