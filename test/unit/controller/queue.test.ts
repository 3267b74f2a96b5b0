import { beforeEach, describe, expect, test } from 'vitest'
import { Queue, type Lane, type Next } from '../../../src/controller/queue.ts'
import { settle, Simulated } from './simulated.ts'

let clock: Simulated
let runs: string[]
let hurried: string[]
let answers: Map<string, Next[]>
let gates: Map<string, () => void>
let bugs: unknown[]
let floods: string[]
/** Keys in `held` run until `release`. */
let held: Set<string>

function queue(slots: Partial<Record<Lane, number>> = {}): Queue {
  return new Queue({
    clock, random: () => 1, slots: { Closing: 4, People: 2, Rest: 2, ...slots }, hurry: async key => void hurried.push(key), onBug: (_, error) => bugs.push(error), onFlood: key => floods.push(key),
    run: async (key, lane) => {
      runs.push(`${key} ${lane}`)
      if (held.has(key)) await new Promise<void>(resolve => gates.set(key, resolve))
      const next = answers.get(key)?.shift() ?? {}
      if (next.retryAfterMs === -1) throw new Error('bug')
      return next
    },
  })
}
function release(key: string): Promise<void> {
  gates.get(key)!()
  return settle()
}
beforeEach(() => {
  clock = new Simulated()
  runs = []
  hurried = []
  answers = new Map()
  gates = new Map()
  bugs = []
  floods = []
  held = new Set()
})

describe('lanes', () => {
  test('closing goes before people, people before the rest, whatever came first', async () => {
    const q = queue({ Closing: 1, People: 1, Rest: 1 })
    for (const key of ['a', 'b', 'c']) q.add(key, 'Rest')
    q.add('p', 'People')
    q.add('x', 'Closing')
    q.start()
    await settle()
    expect(runs.slice(0, 3)).toEqual(['x Closing', 'p People', 'a Rest'])
  })
  test('a list of a thousand whose writes hang holds up nobody who must close', async () => {
    const q = queue()
    q.start()
    for (let i = 0; i < 1000; i++) {
      held.add(`r${i}`)
      q.add(`r${i}`, 'Rest')
    }
    await settle()
    expect(runs).toHaveLength(2)
    q.add('hurt', 'Closing')
    q.add('person', 'People')
    await settle()
    expect(runs.slice(2)).toEqual(['hurt Closing', 'person People'])
    expect(q.depth()).toEqual({ Closing: 0, People: 0, Rest: 998 })
  })
  test('what must be lowered waits neither for a slot nor for a pass of its own that hangs', async () => {
    const q = queue()
    q.start()
    for (let i = 0; i < 1000; i++) {
      held.add(`r${i}`)
      q.add(`r${i}`, 'Closing')
    }
    await settle()
    expect(runs).toHaveLength(4)
    expect(hurried).toHaveLength(996)
    hurried = []
    q.add('r0', 'Rest')
    q.add('r0', 'Closing')
    q.add('r0', 'Closing')
    q.add('r999', 'Closing')
    await settle()
    expect(hurried).toEqual(['r0', 'r0'])
    await release('r0')
    expect(runs.slice(4)).toEqual(['r4 Closing'])
  })
  test('a key that waits is moved up, never down, and runs once', async () => {
    const q = queue()
    q.add('a', 'Rest')
    q.add('a', 'Closing')
    q.add('a', 'People')
    q.start()
    await settle()
    expect(runs).toEqual(['a Closing'])
  })
})

describe('one pass per key', () => {
  test('woken while it runs: once more afterwards, in the best lane it was woken in', async () => {
    const q = queue()
    held.add('a')
    q.add('a', 'Rest')
    q.start()
    await settle()
    q.add('a', 'Rest')
    q.add('a', 'People')
    q.add('a', 'Rest')
    await settle()
    expect(runs).toEqual(['a Rest'])
    held.clear()
    await release('a')
    expect(runs).toEqual(['a Rest', 'a People'])
  })
  test('a burst of wake-ups in one tick is one pass', async () => {
    const q = queue()
    q.start()
    for (let i = 0; i < 50; i++) q.add('a', 'Rest')
    await settle()
    expect(runs.length).toBeLessThanOrEqual(2)
  })
})

describe('wake-ups', () => {
  test('the earliest of several wins', async () => {
    const q = queue()
    q.start()
    q.wakeAt('a', clock.now() + 5000)
    q.wakeAt('a', clock.now() + 2000)
    q.wakeAt('a', clock.now() + 9000)
    await clock.advance(1999)
    expect(runs).toHaveLength(0)
    await clock.advance(1)
    expect(runs).toHaveLength(1)
    await clock.advance(60_000)
    expect(runs).toHaveLength(1)
  })
  test('a pass asks for the next one', async () => {
    answers.set('a', [{ wakeAt: clock.now() + 3000 }])
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await clock.advance(3000)
    expect(runs).toHaveLength(2)
  })
  test('a clock set forward makes a wake-up late by half a minute at most, one set back never early', async () => {
    const q = queue()
    q.start()
    q.wakeAt('forward', clock.now() + 600_000)
    clock.jump(600_000)
    await clock.advance(30_000)
    expect(runs).toEqual(['forward Rest'])
    q.wakeAt('back', clock.now() + 1000)
    clock.jump(-5000)
    await clock.advance(1000)
    expect(runs).toHaveLength(1)
    await clock.advance(5000)
    expect(runs).toHaveLength(2)
  })
})

