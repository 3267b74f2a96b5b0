import { expect, test } from 'vitest'
import type { WatchEvent } from '../../../src/kube/api.ts'
import type { Resource } from '../../../src/rollout/objects.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { stage } from './stage.ts'

const maps: Resource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }
const rollouts: Resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'rollouts', kind: 'Rollout', namespaced: true }
const map = (name: string, data: object = { x: '1' }): any => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data })
const setup = (options: Parameters<typeof stage>[0] = {}) => {
  const cluster = stage(options)
  return { ...cluster, api: embeddedApi(cluster.store, cluster.faults, 'sluice/1') }
}
const reason = (result: any): unknown => (result.ok ? 'ok' : result.reason)

test('answers are values, sorted by what a controller must do', async () => {
  const { api } = setup()
  expect(reason(await api.get(maps, 'shop', 'a'))).toBe('NotFound')
  expect(reason(await api.create(maps, map('a')))).toBe('ok')
  expect(reason(await api.create(maps, map('a')))).toBe('AlreadyExists')
  expect(reason(await api.patch(maps, 'shop', 'a', [{ op: 'test', path: '/data/x', value: '2' }]))).toBe('TestFailed')
  expect(reason(await api.replace(maps, { ...map('a'), metadata: { name: 'a', namespace: 'shop', resourceVersion: '1' } }))).toBe('Conflict')
  expect(await api.create(maps, map('B'))).toMatchObject({ ok: false, reason: 'Invalid', status: 422, causes: [{ field: 'metadata.name' }] })
  expect(reason(await api.delete(maps, 'shop', 'a', { uid: 'other' }))).toBe('Conflict')
  expect(reason(await api.delete(maps, 'shop', 'a'))).toBe('ok')
  expect(await api.groupVersions('networking.istio.io')).toEqual({ ok: true, value: ['v1', 'v1beta1'], serverTime: expect.any(Number) })
  expect(await api.groupVersions('cilium.io')).toEqual({ ok: true, value: [] })
  const served = await api.resources('sluice.dev', 'v1alpha1')
  expect(served.ok && served.value).toContainEqual(rollouts)
})

test('pages and watches', async () => {
  const { api, store, clock, faults } = setup()
  for (const name of ['a', 'b', 'c']) await api.create(maps, map(name))
  const first = await api.list(maps, { namespace: 'shop', limit: 2 })
  if (!first.ok) throw new Error(first.message)
  expect([first.value.items.map((item) => [item.kind, item.metadata.name]), Boolean(first.value.continue)]).toEqual([
    [
      ['ConfigMap', 'a'],
      ['ConfigMap', 'b'],
    ],
    true,
  ])
  const stop = new AbortController()
  const events: WatchEvent[] = []
  const watching = (async () => {
    for await (const event of api.watch(maps, { namespace: 'shop', resourceVersion: first.value.resourceVersion }, stop.signal)) events.push(event)
  })()
  await clock.advance(0)
  await api.patch(maps, 'shop', 'a', { data: { x: '2' } })
  await clock.advance(61_000)
  await api.delete(maps, 'shop', 'b')
  await clock.advance(0)
  expect(events.map((event) => event.type)).toEqual(['MODIFIED', 'BOOKMARK', 'DELETED'])
  expect(faults.cutWatches({ resource: 'configmaps' })).toBe(1)
  await watching
  store.compact('configmaps')
  const old: WatchEvent[] = []
  for await (const event of api.watch(maps, { namespace: 'shop', resourceVersion: first.value.resourceVersion }, stop.signal)) old.push(event)
  expect(old).toMatchObject([{ type: 'ERROR', failure: { reason: 'Expired', status: 410 } }])
  expect(await api.list(maps, { namespace: 'shop', limit: 2, continue: first.value.continue! })).toMatchObject({ ok: false, reason: 'Expired' })
})

test('an aborted watch ends, also one that waits', async () => {
  const { api, clock } = setup()
  const stop = new AbortController()
  const watching = (async () => {
    for await (const _event of api.watch(maps, { resourceVersion: '0' }, stop.signal)) throw new Error('nothing was written')
  })()
  await clock.advance(10)
  stop.abort()
  await watching
})

