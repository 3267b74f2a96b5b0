/**
 * Procedures as lists of steps, each of them level-based: done, or what is to be done now and what is awaited. A procedure may be stopped after any
 * step and taken up by anybody, since every step is judged by what is seen. See docs/architecture.md.
 */
import type { Action } from './actions.ts'
import { carries, expressed, inJourney, near, type Pass, present, revisionNamed, target, wake } from './pass.ts'
import { formatDuration } from './duration.ts'
import type { RouteSeen } from './seen.ts'

export type Progress = { readonly done: true } | { readonly done: false; readonly actions: readonly Action[]; readonly awaiting: string }
export type Step = (pass: Pass) => Progress
export const done: Progress = { done: true }
export const waitFor = (awaiting: string, ...actions: readonly Action[]): Progress => ({ done: false, actions, awaiting })

/** The first step that is not done speaks for the procedure. */
export const inOrder = (...steps: readonly Step[]): Step => (pass) => {
  for (const step of steps) {
    const progress = step(pass)
    if (!progress.done) return progress
  }
  return done
}
/** All at once: done when each is; what is awaited is said of the first. */
export const together = (...steps: readonly Step[]): Step => (pass) => {
  const open = steps.map((step) => step(pass)).filter((progress) => !progress.done)
  if (open.length === 0) return done
  return waitFor(open[0]!.awaiting, ...open.flatMap((progress) => progress.actions))
}
export const when = (condition: boolean, step: Step): Step => (pass) => (condition ? step(pass) : done)

/** The revision has at least `count` pods, and they are ready. Never scales down. */
export const ready = (revision: string, count: number): Step => (pass) => {
  const found = revisionNamed(pass.seen, revision)
  if (!found && pass.seen.backends) return waitFor(`spec.backends to name ${revision}, or its Deployment to exist`)
  // A revision is made from the template, so only from its own: another one under its name would be unproven and pass for it.
  if (!found && target(pass.seen) !== revision) return waitFor(gone(pass, revision))
  if (!found) return waitFor(`${revision} to be ready (0 of ${count} pods)`, { type: 'CreateRevision', revision, replicas: count })
  if (found.pending) return waitFor(`${revision} to have its copies of configuration`)
  const scale: Action[] = found.replicas < count && !pass.seen.backends ? [{ type: 'Scale', revision, replicas: count }] : []
  if (found.ready >= count && scale.length === 0 && (!pass.seen.backends || found.complete)) return done
  const trouble = found.trouble ? `: ${found.trouble.reason}: ${found.trouble.message}` : ''
  return waitFor(`${revision} to be ready (${found.ready} of ${count} pods)${trouble}`, ...scale)
}
/** A revision that somebody deleted and that the template is not: only its template brings it back. */
export function gone(pass: Pass, revision: string): string {
  const known = [pass.next.stable, pass.next.canary].find((pointer) => pointer?.revision === revision)
  const images = known?.images?.length ? ` (${known.images.join(', ')})` : ''
  return `Deployment ${revision}, which was deleted: put its pod template${images} back into Deployment ${pass.plan.workload}${inJourney(pass.next) ? '' : ', or push a newer version'}`
}
/** Scale-down, or up, to exactly `count`; nothing to do where the revision is gone. */
export const scaled = (revision: string | undefined, count: number): Step => (pass) => {
  const found = revisionNamed(pass.seen, revision)
  if (!found || pass.seen.backends || found.replicas === count) return done
  return waitFor(`${found.name} to be scaled to ${count}`, { type: 'Scale', revision: found.name, replicas: count })
}

/** The door selects the revision (or `Workload`); its own Service only where that is ours. Says nothing of endpoints. */
export const leads = (door: 'stable' | 'canary' | 'own', to: string): Step => (pass) => {
  const seen = pass.seen.doors[door]
  if (pass.seen.backends || seen.state === 'Theirs' || seen.leadsTo === to) return done
  // The split turns it; only a removal, which gives it back to the user's own pods, does so as with a door.
  if (seen.state === 'Route' && to !== 'Workload') return done
  if (seen.state === 'Taken') return waitFor(`the name of the ${door} door, which another object has`)
  return waitFor(`the ${door} door to lead to ${to}`, { type: 'TurnDoor', door, to })
}
/** The door shows ready pods of what it leads to, and none of anything else, and proxies had time to hear. */
export const endpoints = (door: 'stable' | 'canary' | 'own', count: number): Step => (pass) => {
  const seen = pass.seen.doors[door]
  if (pass.seen.backends || seen.state === 'Theirs' || (seen.state === 'Route' && seen.leadsTo === undefined)) return done
  if (count > 0 && seen.ready === 0) return waitFor(`the ${door} door to show ready endpoints`)
  if (seen.others > 0) return waitFor(`the ${door} door to show none but ${seen.leadsTo}`)
  return aged(pass, `door/${door}`, pass.settings.propagationDelayMs, `the ${door} door to reach all proxies`)
}
/** Turns a door that carries nothing; the split must have been seen at weight 0 and propagated before. */
export const turned = (door: 'stable' | 'canary', to: string, count = 1): Step => (pass) => {
  if (!pass.seen.backends && pass.seen.doors[door].state === 'Present' && pass.seen.doors[door].leadsTo !== to && carries(pass.seen, door))
    return waitFor(`weight 0 at the ${door} door before it turns`)
  return inOrder(leads(door, to), endpoints(door, count))(pass)
}

