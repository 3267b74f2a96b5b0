/** The contract: what Sluice relies on in an API server. The same cases run against the embedded cluster and against the real thing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clientOf, eventually, patchTypes } from './client.ts'
import type { Client, Reply, ServerUnderTest } from './client.ts'
import { gadget, gadgetCrd, gadgetsIn } from './gadget.ts'
import { watchCases } from './watch-cases.ts'
import { workloadCases } from './workload-cases.ts'

/** What a case works with. */
export interface Ground {
  readonly client: Client
  /** A namespace of this test alone. */
  readonly namespace: string
}

/** Defines the suite for one server; `start` is called once. */
export function apiContract(name: string, start: () => Promise<{ readonly server: ServerUnderTest; stop(): Promise<void> }>): void {
  describe(name, () => {
    let running: { readonly server: ServerUnderTest; stop(): Promise<void> }
    const ground = {} as { client: Client; namespace: string }
    let count = 0
    beforeAll(async () => {
      running = await start()
      ground.client = clientOf(running.server)
      await ground.client.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', gadgetCrd)
      await eventually(async () => expect((await ground.client.request('GET', gadgetsIn('default'))).status).toBe(200))
    }, 60_000)
    afterAll(async () => {
      if (!running) return
      await ground.client.request('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.contract.sluice.dev')
      await ground.client.close()
      await running.stop()
    })
    beforeEach(async () => {
      ground.namespace = `contract-${Date.now().toString(36)}-${++count}`
      expect((await ground.client.request('POST', '/api/v1/namespaces', { metadata: { name: ground.namespace } })).status).toBe(201)
      return async () => void (await ground.client.request('DELETE', `/api/v1/namespaces/${ground.namespace}`))
    })
    describe('objects', () => objectCases(ground))
    describe('patches', () => patchCases(ground))
    describe('status and scale', () => subresourceCases(ground))
    describe('lists and watches', () => watchCases(ground))
    describe('workloads and owners', () => workloadCases(ground))
  })
}

/** A failure without the parts that differ from run to run. */
export function failed(reply: Reply): object {
  const { code, reason, message, details } = reply.body
  return { status: reply.status, code, reason, message, details }
}
const lostTest = { status: 422, code: 422, reason: 'Invalid', message: 'the server rejected our request due to an error in our request', details: {} }

