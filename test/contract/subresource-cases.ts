import { expect, test } from 'vitest'
import type { Ground } from './cases.ts'
import type { Reply } from './client.ts'
import { gadget, gadgetsIn } from './gadget.ts'
import { failed, lostTest } from './replies.ts'

export function subresourceCases(ground: Ground): void {
  const path = (sub = ''): string => `${gadgetsIn(ground.namespace)}/g${sub}`
  const status = (body: unknown): Promise<Reply> => ground.client.request('PATCH', path('/status'), body)
  const create = (spec: object = {}): Promise<Reply> =>
    ground.client.request('POST', gadgetsIn(ground.namespace), { ...gadget('g', spec), status: { sequence: 99 } })

  test('status is only written through its subresource, the rest only outside of it', async () => {
    expect((await create()).body.status).toBeUndefined()
    const { body } = await status({ status: { sequence: 1 }, spec: { size: 'M' }, metadata: { labels: { a: 'b' } } })
    expect(body).toMatchObject({ spec: { size: 'S' }, status: { sequence: 1 } })
    expect(body.metadata.labels).toBeUndefined()
    expect((await ground.client.request('PATCH', path(), { status: { sequence: 9 }, spec: { size: 'M' } })).body).toMatchObject({
      spec: { size: 'M' },
      status: { sequence: 1 },
    })
  })
  test('the compare-and-set of status by its sequence', async () => {
    await create()
    const first = [
      { op: 'test', path: '/status', value: null },
      { op: 'add', path: '/status', value: { sequence: 1 } },
    ]
    expect((await status(first)).status).toBe(200)
    expect(failed(await status(first))).toEqual(lostTest)
    const second = [
      { op: 'test', path: '/status/sequence', value: 1 },
      { op: 'replace', path: '/status', value: { sequence: 2 } },
    ]
    expect((await status(second)).body.status).toEqual({ sequence: 2 })
    expect(failed(await status(second))).toEqual(lostTest)
    const refused = await status([
      { op: 'test', path: '/status/sequence', value: 2 },
      { op: 'replace', path: '/status', value: { sequence: 'x' } },
    ])
    expect(refused.body).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { kind: 'Gadget', causes: [{ reason: 'FieldValueTypeInvalid', field: 'status.sequence' }] },
    })
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
    expect(failed(await ground.client.request('GET', path('/scale')))).toMatchObject({
      status: 500,
      reason: 'InternalError',
      message: 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist',
    })
    expect((await ground.client.request('PATCH', path('/scale'), { spec: { replicas: 2 } })).body).toMatchObject({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      spec: { replicas: 2 },
      status: { replicas: 0 },
    })
    expect((await ground.client.request('GET', path())).body.spec.replicas).toBe(2)
    await status({ status: { replicas: 1, selector: 'app=g' } })
    const scale = (await ground.client.request('GET', path('/scale'))).body
    expect(scale).toMatchObject({ metadata: { name: 'g', namespace: ground.namespace }, spec: { replicas: 2 }, status: { replicas: 1, selector: 'app=g' } })
    expect(scale.metadata.managedFields).toBeUndefined()
  })
  test('a scale of zero leaves the count out, so that a test for 0 is lost', async () => {
    await create({ replicas: 0 })
    expect((await ground.client.request('GET', path('/scale'))).body.spec).toEqual({})
    const up = (value: unknown): Promise<Reply> =>
      ground.client.request('PATCH', path('/scale'), [
        { op: 'test', path: '/spec/replicas', value },
        { op: 'add', path: '/spec/replicas', value: 3 },
      ])
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
