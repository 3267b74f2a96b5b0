/** What the condition `NotificationsFailing` says of the channels of a Rollout. Pure. */
import type { Seen } from '../rollout/seen.ts'
import { hookOf, isHook } from './hook-name.ts'
import type { Trouble } from './secrets.ts'

export type Remark = Seen['remarks'][number]
/** Of a condition what is needed to keep it over a restart. */
export interface Standing {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}
/** One channel of a Rollout. */
interface Failing {
  readonly channel: string
  /** What goes wrong now, and since when in Unix ms. */
  readonly trouble: { readonly what: Trouble; readonly since: number } | undefined
  /** The last note that was given up, in words. */
  readonly lost: string | undefined
}
const conditionType = 'NotificationsFailing'
/** A receiver that is away for less than this, in ms, is nobody's business. */
const quietFor = 10 * 60_000

/** What must be changed is said at once; what may pass by itself, when it does not; what was lost, until something is delivered again. */
export function remarkOf({ channel, trouble, lost }: Failing, now: number): Remark[] {
  const late = trouble !== undefined && (trouble.what.state === 'Failed' || now - trouble.since >= quietFor)
  if (!late && lost === undefined) return []
  const since = late ? `${trouble.what.message}; tried again, each message for a day` : undefined
  const message = `${isHook(channel) ? `hook ${hookOf(channel).name}` : `channel ${channel}`}: ${[lost, since].filter(part => part !== undefined).join('; ')}`
  return [{ type: conditionType, reason: lost === undefined ? trouble!.what.reason : 'GaveUp', message }]
}
/** The condition as an earlier process has left it. */
export function standing(conditions: readonly Standing[]): Remark | undefined {
  const found = conditions.find(({ type, status }) => type === conditionType && status === 'True')
  return found && { type: conditionType, reason: found.reason, message: found.message }
}
/** Remarks as one text, to compare them. */
export function shown(remarks: readonly Remark[]): string {
  return JSON.stringify(remarks)
}
