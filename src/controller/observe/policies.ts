/** DestinationRules of ours beside the doors, which carry the policy of the one for `<name>`. */
import { ownedBy } from '../../revision/deployment.ts'
import { rolloutLabel } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { Blocker, Seen } from '../../rollout/seen.ts'
import { serviceHost } from '../../traffic/hosts.ts'
import { mirroredDestinationRules } from '../../traffic/istio-rules.ts'
import { ownedDifference } from '../../traffic/owned.ts'
import type { Arms } from '../../traffic/router.ts'
import { speakingOf } from './hosts.ts'
import { isOurs, type Scope } from './scope.ts'

/** A DestinationRule as it has to be and as it is; without `wanted` it is one of ours to delete. */
export interface Policy {
  readonly name: string
  readonly wanted?: KubeObject
  readonly present?: KubeObject
}
export interface PoliciesSeen {
  readonly policies: readonly Policy[]
  readonly upkeep: Seen['upkeep']
  readonly blockers: readonly Blocker[]
}
const none: PoliciesSeen = { policies: [], upkeep: [], blockers: [] }

/** Doors take over the policy of `<name>` wherever Istio moves the requests, also on the user's own VirtualService. */
export function policiesSeen(scope: Scope, arms: Arms): PoliciesSeen {
  if (scope.plan.mode === 'Backends' || !scope.spec.traffic?.istio || !scope.workload || scope.world.state('DestinationRule') === 'NotServed') return none
  const { clusterDomain } = scope.settings
  const host = serviceHost(scope.plan.name, scope.namespace, clusterDomain)
  const speaking = speakingOf(scope.world.list('DestinationRule', undefined), new Set([host, arms.stable.host, arms.canary.host]), clusterDomain)
  const { rules: wanted, problems } = mirroredDestinationRules({
    rules: speaking, host, namespace: scope.namespace, doors: [arms.stable, arms.canary], clusterDomain,
    labels: { [rolloutLabel]: scope.name }, ownerReferences: [ownedBy(scope.workload)],
  })
  // One that can no longer be carried leaves the doors' rules as they are: an old policy is better than none.
  if (problems.length > 0) return { policies: [], upkeep: [], blockers: problems.map((problem) => ({ ...problem, stops: 'Raise', stalled: true })) }
  const present = scope.world.list('DestinationRule', scope.namespace, { [rolloutLabel]: scope.name })
  const superfluous = present.filter((rule) => !wanted.some(({ metadata }) => metadata.name === rule.metadata.name))
  const policies = [...wanted.map((rule) => policyOf(rule, scope)), ...superfluous.map((rule) => ({ name: rule.metadata.name, present: rule }))]
  return { policies, upkeep: policies.filter(isOut).map(({ name }) => ({ key: `Policy/${name}`, what: 'Policy' })), blockers: taken(policies, scope) }
}

function policyOf(wanted: KubeObject, scope: Scope): Policy {
  const present = scope.world.get('DestinationRule', scope.namespace, wanted.metadata.name)
  return { name: wanted.metadata.name, wanted, ...(present ? { present } : {}) }
}

function isOut({ wanted, present }: Policy): boolean {
  return !wanted || !present || ownedDifference(present, wanted).length > 0
}

function taken(policies: readonly Policy[], scope: Scope): Blocker[] {
  return policies.filter(({ present }) => present && !isOurs(present, scope.name)).map(({ name }) => {
    const message = `DestinationRule ${name} in ${scope.namespace} exists and is not ours: rename it; it is never taken over`
    return { reason: 'NameTaken', message, stops: 'Raise', stalled: true }
  })
}
