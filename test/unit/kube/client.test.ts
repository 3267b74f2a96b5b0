import { afterEach, describe, expect, test } from 'vitest'
import { kubeClient } from '../../../src/kube/client.ts'
import type { KubeApi } from '../../../src/kube/api.ts'
import type { Resource } from '../../../src/rollout/objects.ts'
import { deployment, deployments, json, scripted, status, type Received, type Scripted } from './server.ts'
import type { ServerResponse } from 'node:http'

let server: Scripted
let waits: number[]
afterEach(() => server?.close())

async function client(answer: (request: Received, response: ServerResponse, count: number) => void): Promise<KubeApi> {
  server = await scripted(answer)
  waits = []
  return kubeClient(await server.connect(), { wait: async (ms) => void waits.push(ms), random: () => 0 })
}
const always = (code: number, body: unknown, headers: Record<string, string> = {}) => client((_, response) => json(response, code, body, headers))

describe('requests', () => {
  test.each<[string, (api: KubeApi) => Promise<unknown>, string]>([
    ['get', (api) => api.get(deployments, 'shop', 'cart'), 'GET /apis/apps/v1/namespaces/shop/deployments/cart'],
    ['get scale', (api) => api.get(deployments, 'shop', 'cart', 'scale'), 'GET /apis/apps/v1/namespaces/shop/deployments/cart/scale'],
    ['create', (api) => api.create(deployments, deployment('cart')), 'POST /apis/apps/v1/namespaces/shop/deployments fieldManager=sluice'],
    ['json patch', (api) => api.patch(deployments, 'shop', 'cart', [{ op: 'test', path: '/a', value: 1 }], 'status'), 'PATCH /apis/apps/v1/namespaces/shop/deployments/cart/status fieldManager=sluice application/json-patch+json'],
    ['merge patch', (api) => api.patch(deployments, 'shop', 'cart', { spec: {} }), 'PATCH /apis/apps/v1/namespaces/shop/deployments/cart fieldManager=sluice application/merge-patch+json'],
    ['replace', (api) => api.replace(deployments, deployment('cart')), 'PUT /apis/apps/v1/namespaces/shop/deployments/cart fieldManager=sluice'],
    ['delete', (api) => api.delete(deployments, 'shop', 'cart', { uid: 'u' }), 'DELETE /apis/apps/v1/namespaces/shop/deployments/cart'],
    ['core', (api) => api.get({ group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }, undefined, 'shop'), 'GET /api/v1/namespaces/shop'],
  ])('%s', async (_, call, expected) => {
    const api = await always(200, deployment('cart'))
    expect(await call(api)).toMatchObject({ ok: true })
    const { method, path, query, headers } = server.received[0]!
    const type = headers['content-type']
    const patchType = type?.includes('patch') ? ` ${type}` : ''
    expect(`${method} ${path}${query.size > 0 ? ` ${query}` : ''}${patchType}`).toBe(expected)
    expect(headers['user-agent']).toMatch(/^sluice\/\d/)
  })

  test('delete carries preconditions and policy', async () => {
    const api = await always(200, status(200, ''))
    expect(await api.delete(deployments, 'shop', 'cart', { uid: 'u', resourceVersion: '7', propagationPolicy: 'Orphan' })).toMatchObject({ ok: true, value: undefined })
    expect(server.received[0]?.body).toMatchObject({ preconditions: { uid: 'u', resourceVersion: '7' }, propagationPolicy: 'Orphan' })
  })

  test('a page of a list gets its types back and the token of the next', async () => {
    const api = await always(200, { metadata: { resourceVersion: '9', continue: 'more' }, items: [{ metadata: { name: 'a' } }] })
    expect(await api.list(deployments, { labelSelector: 'a=b,c', limit: 1, continue: 'x' })).toMatchObject({
      ok: true, value: { resourceVersion: '9', continue: 'more', items: [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } }] },
    })
    expect(Object.fromEntries(server.received[0]!.query)).toEqual({ labelSelector: 'a=b,c', limit: '1', continue: 'x' })
  })

  test('metadata only is asked for, with the whole as second choice', async () => {
    const api = await always(200, { metadata: { resourceVersion: '9' }, items: [{ apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', metadata: { name: 'a' } }] })
    expect(await api.list(deployments, { metadataOnly: true })).toMatchObject({ value: { items: [{ kind: 'Deployment' }] } })
    expect(server.received[0]?.headers.accept).toBe('application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json')
  })

  test("the server's clock comes along", async () => {
    const api = await always(200, deployment('cart'), { date: 'Mon, 05 Jan 2026 09:00:00 GMT' })
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ serverTime: Date.UTC(2026, 0, 5, 9) })
  })
})

