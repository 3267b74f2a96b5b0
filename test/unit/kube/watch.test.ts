import { describe, expect, test } from 'vitest'
import type { Failure, KubeApi, ListPage, Result, WatchEvent } from '../../../src/kube/api.ts'
import { delayOf, initialState, startWatcher, transition, type WatcherEvent, type WatcherInput, type WatcherState } from '../../../src/kube/watch.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { deployment, deployments } from './server.ts'

const failure = (reason: Failure['reason'], status?: number): Failure => ({ ok: false, reason, message: reason, ...(status ? { status } : {}) })
const page = (names: string[], next?: string): ListPage => ({ items: names.map((name) => deployment(name)), resourceVersion: '10', ...(next ? { continue: next } : {}) })
const added = (name: string, version: string): WatchEvent => ({ type: 'ADDED', object: deployment(name, version) })
const said = (events: readonly WatcherEvent[]): string[] => events.map((event) => ('object' in event ? `${event.type} ${event.object.metadata.name}` : event.type))

const empty = initialState
const inPage: WatcherState = { name: 'InitPage', continue: 'p2', failures: 0 }
const fresh: WatcherState = { name: 'InitListed', resourceVersion: '10', fresh: true, failures: 0 }
const watching: WatcherState = { name: 'Watching', resourceVersion: '10', failures: 0 }
const notServed: WatcherState = { name: 'NotServed', failures: 3 }
const failed = (reason: Failure['reason'], status?: number): WatcherInput => ({ type: 'Failed', failure: failure(reason, status) })
const event = (one: WatchEvent): WatcherInput => ({ type: 'Event', event: one })

test.each<[string, WatcherState, WatcherInput, Partial<WatcherState>, string[]]>([
  ['a list of one page', empty, { type: 'Page', page: page(['a', 'b']) }, { ...fresh }, ['Init', 'InitApply a', 'InitApply b', 'InitDone']],
  ['the first of two pages', empty, { type: 'Page', page: page(['a'], 'p2') }, { name: 'InitPage', continue: 'p2' }, ['Init', 'InitApply a']],
  ['the last page', inPage, { type: 'Page', page: page(['b']) }, { ...fresh }, ['InitApply b', 'InitDone']],
  ['a list without a resourceVersion', empty, { type: 'Page', page: { items: [], resourceVersion: '' } }, { name: 'Empty', failures: 1 }, []],
  ['an expired page', inPage, failed('Expired'), { name: 'Empty', failures: 1 }, []],
  ['a page that fails otherwise', inPage, failed('Unavailable'), { name: 'InitPage', continue: 'p2', failures: 1 }, []],
  ['a list that is not served', empty, failed('NotFound'), { name: 'NotServed', failures: 0 }, []],
  ['a list that is forbidden', empty, failed('Forbidden'), { name: 'Empty', failures: 1 }, []],
  ['still not served', notServed, failed('NotFound'), { name: 'NotServed', failures: 4 }, []],
  ['not served, and the server is away', notServed, failed('Unavailable'), { name: 'NotServed' }, []],
  ['served at last', notServed, { type: 'Page', page: page([]) }, { ...fresh }, ['Init', 'InitDone']],
  ['the watch begins', fresh, { type: 'WatchStarted' }, { name: 'Watching', resourceVersion: '10' }, []],
  ['an object', { ...watching, failures: 3 }, event(added('a', '11')), { name: 'Watching', resourceVersion: '11', failures: 0 }, ['Apply a']],
  ['a deletion', watching, event({ type: 'DELETED', object: deployment('a', '12') }), { resourceVersion: '12' }, ['Delete a']],
  ['a bookmark', watching, event({ type: 'BOOKMARK', object: deployment('', '20') }), { resourceVersion: '20' }, []],
  ['410', watching, event({ type: 'ERROR', failure: failure('Expired', 410) }), { name: 'Empty', failures: 1 }, []],
  ['garbage', watching, event({ type: 'ERROR', failure: failure('Invalid') }), { name: 'Empty', failures: 1 }, []],
  ['a cut connection', watching, event({ type: 'ERROR', failure: failure('Unavailable') }), { name: 'InitListed', resourceVersion: '10', fresh: false, failures: 1 }, []],
  ['a kind that vanished', watching, event({ type: 'ERROR', failure: failure('NotFound', 404) }), { name: 'NotServed', failures: 0 }, []],
  ['a server that never reaches our resourceVersion', { ...watching, failures: 4 }, event({ type: 'ERROR', failure: failure('Timeout', 504) }), { name: 'Empty', failures: 5 }, []],
  ['a server that is away for long', { ...watching, failures: 9 }, event({ type: 'ERROR', failure: failure('Unavailable') }), { name: 'InitListed', failures: 10 }, []],
  ['the server ends the watch', watching, { type: 'WatchEnded' }, { name: 'InitListed', resourceVersion: '10', fresh: false }, []],
  ['a watch that lasts', { ...watching, failures: 5 }, { type: 'WatchHeld' }, { name: 'Watching', failures: 0 }, []],
  ['an object without resourceVersion', watching, event({ type: 'ADDED', object: { ...deployment('a'), metadata: { name: 'a' } } }), { name: 'Empty' }, []],
  ['an event that comes too late', fresh, event(added('a', '11')), fresh, []],
  ['a page that comes too late', watching, { type: 'Page', page: page(['a']) }, watching, []],
])('transition: %s', (_, state, input, next, events) => {
  const result = transition(state, input)
  expect(result.state).toMatchObject(next)
  expect(said(result.events)).toEqual(events)
})

