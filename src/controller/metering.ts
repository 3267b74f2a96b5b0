/** What the loop has done, as numbers. Everything is counted where it happens or from the status before and after a won commit, so that a repeated pass or a restart counts nothing twice. */
import { isDeepStrictEqual } from 'node:util'
import type { Answer } from '../analysis/reading.ts'
import type { KubeApi } from '../kube/api.ts'
import type { Action } from '../rollout/actions.ts'
import type { Decision } from '../rollout/decision.ts'
import { shareOf } from '../rollout/pass.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { RolloutSpec } from '../rollout/schema.ts'
import type { Seen } from '../rollout/seen.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Meters } from '../telemetry/meters.ts'
import type { Fetcher, Source } from './fetch.ts'
import { told } from './metering-notes.ts'
import { lanes, type Lane, type Next } from './queue.ts'
import { stale, type Done, type Observed, type Surroundings } from './reconcile.ts'
import type { Changed, Wake } from './wakes.ts'
import type { Kind } from './world.ts'

export interface MeteringOptions {
  readonly meters: Meters
  readonly clock: Clock
}
/** A change of a pod template that no commit knows of yet. */
interface Template {
  readonly generation: number
  /** Monotonic ms. */
  readonly at: number
}

/** Wraps what the loop is made of; each wrapper does what it wraps, and counts. */
export class Metering {
  readonly #meters: Meters
  readonly #clock: Clock
  readonly #templates = new Map<string, Template>()
  /** When the answer came that decided against the canary (Unix ms), by key, until its traffic is gone. */
  readonly #deciding = new Map<string, number>()
  readonly #failing = new Set<string>()
  /** Rollouts whose counters have their zeros. */
  readonly #begun = new Set<string>()
  readonly #heard = new Map<string, number>()

  constructor({ meters, clock }: MeteringOptions) {
    this.#meters = meters
    this.#clock = clock
    // So that the first of each is seen as an increase.
    for (const lane of lanes) for (const result of ['Done', 'Again', 'Failed', 'Bug']) meters.count('sluice_passes_total', { lane, result }, 0)
    for (const result of ['Won', 'Lost', 'Refused', 'Failed']) meters.count('sluice_commits_total', { result }, 0)
  }

  /** Keys whose traffic has to be taken away and cannot be. */
  get failing(): ReadonlySet<string> {
    return this.#failing
  }
  /** When the watch of each kind last said something, Unix ms. */
  get heard(): ReadonlyMap<string, number> {
    return this.#heard
  }

  source(source: Source): Source {
    return {
      ask: async question => {
        const began = this.#clock.monotonic()
        const answer = await source.ask(question)
        const { source: name } = question
        this.#meters.observe('sluice_query_duration_seconds', { source: name }, (this.#clock.monotonic() - began) / 1000)
        this.#meters.count('sluice_queries_total', { source: name, result: resultOf(answer) })
        return answer
      },
    }
  }

