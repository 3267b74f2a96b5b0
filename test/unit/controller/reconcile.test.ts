import { beforeEach, describe, expect, test } from 'vitest'
import type { Failure, FailureReason, Result } from '../../../src/kube/api.ts'
import type { CommitOutcome } from '../../../src/controller/commit.ts'
import { hurry, reconcile, type Surroundings } from '../../../src/controller/reconcile.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import type { Decision } from '../../../src/rollout/decision.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { Note, RolloutStatus } from '../../../src/rollout/schema.ts'
import type { Seen } from '../../../src/rollout/seen.ts'
import { status } from '../cli/view.test-data.ts'

const fail = (reason: FailureReason, more: Partial<Failure> = {}): Failure => ({ ok: false, reason, message: reason, ...more })
const ok: Result<unknown> = { ok: true, value: undefined }
const lowerA: Action = { type: 'Lower', route: 'a', canaryDoor: 0, closedTo: { revision: 'r', sequence: 8 }, redirect: false }
const lowerB: Action = { ...lowerA, route: 'b' }
const scale: Action = { type: 'Scale', revision: 'r', replicas: 0 }
const turn: Action = { type: 'TurnDoor', door: 'canary', to: 'r' }
const note: Note = { id: 'n', type: 'RolledBack', at: 't', severity: 'Warning', message: 'm' }
const committed = (change: Partial<RolloutStatus> = {}): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'checkout' }, status: { ...status(), sequence: 8, ...change } })

let log: string[]
let decision: Decision
let results: Map<string, Result<unknown>>
let commits: CommitOutcome[]
let fence: boolean[]
let exists: boolean
let changesAt: number | undefined

const around: Surroundings = {
  identity: 'me', now: () => 0,
  observe: () => exists ? {
    seen: { status: status() } as Seen, committing: { sequence: 7 } as never,
    decide: () => (log.push('decide'), decision),
    ask: asked => (log.push(`ask ${asked?.sequence}`), { questions: [], calls: [], changesAt }),
    act: action => {
      const name = 'route' in action ? `${action.type} ${action.route}` : action.type
      log.push(name)
      return Promise.resolve(results.get(name) ?? ok)
    },
  } : undefined,
  mayRaise: () => fence.shift() ?? true,
  commit: (_, next) => (log.push(`commit ${next.sequence} ${next.conditions.map(one => one.reason).join()}`.trim()), Promise.resolve(commits.shift() ?? { outcome: 'Won', object: committed() })),
  remember: object => void log.push(`remember ${object.status.sequence}`),
  ask: () => void log.push('questions'),
  tell: (_, said, fresh) => void log.push(`tell ${said?.sequence} ${fresh.length}`),
  alert: (_, what) => void log.push(`alert ${what.type}`),
}
beforeEach(() => {
  log = []
  results = new Map()
  commits = []
  fence = []
  exists = true
  changesAt = undefined
  decision = { lower: [lowerA, lowerB], commit: { ...status(), sequence: 8 }, raise: [scale, turn], notes: [note], wakeAt: 99 }
})
const pass = () => reconcile('shop/checkout', 'Rest', around)

test('observe, decide, lower, commit, raise, tell, ask', async () => {
  expect(await pass()).toEqual({ wakeAt: 99, more: true, lane: 'Rest' })
  expect(log).toEqual(['decide', 'Lower a', 'Lower b', 'commit 8', 'remember 8', 'Scale', 'TurnDoor', 'tell 8 1', 'ask 8', 'questions'])
})
test('nothing to commit: effects of an earlier commit are repeated, nothing is told again', async () => {
  decision = { lower: [], raise: [scale], notes: [note], wakeAt: 99 }
  expect(await pass()).toEqual({ wakeAt: 99, more: false, lane: 'Rest' })
  expect(log).toEqual(['decide', 'Scale', 'tell 7 0', 'ask 7', 'questions'])
})
test('it looks again when the next question is due', async () => {
  changesAt = 50
  expect(await pass()).toMatchObject({ wakeAt: 50 })
  decision = { ...decision, wakeAt: undefined }
  expect(await pass()).toMatchObject({ wakeAt: 50 })
})
test('no such rollout: its questions are forgotten', async () => {
  exists = false
  expect(await pass()).toEqual({})
  expect(log).toEqual(['questions'])
})

