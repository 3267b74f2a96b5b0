/** One pass over one rollout: observe → decide → lower → commit → raise → tell → wake at. It waits for no network but that of its own writes. */
import type { Question } from '../analysis/reading.ts'
import type { Failure } from '../kube/api.ts'
import type { Action } from '../rollout/actions.ts'
import type { Decision } from '../rollout/decision.ts'
import { iso } from '../rollout/duration.ts'
import type { HookCall } from '../rollout/hooks/call.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { Note, RolloutStatus } from '../rollout/schema.ts'
import type { Seen } from '../rollout/seen.ts'
import { fitted, refusedStatus, type Committing, type CommitOutcome } from './commit.ts'
import type { Lane, Next } from './queue.ts'

/** What one pass has in its hands; made by `observe`, used up by the end of the pass. */
export interface Observed {
  readonly seen: Seen
  decide(now: number): Decision
  /** What to ask the metric source and hooks from now on; `status` is the one that was just committed, or the one that was seen. */
  ask(status: RolloutStatus | undefined, now: number): Asked
  /** One write with the preconditions of what this pass saw. */
  act(action: Action): Promise<Done>
  /** Of the Rollout that was seen: what a compare-and-set must test. */
  readonly committing: Committing
}
/** Of what a write brought, a pass only reads whether it failed. */
export type Done = { readonly ok: true } | Failure
export interface Asked {
  readonly questions: readonly Question[]
  /** Of hooks; each answer wakes, so nothing here has to. */
  readonly calls: readonly HookCall[]
  /** Unix ms at which `ask` would name a later question. */
  readonly changesAt?: number
}
/** What a pass needs from its surroundings. */
export interface Surroundings {
  /** From caches alone; undefined where there is no such rollout, or caches are not complete. */
  observe(key: string, now: number): Observed | undefined
  readonly now: () => number
  /** Written to status.writer. */
  readonly identity: string
  /** The fence: asked synchronously before each raise. */
  readonly mayRaise: () => boolean
  readonly commit: (seen: Committing, next: RolloutStatus) => Promise<CommitOutcome>
  /** Puts a Rollout as the server answered it into the cache, so that the next pass sees its own write. */
  readonly remember: (object: KubeObject) => void
  /** From now on this is asked; undefined: nothing. */
  readonly ask: (key: string, asked: Asked | undefined) => void
  readonly tell: (seen: Seen, status: RolloutStatus | undefined, fresh: readonly Note[]) => void
  /** Something that people must hear although no status could say it. */
  readonly alert: (seen: Seen, what: Alert) => void
}
export type Alert =
  | { readonly type: 'LoweringFailed'; readonly route: string; readonly failure: Failure }
  | { readonly type: 'StatusRefused'; readonly message: string }
  | { readonly type: 'StatusUnwritable'; readonly failure: Failure }
  | { readonly type: 'RevisionKept'; readonly message: string }
  | { readonly type: 'WriteFailed'; readonly action: Action; readonly failure: Failure }

/** One pass. Resolves to when and where to look again; rejects only for a bug of ours. */
export async function reconcile(key: string, lane: Lane, around: Surroundings): Promise<Next> {
  const observed = around.observe(key, around.now())
  if (observed === undefined) {
    around.ask(key, undefined)
    return {}
  }
  const { seen } = observed
  const decision = observed.decide(around.now())
  const lowered = await lower(observed, decision, around)
  const committed = await commitStatus(observed, decision, around)
  const won = committed === undefined || committed.outcome === 'Won'
  const raised = won && lowered.every(one => one.ok) ? await raise(observed, decision, around) : undefined
  const status = committed?.outcome === 'Won' ? (committed.object.status as RolloutStatus) : seen.status
  if (won) around.tell(seen, status, committed === undefined ? [] : decision.notes)
  const asked = observed.ask(status, around.now())
  around.ask(key, asked)
  return next(lane, earliest(decision.wakeAt, asked.changesAt), lowered, committed, raised)
}

/**
 * Only what a pass does first: takes traffic away where this is due, and writes nothing down. For a key whose pass cannot begin yet. Beside a pass that
 * is under way it is harmless, since every write tests what it saw; the next pass sees what was done, and says why.
 */
