/** Draining the outbox on a clock that only moves when a test says so. */
import { beforeEach, describe, expect, test } from 'vitest'
import { Notifier } from '../../../src/controller/notify.ts'
import type { Pace } from '../../../src/controller/notify-channel.ts'
import type { Trouble } from '../../../src/controller/secrets.ts'
import type { Outcome } from '../../../src/notify/post.ts'
import type { Note, Notifications } from '../../../src/rollout/schema.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { settle, Simulated } from '../controller/simulated.ts'

const about = (name = 'checkout') => ({ namespace: 'shop', name, uid: `uid-${name}` })
const hour = 3_600_000
const down: Outcome = { state: 'Busy', reason: 'Unreachable', message: 'hook.test refuses connections' }
const delivered: Outcome = { state: 'Delivered' }

let clock: Simulated
let notifier: Notifier
/** `<channel> <id>` of every try, in order. */
let tries: string[]
let woken: string[]
let lines: string[]
let answer: (channel: string, id: string) => Outcome | Promise<Outcome>
let check: (channel: string) => Trouble | undefined
let pace: Pace

const make = (): Notifier =>
  new Notifier({
    clock, random: () => 1, wake: key => void woken.push(key), pace: () => pace, cluster: () => 'eu-1',
    log: createLog({ level: 'info', form: 'Json', now: () => clock.now(), write: line => void lines.push(line) }),
    send: async (_, channel, message) => {
      tries.push(`${channel} ${message.note.id}`)
      return answer(channel, message.note.id)
    },
    check: async (_, channel) => check(channel),
  })
beforeEach(() => {
  clock = new Simulated()
  tries = []
  woken = []
  lines = []
  answer = () => delivered
  check = () => undefined
  pace = { places: 4, gapMs: 0 }
  notifier = make()
})
const note = (id: string, change: Partial<Note> = {}): Note => ({ id, type: 'Started', at: new Date(clock.now()).toISOString(), severity: 'Normal', message: id, ...change })
const to = (...names: string[]): Notifications => names.map(name => ({ channelRef: { name } }))
const settled = (id: string, name = 'checkout') => notifier.settled(about(name).uid, id, true)
const remarks = (conditions: Parameters<Notifier['remarks']>[1] = []) => notifier.remarks(about().uid, conditions)

describe('delivery', () => {
  test('in order, each once, however often a pass tells of them', async () => {
    const box = [note('1'), note('2'), note('3')]
    for (let pass = 0; pass < 3; pass++) notifier.tell(about(), box, to('a'))
    await settle()
    notifier.tell(about(), [...box, note('4')], to('a'))
    await settle()
    expect(tries).toEqual(['a 1', 'a 2', 'a 3', 'a 4'])
    expect(['1', '2', '3', '4'].every(id => settled(id))).toBe(true)
  })
  test('a note is settled when every channel has it, and then a pass is woken to take it from the outbox', async () => {
    answer = channel => (channel === 'b' ? down : delivered)
    notifier.tell(about(), [note('1')], to('a', 'b'))
    await settle()
    expect(settled('1')).toBe(false)
    woken = []
    answer = () => delivered
    await clock.advance(1000)
    expect(tries).toEqual(['a 1', 'b 1', 'b 1'])
    expect(settled('1')).toBe(true)
    expect(woken).toContain('shop/checkout')
  })
  test('before anything was told nobody is done, unless nobody listens', () => {
    expect(notifier.settled('uid-checkout', '1', true)).toBe(false)
    expect(notifier.settled('uid-checkout', '1', false)).toBe(true)
  })
  test('only what was asked for', async () => {
    const box = [note('1'), note('2', { type: 'RolledBack' }), note('3', { type: 'StableBroken' }), note('4', { type: 'RetryAccepted' })]
    notifier.tell(about(), box, [{ channelRef: { name: 'a' }, events: ['RolledBack', 'Problem'] }, { channelRef: { name: 'b' }, events: ['Request'] }])
    await settle()
    expect(tries.toSorted()).toEqual(['a 2', 'a 3', 'b 4'])
    expect(settled('1')).toBe(true)
  })
  test('a new leader delivers again what the outbox still holds', async () => {
    const box = [note('1')]
    notifier.tell(about(), box, to('a'))
    await settle()
    notifier.stop()
    notifier = make()
    notifier.tell(about(), box, to('a'))
    await settle()
    expect(tries).toEqual(['a 1', 'a 1'])
  })
  test('a Rollout that is gone, and a channel that is no longer named, get nothing more', async () => {
    answer = () => down
    notifier.tell(about('x'), [note('1')], to('a'))
    notifier.tell(about('y'), [note('1')], to('b'))
    await settle()
    notifier.forget(about('x').uid)
    notifier.tell(about('y'), [note('1')], [])
    await clock.advance(hour)
    expect(tries).toHaveLength(2)
    expect(settled('1', 'y')).toBe(true)
    notifier.stop()
    expect(clock.pending).toBe(0)
  })
})