describe('bad answers are values', () => {
  const patch = (api: KubeApi) => api.patch(deployments, 'shop', 'cart', [{ op: 'test', path: '/a', value: 1 }])
  const merge = (api: KubeApi) => api.patch(deployments, 'shop', 'cart', { spec: { replicas: -1 } })
  const causes = { causes: [{ field: 'spec.replicas', message: 'must be at least 0', reason: 'FieldValueInvalid' }] }
  test.each<[string, number, unknown, (api: KubeApi) => Promise<unknown>, object]>([
    ['a lost test', 422, status(422, 'Invalid', 'the server rejected our request'), patch, { reason: 'TestFailed' }],
    ['a schema refusal of a JSON patch', 422, status(422, 'Invalid', 'spec.replicas is wrong', causes), patch, { reason: 'Invalid', causes: causes.causes }],
    ['a refused merge patch', 422, status(422, 'Invalid', 'no'), merge, { reason: 'Invalid' }],
    ['bad request', 400, status(400, 'BadRequest', 'no'), merge, { reason: 'Invalid' }],
    ['conflict', 409, status(409, 'Conflict', 'the object has been modified'), merge, { reason: 'Conflict' }],
    ['already exists', 409, status(409, 'AlreadyExists', 'there'), (api) => api.create(deployments, deployment('cart')), { reason: 'AlreadyExists' }],
    ['not found', 404, status(404, 'NotFound', 'deployments.apps "cart" not found'), patch, { reason: 'NotFound', message: 'patch deployments "shop/cart": deployments.apps "cart" not found' }],
    ['forbidden', 403, status(403, 'Forbidden', 'may not'), patch, { reason: 'Forbidden' }],
    ['expired', 410, status(410, 'Expired', 'too old'), (api) => api.list(deployments, {}), { reason: 'Expired' }],
    ['an inner error', 500, status(500, 'InternalError', 'etcd'), patch, { reason: 'Unavailable' }],
    ['a gateway time-out', 504, 'upstream', patch, { reason: 'Timeout' }],
    ['a login page', 200, undefined, patch, { reason: 'Unavailable', message: expect.stringContaining('not JSON') }],
    ['something else entirely', 200, { hello: 'world' }, (api) => api.list(deployments, {}), { reason: 'Unavailable' }],
  ])('%s', async (_, code, body, call, expected) => {
    const api = await client((_request, response) => (body === undefined ? response.writeHead(200).end('<html>') : json(response, code, body)))
    expect(await call(api)).toMatchObject({ ok: false, ...expected })
    expect(waits).toEqual([])
  })

  test('no answer in time', async () => {
    const api = await client(() => undefined)
    expect(await api.patch(deployments, 'shop', 'cart', [], undefined, { timeoutMs: 50 })).toMatchObject({ ok: false, reason: 'Timeout' })
  })

  test('a write whose connection was cut may have happened: it is not repeated', async () => {
    const api = await client((_, response) => response.socket?.destroy())
    expect(await merge(api)).toMatchObject({ ok: false, reason: 'Unavailable' })
    expect(server.received).toHaveLength(1)
  })

  test('a read whose connection was cut is repeated', async () => {
    const api = await client((_, response, count) => (count === 1 ? response.socket?.destroy() : json(response, 200, deployment('cart'))))
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ ok: true })
  })
})

test('a read that met a 503 is repeated, one that met a bug is not', async () => {
  const once = (code: number) => client((_, response, count) => (count === 1 ? json(response, code, status(code, '')) : json(response, 200, deployment('cart'))))
  expect(await (await once(503)).get(deployments, 'shop', 'cart')).toMatchObject({ ok: true })
  await server.close()
  expect(await (await once(500)).get(deployments, 'shop', 'cart', 'scale')).toMatchObject({ ok: false, status: 500 })
})

describe('a busy server', () => {
  const busyOnce = (code: number, headers: Record<string, string>) =>
    client((_, response, count) => (count === 1 ? json(response, code, status(code, 'TooManyRequests'), headers) : json(response, 200, deployment('cart'))))
  test.each([429, 503])('%s with Retry-After is obeyed, also for writes', async (code) => {
    const api = await busyOnce(code, { 'retry-after': '7' })
    expect(await api.create(deployments, deployment('cart'))).toMatchObject({ ok: true })
    expect(waits).toEqual([7000])
  })
  test('an urgent write does not wait that long', async () => {
    const api = await busyOnce(429, { 'retry-after': '7' })
    expect(await api.patch(deployments, 'shop', 'cart', [], undefined, { urgent: true })).toMatchObject({ ok: true })
    expect(waits).toEqual([50])
  })
  test('a write is not repeated after a 503 that does not say it was not done', async () => {
    const api = await busyOnce(503, {})
    expect(await api.create(deployments, deployment('cart'))).toMatchObject({ ok: false, reason: 'Unavailable', status: 503 })
  })
  test('it ends after some tries, and says when to come back', async () => {
    const api = await always(429, status(429, 'TooManyRequests', 'slow down', { retryAfterSeconds: 2 }))
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ ok: false, reason: 'Throttled', retryAfterMs: 2000 })
    expect(server.received).toHaveLength(4)
  })
  test('a wait beyond the time limit is left to the caller', async () => {
    const api = await always(429, status(429, 'TooManyRequests'), { 'retry-after': '60' })
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ reason: 'Throttled', retryAfterMs: 60_000 })
    expect(waits).toEqual([])
  })
})

