import { describe, expect, it } from 'vitest'
import { adopted, Model } from './model.ts'

describe('adoption', () => {
  it('takes a running workload over: revision, doors, route, template to zero, in this order', () => {
    const model = adopted()
    expect(model.writes.filter((write) => write !== 'status')).toEqual(['WriteReplicas', 'CreateRevision', 'TurnDoor', 'TurnDoor', 'TurnDoor', 'CreateRoute', 'ScaleWorkload'])
    expect(model.status?.stable?.revision).toBe('r1')
    expect(model.spec.replicas).toBe(4)
    expect(model.nowhere).toEqual([])
  })
  it('by a route of the user\'s: what to commit is said from the first status on', () => {
    const model = new Model({}, [{ key: 'VirtualService/shop/shop', managed: false, state: 'Refused', message: 'commit these lines', canaryDoor: 0 }])
    model.pass()
    expect([model.phase, model.status?.message]).toEqual(['Blocked', 'commit these lines'])
    expect(model.until((m) => m.door('canary').leadsTo === 'Workload')).toBe(true)
    Object.assign(model.routes[0]!, { state: 'Present', message: undefined })
    expect(model.until((m) => m.phase === 'Idle')).toBe(true)
    expect(model.nowhere).toEqual([])
  })
  it('writes nothing at rest', () => {
    const model = adopted()
    model.until(() => false, 10)
    const before = model.writes.length
    model.until(() => false, 60)
    expect(model.writes.slice(before)).toEqual([])
  })
})

describe('a journey', () => {
  it('goes 5, 25, 50, 100 and is promoted', () => {
    const model = adopted()
    model.release('r2')
    const weights = new Set<number>()
    expect(model.until((m) => (weights.add(m.weight), m.status?.stable?.revision === 'r2'))).toBe(true)
    expect([...weights]).toEqual([0, 5, 25, 50, 100])
    expect(model.status?.journey?.ended?.outcome).toBe('Promoted')
    expect(model.nowhere).toEqual([])
    model.until(() => false, 45)
    expect(model.door('canary').leadsTo).toBe('r2')
    expect(model.revisions.get('r1')?.spec).toBe(0)
    expect(model.phase).toBe('Idle')
    expect(model.nowhere).toEqual([])
  })
  it('keeps in its log what each step was left on, and that a person did not wait for it', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.phase === 'Holding' && m.status?.journey?.step.index === 2)
    model.request('Promote', { revision: 'r2', step: 2 })
    model.until((m) => m.status?.stable?.revision === 'r2')
    const said = model.status!.decisions.filter(({ decision }) => decision === 'Scaling' || decision === 'Flipping').map(({ why }) => why)
    expect(said.find((why) => why.startsWith('step 3: 50%'))).toMatch(/^step 3: 50%, since success 100\.00% meets 99% \(\d+ requests\)$/)
    expect(said.find((why) => why.startsWith('step 4: 100%'))).toContain(', since a person promoted')
    expect(said.at(-1)).toMatch(/^every step has passed, since success /)
  })
  it.each([0, 1, 2, 3])('is rolled back at step %i in the pass that sees the failure', (step) => {
    const model = adopted()
    model.release('r2')
    expect(model.until((m) => m.phase === 'Holding' && m.status?.journey?.step.index === step)).toBe(true)
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    const closing = model.decisions.find((decision) => decision.lower.length > 0)!
    expect(closing.lower[0]).toMatchObject({ type: 'Lower', canaryDoor: 0, closedTo: { revision: 'r2' } })
    expect(closing.commit?.phase).toBe('Closing')
    expect(model.status?.failed[0]).toMatchObject({ revision: 'r2', reason: 'CheckFailed' })
    expect(model.weight).toBe(0)
    expect(model.status?.stable?.revision).toBe('r1')
    expect(model.nowhere).toEqual([])
    model.until(() => false, 30)
    expect(model.phase).toBe('RolledBack')
    expect(model.revisions.get('r2')?.spec).toBe(0)
  })
  it('never gets ready: rolled back by the deadline, without a request', () => {
    const model = adopted()
    model.release('r2', { neverReady: true })
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    expect(model.status?.failed[0]?.reason).toBe('ProgressDeadlineExceeded')
    expect(model.weight).toBe(0)
  })
  it('crashes: rolled back after a minute', () => {
    const model = adopted()
    model.release('r2', { crash: true })
    expect(model.until((m) => m.phase === 'RolledBack', 3)).toBe(true)
    expect(model.status?.failed[0]?.reason).toBe('CanaryCrashing')
  })
  it('without data it is held, not failed, and not promoted', () => {
    const model = adopted()
    model.rate = 0
    model.release('r2')
    expect(model.until((m) => m.phase === 'Held')).toBe(true)
    expect(model.status?.journey?.held?.reason).toBe('NoData')
    expect(model.weight).toBe(5)
  })
  it('with a source that does not answer it is held', () => {
    const model = adopted()
    model.source = 'errors'
    model.release('r2')
    expect(model.until((m) => m.phase === 'Held')).toBe(true)
    expect(model.status?.journey?.held?.reason).toBe('SourceError')
  })
  it('a newer revision takes its place: closing first', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    model.release('r3')
    model.pass()
    expect(model.weight).toBe(0)
    expect(model.until((m) => m.status?.stable?.revision === 'r3')).toBe(true)
    expect(model.status?.history.map((entry) => [entry.revision, entry.outcome])).toEqual([
      ['r3', 'Promoted'],
      ['r2', 'Superseded'],
    ])
    expect(model.nowhere).toEqual([])
  })
  it('back to stable\'s template: withdrawn', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25)
    model.release('r1')
    expect(model.until((m) => m.phase === 'Idle')).toBe(true)
    expect(model.status?.history[0]?.outcome).toBe('Withdrawn')
    expect(model.status?.failed).toEqual([])
  })
  it('after a promotion a failing check takes it back while the old pods are warm', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.status?.stable?.revision === 'r2')
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack', 20)).toBe(true)
    expect(model.status?.stable?.revision).toBe('r1')
    expect(model.door('stable').leadsTo).toBe('r1')
    expect(model.shareOf('r1')).toBe(1)
    expect(model.nowhere).toEqual([])
  })
})

