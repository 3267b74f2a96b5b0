import { expect, test } from 'vitest'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'

test('timers are called at their own moment, in order, also those that timers set', async () => {
  const clock = new SimulatedClock(1_000_000)
  const calls: [string, number][] = []
  const note = (name: string) => (): void => void calls.push([name, clock.now()])
  clock.setTimeout(note('late'), 5000)
  clock.setTimeout(note('first'), 1000)
  clock.setTimeout(note('second'), 1000)
  clock.setTimeout(() => clock.setTimeout(note('nested'), 500), 2000)
  await clock.advance(3000)
  expect(calls).toEqual([
    ['first', 1_001_000],
    ['second', 1_001_000],
    ['nested', 1_002_500],
  ])
  expect(clock.now()).toBe(1_003_000)
  expect(clock.monotonic()).toBe(3000)
  await clock.advance(2000)
  expect(calls.at(-1)).toEqual(['late', 1_005_000])
})

test('a cancelled timer is not called, and cancelling twice is harmless', async () => {
  const clock = new SimulatedClock()
  let called = 0
  const timer = clock.setTimeout(() => called++, 100)
  timer.cancel()
  timer.cancel()
  await clock.advance(1000)
  expect([called, clock.pending]).toEqual([0, 0])
})

test('promises that a timer wakes go on before the next moment', async () => {
  const clock = new SimulatedClock(0)
  const order: string[] = []
  const sleeper = (async () => {
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 100))
    order.push(`woke at ${clock.now()}`)
    await new Promise<void>((resolve) => clock.setTimeout(resolve, 100))
    order.push(`again at ${clock.now()}`)
  })()
  clock.setTimeout(() => order.push('other at 150'), 150)
  await clock.advance(300)
  await sleeper
  expect(order).toEqual(['woke at 100', 'other at 150', 'again at 200'])
})

test('advances are queued and settle is awaited between moments', async () => {
  const clock = new SimulatedClock(0)
  let settled = 0
  clock.setTimeout(() => {}, 10)
  clock.setTimeout(() => {}, 20)
  const settle = async (): Promise<void> => void settled++
  await Promise.all([clock.advance(15, settle), clock.advance(15, settle)])
  expect([clock.now(), settled]).toEqual([30, 4])
})

test('a running clock goes at its speed and never past a timer that was not called', async () => {
  const clock = new SimulatedClock(0)
  const seen: number[] = []
  await new Promise<void>((resolve) => {
    for (const ms of [1000, 2000, 60_000]) clock.setTimeout(() => seen.push(clock.now()), ms)
    clock.setTimeout(resolve, 60_000)
    clock.run(10_000)
    // Blocks the event loop for 30 simulated minutes' worth: time must wait for the timers.
    const until = performance.now() + 20
    while (performance.now() < until) expect(clock.now()).toBeLessThanOrEqual(1000)
  })
  expect(seen).toEqual([1000, 2000, 60_000])
  clock.stop()
  const stopped = clock.now()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(clock.now()).toBe(stopped)
})

test('a running clock refuses to be advanced, and speeds that are none', () => {
  const clock = new SimulatedClock(0)
  expect(() => clock.run(Number.NaN)).toThrow('speed: NaN')
  clock.run(1)
  expect(() => clock.advance(1)).toThrow('speed 1')
  clock.stop()
})
