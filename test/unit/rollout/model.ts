/** A small world in the words of the domain: Kubernetes, mesh and metric source as decide() meets them, with simulated time and faults between any two writes. */
import type { Question, Reading } from '../../../src/analysis/reading.ts'
import { templateBlockers, withTemplates } from '../../../src/controller/observe/templates.ts'
import { ask } from '../../../src/rollout/ask.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import { decide } from '../../../src/rollout/decide.ts'
import { calls, type HookAnswer, type HookCall, type HookReading } from '../../../src/rollout/hooks/call.ts'
import type { Decision, Settings } from '../../../src/rollout/decision.ts'
import { inForce } from '../../../src/rollout/defaults.ts'
import { plan as planOf, type Plan } from '../../../src/rollout/plan.ts'
import type { RequestAction, RolloutDefaults, RolloutSpec, RolloutStatus } from '../../../src/rollout/schema.ts'
import type { DoorSeen, RequestSeen, RevisionSeen, RouteSeen, Seen, TemplateSeen } from '../../../src/rollout/seen.ts'
import { watchpoints } from '../../../src/rollout/watchpoints.ts'

export const settings: Settings = { propagationDelayMs: 10_000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local', identity: 'a' }
export const start = Date.parse('2026-11-23T00:00:00Z')
export const baseSpec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'shop' },
  traffic: { istio: { managed: {} } },
  steps: [
    { weight: 5, hold: '2m' },
    { weight: 25, hold: '2m' },
    { weight: 50, hold: '2m' },
    { weight: 100, hold: '2m' },
  ],
  analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }] },
}
interface Pods {
  spec: number
  ready: number
  createdAt: number
  changedAt: number
}
export interface Behaviour {
  /** Share of failing requests, 0..1. */
  readonly errors?: number
  readonly neverReady?: boolean
  readonly crash?: boolean
}
interface Route {
  key: string
  managed: boolean
  state: RouteSeen['state']
  message?: string
  canaryDoor: number
  closedTo?: { revision: string; sequence: number }
  lastWriter?: RouteSeen['lastWriter']
  /** Without a mesh: the revision that the Service selects, or `Workload`. */
  selects?: string
}
/** The route of a Rollout without a mesh: our Service itself. */
export const ownService = (): Route => ({ key: 'Service/shop/shop', managed: true, state: 'Missing', canaryDoor: 0, selects: '' })
export const blueGreen = {
  traffic: { kubernetes: {} },
  steps: [{ weight: 0, hold: '2m' }, { weight: 100, hold: '2m' }],
  analysis: { telemetry: 'Linkerd', checks: [{ name: 'success', successRate: { min: '99%' } }] },
} satisfies Partial<RolloutSpec>
type Writable<T> = { -readonly [K in keyof T]: T[K] }

export class Model {
  now = start
  spec: RolloutSpec
  generation = 1
  status: RolloutStatus | undefined
  workload: { template: string; replicas: number; ready: number; generation: number; gitOps?: boolean; missing?: boolean } = { template: 'r1', replicas: 4, ready: 4, generation: 1 }
  revisions = new Map<string, Pods>()
  doors: Record<'stable' | 'canary' | 'own', { state: DoorSeen['state']; leadsTo?: string; shows: Map<string, number> }> = {
    stable: { state: 'Absent', shows: new Map() },
    canary: { state: 'Absent', shows: new Map() },
    own: { state: 'Absent', shows: new Map() },
  }
  routes: Route[]
  behaviour = new Map<string, Behaviour>()
  requests: RequestSeen[] = []
  finalizer = false
  deleting = false
  readings: Reading[] = []
  /** What each hook answers, by its name; none: it hangs. */
  hooks = new Map<string, HookAnswer>()
  hookAnswers: HookReading[] = []
  /** Every try that reached a hook, and those that were agreed to. */
  hookCalls: HookCall[] = []
  agreements: HookCall[] = []
  /** requests/s; 0: no traffic. */
  rate = 20
  source: 'answers' | 'errors' | 'empty' = 'answers'
  /** Of the checks with a query of their own, and what such a query answers. */
  templates: TemplateSeen[] = []
  value = 0
  memory = new Map<string, { value: string; since: number }>()
  writes: string[] = []
  decisions: Decision[] = []
  /** Moments in which a request had nowhere to go. */
  nowhere: string[] = []
  identity = 'a'
  /** What the administrator lets unset fields mean now. */
  defaults: RolloutDefaults | undefined