describe('traffic that should arrive', () => {
  const notMoving = (model: Model) => model.status?.conditions.find((condition) => condition.type === 'TrafficNotMoving' && condition.status === 'True')
  const steps = [{ weight: 5, hold: '2m' }, { weight: 60, hold: '2m' }, { weight: 100, hold: '2m' }]
  it('is not missed at the next step for what the last one had', () => {
    const model = adopted()
    model.spec = { ...model.spec, steps }
    model.release('r2')
    const said = new Set<string>()
    expect(model.until((m) => (said.add(notMoving(m)?.message ?? ''), m.status?.stable?.revision === 'r2'))).toBe(true)
    expect([...said]).toEqual([''])
  })
  it('and does not: that is said, with what may be the reason', () => {
    const model = adopted()
    model.spec = { ...model.spec, steps }
    model.release('r2')
    model.shareOf = () => 0
    expect(model.until((m) => notMoving(m) !== undefined)).toBe(true)
    expect(notMoving(model)?.message).toMatch(/^0 of \d+ requests reached the canary at weight 5%/)
  })
})

describe('the price of a release', () => {
  const holding25 = (): Model => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.phase === 'Holding' && m.weight === 25)
    model.until((m) => (m.status?.checks[0]?.total ?? 0) > 100)
    return model
  }
  const served = (model: Model): number => model.status?.journey?.requests.served ?? 0
  it('keeps what was served before a hold that was resumed', () => {
    const model = holding25()
    model.source = 'errors'
    expect(model.until((m) => m.phase === 'Held')).toBe(true)
    model.source = 'answers'
    model.until((m) => (m.status?.checks[0]?.total ?? 0) > 100, 1)
    const before = served(model) + model.status!.checks[0]!.total!
    model.request('Resume', { revision: 'r2' })
    model.pass()
    expect(served(model)).toBeGreaterThanOrEqual(before)
  })
  it('keeps what was served before the steps were edited', () => {
    const model = holding25()
    const before = served(model) + model.status!.checks[0]!.total!
    model.spec = { ...model.spec, steps: [{ weight: 5, hold: '1m' }, { weight: 25, hold: '9m' }, { weight: 100, hold: '1m' }] }
    model.pass()
    expect(served(model)).toBeGreaterThanOrEqual(before)
  })
  it('counts what a promoted version failed before the way back', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.status?.stable?.revision === 'r2')
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack', 20)).toBe(true)
    expect(model.status?.history[0]).toMatchObject({ revision: 'r2', outcome: 'RolledBack' })
    expect(model.status!.history[0]!.requests.lost).toBeGreaterThan(0)
  })
})

