import { expect, test } from 'vitest'
import type { Ground } from './cases.ts'
import type { Reply } from './client.ts'
import { gadget, gadgetsIn } from './gadget.ts'
import { failed } from './replies.ts'

export function objectCases(ground: Ground): void {
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
  test('stringData of a Secret becomes data, over what stands there', async () => {
    const secrets = `/api/v1/namespaces/${ground.namespace}/secrets`
    const one = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'written' }, data: { a: 'b2xk', b: 'Yg==' }, stringData: { a: 'new ü' } }
    const { status, body } = await ground.client.request('POST', secrets, one)
    expect([status, body.data, body.stringData]).toEqual([201, { a: 'bmV3IMO8', b: 'Yg==' }, undefined])
  })
  test('a second one of that name is refused as AlreadyExists', async () => {
    await ground.client.request('POST', maps(), map('a'))
    expect(failed(await ground.client.request('POST', maps(), map('a')))).toEqual({
      status: 409,
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
      details: { name: 'a', kind: 'configmaps' },
    })
  })
  test('absent objects, namespaces and resources are three different 404', async () => {
    expect(failed(await ground.client.request('GET', maps('nope')))).toEqual({
      status: 404,
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "nope" not found',
      details: { name: 'nope', kind: 'configmaps' },
    })
    expect(failed(await ground.client.request('GET', `${gadgetsIn(ground.namespace)}/nope`))).toMatchObject({
      message: 'gadgets.contract.sluice.dev "nope" not found',
      details: { name: 'nope', group: 'contract.sluice.dev', kind: 'gadgets' },
    })
    expect(failed(await ground.client.request('POST', '/api/v1/namespaces/nowhere/configmaps', map('a')))).toMatchObject({
      message: 'namespaces "nowhere" not found',
      details: { name: 'nowhere', kind: 'namespaces' },
    })
    expect(failed(await ground.client.request('GET', '/api/v1/nonsense'))).toEqual({
      status: 404,
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
      details: {},
    })
    expect((await ground.client.request('GET', '/apis/nope.sluice.dev/v1')).status).toBe(404)
  })
  test('a replacement with an old resourceVersion or a foreign uid is a conflict', async () => {
    const first = (await ground.client.request('POST', maps(), map('a'))).body
    await ground.client.request('PUT', maps('a'), map('a', { x: '2' }))
    const stale = await ground.client.request('PUT', maps('a'), { ...first, data: { x: '3' } })
    const message =
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again'
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
    expect(bad.body).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { name: 'A_b', kind: 'ConfigMap', causes: [{ reason: 'FieldValueInvalid', field: 'metadata.name' }] },
    })
    expect(failed(await ground.client.request('POST', maps(), { metadata: {}, data: {} }))).toMatchObject({
      code: 422,
      details: { causes: [{ reason: 'FieldValueRequired', field: 'metadata.name' }] },
    })
    expect((await ground.client.request('POST', maps(), { metadata: { generateName: 'g-' } })).body.metadata.name).toMatch(/^g-[a-z0-9]{5}$/)
    const label = await ground.client.request('POST', maps(), { metadata: { name: 'b', labels: { a: 'x'.repeat(64) } } })
    expect(label.body).toMatchObject({ code: 422, details: { causes: [{ field: 'metadata.labels' }] } })
  })
  test('a body of another namespace, name or kind is a bad request', async () => {
    expect((await ground.client.request('POST', maps(), { metadata: { name: 'b', namespace: 'other' } })).body).toMatchObject({
      code: 400,
      reason: 'BadRequest',
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    })
    await ground.client.request('POST', maps(), map('a'))
    expect((await ground.client.request('PUT', maps('a'), map('b'))).body).toMatchObject({
      code: 400,
      message: 'the name of the object (b) does not match the name on the URL (a)',
    })
    expect((await ground.client.request('POST', maps(), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } })).body).toMatchObject({
      code: 400,
      reason: 'BadRequest',
    })
    expect((await ground.client.request('POST', '/api/v1/configmaps', map('a'))).status).toBe(405)
  })
  test('deleting keeps to preconditions and answers with a Status', async () => {
    const { uid, resourceVersion } = (await ground.client.request('POST', maps(), map('a'))).body.metadata
    const attempt = (preconditions: object): Promise<Reply> =>
      ground.client.request('DELETE', maps('a'), { kind: 'DeleteOptions', apiVersion: 'v1', preconditions })
    expect((await attempt({ uid: 'other' })).body).toMatchObject({ code: 409, reason: 'Conflict', details: { name: 'a', kind: 'ConfigMap' } })
    expect((await attempt({ resourceVersion: '1' })).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect((await attempt({ uid, resourceVersion })).body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'a', kind: 'configmaps', uid },
    })
    expect((await ground.client.request('DELETE', maps('a'))).status).toBe(404)
  })
  test('an object with a finalizer stays, marked, until the last one is taken away', async () => {
    const path = `${gadgetsIn(ground.namespace)}/g`
    await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g', {}, { finalizers: ['x.dev/y'] }))
    const marked = await ground.client.request('DELETE', path)
    expect(marked.body).toMatchObject({ kind: 'Gadget', metadata: { deletionGracePeriodSeconds: 0, finalizers: ['x.dev/y'], generation: 2 } })
    expect(marked.body.metadata.deletionTimestamp).toMatch(/Z$/)
    expect((await ground.client.request('PATCH', path, { metadata: { finalizers: ['x.dev/y', 'x.dev/z'] } })).body).toMatchObject({
      code: 422,
      details: { causes: [{ reason: 'FieldValueForbidden', field: 'metadata.finalizers' }, {}] },
    })
    expect((await ground.client.request('PATCH', path, { spec: { size: 'M' } })).body.spec.size).toBe('M')
    expect((await ground.client.request('PATCH', path, { metadata: { finalizers: null } })).status).toBe(200)
    expect((await ground.client.request('GET', path)).status).toBe(404)
  })
  test('schemas prune, default and refuse with one cause per mistake', async () => {
    const created = await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g', { bogus: 1, open: { any: [1] }, weight: '5%' }))
    expect(created.body.spec).toEqual({ size: 'S', mode: 'Auto', open: { any: [1] }, weight: '5%' })
    const refused = await ground.client.request(
      'POST',
      gadgetsIn(ground.namespace),
      gadget('h', { size: 'X', replicas: -1, weight: true, steps: [{ name: 'long' }, {}, { name: 3 }] }),
    )
    expect(refused.status).toBe(422)
    const causes = refused.body.details.causes.map((cause: { reason: string; field: string }) => `${cause.reason} ${cause.field}`)
    expect(new Set(causes)).toEqual(
      new Set([
        'FieldValueInvalid .spec.replicas',
        'FieldValueInvalid spec.replicas',
        'FieldValueNotSupported spec.size',
        'FieldValueRequired spec.steps[1].name',
        'FieldValueTooLong spec.steps[0].name',
        'FieldValueTooMany spec.steps',
        'FieldValueTypeInvalid spec.steps[2].name',
        'FieldValueTypeInvalid spec.weight',
      ]),
    )
    expect((await ground.client.request('POST', `${gadgetsIn(ground.namespace)}?fieldValidation=Strict`, gadget('h', { bogus: 3 }))).body).toMatchObject({
      code: 400,
      reason: 'BadRequest',
      message: 'Gadget in version "v1" cannot be handled as a Gadget: strict decoding error: unknown field "spec.bogus"',
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
