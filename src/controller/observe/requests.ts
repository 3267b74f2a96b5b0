/** What people asked of a rollout, and whether others that it waits for are settled. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { RequestSeen, Seen } from '../../rollout/seen.ts'
import type { World } from '../world.ts'
import { type Scope, timeOf } from './scope.ts'

/** Name of the ValidatingAdmissionPolicy that proves `requestedBy` (deploy/). */
export const requestPolicy = 'rolloutrequests.sluice.dev'

/** Requests for this rollout, answered or not, oldest first. */
export function requestsSeen(scope: Scope): readonly RequestSeen[] {
  const all = scope.world.list('RolloutRequest', scope.namespace).filter((request) => request.spec?.rolloutName === scope.name)
  const since = provedSince(scope.world)
  return all.map((request) => requestSeen(request, since)).toSorted((a, b) => a.createdAt - b.createdAt || (a.uid < b.uid ? -1 : 1))
}

/** Rollouts named by `spec.dependsOn`, in the same namespace. Settled: nothing under way and nothing new to release. */
export function dependenciesSeen(scope: Scope): Seen['dependencies'] {
  return scope.plan.dependsOn.map((name) => {
    const other = scope.world.get('Rollout', scope.namespace, name)
    if (!other) return { name, state: 'Missing', message: `spec.dependsOn: there is no Rollout ${name} in ${scope.namespace}; create it or remove the entry` }
    const busy = whyBusy(scope.world, other)
    return busy ? { name, state: 'Busy', message: `${name}: ${busy}` } : { name, state: 'Settled', message: `${name} is settled` }
  })
}

function requestSeen(request: KubeObject, provedSince: number): RequestSeen {
  const { uid = '', name, creationTimestamp } = request.metadata
  const createdAt = timeOf(creationTimestamp)
  const answeredAt: string | undefined = request.status?.at
  const verified = Boolean(request.spec.requestedBy) && createdAt >= provedSince
  return { uid, name, createdAt, spec: request.spec, ...(answeredAt ? { answeredAt: timeOf(answeredAt) } : {}), verified }
}

/** Unix ms since when the API server refuses requests in a foreign name; Infinity where it does not. */
function provedSince(world: World): number {
  const bindings = world.state('ValidatingAdmissionPolicyBinding') === 'NotServed' ? [] : world.list('ValidatingAdmissionPolicyBinding', undefined)
  const denying = bindings.filter(({ spec }) => spec?.policyName === requestPolicy && spec.validationActions?.includes('Deny'))
  return Math.min(Number.POSITIVE_INFINITY, ...denying.map((binding) => timeOf(binding.metadata.creationTimestamp)))
}

function whyBusy(world: World, other: KubeObject): string | undefined {
  const status: RolloutStatus | undefined = other.status
  if (status?.sequence === undefined) return 'has not been adopted yet'
  if (status.phase !== 'Idle') return `${status.phase}: ${status.message}`
  const workload = other.spec?.workloadRef && world.get('Deployment', other.metadata.namespace ?? '', other.spec.workloadRef.name)
  const generation = workload?.metadata.generation ?? 0
  return (status.observedWorkloadGeneration ?? 0) < generation ? 'has a change of its Deployment that was not looked at yet' : undefined
}
