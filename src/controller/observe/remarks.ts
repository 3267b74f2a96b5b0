/** Facts that nobody has to act upon at once, but somebody should know. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { Seen } from '../../rollout/seen.ts'
import { leadsTo } from '../../revision/door.ts'
import type { Scope } from './scope.ts'

type Remark = Seen['remarks'][number]

export function remarksOf(scope: Scope): readonly Remark[] {
  return scope.plan.mode === 'Revisions' ? [...unroutedCallers(scope), ...missingConfig(scope)] : []
}

/** The user's own Service selects every ready revision: callers outside the mesh reach a canary by its share of pods. */
function unroutedCallers(scope: Scope): Remark[] {
  const service = scope.foreign.own
  const selector: Record<string, string> | undefined = service?.spec?.selector
  if (!service || !selector || !scope.workload) return []
  const labels: Record<string, string> = scope.workload.spec?.template?.metadata?.labels ?? {}
  if (!Object.entries(selector).every(([key, value]) => labels[key] === value)) return []
  const message = `callers that no route covers, as those outside the mesh, reach every ready revision through Service ${service.metadata.name}; `
    + 'take it out of Git and delete it, and Sluice makes one that leads to stable only'
  return [{ type: 'UnroutedCallersReachCanary', reason: 'ServiceSelectsAllRevisions', message }]
}

/** A ConfigMap that stable's pods name is gone: they run, but would not start again. */
function missingConfig(scope: Scope): Remark[] {
  const stable = stableRevision(scope)
  if (!stable || scope.world.state('ConfigMap') !== 'Synced') return []
  const missing = configMapsOf(stable).filter((name) => !scope.world.get('ConfigMap', scope.namespace, name))
  if (missing.length === 0) return []
  const message = `ConfigMap ${missing.join(', ')}, which stable revision ${stable.metadata.name} names, is gone, so its pods could not start again: `
    + 'restore it, and keep pruned ones until the next promotion '
    + '(Argo CD: argocd.argoproj.io/sync-options: Prune=false; Flux: kustomize.toolkit.fluxcd.io/prune: disabled)'
  return [{ type: 'StableNotRestartable', reason: 'ConfigMapMissing', message }]
}

function stableRevision(scope: Scope): KubeObject | undefined {
  const door = scope.doors.stable && leadsTo(scope.doors.stable, scope.workload)
  const name: string | undefined = scope.rollout.status?.stable?.revision ?? door
  return scope.revisions.find((revision) => revision.metadata.name === name)
}

/** Names of the ConfigMaps without which a pod of this Deployment does not start; optional ones are left out. */
function configMapsOf(deployment: KubeObject): readonly string[] {
  const { volumes = [], containers = [], initContainers = [] } = deployment.spec?.template?.spec ?? {}
  const every = [...containers, ...initContainers]
  const references: { name?: string; optional?: boolean }[] = [
    ...volumes.map((volume: any) => volume.configMap),
    ...volumes.flatMap((volume: any) => (volume.projected?.sources ?? []).map((source: any) => source.configMap)),
    ...every.flatMap((container: any) => (container.envFrom ?? []).map((source: any) => source.configMapRef)),
    ...every.flatMap((container: any) => (container.env ?? []).map((variable: any) => variable.valueFrom?.configMapKeyRef)),
  ].filter(Boolean)
  return [...new Set(references.filter((reference) => reference.optional !== true).flatMap((reference) => (reference.name ? [reference.name] : [])))]
}
