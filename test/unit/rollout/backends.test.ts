/** Backends mode on a small world of its own: two or three Deployments that somebody else owns, one route of the user, and nothing but weights to move. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Reading } from '../../../src/analysis/reading.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import { armsUnderway, nameOf } from '../../../src/rollout/arms.ts'
import { ask } from '../../../src/rollout/ask.ts'
import { decide } from '../../../src/rollout/decide.ts'
import { plan as planOf, type Plan } from '../../../src/rollout/plan.ts'
import type { RequestAction, RolloutSpec, RolloutStatus } from '../../../src/rollout/schema.ts'
import type { RequestSeen, RevisionSeen, RouteSeen, Seen } from '../../../src/rollout/seen.ts'
import { watchpoints } from '../../../src/rollout/watchpoints.ts'
import { drawn } from '../../support/properties.ts'
import { settings, start } from './model.ts'

interface Arm {
  template: number
  replicas: number
  ready: number
  complete: boolean
  errors: number
}
class Backends {
  now = start
  status: RolloutStatus | undefined
  spec: RolloutSpec = {
    backends: { host: 'reviews', stable: { subset: 'v1' }, canary: { subset: 'v2', workloadRef: { kind: 'Deployment', name: 'reviews-v2' } } },
    traffic: { istio: { virtualServiceRefs: [{ name: 'reviews', routes: ['default'] }] } },
    steps: [{ weight: 10, hold: '2m' }, { weight: 50, hold: '2m' }, { weight: 100, hold: '2m' }],
    analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }] },
  }
  arms: Record<string, Arm> = { v1: this.arm(), v2: this.arm(), v3: this.arm() }
  /** Where a canary-only route leads; undefined: there is none. */
  mobile: 'canary' | 'stable' | undefined
  /** Weight of each backend in the user's route. */
  weights: Record<string, number>
  closedTo?: { revision: string; sequence: number }
  lastWriter: NonNullable<RouteSeen['lastWriter']> = { manager: 'kubectl', ours: false, gitOps: false }
  requests: RequestSeen[] = []
  readings: Reading[] = []
  memory = new Map<string, { value: string; since: number }>()
  writes: Action['type'][] = []
  statuses = 0
  rate = 20
  finalizer = false
  deleting = false
  deploymentGone = false
  subsetGone = false
  /** Writes that sent somebody to a backend without pods. */
  nowhere: string[] = []
  wakeAt: number | undefined

  constructor(weights: Record<string, number>) {
    this.weights = weights
  }
  private arm(): Arm {
    return { template: 1, replicas: 2, ready: 2, complete: true, errors: 0 }
  }
  get plan(): Plan {
    const result = planOf(this.spec, 'reviews', settings)
    if (!result.ok) throw new Error(JSON.stringify(result.problems))
    return result.plan
  }
  get roles(): { stable: string; canary: string; template: boolean } {
    const { stable, canary } = armsUnderway(this.spec.backends!, this.status)
    return { stable: stable.subset!, canary: canary.subset!, template: canary.workloadRef !== undefined }
  }
  /** As observe names them: only a canary with workloadRef is known by its template. */
  name(backend: string): string {
    const { canary, template } = this.roles
    return backend === canary && template ? `${backend}-h${this.arms[backend]!.template}` : backend
  }
  swap(stable: string, canary: string): void {
    this.spec = { ...this.spec, backends: { host: 'reviews', stable: { subset: stable }, canary: { subset: canary, workloadRef: { kind: 'Deployment', name: `reviews-${canary}` } } } }
  }
  seen(): Seen {
    const { stable, canary, template } = this.roles
    const named = this.spec.backends!
    const arm = (backend: string): RevisionSeen => {
      const { replicas, ready, complete } = this.arms[backend]!
      return { name: this.name(backend), createdAt: start, images: [`reviews:${backend}`], replicas, ready, complete, terminating: false }
    }
    const [a, b] = [this.weights[stable], this.weights[canary]]
    const lacking = a === undefined || b === undefined
    const total = (a ?? 0) + (b ?? 0)
    const seen: Omit<Seen, 'since'> = {
      rollout: { name: 'reviews', namespace: 'shop', uid: 'u', generation: 1, createdAt: start, deleting: this.deleting, hasFinalizer: this.finalizer, namespaceTerminating: false },
      spec: this.spec,
      status: this.status && structuredClone(this.status),
      statusFromFuture: false,
      workload: this.deploymentGone ? { state: 'Missing' } : template ? { state: 'Present', generation: 1, templateRevision: this.name(canary), images: [], replicas: 2, ready: 2 } : { state: 'None' },
      revisions: [arm(canary), arm(stable)],
      backends: {
        ...(nameOf(named.stable) === stable && nameOf(named.canary) === canary ? {} : { wanted: { stableBackend: nameOf(named.stable), canaryBackend: nameOf(named.canary) } }),
        stable: this.name(stable), canary: this.name(canary), stableBackend: stable, canaryBackend: canary, hasCanaryTemplate: template,
        stableSeries: { namespace: 'shop', workloads: [`reviews-${stable}`] }, canarySeries: { namespace: 'shop', workloads: [`reviews-${canary}`], door: 'reviews' },
      },
      doors: {
        stable: { state: 'Present', leadsTo: this.name(stable), ready: this.arms[stable]!.ready, others: 0 },
        canary: this.subsetGone ? { state: 'Absent', ready: 0, others: 0 } : { state: 'Present', leadsTo: this.name(canary), ready: this.arms[canary]!.ready, others: 0 },
        own: { state: 'Theirs', ready: 0, others: 0 },
      },
      routes: [{
        key: 'VirtualService/shop/reviews', managed: false, uneven: false, totals: [total], mirrored: true, canaryOnly: this.mobile === undefined ? [] : [{ name: 'mobile', original: '{}', redirected: this.mobile === 'stable' }], lastWriter: this.lastWriter,
        state: lacking ? 'Refused' : 'Present', ...(lacking ? { reason: 'RouteLacksDoors', message: `the route does not name ${a === undefined ? stable : canary}: add it with weight 0` } : {}),
        canaryDoor: total > 0 ? (100 * (b ?? 0)) / total : 0,
        ...(this.closedTo ? { closedTo: this.closedTo } : {}),
      }],
      requests: this.requests, readings: this.readings, dependencies: [],
      blockers: lacking || total > 0 ? [] : [{ reason: 'WeightNotExpressible', message: 'the route gives neither backend anything', stops: 'Raise', stalled: true }], remarks: [], upkeep: [],
    }
    const since: Record<string, number> = {}
    for (const [key, value] of Object.entries(watchpoints(seen))) {
      if (this.memory.get(key)?.value !== value) this.memory.set(key, { value, since: this.now })
      since[key] = this.memory.get(key)!.since
    }
    return { ...seen, since }
  }
  pass(): void {
    const decision = decide(this.seen(), this.plan, settings, this.now)
    for (const action of decision.lower) this.apply(action)
    if (decision.commit) {
      this.status = structuredClone(decision.commit)
      this.statuses++
    }
    for (const action of decision.raise) this.apply(action)
    this.wakeAt = decision.wakeAt
  }
  apply(action: Action): void {
    if (action.type !== 'SetFinalizer') this.writes.push(action.type)
    const { stable, canary } = this.roles
    if (action.type === 'AnswerRequest') this.requests = this.requests.filter((request) => request.uid !== action.uid)
    else if (action.type === 'Lower' || action.type === 'SetSplit') {
      const total = this.weights[stable]! + this.weights[canary]!
      const to = action.canaryDoor > this.weights[canary]! ? canary : stable
      if (this.arms[to]!.ready === 0) this.nowhere.push(`${action.type} ${action.canaryDoor} onto ${to}`)
      this.weights = { ...this.weights, [stable]: (total * (100 - action.canaryDoor)) / 100, [canary]: (total * action.canaryDoor) / 100 }
      this.lastWriter = { manager: 'sluice', ours: true, gitOps: false }
      if (action.type === 'Lower') this.closedTo = action.closedTo
      else if (action.reopen) delete this.closedTo
      if (this.mobile && action.type === 'Lower' && action.redirect) this.mobile = 'stable'
      if (this.mobile && action.type === 'SetSplit' && action.restore) this.mobile = 'canary'
    } else if (action.type === 'SetFinalizer') this.finalizer = action.present
    else throw new Error(`${action.type} in backends mode`)
  }
  advance(ms: number): void {
    this.now += ms
    for (const question of ask(this.seen(), this.plan, settings, this.now)) {
      if (question.at > this.now || this.readings.some((reading) => reading.question.id === question.id && reading.question.at === question.at)) continue
      const counts = (backend: string, window: number) => {
        const total = Math.floor((this.rate * (this.weights[backend] ?? 0) * window) / 100_000)
        return { total, bad: Math.round(total * this.arms[backend]!.errors) }
      }
      const of = (workloads: readonly string[]) => {
        const backend = workloads[0]!.replace('reviews-', '')
        return { fast: counts(backend, question.fastMs), slow: counts(backend, question.slowMs) }
      }
      this.readings = [...this.readings.slice(-24), { question, answeredAt: this.now, answer: { state: 'Counts', canary: of(question.canary.workloads), stable: of(question.stable.workloads) } }]
    }
  }
  settle(): void {
    for (let turn = 0; turn < 15; turn++) {
      const before = this.writes.length + this.statuses
      this.pass()
      if (this.writes.length + this.statuses === before) return
    }
    throw new Error(`it does not come to rest: ${this.writes.slice(-6).join(' ')} in ${this.phase}: ${this.status?.message}`)
  }
  until(condition: (world: Backends) => boolean, minutes = 60): boolean {
    const end = this.now + minutes * 60_000
    while (this.now < end) {
      this.settle()
      if (condition(this)) return true
      this.advance(5000)
    }
    return false
  }
  git(weights: Record<string, number>): void {
    this.weights = weights
    this.lastWriter = { manager: 'argocd-controller', ours: false, gitOps: true }
  }
  request(action: RequestAction, revision?: string): void {
    const uid = `q${this.now}${this.requests.length}`
    this.requests = [...this.requests, { uid, name: uid, createdAt: this.now, verified: true, spec: { rolloutName: 'reviews', action, requestedBy: 'rita', ...(revision ? { revision } : {}) } }]
  }
  said(type: string): string | undefined {
    return this.status?.conditions.find((condition) => condition.type === type && condition.status === 'True')?.message
  }
  get phase(): string | undefined {
    return this.status?.phase
  }
}
const resting = (): Backends => {
  const world = new Backends({ v1: 100, v2: 0 })
  world.until((w) => w.phase === 'Idle')
  return world
}
const at = (weight: number): Backends => {
  const world = resting()
  world.arms['v2']!.template = 2
  if (!world.until((w) => w.phase === 'Holding' && w.weights['v2'] === weight)) throw new Error(`${world.phase} ${world.status?.message}`)
  return world
}
const promoted = (): Backends => {
  const world = at(10)
  if (!world.until((w) => w.phase === 'Idle')) throw new Error(`${world.phase} ${world.status?.message}`)
  return world
}

