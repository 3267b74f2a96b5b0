/** DestinationRules beside the routes: the doors' mirrored policies, and subsets. Pure. */
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import { fullHost } from './hosts.ts'
import { listOf } from './json.ts'
import { problem, type Problem } from './layout.ts'
import type { Destination } from './router.ts'

const ourLabel = 'sluice.dev/rollout'

/** The rules for exactly this host (in full); a short host belongs to its rule's namespace. Wildcards are left out: they hold for the doors as well. */
export function destinationRulesFor(rules: readonly KubeObject[], host: string, clusterDomain: string): readonly KubeObject[] {
  return rules.filter((rule) => typeof rule.spec?.host === 'string' && fullHost(rule.spec.host, rule.metadata.namespace ?? 'default', clusterDomain) === host)
}

export interface Mirror {
  /** All DestinationRules that are known; ours and those of other hosts are left aside. */
  readonly rules: readonly KubeObject[]
  /** The Service whose policy the doors take over, in full. */
  readonly host: string
  readonly namespace: string
  readonly doors: readonly Destination[]
  readonly clusterDomain: string
  readonly labels: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}
/**
 * One DestinationRule for each door, named like it, with the trafficPolicy, exportTo and workloadSelector of the user's rule for the Service; subsets are left
 * out. No rules where the user has no policy. `PolicyNotCarried` where the doors would behave otherwise than the Service does.
 */
export function mirroredDestinationRules(mirror: Mirror): { readonly rules: readonly KubeObject[]; readonly problems: readonly Problem[] } {
  const theirs = mirror.rules.filter((rule) => rule.metadata.labels?.[ourLabel] === undefined)
  const withPolicy = destinationRulesFor(theirs, mirror.host, mirror.clusterDomain).filter((rule) => rule.spec.trafficPolicy !== undefined)
  const [rule] = withPolicy
  if (!rule) return { rules: [], problems: [] }
  const problems = notCarried(mirror, withPolicy, theirs)
  if (problems.length > 0) return { rules: [], problems }
  const { trafficPolicy, exportTo, workloadSelector } = rule.spec
  return {
    rules: mirror.doors.map((door) => ({
      apiVersion: rule.apiVersion, kind: 'DestinationRule',
      metadata: { name: door.service, namespace: mirror.namespace, labels: mirror.labels, ownerReferences: mirror.ownerReferences },
      spec: { host: door.host, trafficPolicy, ...(exportTo ? { exportTo } : {}), ...(workloadSelector ? { workloadSelector } : {}) },
    })),
    problems: [],
  }
}

function notCarried(mirror: Mirror, withPolicy: readonly KubeObject[], theirs: readonly KubeObject[]): readonly Problem[] {
  const doors = mirror.doors.map(({ service }) => service).join(' and ')
  const because = (why: string): Problem => problem('PolicyNotCarried', `The trafficPolicy for ${mirror.host} cannot be carried to ${doors}: ${why}`)
  const [rule] = withPolicy
  if (withPolicy.length > 1) {
    return [because(`${withPolicy.map(called).join(' and ')} all set one, and which of them holds depends on the caller; keep one of them`)]
  }
  if (rule!.metadata.namespace !== mirror.namespace) {
    const remedy = `move it to ${mirror.namespace}, or write one like it for each door there`
    return [because(`${called(rule!)} lies in another namespace, where Sluice writes nothing; ${remedy}`)]
  }
  return mirror.doors.flatMap((door) => {
    const own = destinationRulesFor(theirs, door.host, mirror.clusterDomain)
    const taken = `${own.map(called).join(' and ')} already speaks for ${door.service}; remove it, or move its policy to ${called(rule!)}`
    return own.length === 0 ? [] : [because(taken)]
  })
}
function called(rule: KubeObject): string {
  return `DestinationRule ${rule.metadata.namespace}/${rule.metadata.name}`
}

/** The labels that a subset of this DestinationRule selects, empty where it names all pods; undefined where it has no such subset. */
export function subsetLabels(rule: KubeObject, subset: string): Readonly<Record<string, string>> | undefined {
  const found = listOf(rule.spec?.subsets).find((one) => one?.name === subset)
  return found ? (found.labels ?? {}) : undefined
}

/** What a destination names and what is not there (its Service, or its subset in any of the rules): requests to it fail, so nothing may be raised onto it. */
export function missingDestination(
  arm: Destination, services: readonly KubeObject[], rules: readonly KubeObject[], clusterDomain: string,
): Problem | undefined {
  if (!services.some(({ metadata }) => metadata.name === arm.service && metadata.namespace === arm.namespace)) {
    return { reason: 'HostMissing', message: `Service ${arm.namespace}/${arm.service}, which the route names, does not exist: create it, or correct the name` }
  }
  if (!arm.subset) return undefined
  const speaking = destinationRulesFor(rules, arm.host, clusterDomain)
  if (speaking.some((rule) => subsetLabels(rule, arm.subset!))) return undefined
  const where = speaking.length > 0 ? speaking.map(called).join(' and ') : `any DestinationRule for ${arm.host}`
  return { reason: 'SubsetMissing', message: `Subset ${arm.subset} is not in ${where}: add {name: ${arm.subset}, labels: {version: …}} to its subsets` }
}