export async function hurry(key: string, around: Surroundings): Promise<void> {
  const observed = around.observe(key, around.now())
  if (observed === undefined) return
  const decision = observed.decide(around.now())
  await lower(observed, { ...decision, lower: decision.lower.filter(({ type }) => type === 'Lower' || type === 'SetSplit') }, around)
}

/** Takes traffic away, before anything is written down and with nobody's permission: everything at once, and all of it is tried. */
async function lower(observed: Observed, decision: Decision, around: Surroundings): Promise<readonly Done[]> {
  const outcomes = await Promise.all(decision.lower.map(async action => ({ action, result: await observed.act(action) })))
  for (const { action, result } of outcomes) {
    if (result.ok || stale(result)) continue
    around.alert(observed.seen, { type: 'LoweringFailed', route: 'route' in action ? action.route : action.type, failure: result })
  }
  return outcomes.map(({ result }) => result)
}

async function commitStatus(observed: Observed, decision: Decision, around: Surroundings): Promise<CommitOutcome | undefined> {
  if (decision.commit === undefined) return undefined
  const outcome = await around.commit(observed.committing, fitted(decision.commit))
  if (outcome.outcome !== 'Failed' && outcome.outcome !== 'Refused' && outcome.object !== undefined) around.remember(outcome.object)
  if (outcome.outcome === 'Failed') around.alert(observed.seen, { type: 'StatusUnwritable', failure: outcome.failure })
  if (outcome.outcome === 'Refused') await sayRefused(observed, decision.commit.sequence, outcome.message, around)
  return outcome
}
/** The server takes no such status, but it took the one that is there: that one is written with the reason, once. */
async function sayRefused({ seen, committing }: Observed, sequence: number, message: string, around: Surroundings): Promise<void> {
  around.alert(seen, { type: 'StatusRefused', message })
  const known = seen.status?.conditions.find(one => one.type === 'Stalled' && one.reason === 'StatusRefused')
  if (seen.status === undefined || known?.message.includes(message.slice(0, 500))) return
  const outcome = await around.commit(committing, refusedStatus(seen.status, message, sequence, around.identity, iso(around.now())))
  if (outcome.outcome === 'Won') around.remember(outcome.object)
}

/** Everything else, in order; the first failure or a lease that may have run out stops the rest. */
async function raise(observed: Observed, decision: Decision, around: Surroundings): Promise<Failure | 'Fenced' | undefined> {
  for (const action of decision.raise) {
    if (!around.mayRaise()) return 'Fenced'
    const result = await observed.act(action)
    if (result.ok) continue
    if (!stale(result)) around.alert(observed.seen, { type: 'WriteFailed', action, failure: result })
    return result
  }
  return undefined
}

/** The pass saw something that is no longer so: nothing is wrong, looking again helps. */
export function stale(failure: Failure): boolean {
  return failure.reason === 'TestFailed' || failure.reason === 'Conflict' || failure.reason === 'NotFound' || failure.reason === 'AlreadyExists'
}

function next(
  lane: Lane, wakeAt: number | undefined, lowered: readonly Done[], committed: CommitOutcome | undefined, raised: Failure | 'Fenced' | undefined,
): Next {
  const unlowered = lowered.filter(one => !one.ok)
  if (unlowered.length > 0) return again(unlowered, 'Closing')
  if (committed?.outcome === 'Lost') return { again: true, lane }
  if (committed?.outcome === 'Refused') return { failed: true, lane: 'Rest' }
  if (committed?.outcome === 'Failed') return again([committed.failure], lane)
  if (raised === 'Fenced') return { failed: true, lane: 'Rest' }
  if (raised !== undefined) return again([raised], lane)
  return { wakeAt, more: committed !== undefined, lane }
}
function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}
function again(failures: readonly Failure[], lane: Lane): Next {
  const retryAfterMs = Math.max(0, ...failures.map(one => one.retryAfterMs ?? 0))
  return failures.every(stale) ? { again: true, lane } : { failed: true, lane, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) }
}
