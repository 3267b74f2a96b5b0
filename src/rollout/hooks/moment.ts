/** What exactly a hook is asked about, as a word in the status: an answer to one moment says nothing about another. */
import type { Plan } from '../plan.ts'
import type { HookStatus, RolloutStatus } from '../schema.ts'
import { pointOf, type When } from './index.ts'
import type { Move } from './point.ts'

export function momentOf({ to, step }: Move, revision: string | undefined): string {
  if (to === 'Start') return `start/${revision}`
  return to === 'Step' ? `raise/${step}` : 'promotion'
}
/** The step under way as its split was seen: reached anew, it is another moment. */
export function momentOfStep({ step, weight }: NonNullable<RolloutStatus['journey']>): string {
  return `step/${step.index}/${weight.seenAt}`
}
/** Index of the step that a moment is about. */
export function stepOf(moment: string): number | undefined {
  const [kind, index] = moment.split('/')
  if (kind === 'start') return 0
  return kind === 'promotion' ? undefined : Number(index)
}

/** Nothing more is asked: it has agreed, or a test has failed, which asking again would not mend. */
export function isSettled({ state, when }: Pick<HookStatus, 'state' | 'when'>): boolean {
  return state === 'Agreed' || (state === 'Refused' && pointOf(when as When)?.kind === 'Evidence')
}

/** Whether this call still is about something that may come, or is: else it is forgotten, and a later one begins anew. */
export function isCurrent(moment: string, { phase, journey, canary }: RolloutStatus, plan: Plan): boolean {
  if (phase === 'Waiting') return moment === `start/${canary?.revision}`
  if (journey === undefined || journey.ended || journey.closing) return false
  const { step: { index }, weight } = journey
  if (phase === 'Scaling' || phase === 'Shifting') return moment === `raise/${index}`
  if (phase !== 'Holding' && phase !== 'AwaitingApproval') return false
  // A step that was edited to a higher weight is entered once more before the next one.
  const following = weight.wanted < (plan.steps[index]?.weight ?? 0) - 0.05 ? index : index + 1
  return moment === momentOfStep(journey) || moment === 'promotion' || moment === `raise/${following}`
}