  constructor(spec: Partial<RolloutSpec> = {}, routes: Route[] = [{ key: 'VirtualService/shop/shop', managed: true, state: 'Missing', canaryDoor: 0 }]) {
    this.spec = { ...baseSpec, ...spec }
    this.routes = routes
  }

  get withoutMesh(): boolean {
    return this.routes.some((route) => route.selects !== undefined)
  }
  /** Somebody, or a decision, moves the split. Without a mesh the Service then selects what the door selects. */
  move(route: Route, change: Partial<Route> & { canaryDoor: number }): void {
    Object.assign(route, change)
    if (route.selects !== undefined && route.state === 'Present') this.select(route, this.doors[change.canaryDoor > 0 ? 'canary' : 'stable'].leadsTo ?? '')
  }
  private select(route: Route, revision: string): void {
    route.selects = revision
    this.doors.own.leadsTo = revision
  }
  /** What its selector says of the doors, which may have turned since. */
  private readSelectors(): void {
    for (const route of this.routes) {
      if (route.selects === undefined || route.state !== 'Present') continue
      route.canaryDoor = route.selects === this.doors.stable.leadsTo ? 0 : 100
    }
  }
  get plan(): Plan {
    const result = planOf(this.spec, 'shop', { ...settings, defaults: inForce(this.defaults, this.status) })
    if (!result.ok) throw new Error(JSON.stringify(result.problems))
    return withTemplates(result.plan, this.templates)
  }
  door(name: 'stable' | 'canary' | 'own'): DoorSeen {
    const door = this.doors[name]
    const leads = door.leadsTo
    let ready = 0
    let others = 0
    for (const [revision, count] of door.shows) revision === leads ? (ready += count) : (others += count)
    if (name === 'own' && this.withoutMesh) return { state: 'Route', ...(leads ? { leadsTo: leads } : {}), ready, others }
    return { state: door.state, ...(leads ? { leadsTo: leads } : {}), ready, others }
  }
  seen(): Seen {
    const revisions: RevisionSeen[] = [...this.revisions].map(([name, pods]) => ({
      name,
      createdAt: pods.createdAt,
      images: [`shop:${name}`],
      replicas: pods.spec,
      ready: pods.ready,
      complete: pods.ready === pods.spec,
      terminating: false,
      ...(this.behaviour.get(name)?.crash && pods.spec > 0 ? { trouble: { reason: 'CrashLoopBackOff', message: 'exit 1', crash: true } } : {}),
    }))
    const seen: Writable<Omit<Seen, 'since'>> = {
      rollout: { name: 'shop', namespace: 'shop', uid: 'u', generation: this.generation, createdAt: start, deleting: this.deleting, hasFinalizer: this.finalizer, namespaceTerminating: false },
      spec: this.spec,
      status: this.status && structuredClone(this.status),
      statusFromFuture: false,
      workload: this.workload.missing
        ? { state: 'Missing' }
        : {
            state: 'Present',
            generation: this.workload.generation,
            templateRevision: this.workload.template,
            images: [`shop:${this.workload.template}`],
            replicas: this.workload.replicas,
            ready: this.workload.ready,
            ...(this.workload.gitOps === undefined ? {} : { replicasWriter: { manager: this.workload.gitOps ? 'argocd-controller' : 'kubectl', gitOps: this.workload.gitOps } }),
          },
      revisions,
      doors: { stable: this.door('stable'), canary: this.door('canary'), own: this.door('own') },
      routes: this.routes.map((route) => ({
        key: route.key,
        managed: route.managed,
        state: route.state,
        ...(route.message ? { message: route.message } : {}),
        canaryDoor: route.canaryDoor,
        uneven: route.state === 'Present' && route.selects !== undefined && ![this.doors.stable.leadsTo, this.doors.canary.leadsTo].includes(route.selects),
        ...(route.closedTo ? { closedTo: route.closedTo } : {}),
        totals: [route.selects === undefined ? 100 : 1],
        ...(route.lastWriter ? { lastWriter: route.lastWriter } : {}),
        mirrored: route.selects === undefined || route.state !== 'Present' || (this.door('own').ready > 0 && this.door('own').others === 0),
        canaryOnly: [],
      })),
      requests: this.requests,
      readings: this.readings,
      ...(this.templates.length > 0 ? { templates: this.templates } : {}),
      hookAnswers: this.hookAnswers,
      dependencies: [],
      blockers: [...templateBlockers(this.plan, this.templates)],
      remarks: [],
      upkeep: [],
    }
    const points = watchpoints(seen)
    const since: Record<string, number> = {}
    for (const [key, value] of Object.entries(points)) {
      const known = this.memory.get(key)
      if (!known || known.value !== value) this.memory.set(key, { value, since: this.now })
      since[key] = this.memory.get(key)!.since
    }
    return { ...seen, since }
  }

