/** What a pass needs from its surroundings, made of caches, the API server, the fetcher and the teller. */
import type { KubeApi } from '../kube/api.ts'
import { dropOwnership } from '../kube/ownership.ts'
import { ask } from '../rollout/ask.ts'
import { decide, decideGone } from '../rollout/decide.ts'
import type { Settings } from '../rollout/decision.ts'
import { calls, type HookAnswer, type HookCall } from '../rollout/hooks/call.ts'
import { quietCheck } from '../rollout/procedure.ts'
import { keptServing } from '../rollout/removal.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { Seen } from '../rollout/seen.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { act, type ActContext } from './act.ts'
import type { Caches } from './caches.ts'
import { commit } from './commit.ts'
import type { Fetcher } from './fetch.ts'
import { observeGone } from './gone.ts'
import { observe, type Observation } from './observe.ts'
import type { Sightings } from './observe/sightings.ts'
import { type Contents, isUnread } from './observe/tracked.ts'
import type { Notifying } from './notifying.ts'
import type { Originals } from './originals.ts'
import type { Asked, Observed, Surroundings } from './reconcile.ts'
import type { About, Teller } from './tell.ts'

export interface SurroundingsOptions {
  readonly api: KubeApi
  readonly clock: Clock
  readonly log: Log
  /** As they are now: they may change between two passes, and never in one. */
  readonly settings: () => Settings
  readonly caches: Caches
  readonly fetcher: Fetcher
  readonly hooks: Fetcher<HookCall, HookAnswer>
  readonly teller: Teller
  readonly notifying: Notifying
  readonly originals: Originals
  readonly mayRaise: () => boolean
  /** API server's clock minus ours, ms. */
  readonly clockOffsetMs: () => number
  /** Since when watched values are what they are, by key of the rollout. */
  readonly sightings: Map<string, Sightings>
  /** Whether this Rollout has been absent for long enough that what it left is put back. */
  readonly isGone: (key: string) => boolean
  /** The caches are complete and hold no such Rollout; nothing of it is left, or it may come back. */
  readonly forget: (key: string) => void
}
type SeenNow = Extract<Observation, { state: 'Seen' }>

/** The surroundings of every pass of this process. */
export function surroundings(options: SurroundingsOptions): Surroundings {
  const { api, clock, caches, fetcher, hooks, teller, notifying, originals } = options
  const kept = new Map<string, string>()
  /** Said once by this process, since there is no status left that could say it. */
  const sayKept = (key: string, { seen, plan }: SeenNow, now: number): void => {
    const message = keptServing(seen, plan, now)
    if (message !== undefined && kept.get(key) !== message) teller.alert(about(seen), { type: 'RevisionKept', message })
    if (message === undefined) kept.delete(key)
    else kept.set(key, message)
  }
  return {
    identity: options.settings().identity,
    now: () => clock.now(),
    mayRaise: options.mayRaise,
    commit: (seen, next) => commit(api, seen, next),
    remember: object => caches.apply('Rollout', object),
    ask(key, asked) {
      fetcher.update(key, asked?.questions ?? [])
      hooks.update(key, asked?.calls ?? [])
    },
    tell(seen, status, fresh) {
      teller.tell(about(seen), status, fresh)
      notifying.tell(about(seen), caches.get('Rollout', seen.rollout.namespace, seen.rollout.name), status?.outbox ?? [])
    },
    alert: (seen, what) => teller.alert(about(seen), what),
    observe(key, now) {
      const memory: Sightings = options.sightings.get(key) ?? new Map()
      options.sightings.set(key, memory)
      const rollout = caches.get('Rollout', ...split(key))
      const told = rollout === undefined ? {} : { delivered: notifying.settled(rollout, teller.delivered(rollout.metadata.uid ?? '')), remarks: notifying.remarks(rollout) }
      const contents: Contents = (namespace, object) => originals.content(namespace, object)
      const known = { readings: fetcher.readings(key), hookAnswers: hooks.readings(key), ...told, contents, clockOffsetMs: options.clockOffsetMs() }
      const settings = options.settings()
      const look = () => observe(caches, key, settings, memory, now, known)
      let observation = look()
      const fresh = observation.state === 'Seen' ? newVersion(observation) : undefined
      if (fresh !== undefined && originals.freshen(key, fresh)) observation = look()
      if (observation.state === 'Syncing') return undefined
      const left = observation.state === 'Gone' && options.isGone(key) ? observeGone(caches, key, settings, memory, now, contents) : observation
      if (left.state === 'Seen') {
        const { tracked } = left.raw.scope
        originals.update(key, tracked)
        // As caches that are not complete: where no status remembers what was wanted, the first read, which takes seconds at most, is waited for.
        if (left.seen.status === undefined && isUnread(tracked)) return undefined
        if (observation.state === 'Gone') sayKept(key, left, now)
        return observed(left, options, settings, observation.state === 'Gone' ? 'Gone' : 'Here')
      }
      kept.delete(key)
      options.forget(key)
      return undefined
    },
  }
}

