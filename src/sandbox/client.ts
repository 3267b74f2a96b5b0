/** `KubeApi` straight onto the embedded API server, without sockets: the same requests, faults and call log, for deterministic tests of the loop. */
import type { Failure, FailureReason, KubeApi, Result, Selection, WatchEvent } from '../kube/api.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { answer } from './api.ts'
import type { Faults } from './faults.ts'
import type { FailureStatus } from './status.ts'
import type { Store } from './store.ts'
import { apiVersionOf } from './resources.ts'

/** A client named `userAgent` in the call log and in managedFields. */
export function embeddedApi(store: Store, faults: Faults, userAgent = 'sluice/test'): KubeApi {
  const send = async (method: string, url: string, sent?: unknown, contentType = 'application/json', accept = 'application/json'): Promise<Result<any>> => {
    const result = await answer(store, faults, {
      method,
      url,
      headers: { 'user-agent': userAgent, accept, 'content-type': contentType },
      body: sent === undefined ? '' : JSON.stringify(sent),
    })
    if (result.type !== 'Body') return { ok: false, reason: 'Unavailable', message: `${method} ${url}: the connection was cut` }
    if (result.contentType.startsWith('text/'))
      return { ok: false, reason: result.status === 404 ? 'NotFound' : 'Unavailable', message: result.body.trim(), status: result.status }
    const value = JSON.parse(result.body)
    return result.status < 400 ? { ok: true, value, serverTime: Math.floor(store.clock.now() / 1000) * 1000 } : failed(value)
  }
  const path = (resource: Resource, namespace: string | undefined, name?: string, subresource?: string): string =>
    [
      resource.group ? '/apis' : '/api',
      apiVersionOf(resource.group, resource.version),
      ...(namespace === undefined || !resource.namespaced ? [] : ['namespaces', namespace]),
      resource.plural,
      name,
      subresource,
    ]
      .filter((part) => part !== undefined)
      .join('/')
  const query = (parameters: Record<string, string | number | undefined>): string => {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '')
    return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()}`
  }
  return {
    get: (resource, namespace, name, subresource) => send('GET', path(resource, namespace, name, subresource)),
    list: async (resource, { namespace, metadataOnly, ...rest }) => {
      const result = await send('GET', path(resource, namespace) + query(rest), undefined, undefined, accepted(metadataOnly))
      if (!result.ok) return result
      const { items, metadata } = result.value
      const typed = items.map((item: object) => ({ ...item, apiVersion: apiVersionOf(resource.group, resource.version), kind: resource.kind }))
      return { ...result, value: { items: typed, resourceVersion: metadata.resourceVersion, ...(metadata.continue && { continue: metadata.continue }) } }
    },
    create: (resource, object) => send('POST', path(resource, object.metadata.namespace), object),
    patch: (resource, namespace, name, patch, subresource) =>
      send('PATCH', path(resource, namespace, name, subresource), patch, Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json'),
    replace: (resource, object, subresource) => send('PUT', path(resource, object.metadata.namespace, object.metadata.name, subresource), object),
    delete: async (resource, namespace, name, { propagationPolicy, ...preconditions } = {}) => {
      const result = await send('DELETE', path(resource, namespace, name), {
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        preconditions,
        ...(propagationPolicy && { propagationPolicy }),
      })
      return result.ok ? { ...result, value: undefined } : result
    },
    watch: (resource, selection, signal) => watch(store, faults, userAgent, (namespace) => path(resource, namespace), query, resource, selection, signal),
    groupVersions: async (group) => {
      if (group === '') return { ok: true, value: ['v1'] }
      const result = await send('GET', `/apis/${group}`)
      if (!result.ok) return result.reason === 'NotFound' ? { ok: true, value: [] } : result
      return { ...result, value: result.value.versions.map((version: { version: string }) => version.version) }
    },
    resources: async (group, version) => {
      const result = await send('GET', `${group ? '/apis' : '/api'}/${apiVersionOf(group, version)}`)
      if (!result.ok) return result.reason === 'NotFound' ? { ok: true, value: [] } : result
      const served = result.value.resources.filter((entry: { name: string }) => !entry.name.includes('/'))
      return {
        ...result,
        value: served.map((entry: { name: string; kind: string; namespaced: boolean }) => ({
          group,
          version,
          plural: entry.name,
          kind: entry.kind,
          namespaced: entry.namespaced,
        })),
      }
    },
  }
}

const accepted = (metadataOnly: boolean | undefined): string =>
  metadataOnly ? 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' : 'application/json'

const reasons: Readonly<Record<number, FailureReason>> = {
  400: 'Invalid',
  401: 'Forbidden',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  415: 'Invalid',
  422: 'Invalid',
  429: 'Throttled',
  504: 'Timeout',
}

function failed(status: FailureStatus): Failure {
  const causes = status.details?.causes
  const lost = status.code === 422 && !causes
  const reason = lost ? 'TestFailed' : status.reason === 'AlreadyExists' ? 'AlreadyExists' : (reasons[status.code] ?? 'Unavailable')
  const retry = status.details?.retryAfterSeconds
  return {
    ok: false,
    reason,
    message: status.message,
    status: status.code,
    ...(causes && { causes }),
    ...(retry !== undefined && { retryAfterMs: retry * 1000 }),
  }
}

async function* watch(
  store: Store,
  faults: Faults,
  userAgent: string,
  path: (namespace?: string) => string,
  query: (parameters: Record<string, string | undefined>) => string,
  resource: Resource,
  { namespace, metadataOnly, ...selection }: Selection & { resourceVersion: string },
  signal: AbortSignal,
): AsyncIterable<WatchEvent> {
  const url = path(namespace) + query({ ...selection, watch: 'true', allowWatchBookmarks: 'true' })
  const result = await answer(store, faults, { method: 'GET', url, headers: { 'user-agent': userAgent, accept: accepted(metadataOnly) }, body: '' })
  if (result.type !== 'Stream') {
    const failure: Failure =
      result.type === 'Body' ? failed(JSON.parse(result.body)) : { ok: false, reason: 'Unavailable', message: `GET ${url}: the connection was cut` }
    yield { type: 'ERROR', failure }
    return
  }
  const queue: { type: string; object: object }[] = []
  let ended = signal.aborted
  let wake = (): void => {}
  const stop = (): void => {
    ended = true
    wake()
  }
  signal.addEventListener('abort', stop, { once: true })
  const open = result.stream.open({
    send: (event) => {
      queue.push(event)
      wake()
    },
    end: stop,
  })
  try {
    for (;;) {
      for (let event = queue.shift(); event && !signal.aborted; event = queue.shift()) {
        if (event.type === 'ERROR') return yield { type: 'ERROR', failure: failed(event.object as FailureStatus) }
        const object = { ...event.object, apiVersion: apiVersionOf(resource.group, resource.version), kind: resource.kind } as KubeObject
        yield { type: event.type as 'ADDED', object }
      }
      if (ended) return
      await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    signal.removeEventListener('abort', stop)
    open.close()
  }
}
