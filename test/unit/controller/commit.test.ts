import { beforeEach, describe, expect, test } from 'vitest'
import { commit, fitted, longestStatus, refusedStatus, type Committing } from '../../../src/controller/commit.ts'
import type { Failure, FailureReason, KubeApi, Result } from '../../../src/kube/api.ts'
import type { KubeObject, Resource } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { status } from '../cli/view.test-data.ts'

const resource: Resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'rollouts', kind: 'Rollout', namespaced: true }
const seen: Committing = { resource, namespace: 'shop', name: 'checkout', uid: 'u1', sequence: 7 }
const next: RolloutStatus = { ...status(), sequence: 8, writer: 'me' }
const fail = (reason: FailureReason, more: Partial<Failure> = {}): Failure => ({ ok: false, reason, message: reason, ...more })
const stored = (change: Partial<RolloutStatus> | null, uid = 'u1'): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'checkout', namespace: 'shop', uid }, ...(change === null ? {} : { status: { ...next, ...change } }) })

let patches: unknown[]
let answers: Result<KubeObject>[]
let there: Result<KubeObject>
const api = {
  patch: (...args: unknown[]) => (patches.push(args), Promise.resolve(answers.length > 1 ? answers.shift() : answers[0])),
  get: () => Promise.resolve(there),
} as unknown as KubeApi
beforeEach(() => {
  patches = []
  answers = [{ ok: true, value: stored({}) }]
  there = fail('Unavailable')
})

describe('compare-and-set', () => {
  test('tests the object and the sequence that were seen, and nothing else', async () => {
    expect((await commit(api, seen, next)).outcome).toBe('Won')
    expect(patches).toEqual([[resource, 'shop', 'checkout', [
      { op: 'test', path: '/metadata/uid', value: 'u1' }, { op: 'test', path: '/status/sequence', value: 7 }, { op: 'replace', path: '/status', value: JSON.parse(JSON.stringify(next)) },
    ], 'status']])
  })
  test('the first write tests that there is no status', async () => {
    await commit(api, { ...seen, sequence: undefined }, next)
    expect((patches[0] as unknown[])[3]).toMatchObject([{ path: '/metadata/uid' }, { op: 'test', path: '/status', value: null }, { op: 'add', path: '/status' }])
  })
  test('a conflict inside the server is sent again', async () => {
    answers = [fail('Conflict'), fail('Conflict'), { ok: true, value: stored({}) }]
    expect((await commit(api, seen, next)).outcome).toBe('Won')
    expect(patches).toHaveLength(3)
  })
  test('a lost test hands back what is there now', async () => {
    answers = [fail('TestFailed')]
    there = { ok: true, value: stored({ sequence: 8, writer: 'other' }) }
    expect(await commit(api, seen, next)).toEqual({ outcome: 'Lost', object: there.value })
  })
  test('a schema refusal is no lost race', async () => {
    answers = [fail('Invalid', { causes: [{ field: 'status.phase', message: 'Unsupported value' }] })]
    expect(await commit(api, seen, next)).toEqual({ outcome: 'Refused', message: 'status.phase: Unsupported value' })
  })
  test.each(['Throttled', 'Forbidden'] as const)('%s is handed on', async reason => {
    answers = [fail(reason, { retryAfterMs: 3000 })]
    expect(await commit(api, seen, next)).toEqual({ outcome: 'Failed', failure: answers[0] })
  })
  describe.each(['Timeout', 'Unavailable'] as const)('%s is read back', reason => {
    beforeEach(() => void (answers = [fail(reason)]))
    test('our write is there: won', async () => {
      there = { ok: true, value: stored({}) }
      expect((await commit(api, seen, next)).outcome).toBe('Won')
    })
    test('nothing happened: failed', async () => {
      there = { ok: true, value: stored({ sequence: 7 }) }
      expect((await commit(api, seen, next)).outcome).toBe('Failed')
    })
    test('somebody else wrote the next sequence: lost', async () => {
      there = { ok: true, value: stored({ writer: 'other' }) }
      expect((await commit(api, seen, next)).outcome).toBe('Lost')
    })
    test('an earlier write of ours arrived instead of this one: lost', async () => {
      there = { ok: true, value: stored({ message: 'something older' }) }
      expect((await commit(api, seen, next)).outcome).toBe('Lost')
    })
    test('another object of that name: lost', async () => {
      there = { ok: true, value: stored({}, 'u2') }
      expect((await commit(api, seen, next)).outcome).toBe('Lost')
    })
    test('it cannot be read: failed', async () => {
      expect((await commit(api, seen, next)).outcome).toBe('Failed')
    })
  })
})

describe('sixteen kilobytes', () => {
  const long = 'é'.repeat(300)
  const decision = (i: number) => ({ at: 't', decision: `d${i}`, why: long })
  const noteOf = (i: number) => ({ id: `n${i}`, type: 'Held', at: 't', severity: 'Normal' as const, message: long })
  const past = (i: number) => ({ revision: `r${i}`, outcome: 'Promoted' as const, reason: long, startedAt: 't', endedAt: 't', requests: { served: 1, lost: 0 } })
  const list = <T>(n: number, make: (i: number) => T) => Array.from({ length: n }, (_, i) => make(i))
  const size = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
  test('a status that fits is left alone', () => expect(fitted(next)).toBe(next))
  test('decisions go first, oldest first', () => {
    const fit = fitted({ ...next, decisions: list(10, decision), history: list(10, past), outbox: list(5, noteOf) })
    expect(size(fit)).toBeLessThanOrEqual(longestStatus)
    expect(fit.decisions.at(-1)!.decision).toBe('d9')
    expect(fit.decisions.length).toBeLessThan(10)
    expect(fit.history).toHaveLength(10)
  })
  test('the newest note is never dropped', () => {
    const fit = fitted({ ...next, decisions: list(10, decision), history: list(10, past), outbox: list(20, noteOf), requests: list(10, i => ({ uid: `u${i}`, name: 'n', action: 'Abort', answer: 'Accepted' as const, message: long, at: 't' })) })
    expect(size(fit)).toBeLessThanOrEqual(longestStatus)
    expect(fit.outbox.at(-1)!.id).toBe('n19')
    expect(fit.decisions).toHaveLength(1)
    expect(fit.history[0]!.revision).toBe('r0')
  })
  test('texts without end are cut', () => {
    const fit = fitted({ ...next, failed: [{ revision: 'r', reason: 'x', message: 'y'.repeat(40_000), at: 't' }] })
    expect(size(fit)).toBeLessThanOrEqual(longestStatus)
  })
})

test('a refused status leaves the old one with the reason in it', () => {
  const written = refusedStatus(status(), 'status.phase: Unsupported value', 8, 'me', 'later')
  expect(written).toMatchObject({ sequence: 8, phase: 'Holding', conditions: [{ type: 'Stalled', status: 'True', reason: 'StatusRefused', lastTransitionTime: 'later' }] })
  expect(refusedStatus(written, 'again', 9, 'me', 'even later').conditions[0]!.lastTransitionTime).toBe('later')
})
