/** Following rollouts as they change, until somebody has seen enough. */
import type { Failure, Selection } from '../kube/api.ts'
import { startWatcher } from '../kube/watch.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { refused, type Cluster } from './connect.ts'
import type { Io } from './io.ts'

export interface Following {
  /** Resolves when `stop` was called; rejects with a CliFailure where the cluster refuses. */
  readonly ended: Promise<void>
  stop(): void
}

/** Calls `changed` with all objects, after the first list and after each change. Cut watches are taken up again; a refusal before the first list ends it. */
export function follow(cluster: Cluster, io: Io, resource: Resource, selection: Selection, changed: (objects: ReadonlyMap<string, KubeObject>) => void): Following {
  const objects = new Map<string, KubeObject>()
  let listed = false
  let fresh: Set<string> | undefined
  const end = Promise.withResolvers<void>()
  const keyOf = (object: KubeObject) => `${object.metadata.namespace}/${object.metadata.name}`
  const watcher = startWatcher({
    api: cluster.api, resource, selection, clock: io.clock, random: Math.random,
    onEvent(event) {
      switch (event.type) {
        case 'Init':
          fresh = new Set()
          return
        case 'InitApply':
          fresh?.add(keyOf(event.object))
          objects.set(keyOf(event.object), event.object)
          return
        case 'InitDone':
          for (const key of objects.keys()) if (fresh?.has(key) === false) objects.delete(key)
          listed = true
          break
        case 'Apply':
          objects.set(keyOf(event.object), event.object)
          break
        case 'Delete':
          objects.delete(keyOf(event.object))
      }
      changed(objects)
    },
    onState: (_, failure) => void (failure !== undefined && !listed && final(failure) && end.reject(refused(failure))),
    onCallbackError: error => end.reject(error),
  })
  const stop = (): void => end.resolve()
  io.stopped.addEventListener('abort', stop, { once: true })
  const ended = end.promise.finally(async () => {
    io.stopped.removeEventListener('abort', stop)
    await watcher.stop()
  })
  return { ended, stop }
}

/** What no repetition will heal while a person looks on. */
function final(failure: Failure): boolean {
  return failure.reason !== 'Throttled' && failure.reason !== 'Expired'
}
