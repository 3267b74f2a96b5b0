/** Backends mode as a small world of its own: two or three Deployments that somebody else owns, one route of the user, and nothing but weights to move. */
import type { Reading } from '../../../src/analysis/reading.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import { armsUnderway, nameOf } from '../../../src/rollout/arms.ts'
import { ask } from '../../../src/rollout/ask.ts'
import { decide } from '../../../src/rollout/decide.ts'
import { plan as planOf, type Plan, type SpecProblem } from '../../../src/rollout/plan.ts'
import type { RequestAction, RolloutSpec, RolloutStatus } from '../../../src/rollout/schema.ts'
import type { RequestSeen, RevisionSeen, RouteSeen, Seen } from '../../../src/rollout/seen.ts'
import { watchpoints } from '../../../src/rollout/watchpoints.ts'
import { settings, start } from './model.ts'

interface Arm {
  template: number
  replicas: number
  ready: number
  complete: boolean
  errors: number
}
export class Backends {
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
  problems: SpecProblem[] = []
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
    const decision = decide(this.seen(), this.plan, settings, this.now, this.problems)
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
  /** What each backend was sent, and what of it failed, by the end of each move of time. */
  served: { readonly at: number; readonly backend: string; readonly total: number; readonly bad: number }[] = []
  advance(ms: number): void {
    this.now += ms
    this.served = this.served.filter(({ at }) => at > this.now - 3_700_000)
    for (const [backend, weight] of Object.entries(this.weights)) {
      const total = (this.rate * weight * ms) / 100_000
      this.served.push({ at: this.now, backend, total, bad: total * this.arms[backend]!.errors })
    }
    for (const question of ask(this.seen(), this.plan, settings, this.now)) {
      if (question.at > this.now || this.readings.some((reading) => reading.question.id === question.id && reading.question.at === question.at)) continue
      const counts = (backend: string, window: number) => {
        const inside = this.served.filter((one) => one.backend === backend && one.at <= question.at && one.at > question.at - window)
        const sum = (of: (one: (typeof inside)[number]) => number) => Math.floor(inside.reduce((all, one) => all + of(one), 0) + 1e-6)
        return { total: sum(({ total }) => total), bad: sum(({ bad }) => bad) }
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