describe('failures', () => {
  test('pauses double up to the longest and end with a success', async () => {
    answers.set('a', [{ failed: true }, { failed: true }, { failed: true }, {}])
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await clock.advance(199)
    expect(runs).toHaveLength(1)
    await clock.advance(1)
    expect(runs).toHaveLength(2)
    await clock.advance(400)
    expect(runs).toHaveLength(3)
    await clock.advance(800)
    expect(runs).toHaveLength(4)
    await clock.advance(120_000)
    expect(runs).toHaveLength(4)
  })
  test('lowering repeats within a second at most, however often it failed', async () => {
    answers.set('a', Array.from({ length: 100 }, () => ({ failed: true, lane: 'Closing' as const })))
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await clock.advance(30_000)
    expect(runs.length).toBeGreaterThan(30)
    expect(runs.slice(1).every(run => run === 'a Closing')).toBe(true)
  })
  test('the server names the pause: Retry-After is obeyed', async () => {
    answers.set('a', [{ failed: true, retryAfterMs: 7000 }])
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await clock.advance(6999)
    expect(runs).toHaveLength(1)
    await clock.advance(1)
    expect(runs).toHaveLength(2)
  })
  test('events do not shorten the pause of a failing key, a person does', async () => {
    answers.set('a', [{ failed: true, retryAfterMs: 5000 }])
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await settle()
    q.add('a', 'Rest')
    await clock.advance(100)
    expect(runs).toEqual(['a Rest'])
    q.add('a', 'People')
    await settle()
    expect(runs).toEqual(['a Rest', 'a People'])
  })
  test('stale: again at once, and with a pause from the second time on', async () => {
    answers.set('a', [{ again: true }, { again: true }])
    const q = queue()
    q.start()
    q.add('a', 'Rest')
    await settle()
    expect(runs).toHaveLength(2)
    await clock.advance(1000)
    expect(runs).toHaveLength(3)
  })
  test('a pass that throws is reported and harms only its key', async () => {
    answers.set('bad', [{ retryAfterMs: -1 }])
    const q = queue()
    q.start()
    q.add('bad', 'Rest')
    q.add('good', 'Rest')
    await settle()
    expect(bugs).toHaveLength(1)
    expect(runs).toEqual(['bad Rest', 'good Rest'])
    await clock.advance(200)
    expect(runs).toEqual(['bad Rest', 'good Rest', 'bad Rest'])
  })
})

test('a pass that moved on runs again at once, but one that never comes to rest does not flood the server', async () => {
  answers.set('a', [{ more: true }, { more: true }, {}])
  answers.set('b', Array.from({ length: 1000 }, () => ({ more: true })))
  const q = queue()
  q.start()
  q.add('a', 'Rest')
  await settle()
  expect(runs).toHaveLength(3)
  q.add('b', 'Rest')
  await clock.advance(10_000)
  expect(runs.length).toBeLessThan(3 + 26 + 10)
  expect(String(bugs[0])).toContain('in a row without coming to rest')
  expect(bugs).toHaveLength(1)
})

test('a key that is woken again and again is slowed down, said once, and recovers', async () => {
  const q = queue()
  q.start()
  for (let i = 0; i < 300; i++) {
    q.add('a', 'Rest')
    await settle()
  }
  expect(runs.length).toBeLessThan(70)
  expect(floods).toEqual(['a'])
  q.add('b', 'Rest')
  await settle()
  expect(runs.at(-1)).toBe('b Rest')
  await clock.advance(60_000)
  runs.length = 0
  for (let i = 0; i < 50; i++) {
    q.add('a', 'Rest')
    await settle()
  }
  expect(runs).toHaveLength(50)
})
test('a slowed key still closes', async () => {
  const q = queue()
  q.start()
  for (let i = 0; i < 100; i++) {
    q.add('a', 'Rest')
    await settle()
  }
  runs.length = 0
  q.add('a', 'Closing')
  await clock.advance(50)
  expect(runs).toEqual(['a Closing'])
})

test('stopping waits for the running pass and forgets everything else', async () => {
  const q = queue()
  q.start()
  held.add('a')
  q.add('a', 'Rest')
  q.wakeAt('b', clock.now() + 1000)
  await settle()
  let stopped = false
  const stopping = q.stop().then(() => void (stopped = true))
  await settle()
  expect(stopped).toBe(false)
  await release('a')
  await stopping
  await clock.advance(10_000)
  expect(runs).toEqual(['a Rest'])
  expect(clock.pending).toBe(0)
})