  api(api: KubeApi): KubeApi {
    const ends = new Map<string, 'Ended' | 'Failed'>()
    const watch: KubeApi['watch'] = async function* (this: Metering, ...all: Parameters<KubeApi['watch']>) {
      const [{ kind }] = all
      const before = ends.get(kind)
      if (before !== undefined) this.#meters.count('sluice_watch_restarts_total', { kind, result: before })
      if (!this.#heard.has(kind)) this.#heard.set(kind, this.#clock.now())
      let end: 'Ended' | 'Failed' = 'Ended'
      try {
        for await (const event of api.watch(...all)) {
          if (event.type === 'ERROR') end = 'Failed'
          else this.#heard.set(kind, this.#clock.now())
          yield event
        }
      } finally {
        ends.set(kind, end)
        if (end === 'Ended') this.#heard.set(kind, this.#clock.now())
      }
    }.bind(this)
    return { ...api, watch }
  }

  async pass(lane: Lane, run: () => Promise<Next>): Promise<Next> {
    const began = this.#clock.monotonic()
    let result = 'Bug'
    try {
      const next = await run()
      result = next.failed === true ? 'Failed' : next.again === true ? 'Again' : 'Done'
      return next
    } finally {
      this.#meters.observe('sluice_pass_duration_seconds', { lane }, (this.#clock.monotonic() - began) / 1000)
      this.#meters.count('sluice_passes_total', { lane, result })
    }
  }

  around(inner: Surroundings, fetcher: Pick<Fetcher, 'readings'>): Surroundings {
    return {
      ...inner,
      observe: (key, now) => {
        const observed = inner.observe(key, now)
        return observed && this.#observed(key, observed, fetcher)
      },
      commit: async (seen, next) => {
        const outcome = await inner.commit(seen, next)
        this.#meters.count('sluice_commits_total', { result: outcome.outcome })
        return outcome
      },
      mayRaise: () => {
        const may = inner.mayRaise()
        if (!may) this.#meters.count('sluice_raises_fenced_total', {})
        return may
      },
      tell: (seen, status, fresh) => {
        inner.tell(seen, status, fresh)
        if (status === undefined) return
        const { namespace, name } = seen.rollout
        const key = `${namespace}/${name}`
        told(this.#meters, { namespace, name, first: !this.#begun.has(key), before: seen.status, after: status, fresh, now: this.#clock.now() })
        this.#begun.add(key)
        if (status.journey?.ended !== undefined) this.#deciding.delete(key)
        const template = this.#templates.get(key)
        if (template === undefined || (status.observedWorkloadGeneration ?? 0) < template.generation) return
        this.#templates.delete(key)
        this.#meters.observe('sluice_template_reaction_seconds', {}, (this.#clock.monotonic() - template.at) / 1000)
      },
    }
  }

  /** A watch told of a change, and these rollouts look at it; only while leading. */
  changed(kind: Kind, { type, object, old }: Changed, wakes: readonly Wake[], rolloutOf: (namespace: string, name: string) => KubeObject | undefined): void {
    if (kind !== 'Deployment' || type !== 'Applied' || old === undefined || old.metadata.generation === object.metadata.generation) return
    if (isDeepStrictEqual(old.spec?.template, object.spec?.template)) return
    const { namespace = '', name, generation = 0 } = object.metadata
    for (const { key } of wakes) {
      const { workloadRef, backends } = (rolloutOf(namespace, key.slice(namespace.length + 1))?.spec ?? {}) as Partial<RolloutSpec>
      const followed = workloadRef?.name ?? backends?.canary?.workloadRef?.name
      if (followed === name && key.startsWith(`${namespace}/`) && !this.#templates.has(key)) this.#templates.set(key, { generation, at: this.#clock.monotonic() })
    }
  }
  /** A Rollout is no more. */
  gone(namespace: string, name: string): void {
    const key = `${namespace}/${name}`
    this.#begun.delete(key)
    this.#forget(key)
    this.#meters.forget(namespace, name)
  }
  leads(to: 'Leading' | 'Standby'): void {
    this.#meters.count('sluice_lease_changes_total', { to })
    if (to === 'Standby') for (const key of [...this.#templates.keys(), ...this.#deciding.keys(), ...this.#failing]) this.#forget(key)
  }

  #forget(key: string): void {
    this.#templates.delete(key)
    this.#deciding.delete(key)
    this.#failing.delete(key)
  }
  #observed(key: string, observed: Observed, fetcher: Pick<Fetcher, 'readings'>): Observed {
    let open = 0
    return {
      ...observed,
      decide: now => {
        const decision = observed.decide(now)
        open = decision.lower.filter(takesAway).length
        if (open === 0) this.#failing[kept(observed.seen, decision) ? 'add' : 'delete'](key)
        this.#decided(key, observed.seen, decision, fetcher)
        return decision
      },
      act: async action => {
        const result = await observed.act(action)
        this.#meters.count('sluice_actions_total', { action: action.type, result: result.ok ? 'Done' : stale(result) ? 'Stale' : 'Failed' })
        if (takesAway(action)) this.#lowered(key, result, result.ok ? --open : open)
        return result
      },
    }
  }
  #decided(key: string, { status }: Seen, { commit }: Decision, fetcher: Pick<Fetcher, 'readings'>): void {
    const closing = commit?.journey?.closing
    if (closing?.check === undefined || closing.at === status?.journey?.closing?.at) return
    const answered = fetcher.readings(key).filter(({ question }) => question.check === closing.check).map(({ answeredAt }) => answeredAt)
    if (answered.length > 0) this.#deciding.set(key, Math.max(...answered))
  }
  #lowered(key: string, result: Done, open: number): void {
    if (!result.ok && !stale(result)) this.#failing.add(key)
    if (open > 0) return
    this.#failing.delete(key)
    const since = this.#deciding.get(key)
    this.#deciding.delete(key)
    if (since !== undefined) this.#meters.observe('sluice_lowering_reaction_seconds', {}, (this.#clock.now() - since) / 1000)
  }
}

/** The canary is to have nothing, and has something: with nothing to lower in this pass, there is no pod to lower onto. */
function kept(seen: Seen, { commit }: Decision): boolean {
  const status = commit ?? seen.status
  return status?.phase === 'Closing' && status.canary !== undefined && shareOf(seen, status.canary.revision) > 0
}
function takesAway(action: Action): boolean {
  return action.type === 'Lower'
}
function resultOf(answer: Answer): string {
  if (answer.state === 'Error' || answer.state === 'Empty') return answer.state
  if (answer.state === 'Value') return 'Counts'
  return answer.canary.slow.total > 0 ? 'Counts' : 'Empty'
}