describe('requests of people', () => {
  it('an abort is honoured however late it is read in its journey; one from before it, or of another revision, is not', () => {
    const late = (after: number, revision: string) => {
      const model = adopted()
      model.release('r2')
      model.until((m) => m.phase === 'Holding')
      const createdAt = Date.parse(model.status!.journey!.startedAt) + after
      model.now += 3_600_000
      model.request('Abort', { revision, createdAt })
      model.pass()
      return model.status?.requests[0]?.answer
    }
    expect([late(5_000, 'r2'), late(-5_000, 'r2'), late(5_000, 'r9')]).toEqual(['Accepted', 'Refused', 'Refused'])
  })
  it('abort takes the traffic away in the same pass, and is answered', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25)
    model.request('Abort', { reason: 'carts are empty' })
    model.pass()
    expect(model.weight).toBe(0)
    expect(model.requests[0]?.answeredAt).toBeDefined()
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    expect(model.status?.failed[0]?.reason).toBe('Aborted')
  })
  it('retry starts a failed revision again', () => {
    const model = adopted()
    model.release('r2', { errors: 0.5 })
    model.until((m) => m.phase === 'RolledBack')
    model.behaviour.set('r2', {})
    model.request('Retry', { revision: 'r2' })
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('promote passes the hold over, once for the step it names', () => {
    const model = adopted()
    model.rate = 0
    model.release('r2')
    model.until((m) => m.phase === 'Holding')
    model.request('Promote', { revision: 'r2', step: 0 })
    model.request('Promote', { revision: 'r2', step: 0 })
    expect(model.until((m) => m.phase === 'Held')).toBe(true)
    expect(model.weight).toBe(25)
  })
  it('promote --full goes to the end, but not past a failing verdict', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.phase === 'Holding')
    model.request('Promote', { revision: 'r2', step: -1 })
    model.until((m) => m.weight === 50)
    model.behaviour.set('r2', { errors: 0.5 })
    expect(model.until((m) => m.phase === 'RolledBack' || m.status?.stable?.revision === 'r2')).toBe(true)
    expect(model.phase).toBe('RolledBack')
  })
  it('approval is awaited, and given', () => {
    const model = adopted({ steps: [{ weight: 50, hold: '2m', approval: 'After' }, { weight: 100, hold: '2m' }] })
    model.release('r2')
    expect(model.until((m) => m.phase === 'AwaitingApproval')).toBe(true)
    model.until(() => false, 10)
    expect(model.phase).toBe('AwaitingApproval')
    model.request('Approve', { revision: 'r2', step: 0 })
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('pause holds the weight; resume lets it go on; an old or wrong request is refused', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.phase === 'Holding')
    model.request('Pause')
    model.until(() => false, 20)
    expect(model.weight).toBe(5)
    model.request('Resume', { revision: 'r9' })
    model.request('Resume', { revision: 'r2', createdAt: model.now - 11 * 60_000 })
    model.settle()
    expect(model.status?.requests.slice(0, 2).map((request) => request.answer)).toEqual(['Refused', 'Refused'])
    model.request('Resume', { revision: 'r2' })
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('rollback after promotion is the way back', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.status?.stable?.revision === 'r2')
    model.until(() => false, 60)
    expect(model.revisions.get('r1')?.spec).toBe(0)
    model.request('Rollback', { revision: 'r2' })
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    expect(model.shareOf('r1')).toBe(1)
    expect(model.nowhere).toEqual([])
  })
})