  /** One pass. `stopAfter`: the controller dies after that many writes. Answers whether it died. */
  pass(stopAfter = Infinity): boolean {
    return this.carryOut(this.decided(), stopAfter)
  }
  decided(): { seen: Seen; decision: Decision } {
    const seen = this.seen()
    const decision = decide(seen, this.plan, { ...settings, defaults: this.defaults, identity: this.identity }, this.now)
    this.decisions.push(decision)
    // Made from the template, it would run that one under the name of another.
    for (const action of [...decision.lower, ...decision.raise]) if (action.type === 'CreateRevision' && action.revision !== this.workload.template) throw new Error(`${action.revision} would be made of ${this.workload.template}`)
    return { seen, decision }
  }
  /** Effects carry the precondition of what was seen, the commit that of the sequence: a decision may be carried out long after it was made. */
  carryOut({ seen, decision }: { seen: Seen; decision: Decision }, stopAfter = Infinity): boolean {
    let budget = stopAfter
    const died = (): boolean => budget-- <= 0
    for (const action of decision.lower) {
      if (died()) return true
      this.effect(seen, action)
    }
    if (decision.commit) {
      if (died()) return true
      if (!this.commit(seen, decision.commit)) return false
    }
    if (this.faults.leaseLost) return false
    for (const action of decision.raise) {
      if (died()) return true
      if (!this.effect(seen, action)) return false
    }
    return false
  }
  /** Faults of the world, changed by tests. `conflicts`: that many effects are refused first; `lostCommits`: that many commits meet a foreign write. */
  faults: { conflicts: number; lostCommits: number; statusRefused: boolean; leaseLost: boolean } = { conflicts: 0, lostCommits: 0, statusRefused: false, leaseLost: false }
  private commit(seen: Seen, next: RolloutStatus): boolean {
    if (this.faults.statusRefused) return false
    if (this.faults.lostCommits > 0) {
      this.faults.lostCommits--
      if (this.status) this.status = { ...this.status, sequence: this.status.sequence + 1 }
    }
    if (this.status?.sequence !== seen.status?.sequence) return false
    this.status = structuredClone(next)
    this.writes.push('status')
    return true
  }
  private effect(seen: Seen, action: Action): boolean {
    if (this.faults.conflicts > 0) {
      this.faults.conflicts--
      return false
    }
    if ('route' in action && action.type !== 'CreateRoute') {
      const route = this.routes.find((candidate) => candidate.key === action.route)
      const was = seen.routes.find((candidate) => candidate.key === action.route)
      if (route?.canaryDoor !== was?.canaryDoor || JSON.stringify(route?.closedTo) !== JSON.stringify(was?.closedTo)) return false
    }
    if (action.type === 'TurnDoor' && this.doors[action.door].leadsTo !== seen.doors[action.door].leadsTo) return false
    if (action.type === 'Scale' && this.revisions.get(action.revision)?.spec !== seen.revisions.find((revision) => revision.name === action.revision)?.replicas) return false
    if (action.type === 'CreateRevision' && (this.revisions.has(action.revision) || this.workload.template !== action.revision)) return false
    this.apply(action)
    return true
  }
  /** The controller is replaced by one that remembers nothing. */
  restart(): void {
    this.memory.clear()
    this.readings = []
    this.hookAnswers = []
    this.identity = this.identity === 'a' ? 'b' : 'a'
  }

