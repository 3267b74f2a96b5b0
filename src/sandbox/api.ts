/** The embedded API server as one function from request to answer; server.ts puts it on a port, client.ts calls it in-process. */
import type { KubeObject } from '../rollout/objects.ts'
import { discovery } from './discovery.ts'
import type { CallRecord, Effect, Faults } from './faults.ts'
import { openapi } from './openapi.ts'
import { page } from './pages.ts'
import { formOf, inStorage, inVersion, presented, presentedList, scaleOf } from './present.ts'
import type { Presentation } from './present.ts'
import { decoded, patcher, resolve, resourceId, targetOf, verbOf } from './request.ts'
import type { Call, Served } from './request.ts'
import { withValue } from './resources.ts'
import { ApiError, badRequest, cause, failure, invalid, methodNotAllowed } from './status.ts'
import type { Selected, Store } from './store.ts'
import { openWatch } from './watches.ts'
import type { Context, Stream } from './watches.ts'
import type { Deletion, WriteOptions } from './writes.ts'

/** Cut: the connection ends without an answer. */
export type Answer =
  | { readonly type: 'Body'; readonly status: number; readonly contentType: string; readonly body: string; readonly retryAfterSeconds?: number }
  | { readonly type: 'Stream'; readonly stream: Stream }
  | { readonly type: 'Cut' }

/** Answers one request. Faults strike here, so they hit clients on the port and in-process alike. Never rejects. */
export async function answer(store: Store, faults: Faults, call: Call): Promise<Answer> {
  let record: CallRecord | undefined
  try {
    const url = new URL(call.url, 'http://sandbox')
    const target = targetOf(url.pathname)
    if (!target) return plain(store, url.pathname)
    const watch = ['1', 'true'].includes(url.searchParams.get('watch') ?? '')
    record = {
      at: store.clock.now(),
      verb: verbOf(call.method, target, watch),
      resource: resourceId(target),
      ...(target.subresource && { subresource: target.subresource }),
      ...(target.namespace && { namespace: target.namespace }),
      name: target.name,
      userAgent: call.headers['user-agent'] ?? '',
      status: 0,
    }
    const effects = faults.record(record)
    for (const effect of effects) if ('delayMs' in effect) await new Promise<void>((resume) => store.clock.setTimeout(resume, effect.delayMs))
    const early = struck(effects)
    if (early) return finished(record, early)
    const result = handle(store, call, resolve(store, target), url.searchParams, { faults, record, effects })
    record.status = result.type === 'Body' ? result.status : 200
    return effects.some((effect) => 'drop' in effect && effect.drop === 'After') ? { type: 'Cut' } : result
  } catch (error) {
    const status = error instanceof ApiError ? error.status : failure(500, 'InternalError', `Internal error occurred: ${(error as Error).message}`).status
    return finished(record, body(status.code, status, status.details?.retryAfterSeconds))
  }
}

function finished(record: CallRecord | undefined, result: Answer): Answer {
  if (record && result.type === 'Body') record.status = result.status
  return result
}

function struck(effects: readonly Effect[]): Answer | undefined {
  for (const effect of effects) {
    if ('drop' in effect && effect.drop === 'Before') return { type: 'Cut' }
    if (!('answer' in effect)) continue
    const reasons: Record<number, string> = {
      401: 'Unauthorized',
      403: 'Forbidden',
      404: 'NotFound',
      409: 'Conflict',
      410: 'Expired',
      422: 'Invalid',
      429: 'TooManyRequests',
      500: 'InternalError',
      503: 'ServiceUnavailable',
      504: 'Timeout',
    }
    const reason = effect.reason ?? reasons[effect.answer] ?? 'Unknown'
    const retry = effect.retryAfterSeconds
    const status = failure(
      effect.answer,
      reason,
      effect.message ?? `injected fault: ${effect.answer} ${reason}`,
      retry === undefined ? {} : { retryAfterSeconds: retry },
    ).status
    return body(effect.answer, status, retry)
  }
  return undefined
}

