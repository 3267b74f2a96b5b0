/** Which Deployment serves. */
import { leadsTo } from '../../revision/door.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { Scope } from './scope.ts'

/** The Deployment of the stable revision, by status or by the stable door. */
export function stableRevision(scope: Scope): KubeObject | undefined {
  const door = scope.doors.stable && leadsTo(scope.doors.stable, scope.workload)
  const name: string | undefined = scope.rollout.status?.stable?.revision ?? door
  return scope.revisions.find((revision) => revision.metadata.name === name)
}
