/** Following objects as they change, until somebody has seen enough. */
import type { Failure, Selection } from '../kube/api.ts'
import { startCache } from '../kube/cache.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { refused, type Cluster } from './connect.ts'
import type { Io } from './io.ts'

export interface Following {
  /** Resolves when `stop` was called or the person stopped; rejects with a CliFailure where the cluster refuses. */
  readonly ended: Promise<void>
  stop(): void
}

/**
 * Calls `changed` with all objects by `<namespace>/<name>`, after the first list and after changes, once for those that come together. Cut watches are
 * taken up again; a failure before the first list ends it.
 */
export function follow(
  cluster: Cluster, io: Io, resource: Resource, selection: Selection, changed: (objects: ReadonlyMap<string, KubeObject>) => void,
): Following {
  const end = Promise.withResolvers<void>()
  let due = false
  let over = false
  const tell = (): void => {
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      if (over || cache.state !== 'Synced') return
      try {
        changed(new Map(cache.list().map(one => [`${one.metadata.namespace ?? ''}/${one.metadata.name}`, one])))
      } catch (error) {
        end.reject(error)
      }
    })
  }
  const cache = startCache({
    api: cluster.api, resource, selection, clock: io.clock, random: Math.random,
    onProblem: ({ failure, error }) => {
      if (error !== undefined) end.reject(error)
      else if (failure !== undefined && cache.complete === undefined && !passing(failure)) end.reject(refused(failure))
    },
  })
  cache.subscribe(tell)
  cache.subscribeState(state => (state === 'NotServed' ? end.reject(refused({ ok: false, reason: 'NotFound', message: '' })) : tell()))
  const stop = (): void => end.resolve()
  io.stopped.addEventListener('abort', stop, { once: true })
  if (io.stopped.aborted) stop()
  const ended = end.promise.finally(async () => {
    over = true
    io.stopped.removeEventListener('abort', stop)
    await cache.stop()
  })
  return { ended, stop }
}

/** What a moment heals while a person looks on. */
function passing(failure: Failure): boolean {
  return failure.reason === 'Throttled' || failure.reason === 'Expired'
}