describe('what others do', () => {
  it('a person lowers the weight: held, until resumed', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    Object.assign(model.routes[0]!, { canaryDoor: 10, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.settle()
    expect(model.phase).toBe('Held')
    expect(model.weight).toBe(10)
  })
  it('a person raises it: back to the step', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    Object.assign(model.routes[0]!, { canaryDoor: 80, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.settle()
    expect(model.weight).toBe(25)
    expect(model.phase).toBe('Holding')
  })
  it('a GitOps tool resets it: restored three times, then held with the recipe', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    for (let reset = 1; reset <= 4; reset++) {
      Object.assign(model.routes[0]!, { canaryDoor: 0, lastWriter: { manager: 'argocd-controller', ours: false, gitOps: true } })
      model.settle()
      expect([model.weight, model.phase]).toEqual(reset <= 3 ? [25, 'Holding'] : [0, 'Held'])
    }
  })
  it('steps edited in the middle: the weight stays, hold and evidence start anew', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    model.spec = { ...model.spec, steps: [{ weight: 10, hold: '2m' }, { weight: 60, hold: '2m' }, { weight: 100, hold: '2m' }] }
    model.settle()
    expect(model.weight).toBe(25)
    expect(model.status?.journey?.step.index).toBe(1)
    model.advance(60_000)
    model.settle()
    expect(model.weight).toBe(25)
    expect(model.until((m) => m.weight === 60)).toBe(true)
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('the template is scaled by a person: taken over; by a GitOps tool: said, not fought', () => {
    const model = adopted()
    Object.assign(model.workload, { replicas: 7, ready: 7, gitOps: false })
    model.until(() => false, 2)
    expect(model.spec.replicas).toBe(7)
    expect(model.workload.replicas).toBe(0)
    Object.assign(model.workload, { replicas: 3, ready: 3, gitOps: true })
    model.until(() => false, 2)
    expect(model.workload.replicas).toBe(3)
    expect(model.status?.conditions.find((condition) => condition.type === 'ReplicasContested')?.message).toContain('argocd-controller')
  })
})

describe('a Rollout that lost its status', () => {
  it('in the middle of a journey: stable is what stands behind the stable door', () => {
    const model = adopted()
    model.release('r2')
    model.until((m) => m.weight === 25 && m.phase === 'Holding')
    model.status = undefined
    model.restart()
    model.pass()
    expect(model.status!.stable?.revision).toBe('r1')
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
    expect(model.nowhere).toEqual([])
  })
  it('after a rollback: the closed revision waits for a retry', () => {
    const model = adopted()
    model.release('r2', { errors: 0.5 })
    model.until((m) => m.phase === 'RolledBack')
    model.status = undefined
    model.restart()
    model.until(() => false, 30)
    expect(model.phase).toBe('RolledBack')
    expect(model.status!.stable?.revision).toBe('r1')
    expect(model.weight).toBe(0)
  })
})
it('a new model is not adopted while nothing is ready', () => {
  const model = new Model()
  model.behaviour.set('r1', { neverReady: true })
  model.until(() => false, 5)
  expect(model.phase).toBe('Adopting')
  expect(model.workload.replicas).toBe(4)
})
it('a controller that was away for longer than progressDeadline blames nobody for the time in which it did not look', () => {
  const model = adopted({ progressDeadline: '2m' })
  model.release('r2')
  model.settle()
  expect(model.phase).toBe('Scaling')
  model.now += 30 * 60_000
  model.restart()
  expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
})