function objectCases(ground: Ground): void {
  const maps = (name = ''): string => `/api/v1/namespaces/${ground.namespace}/configmaps${name && `/${name}`}`
  const map = (name: string, data: object = { x: '1' }): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })

  test('a created object has uid, resourceVersion, creationTimestamp and its writer', async () => {
    const { status, body } = await ground.client.request('POST', maps(), map('a'), { agent: 'somebody/1.2' })
    expect(status).toBe(201)
    expect(body).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', namespace: ground.namespace }, data: { x: '1' } })
    expect(body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(body.metadata.resourceVersion).toMatch(/^\d+$/)
    expect(body.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(body.metadata.managedFields).toMatchObject([{ manager: 'somebody', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:data': { 'f:x': {} } } }])
    expect(body.metadata.generation).toBeUndefined()
    expect((await ground.client.request('GET', maps('a'))).body).toEqual(body)
  })
  test('a second one of that name is refused as AlreadyExists', async () => {
    await ground.client.request('POST', maps(), map('a'))
    expect(failed(await ground.client.request('POST', maps(), map('a')))).toEqual({
      status: 409, code: 409, reason: 'AlreadyExists', message: 'configmaps "a" already exists', details: { name: 'a', kind: 'configmaps' },
    })
  })
  test('absent objects, namespaces and resources are three different 404', async () => {
    expect(failed(await ground.client.request('GET', maps('nope')))).toEqual({ status: 404, code: 404, reason: 'NotFound', message: 'configmaps "nope" not found', details: { name: 'nope', kind: 'configmaps' } })
    expect(failed(await ground.client.request('GET', `${gadgetsIn(ground.namespace)}/nope`))).toMatchObject({ message: 'gadgets.contract.sluice.dev "nope" not found', details: { name: 'nope', group: 'contract.sluice.dev', kind: 'gadgets' } })
    expect(failed(await ground.client.request('POST', '/api/v1/namespaces/nowhere/configmaps', map('a')))).toMatchObject({ message: 'namespaces "nowhere" not found', details: { name: 'nowhere', kind: 'namespaces' } })
    expect(failed(await ground.client.request('GET', '/api/v1/nonsense'))).toEqual({ status: 404, code: 404, reason: 'NotFound', message: 'the server could not find the requested resource', details: {} })
    expect((await ground.client.request('GET', '/apis/nope.sluice.dev/v1')).status).toBe(404)
  })
  test('a replacement with an old resourceVersion or a foreign uid is a conflict', async () => {
    const first = (await ground.client.request('POST', maps(), map('a'))).body
    await ground.client.request('PUT', maps('a'), map('a', { x: '2' }))
    const stale = await ground.client.request('PUT', maps('a'), { ...first, data: { x: '3' } })
    const message = 'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again'
    expect(failed(stale)).toEqual({ status: 409, code: 409, reason: 'Conflict', message, details: { name: 'a', kind: 'configmaps' } })
    const foreign = await ground.client.request('PUT', maps('a'), { ...map('a', { x: '4' }), metadata: { name: 'a', uid: 'other' } })
    expect([foreign.status, foreign.body.reason]).toEqual([409, 'Conflict'])
    expect((await ground.client.request('GET', maps('a'))).body.data).toEqual({ x: '2' })
  })
  test('a write that changes nothing keeps the resourceVersion', async () => {
    const first = (await ground.client.request('POST', maps(), map('a'))).body
    expect((await ground.client.request('PUT', maps('a'), map('a'))).body.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    expect((await ground.client.request('PATCH', maps('a'), { data: { x: '1' } })).body.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
  })
  test('names are checked, generated ones are completed', async () => {
    const bad = await ground.client.request('POST', maps(), map('A_b'))
    expect(bad.body).toMatchObject({ code: 422, reason: 'Invalid', details: { name: 'A_b', kind: 'ConfigMap', causes: [{ reason: 'FieldValueInvalid', field: 'metadata.name' }] } })
    expect(failed(await ground.client.request('POST', maps(), { metadata: {}, data: {} }))).toMatchObject({ code: 422, details: { causes: [{ reason: 'FieldValueRequired', field: 'metadata.name' }] } })
    expect((await ground.client.request('POST', maps(), { metadata: { generateName: 'g-' } })).body.metadata.name).toMatch(/^g-[a-z0-9]{5}$/)
    const label = await ground.client.request('POST', maps(), { metadata: { name: 'b', labels: { a: 'x'.repeat(64) } } })
    expect(label.body).toMatchObject({ code: 422, details: { causes: [{ field: 'metadata.labels' }] } })
  })
  test('a body of another namespace, name or kind is a bad request', async () => {
    expect((await ground.client.request('POST', maps(), { metadata: { name: 'b', namespace: 'other' } })).body).toMatchObject({
      code: 400, reason: 'BadRequest', message: 'the namespace of the provided object does not match the namespace sent on the request',
    })
    await ground.client.request('POST', maps(), map('a'))
    expect((await ground.client.request('PUT', maps('a'), map('b'))).body).toMatchObject({ code: 400, message: 'the name of the object (b) does not match the name on the URL (a)' })
    expect((await ground.client.request('POST', maps(), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } })).body).toMatchObject({ code: 400, reason: 'BadRequest' })
    expect((await ground.client.request('POST', '/api/v1/configmaps', map('a'))).status).toBe(405)
  })
  test('deleting keeps to preconditions and answers with a Status', async () => {
    const { uid, resourceVersion } = (await ground.client.request('POST', maps(), map('a'))).body.metadata
    const attempt = (preconditions: object): Promise<Reply> => ground.client.request('DELETE', maps('a'), { kind: 'DeleteOptions', apiVersion: 'v1', preconditions })
    expect((await attempt({ uid: 'other' })).body).toMatchObject({ code: 409, reason: 'Conflict', details: { name: 'a', kind: 'ConfigMap' } })
    expect((await attempt({ resourceVersion: '1' })).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await attempt({ uid, resourceVersion })).body).toEqual({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name: 'a', kind: 'configmaps', uid } })
    expect((await ground.client.request('DELETE', maps('a'))).status).toBe(404)
  })
  test('an object with a finalizer stays, marked, until the last one is taken away', async () => {
    const path = `${gadgetsIn(ground.namespace)}/g`
    await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g', {}, { finalizers: ['x.dev/y'] }))
    const marked = await ground.client.request('DELETE', path)
    expect(marked.body).toMatchObject({ kind: 'Gadget', metadata: { deletionGracePeriodSeconds: 0, finalizers: ['x.dev/y'], generation: 2 } })
    expect(marked.body.metadata.deletionTimestamp).toMatch(/Z$/)
    expect((await ground.client.request('PATCH', path, { metadata: { finalizers: ['x.dev/y', 'x.dev/z'] } })).body).toMatchObject({ code: 422, details: { causes: [{ reason: 'FieldValueForbidden', field: 'metadata.finalizers' }, {}] } })
    expect((await ground.client.request('PATCH', path, { spec: { size: 'M' } })).body.spec.size).toBe('M')
    expect((await ground.client.request('PATCH', path, { metadata: { finalizers: null } })).status).toBe(200)
    expect((await ground.client.request('GET', path)).status).toBe(404)
  })
  test('schemas prune, default and refuse with one cause per mistake', async () => {
    const created = await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g', { bogus: 1, open: { any: [1] }, weight: '5%' }))
    expect(created.body.spec).toEqual({ size: 'S', mode: 'Auto', open: { any: [1] }, weight: '5%' })
    const refused = await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('h', { size: 'X', replicas: -1, weight: true, steps: [{ name: 'long' }, {}, { name: 3 }] }))
    expect(refused.status).toBe(422)
    const causes = refused.body.details.causes.map((cause: { reason: string; field: string }) => `${cause.reason} ${cause.field}`)
    expect(new Set(causes)).toEqual(new Set([
      'FieldValueInvalid .spec.replicas', 'FieldValueInvalid spec.replicas', 'FieldValueNotSupported spec.size', 'FieldValueRequired spec.steps[1].name', 'FieldValueTooLong spec.steps[0].name',
      'FieldValueTooMany spec.steps', 'FieldValueTypeInvalid spec.steps[2].name', 'FieldValueTypeInvalid spec.weight',
    ]))
    expect((await ground.client.request('POST', `${gadgetsIn(ground.namespace)}?fieldValidation=Strict`, gadget('h', { bogus: 3 }))).body).toMatchObject({
      code: 400, reason: 'BadRequest', message: 'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: unknown field "spec.bogus"',
    })
  })
  test('a dry run answers and stores nothing', async () => {
    expect((await ground.client.request('POST', `${maps()}?dryRun=All`, map('a'))).status).toBe(201)
    expect((await ground.client.request('GET', maps('a'))).status).toBe(404)
  })
  test('the Date header is the server clock', async () => {
    const reply = await ground.client.request('POST', maps(), map('a'))
    const difference = Date.parse(reply.headers.get('date')!) - Date.parse(reply.body.metadata.creationTimestamp)
    expect(Math.abs(difference)).toBeLessThanOrEqual(2000)
  })
}

function patchCases(ground: Ground): void {
  const path = (): string => `/api/v1/namespaces/${ground.namespace}/configmaps/a`
  const patch = (body: unknown, type?: string): Promise<Reply> => ground.client.request('PATCH', path(), body, type ? { type } : {})
  beforeEach(async () => void (await ground.client.request('POST', `/api/v1/namespaces/${ground.namespace}/configmaps`, { metadata: { name: 'a', labels: { l: '1' } }, data: { x: '1', z: '2' } })))

  test('a lost test is 422 without causes, and nothing of the patch is done', async () => {
    expect(failed(await patch([{ op: 'add', path: '/data/y', value: '1' }, { op: 'test', path: '/data/x', value: '9' }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'test', path: '/metadata/uid', value: 'other' }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'test', path: '/data/nope', value: '9' }]))).toEqual(lostTest)
    expect((await ground.client.request('GET', path())).body.data).toEqual({ x: '1', z: '2' })
  })
  test('null stands for an absent member in a test', async () => {
    expect((await patch([{ op: 'test', path: '/data/nope', value: null }, { op: 'add', path: '/data/nope', value: '1' }])).status).toBe(200)
    expect(failed(await patch([{ op: 'test', path: '/data/nope', value: null }]))).toEqual(lostTest)
    expect((await patch([{ op: 'test', path: '/metadata/annotations', value: null }, { op: 'add', path: '/metadata/annotations', value: { k: 'v' } }])).body.metadata.annotations).toEqual({ k: 'v' })
  })
  test('a path through an absent map is refused', async () => {
    expect(failed(await patch([{ op: 'add', path: '/metadata/annotations/k', value: 'v' }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'test', path: '/metadata/annotations/k', value: null }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'remove', path: '/data/nope' }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'bogus', path: '/data/x', value: '1' }]))).toEqual(lostTest)
  })
  test('replace adds an absent member, and escaped names are found', async () => {
    expect((await patch([{ op: 'replace', path: '/data/new', value: '3' }])).body.data).toEqual({ x: '1', z: '2', new: '3' })
    await patch({ metadata: { annotations: { 'sluice.dev/closed-to': 'a@1' } } })
    const closed = await patch([{ op: 'test', path: '/metadata/annotations/sluice.dev~1closed-to', value: 'a@1' }, { op: 'replace', path: '/metadata/annotations/sluice.dev~1closed-to', value: 'a@2' }])
    expect(closed.body.metadata.annotations).toEqual({ 'sluice.dev/closed-to': 'a@2' })
    expect((await patch([{ op: 'move', from: '/data/x', path: '/data/y' }, { op: 'copy', from: '/data/y', path: '/data/yy' }])).body.data).toEqual({ z: '2', new: '3', y: '1', yy: '1' })
  })
  test('list members are inserted, appended, replaced and removed by index', async () => {
    const gadgets = gadgetsIn(ground.namespace)
    await ground.client.request('POST', gadgets, gadget('g', { open: { list: [1, 2] } }))
    const change = (body: unknown): Promise<Reply> => ground.client.request('PATCH', `${gadgets}/g`, body)
    const done = await change([
      { op: 'test', path: '/spec/open/list/1', value: 2 }, { op: 'add', path: '/spec/open/list/0', value: 0 }, { op: 'add', path: '/spec/open/list/-', value: 3 },
      { op: 'replace', path: '/spec/open/list/1', value: 10 }, { op: 'remove', path: '/spec/open/list/2' },
    ])
    expect(done.body.spec.open.list).toEqual([0, 10, 3])
    expect(failed(await change([{ op: 'replace', path: '/spec/open/list/7', value: 1 }]))).toEqual(lostTest)
    expect(failed(await change([{ op: 'test', path: '/spec/open/list/7', value: 1 }]))).toEqual(lostTest)
    expect(failed(await change([{ op: 'test', path: '/spec/open/list', value: [0, 3, 10] }]))).toEqual(lostTest)
    expect((await change([{ op: 'test', path: '/spec/open', value: { list: [0, 10, 3] } }])).status).toBe(200)
  })
  test('a merge patch deletes by null, merges maps and replaces lists', async () => {
    expect((await patch({ data: { x: null, y: '5' }, metadata: { labels: { m: '2' } } })).body).toMatchObject({ data: { z: '2', y: '5' }, metadata: { labels: { l: '1', m: '2' } } })
    expect((await ground.client.request('GET', path())).body.data.x).toBeUndefined()
  })
  test('a resourceVersion in a patch is a precondition', async () => {
    const { resourceVersion } = (await ground.client.request('GET', path())).body.metadata
    expect((await patch({ metadata: { resourceVersion }, data: { x: '2' } })).status).toBe(200)
    expect((await patch({ metadata: { resourceVersion }, data: { x: '3' } })).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await patch([{ op: 'replace', path: '/metadata/resourceVersion', value: '1' }, { op: 'add', path: '/data/x', value: '3' }])).body).toMatchObject({ code: 409, reason: 'Conflict' })
  })
  test('uid and name cannot be patched, and odd bodies are refused', async () => {
    expect((await patch({ metadata: { uid: 'other' } })).body).toMatchObject({ code: 422, details: { causes: [{ field: 'metadata.uid' }, {}] } })
    expect((await patch({ metadata: { name: 'other' } })).body).toMatchObject({ code: 400, reason: 'BadRequest' })
    expect((await patch({ op: 'add' }, patchTypes.json)).body).toMatchObject({ code: 400, reason: 'BadRequest' })
    expect((await patch('{"data":{}}', 'text/plain')).body).toMatchObject({ code: 415, reason: 'UnsupportedMediaType' })
    expect((await ground.client.request('PATCH', `/api/v1/namespaces/${ground.namespace}/configmaps/absent`, { data: {} })).status).toBe(404)
  })
  test('strategic merge patch is for built-in kinds only', async () => {
    expect((await patch({ data: { x: '7' } }, patchTypes.strategic)).body.data.x).toBe('7')
    await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g'))
    expect((await ground.client.request('PATCH', `${gadgetsIn(ground.namespace)}/g`, { spec: {} }, { type: patchTypes.strategic })).status).toBe(415)
  })
  test('fields belong to their last writer, and entries can be dropped', async () => {
    await ground.client.request('PATCH', `${path()}?fieldManager=second`, { data: { x: '2' } })
    const managers = async (): Promise<Record<string, object>> => {
      const entries = (await ground.client.request('GET', path())).body.metadata.managedFields ?? []
      return Object.fromEntries(entries.map((entry: { manager: string; fieldsV1: any }) => [entry.manager, entry.fieldsV1['f:data']]))
    }
    expect((await managers()).second).toMatchObject({ 'f:x': {} })
    expect((await managers()).contract).not.toHaveProperty('f:x')
    const entries = (await ground.client.request('GET', path())).body.metadata.managedFields
    const index = entries.findIndex((entry: { manager: string }) => entry.manager === 'second')
    await patch([{ op: 'test', path: `/metadata/managedFields/${index}/manager`, value: 'second' }, { op: 'remove', path: `/metadata/managedFields/${index}` }])
    expect(Object.keys(await managers())).toEqual(['contract'])
    await patch([{ op: 'replace', path: '/metadata/managedFields', value: [{}] }])
    expect(Object.keys(await managers())).toEqual([])
  })
  test('an empty list of managers clears those of a built-in kind, and changes nothing on a custom resource', async () => {
    await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g'))
    const clear = async (target: string): Promise<number> => {
      await ground.client.request('PATCH', target, [{ op: 'test', path: '/metadata/managedFields/0/manager', value: 'contract' }, { op: 'remove', path: '/metadata/managedFields/0' }])
      return ((await ground.client.request('GET', target)).body.metadata.managedFields ?? []).length
    }
    expect([await clear(path()), await clear(`${gadgetsIn(ground.namespace)}/g`)]).toEqual([0, 1])
  })
}