test('injected faults strike the calls that are named, as often as asked', async () => {
  const { api, faults, clock } = setup()
  const throttle = faults.inject({ verb: 'create', resource: 'configmaps', skip: 1, times: 1, effect: { answer: 429, retryAfterSeconds: 3 } })
  expect(reason(await api.create(maps, map('a')))).toBe('ok')
  expect(await api.create(maps, map('b'))).toMatchObject({ ok: false, reason: 'Throttled', status: 429, retryAfterMs: 3000 })
  expect(reason(await api.create(maps, map('b')))).toBe('ok')
  expect(throttle.hits).toBe(1)
  faults.inject({ verb: 'write', name: 'a', effect: { answer: 409 } })
  expect(reason(await api.patch(maps, 'shop', 'a', { data: { x: '2' } }))).toBe('Conflict')
  expect(reason(await api.patch(maps, 'shop', 'b', { data: { x: '2' } }))).toBe('ok')
  faults.clear()
  faults.inject({ verb: 'get', effect: { delayMs: 1000 } })
  let answered = false
  const asked = api.get(maps, 'shop', 'a').then(() => (answered = true))
  await clock.advance(900)
  expect(answered).toBe(false)
  await clock.advance(200)
  await asked
})

test('an answer that is lost after the write leaves the write, one before it does not', async () => {
  const { api, faults, store } = setup()
  const before = faults.inject({ verb: 'patch', times: 1, effect: { drop: 'Before' } })
  await api.create(maps, map('a'))
  expect(reason(await api.patch(maps, 'shop', 'a', { data: { x: '2' } }))).toBe('Unavailable')
  expect(store.get('configmaps', 'shop', 'a')!.data).toEqual({ x: '1' })
  before.remove()
  faults.inject({ verb: 'patch', times: 1, effect: { drop: 'After' } })
  expect(reason(await api.patch(maps, 'shop', 'a', { data: { x: '3' } }))).toBe('Unavailable')
  expect(store.get('configmaps', 'shop', 'a')!.data).toEqual({ x: '3' })
})

test('a watch can be cut after some events, with or without 410', async () => {
  const { api, faults } = setup()
  const follow = async (): Promise<string[]> => {
    const types: string[] = []
    for await (const event of api.watch(maps, { namespace: 'shop', resourceVersion: '0' }, new AbortController().signal)) types.push(event.type)
    return types
  }
  for (const name of ['a', 'b', 'c']) await api.create(maps, map(name))
  faults.inject({ verb: 'watch', times: 1, effect: { cutAfterEvents: 2 } })
  faults.inject({ verb: 'watch', skip: 1, times: 1, effect: { cutAfterEvents: 1, expire: true } })
  expect(await follow()).toEqual(['ADDED', 'ADDED'])
  expect(await follow()).toEqual(['ADDED', 'ERROR'])
})

test('the log counts calls by verb, resource and user agent', async () => {
  const { api, faults, store } = setup()
  const other = embeddedApi(store, faults, 'argocd-controller/2')
  await api.create(maps, map('a'))
  await other.patch(maps, 'shop', 'a', { data: { x: '2' } })
  await api.get(maps, 'shop', 'nope')
  expect(faults.calls({ verb: 'write' }).map(({ verb, name, userAgent, status }) => [verb, name, userAgent, status])).toEqual([
    ['create', '', 'sluice/1', 201],
    ['patch', 'a', 'argocd-controller/2', 200],
  ])
  expect(faults.calls({ userAgent: 'sluice/' }).map((call) => call.status)).toEqual([201, 404])
  expect(store.get('configmaps', 'shop', 'a')!.metadata.managedFields!.map((entry) => entry.manager)).toEqual(['argocd-controller'])
})

test('only metadata is sent where only metadata is asked for', async () => {
  const { api } = setup()
  await api.create(maps, map('a'))
  const list = await api.list(maps, { namespace: 'shop', metadataOnly: true })
  expect(list.ok && list.value.items).toMatchObject([{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }])
  expect(list.ok && list.value.items[0]!.data).toBeUndefined()
})