describe('adoption', () => {
  it('of 100/0 writes no weight, and a new template of the canary starts a journey', () => {
    const world = resting()
    expect(world.phase).toBe('Idle')
    expect(world.writes).toEqual([])
    world.until(() => false, 30)
    expect(world.writes).toEqual([])
    world.arms['v2']!.template = 2
    expect(world.until((w) => w.weights['v2'] === 100 && w.phase === 'Idle')).toBe(true)
    expect(world.status?.history[0]).toMatchObject({ revision: 'v2-h2', outcome: 'Promoted' })
  })
  it('of 80/20 is a journey from that weight: a hold first, never a rise at once', () => {
    const world = new Backends({ v1: 80, v2: 20 })
    world.settle()
    expect(world.phase).toBe('Holding')
    expect(world.weights).toEqual({ v1: 80, v2: 20 })
    expect(world.status?.journey?.step.index).toBe(1)
    world.advance(60_000)
    world.settle()
    expect(world.weights['v2']).toBe(20)
    expect(world.until((w) => w.weights['v2'] === 50)).toBe(true)
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
  })
  it('of 80/20 with a canary that fails is rolled back', () => {
    const world = new Backends({ v1: 80, v2: 20 })
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('of 0/100 is a journey in its last step: nothing is proven by carrying everything', () => {
    const world = new Backends({ v1: 0, v2: 100 })
    world.settle()
    expect(world.phase).toBe('Holding')
    expect(world.status?.stable?.revision).toBe('v1')
    expect(world.until((w) => w.phase === 'Idle')).toBe(true)
    expect(world.weights).toEqual({ v1: 0, v2: 100 })
    expect(world.said('BackendsNotSwapped')).toContain('v2')
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.phase).toBe('Idle')
    expect(world.status?.stable?.backend).toBe('v2')
  })
  it('a closed canary that Git has given traffic is not adopted, and loses it', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    world.status = undefined
    world.memory.clear()
    world.git({ v1: 80, v2: 20 })
    world.until(() => false, 20)
    expect(world.phase).toBe('RolledBack')
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
})

describe('after a promotion', () => {
  it('the canary keeps everything, and it is said what to commit; a new template starts nothing', () => {
    const world = promoted()
    expect(world.weights).toEqual({ v1: 0, v2: 100 })
    expect(world.said('BackendsNotSwapped')).toContain('spec.backends.stable')
    const before = world.writes.length
    world.arms['v2']!.template = 3
    world.until(() => false, 60)
    expect(world.writes.length).toBe(before)
    expect(world.phase).toBe('Idle')
    expect(world.said('BackendsNotSwapped')).toBeDefined()
  })
  it('swapped roles are an acknowledgement: no weight moves, and the next template of the other starts a journey', () => {
    const world = promoted()
    const before = world.writes.length
    world.swap('v2', 'v1')
    world.until(() => false, 30)
    expect(world.writes.length).toBe(before)
    expect(world.phase).toBe('Idle')
    expect(world.said('BackendsNotSwapped')).toBeUndefined()
    expect(world.status?.stable?.revision).toBe('v2')
    world.arms['v1']!.template = 2
    expect(world.until((w) => w.phase === 'Holding')).toBe(true)
    expect(world.status?.canary?.revision).toBe('v1-h2')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v1'] === 100)).toBe(true)
  })
  it('swapped and with a third one as canary: that is new, and starts', () => {
    const world = promoted()
    world.swap('v2', 'v3')
    world.weights = { v1: 0, v2: 100, v3: 0 }
    expect(world.until((w) => w.status?.canary?.backend === 'v3' && w.phase === 'Holding')).toBe(true)
    expect(world.status?.stable?.revision).toBe('v2')
    expect(world.weights).toEqual({ v1: 0, v2: 90, v3: 10 })
  })
})

describe('at rest', () => {
  it('a new backend as canary starts a journey once the route names it', () => {
    const world = resting()
    world.swap('v1', 'v3')
    world.until(() => false, 30)
    expect(world.phase).toBe('Waiting')
    expect(world.status?.message).toContain('does not name v3')
    world.weights = { v1: 100, v2: 0, v3: 0 }
    expect(world.until((w) => w.phase === 'Holding' && w.weights['v3'] === 10)).toBe(true)
  })
  it('roles swapped while the new stable carries nothing: no pointer and no weight moves, and it is said', () => {
    const world = resting()
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.writes).toEqual([])
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.said('BackendsNotSwapped')).toBeDefined()
  })
  it('a new stable that the route does not name acknowledges nothing', () => {
    const world = resting()
    world.swap('v3', 'v2')
    world.until(() => false, 10)
    expect(world.status?.stable?.backend).toBe('v1')
  })
  it('weights that somebody set are left alone, and said', () => {
    const world = resting()
    world.git({ v1: 70, v2: 30 })
    world.until(() => false, 30)
    expect(world.weights).toEqual({ v1: 70, v2: 30 })
    expect(world.said('RestSplitDiffers')).toContain('30%')
  })
})

