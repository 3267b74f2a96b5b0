/** What is wrong with single Rollouts: what the controller would refuse, what Git fights over, what the status has been saying. */
import { observe } from '../controller/observe.ts'
import type { World } from '../controller/world.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import type { RolloutStatus } from '../rollout/schema.ts'
import type { Seen } from '../rollout/seen.ts'
import type { Finding, Remedy } from './doctor-finding.ts'
import { replicasInGit, weightsInGit, type Applications } from './doctor-gitops.ts'
import { isFact } from './explain.ts'
import { span } from './words.ts'

export interface RolloutLook {
  readonly world: World
  readonly applications: Applications
  /** Every kind that the verdicts below rest on could be read: what is absent is missing. */
  readonly whole: boolean
  /** Unix ms. */
  readonly now: number
  /** What plans rest on, where it is known. */
  readonly planning?: PlanSettings
}

/** Everything about one Rollout; a fact that two sources tell is told once, by the one with the lines to commit. */
export function rolloutFindings(rollout: KubeObject, look: RolloutLook): readonly Finding[] {
  const { namespace, name } = rollout.metadata
  const settings = { clusterDomain: 'cluster.local', scrapeIntervalMs: 15_000, templateNamespaces: ['*'], ...look.planning, propagationDelayMs: 10_000, identity: 'doctor' }
  const observation = observe(look.world, `${namespace}/${name}`, settings, new Map(), look.now)
  if (observation.state !== 'Seen') return []
  const { seen, problems, plan } = observation
  const invalid = problems.map(({ field, message }): Finding => about(rollout, 'InvalidSpec', message, 'an invalid spec raises nothing; what is under way can only be lowered and aborted', [{ where: `Correct ${field} in Git; sluice lint -f says what else is wrong`, lines: [] }]))
  const deployment = plan.mode === 'Revisions' && plan.workload !== undefined ? look.world.get('Deployment', namespace!, plan.workload) : undefined
  const adopted = seen.doors.stable.state === 'Present'
  const git = [
    ...(deployment && adopted ? [replicasInGit(deployment, rollout)] : []),
    ...seen.routes.filter(route => !route.managed).map(({ key }) => {
      const [kind, at, called] = key.split('/') as ['VirtualService', string, string]
      const route = look.world.get(kind, at, called)
      return route && weightsInGit(route, rollout, resetsOf(rollout.status), look.applications)
    }),
  ].filter(one => one !== undefined)
  const found = [...invalid, ...git, ...barriers(rollout, seen).filter(({ rule }) => look.whole || !ofAbsence.includes(rule)), ...said(rollout, rollout.status), ...unseen(rollout, look.now)]
  return found.filter((one, index) => found.findIndex(other => other.rule === one.rule && (other.what === one.what || other.remedies.length > 0)) === index)
}
/** What is said because something is not there: not by somebody who may not see whether it is. */
const ofAbsence: readonly string[] = ['WorkloadMissing', 'ServiceMissing', 'BackendMissing', 'SubsetMissing', 'BackendWithoutWorkload', 'MeshNotServed', 'RouteMissing', 'NotGranted', 'SplitIgnored']
function about(rollout: KubeObject, rule: string, what: string, why: string, remedies: readonly Remedy[] = [], severity: Finding['severity'] = 'Problem'): Finding {
  return { severity, rule, object: `Rollout ${rollout.metadata.namespace}/${rollout.metadata.name}`, what, why, remedies }
}
const resetsOf = (status: RolloutStatus | undefined): number => status?.resets?.length ?? 0

