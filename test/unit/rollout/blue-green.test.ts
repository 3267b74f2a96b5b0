/** Blue/green without a mesh: the Service that callers name is the route, and leads to one version at a time. */
import { describe, expect, it } from 'vitest'
import { adopted, blueGreen, type Behaviour, type Model, ownService } from './model.ts'

const begin = (spec = {}): Model => adopted({ ...blueGreen, ...spec }, [ownService()])
/** A release that has come as far as its preview, or as its switch. */
function at(weight: 0 | 100, behaviour: Behaviour = {}, spec = {}): Model {
  const model = begin(spec)
  model.release('r2', behaviour)
  const there = model.until((m) => m.phase === 'Holding' && m.status?.journey?.weight.wanted === weight && m.weight === weight)
  expect(there, `${model.phase}: ${model.status?.message}`).toBe(true)
  return model
}
const writesOf = (model: Model, during: () => void): readonly string[] => {
  const before = model.writes.length
  during()
  return model.writes.slice(before)
}

describe('a journey', () => {
  it('adopts by a Service of our own, and leads it to the adopted version alone', () => {
    const model = begin()
    expect(model.routes[0]).toMatchObject({ state: 'Present', selects: 'r1' })
    expect(model.workload.replicas).toBe(0)
  })

  it('shows the new version behind the canary door, while callers stay where they are', () => {
    const model = at(0)
    expect(model.doors.canary.leadsTo).toBe('r2')
    expect(model.shareOf('r1')).toBe(1)
    // Enough to be looked at; the rest comes before the switch.
    expect(model.revisions.get('r2')!.spec).toBe(1)
  })

  it('switches only to as many ready pods as stable has', () => {
    const model = at(0)
    let atSwitch = 0
    model.until((m) => {
      if (m.shareOf('r2') === 1 && atSwitch === 0) atSwitch = m.revisions.get('r2')!.ready
      return atSwitch > 0
    })
    expect(atSwitch).toBe(4)
    expect(model.revisions.get('r1')).toMatchObject({ spec: 4, ready: 4 })
  })

  it('promotes by turning doors that nobody comes through, keeps the old version warm and drains it afterwards', () => {
    const model = at(100)
    expect(model.until((m) => m.status?.stable?.revision === 'r2' && m.phase === 'Idle')).toBe(true)
    expect(model.until((m) => m.doors.canary.leadsTo === 'r1', 5)).toBe(true)
    expect(model.revisions.get('r1')!.ready).toBe(4)
    expect(model.until((m) => m.revisions.get('r1')!.spec === 0, 45)).toBe(true)
    expect(model.shareOf('r2')).toBe(1)
    expect(model.nowhere).toEqual([])
  })

  it('asks about what arrived at the new version, and what never arrived at the Service that callers name', () => {
    const model = at(100)
    const asked = () => model.readings.at(-1)!.question
    model.until((m) => m.readings.length > 0, 2)
    expect(asked().canary).toEqual({ namespace: 'shop', workloads: ['r2'], door: 'shop.shop.svc.cluster.local' })
    expect(asked().stable).toEqual({ namespace: 'shop', workloads: ['r1'] })
    // Before the stable door turns, what still arrives at the old pods, over connections that callers keep open.
    model.until((m) => m.readings.some(({ question }) => question.check === '$quiet'))
    expect(asked()).toMatchObject({ check: '$quiet', canary: { workloads: ['r1'], door: 'shop.shop.svc.cluster.local' }, stable: { workloads: ['r2'] } })
    expect(asked().stable.door).toBeUndefined()
  })

  it('a step of half the traffic cannot be asked for', () => {
    expect(() => begin({ steps: [{ weight: 50 }, { weight: 100 }] })).toThrow('steps[].weight is 0 or 100 with traffic.kubernetes')
  })
})

