/** The Rollout goes: procedures.md "Removal". While a finalizer holds it, only the traffic is taken back; the rest happens by level once it is gone. */
import { carriesNothing, done, endpoints, inOrder, leads, propagated, run, scaled, type Step, together, waitFor, when } from './procedure.ts'
import { lowered, toProven } from './closing.ts'
import { enter, type Pass, shareOf, wake, wantedCount } from './pass.ts'
import { iso, ms } from './duration.ts'
import type { Plan } from './plan.ts'
import { rebuilt } from './rebuild.ts'
import type { Seen } from './seen.ts'

const finalizerDeadlineMs = 10 * 60_000

/** With the finalizer: weight 0, propagated, then it is dropped; at once where the namespace or the workload goes too. */
export function removing(pass: Pass): void {
  const { next, seen } = pass
  if (next.phase !== 'Removing') {
    if (next.journey && !next.journey.ended) next.journey.ended = { outcome: 'RolledBack', reason: 'Deleted', at: iso(pass.now) }
    enter(pass, 'Removing', 'the Rollout was deleted')
  }
  const since = ms(next.decisions.findLast((entry) => entry.decision === 'Removing')?.at)
  // The app is gone with its Deployment; of two backends the other may well be there.
  const appGone = seen.workload.state === 'Missing' && !seen.backends
  const noUse = seen.rollout.namespaceTerminating || appGone || pass.now >= since + finalizerDeadlineMs
  wake(pass, since + finalizerDeadlineMs)
  const away = noUse || run(pass, inOrder(() => (run(pass, toProven, pass.lower) ? done : waitFor(pass.awaiting)), propagated))
  if (away && seen.rollout.hasFinalizer) pass.raise.push({ type: 'SetFinalizer', present: false })
}

/** Without a Rollout: puts everything back so that the service serves without Sluice. Level-based; every pass does what is left. Done: nothing is ours any more. */
export const restored: Step = (pass) => {
  const stable = pass.next.stable?.revision
  const { workload } = pass.seen
  if (pass.plan.deletionPolicy === 'Orphan' || workload.state !== 'Present' || pass.seen.backends) return onlyRoute(pass)
  const userRoutes = pass.seen.routes.some((route) => !route.managed)
  // Doors that a user's route names stay for good, and lead to the user's pods.
  const doorsAway = userRoutes ? when(workload.ready > 0, together(leads('stable', 'Workload'), leads('canary', 'Workload'))) : doorsGone
  if (stable === undefined) return inOrder(routesGone, when(isRoute(pass) && workload.ready > 0, leads('own', 'Workload')), doorsAway, when(workload.ready > 0, revisionsGone))(pass)
  const count = wantedCount(pass)
  const others = pass.seen.revisions.filter((revision) => revision.name !== stable)
  const drained: Step = inOrder(when(carriesNothing(pass, 'canary') && pass.seen.doors.canary.leadsTo !== 'Workload', leads('canary', stable)), ...others.map((revision) => scaled(revision.name, 0)))
  // Once the stable door is gone or leads to the user's pods, turning it back would begin everything anew.
  const { own } = pass.seen.doors
  const handedOver = isRoute(pass) ? own.leadsTo === 'Workload' : pass.seen.doors.stable.state !== 'Present' || pass.seen.doors.stable.leadsTo === 'Workload'
  // Never a failed or unproven template, or configuration, into production: then the revision keeps serving as it is.
  if (workload.templateRevision !== stable || (workload.configUnknown && !handedOver)) return inOrder(toProven, propagated, drained)(pass)
  return inOrder(
    when(!handedOver, inOrder(toProven, propagated, drained)),
    workloadAt(count),
    leads('own', 'Workload'),
    endpoints('own', count),
    when(userRoutes, inOrder(leads('stable', 'Workload'), leads('canary', 'Workload'), endpoints('stable', 0))),
    routesGone,
    propagated,
    when(!userRoutes, doorsGone),
    scaled(stable, 0),
    revisionsGone,
  )(pass)
}
/** Without a mesh. */
const isRoute = (pass: Pass): boolean => pass.seen.doors.own.state === 'Route'
/** Why a Rollout that is gone left its proven revision serving, as a sentence for people; undefined: it does not, or was meant to. */
export function keptServing(seen: Seen, plan: Plan, now: number): string | undefined {
  if (plan.deletionPolicy === 'Orphan' || seen.backends || seen.workload.state !== 'Present') return undefined
  const stable = rebuilt(seen, now).stable?.revision
  const { templateRevision, changedConfig, configUnknown } = seen.workload
  if (stable === undefined || (stable === templateRevision && !configUnknown)) return undefined
  if (configUnknown || changedConfig) {
    const what = changedConfig ? `${changedConfig.join(', ')} is not what was proven` : 'what it tracks is gone or cannot be read'
    return `the Rollout is gone, but ${what}: Deployment ${stable} keeps serving with its copies. Put it back, and Deployment ${plan.workload} takes over`
  }
  const images = seen.revisions.find(({ name }) => name === stable)?.images.join(', ')
  return `the Rollout is gone, but Deployment ${plan.workload} has a template that is not proven: Deployment ${stable} keeps serving as it is. Put its pod template${images ? ` (${images})` : ''} back into ${plan.workload}, which then takes over`
}
const revisionsGone: Step = (pass) =>
  pass.seen.revisions.length === 0 ? done : waitFor('our revisions to go', ...pass.seen.revisions.map((revision) => ({ type: 'DeleteRevision', revision: revision.name }) as const))
const workloadAt =
  (count: number): Step =>
  (pass) => {
    const { workload } = pass.seen
    if (workload.state !== 'Present') return done
    if (workload.replicas < count) return waitFor(`Deployment ${pass.plan.workload} to be scaled to ${count}`, { type: 'ScaleWorkload', replicas: count })
    return workload.ready >= count ? done : waitFor(`Deployment ${pass.plan.workload} to be ready (${workload.ready} of ${count})`)
  }
const routesGone: Step = (pass) => {
  // The Service that callers name stays, and leads to the user's pods by now.
  if (isRoute(pass)) return done
  const ours = pass.seen.routes.filter((route) => route.managed && route.state === 'Present')
  return ours.length === 0 ? done : waitFor('our route to go', ...ours.map((route) => ({ type: 'DeleteRoute', route: route.key }) as const))
}
const doorsGone: Step = (pass) => {
  const ours = (['stable', 'canary'] as const).filter((door) => pass.seen.doors[door].state === 'Present')
  return ours.length === 0 ? done : waitFor('our doors to go', ...ours.map((door) => ({ type: 'DeleteDoor', door }) as const))
}
/** Orphan, or backends: everything stays as it is, but nothing unproven keeps traffic. */
const onlyRoute: Step = (pass) => (pass.next.canary && shareOf(pass.seen, pass.next.canary.revision) > 0 ? lowered(0, pass.next.canary.revision)(pass) : done)
