/**
 * The contract of the commit protocol: every procedure against every fault. However a procedure is hit, it ends with the unproven revision's share at 0,
 * or promoted by the rules, or with a reason that a person can read; and no request ever had nowhere to go.
 */
import { describe, expect, it } from 'vitest'
import { adopted, blueGreen, Model, ownService } from './model.ts'

/** A procedure: a world just before it begins, what starts it, and when it has come to its end. */
interface Procedure {
  readonly prepare: (routes: number, ground: Ground) => Model
  readonly begin: (model: Model) => void
  readonly over: (model: Model) => boolean
}
const vs = (name: string, managed = true) => ({ key: `VirtualService/shop/${name}`, managed, state: managed ? ('Missing' as const) : ('Present' as const), canaryDoor: 0 })
/** Behind a mesh any number of routes; without one, the Service itself. */
interface Ground {
  readonly name: string
  readonly fresh: (routes: number) => Model
  /** The weight at which a journey is interrupted. */
  readonly weight: number
  readonly routes: readonly number[]
}
const mesh: Ground = { name: 'behind a mesh', fresh: (routes) => new Model({}, Array.from({ length: routes }, (_, index) => vs(index === 0 ? 'shop' : `shop-${index}`))), weight: 25, routes: [1, 2] }
const services: Ground = { name: 'without a mesh', fresh: () => new Model(blueGreen, [ownService()]), weight: 100, routes: [1] }
function world(routes: number, ground: Ground): Model {
  const model = ground.fresh(routes)
  if (!model.until((m) => m.phase === 'Idle')) throw new Error(`not adopted: ${model.status?.message}`)
  return model
}
const midway = (routes: number, ground: Ground): Model => {
  const model = world(routes, ground)
  model.release('r2')
  if (!model.until((m) => m.phase === 'Holding' && m.weight === ground.weight)) throw new Error(`not at ${ground.weight}: ${model.phase} ${model.status?.message}`)
  return model
}
const procedures: Readonly<Record<string, Procedure>> = {
  adoption: {
    prepare: (routes, ground) => ground.fresh(routes),
    begin: () => {},
    over: (model) => model.phase === 'Idle' && model.workload.replicas === 0 && model.shareOf('r1') === 1,
  },
  raise: { prepare: midway, begin: () => {}, over: (model) => model.shareOf('r2') === 1 && model.status?.stable?.revision === 'r2' },
  lower: {
    prepare: midway,
    begin: (model) => model.behaviour.set('r2', { errors: 0.5 }),
    over: (model) => model.shareOf('r2') === 0 && model.phase === 'RolledBack',
  },
  flip: {
    prepare: (routes, ground) => {
      const model = midway(routes, ground)
      if (!model.until((m) => m.phase === 'Flipping')) throw new Error('not flipping')
      return model
    },
    begin: () => {},
    over: (model) => model.shareOf('r2') === 1 && model.status?.stable?.revision === 'r2' && model.phase === 'Idle',
  },
  wayBack: {
    prepare: (routes, ground) => {
      const model = midway(routes, ground)
      if (!model.until((m) => m.status?.stable?.revision === 'r2')) throw new Error('not promoted')
      return model
    },
    begin: (model) => model.behaviour.set('r2', { errors: 0.5 }),
    over: (model) => model.shareOf('r1') === 1 && model.phase === 'RolledBack',
  },
  removal: {
    prepare: midway,
    begin: (model) => (model.deleting = true),
    over: (model) => model.shareOf('r2') === 0 && !model.finalizer,
  },
}
/** Nobody may be hurt by Sluice itself, whatever happens. */
function harmless(model: Model): void {
  expect(model.nowhere).toEqual([])
}
function ends(model: Model, procedure: Pick<Procedure, 'over'>, minutes = 60): void {
  const over = model.until(procedure.over, minutes)
  expect(over, `${model.phase}: ${model.status?.message}; r2 has ${model.shareOf('r2') * 100}%`).toBe(true)
  harmless(model)
}

const grounds = [mesh, services].flatMap((ground) => Object.entries(procedures).map(([name, procedure]) => ({ name, ground, procedure: { ...procedure, prepare: (routes: number) => procedure.prepare(routes, ground) } })))

