import { beforeEach, expect, test } from 'vitest'
import type { Ground } from './cases.ts'
import { patchTypes } from './client.ts'
import type { Reply } from './client.ts'
import { gadget, gadgetsIn } from './gadget.ts'
import { failed, lostTest } from './replies.ts'

export function patchCases(ground: Ground): void {
  const path = (): string => `/api/v1/namespaces/${ground.namespace}/configmaps/a`
  const patch = (body: unknown, type?: string): Promise<Reply> => ground.client.request('PATCH', path(), body, type ? { type } : {})
  beforeEach(
    async () =>
      void (await ground.client.request('POST', `/api/v1/namespaces/${ground.namespace}/configmaps`, {
        metadata: { name: 'a', labels: { l: '1' } },
        data: { x: '1', z: '2' },
      })),
  )

  test('a lost test is 422 without causes, and nothing of the patch is done', async () => {
    expect(
      failed(
        await patch([
          { op: 'add', path: '/data/y', value: '1' },
          { op: 'test', path: '/data/x', value: '9' },
        ]),
      ),
    ).toEqual(lostTest)
    expect(failed(await patch([{ op: 'test', path: '/metadata/uid', value: 'other' }]))).toEqual(lostTest)
    expect(failed(await patch([{ op: 'test', path: '/data/nope', value: '9' }]))).toEqual(lostTest)
    expect((await ground.client.request('GET', path())).body.data).toEqual({ x: '1', z: '2' })
  })
  test('null stands for an absent member in a test', async () => {
    expect(
      (
        await patch([
          { op: 'test', path: '/data/nope', value: null },
          { op: 'add', path: '/data/nope', value: '1' },
        ])
      ).status,
    ).toBe(200)
    expect(failed(await patch([{ op: 'test', path: '/data/nope', value: null }]))).toEqual(lostTest)
    expect(
      (
        await patch([
          { op: 'test', path: '/metadata/annotations', value: null },
          { op: 'add', path: '/metadata/annotations', value: { k: 'v' } },
        ])
      ).body.metadata.annotations,
    ).toEqual({ k: 'v' })
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
    const closed = await patch([
      { op: 'test', path: '/metadata/annotations/sluice.dev~1closed-to', value: 'a@1' },
      { op: 'replace', path: '/metadata/annotations/sluice.dev~1closed-to', value: 'a@2' },
    ])
    expect(closed.body.metadata.annotations).toEqual({ 'sluice.dev/closed-to': 'a@2' })
    expect(
      (
        await patch([
          { op: 'move', from: '/data/x', path: '/data/y' },
          { op: 'copy', from: '/data/y', path: '/data/yy' },
        ])
      ).body.data,
    ).toEqual({ z: '2', new: '3', y: '1', yy: '1' })
  })
  test('list members are inserted, appended, replaced and removed by index', async () => {
    const gadgets = gadgetsIn(ground.namespace)
    await ground.client.request('POST', gadgets, gadget('g', { open: { list: [1, 2] } }))
    const change = (body: unknown): Promise<Reply> => ground.client.request('PATCH', `${gadgets}/g`, body)
    const done = await change([
      { op: 'test', path: '/spec/open/list/1', value: 2 },
      { op: 'add', path: '/spec/open/list/0', value: 0 },
      { op: 'add', path: '/spec/open/list/-', value: 3 },
      { op: 'replace', path: '/spec/open/list/1', value: 10 },
      { op: 'remove', path: '/spec/open/list/2' },
    ])
    expect(done.body.spec.open.list).toEqual([0, 10, 3])
    expect(failed(await change([{ op: 'replace', path: '/spec/open/list/7', value: 1 }]))).toEqual(lostTest)
    expect(failed(await change([{ op: 'test', path: '/spec/open/list/7', value: 1 }]))).toEqual(lostTest)
    expect(failed(await change([{ op: 'test', path: '/spec/open/list', value: [0, 3, 10] }]))).toEqual(lostTest)
    expect((await change([{ op: 'test', path: '/spec/open', value: { list: [0, 10, 3] } }])).status).toBe(200)
  })
  test('a merge patch deletes by null, merges maps and replaces lists', async () => {
    expect((await patch({ data: { x: null, y: '5' }, metadata: { labels: { m: '2' } } })).body).toMatchObject({
      data: { z: '2', y: '5' },
      metadata: { labels: { l: '1', m: '2' } },
    })
    expect((await ground.client.request('GET', path())).body.data.x).toBeUndefined()
  })
  test('a resourceVersion in a patch is a precondition', async () => {
    const { resourceVersion } = (await ground.client.request('GET', path())).body.metadata
    expect((await patch({ metadata: { resourceVersion }, data: { x: '2' } })).status).toBe(200)
    expect((await patch({ metadata: { resourceVersion }, data: { x: '3' } })).body).toMatchObject({ code: 409, reason: 'Conflict' })
    expect(
      (
        await patch([
          { op: 'replace', path: '/metadata/resourceVersion', value: '1' },
          { op: 'add', path: '/data/x', value: '3' },
        ])
      ).body,
    ).toMatchObject({ code: 409, reason: 'Conflict' })
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
    await patch([
      { op: 'test', path: `/metadata/managedFields/${index}/manager`, value: 'second' },
      { op: 'remove', path: `/metadata/managedFields/${index}` },
    ])
    expect(Object.keys(await managers())).toEqual(['contract'])
    await patch([{ op: 'replace', path: '/metadata/managedFields', value: [{}] }])
    expect(Object.keys(await managers())).toEqual([])
  })
  test('an empty list of managers clears those of a built-in kind, and changes nothing on a custom resource', async () => {
    await ground.client.request('POST', gadgetsIn(ground.namespace), gadget('g'))
    const clear = async (target: string): Promise<number> => {
      await ground.client.request('PATCH', target, [
        { op: 'test', path: '/metadata/managedFields/0/manager', value: 'contract' },
        { op: 'remove', path: '/metadata/managedFields/0' },
      ])
      return ((await ground.client.request('GET', target)).body.metadata.managedFields ?? []).length
    }
    expect([await clear(path()), await clear(`${gadgetsIn(ground.namespace)}/g`)]).toEqual([0, 1])
  })
}