/** What keeps it from adopting or raising, whether a controller runs to say so or not. */
function barriers(rollout: KubeObject, seen: Seen): Finding[] {
  const name = rollout.metadata.name
  const blockers = seen.blockers.map(({ reason, message, stops }) => about(rollout, reason, message, stops === 'Adoption' ? 'the service is not taken over while this is so' : 'no weight rises while this is so', remedyOf(reason, name)))
  const routes = seen.routes.flatMap(({ key, state, managed, reason = 'RouteRefused', message = key }) =>
    state === 'Present' || (state === 'Missing' && managed) || blockers.some(one => one.rule === reason) ? [] : [about(rollout, reason, message, 'no weight rises while this is so')])
  const missing = seen.workload.state === 'Missing' && seen.rollout.deleting === false ? [about(rollout, 'WorkloadMissing', 'the Deployment that its spec names does not exist', 'there is nothing to release', [{ where: 'Apply the Deployment, or correct the name in spec', lines: [] }])] : []
  const remarks = seen.remarks.map(({ type, message }) => about(rollout, type, message, whys[type] ?? 'it may surprise somebody', [], type === 'UnroutedCallersReachCanary' ? 'Note' : 'Problem'))
  return [...missing, ...blockers, ...routes, ...remarks]
}
function remedyOf(reason: string, rollout: string): Remedy[] {
  if (reason !== 'HPATargetsWorkload') return []
  return [{ where: 'In Git, in the manifest of the autoscaler', lines: ['spec:', '  scaleTargetRef:', '    apiVersion: sluice.dev/v1alpha1', '    kind: Rollout', `    name: ${rollout}`] }]
}
const whys: Readonly<Record<string, string>> = {
  CanaryOnlyRouteExposed: 'those callers stay on a version that was taken back',
  UnroutedCallersReachCanary: 'callers outside of the mesh see a canary by its share of pods, whatever the weight',
  StableNotRestartable: 'a node that fails would take pods of the proven version with it for good',
  TrackedConfigMissing: 'a version that is made from now on cannot be given a copy',
  TrackedConfigUnreadable: 'its changes are not seen, and no version that needs it can be made',
  TrackedConfigUnused: 'what was meant to be tracked is not',
  TrafficNotMoving: 'the checks wait for requests that do not come',
  StableBroken: 'there is nothing whole to go back to',
  RestSplitDiffers: 'outside of a journey a weight above 0 leads somewhere nobody decided',
  BackendsNotSwapped: 'no release starts until the spec says what is proven',
  Stalled: 'nothing will happen until somebody changes something',
  HookAwaited: 'the release goes on when the hook agrees; a promote passes over its silence, not over its refusal',
  HookFailing: 'the release waits for an answer that does not come; the rollback would not',
  Held: 'the release stands still until a person decides',
}

/** What the controller wrote into the status. */
function said(rollout: KubeObject, status: RolloutStatus | undefined): Finding[] {
  if (status === undefined) return []
  const { name, namespace } = rollout.metadata
  const conditions = (status.conditions ?? []).filter(isFact).map(({ type, reason, message }) =>
    about(rollout, type === 'Stalled' ? reason : type, message, whys[type] ?? 'the controller says so in a condition', [], type === 'UnroutedCallersReachCanary' || type === 'HookAwaited' ? 'Note' : 'Problem'))
  const silent = (status.checks ?? []).filter(check => check.verdict === 'Error').map(check =>
    about(rollout, 'SourceError', `check ${check.name} gets no answer from the metric source: ${check.message ?? 'no reason given'}`, 'without an answer no step is left, and no failure is seen', [{ where: 'Look at the source, and at its url, auth and tls in the configuration of the controller', lines: [`sluice explain ${name} -n ${namespace}`] }]))
  return [...conditions, ...silent]
}

/** A spec that no controller has looked at for a minute. */
function unseen(rollout: KubeObject, now: number): Finding[] {
  const { creationTimestamp, generation = 0 } = rollout.metadata
  const age = now - Date.parse(creationTimestamp ?? '')
  const status: RolloutStatus | undefined = rollout.status
  if (status === undefined) return age > 60_000 ? [about(rollout, 'NotLookedAt', `no controller has looked at it since it was created ${span(age)} ago`, 'nothing of it is done', [{ where: 'See that a controller runs, and that it looks after this namespace', lines: ['kubectl get pods -A -l app.kubernetes.io/name=sluice'] }])] : []
  const lag = now - Date.parse(status.writtenAt ?? '')
  if (status.observedGeneration >= generation || !(lag > 60_000)) return []
  return [about(rollout, 'SpecNotSeen', `generation ${generation} of its spec was not seen; its status is of ${span(lag)} ago and about ${status.observedGeneration}`, 'the last edit has no effect yet', [{ where: 'See that a controller runs, and that it may write the status', lines: ['kubectl logs -A -l app.kubernetes.io/name=sluice --tail=50'] }])]
}