  apply(action: Action): void {
    this.writes.push(action.type)
    const route = 'route' in action ? this.routes.find((candidate) => candidate.key === action.route) : undefined
    const ours = { manager: 'sluice', ours: true, gitOps: false }
    switch (action.type) {
      case 'Lower':
        this.move(route!, { canaryDoor: action.canaryDoor, closedTo: action.closedTo, lastWriter: ours })
        break
      case 'SetSplit':
        this.move(route!, { canaryDoor: action.canaryDoor, lastWriter: ours })
        if (action.reopen) delete route!.closedTo
        break
      case 'CreateRoute':
        this.move(route!, { state: 'Present', canaryDoor: action.canaryDoor, lastWriter: ours })
        break
      case 'DeleteRoute':
        Object.assign(route!, { state: 'Missing', canaryDoor: 0 })
        break
      case 'TurnDoor':
        this.doors[action.door].state = 'Present'
        this.doors[action.door].leadsTo = action.to
        if (action.door === 'own' && this.withoutMesh) this.select(this.routes[0]!, action.to)
        break
      case 'DeleteDoor':
        this.doors[action.door] = { state: 'Absent', shows: new Map() }
        break
      case 'CreateRevision':
        if (action.revision !== this.workload.template) throw new Error(`${action.revision} is not the template`)
        this.revisions.set(action.revision, { spec: action.replicas, ready: 0, createdAt: this.now, changedAt: this.now })
        break
      case 'Scale': {
        const pods = this.revisions.get(action.revision)!
        Object.assign(pods, { spec: action.replicas, ready: Math.min(pods.ready, action.replicas), changedAt: this.now })
        break
      }
      case 'DeleteRevision':
        this.revisions.delete(action.revision)
        break
      case 'ScaleWorkload':
        this.workload.replicas = action.replicas
        this.workload.ready = Math.min(this.workload.ready, action.replicas)
        break
      case 'WriteReplicas':
        this.spec = { ...this.spec, replicas: action.replicas }
        this.generation++
        break
      case 'SetFinalizer':
        this.finalizer = action.present
        break
      case 'AnswerRequest':
        this.requests = this.requests.map((request) => (request.uid === action.uid ? { ...request, answeredAt: this.now } : request))
        break
      case 'DeleteRequest':
        this.requests = this.requests.filter((request) => request.uid !== action.uid)
        break
      case 'Upkeep':
        break
    }
    this.readSelectors()
    this.checkTraffic(action.type)
  }

  /** Time passes: pods get ready after 5 s, endpoints follow pods at once, the source answers what is due. */
  advance(ms: number): void {
    this.now += ms
    for (const [name, pods] of this.revisions) {
      const behaviour = this.behaviour.get(name)
      if (behaviour?.neverReady || behaviour?.crash) pods.ready = 0
      else if (this.now - pods.changedAt >= 5000) pods.ready = pods.spec
    }
    if (this.workload.ready < this.workload.replicas) this.workload.ready = this.workload.replicas
    for (const door of Object.values(this.doors)) {
      door.shows.clear()
      if (door.leadsTo === 'Workload') {
        if (this.workload.ready > 0) door.shows.set('Workload', this.workload.ready)
        for (const pods of this.revisions.values()) if (pods.ready > 0) door.shows.set('Workload', (door.shows.get('Workload') ?? 0) + pods.ready)
      } else if (door.leadsTo && this.revisions.get(door.leadsTo)?.ready) door.shows.set(door.leadsTo, this.revisions.get(door.leadsTo)!.ready)
    }
    this.checkTraffic('time')
    for (const question of ask(this.seen(), this.plan, settings, this.now)) this.answer(question)
    for (const call of calls(this.seen(), this.plan, this.now)) this.call(call)
  }
  private call(call: HookCall): void {
    if (call.at > this.now) return
    const answer = this.hooks.get(call.hook.name)
    if (!this.hookCalls.some(({ id, attempt }) => id === call.id && attempt === call.attempt)) this.hookCalls.push(call)
    if (answer?.state === 'Agreed') this.agreements.push(call)
    if (answer) this.hookAnswers = [...this.hookAnswers.slice(-24), { question: call, answer, answeredAt: this.now }]
  }
  private answer(question: Question): void {
    if (question.at > this.now || this.readings.some((reading) => reading.question.check === question.check && reading.question.at === question.at)) return
    const revision = question.canary.workloads[0]!
    const share = this.shareOf(revision)
    const errors = this.behaviour.get(revision)?.errors ?? 0
    const counts = (ms: number) => {
      const total = Math.floor((this.rate * share * ms) / 1000)
      return { total, bad: Math.round(total * errors) }
    }
    const other = (ms: number) => ({ total: Math.floor((this.rate * (1 - share) * ms) / 1000), bad: 0 })
    const none = { total: 0, bad: 0 }
    const empty = this.source === 'empty' || (question.check === '$quiet' && share === 0)
    this.readings = [...this.readings.slice(-24), {
      question,
      answeredAt: this.now,
      answer:
        this.source === 'errors'
          ? { state: 'Error', reason: 'HTTP 503' }
          : question.measure.kind === 'Query'
          ? this.source === 'empty' ? { state: 'Empty', reason: 'the query answered no series' } : { state: 'Value', value: this.value }
          : { state: 'Counts', canary: { fast: empty ? none : counts(question.fastMs), slow: empty ? none : counts(question.slowMs) }, stable: { fast: other(question.fastMs), slow: other(question.slowMs) } },
    }]
  }
  /** 0..1: what users are sent to this revision, through doors as they stand. */
  shareOf(revision: string): number {
    const route = this.routes.find((candidate) => candidate.state === 'Present')
    if (!route || route.selects !== undefined) return this.doors.own.leadsTo === revision ? 1 : 0
    return ((this.doors.stable.leadsTo === revision ? 100 - route.canaryDoor : 0) + (this.doors.canary.leadsTo === revision ? route.canaryDoor : 0)) / 100
  }
  private checkTraffic(after: string): void {
    for (const route of this.routes) {
      if (route.state !== 'Present') continue
      if (route.selects !== undefined) {
        this.checkOwn(after)
        continue
      }
      for (const door of ['stable', 'canary'] as const) {
        const weight = door === 'canary' ? route.canaryDoor : 100 - route.canaryDoor
        const { leadsTo } = this.doors[door]
        const ready = leadsTo === 'Workload' ? this.workload.ready : (this.revisions.get(leadsTo ?? '')?.ready ?? 0)
        const blameless = this.behaviour.get(leadsTo ?? '')
        if (weight > 0 && ready === 0 && !blameless?.crash && !blameless?.neverReady) this.nowhere.push(`${after}: ${route.key} sends ${weight}% to the ${door} door (${leadsTo})`)
      }
    }
  }