describe('a channel that fails', () => {
  test('is tried again with pauses that grow to five minutes, and what comes later waits behind', async () => {
    const at: number[] = []
    const start = clock.monotonic()
    answer = () => (at.push((clock.monotonic() - start) / 1000), down)
    notifier.tell(about(), [note('1'), note('2')], to('a'))
    await clock.advance(hour)
    expect(at.slice(0, 6)).toEqual([0, 1, 3, 7, 15, 31])
    expect(at.at(-1)! - at.at(-2)!).toBe(300)
    expect(new Set(tries)).toEqual(new Set(['a 1']))
    answer = () => delivered
    await clock.advance(10 * 60_000)
    expect(tries.slice(-2)).toEqual(['a 1', 'a 2'])
  })
  test('waits at least as long as the receiver asks for, also for other Rollouts and after a change', async () => {
    answer = () => ({ state: 'Busy', reason: 'Throttled', message: 'slow down', retryAfterMs: 120_000 })
    notifier.tell(about('x'), [note('1')], to('a'))
    await settle()
    notifier.tell(about('y'), [note('2')], to('a'))
    notifier.changed('shop', 'a')
    await clock.advance(119_999)
    expect(tries).toEqual(['a 1'])
    answer = () => delivered
    await clock.advance(1)
    expect(tries).toEqual(['a 1', 'a 1', 'a 2'])
  })
  test('is tried by one Rollout at a time, not by all of them', async () => {
    let open = 0
    answer = async () => {
      open++
      return new Promise(() => {})
    }
    for (const name of ['p', 'q', 'r', 's', 't', 'u']) notifier.tell(about(name), [note('1')], to('a'))
    await settle()
    expect(open).toBe(4)
    notifier.stop()
    notifier = make()
    answer = () => down
    for (const name of ['p', 'q', 'r', 's', 't', 'u']) notifier.tell(about(name), [note('1')], to('b'))
    await settle()
    const at: number[] = []
    answer = () => (at.push(clock.monotonic()), down)
    await clock.advance(hour)
    expect(at.length).toBeGreaterThan(5)
    expect(new Set(at).size).toBe(at.length)
  })
  test('holds up no other channel', async () => {
    answer = channel => (channel === 'a' ? new Promise(() => {}) : delivered)
    notifier.tell(about(), [note('1'), note('2')], to('a', 'b'))
    await settle()
    expect(tries).toEqual(['a 1', 'b 1', 'b 2'])
  })
  test('Slack gets one message a second', async () => {
    pace = { places: 1, gapMs: 1000 }
    notifier.tell(about(), [note('1'), note('2'), note('3')], to('a'))
    await settle()
    expect(tries).toHaveLength(1)
    await clock.advance(1000)
    expect(tries).toHaveLength(2)
  })
  test('a note that is turned away five times does not hold up the next for a day', async () => {
    answer = (_, id) => (id === '1' ? { state: 'Refused', reason: 'MessageRefused', message: 'invalid_blocks' } : delivered)
    notifier.tell(about(), [note('1'), note('2')], to('a'))
    notifier.tell(about('other'), [note('3')], to('a'))
    await clock.advance(60_000)
    expect(tries.filter(one => one !== 'a 3')).toEqual(['a 1', 'a 1', 'a 1', 'a 1', 'a 1', 'a 2'])
    expect(tries.indexOf('a 3')).toBeLessThan(2)
    expect(settled('1')).toBe(true)
    expect(lines.join('')).toContain('given up')
  })
  test('is given up after a day, with a condition that stays until something is delivered', async () => {
    answer = () => down
    notifier.tell(about(), [note('1')], to('a'))
    await clock.advance(23 * hour)
    expect(settled('1')).toBe(false)
    expect(remarks()[0]?.reason).toBe('Unreachable')
    await clock.advance(1.2 * hour)
    expect(settled('1')).toBe(true)
    expect(remarks()).toMatchObject([{ type: 'NotificationsFailing', reason: 'GaveUp', message: expect.stringContaining('for a day') }])
    const count = tries.length
    await clock.advance(hour)
    expect(tries).toHaveLength(count)
    answer = () => delivered
    notifier.tell(about(), [note('2')], to('a'))
    await settle()
    expect(remarks()).toEqual([])
  })
  test('what an earlier process failed to deliver for a day is given up, not begun anew', async () => {
    notifier.tell(about(), [note('old', { at: new Date(clock.now() - 25 * hour).toISOString() }), note('new')], to('a'))
    await settle()
    expect(tries).toEqual(['a new'])
    expect(settled('old')).toBe(true)
  })
})

