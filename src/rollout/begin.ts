import { keptWithJourney } from './defaults.ts'
import { iso } from './duration.ts'
import type { Plan } from './plan.ts'
import type { JourneyStatus } from './schema.ts'
import { enter, type Pass, revisionNamed, wantedCount } from './pass.ts'

/** Commits the start: from weight 0, or from what the canary carries already. */
export function beginJourney(pass: Pass, revision: string, weight: number): void {
  const { next, now, plan } = pass
  const index = Math.max(0, plan.steps.findIndex((step) => step.weight >= weight - 0.05))
  const step = plan.steps[index]!
  next.journey = {
    id: `${revision}-${next.sequence}`,
    since: next.sequence,
    startedAt: iso(now),
    direction: 'Out',
    baseReplicas: wantedCount({ ...pass, next: { ...next, journey: undefined } }),
    inputsHash: plan.inputsHash,
    ...defaultsKept(pass),
    step: stepAt(plan, index, now),
    weight: weight > 0 ? { wanted: weight, seen: weight, seenAt: iso(now) } : { wanted: step.weight },
    ...(weight > 0 ? { readyAtRaise: revisionNamed(pass.seen, revision)?.ready ?? 0 } : {}),
    requests: { served: 0, lost: 0 },
  }
  next.checks = []
  enter(pass, weight > 0 ? 'Holding' : 'Scaling', weight > 0 ? `${revision} already carries ${weight}%` : `${next.stable?.revision} → ${revision}`)
}

/** The defaults that the journey is judged by from now on. */
export function defaultsKept(pass: Pass): Pick<JourneyStatus, 'defaults'> {
  const kept = keptWithJourney(pass.settings.defaults)
  return kept === undefined ? {} : { defaults: kept }
}

/** A step as the status tells it. */
export function stepAt(plan: Plan, index: number, now: number): JourneyStatus['step'] {
  const name = plan.steps[index]?.name
  return { index, ...(name ? { name } : {}), of: `${index + 1}/${plan.steps.length}`, since: iso(now) }
}