function subresourceCases(ground: Ground): void {
  const path = (sub = ''): string => `${gadgetsIn(ground.namespace)}/g${sub}`
  const status = (body: unknown): Promise<Reply> => ground.client.request('PATCH', path('/status'), body)
  const create = (spec: object = {}): Promise<Reply> => ground.client.request('POST', gadgetsIn(ground.namespace), { ...gadget('g', spec), status: { sequence: 99 } })

  test('status is only written through its subresource, the rest only outside of it', async () => {
    expect((await create()).body.status).toBeUndefined()
    const { body } = await status({ status: { sequence: 1 }, spec: { size: 'M' }, metadata: { labels: { a: 'b' } } })
    expect(body).toMatchObject({ spec: { size: 'S' }, status: { sequence: 1 } })
    expect(body.metadata.labels).toBeUndefined()
    expect((await ground.client.request('PATCH', path(), { status: { sequence: 9 }, spec: { size: 'M' } })).body).toMatchObject({ spec: { size: 'M' }, status: { sequence: 1 } })
  })
  test('the compare-and-set of status by its sequence', async () => {
    await create()
    const first = [{ op: 'test', path: '/status', value: null }, { op: 'add', path: '/status', value: { sequence: 1 } }]
    expect((await status(first)).status).toBe(200)
    expect(failed(await status(first))).toEqual(lostTest)
    const second = [{ op: 'test', path: '/status/sequence', value: 1 }, { op: 'replace', path: '/status', value: { sequence: 2 } }]
    expect((await status(second)).body.status).toEqual({ sequence: 2 })
    expect(failed(await status(second))).toEqual(lostTest)
    const refused = await status([{ op: 'test', path: '/status/sequence', value: 2 }, { op: 'replace', path: '/status', value: { sequence: 'x' } }])
    expect(refused.body).toMatchObject({ code: 422, reason: 'Invalid', details: { kind: 'Gadget', causes: [{ reason: 'FieldValueTypeInvalid', field: 'status.sequence' }] } })
  })
  test('generation counts changes of the spec, and of nothing else', async () => {
    const generation = async (): Promise<number> => (await ground.client.request('GET', path())).body.metadata.generation
    expect((await create()).body.metadata.generation).toBe(1)
    await status({ status: { sequence: 1 } })
    await ground.client.request('PATCH', path(), { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } })
    await ground.client.request('PATCH', path(), { spec: { size: 'S' } })
    expect(await generation()).toBe(1)
    await ground.client.request('PATCH', path(), { spec: { size: 'M' } })
    expect(await generation()).toBe(2)
    await ground.client.request('PATCH', path('/scale'), { spec: { replicas: 3 } })
    expect(await generation()).toBe(3)
  })
  test('the scale of a custom resource without replicas cannot be read, but written', async () => {
    await create()
    expect(failed(await ground.client.request('GET', path('/scale')))).toMatchObject({ status: 500, reason: 'InternalError', message: 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist' })
    expect((await ground.client.request('PATCH', path('/scale'), { spec: { replicas: 2 } })).body).toMatchObject({ kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 2 }, status: { replicas: 0 } })
    expect((await ground.client.request('GET', path())).body.spec.replicas).toBe(2)
    await status({ status: { replicas: 1, selector: 'app=g' } })
    const scale = (await ground.client.request('GET', path('/scale'))).body
    expect(scale).toMatchObject({ metadata: { name: 'g', namespace: ground.namespace }, spec: { replicas: 2 }, status: { replicas: 1, selector: 'app=g' } })
    expect(scale.metadata.managedFields).toBeUndefined()
  })
  test('a scale of zero leaves the count out, so that a test for 0 is lost', async () => {
    await create({ replicas: 0 })
    expect((await ground.client.request('GET', path('/scale'))).body.spec).toEqual({})
    const up = (value: unknown): Promise<Reply> => ground.client.request('PATCH', path('/scale'), [{ op: 'test', path: '/spec/replicas', value }, { op: 'add', path: '/spec/replicas', value: 3 }])
    expect(failed(await up(0))).toEqual(lostTest)
    expect((await up(null)).body.spec).toEqual({ replicas: 3 })
    expect(failed(await up(2))).toEqual(lostTest)
  })
  test('a scale keeps to resourceVersions', async () => {
    await create({ replicas: 1 })
    const scale = (await ground.client.request('GET', path('/scale'))).body
    expect((await ground.client.request('PUT', path('/scale'), { ...scale, spec: { replicas: 4 } })).body.spec).toEqual({ replicas: 4 })
    expect((await ground.client.request('PUT', path('/scale'), { ...scale, spec: { replicas: 5 } })).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await ground.client.request('PATCH', path('/scale'), { spec: { replicas: -1 } })).body).toMatchObject({ code: 422, reason: 'Invalid' })
  })
}
