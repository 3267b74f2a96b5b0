/** Taking traffic from an unproven revision: everything to the proven one, whatever doors and weights look like now. Needs no commit and nobody's permission. */
import { closedBy, enter, expressed, journey, near, type Pass, present, provenArm, revisionNamed, stableBroken, target, unprovenShare, wantedCount } from './pass.ts'
import { carriesNothing, done, endpoints, inOrder, leads, propagated, quiet, ready, run, scaled, split, type Step, turned, waitFor, when } from './procedure.ts'
import { finish } from './outcome.ts'
import type { Action } from './actions.ts'

export function closing(pass: Pass): void {
  const current = journey(pass)
  const back = current.direction === 'Back'
  if (!run(pass, toProven, pass.lower)) return
  // Backends lose no door and no pods: there is nothing to wait for, and routes of their owner may send somebody there for ever.
  const drains = !pass.seen.backends && (back || current.readyAtRaise !== undefined)
  if (!run(pass, inOrder(propagated, when(drains, quiet)))) return
  enter(pass, 'Draining', 'no route leads to it any more')
}

/** Every route gives everything to the proven revision; while the unproven one stands behind the stable door, that door turns back first. */
export const toProven: Step = (pass) => {
  const proven = pass.next.stable?.revision
  const unproven = pass.next.canary?.revision
  if (proven === undefined) return done
  if (pass.seen.backends) {
    const arm = provenArm(pass)
    if (!arm) return waitFor(`spec.backends to name ${pass.next.stable?.backend}, which is proven: without it nobody can give it the traffic`)
    return inOrder(safe(arm.revision), lowered(arm.canaryDoor, unproven))(pass)
  }
  const gone = pass.seen.doors.stable.state === 'Absent'
  if (gone || pass.seen.doors.stable.leadsTo === proven) return inOrder(when(gone, leads('stable', proven)), safe(proven), lowered(0, unproven))(pass)
  const count = wantedCount(pass)
  const beside = pass.seen.routes.filter(present).every((route) => route.canaryDoor >= 99.95)
  const turnBack = inOrder(turned('stable', proven, count), leads('own', proven), endpoints('own', count), lowered(0, unproven))
  if (beside) return inOrder(ready(proven, Math.min(1, count)), propagated, turnBack)(pass)
  if (pass.seen.doors.canary.leadsTo === unproven && pass.seen.routes.some((route) => route.canaryDoor > 0))
    // Both doors lead to the unproven one: moving everything to the canary door changes nobody's version and frees the stable door.
    return inOrder(lowered(100, unproven), propagated, turnBack)(pass)
  // Without a mesh nobody comes through a door, so that one may turn at any time and nothing is waited for.
  const doorBack = pass.seen.doors.own.state === 'Route'
    ? leads('canary', proven)
    : inOrder(when(pass.seen.doors.canary.leadsTo !== proven, inOrder(split(0), propagated)), turned('canary', proven, count))
  return inOrder(ready(proven, count), doorBack, lowered(100, unproven), propagated, turnBack)(pass)
}

/** Traffic never goes onto a door without ready pods, and not onto a broken stable while the canary has more of them. */
const safe = (proven: string): Step => (pass) => {
  const stable = revisionNamed(pass.seen, proven)
  if (!stable && !pass.seen.backends && target(pass.seen) === proven) return ready(proven, wantedCount(pass))(pass)
  if (unprovenShare(pass) === 0) return done
  const canary = pass.seen.backends ? pass.seen.revisions.find((revision) => revision.name !== proven) : revisionNamed(pass.seen, pass.next.canary?.revision)
  const endpointsOf = pass.seen.backends ? (stable?.ready ?? 0) : pass.seen.doors.stable.ready
  if (!stable && !pass.seen.backends) return ready(proven, wantedCount(pass))(pass)
  if (endpointsOf === 0 || (stable?.ready ?? 0) === 0) return waitFor(`stable ${proven} to have ready pods: traffic stays where it is, since there is nowhere better`)
  if (stableBroken(pass) && (canary?.ready ?? 0) > (stable?.ready ?? 0)) return waitFor(`stable ${proven}, which is broken (${stable?.ready} ready), to recover: the canary has ${canary?.ready} ready pods`)
  return done
}

/** One patch for each route that still gives the unproven revision something: weights, and `closed-to` for every leader to read. All are tried. */
export const lowered = (canaryDoor: 0 | 100, unproven: string | undefined): Step => (pass) => {
  const sequence = pass.seen.status?.sequence ?? 0
  const actions: Action[] = []
  let missing: string | undefined
  for (const route of pass.seen.routes) {
    if (route.state === 'Missing') {
      if (route.managed && pass.next.phase !== 'Removing') missing = route.key
      continue
    }
    const redirect = route.canaryOnly.some((only) => !only.redirected)
    const elsewhere = !near(route.canaryDoor, canaryDoor) || route.uneven
    if ((elsewhere || redirect) && unproven !== undefined) actions.push({ type: 'Lower', route: route.key, canaryDoor, closedTo: { revision: unproven, sequence }, redirect })
  }
  if (actions.length > 0) return waitFor(`${unproven} to lose its traffic`, ...actions)
  // What was deleted will show in no mesh: there is nothing to wait for.
  const proven = pass.next.stable?.revision
  const shows = pass.seen.backends || revisionNamed(pass.seen, proven) !== undefined
  const unmirrored = shows && pass.seen.routes.find((route) => present(route) && !route.mirrored)
  if (unmirrored) return waitFor(unmirrored.message ?? `the mesh to take over the split of ${unmirrored.key}`)
  // A managed route that somebody deleted: without it the user's Service carries everything; the rest writes it again at weight 0.
  return missing === undefined ? done : waitFor(`${missing} to be written again`, { type: 'CreateRoute', route: missing, canaryDoor })
}

/** Nothing leads to it: its door turns away, its pods go, and the outcome is written. */
export function draining(pass: Pass): void {
  const current = journey(pass)
  const proven = pass.next.stable?.revision
  const unproven = pass.next.canary?.revision
  if (unprovenShare(pass) > 0.05) return enter(pass, 'Closing', 'a route leads to it again')
  const doors = proven === undefined || pass.seen.backends ? (): typeof done => done : inOrder(when(carriesNothing(pass, 'canary'), leads('canary', proven)), leads('own', proven))
  if (!run(pass, inOrder(doors, scaled(unproven, 0)))) return
  const { outcome, reason, message } = current.closing ?? { outcome: 'RolledBack' as const, reason: 'Closed', message: 'the journey was closed' }
  finish(pass, outcome, reason, message)
}

/** At rest, for a revision that is closed: what Git or a person gave back to it is taken again. Backends only; with revisions both doors lead to stable. */
export function keepClosed(pass: Pass): void {
  const canary = pass.seen.backends?.canary
  if (!canary || closedBy(pass, canary) === undefined || pass.seen.doors.stable.ready === 0) return
  for (const route of pass.seen.routes.filter(present)) {
    const redirect = route.canaryOnly.some((only) => !only.redirected)
    if (redirect || (route.canaryDoor > 0 && !near(expressed(route, 0), route.canaryDoor)))
      pass.lower.push({ type: 'Lower', route: route.key, canaryDoor: 0, closedTo: { revision: canary, sequence: pass.seen.status?.sequence ?? 0 }, redirect })
  }
}