test('waits: none at first, doubling to half a minute, half of it by chance; Retry-After counts; a fresh list is watched at once', () => {
  expect([0, 1, 2, 3, 12].map((failures) => delayOf({ name: 'Empty', failures }, 1))).toEqual([0, 200, 400, 800, 30_000])
  expect(delayOf({ name: 'Empty', failures: 3 }, 0)).toBe(400)
  expect(delayOf({ name: 'Empty', failures: 1 }, 1, 5_000)).toBe(5_000)
  expect(delayOf(notServed, 1)).toBe(30_000)
  expect(delayOf({ ...fresh, failures: 7 } as WatcherState, 1)).toBe(0)
})

/** Lists and watches answered in order; what is missing at the end hangs until it is aborted. */
function scriptedApi(lists: (Result<ListPage> | Error)[], watches: (WatchEvent[] | Error)[]): { api: KubeApi; asked: string[] } {
  const asked: string[] = []
  const api = {
    async list(_: unknown, { continue: next, limit }: { continue?: string; limit?: number }) {
      asked.push(`list ${limit}${next ? ` ${next}` : ''}`)
      const answer = lists.shift() ?? failure('Unavailable')
      if (answer instanceof Error) throw answer
      return answer
    },
    async *watch(_: unknown, { resourceVersion }: { resourceVersion: string }, signal: AbortSignal) {
      asked.push(`watch ${resourceVersion}`)
      const events = watches.shift()
      if (events instanceof Error) throw events
      yield* events ?? []
      if (!events) await new Promise((ended) => signal.addEventListener('abort', ended))
    },
  } as unknown as KubeApi
  return { api, asked }
}

describe('the driver', () => {
  async function run(lists: (Result<ListPage> | Error)[], watches: (WatchEvent[] | Error)[], onEvent?: (event: WatcherEvent) => void) {
    const { api, asked } = scriptedApi(lists, watches)
    const clock = new SimulatedClock()
    const events: WatcherEvent[] = []
    const states: string[] = []
    const errors: unknown[] = []
    const watcher = startWatcher({
      api, resource: deployments, clock, random: () => 0.5, pageSize: 2,
      onEvent: (one) => {
        events.push(one)
        onEvent?.(one)
      },
      onState: (state) => states.push(state.name), onCallbackError: (error) => errors.push(error),
    })
    await clock.advance(20_000)
    return { asked, events: () => said(events), states, errors, watcher, clock }
  }
  const ok = (value: ListPage): Result<ListPage> => ({ ok: true, value })

  test('pages, watches from their resourceVersion, goes on from the last event, and lists again after 410', async () => {
    const { asked, events, watcher } = await run(
      [ok(page(['a', 'b'], 'p2')), ok(page(['c'])), ok(page(['a']))],
      [[added('d', '11'), { type: 'BOOKMARK', object: deployment('', '15') }], [{ type: 'ERROR', failure: failure('Expired', 410) }]],
    )
    expect(asked).toEqual(['list 2', 'list 2 p2', 'watch 10', 'watch 15', 'list 2', 'watch 10'])
    expect(events()).toEqual(['Init', 'InitApply a', 'InitApply b', 'InitApply c', 'InitDone', 'Apply d', 'Init', 'InitApply a', 'InitDone'])
    expect(watcher.state.name).toBe('Watching')
    await watcher.stop()
  })

  test('survives every error, exceptions of the API included', async () => {
    const { asked, watcher } = await run([failure('Unavailable'), new Error('bug'), ok(page(['a']))], [new Error('bug'), [{ type: 'ERROR', failure: failure('Unavailable') }]])
    expect(asked).toEqual(['list 2', 'list 2', 'list 2', 'watch 10', 'watch 10', 'watch 10'])
    await watcher.stop()
  })

  test('a callback that throws is told and changes nothing', async () => {
    const { events, errors, watcher } = await run([ok(page(['a']))], [[added('b', '11')]], () => {
      throw new Error('listener')
    })
    expect(events()).toEqual(['Init', 'InitApply a', 'InitDone', 'Apply b'])
    expect(errors).toHaveLength(4)
    await watcher.stop()
  })

  test('a kind that is not served is asked again slowly, or when told that it is there', async () => {
    const { asked, watcher, clock, states } = await run([failure('NotFound', 404), failure('NotFound', 404), ok(page(['a']))], [])
    expect(watcher.state.name).toBe('NotServed')
    expect(asked).toHaveLength(1)
    await clock.advance(5_000)
    expect(asked).toHaveLength(2)
    watcher.retryNow()
    await clock.advance(0)
    expect(watcher.state.name).toBe('Watching')
    expect(states).toEqual(['NotServed', 'NotServed', 'InitListed', 'Watching'])
    await watcher.stop()
  })

  test('a server that lists but refuses every watch is not asked in a tight loop', async () => {
    const gone: WatchEvent[] = [{ type: 'ERROR', failure: failure('Expired', 410) }]
    const { asked, watcher } = await run(Array.from({ length: 100 }, () => ok(page([]))), Array.from({ length: 100 }, () => gone))
    expect(asked.filter((one) => one.startsWith('list')).length).toBeLessThan(10)
    await watcher.stop()
  })

  test('stopping ends it and nothing is called any more', async () => {
    const { watcher, clock, asked } = await run([failure('Unavailable')], [])
    await watcher.stop()
    const before = asked.length
    await clock.advance(100_000)
    expect(asked).toHaveLength(before)
    expect(clock.pending).toBe(0)
  })
})