describe('back', () => {
  it('is one write, and the first one, when a check fails after the switch', () => {
    const model = at(100, { errors: 0.5 })
    const writes = writesOf(model, () => void model.until((m) => m.shareOf('r2') === 0, 10))
    expect(writes.find((write) => write !== 'status')).toBe('Lower')
    expect(model.phase === 'Closing' || model.phase === 'Draining').toBe(true)
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    expect(model.nowhere).toEqual([])
  })

  it('is one write after a promotion, while the old version is warm', () => {
    const model = at(100)
    model.until((m) => m.doors.canary.leadsTo === 'r1')
    model.until(() => false, 2)
    model.request('Rollback', { revision: 'r2' })
    const writes = writesOf(model, () => model.pass())
    expect(writes[0]).toBe('Lower')
    expect(model.shareOf('r1')).toBe(1)
    expect(model.until((m) => m.phase === 'RolledBack' && m.doors.stable.leadsTo === 'r1' && m.revisions.get('r2')!.spec === 0)).toBe(true)
    expect(model.nowhere).toEqual([])
  })

  it('in the middle of the flip, once both doors lead to the new version, waits for no door', () => {
    const model = at(100)
    expect(model.until((m) => m.doors.stable.leadsTo === 'r2' && m.phase === 'Flipping')).toBe(true)
    model.request('Abort')
    const began = model.now
    expect(model.until((m) => m.shareOf('r1') === 1, 1)).toBe(true)
    expect(model.now - began).toBeLessThanOrEqual(5000)
    expect(model.until((m) => m.phase === 'RolledBack')).toBe(true)
    expect(model.nowhere).toEqual([])
  })

  it('nothing drains before the Service shows the pods of the version that it selects', () => {
    const model = at(100)
    model.request('Abort')
    // Endpoints that never follow.
    const shows = new Map(model.doors.own.shows)
    for (let round = 0; round < 40; round++) {
      model.doors.own.shows = new Map(shows)
      model.settle()
      model.now += 5000
    }
    expect(model.phase).toBe('Closing')
    expect(model.status?.message).toContain('waiting for')
    expect(model.revisions.get('r2')!.spec).toBe(4)
  })
})

describe('what others do to the Service', () => {
  it('deleted, it is written again at once and leads to where it led', () => {
    for (const weight of [0, 100] as const) {
      const model = at(weight)
      Object.assign(model.routes[0]!, { state: 'Missing' })
      model.pass()
      expect(model.routes[0], `at ${weight}`).toMatchObject({ state: 'Present', selects: weight === 0 ? 'r1' : 'r2' })
    }
    const model = begin()
    Object.assign(model.routes[0]!, { state: 'Missing' })
    model.pass()
    expect(model.routes[0]).toMatchObject({ state: 'Present', selects: 'r1' })
  })

  it.each([['at rest', begin], ['in the preview', () => at(0)]] as const)('led to the pods of every version %s, it is led back in the same pass', (_, make) => {
    const model = make()
    Object.assign(model.routes[0]!, { selects: 'Workload', canaryDoor: 100, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.pass()
    expect(model.routes[0]!.selects).toBe('r1')
  })

  it('led to stable by a person in the switch, that is an order to be safe', () => {
    const model = at(100)
    model.move(model.routes[0]!, { canaryDoor: 0, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.pass()
    expect(model.status?.journey?.held?.reason).toBe('LoweredByHand')
    expect(model.shareOf('r1')).toBe(1)
  })

  it('led to the pods of every version by a person in the switch, it is held, and resumed to the canary alone', () => {
    const model = at(100)
    Object.assign(model.routes[0]!, { selects: 'Workload', canaryDoor: 100, lastWriter: { manager: 'kubectl-edit', ours: false, gitOps: false } })
    model.pass()
    expect(model.status?.journey?.held?.message).toContain('kubectl-edit changed Service/shop/shop, which no longer gives the canary 100% everywhere')
    model.request('Resume', { revision: 'r2' })
    expect(model.until((m) => m.phase === 'Holding', 2)).toBe(true)
    expect(model.routes[0]!.selects).toBe('r2')
  })
})
