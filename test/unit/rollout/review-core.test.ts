/** Sentences of the design, each with the world that once broke it. */
import { describe, expect, it } from 'vitest'
import { decide, decideGone } from '../../../src/rollout/decide.ts'
import type { RouteSeen, Seen } from '../../../src/rollout/seen.ts'
import { adopted, Model, settings } from './model.ts'

/** A model whose Seen a test can bend. */
class Bent extends Model {
  bend: (seen: Seen) => Seen = (seen) => seen
  override seen(): Seen {
    return this.bend(super.seen())
  }
}
function rested(spec: Partial<Model['spec']> = {}): Bent {
  const model = new Bent(spec)
  if (!model.until((m) => m.phase === 'Idle')) throw new Error(`${model.phase} ${model.status?.message}`)
  return model
}
const holdingAt = <M extends Model>(model: M, weight: number): M => {
  model.release('r2')
  if (!model.until((m) => m.phase === 'Holding' && m.status?.journey?.weight.wanted === weight)) throw new Error(`${model.phase} ${model.status?.message}`)
  return model
}
const condition = (model: Model, type: string) => model.status?.conditions.find((one) => one.type === type && one.status === 'True')

describe('replicas', () => {
  it('what an autoscaler adds in a long hold goes to both arms at once', () => {
    const model = holdingAt(rested({ steps: [{ weight: 50, hold: '30m' }, { weight: 100, hold: '2m' }] }), 50)
    model.spec = { ...model.spec, replicas: 10 }
    model.settle()
    expect([model.revisions.get('r1')?.spec, model.revisions.get('r2')?.spec]).toEqual([10, 5])
    model.spec = { ...model.spec, replicas: 2 }
    model.settle()
    expect([model.revisions.get('r1')?.spec, model.revisions.get('r2')?.spec]).toEqual([10, 5])
  })
  it("a person's kubectl scale in a long hold is the wanted count for both arms at once, and the template goes back to zero", () => {
    const model = holdingAt(rested({ steps: [{ weight: 50, hold: '30m' }, { weight: 100, hold: '2m' }] }), 50)
    Object.assign(model.workload, { replicas: 10, gitOps: false })
    model.settle()
    expect([model.spec.replicas, model.revisions.get('r1')?.spec, model.revisions.get('r2')?.spec, model.workload.replicas]).toEqual([10, 10, 5, 0])
  })
  it('an autoscaler that comes for the template after the adoption gives no orders: its count is left alone, and said', () => {
    const model = rested()
    model.bend = (seen) => ({ ...seen, blockers: [{ reason: 'HPATargetsWorkload', message: 'ScaledObject shop scales it', stops: 'Adoption', stalled: true }] })
    Object.assign(model.workload, { replicas: 1, ready: 1, gitOps: false })
    model.until(() => false, 5)
    expect([model.spec.replicas, model.revisions.get('r1')?.spec, model.workload.replicas, model.phase]).toEqual([4, 4, 1, 'Idle'])
    expect(condition(model, 'ReplicasContested')).toMatchObject({ reason: 'ScaledByAutoscaler', message: 'ScaledObject shop scales it' })
  })
  it('a stable Deployment that somebody deleted is a broken stable', () => {
    const model = holdingAt(rested(), 50)
    model.revisions.delete('r1')
    model.doors.stable.shows.clear()
    model.until(() => false, 1.5)
    expect(condition(model, 'StableBroken')).toBeDefined()
  })
})

