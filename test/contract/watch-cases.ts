import { expect, test } from 'vitest'
import type { Ground } from './cases.ts'
import { eventually } from './client.ts'
import { gadget, gadgetGroup, gadgetsIn } from './gadget.ts'

export function watchCases(ground: Ground): void {
  const gadgets = (query = ''): string => `${gadgetsIn(ground.namespace)}${query && `?${query}`}`
  const add = async (name: string, labels: object = {}): Promise<any> => (await ground.client.request('POST', gadgets(), gadget(name, {}, { labels }))).body
  const names = (list: { items: { metadata: { name: string } }[] }): string[] => list.items.map((item) => item.metadata.name)
  const revision = async (): Promise<string> => (await ground.client.request('GET', gadgets())).body.metadata.resourceVersion

  test('a list has a kind, a resourceVersion, and its items sorted by name', async () => {
    for (const name of ['b', 'c', 'a']) await add(name)
    const { body } = await ground.client.request('GET', gadgets())
    expect(body).toMatchObject({ kind: 'GadgetList', apiVersion: `${gadgetGroup}/v1` })
    expect(names(body)).toEqual(['a', 'b', 'c'])
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThanOrEqual(Number(body.items[0].metadata.resourceVersion))
  })
  test('pages show one moment, whatever is written between them', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await add(name)
    const first = (await ground.client.request('GET', gadgets('limit=2'))).body
    expect(names(first)).toEqual(['a', 'b'])
    expect(first.metadata.remainingItemCount).toBe(3)
    await add('bb')
    await ground.client.request('DELETE', `${gadgets()}/d`)
    const second = (await ground.client.request('GET', gadgets(`limit=2&continue=${first.metadata.continue}`))).body
    expect(names(second)).toEqual(['c', 'd'])
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    const third = (await ground.client.request('GET', gadgets(`limit=2&continue=${second.metadata.continue}`))).body
    expect(names(third)).toEqual(['e'])
    expect(third.metadata.continue ?? '').toBe('')
    expect(names((await ground.client.request('GET', gadgets())).body)).toEqual(['a', 'b', 'bb', 'c', 'e'])
    expect((await ground.client.request('GET', gadgets('limit=1&continue=xx'))).body).toMatchObject({ code: 400, reason: 'BadRequest' })
  })
  test('label selectors', async () => {
    await add('a', { app: 'x', tier: 'web' })
    await add('b', { app: 'x' })
    await add('c', { app: 'y' })
    await add('d')
    const select = async (selector: string): Promise<string[]> =>
      names((await ground.client.request('GET', gadgets(`labelSelector=${encodeURIComponent(selector)}`))).body)
    expect(await select('app=x')).toEqual(['a', 'b'])
    expect(await select('app==x,tier=web')).toEqual(['a'])
    expect(await select('app!=x')).toEqual(['c', 'd'])
    expect(await select('app in (x, y)')).toEqual(['a', 'b', 'c'])
    expect(await select('app notin (x)')).toEqual(['c', 'd'])
    expect(await select('app,!tier')).toEqual(['b', 'c'])
    expect((await ground.client.request('GET', gadgets(`labelSelector=${encodeURIComponent('a in (b')}`))).body).toMatchObject({
      code: 400,
      reason: 'BadRequest',
    })
  })
  test('field selectors know name and namespace, of custom resources nothing else', async () => {
    await add('a')
    await add('b')
    expect(names((await ground.client.request('GET', gadgets('fieldSelector=metadata.name=b'))).body)).toEqual(['b'])
    expect(names((await ground.client.request('GET', gadgets('fieldSelector=metadata.name!=b'))).body)).toEqual(['a'])
    const everywhere = await ground.client.request('GET', `/apis/${gadgetGroup}/v1/gadgets?fieldSelector=metadata.namespace=${ground.namespace}`)
    expect(names(everywhere.body)).toEqual(['a', 'b'])
    expect((await ground.client.request('GET', gadgets('fieldSelector=spec.size=S'))).body).toMatchObject({ code: 400, reason: 'BadRequest' })
  })
  test('a watch continues where a list ended', async () => {
    await add('before')
    const from = await revision()
    const made = await add('a')
    const watch = await ground.client.watch(gadgets(`watch=true&resourceVersion=${from}`))
    await ground.client.request('PATCH', `${gadgets()}/a`, { spec: { size: 'M' } })
    await ground.client.request('DELETE', `${gadgets()}/a`)
    expect(await watch.next()).toMatchObject({
      type: 'ADDED',
      object: { kind: 'Gadget', metadata: { name: 'a', resourceVersion: made.metadata.resourceVersion } },
    })
    expect(await watch.next()).toMatchObject({ type: 'MODIFIED', object: { spec: { size: 'M' } } })
    const last = await watch.next()
    expect(last).toMatchObject({ type: 'DELETED', object: { metadata: { name: 'a' } } })
    expect(Number(last.object.metadata.resourceVersion)).toBeGreaterThan(Number(made.metadata.resourceVersion))
    watch.close()
  })
  test('a watch without resourceVersion begins with what there is', async () => {
    await add('a')
    const watch = await ground.client.watch(gadgets('watch=true'))
    expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'a' } } })
    await add('b')
    expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'b' } } })
    watch.close()
  })
  test('who leaves a selection is deleted, who enters it is added', async () => {
    await add('a', { app: 'x' })
    const watch = await ground.client.watch(gadgets(`watch=true&resourceVersion=${await revision()}&labelSelector=app%3Dx`))
    const label = (app: string): Promise<unknown> => ground.client.request('PATCH', `${gadgets()}/a`, { metadata: { labels: { app } } })
    await label('y')
    await label('z')
    await label('x')
    const left = await watch.next()
    expect(left).toMatchObject({ type: 'DELETED', object: { metadata: { labels: { app: 'x' } } } })
    const entered = await watch.next()
    expect(entered).toMatchObject({ type: 'ADDED', object: { metadata: { labels: { app: 'x' } } } })
    expect(Number(entered.object.metadata.resourceVersion)).toBeGreaterThan(Number(left.object.metadata.resourceVersion))
    watch.close()
  })
  test('the server ends a watch after timeoutSeconds', async () => {
    const watch = await ground.client.watch(gadgets(`watch=true&timeoutSeconds=1&resourceVersion=${await revision()}`))
    expect((await watch.rest()).filter((event) => event.type !== 'BOOKMARK')).toEqual([])
  })
  test('initial events end with a marked bookmark', async () => {
    await add('a')
    const watch = await ground.client.watch(gadgets('watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'))
    expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'a' } } })
    const bookmark = await watch.next()
    expect(bookmark).toMatchObject({ type: 'BOOKMARK', object: { kind: 'Gadget', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } } })
    expect(bookmark.object.metadata.resourceVersion).toMatch(/^\d+$/)
    watch.close()
  })
  test('a forgotten past is an ERROR event with 410', async () => {
    const watch = await ground.client.watch(gadgets('watch=true&resourceVersion=1&timeoutSeconds=5'))
    const event = await watch.next()
    expect(event).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
    expect(event.object.message).toMatch(/^too old resource version: 1 \(\d+\)$/)
    watch.close()
  })
  test('a resourceVersion that is no number, or from the future', async () => {
    expect((await ground.client.request('GET', gadgets('resourceVersion=abc'))).body).toMatchObject({ code: 400, reason: 'BadRequest' })
    const future = await ground.client.request('GET', gadgets('resourceVersion=99999999&resourceVersionMatch=NotOlderThan'))
    expect(future.body).toMatchObject({ code: 504, reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } })
  })
  test('tables carry columns of the CRD and the metadata of each row', async () => {
    await add('a')
    await ground.client.request('PATCH', `${gadgets()}/a/status`, {
      status: {
        conditions: [
          { type: 'Other', status: 'False' },
          { type: 'Ready', status: 'True' },
        ],
      },
    })
    const { body } = await ground.client.request('GET', gadgets(), undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' })
    expect(body.kind).toBe('Table')
    expect(body.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(['Name', 'Size', 'Ready', 'Age'])
    expect(body.rows[0].cells.slice(0, 3)).toEqual(['a', 'S', 'True'])
    expect(body.rows[0].cells[3]).toMatch(/^\d+s$/)
    expect(body.rows[0].object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } })
  })
  test('metadata alone can be listed', async () => {
    await add('a')
    const { body } = await ground.client.request('GET', gadgets(), undefined, {
      accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json',
    })
    expect(body).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'a' } }] })
    expect(body.items[0].spec).toBeUndefined()
  })
  test('discovery names groups, versions, short names and subresources', async () => {
    const { body } = await ground.client.request('GET', `/apis/${gadgetGroup}/v1`)
    expect(body).toMatchObject({ kind: 'APIResourceList', groupVersion: `${gadgetGroup}/v1` })
    expect(body.resources[0]).toMatchObject({ name: 'gadgets', singularName: 'gadget', namespaced: true, kind: 'Gadget', shortNames: ['gdg'] })
    expect(new Set(body.resources.map((entry: { name: string }) => entry.name))).toEqual(new Set(['gadgets', 'gadgets/status', 'gadgets/scale']))
    const group = (await ground.client.request('GET', `/apis/${gadgetGroup}`)).body
    expect(group).toMatchObject({ kind: 'APIGroup', name: gadgetGroup, preferredVersion: { version: 'v1' } })
    await eventually(async () => {
      const groups = (await ground.client.request('GET', '/apis')).body.groups.map((entry: { name: string }) => entry.name)
      expect(groups).toEqual(expect.arrayContaining(['apps', 'discovery.k8s.io', gadgetGroup]))
    })
    expect((await ground.client.request('GET', '/readyz')).body).toBe('ok')
  })
}