describe('the condition', () => {
  test('a receiver that is away for a few minutes is nobody\'s business; for longer it is said, and taken back when it works', async () => {
    answer = () => down
    notifier.tell(about(), [note('1')], to('a'))
    await clock.advance(5 * 60_000)
    expect(remarks()).toEqual([])
    woken = []
    await clock.advance(10 * 60_000)
    expect(woken).toContain('shop/checkout')
    expect(remarks()).toEqual([{ type: 'NotificationsFailing', reason: 'Unreachable', message: 'channel a: hook.test refuses connections; tried again, each message for a day' }])
    woken = []
    answer = () => delivered
    await clock.advance(10 * 60_000)
    expect(woken).toContain('shop/checkout')
    expect(remarks()).toEqual([])
  })
  test('what somebody must change is said at once, before the first message', async () => {
    check = () => ({ state: 'Failed', reason: 'SecretMissing', message: 'there is no Secret slack' })
    notifier.tell(about(), [], to('a'))
    await settle()
    expect(woken).toEqual(['shop/checkout'])
    expect(remarks()).toMatchObject([{ reason: 'SecretMissing' }])
    check = () => undefined
    woken = []
    await clock.advance(5 * 60_000)
    expect(woken).toEqual(['shop/checkout'])
    expect(remarks()).toEqual([])
    expect(clock.pending).toBe(0)
  })
  test('a change of the channel is tried at once', async () => {
    answer = () => ({ state: 'Failed', reason: 'Rejected', message: 'no_service' })
    notifier.tell(about(), [note('1')], to('a'))
    await clock.advance(hour)
    answer = () => delivered
    notifier.changed('elsewhere', 'a')
    await settle()
    expect(settled('1')).toBe(false)
    notifier.changed('shop', 'a')
    await settle()
    expect(settled('1')).toBe(true)
    expect(remarks()).toEqual([])
  })
  test('of an earlier process stands until this one knows better', async () => {
    const old = [{ type: 'NotificationsFailing', status: 'True', reason: 'SecretMissing', message: 'channel a: there is no Secret' }]
    expect(remarks(old)).toMatchObject([{ reason: 'SecretMissing' }])
    notifier.tell(about(), [], to('a'), old)
    expect(remarks(old)).toMatchObject([{ reason: 'SecretMissing' }])
    await settle()
    expect(woken).toEqual(['shop/checkout'])
    expect(remarks(old)).toEqual([])
  })
  test('that something was given up survives a restart, until something is delivered', async () => {
    const old = [{ type: 'NotificationsFailing', status: 'True', reason: 'GaveUp', message: 'channel a: RolledBack was given up' }]
    notifier.tell(about(), [], to('a'), old)
    await settle()
    expect(remarks(old)).toMatchObject([{ reason: 'GaveUp' }])
    notifier.tell(about(), [note('1')], to('a'))
    await settle()
    expect(remarks(old)).toEqual([])
  })
})