describe('in the middle', () => {
  it('a new template lowers in the pass that sees it, then starts anew', () => {
    const world = at(50)
    world.arms['v2']!.template = 3
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
    expect(world.status?.history.map(({ revision, outcome }) => [revision, outcome])).toEqual([['v2-h3', 'Promoted'], ['v2-h2', 'Superseded']])
  })
  it('a new template does not lower onto a stable without ready pods', () => {
    const world = at(50)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.settle()
    world.arms['v2']!.template = 3
    world.until(() => false, 2)
    expect(world.nowhere).toEqual([])
    expect(world.weights['v2']).toBe(50)
    Object.assign(world.arms['v1']!, { ready: 2, complete: true })
    world.settle()
    expect(world.weights['v2']).toBe(0)
  })
  it('roles swapped too early give the unproven backend nothing: everything goes back to the proven one', () => {
    const world = at(50)
    world.swap('v2', 'v1')
    world.until(() => false, 10)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.status?.history[0]?.outcome).not.toBe('Promoted')
  })
  it('a third backend as canary: the second loses its traffic first, then the third starts', () => {
    const world = at(50)
    world.swap('v1', 'v3')
    world.weights = { ...world.weights, v3: 0 }
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0, v3: 0 })
    expect(world.until((w) => w.phase === 'Holding' && w.weights['v3'] === 10)).toBe(true)
    expect(world.status?.history[0]).toMatchObject({ revision: 'v2-h2', outcome: 'Superseded' })
    expect(world.status?.stable?.backend).toBe('v1')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v3'] === 100)).toBe(true)
    expect(world.weights['v2']).toBe(0)
  })
  it('a failing canary is rolled back and kept closed when Git gives it traffic again; Retry opens it', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    world.git({ v1: 60, v2: 40 })
    world.settle()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
    world.arms['v2']!.errors = 0
    world.until(() => false, 30)
    expect(world.phase).toBe('RolledBack')
    world.request('Retry', 'v2-h2')
    expect(world.until((w) => w.phase === 'Idle' && w.weights['v2'] === 100)).toBe(true)
  })
  it('a closed canary keeps what Git gave it while stable has no pod', () => {
    const world = at(50)
    world.arms['v2']!.errors = 0.5
    expect(world.until((w) => w.phase === 'RolledBack')).toBe(true)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.git({ v1: 60, v2: 40 })
    world.until(() => false, 2)
    expect(world.nowhere).toEqual([])
  })
  it('an arm whose Deployment is not rolled out is not ready', () => {
    const world = resting()
    Object.assign(world.arms['v2']!, { template: 2, complete: false })
    world.until(() => false, 5)
    expect(world.phase).toBe('Scaling')
    expect(world.weights['v2']).toBe(0)
    world.arms['v2']!.complete = true
    expect(world.until((w) => w.weights['v2'] === 10, 1)).toBe(true)
  })
  it('a broken stable stops no raise, and nothing is lowered onto it', () => {
    const world = at(10)
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    expect(world.until((w) => w.weights['v2'] === 50, 10)).toBe(true)
    expect(world.said('StableBroken')).toBeDefined()
    world.arms['v2']!.errors = 0.5
    world.until(() => false, 5)
    expect(world.nowhere).toEqual([])
    expect(world.weights['v2']).toBe(50)
  })
  it('a canary without ready pods is lowered at once', () => {
    const world = at(50)
    Object.assign(world.arms['v2']!, { ready: 0, complete: false })
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('a subset that somebody deleted is lowered at once', () => {
    const world = at(50)
    world.subsetGone = true
    world.pass()
    expect(world.weights).toEqual({ v1: 100, v2: 0 })
  })
  it('deleted in the middle, with the canary\'s Deployment gone too, the proven one gets everything before the finalizer goes', () => {
    const world = at(50)
    world.deleting = true
    world.deploymentGone = true
    world.until((w) => !w.finalizer, 15)
    expect([world.finalizer, world.weights]).toEqual([false, { v1: 100, v2: 0 }])
  })
  it('Retry while the spec calls another backend stable is refused with the way that works, whatever Git does to the weights then', () => {
    const world = resting()
    world.swap('v3', 'v2')
    world.request('Retry', 'v2-h1')
    world.settle()
    expect(world.status?.requests[0]).toMatchObject({ answer: 'Refused', message: 'spec.backends calls v3 stable, but v1 is proven: put the roles right in spec.backends first' })
    world.weights = { v1: 0, v2: 0, v3: 100 }
    world.until(() => false, 3)
    expect(world.phase).toBe('Idle')
  })
  it('a canary-only route that Git leads back to a closed canary at rest is redirected again, and put back with the next journey', () => {
    const world = at(10)
    world.mobile = 'canary'
    world.arms['v2']!.errors = 0.5
    world.until((w) => w.phase === 'RolledBack')
    expect(world.mobile).toBe('stable')
    world.mobile = 'canary'
    world.settle()
    expect([world.mobile, world.weights['v2']]).toEqual(['stable', 0])
    world.arms['v2']!.errors = 0
    world.request('Retry', 'v2-h2')
    world.until((w) => w.phase === 'Holding')
    expect(world.mobile).toBe('canary')
  })
  it('a step below what somebody gave the canary by hand is not reached while stable has no pods', () => {
    const world = resting()
    world.weights = { v1: 80, v2: 20, v3: 0 }
    Object.assign(world.arms['v1']!, { ready: 0, complete: false })
    world.request('Retry', 'v2-h1')
    world.until(() => false, 3)
    expect([world.nowhere, world.weights['v2']]).toEqual([[], 20])
    Object.assign(world.arms['v1']!, { ready: 2, complete: true })
    expect(world.until((w) => w.weights['v2'] === 10)).toBe(true)
  })
  it('rollback by a person after the promotion is refused with the way that works', () => {
    const world = promoted()
    world.request('Rollback', 'v2-h2')
    world.settle()
    expect(world.status?.requests[0]).toMatchObject({ answer: 'Refused' })
    expect(world.weights['v2']).toBe(100)
  })
})

