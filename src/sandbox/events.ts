/** Events that the embedded cluster's own controllers write: repeated ones are counted, old ones vanish. */
import type { KubeObject } from '../rollout/objects.ts'
import { ApiError } from './status.ts'
import type { Store } from './store.ts'
import { timestamp } from './writes.ts'

/** An hour, as the API server's --event-ttl. */
const lifetimeMs = 3_600_000

/** Tells that something happened to an object; the same again within an hour raises the count. */
export function recordEvent(store: Store, about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, component: string): void {
  const { name, namespace = 'default', uid, resourceVersion } = about.metadata
  const now = timestamp(store.clock.now())
  const same = store.list('events', { namespace, fieldSelector: `involvedObject.uid=${uid},reason=${reason}` }).find((event) => event.message === message)
  if (same) {
    store.update('events', namespace, same.metadata.name, (event) => ({ ...event, count: (event.count ?? 1) + 1, lastTimestamp: now }), { manager: component })
    return
  }
  const involvedObject = { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion }
  try {
    const event = store.create(
      'events',
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name}.${store.suffix(10)}`, namespace },
        involvedObject,
        reason,
        message,
        type,
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
        source: { component },
      },
      { manager: component },
    )
    store.clock.setTimeout(() => store.get('events', namespace, event.metadata.name) && store.delete('events', namespace, event.metadata.name), lifetimeMs)
  } catch (error) {
    // A namespace that is being deleted takes no events.
    if (!(error instanceof ApiError)) throw error
  }
}
