import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { KubeApi, ListPage, Result, WatchEvent } from '../../../src/kube/api.ts'
import { startCache, type Cache, type CacheOptions, type Change } from '../../../src/kube/cache.ts'
import { lastWriter } from '../../../src/kube/writers.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { deployment, deployments } from './server.ts'

/** Lists on demand, and events as the test pushes them. */
function makeApi() {
  let wake = (): void => undefined
  const queue: WatchEvent[] = []
  const lists: (Result<ListPage> | Promise<Result<ListPage>>)[] = []
  const api = {
    list: async () => (await lists.shift()) ?? { ok: false, reason: 'Unavailable', message: 'away' },
    async *watch(_: unknown, __: unknown, signal: AbortSignal) {
      signal.addEventListener('abort', () => wake())
      while (!signal.aborted) {
        const event = queue.shift()
        if (event) yield event
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  } as unknown as KubeApi
  return { api, lists, push: (...events: WatchEvent[]) => (queue.push(...events), wake()) }
}

let clock: SimulatedClock
let source: ReturnType<typeof makeApi>
let cache: Cache
let changes: string[]
const problems: unknown[] = []
const page = (items: KubeObject[], resourceVersion = '10'): Result<ListPage> => ({ ok: true, value: { items, resourceVersion } })
const begin = async (options: Partial<CacheOptions> = {}, ...lists: (Result<ListPage> | Promise<Result<ListPage>>)[]) => {
  source.lists.push(...lists)
  cache = startCache({ api: source.api, resource: deployments, clock, random: () => 0.5, onProblem: (problem) => problems.push(problem), ...options })
  cache.subscribe(({ type, object, old }: Change) => changes.push(`${type} ${object.metadata.name}@${object.metadata.resourceVersion}${old ? ` was ${old.metadata.resourceVersion}` : ''}`))
  await clock.advance(0)
}
const push = async (...events: WatchEvent[]) => {
  source.push(...events)
  await clock.advance(0)
}
const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name).toSorted()
beforeEach(() => {
  clock = new SimulatedClock()
  source = makeApi()
  changes = []
  problems.length = 0
})
afterEach(() => cache.stop())

describe('state', () => {
  test('Syncing until the list is complete, then Synced with its time', async () => {
    await begin()
    expect(cache.state).toBe('Syncing')
    expect(cache.complete).toBeUndefined()
    expect(cache.trouble?.failure.reason).toBe('Unavailable')
    source.lists.push(page([deployment('a')]))
    await clock.advance(1_000)
    await cache.settled()
    expect(cache.state).toBe('Synced')
    expect(cache.complete).toBeTypeOf('number')
    expect(cache.trouble).toBeUndefined()
  })
  test('NotServed is not an empty list, and what was known stays readable', async () => {
    await begin({}, page([deployment('a')]))
    const states: string[] = []
    cache.subscribeState((state) => states.push(state))
    await push({ type: 'ERROR', failure: { ok: false, reason: 'NotFound', status: 404, message: '' } })
    expect(cache.state).toBe('NotServed')
    expect(cache.complete).toBeUndefined()
    expect(names(cache.list())).toEqual(['a'])
    source.lists.push(page([]))
    cache.retryNow()
    await clock.advance(0)
    expect(states).toEqual(['NotServed', 'Synced'])
    expect(changes.at(-1)).toBe('Deleted a@1 was 1')
  })
  test('a cut watch is trouble until a watch lasts', async () => {
    await begin({}, page([]))
    await push({ type: 'ERROR', failure: { ok: false, reason: 'Unavailable', message: 'cut' } })
    expect(cache).toMatchObject({ state: 'Synced', trouble: { failure: { message: 'cut' } } })
    await clock.advance(11_000)
    expect(cache.trouble).toBeUndefined()
  })
})

describe('changes', () => {
  test('a new list tells only what differs, and all of it is readable before the first is told', async () => {
    await begin({}, page([deployment('a', '1'), deployment('b', '2'), deployment('c', '3')]))
    expect(changes).toEqual(['Applied a@1', 'Applied b@2', 'Applied c@3'])
    changes.length = 0
    let readable: string[] = []
    cache.subscribe(() => (readable = names(cache.list())))
    source.lists.push(page([deployment('a', '1'), deployment('b', '5'), deployment('d', '6')], '20'))
    await push({ type: 'ERROR', failure: { ok: false, reason: 'Expired', message: '' } })
    await clock.advance(500)
    expect(changes).toEqual(['Deleted c@3 was 3', 'Applied b@5 was 2', 'Applied d@6'])
    expect(readable).toEqual(['a', 'b', 'd'])
  })
  test('events of the watch', async () => {
    await begin({}, page([deployment('a', '1')]))
    await push({ type: 'MODIFIED', object: deployment('a', '11') }, { type: 'DELETED', object: deployment('a', '12') })
    expect(changes).toEqual(['Applied a@1', 'Applied a@11 was 1', 'Deleted a@11 was 11'])
    expect(cache.get('shop', 'a')).toBeUndefined()
  })
  test('a listener that throws harms nobody else', async () => {
    await begin()
    cache.subscribe(() => {
      throw new Error('listener')
    })
    const after: string[] = []
    cache.subscribe(({ object }) => after.push(object.metadata.name))
    source.lists.push(page([deployment('a')]))
    await clock.advance(1_000)
    expect(after).toEqual(['a'])
    expect(problems).toContainEqual({ resource: deployments, error: new Error('listener') })
  })
})

describe('own writes', () => {
  test('are readable at once; their echo and anything older is ignored', async () => {
    await begin({}, page([deployment('a', '9')]))
    cache.apply(deployment('a', '12'))
    expect(cache.get('shop', 'a')?.metadata.resourceVersion).toBe('12')
    await push({ type: 'MODIFIED', object: deployment('a', '11') }, { type: 'MODIFIED', object: deployment('a', '12') })
    expect(changes).toEqual(['Applied a@9', 'Applied a@12 was 9'])
    cache.apply(deployment('a', '10'))
    expect(cache.get('shop', 'a')?.metadata.resourceVersion).toBe('12')
  })
  test('versions are numbers, not words', async () => {
    await begin({}, page([deployment('a', '99999999999999999998')]))
    cache.apply(deployment('a', '99999999999999999999'))
    cache.apply(deployment('a', '100000000000000000000'))
    expect(cache.get('shop', 'a')?.metadata.resourceVersion).toBe('100000000000000000000')
  })
  test('an answer that comes after the deletion does not bring the object back', async () => {
    await begin({}, page([]))
    await push({ type: 'ADDED', object: deployment('a', '11') }, { type: 'DELETED', object: deployment('a', '13') })
    cache.apply(deployment('a', '12'))
    expect(cache.get('shop', 'a')).toBeUndefined()
    cache.apply(deployment('a', '14', { uid: 'another' }))
    expect(cache.get('shop', 'a')).toBeDefined()
  })
  test('the deletion of a predecessor does not take a new object away', async () => {
    await begin({}, page([deployment('a', '9', { uid: 'old' })]))
    cache.apply(deployment('a', '12', { uid: 'new' }))
    await push({ type: 'DELETED', object: deployment('a', '11', { uid: 'old' }) })
    expect(cache.get('shop', 'a')?.metadata.uid).toBe('new')
  })
  test('survive a list that began before them, and not one that knows better', async () => {
    let answer = (_: Result<ListPage>): void => undefined
    await begin({}, page([deployment('a', '9')]), new Promise((resolve) => (answer = resolve)))
    await push({ type: 'ERROR', failure: { ok: false, reason: 'Expired', message: '' } })
    await clock.advance(500)
    cache.apply(deployment('a', '25'))
    cache.apply(deployment('b', '26'))
    cache.apply(deployment('c', '15'))
    answer(page([deployment('a', '9')], '20'))
    await clock.advance(0)
    expect(cache.list().map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).toSorted()).toEqual(['a@25', 'b@26'])
  })
})

