/** Taking a running workload over without a failed request: procedures.md "Adoption". */
import { closedBy, enter, type Pass, present, revisionNamed, shareOf, target, wantedCount } from './pass.ts'
import { beginJourney } from './begin.ts'
import { kept } from './upkeep.ts'
import { describe } from './describe.ts'
import { done, endpoints, inOrder, leads, propagated, ready, run, split, together, waitFor, when, type Step } from './procedure.ts'
import type { Blocker } from './seen.ts'
import { sourceUnknownReason } from './sources.ts'

/** A route that does not name the doors yet is part of the adoption, not a reason to refuse it; nor is a metric source that nobody knows or a query that cannot be asked, since nobody is exposed. */
export function adoptionBlockers(pass: Pass): readonly Blocker[] {
  return pass.seen.blockers.filter(({ reason }) => reason !== 'RouteLacksDoors' && reason !== sourceUnknownReason && !reason.startsWith('Template'))
}

/** What to say, and do, where `spec` names a Deployment that is not there. */
export const workloadMissing = (workload: string): string => `Deployment ${workload} does not exist: apply it, or delete the Rollout`

/** Blocked: nothing is touched until what stands in the way is gone. */
export function blocked(pass: Pass): void {
  const [blocker] = adoptionBlockers(pass)
  if (pass.problems.length > 0) return
  if (blocker) {
    pass.awaiting = blocker.message
    return
  }
  const revision = target(pass.seen)
  if (revision === undefined) {
    pass.awaiting = pass.plan.workload ? workloadMissing(pass.plan.workload) : 'the backends do not exist: apply them, or correct spec.backends'
    return
  }
  if (pass.seen.backends) return adoptBackends(pass)
  if (!pass.next.stable) pass.next.stable = describe(pass, revision)
  if (doorsBeforeRoutes(pass)) enter(pass, 'Adopting', `the template is ${revision}; nothing of ours stands yet, so it is stable`)
}

/** With the user's own route the doors come first, selecting the user's pods as they are, so that the route can name them. */
function doorsBeforeRoutes(pass: Pass): boolean {
  if (pass.seen.routes.every((route) => route.managed)) return true
  const absent = (door: 'stable' | 'canary'): Step => when(pass.seen.doors[door].state === 'Absent', leads(door, 'Workload'))
  const doors = run(pass, together(absent('stable'), absent('canary')))
  // What a person has to commit is said at once, not after the doors, which take a moment and nobody.
  const lacking = pass.seen.routes.find((route) => !present(route))
  if (lacking) pass.awaiting = lacking.message ?? `${lacking.key} is missing`
  return doors && lacking === undefined
}

export function adopting(pass: Pass): void {
  const wanted = target(pass.seen)
  const nothing = pass.seen.revisions.every((revision) => revision.pending) && (['stable', 'canary'] as const).every((door) => [undefined, 'Workload'].includes(pass.seen.doors[door].leadsTo))
  // The template moved on before anything of ours stood: it is what runs, so it is what is adopted.
  if (nothing && wanted !== undefined && wanted !== pass.next.stable?.revision) pass.next.stable = describe(pass, wanted)
  const stable = pass.next.stable!.revision
  const count = wantedCount(pass)
  const lead = together(leads('stable', stable), leads('canary', stable), leads('own', stable))
  const see = together(endpoints('stable', count), endpoints('canary', count), endpoints('own', count))
  const procedure = inOrder(countWritten, ready(stable, count), lead, kept('Policy'), see, split(0), propagated, templateAtZero)
  const [blocker] = adoptionBlockers(pass)
  if (blocker) {
    pass.awaiting = blocker.message
    return
  }
  if (run(pass, procedure)) enter(pass, 'Idle', `${stable} serves through our doors; the template is at zero`)
}

/** The template's count becomes spec.replicas once, while nothing of ours exists; later an absent count is stable's own. */
export const countWritten: Step = (pass) => {
  if (pass.plan.replicas !== undefined || pass.seen.backends) return done
  const stable = revisionNamed(pass.seen, pass.next.stable?.revision)
  const template = pass.seen.workload.state === 'Present' ? pass.seen.workload.replicas : undefined
  const replicas = stable ? stable.replicas : pass.seen.revisions.length === 0 ? template : undefined
  if (replicas === undefined) return done
  return waitFor('spec.replicas of the Rollout to be written', { type: 'WriteReplicas', replicas })
}
const templateAtZero: Step = (pass) =>
  pass.seen.workload.state === 'Present' && pass.seen.workload.replicas > 0 ? waitFor('the template to be at zero', { type: 'ScaleWorkload', replicas: 0 }) : done

/** Two backends: nothing to take over but the weights. A canary that already carries traffic is in the middle of a journey. */
function adoptBackends(pass: Pass): void {
  const backends = pass.seen.backends!
  if (!run(pass, together(kept('Policy'), existing))) return
  const weight = shareOf(pass.seen, backends.canary)
  const canary = { ...describe(pass, backends.canary), backend: backends.canaryBackend }
  const stable = { ...describe(pass, backends.stable), backend: backends.stableBackend }
  pass.next.stable = stable
  pass.next.canary = canary
  // Closed before the status was lost: what it carries now is taken from it again.
  if (closedBy(pass, backends.canary)) return enter(pass, 'RolledBack', `a route names ${backends.canary} as closed`)
  // Also at 100: carrying everything proves nothing, so it is the hold of the last step.
  if (weight > 0) return beginJourney(pass, backends.canary, weight)
  enter(pass, 'Idle', `${backends.stable} carries everything`)
}
const existing: Step = (pass) => {
  const missing = pass.seen.routes.find((route) => !present(route))
  if (!missing) return done
  return missing.managed && missing.state === 'Missing' ? waitFor(`${missing.key} to be written`, { type: 'CreateRoute', route: missing.key, canaryDoor: 0 }) : waitFor(missing.message ?? missing.key)
}
