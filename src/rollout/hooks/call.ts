/** Which calls are due, and what was answered: hooks are asked as metric sources are, outside of every pass. Pure. */
import { spread } from '../../analysis/spread.ts'
import { ms } from '../duration.ts'
import { imageVersions } from '../images.ts'
import type { Plan, PlannedHook } from '../plan.ts'
import type { HookStatus, RolloutStatus } from '../schema.ts'
import type { Seen } from '../seen.ts'
import { isSettled, stepOf } from './moment.ts'

/** What a hook is told about the release. */
export interface HookFacts {
  readonly hook: string
  readonly when: string
  readonly namespace: string
  readonly rollout: string
  readonly uid: string
  readonly phase: string
  /** When it was asked for the first time, RFC 3339. */
  readonly since: string
  readonly journey?: string
  readonly revision?: string
  readonly version?: string
  readonly from?: string
  readonly fromVersion?: string
  readonly commit?: string
  /** The step that it is asked about: the one that would be entered, or the one under way. */
  readonly step?: { readonly index: number; readonly name?: string; readonly of: string }
  /** Percent that the revision has now, and that it would have. */
  readonly weight: number
  readonly nextWeight?: number
  readonly requests?: { readonly served: number; readonly lost: number }
  readonly metadata: Readonly<Record<string, string>>
}
/** One try of one call. */
export interface HookCall {
  /** The same through all tries. */
  readonly id: string
  /** From 1. */
  readonly attempt: number
  /** Unix ms at which it is due. */
  readonly at: number
  readonly hook: PlannedHook
  readonly facts: HookFacts
}
export interface HookAnswer {
  /** Later: it decides, but not yet. Error: nobody has answered who decides. */
  readonly state: 'Agreed' | 'Refused' | 'Later' | 'Error'
  /** For people, one line without secrets: what it said, or what went wrong. */
  readonly message: string
  /** It is not asked again for so long, ms. */
  readonly retryAfterMs?: number
}
export interface HookReading {
  readonly question: HookCall
  readonly answer: HookAnswer
  /** Unix ms. */
  readonly answeredAt: number
}

/** The calls that this status waits for, each with the time at which its next try is due. */
export function calls(seen: Seen, plan: Plan, now: number): readonly HookCall[] {
  const { status } = seen
  return (status?.hooks ?? []).flatMap((entry): HookCall[] => {
    const hook = plan.hooks.find(({ name }) => name === entry.name)
    if (hook === undefined || isSettled(entry)) return []
    const last = lastAnswer(seen, entry.id)
    const attempt = (last?.question.attempt ?? 0) + 1
    const at = last === undefined ? Math.min(ms(entry.since), now) : last.answeredAt + pause(entry.id, last)
    return [{ id: entry.id, attempt, at, hook, facts: factsOf(seen, plan, status!, entry, hook) }]
  })
}
export const lastAnswer = (seen: Seen, id: string): HookReading | undefined => seen.hookAnswers?.findLast(({ question }) => question.id === id)

const longestPause = 60_000
/** Growing pauses up to a minute, up to a quarter shorter by the hash of the call, so that a thousand do not come back in the same second. */
function pause(id: string, { question, answer }: HookReading): number {
  const first = answer.state === 'Error' ? 1000 : 5000
  const backoff = Math.min(longestPause, first * 2 ** Math.min(question.attempt - 1, 10))
  return Math.max(backoff - spread(`${id}/${question.attempt}`, backoff / 4), answer.retryAfterMs ?? 0)
}

function factsOf(seen: Seen, plan: Plan, status: RolloutStatus, entry: HookStatus, hook: PlannedHook): HookFacts {
  const { namespace, name, uid } = seen.rollout
  const { journey, canary, stable } = status
  const underway = journey && !journey.ended ? journey : undefined
  const index = stepOf(entry.moment)
  const step = index === undefined ? undefined : plan.steps[index]
  const weight = underway?.weight.seen ?? 0
  return {
    hook: entry.name, when: entry.when, namespace, rollout: name, uid, phase: status.phase, since: entry.since,
    ...(underway && { journey: underway.id }),
    ...(canary && { revision: canary.revision }),
    ...imageVersions(stable, canary),
    ...(stable && { from: stable.revision }),
    ...(canary?.commit && { commit: canary.commit }),
    ...(step && { step: { index: step.index, ...(step.name !== undefined && { name: step.name }), of: `${step.index + 1}/${plan.steps.length}` } }),
    weight,
    ...(step && step.weight > weight && { nextWeight: step.weight }),
    ...(underway && underway.requests.served > 0 && { requests: underway.requests }),
    metadata: hook.metadata,
  }
}