describe('what somebody deleted', () => {
  const lose = (model: Model, ...revisions: string[]) => {
    for (const revision of revisions) {
      model.revisions.delete(revision)
      for (const door of Object.values(model.doors)) door.shows.delete(revision)
    }
  }
  const loseDoors = (model: Model) => {
    for (const door of ['stable', 'canary', 'own'] as const) model.doors[door] = { state: 'Absent', shows: new Map() }
  }
  it('the proven revision in the middle: never made of the new template; the journey goes on to its end, and there is no way back', () => {
    const model = holdingAt(rested(), 25)
    lose(model, 'r1')
    expect(model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')).toBe(true)
    expect(model.status?.history[0]?.outcome).toBe('Promoted')
    expect(model.status?.previous).toBeUndefined()
  })
  it('the proven revision at rest, under a template that failed: said with what brings it back, which does', () => {
    const model = rested()
    model.release('r2', { errors: 0.5 })
    model.until((m) => m.phase === 'RolledBack')
    lose(model, 'r1')
    model.until(() => false, 3)
    expect(condition(model, 'Stalled')).toMatchObject({ reason: 'StableGone', message: expect.stringContaining('(shop:r1) back into Deployment shop') })
    model.release('r1')
    expect(model.until((m) => m.phase === 'Idle' && m.door('stable').ready === 4, 5)).toBe(true)
    expect(condition(model, 'Stalled')).toBeUndefined()
  })
  it('the proven revision while it is closed towards it: made again as soon as the template is its own', () => {
    const model = holdingAt(rested(), 25)
    lose(model, 'r1')
    model.release('r1')
    expect(model.until((m) => m.phase === 'Idle' && m.shareOf('r1') === 1 && m.revisions.get('r1')?.ready === 4, 5)).toBe(true)
  })
  it('the version before the promotion, while it was warm: a failing check has nowhere to go back to', () => {
    const model = rested()
    model.release('r2')
    model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')
    lose(model, 'r1')
    model.behaviour.set('r2', { errors: 0.5 })
    model.until(() => false, 10)
    expect([model.phase, model.shareOf('r2'), model.status?.previous]).toEqual(['Idle', 1, undefined])
  })
  it('the app, and applied again with another template: adopted, as on the first day', () => {
    for (const prepare of [() => rested(), () => holdingAt(rested(), 25)]) {
      const model = prepare()
      lose(model, 'r1', 'r2')
      loseDoors(model)
      Object.assign(model.routes[0]!, { state: 'Missing', canaryDoor: 0 })
      model.workload = { ...model.workload, missing: true }
      model.until(() => false, 2)
      expect(condition(model, 'Stalled')?.reason).toBe('WorkloadMissing')
      expect(model.status?.message).toContain('Deployment shop does not exist')
      model.workload = { template: 'r3', replicas: 4, ready: 4, generation: 1 }
      expect(model.until((m) => m.phase === 'Idle' && m.shareOf('r3') === 1 && m.workload.replicas === 0, 10), `${model.phase}: ${model.status?.message}`).toBe(true)
    }
  })
})

describe('what leads nowhere is lowered at once', () => {
  it('the canary door that somebody deleted; then it is made again and the step starts anew', () => {
    const model = holdingAt(rested(), 25)
    model.doors.canary = { state: 'Absent', shows: new Map() }
    model.pass()
    expect(model.weight).toBe(0)
    expect(model.until((m) => m.weight === 25 && m.door('canary').leadsTo === 'r2', 5)).toBe(true)
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('the stable door that somebody deleted is written again in that pass, in a long hold, paused, held or waiting for approval', () => {
    const lose = (model: Model) => (model.doors.stable = { state: 'Absent', shows: new Map() })
    const holding = () => holdingAt(rested({ steps: [{ weight: 25, hold: '30m' }, { weight: 100, hold: '2m', approval: 'Before' }] }), 25)
    const paused = holding()
    paused.spec = { ...paused.spec, paused: true }
    paused.settle()
    const awaiting = holding()
    expect(awaiting.until((m) => m.phase === 'AwaitingApproval')).toBe(true)
    const held = holding()
    held.routes[0]!.canaryDoor = 10
    held.routes[0]!.lastWriter = { manager: 'kubectl', ours: false, gitOps: false }
    expect(held.until((m) => m.phase === 'Held', 2)).toBe(true)
    for (const model of [holding(), paused, awaiting, held]) {
      const weight = model.weight
      lose(model)
      model.pass()
      expect([model.door('stable').leadsTo, model.weight], model.phase).toEqual(['r1', weight])
    }
  })
  it('the stable door deleted while a failing canary loses its traffic: nobody is sent to the canary for it', () => {
    const model = holdingAt(rested(), 25)
    model.doors.stable = { state: 'Absent', shows: new Map() }
    model.request('Abort')
    const weights: number[] = []
    for (let turn = 0; turn < 30; turn++) (model.pass(), weights.push(model.weight), model.advance(1000))
    expect(Math.max(...weights)).toBe(25)
    expect([model.door('stable').leadsTo, model.weight]).toEqual(['r1', 0])
  })
  it('a canary without ready pods, also under an invalid spec', () => {
    const model = holdingAt(rested(), 25)
    model.revisions.get('r2')!.ready = 0
    const salvaged = { ...model.plan, steps: [{ index: 0, weight: 100, holdMs: 0 }], checks: [] }
    const decision = decide(model.seen(), salvaged, settings, model.now, [{ field: 'spec.steps', value: 1, message: 'x' }])
    expect(decision.lower[0]).toMatchObject({ type: 'SetSplit', canaryDoor: 0 })
    expect(decision.commit?.journey?.weight).toEqual({ wanted: 25, seen: 0 })
  })
})

it('what an adoption waits for stands in the message at once', () => {
  const model = new Bent()
  model.bend = (seen) => ({ ...seen, routes: seen.routes.map((route): RouteSeen => (route.state === 'Present' ? { ...route, mirrored: false, message: 'the adaptor' } : route)) })
  for (let turn = 0; turn < 8; turn++) (model.settle(), model.advance(5000))
  expect([model.phase, model.status?.message]).toEqual(['Adopting', 'waiting for the adaptor'])
})
it('why pods do not get ready stands in the message at once, and is written once', () => {
  const model = rested()
  model.release('r2', { neverReady: true })
  model.until((m) => m.phase === 'Scaling')
  model.advance(5000)
  model.settle()
  expect(model.status?.message).toBe('waiting for r2 to be ready (0 of 1 pods)')
  model.bend = (seen) => ({ ...seen, revisions: seen.revisions.map((revision) => (revision.name === 'r2' ? { ...revision, trouble: { reason: 'ImagePullBackOff', message: 'pod r2-1', crash: false } } : revision)) })
  model.settle()
  expect(model.status?.message).toBe('waiting for r2 to be ready (0 of 1 pods): ImagePullBackOff: pod r2-1')
  const writes = model.writes.length
  for (let turn = 0; turn < 6; turn++) (model.advance(5000), model.settle())
  expect(model.writes.length).toBe(writes)
})

describe('deadlines are for readiness and writes only', () => {
  it('a pod lost late in a long step without traffic is waited for, not rolled back', () => {
    const model = holdingAt(rested({ steps: [{ weight: 0, hold: '1h' }, { weight: 100, hold: '2m' }] }), 0)
    model.until(() => false, 40)
    Object.assign(model.revisions.get('r2')!, { ready: 0, changedAt: model.now })
    model.settle()
    expect(model.phase).toBe('Scaling')
    expect(model.until((m) => m.status?.stable?.revision === 'r2', 90)).toBe(true)
  })
  it('a long pause before a raise is no delay of the mesh', () => {
    const model = rested()
    model.spec = { ...model.spec, paused: true }
    model.release('r2')
    model.until(() => false, 5)
    model.spec = { ...model.spec, paused: false }
    model.until((m) => m.phase === 'Scaling')
    model.spec = { ...model.spec, paused: true }
    model.until(() => false, 30)
    expect(model.phase).toBe('Scaling')
    model.spec = { ...model.spec, paused: false }
    expect(model.until((m) => m.phase === 'Holding', 2), `${model.phase} ${model.status?.message}`).toBe(true)
  })
})

it('what only stops an adoption stops no raise', () => {
  const model = rested()
  model.bend = (seen) => ({ ...seen, blockers: [{ reason: 'HPATargetsWorkload', message: 'an HPA targets it', stops: 'Adoption', stalled: true }] })
  model.release('r2')
  expect(model.until((m) => m.phase === 'Holding', 5)).toBe(true)
})
it('a template that moves on before anything of ours stands is what is adopted', () => {
  const model = new Model()
  model.pass()
  expect(model.phase).toBe('Adopting')
  model.revisions.clear()
  model.release('r2')
  expect(model.until((m) => m.phase === 'Idle', 5), model.status?.message).toBe(true)
  expect(model.status?.stable?.revision).toBe('r2')
})
it('Retry of what is not adopted yet is refused', () => {
  const model = new Bent()
  model.bend = (seen) => ({ ...seen, blockers: [{ reason: 'HPATargetsWorkload', message: 'an HPA targets it', stops: 'Adoption', stalled: true }] })
  model.settle()
  model.request('Retry', { revision: 'r1' })
  model.settle()
  expect(model.phase).toBe('Blocked')
  expect(model.status?.requests[0]?.answer).toBe('Refused')
})

describe('the way back', () => {
  it('stopped after its first write it is taken up by the next leader, who knows it from the route alone', () => {
    const model = holdingAt(rested(), 25)
    model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')
    model.until(() => false, 1)
    model.request('Rollback', { revision: 'r2' })
    for (let turn = 0; turn < 3; turn++) {
      if (model.pass(1)) model.restart()
      if (model.routes[0]!.closedTo) break
    }
    expect(model.routes[0]!.closedTo?.revision).toBe('r2')
    expect(model.status?.stable?.revision).toBe('r2')
    model.requests = []
    model.pass()
    expect(model.weight).toBe(100)
    expect(model.until((m) => m.phase === 'RolledBack', 5), model.status?.message).toBe(true)
    expect(model.shareOf('r1')).toBe(1)
  })
  it.each(['r1', 'r3'])('interrupted by the template %s it ends first', (template) => {
    const model = holdingAt(rested(), 25)
    model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')
    model.request('Rollback', { revision: 'r2' })
    model.pass()
    model.release(template)
    expect(model.until((m) => m.shareOf('r1') === 1, 5)).toBe(true)
    expect(model.until((m) => m.status?.stable?.revision === template && m.phase === 'Idle')).toBe(true)
    expect(model.nowhere).toEqual([])
  })
  it('interrupted by deletion it still ends at the proven one', () => {
    const model = holdingAt(rested(), 25)
    model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')
    model.request('Rollback', { revision: 'r2' })
    model.pass()
    model.deleting = true
    expect(model.until((m) => !m.finalizer && m.shareOf('r1') === 1, 12), `${model.status?.message}`).toBe(true)
    expect(model.nowhere).toEqual([])
  })
  it('a second rollback has nowhere to go', () => {
    const model = holdingAt(rested(), 25)
    model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')
    model.request('Rollback', { revision: 'r2' })
    model.until((m) => m.phase === 'RolledBack')
    model.request('Rollback', { revision: 'r1' })
    model.settle()
    expect(model.status?.requests[0]).toMatchObject({ action: 'Rollback', answer: 'Refused' })
    expect(model.shareOf('r1')).toBe(1)
  })
})

describe('weights of others', () => {
  it('our route that somebody deleted in a hold is written again, and the hold starts anew', () => {
    const model = holdingAt(rested(), 25)
    Object.assign(model.routes[0]!, { state: 'Missing', canaryDoor: 0 })
    const before = model.now
    model.settle()
    expect(model.weight).toBe(25)
    expect(model.until((m) => m.weight === 50)).toBe(true)
    expect(model.now - before).toBeGreaterThanOrEqual(120_000)
  })
  it('lowered by a person before the stable door turns: held, not flipped', () => {
    const model = holdingAt(rested(), 100)
    model.until((m) => m.phase === 'Flipping')
    if (model.door('stable').leadsTo === 'r2') return
    Object.assign(model.routes[0]!, { canaryDoor: 20, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.settle()
    expect([model.phase, model.weight]).toEqual(['Held', 20])
    model.request('Resume', { revision: 'r2' })
    expect(model.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
  })
  it('one http route lowered by a person is an order as well', () => {
    const model = holdingAt(rested(), 25)
    model.bend = (seen) => ({ ...seen, routes: seen.routes.map((route) => ({ ...route, uneven: true, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })) })
    model.settle()
    expect(model.phase).toBe('Held')
  })
  it('a raise by hand is not lowered onto a stable without pods', () => {
    const model = holdingAt(rested(), 25)
    model.revisions.get('r1')!.ready = 0
    Object.assign(model.routes[0]!, { canaryDoor: 100, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.pass()
    expect(model.weight).toBe(100)
  })
  it('resumed, the weight that was seen is what it goes on from', () => {
    const model = holdingAt(rested(), 25)
    Object.assign(model.routes[0]!, { canaryDoor: 10, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.settle()
    model.request('Resume', { revision: 'r2' })
    model.spec = { ...model.spec, paused: false }
    const { decision } = model.decided()
    expect(decision.commit?.journey?.weight).toMatchObject({ wanted: 25, seen: 10 })
  })
})

it('canary-only routes: the originals stand in the status from the first raise on, through the rollback, until they are put back', () => {
  const model = rested()
  const redirected = { now: false }
  model.bend = (seen) => ({ ...seen, routes: seen.routes.map((route): RouteSeen => ({ ...route, canaryOnly: [{ name: 'mobile', original: '{"a":1}', redirected: redirected.now }] })) })
  const apply = model.apply.bind(model)
  model.apply = (action) => {
    if (action.type === 'Lower' && action.redirect) redirected.now = true
    if (action.type === 'SetSplit' && action.restore) {
      expect(model.status?.redirected).toEqual([{ route: model.routes[0]!.key, name: 'mobile', original: '{"a":1}' }])
      redirected.now = false
    }
    apply(action)
  }
  holdingAt(model, 5)
  expect(model.status?.redirected).toHaveLength(1)
  model.behaviour.set('r2', { errors: 0.5 })
  model.until((m) => m.phase === 'RolledBack')
  expect(redirected.now).toBe(true)
  expect(model.status?.redirected).toHaveLength(1)
  model.release('r3')
  model.until((m) => m.phase === 'Holding')
  expect(redirected.now).toBe(false)
})

describe('removal of what a gone Rollout left', () => {
  function gone(model: Model, before: (seen: Seen) => void = () => {}): void {
    for (let turn = 0; turn < 120; turn++) {
      for (let again = 0; again < 3; again++) {
        const seen = { ...model.seen(), status: undefined }
        before(seen)
        const decision = decideGone(seen, model.plan, settings, model.now)
        for (const action of [...decision.lower, ...decision.raise]) model.apply(action)
      }
      model.advance(5000)
    }
  }
  const end = (model: Model) => ({ template: model.workload.replicas, route: model.routes[0]!.state, doors: [model.doors.stable.state, model.doors.canary.state], own: model.doors.own.leadsTo, revisions: model.revisions.size })
  it('puts everything back and comes to rest', () => {
    const model = rested()
    model.status = undefined
    gone(model)
    expect(end(model)).toEqual({ template: 4, route: 'Missing', doors: ['Absent', 'Absent'], own: 'Workload', revisions: 0 })
    expect(model.nowhere).toEqual([])
    const before = model.writes.length
    gone(model)
    expect(model.writes.slice(before)).toEqual([])
  })
  it('where the user\'s route names the doors, they stay, widened to the user\'s pods', () => {
    const model = new Model({ traffic: { istio: { virtualServiceRefs: [{ name: 'shop' }] } } }, [{ key: 'VirtualService/shop/shop', managed: false, state: 'Present', canaryDoor: 0 }])
    expect(model.until((m) => m.phase === 'Idle')).toBe(true)
    model.status = undefined
    gone(model)
    expect(end(model)).toEqual({ template: 4, route: 'Present', doors: ['Present', 'Present'], own: 'Workload', revisions: 0 })
    expect([model.doors.stable.leadsTo, model.doors.canary.leadsTo]).toEqual(['Workload', 'Workload'])
    expect(model.nowhere).toEqual([])
    const before = model.writes.length
    gone(model)
    expect(model.writes.slice(before)).toEqual([])
  })
  it('in the middle of a journey whose template is unproven: the proven revision keeps serving', () => {
    const model = holdingAt(rested(), 25)
    model.status = undefined
    gone(model)
    expect(model.shareOf('r1')).toBe(1)
    expect(model.revisions.get('r1')?.spec).toBe(4)
    expect(model.workload.replicas).toBe(0)
    expect(model.nowhere).toEqual([])
  })
  it('with Orphan everything stays', () => {
    const model = rested({ deletionPolicy: 'Orphan' })
    model.status = undefined
    const before = model.writes.length
    gone(model)
    expect(model.writes.slice(before)).toEqual([])
  })
})

describe('more requests', () => {
  it('several at once: each is answered, once', () => {
    const model = holdingAt(rested(), 5)
    for (let index = 0; index < 6; index++) model.request('Pause')
    model.request('Abort')
    model.request('Abort')
    model.settle()
    expect(model.status?.requests).toHaveLength(8)
    expect(model.writes.filter((write) => write === 'AnswerRequest')).toHaveLength(8)
    expect(model.weight).toBe(0)
  })
  it('abort with an invalid spec', () => {
    const model = holdingAt(rested(), 25)
    model.request('Abort')
    const decision = decide(model.seen(), model.plan, settings, model.now, [{ field: 'spec.steps', value: 1, message: 'x' }])
    expect(decision.lower[0]).toMatchObject({ type: 'Lower', canaryDoor: 0 })
  })
  it('abort under a status of a newer Sluice lowers, and nothing is written', () => {
    const model = holdingAt(rested(), 25)
    model.request('Abort')
    const decision = decide({ ...model.seen(), statusFromFuture: true }, model.plan, settings, model.now)
    expect(decision.lower[0]).toMatchObject({ type: 'Lower', canaryDoor: 0 })
    expect([decision.commit, decision.raise]).toEqual([undefined, []])
  })
  it('Retry while held starts the step anew; approval before a step; promote --full in Waiting', () => {
    const held = rested()
    held.rate = 0
    held.release('r2')
    held.until((m) => m.phase === 'Held')
    held.rate = 20
    held.request('Retry', { revision: 'r2' })
    expect(held.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
    const before = rested({ steps: [{ weight: 50, hold: '2m', approval: 'Before' }, { weight: 100, hold: '2m', approval: 'Before' }] })
    before.release('r2')
    before.until(() => false, 10)
    expect(before.phase).toBe('Waiting')
    before.request('Approve', { revision: 'r2' })
    expect(before.until((m) => m.phase === 'AwaitingApproval')).toBe(true)
    before.request('Approve', { revision: 'r2' })
    expect(before.until((m) => m.status?.stable?.revision === 'r2')).toBe(true)
    const full = rested({ schedule: { windows: [{ cron: '0 0 1 1 *', duration: '1h' }] } })
    full.release('r2')
    full.settle()
    expect(full.phase).toBe('Waiting')
    full.request('Promote', { revision: 'r2', step: -1 })
    expect(full.until((m) => m.status?.stable?.revision === 'r2', 10)).toBe(true)
  })
})

it.each([{ retainStable: '0s' }, { revisionHistoryLimit: 0 }, { retainStable: '0s', revisionHistoryLimit: 0 }])('rests after releases with %j', (spec) => {
  const model = rested(spec)
  for (const template of ['r2', 'r3']) {
    model.release(template)
    expect(model.until((m) => m.status?.stable?.revision === template && m.phase === 'Idle')).toBe(true)
  }
  model.until(() => false, 60)
  expect(model.door('canary').leadsTo).toBe('r3')
  expect(model.nowhere).toEqual([])
  expect(model.revisions.size).toBe('revisionHistoryLimit' in spec ? 1 : 3)
})
it('a new revision in Flipping: the flip ends first', () => {
  const model = adopted()
  model.release('r2')
  model.until((m) => m.phase === 'Flipping')
  model.release('r3')
  expect(model.until((m) => m.status?.stable?.revision === 'r3')).toBe(true)
  expect(model.status?.history.map(({ revision, outcome }) => `${revision} ${outcome}`)).toEqual(['r3 Promoted', 'r2 Promoted'])
})
it('deleted in the middle, the note names the revision that was on its way', () => {
  const model = holdingAt(rested(), 25)
  model.until((m) => m.status?.stable?.revision === 'r2')
  model.release('r3')
  model.until((m) => m.phase === 'Holding' && m.weight === 25)
  model.deleting = true
  const { decision } = model.decided()
  const note = decision.notes.find(({ type }) => type === 'RolledBack')
  expect(note?.message ?? 'r3').toContain('r3')
})