function body(status: number, value: object, retryAfterSeconds?: number): Answer {
  return {
    type: 'Body',
    status,
    contentType: 'application/json',
    body: `${JSON.stringify(value)}\n`,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}

function plain(store: Store, path: string): Answer {
  if (['/healthz', '/readyz', '/livez'].includes(path)) return { type: 'Body', status: 200, contentType: 'text/plain; charset=utf-8', body: 'ok' }
  const found = discovery(store, path) ?? openapi(store, path)
  return found ? body(200, found) : { type: 'Body', status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' }
}

function handle(store: Store, call: Call, served: Served, query: URLSearchParams, context: Context): Answer {
  const how: Presentation = {
    definition: served.definition,
    version: served.version,
    form: formOf(call.headers.accept),
    now: store.clock.now(),
    include: (query.get('includeObject') ?? 'Metadata') as Presentation['include'],
  }
  const selection: Selected = {
    ...(served.namespace !== undefined && { namespace: served.namespace }),
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
  }
  const id = served.definition.id
  switch (context.record.verb) {
    case 'watch':
      return {
        type: 'Stream',
        stream: openWatch(store, id, served.name ? { ...selection, fieldSelector: `metadata.name=${served.name}` } : selection, query, how, context),
      }
    case 'list': {
      const found = page(store, id, selection, query)
      return body(200, presentedList(found.items, found.metadata, how))
    }
    case 'get':
      return body(
        200,
        served.subresource === 'scale' ? scaleOf(served.definition, served.served, existing(store, served)) : presented(existing(store, served), how),
      )
    case 'delete':
    case 'deletecollection':
      return removed(store, call, served, query, how, selection)
    case 'create':
    case 'update':
    case 'patch':
      return written(store, call, served, query, how)
  }
}

function existing(store: Store, served: Served): KubeObject {
  // A no-op update throws the 404 of the real server.
  return (
    store.get(served.definition.id, served.namespace, served.name) ??
    store.update(served.definition.id, served.namespace, served.name, (object) => object, { dryRun: true })
  )
}

function options(call: Call, served: Served, query: URLSearchParams): WriteOptions {
  const agent = (call.headers['user-agent'] ?? 'unknown').split('/')[0]!
  return {
    manager: query.get('fieldManager') || agent.slice(0, 128),
    version: served.version,
    dryRun: query.getAll('dryRun').includes('All'),
    strict: query.get('fieldValidation') === 'Strict',
    patch: call.method === 'PATCH',
    ...(served.subresource && { subresource: served.subresource as 'status' | 'scale' }),
  }
}

function written(store: Store, call: Call, served: Served, query: URLSearchParams, how: Presentation): Answer {
  const { definition, namespace, name } = served
  const write = options(call, served, query)
  if (call.method === 'POST') {
    if (name || (definition.namespaced && namespace === undefined)) throw methodNotAllowed()
    return body(201, presented(store.create(definition.id, inStorage(definition, decoded(call, served)), write), how))
  }
  if (!name) throw methodNotAllowed()
  if (served.subresource === 'scale') return scaled(store, call, served, write)
  const change = call.method === 'PUT' ? replacement(call, served) : patcher(call, served)
  const next = (current: KubeObject): KubeObject => inStorage(definition, change(inVersion(definition, served.version, current)))
  return body(200, presented(store.update(definition.id, namespace, name, next, write), how))
}

function replacement(call: Call, served: Served): (current: KubeObject) => KubeObject {
  const sent = decoded(call, served)
  return (current) => {
    // Services keep their address when a replacement leaves it out.
    if (served.definition.id !== 'services' || sent.spec?.clusterIP) return sent
    return { ...sent, spec: { ...sent.spec, clusterIP: current.spec.clusterIP, clusterIPs: current.spec.clusterIPs } }
  }
}

function scaled(store: Store, call: Call, served: Served, write: WriteOptions): Answer {
  const { definition, namespace, name } = served
  const change = (scale: KubeObject): KubeObject => {
    if (call.method === 'PATCH') return patcher(call, served)(scale)
    const sent = JSON.parse(call.body) as KubeObject
    if (sent.metadata?.name !== name) throw badRequest(`the name of the object (${sent.metadata?.name}) does not match the name on the URL (${name})`)
    return sent
  }
  const object = store.update(
    definition.id,
    namespace,
    name,
    (current) => {
      const next = change(scaleOf(definition, served.served, current, true))
      const replicas = next.spec?.replicas ?? 0
      const scale = { group: 'autoscaling', plural: 'scales', kind: 'Scale' }
      if (!Number.isInteger(replicas) || replicas < 0)
        throw invalid(scale, name, [cause.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')])
      const { uid, resourceVersion } = next.metadata
      const expected = { ...current.metadata, uid: uid ?? current.metadata.uid, resourceVersion: resourceVersion ?? current.metadata.resourceVersion }
      return { ...withValue(current, served.served.scale!.spec, replicas), metadata: expected }
    },
    write,
  )
  return body(200, scaleOf(definition, served.served, object))
}

function removed(store: Store, call: Call, served: Served, query: URLSearchParams, how: Presentation, selection: Selected): Answer {
  if (served.subresource) throw methodNotAllowed()
  const deletion = deletionOf(call, query)
  const id = served.definition.id
  if (!served.name) {
    const items = store.list(id, selection)
    for (const item of items) store.delete(id, item.metadata.namespace, item.metadata.name, deletion)
    return body(200, presentedList(items, { resourceVersion: String(store.revision) }, { ...how, form: 'Plain' }))
  }
  const { gone, object } = store.delete(id, served.namespace, served.name, deletion)
  // Pods, Services and Namespaces are answered with the object, others with a Status.
  if (!gone || ['pods', 'services', 'namespaces'].includes(id)) return body(200, inVersion(served.definition, served.version, object))
  const { group, plural } = served.definition
  const details = { name: served.name, ...(group && { group }), kind: plural, uid: object.metadata.uid }
  return body(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
}

function deletionOf(call: Call, query: URLSearchParams): Deletion {
  let sent: any = {}
  try {
    if (call.body.trim() !== '') sent = JSON.parse(call.body)
  } catch (error) {
    throw badRequest(`error decoding DeleteOptions: ${(error as Error).message}`)
  }
  const grace = sent.gracePeriodSeconds ?? query.get('gracePeriodSeconds')
  const policy = sent.propagationPolicy ?? query.get('propagationPolicy') ?? (sent.orphanDependents ? 'Orphan' : undefined)
  return {
    ...(sent.preconditions?.uid && { uid: sent.preconditions.uid }),
    ...(sent.preconditions?.resourceVersion && { resourceVersion: sent.preconditions.resourceVersion }),
    ...(policy && { propagationPolicy: policy }),
    ...(grace !== null && grace !== undefined && { gracePeriodSeconds: Number(grace) }),
    dryRun: (sent.dryRun ?? query.getAll('dryRun')).includes('All'),
  }
}