/** The name of what is wanted, where it does not exist and is news. */
function newVersion({ seen: { workload, revisions, status } }: SeenNow): string | undefined {
  if (workload.state !== 'Present') return undefined
  const known = [...revisions.map(({ name }) => name), status?.canary?.revision, ...(status?.failed ?? []).map(({ revision }) => revision)]
  return known.includes(workload.templateRevision) ? undefined : workload.templateRevision
}

function observed(observation: SeenNow, options: SurroundingsOptions, settings: Settings, rollout: 'Here' | 'Gone'): Observed | undefined {
  const { seen, raw, plan, problems } = observation
  const { api, caches, clock } = options
  const resource = caches.resource('Rollout')
  if (resource === undefined) return undefined
  const { namespace, name, uid } = seen.rollout
  return {
    seen,
    committing: { resource, namespace, name, uid, sequence: seen.status?.sequence },
    decide: now => (rollout === 'Gone' ? decideGone(seen, plan, settings, now) : decide(seen, plan, settings, now, problems)),
    ask: (status, now) => (rollout === 'Gone' ? { questions: [], calls: [] } : asked({ ...seen, status }, observation, settings, now)),
    async act(action) {
      const result = await act(api, raw, action, context(options, clock.now()))
      if (!result.ok && result.reason === 'Conflict' && action.type === 'CreateRevision') options.originals.reread(`${namespace}/${name}`)
      if (result.ok && result.afterwards !== undefined) void afterwards(result.afterwards, options, action.type)
      return result
    },
  }
}

function asked(seen: Seen, { plan }: SeenNow, settings: Settings, now: number): Asked {
  const questions = ask(seen, plan, settings, now)
  // The next slot of each question begins one interval after the present one.
  const interval = (check: string) => (check === quietCheck ? plan.scrapeIntervalMs : plan.intervalMs)
  const slots = questions.map(({ at, check }) => (at > now ? at : at + interval(check)))
  return { questions, calls: calls(seen, plan, now), ...(slots.length === 0 ? {} : { changesAt: Math.max(now + 1, Math.min(...slots)) }) }
}

/** Where writes leave their answers. */
export function context(options: Pick<SurroundingsOptions, 'api' | 'caches' | 'log'>, now: number): ActContext {
  return {
    now,
    applied: (kind, object) => options.caches.apply(kind, kind === 'Rollout' ? withNewestStatus(options.caches, object) : object),
    // A cache hears of deletions from its watch alone.
    removed: () => {},
    async disown(resource, object) {
      const dropped = await dropOwnership(options.api, resource, object)
      if (dropped.ok) return
      const fields = { object: `${resource.kind}/${object.metadata.namespace}/${object.metadata.name}`, reason: dropped.reason }
      options.log.warn(fields, `our ownership of fields could not be given back; a server-side apply of its owner may conflict: ${dropped.message}`)
    },
  }
}
/** What a write through /scale brings was put together from what the pass saw; its commit has come in between. */
function withNewestStatus(caches: Caches, object: KubeObject): KubeObject {
  const cached = caches.get('Rollout', object.metadata.namespace ?? '', object.metadata.name)
  if (cached === undefined || cached.metadata.uid !== object.metadata.uid) return object
  return (cached.status?.sequence ?? 0) > (object.status?.sequence ?? 0) ? { ...object, status: cached.status } : object
}
/** Off the lowering path: nobody waits for it. */
async function afterwards(work: () => Promise<void>, { log }: SurroundingsOptions, action: string): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error({ err: error, action }, 'what was left to do after a write threw')
  }
}

function about({ rollout }: Seen): About {
  return { namespace: rollout.namespace, name: rollout.name, uid: rollout.uid }
}
/** `<namespace>/<name>` in two. */
export function split(key: string): [string, string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}