describe('discovery', () => {
  test('versions by preference', async () => {
    const api = await always(200, { versions: [{ version: 'v1beta1' }, { version: 'v1' }], preferredVersion: { version: 'v1' } })
    expect(await api.groupVersions('networking.istio.io')).toMatchObject({ ok: true, value: ['v1', 'v1beta1'] })
  })
  test('the core group', async () => {
    const api = await always(200, { versions: ['v1'] })
    expect(await api.groupVersions('')).toMatchObject({ ok: true, value: ['v1'] })
    expect(server.received[0]?.path).toBe('/api')
  })
  test('resources without their subresources', async () => {
    const api = await always(200, { resources: [{ name: 'deployments', kind: 'Deployment', namespaced: true }, { name: 'deployments/scale', kind: 'Scale', namespaced: true }] })
    expect(await api.resources('apps', 'v1')).toMatchObject({ ok: true, value: [deployments] })
  })
  test('an absent group is empty, a failing one is a failure', async () => {
    expect(await (await always(404, '')).groupVersions('linkerd.io')).toEqual({ ok: true, value: [] })
    await server.close()
    expect(await (await always(403, status(403, 'Forbidden'))).resources('linkerd.io', 'v1alpha2')).toMatchObject({ ok: false, reason: 'Forbidden' })
  })
})

describe('one watch', () => {
  const collect = async (api: KubeApi, resource: Resource = deployments) => {
    const events = []
    for await (const event of api.watch(resource, { resourceVersion: '5' }, new AbortController().signal)) events.push(event)
    return events
  }
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`

  test('asks for bookmarks and an end, and yields what comes, in pieces too', async () => {
    const text = line('ADDED', deployment('a', '6')) + line('BOOKMARK', { metadata: { resourceVersion: '8' } }) + line('DELETED', deployment('ä', '9'))
    const api = await client((_, response) => {
      const bytes = Buffer.from(text)
      const middle = bytes.indexOf('ä') + 1
      response.write(bytes.subarray(0, middle))
      setTimeout(() => response.end(bytes.subarray(middle)), 10)
    })
    expect(await collect(api)).toMatchObject([{ type: 'ADDED' }, { type: 'BOOKMARK', object: { metadata: { resourceVersion: '8' } } }, { type: 'DELETED', object: { metadata: { name: 'ä' } } }])
    expect(Object.fromEntries(server.received[0]!.query)).toEqual({ watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '5', timeoutSeconds: '240' })
  })
  test('410 inside the stream and as an answer', async () => {
    expect(await collect(await client((_, response) => response.end(line('ERROR', status(410, 'Expired', 'too old resource version'))))))
      .toMatchObject([{ type: 'ERROR', failure: { reason: 'Expired', status: 410 } }])
    await server.close()
    expect(await collect(await always(410, status(410, 'Gone')))).toMatchObject([{ type: 'ERROR', failure: { reason: 'Expired' } }])
  })
  test('a line that is no event ends it with an error', async () => {
    const api = await client((_, response) => response.end(`${line('ADDED', deployment('a', '6'))}<html>\n${line('ADDED', deployment('b', '7'))}`))
    expect(await collect(api)).toMatchObject([{ type: 'ADDED' }, { type: 'ERROR', failure: { reason: 'Invalid' } }])
  })
  test('a cut one ends with an error after its whole lines', async () => {
    const api = await client((_, response) => {
      response.write(`${line('ADDED', deployment('a', '6'))}{"type":"ADD`)
      setTimeout(() => response.socket?.destroy(), 20)
    })
    expect(await collect(api)).toMatchObject([{ type: 'ADDED' }, { type: 'ERROR', failure: { reason: 'Unavailable' } }])
  })
  test('aborting ends it without an error and closes the connection', async () => {
    const api = await client((_, response) => void response.write(line('ADDED', deployment('a', '6'))))
    const control = new AbortController()
    const seen = []
    for await (const event of api.watch(deployments, { resourceVersion: '5' }, control.signal)) {
      seen.push(event.type)
      control.abort()
    }
    expect(seen).toEqual(['ADDED'])
    await expect.poll(() => [...server.sockets].every((socket) => socket.destroyed)).toBe(true)
  })
})
