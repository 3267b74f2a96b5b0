import { beforeEach, describe, expect, test } from 'vitest'
import type { EventOutcome } from '../../../src/kube/events.ts'
import { Teller, type About } from '../../../src/controller/tell.ts'
import type { Note } from '../../../src/rollout/schema.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { status } from '../cli/view.test-data.ts'
import { settle, Simulated } from './simulated.ts'

const about: About = { namespace: 'shop', name: 'checkout', uid: 'u1' }
let clock: Simulated
let published: string[]
let replies: EventOutcome[]
let lines: Record<string, unknown>[]
let teller: Teller
const note = (id: string, change: Partial<Note> = {}): Note => ({ id, type: 'RolledBack', at: new Date(clock.now()).toISOString(), severity: 'Warning', message: `note ${id}`, ...change })
const box = (...outbox: Note[]) => status({ outbox })

beforeEach(() => {
  clock = new Simulated()
  published = []
  replies = []
  lines = []
  const log = createLog({ level: 'debug', form: 'Json', now: () => clock.now(), write: line => void lines.push(JSON.parse(line)) })
  teller = new Teller({ clock, log, publish: (_, one) => (published.push(one.id), Promise.resolve(replies.shift() ?? 'Delivered')) })
})

describe('notes', () => {
  test('become one log line with stable keys, only when they are fresh', async () => {
    const one = note('a', { reason: 'CheckFailed', check: 'success', value: '94%', bound: '99%', weight: 25, revision: 'r2', from: 'r1', by: 'olga' })
    teller.tell(about, box(one), [one])
    teller.tell(about, box(one), [])
    expect(lines).toEqual([{ level: 'warn', time: new Date(clock.now()).toISOString(), rollout: 'checkout', namespace: 'shop', note: 'RolledBack', reason: 'CheckFailed', check: 'success', value: '94%', bound: '99%', weight: 25, revision: 'r2', from: 'r1', by: 'olga', message: 'note a' }])
  })
  test('become events once, and are delivered until the outbox no longer names them', async () => {
    teller.tell(about, box(note('a')), [])
    await settle()
    teller.tell(about, box(note('a'), note('b')), [])
    await settle()
    expect(published).toEqual(['a', 'b'])
    expect(teller.delivered('u1')).toEqual(['a', 'b'])
    teller.tell(about, box(note('b')), [])
    expect(teller.delivered('u1')).toEqual(['b'])
  })
  test('are not lost by a failing server, and pauses grow', async () => {
    replies = ['Failed', 'Failed']
    teller.tell(about, box(note('a')), [])
    await settle()
    teller.tell(about, box(note('a')), [])
    await clock.advance(999)
    expect(published).toHaveLength(1)
    await clock.advance(1)
    expect(published).toHaveLength(2)
    await clock.advance(1999)
    expect(published).toHaveLength(2)
    await clock.advance(1)
    expect(published).toHaveLength(3)
    expect(teller.delivered('u1')).toEqual(['a'])
  })
  test('that no server will ever take do not stay for ever', async () => {
    replies = ['Refused']
    teller.tell(about, box(note('a')), [])
    await settle()
    expect(teller.delivered('u1')).toEqual(['a'])
  })
  test('older than an hour at the start are told already', async () => {
    teller.tell(about, box(note('old', { at: new Date(clock.now() - 3_600_001).toISOString() }), note('young', { at: new Date(clock.now() - 3_599_000).toISOString() })), [])
    await settle()
    expect(published).toEqual(['young'])
    expect(teller.delivered('u1')).toEqual(['old', 'young'])
  })
  test('of a rollout that is gone are not repeated', async () => {
    replies = ['Failed']
    teller.tell(about, box(note('a')), [])
    await settle()
    teller.forget('u1')
    await clock.advance(60_000)
    expect(published).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })
})

test('an alert is heard at once and not more than once a minute for the same route', async () => {
  const failure = { ok: false, reason: 'Forbidden', message: 'no right to patch' } as const
  for (let i = 0; i < 5; i++) teller.alert(about, { type: 'LoweringFailed', route: 'VirtualService/shop/a', failure })
  teller.alert(about, { type: 'LoweringFailed', route: 'VirtualService/shop/b', failure })
  expect(lines.map(line => line['route'])).toEqual(['VirtualService/shop/a', 'VirtualService/shop/b'])
  expect(lines[0]).toMatchObject({ level: 'error', reason: 'Forbidden' })
  await clock.advance(60_000)
  teller.alert(about, { type: 'LoweringFailed', route: 'VirtualService/shop/a', failure })
  expect(published).toHaveLength(3)
})

describe('the log', () => {
  test('blanks secrets wherever they appear', () => {
    const out: string[] = []
    const log = createLog({ level: 'info', form: 'Json', write: line => void out.push(line) })
    const careless: object = { token: 'abc', config: { password: 'xyz' }, url: 'http://me:hunter2@prom:9090/x', err: new Error('sent Bearer abcdefghijkl.mnop') }
    log.info(careless, 'see https://a:b@c/d')
    const text = out.join('')
    for (const secret of ['abc"', 'xyz', 'hunter2', 'abcdefghijkl', 'a:b@']) expect(text).not.toContain(secret)
    expect(text).toContain('prom:9090/x')
  })
  test('plain lines for people', () => {
    const out: string[] = []
    createLog({ level: 'info', form: 'Plain', now: () => 0, write: line => void out.push(line) }).warn({ rollout: 'a', reason: 'two words' }, 'rolled back')
    expect(out).toEqual(['00:00:00 WARN  rolled back rollout=a reason="two words"\n'])
  })
  test('errors keep their stack', () => {
    const out: string[] = []
    createLog({ level: 'info', form: 'Json', write: line => void out.push(line) }).error({ err: new Error('boom') }, 'a pass threw')
    expect(JSON.parse(out[0]!).err).toMatchObject({ type: 'Error', message: 'boom', stack: expect.stringContaining('tell.test.ts') })
  })
})
