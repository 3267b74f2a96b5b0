import { beforeEach, expect, test } from 'vitest'
import type { KubeApi, Result } from '../../../src/kube/api.ts'
import { eventName, eventRecorder, type EventNote } from '../../../src/kube/events.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'

let sent: KubeObject[]
let warned: string[]
let answer: (object: KubeObject) => Promise<Result<KubeObject>>
beforeEach(() => {
  sent = []
  warned = []
  answer = async (value) => ({ ok: true, value })
})
const make = (more: { concurrency?: number; capacity?: number } = {}) =>
  eventRecorder({
    api: { create: (_: unknown, object: KubeObject) => (sent.push(object), answer(object)) } as unknown as KubeApi,
    clock: { now: () => Date.UTC(2026, 0, 5, 9) }, component: 'sluice', instance: 'sluice-0', log: { warn: (_, message) => warned.push(message) }, ...more,
  })
const note = (name: string, message = 'weight 5'): EventNote => ({
  name, type: 'Normal', reason: 'Raised', message, regarding: { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'cart', namespace: 'shop', uid: 'u1' } },
})
const refuse = (reason: 'AlreadyExists' | 'Forbidden' | 'Invalid' | 'Unavailable', status?: number) => {
  answer = async () => ({ ok: false, reason, message: `${reason}.`, ...(status ? { status } : {}) })
}

test('an event is in the namespace of what it is about, and found by its uid', async () => {
  expect(await make().record(note('cart.17'))).toBe('Delivered')
  expect(sent[0]).toMatchObject({
    metadata: { name: 'cart.17', namespace: 'shop' }, involvedObject: { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name: 'cart', namespace: 'shop', uid: 'u1' },
    type: 'Normal', reason: 'Raised', message: 'weight 5', source: { component: 'sluice' }, firstTimestamp: '2026-01-05T09:00:00Z', count: 1,
  })
})
test('a repeat is delivered', async () => {
  refuse('AlreadyExists')
  expect(await make().record(note('cart.17'))).toBe('Delivered')
})
test('missing rights are said once', async () => {
  refuse('Forbidden', 403)
  const recorder = make()
  expect([await recorder.record(note('a')), await recorder.record(note('b'))]).toEqual(['Refused', 'Refused'])
  expect(warned).toEqual(['Events cannot be written: Forbidden. Grant create on events, or ignore this: it is said only once.'])
})
test('expired credentials, an absent server and a client that throws are worth another try', async () => {
  refuse('Forbidden', 401)
  expect(await make().record(note('a'))).toBe('Failed')
  refuse('Unavailable')
  expect(await make().record(note('a'))).toBe('Failed')
  answer = async () => {
    throw new Error('bug')
  }
  expect(await make().record(note('a'))).toBe('Failed')
})
test('what the schema refuses is not worth one', async () => {
  refuse('Invalid')
  expect(await make().record(note('a'))).toBe('Refused')
  expect(warned).toHaveLength(1)
})
test('few at a time, some wait, the rest fail at once', async () => {
  const open: (() => void)[] = []
  answer = (value) => new Promise((done) => open.push(() => done({ ok: true, value })))
  const recorder = make({ concurrency: 2, capacity: 3 })
  const outcomes = Array.from({ length: 7 }, (_, i) => recorder.record(note(`n${i}`)))
  expect(await Promise.all(outcomes.slice(5))).toEqual(['Failed', 'Failed'])
  expect(sent).toHaveLength(2)
  while (open.length > 0) {
    open.shift()?.()
    await new Promise((next) => setImmediate(next))
  }
  expect(await Promise.all(outcomes.slice(0, 5))).toEqual(Array(5).fill('Delivered'))
  expect(sent.map(({ metadata }) => metadata.name)).toEqual(['n0', 'n1', 'n2', 'n3', 'n4'])
})
test('names and long messages', async () => {
  expect(eventName('Cart_1/RolledBack@17')).toBe('cart-1-rolledback-17')
  expect(eventName(`${'x'.repeat(300)}.9`)).toMatch(/^x+\.9$/)
  await make().record(note('a', 'ü'.repeat(2_000)))
  expect(Buffer.byteLength(sent[0]?.['message'])).toBeLessThanOrEqual(1024)
  expect(sent[0]?.['message']).toMatch(/ü…$/)
})