describe.each(grounds)('$name $ground.name', ({ name, ground, procedure }) => {
  const unproven = name === 'lower' || name === 'removal'
  it.each(ground.routes)('goes to its end, with %i route objects', (routes) => {
    const model = procedure.prepare(routes)
    procedure.begin(model)
    ends(model, procedure)
    expect(new Set(model.routes.map((route) => route.canaryDoor)).size).toBe(1)
  })

  it('survives lost compare-and-sets: nothing is raised on a lost one', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    for (let round = 0; round < 30; round++) {
      model.faults.lostCommits = 1
      const weight = model.weight
      const { decision } = model.decided()
      const hadCommit = decision.commit !== undefined && model.status !== undefined
      model.carryOut(model.decided())
      if (hadCommit && decision.lower.length === 0) expect(model.weight).toBe(weight)
      model.advance(5000)
    }
    model.faults.lostCommits = 0
    ends(model, procedure)
  })

  it('while the schema refuses the status (422 with causes), lowering works and nothing is raised', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    model.faults.statusRefused = true
    const weight = model.shareOf('r2')
    for (let round = 0; round < 60; round++) {
      for (let turn = 0; turn < 3; turn++) model.pass()
      model.advance(5000)
    }
    if (unproven) expect(model.shareOf('r2')).toBe(0)
    else if (name !== 'wayBack') expect(model.shareOf('r2')).toBeLessThanOrEqual(Math.max(weight, name === 'flip' ? 1 : weight))
    harmless(model)
    model.faults.statusRefused = false
    ends(model, procedure)
  })

  it('a conflict on every effect at first: all is tried again', () => {
    const model = procedure.prepare(ground.routes.at(-1)!)
    procedure.begin(model)
    for (let round = 0; round < 12; round++) {
      model.faults.conflicts = 1
      model.pass()
      model.advance(5000)
    }
    model.faults.conflicts = 0
    ends(model, procedure)
  })

  it('stopped between any two writes, the next leader continues', () => {
    for (let writes = 0; writes < 6; writes++) {
      const model = procedure.prepare(1)
      procedure.begin(model)
      for (let round = 0; round < 400 && !procedure.over(model); round++) {
        for (let turn = 0; turn < 3; turn++) if (model.pass(writes % 6 === 0 ? 1 : writes)) model.restart()
        if (round % 7 === 0) model.restart()
        model.advance(5000)
      }
      ends(model, procedure)
    }
  }, 60_000)

  it('a leader that was stopped with its decision in hand and wakes after another has acted raises nothing', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    for (let round = 0; round < 40 && !procedure.over(model); round++) {
      const old = model.decided()
      model.restart()
      for (let turn = 0; turn < 4; turn++) {
        model.pass()
        model.advance(5000)
      }
      const before = model.shareOf('r2')
      model.carryOut(old)
      if (before === 0 && unproven) expect(model.shareOf('r2')).toBe(0)
    }
    ends(model, procedure)
  })

  it('without the lease nothing is raised; what lowers is done all the same', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    model.faults.leaseLost = true
    const before = model.shareOf('r2')
    for (let round = 0; round < 60; round++) {
      for (let turn = 0; turn < 3; turn++) model.pass()
      model.advance(5000)
    }
    expect(model.shareOf('r2')).toBeLessThanOrEqual(before)
    if (unproven) expect(model.shareOf('r2')).toBe(0)
    model.faults.leaseLost = false
    ends(model, procedure)
  })

  it('Git resets the route in the middle: restored, or held with a reason, and closed stays closed', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    for (let round = 0; round < 40; round++) {
      model.settle()
      if (round % 5 === 4 && model.routes[0]!.state === 'Present') model.move(model.routes[0]!, { canaryDoor: 0, closedTo: undefined, lastWriter: { manager: 'kustomize-controller', ours: false, gitOps: true } })
      model.advance(5000)
    }
    const held = model.phase === 'Held' && model.status?.journey?.held?.reason === 'ResetByGitOps'
    if (!held) model.until(procedure.over)
    expect(held || procedure.over(model), `${model.phase}: ${model.status?.message}`).toBe(true)
    harmless(model)
  })

  it('the annotation is removed: that opens nothing', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    for (let round = 0; round < 200; round++) {
      model.settle()
      delete model.routes[0]!.closedTo
      model.advance(5000)
    }
    ends(model, procedure)
    const share = model.shareOf('r2')
    model.until(() => false, 60)
    if (name !== 'raise' && name !== 'flip') expect(model.shareOf('r2')).toBeLessThanOrEqual(share)
  })

  it('the status is erased in the middle: rebuilt from the objects, nothing unproven is adopted', () => {
    const model = procedure.prepare(1)
    procedure.begin(model)
    for (let round = 0; round < 3; round++) {
      for (let turn = 0; turn < 3; turn++) {
        model.settle()
        model.advance(5000)
      }
      const share = model.shareOf('r2')
      model.status = undefined
      model.restart()
      model.pass()
      if (share < 1) expect(model.status!.stable?.revision).not.toBe('r2')
    }
    expect(model.until((m) => procedure.over(m) || m.phase === 'RolledBack' || (m.phase === 'Idle' && m.shareOf(m.status!.stable!.revision) === 1), 90), `${model.phase}: ${model.status?.message}`).toBe(true)
    harmless(model)
  })
})

it('an older closed-to closes nothing in a newer journey; a newer one closes without a status', () => {
  const model = adopted()
  model.release('r2', { errors: 0.5 })
  model.until((m) => m.phase === 'RolledBack')
  model.behaviour.set('r2', {})
  model.request('Retry', { revision: 'r2' })
  expect(model.until((m) => m.phase === 'Holding')).toBe(true)
  expect(model.routes[0]!.closedTo).toBeUndefined()
  model.routes[0]!.closedTo = { revision: 'r2', sequence: model.status!.sequence }
  model.pass()
  expect(model.weight).toBe(0)
  expect(model.status?.journey?.closing?.reason).toBe('ClosedElsewhere')
})
