/** What people asked of a rollout, and whether others that it waits for are settled. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { RequestSeen, Seen } from '../../rollout/seen.ts'
import type { World } from '../world.ts'
import { type Scope, timeOf } from './scope.ts'

/** Name of the ValidatingAdmissionPolicy that proves `requestedBy` (deploy/). */
export const requestPolicy = 'rolloutrequests.sluice.dev'

/** Every API server compiles a new policy by itself; until then, in ms, requests may still pass unseen. */
const inForceAfter = 10_000

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

/**
 * Unix ms since when the API server refuses requests in a foreign name; Infinity where it does not, or where this cannot be seen. The policy and a
 * binding that denies are both needed. One that is narrowed to some namespaces or objects proves nothing here: where it applies is the server's to say.
 */
function provedSince(world: World): number {
  const bindings = listed(world, 'ValidatingAdmissionPolicyBinding').filter(({ spec }) => spec?.policyName === requestPolicy && spec.validationActions?.includes('Deny') && isWhole(spec.matchResources))
  const policy = listed(world, 'ValidatingAdmissionPolicy').filter(({ metadata }) => metadata.name === requestPolicy)
  const since = (objects: readonly KubeObject[]): number => Math.min(Number.POSITIVE_INFINITY, ...objects.map(({ metadata }) => timeOf(metadata.creationTimestamp)))
  return Math.max(since(policy), since(bindings)) + inForceAfter
}

function listed(world: World, kind: 'ValidatingAdmissionPolicy' | 'ValidatingAdmissionPolicyBinding'): readonly KubeObject[] {
  return world.state(kind) === 'NotServed' ? [] : world.list(kind, undefined)
}

/** The API server writes `matchPolicy` and empty selectors into what was left out. */
function isWhole(matchResources: Readonly<Record<string, any>> | undefined): boolean {
  const { matchPolicy: _, ...narrower } = matchResources ?? {}
  return Object.values(narrower).every((value) => value === undefined || Object.values(value).every((inner) => Object.keys(inner ?? {}).length === 0))
}

function whyBusy(world: World, other: KubeObject): string | undefined {
  const status: RolloutStatus | undefined = other.status
  if (status?.sequence === undefined) return 'has not been adopted yet'
  if (status.phase !== 'Idle') return `${status.phase}: ${status.message}`
  const workload = other.spec?.workloadRef && world.get('Deployment', other.metadata.namespace ?? '', other.spec.workloadRef.name)
  const generation = workload?.metadata.generation ?? 0
  return (status.observedWorkloadGeneration ?? 0) < generation ? 'has a change of its Deployment that was not looked at yet' : undefined
}
