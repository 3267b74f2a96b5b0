/** Every point at which a hook can be called, in the order of a journey. */
import { afterOutcome } from './after-outcome.ts'
import { beforePromotion } from './before-promotion.ts'
import { beforeRaise } from './before-raise.ts'
import { beforeStart } from './before-start.ts'
import { duringStep } from './during-step.ts'
import type { HookPoint } from './point.ts'

export const hookPoints = [beforeStart, beforeRaise, duringStep, beforePromotion, afterOutcome] as const
export type When = (typeof hookPoints)[number]['when']
/** Their names, for the schema. */
export const whens = hookPoints.map(({ when }) => when) as [When, ...When[]]

export function pointOf(when: When): HookPoint {
  return hookPoints.find((point) => point.when === when)!
}
