/** List and watch for the models of this folder. On purpose not src/kube: what judges the product must not share its faults. */
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { sleep } from './process.ts'

export interface Followed {
  readonly objects: ReadonlyMap<string, KubeObject>
  /** Resolves after the first complete list. */
  readonly synced: Promise<void>
}
export type Heard = (key: string, now: KubeObject | undefined, before: KubeObject | undefined) => void

/** `namespace/name`, or the name of an object without a namespace. */
export function keyOf(object: KubeObject): string {
  return object.metadata.namespace ? `${object.metadata.namespace}/${object.metadata.name}` : object.metadata.name
}

/** Follows one collection, for example `/api/v1/pods`, until the signal aborts. A kind that is not served counts as empty and is asked for again. */
export function follow(plane: ControlPlane, path: string, signal: AbortSignal, heard: Heard = () => undefined): Followed {
  const objects = new Map<string, KubeObject>()
  const first = Promise.withResolvers<void>()
  const put = (key: string, now: KubeObject | undefined) => {
    const before = objects.get(key)
    if (now === undefined) objects.delete(key)
    else objects.set(key, now)
    if (now !== before) heard(key, now, before)
  }
  const once = async () => {
    const { status, body } = await plane.request('GET', path)
    if (status !== 200 && status !== 404) return
    const items: KubeObject[] = status === 404 ? [] : body.items
    const keys = new Set(items.map(keyOf))
    for (const key of [...objects.keys()]) if (!keys.has(key)) put(key, undefined)
    for (const item of items) if (objects.get(keyOf(item))?.metadata.resourceVersion !== item.metadata.resourceVersion) put(keyOf(item), item)
    first.resolve()
    if (status === 404) return
    const from = body.metadata.resourceVersion
    const stream = await plane.stream(`${path}?watch=true&allowWatchBookmarks=true&resourceVersion=${from}`, signal)
    if (stream.status !== 200) return
    for await (const line of stream.lines) {
      const event = JSON.parse(line)
      if (event.type === 'ERROR') return
      if (event.type !== 'BOOKMARK') put(keyOf(event.object), event.type === 'DELETED' ? undefined : event.object)
    }
  }
  const loop = async () => {
    while (!signal.aborted) {
      await once().catch(() => undefined)
      if (!signal.aborted) await sleep(200)
    }
    first.resolve()
  }
  void loop()
  return { objects, synced: first.promise }
}
