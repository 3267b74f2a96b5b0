/** What notes carry for readers far away, and how they leave the outbox. */
import { expect, test } from 'vitest'
import { decide } from '../../../src/rollout/decide.ts'
import { notes } from '../../../src/rollout/notes.ts'
import type { CheckStatus, Note, RolloutStatus } from '../../../src/rollout/schema.ts'
import { status } from '../cli/view.test-data.ts'
import { adopted, settings } from '../rollout/model.ts'

const now = Date.parse('2026-11-23T03:00:00Z')
const at = '2026-11-23T02:59:00Z'
const check: CheckStatus = { name: 'success', verdict: 'Fail', value: '94.1%', bound: '99%', failures: 2, since: at, at }
const canary = { revision: 'checkout-bbb', images: ['sidecar:1', 'shop/checkout:v2'], commit: '4f2a9c1' }
const stable = { revision: 'checkout-aaa', images: ['sidecar:1', 'shop/checkout:v1'] }
const journey = { ...status().journey!, step: { index: 1, name: 'tiny', of: '2/4', since: at }, requests: { served: 12_431, lost: 731 } }
const of = (type: string, before: RolloutStatus, after: RolloutStatus): Note | undefined => notes(before, after, now).find((one) => one.type === type)

test('a rollback says version, commit, step, value, bound and price, though its status has moved on', () => {
  const closing = { outcome: 'RolledBack', reason: 'CheckFailed', message: 'success 94.1% misses 99%', at, check: 'success' } as const
  const before = status({ phase: 'Draining', stable, canary, journey: { ...journey, closing }, checks: [check] })
  const entry = { revision: canary.revision, from: stable.revision, outcome: 'RolledBack', reason: 'CheckFailed', startedAt: at, endedAt: at, requests: journey.requests } as const
  const after = status({ phase: 'RolledBack', stable, canary: undefined, journey: { ...journey, closing, ended: { outcome: 'RolledBack', reason: 'CheckFailed', at } }, checks: [], history: [entry] })
  expect(of('RolledBack', before, after)).toMatchObject({
    revision: 'checkout-bbb', from: 'checkout-aaa', version: 'v2', fromVersion: 'v1', commit: '4f2a9c1', step: { index: 1, name: 'tiny', of: '2/4' },
    reason: 'CheckFailed', check: 'success', value: '94.1%', bound: '99%', requests: { served: 12_431, lost: 731 },
  })
})
test('a promotion says from which version to which, though the new one is stable by now', () => {
  const before = status({ phase: 'Flipping', stable, canary, journey })
  const after = status({ phase: 'Idle', stable: canary, canary: undefined, journey: { ...journey, ended: { outcome: 'Promoted', reason: 'AllStepsPassed', at } } })
  expect(of('Promoted', before, after)).toMatchObject({ version: 'v2', fromVersion: 'v1', commit: '4f2a9c1', requests: { served: 12_431 } })
})
test('a failing check says where it failed', () => {
  const before = status({ stable, canary, journey })
  expect(of('CheckFailing', before, { ...before, checks: [check] })).toMatchObject({ check: 'success', value: '94.1%', bound: '99%', version: 'v2', step: { of: '2/4' }, weight: 25 })
})

test('a delivered note leaves the outbox a minute after the last write, and the pass that learns of it asks to be woken then', () => {
  const model = adopted()
  model.until(() => false, 10)
  const outbox = model.status!.outbox
  expect(outbox.length).toBeGreaterThan(0)
  const written = Date.parse(model.status!.writtenAt!)
  const decided = (when: number) => decide({ ...model.seen(), delivered: outbox.map(({ id }) => id) }, model.plan, settings, when)
  expect(decided(written + 10_000)).toMatchObject({ wakeAt: written + 60_000 })
  expect(decided(written + 10_000).commit).toBeUndefined()
  expect(decided(written + 60_000).commit?.outbox).toEqual([])
})