  /** Callers are sent to the endpoints that the Service shows; those whose pods are gone answer nothing. */
  private checkOwn(after: string): void {
    for (const revision of this.doors.own.shows.keys()) {
      const ready = revision === 'Workload' ? this.workload.ready : (this.revisions.get(revision)?.ready ?? 0)
      const blameless = this.behaviour.get(revision)
      if (ready === 0 && !blameless?.crash && !blameless?.neverReady) this.nowhere.push(`${after}: Service shop shows pods of ${revision}, which are gone`)
    }
    const { selects = '' } = this.routes[0]!
    if (selects !== 'Workload' && (this.revisions.get(selects)?.ready ?? 0) === 0 && !this.behaviour.get(selects)?.crash && !this.behaviour.get(selects)?.neverReady) this.nowhere.push(`${after}: Service shop selects ${selects}, of which no pod is ready`)
  }

  /** Passes and time until the condition holds or `minutes` are over. Passes repeat while they write, as watches would wake them. */
  until(condition: (model: Model) => boolean, minutes = 60): boolean {
    const end = this.now + minutes * 60_000
    while (this.now < end) {
      this.settle()
      if (condition(this)) return true
      this.advance(5000)
    }
    return false
  }
  settle(): void {
    for (let turn = 0; turn < 20; turn++) {
      const before = this.writes.length
      this.pass()
      if (this.writes.length === before) return
    }
    throw new Error(`it does not come to rest: ${this.writes.slice(-12).join(' ')} in ${this.status?.phase}: ${this.status?.message}`)
  }
  release(template: string, behaviour: Behaviour = {}): void {
    this.workload = { ...this.workload, template, generation: this.workload.generation + 1 }
    this.behaviour.set(template, behaviour)
  }
  request(action: RequestAction, fields: { revision?: string; step?: number; reason?: string; createdAt?: number } = {}): string {
    const uid = `q${this.requests.length + 1}`
    const { createdAt = this.now, ...spec } = fields
    this.requests = [...this.requests, { uid, name: uid, createdAt, verified: false, spec: { rolloutName: 'shop', action, requestedBy: 'rita', ...spec } }]
    return uid
  }
  get phase(): string | undefined {
    return this.status?.phase
  }
  get weight(): number {
    return this.routes[0]!.canaryDoor
  }
}
/** A model that has adopted r1 and rests. */
export function adopted(spec: Partial<RolloutSpec> = {}, routes?: Route[]): Model {
  const model = new Model(spec, routes)
  if (!model.until((m) => m.phase === 'Idle')) throw new Error(`not adopted: ${model.phase} ${model.status?.message}`)
  return model
}

/** What a decision lowers less than it would if there were no hooks: nothing, ever. */
export function loweredLess(model: Model, seen: Seen, decision: Decision): Action[] {
  const { hooks: _, ...spec } = seen.spec
  const { hooks: __, ...status } = seen.status ?? {}
  const without = decide({ ...seen, spec, status: seen.status && (status as RolloutStatus), hookAnswers: [] }, { ...model.plan, hooks: [] }, { ...settings, identity: model.identity }, model.now)
  return without.lower.filter((wanted) => 'canaryDoor' in wanted && !decision.lower.some((action) => 'canaryDoor' in action && action.route === wanted.route && action.canaryDoor <= wanted.canaryDoor))
}
