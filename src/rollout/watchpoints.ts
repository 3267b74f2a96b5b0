/** Values whose age matters to decisions. The controller keeps since when it has seen each; after a restart a wait begins anew, a hold does not. */
import type { Seen } from './seen.ts'

export function watchpoints(seen: Omit<Seen, 'since'>): Record<string, string> {
  const points: Record<string, string> = {
    // Since when anybody has been looking at all: nobody is blamed for the time in which no controller was there.
    watched: 'true',
    split: seen.routes.map((route) => `${route.key}=${route.state}:${route.canaryDoor}:${route.uneven}:${route.mirrored}`).join(' '),
    template: seen.workload.state === 'Present' ? `${seen.workload.replicas}` : seen.workload.state,
  }
  for (const name of ['stable', 'canary', 'own'] as const) {
    const door = seen.doors[name]
    points[`door/${name}`] = `${door.state}:${door.leadsTo}:${door.ready > 0}:${door.others === 0}`
  }
  const wanted = seen.spec.replicas ?? 0
  const readyAtRaise = seen.status?.journey?.readyAtRaise ?? 0
  const stable = seen.status?.stable?.revision
  // A Deployment that somebody deleted has no ready pods either.
  if (stable !== undefined && !seen.revisions.some((revision) => revision.name === stable)) points[`half/${stable}`] = 'true'
  for (const revision of seen.revisions) {
    points[`half/${revision.name}`] = `${revision.ready * 2 < Math.max(wanted, revision.replicas)}`
    points[`lost/${revision.name}`] = `${revision.ready * 2 < readyAtRaise}`
    points[`trouble/${revision.name}`] = `${revision.trouble?.crash ?? false}`
    points[`complete/${revision.name}`] = `${revision.complete}`
  }
  return points
}