/** Every route gives the canary door this share, read back, and the mesh has taken it over. */
export const split = (canaryDoor: number, how: { reopen?: boolean; restore?: boolean } = {}): Step => (pass) => {
  const actions: Action[] = []
  let awaiting: string | undefined
  for (const route of pass.seen.routes) {
    if (route.state === 'Missing' && route.managed) actions.push({ type: 'CreateRoute', route: route.key, canaryDoor })
    else if (route.state !== 'Present') awaiting = `${route.key}: ${route.message ?? 'is missing'}`
    else if (towardsNobody(pass, route, canaryDoor)) awaiting ??= 'the stable door to show ready endpoints: traffic stays where it is, since there is nowhere better'
    else if (!near(route.canaryDoor, expressed(route, canaryDoor)) || route.uneven || (how.reopen && route.closedTo) || (how.restore && route.canaryOnly.some((only) => only.redirected)))
      actions.push({ type: 'SetSplit', route: route.key, canaryDoor, reopen: how.reopen ?? false, restore: how.restore ?? false })
    else if (!route.mirrored) awaiting ??= route.message ?? `the mesh to take over the split of ${route.key}`
  }
  if (actions.length > 0) return waitFor(`the split to be seen at ${canaryDoor}%`, ...actions)
  return awaiting === undefined ? done : waitFor(awaiting)
}
/** The share would fall onto a stable door that shows nobody, from a canary door that does. */
const towardsNobody = ({ seen: { doors } }: Pass, route: RouteSeen, canaryDoor: number): boolean =>
  route.canaryDoor > expressed(route, canaryDoor) + 0.05 && doors.stable.ready === 0 && doors.canary.ready > 0
/** The split has been seen as it is for the propagation delay. */
export const propagated: Step = (pass) => aged(pass, 'split', pass.settings.propagationDelayMs, 'the split to reach all proxies')

/** The door that was closed has served nothing for two scrapes, where the source answers; at most five minutes, then we go on. */
export const quiet: Step = (pass) => {
  const reading = pass.seen.readings.findLast((candidate) => candidate.question.check === quietCheck)
  const since = pass.seen.since['split'] ?? pass.now
  const limit = since + 5 * 60_000
  if (pass.now >= limit) return done
  if (!reading) return aged(pass, 'split', pass.settings.propagationDelayMs + 6 * pass.plan.scrapeIntervalMs, 'the last requests to the closed door to end')
  if (reading.answer.state !== 'Counts') return done
  if (reading.question.at >= since + reading.question.fastMs && reading.answer.canary.fast.total < 1) return done
  wake(pass, limit)
  return waitFor('the last requests to the closed door to end')
}
/** Name of the question that `quiet` reads. */
export const quietCheck = '$quiet'

export function aged(pass: Pass, point: string, milliseconds: number, what: string): Progress {
  const until = (pass.seen.since[point] ?? pass.now) + milliseconds
  if (pass.now >= until) return done
  wake(pass, until)
  return waitFor(`${what} (${formatDuration(milliseconds)})`)
}

/** Runs a procedure: what it wants done goes to `into`, what it awaits into the message. Answers whether it is done. */
export function run(pass: Pass, step: Step, into: Action[] = pass.raise): boolean {
  const progress = step(pass)
  if (progress.done) return true
  into.push(...progress.actions)
  pass.awaiting = progress.awaiting
  return false
}
export const routesPresent = (pass: Pass): boolean => pass.seen.routes.every(present)
export const carriesNothing = (pass: Pass, door: 'stable' | 'canary'): boolean => !carries(pass.seen, door)