/** Whatever Git and pods do: no write gives traffic to a backend without pods or to a closed one, and nothing is written for ever. */
type Happening =
  | { type: 'wait'; minutes: number }
  | { type: 'template' | 'errors' | 'pods'; backend: string; bad: boolean }
  | { type: 'swap'; roles: readonly [string, string] }
  | { type: 'git'; share: number; gitOps: boolean }
  | { type: 'request'; action: RequestAction }
  | { type: 'erase' }
const backend = fc.constantFrom('v1', 'v2', 'v3')
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('template' as const, 'errors' as const, 'pods' as const), backend, bad: fc.boolean() }) },
  fc.record({ type: fc.constant('swap' as const), roles: fc.tuple(backend, backend).filter(([a, b]) => a !== b) }),
  fc.record({ type: fc.constant('git' as const), share: fc.constantFrom(0, 20, 100), gitOps: fc.boolean() }),
  fc.record({ type: fc.constant('request' as const), action: fc.constantFrom('Abort' as const, 'Retry' as const, 'Promote' as const, 'Resume' as const, 'Rollback' as const) }),
  fc.record({ type: fc.constant('erase' as const) }),
)
it('whatever happens, nobody is sent to where no pod is or to what is closed, and it comes to rest', () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 3, maxLength: 20 }), (events) => {
      const world = new Backends({ v1: 100, v2: 0, v3: 0 })
      const apply = world.apply.bind(world)
      world.apply = (action) => {
        const opened = action.type === 'SetSplit' && action.canaryDoor > world.seen().routes[0]!.canaryDoor && world.status?.failed.some(({ revision }) => revision === world.seen().backends!.canary)
        expect(opened ?? false, 'a closed canary was raised').toBe(false)
        apply(action)
      }
      world.until((w) => w.phase === 'Idle', 2)
      for (const one of events) {
        if (one.type === 'wait') world.until(() => false, one.minutes)
        else if (one.type === 'template') world.arms[one.backend]!.template++
        else if (one.type === 'errors') world.arms[one.backend]!.errors = one.bad ? 0.5 : 0
        else if (one.type === 'pods') Object.assign(world.arms[one.backend]!, { ready: one.bad ? 0 : 2, complete: !one.bad })
        else if (one.type === 'swap') world.swap(...one.roles)
        else if (one.type === 'request') world.request(one.action, one.action === 'Abort' ? undefined : world.status?.canary?.revision ?? 'v1')
        else if (one.type === 'git') {
          const { stable, canary } = world.roles
          world.weights = { v1: 0, v2: 0, v3: 0, [stable]: 100 - one.share, [canary]: one.share }
          world.lastWriter = { manager: 'x', ours: false, gitOps: one.gitOps }
        } else {
          world.status = undefined
          world.memory.clear()
        }
      }
      for (const arm of Object.values(world.arms)) Object.assign(arm, { ready: 2, complete: true, errors: 0 })
      const blocked = (w: Backends): boolean => w.seen().blockers.length > 0 && (w.phase === 'Blocked' || w.phase === 'Waiting')
      expect(world.until((w) => ['Idle', 'RolledBack', 'Held'].includes(w.phase!) || blocked(w), 120), `${world.phase}: ${world.status?.message}`).toBe(true)
      expect(world.nowhere).toEqual([])
    }),
    { numRuns: drawn(60).numRuns },
  )
}, drawn(60).timeoutMs)