describe('lowering', () => {
  test('in a hurry: only what takes traffic away, nothing is written down, asked or raised', async () => {
    decision = { ...decision, lower: [lowerA, { type: 'CreateRevision', revision: 'r', replicas: 1 }, lowerB] }
    await hurry('shop/checkout', around)
    expect(log).toEqual(['decide', 'Lower a', 'Lower b'])
    exists = false
    await hurry('shop/checkout', around)
  })
  test('all are tried, the status is written, nothing is raised, and it repeats in lane Closing', async () => {
    results.set('Lower a', fail('Unavailable'))
    expect(await pass()).toEqual({ failed: true, lane: 'Closing' })
    expect(log.slice(0, 5)).toEqual(['decide', 'Lower a', 'Lower b', 'alert LoweringFailed', 'commit 8'])
    expect(log).not.toContain('Scale')
  })
  test('a lost test is read again at once and alarms nobody', async () => {
    results.set('Lower b', fail('TestFailed'))
    expect(await pass()).toEqual({ again: true, lane: 'Closing' })
    expect(log.some(line => line.startsWith('alert'))).toBe(false)
  })
  test('happens also where the status cannot be written', async () => {
    commits = [{ outcome: 'Failed', failure: fail('Forbidden') }]
    await pass()
    expect(log.slice(0, 5)).toEqual(['decide', 'Lower a', 'Lower b', 'commit 8', 'alert StatusUnwritable'])
  })
  test('needs no lease', async () => {
    fence = [false, false]
    await pass()
    expect(log).toContain('Lower a')
    expect(log).not.toContain('Scale')
  })
})

describe('nothing is raised and nobody is told', () => {
  test('after a lost compare-and-set; what is there now is remembered', async () => {
    commits = [{ outcome: 'Lost', object: committed({ sequence: 9 }) }]
    expect(await pass()).toEqual({ again: true, lane: 'Rest' })
    expect(log).toEqual(['decide', 'Lower a', 'Lower b', 'commit 8', 'remember 9', 'ask 7', 'questions'])
  })
  test('after a refusal, which is written into the status that the server took before', async () => {
    commits = [{ outcome: 'Refused', message: 'status.phase: no' }]
    expect(await pass()).toEqual({ failed: true, lane: 'Rest' })
    expect(log).toEqual(['decide', 'Lower a', 'Lower b', 'commit 8', 'alert StatusRefused', 'commit 8 StatusRefused', 'remember 8', 'ask 7', 'questions'])
  })
  test('after a failure; Retry-After is handed on', async () => {
    commits = [{ outcome: 'Failed', failure: fail('Throttled', { retryAfterMs: 4000 }) }]
    expect(await pass()).toEqual({ failed: true, lane: 'Rest', retryAfterMs: 4000 })
    expect(log).not.toContain('Scale')
  })
})

describe('raising', () => {
  test('the fence is asked before each', async () => {
    fence = [true, false]
    expect(await pass()).toEqual({ failed: true, lane: 'Rest' })
    expect(log).toContain('Scale')
    expect(log).not.toContain('TurnDoor')
  })
  test('the first failure stops the rest', async () => {
    results.set('Scale', fail('Forbidden'))
    expect(await pass()).toEqual({ failed: true, lane: 'Rest' })
    expect(log).not.toContain('TurnDoor')
    expect(log).toContain('alert WriteFailed')
  })
  test('a precondition that no longer holds means looking again', async () => {
    results.set('Scale', fail('TestFailed'))
    expect(await pass()).toEqual({ again: true, lane: 'Rest' })
  })
})