describe('what is kept', () => {
  const written: KubeObject = {
    ...deployment('a', '5', { labels: { app: 'cart' } }),
    spec: { replicas: 3, template: {} },
    status: { replicas: 3 },
    metadata: {
      name: 'a', namespace: 'shop', uid: 'u', resourceVersion: '5', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'kept' },
      managedFields: [
        { manager: 'argocd-controller', operation: 'Apply', time: '2026-01-05T09:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {}, 'f:template': { 'f:spec': {} } } } },
        { manager: 'kubectl', operation: 'Update', subresource: 'scale', time: '2026-01-05T10:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
      ],
    },
  }
  test('neither managedFields nor last-applied, but who last wrote what', async () => {
    await begin({ writers: ['f:spec/f:replicas', 'f:spec/f:template', 'f:spec/f:paused'] }, page([written]))
    const kept = cache.get('shop', 'a')!
    expect(kept.metadata.managedFields).toBeUndefined()
    expect(kept.metadata.annotations).toEqual({ mine: 'kept' })
    expect(kept.spec.replicas).toBe(3)
    expect(lastWriter(kept, 'f:spec/f:replicas')).toEqual({ manager: 'kubectl', operation: 'Update', subresource: 'scale', time: '2026-01-05T10:00:00Z', at: Date.UTC(2026, 0, 5, 10) })
    expect(lastWriter(kept, 'f:spec/f:template')?.manager).toBe('argocd-controller')
    expect(lastWriter(kept, 'f:spec/f:paused')).toBeUndefined()
    expect(lastWriter(written, 'f:spec/f:replicas')?.manager).toBe('kubectl')
  })
  test('who wrote something inside a field wrote it; who made its parent did not', () => {
    const owner = (fieldsV1: Record<string, unknown>) => lastWriter({ ...written, metadata: { name: 'a', managedFields: [{ manager: 'flux', fieldsV1 }] } }, 'f:spec/f:template')?.manager
    expect(owner({ 'f:spec': { 'f:template': {} } })).toBe('flux')
    expect(owner({ 'f:spec': { 'f:template': { 'f:spec': {} } } })).toBe('flux')
    expect(owner({ 'f:spec': { 'f:replicas': {} } })).toBeUndefined()
    expect(owner({ 'f:spec': {} })).toBeUndefined()
    expect(owner({})).toBeUndefined()
  })
  test('keys with a slash', () => {
    const object: KubeObject = { ...written, metadata: { name: 'a', managedFields: [{ manager: 'sluice', fieldsV1: { 'f:metadata': { 'f:annotations': { 'f:sluice.dev/closed-to': {} } } } }] } }
    expect(lastWriter(object, 'f:metadata/f:annotations/f:sluice.dev~1closed-to')?.manager).toBe('sluice')
  })
  test('prune drops more; an object that it cannot take is kept as it is', async () => {
    const prune = ({ status, ...rest }: KubeObject): KubeObject => {
      if (!status) throw new Error('no status')
      return rest as KubeObject
    }
    await begin({ prune, writers: ['f:spec/f:replicas'] }, page([written, deployment('b')]))
    expect(cache.get('shop', 'a')?.status).toBeUndefined()
    expect(lastWriter(cache.get('shop', 'a')!, 'f:spec/f:replicas')?.manager).toBe('kubectl')
    expect(names(cache.list())).toEqual(['a', 'b'])
    expect(problems).toHaveLength(1)
  })
})

test('list by namespace and labels, indexed or not, also after labels changed', async () => {
  const other = { ...deployment('c', '3', { labels: { app: 'cart', tier: 'web' } }), metadata: { name: 'c', namespace: 'edge', uid: 'c', resourceVersion: '3', labels: { app: 'cart', tier: 'web' } } }
  await begin({ labelIndexes: ['app'] }, page([deployment('a', '1', { labels: { app: 'cart', tier: 'db' } }), deployment('b', '2', { labels: { app: 'web', tier: 'db' } }), other]))
  expect(names(cache.list('shop'))).toEqual(['a', 'b'])
  expect(names(cache.list(undefined, { app: 'cart' }))).toEqual(['a', 'c'])
  expect(names(cache.list('shop', { app: 'cart' }))).toEqual(['a'])
  expect(names(cache.list(undefined, { tier: 'db' }))).toEqual(['a', 'b'])
  expect(names(cache.list('nowhere', { app: 'none' }))).toEqual([])
  await push({ type: 'MODIFIED', object: deployment('a', '11', { labels: { app: 'web' } }) })
  expect(names(cache.list(undefined, { app: 'cart' }))).toEqual(['c'])
  expect(names(cache.list(undefined, { app: 'web' }))).toEqual(['a', 'b'])
})
