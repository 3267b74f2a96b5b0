/** Facts that nobody has to act upon at once, but somebody should know. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { Seen } from '../../rollout/seen.ts'
import { configRefs } from '../../revision/config-refs.ts'
import { rolloutLabel } from '../../revision/marks.ts'
import type { Scope } from './scope.ts'
import { stableRevision } from './stable.ts'
import { trackedRemarks } from './tracked.ts'

type Remark = Seen['remarks'][number]

export function remarksOf(scope: Scope): readonly Remark[] {
  return scope.plan.mode === 'Revisions' ? [...unroutedCallers(scope), ...missingConfig(scope), ...trackedRemarks(scope)] : []
}

/** The user's own Service selects every ready revision: callers outside the mesh reach a canary by its share of pods. */
function unroutedCallers(scope: Scope): Remark[] {
  if (scope.spec.traffic?.kubernetes) return callersBeside(scope)
  const service = scope.foreign.own
  if (!service || !selectsTemplate(scope, service)) return []
  const message = `callers that no route covers, as those outside the mesh, reach every ready revision through Service ${service.metadata.name}; `
    + 'take it out of Git and delete it, and Sluice makes one that leads to stable only'
  return [{ type: 'UnroutedCallersReachCanary', reason: 'ServiceSelectsAllRevisions', message }]
}

/** Without a mesh every other Service that selects the pods by the user's labels leads to a preview too. */
function callersBeside(scope: Scope): Remark[] {
  const beside = scope.world.list('Service', scope.namespace).filter((service) => service.metadata.labels?.[rolloutLabel] !== scope.name && selectsTemplate(scope, service))
  if (beside.length === 0) return []
  const names = beside.map(({ metadata }) => metadata.name).join(', ')
  const message = `callers of Service ${names} reach every ready revision, a preview too: lead them to Service ${scope.names.own}, and delete the other`
  return [{ type: 'UnroutedCallersReachCanary', reason: 'ServiceSelectsAllRevisions', message }]
}

function selectsTemplate({ workload }: Scope, service: KubeObject): boolean {
  const selector: Record<string, string> | undefined = service.spec?.selector
  const labels: Record<string, string> = workload?.spec?.template?.metadata?.labels ?? {}
  return selector !== undefined && Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value)
}

/** A ConfigMap that stable's pods name is gone: they run, but would not start again. */
function missingConfig(scope: Scope): Remark[] {
  const stable = stableRevision(scope)
  if (!stable || scope.world.state('ConfigMap') !== 'Synced') return []
  const needed = configRefs(stable.spec?.template).filter(({ kind, optional }) => kind === 'ConfigMap' && !optional).map(({ name }) => name)
  const missing = needed.filter((name) => !scope.world.get('ConfigMap', scope.namespace, name))
  if (missing.length === 0) return []
  const message = `ConfigMap ${missing.join(', ')}, which stable revision ${stable.metadata.name} names, is gone, so its pods could not start again: `
    + 'restore it, and keep pruned ones until the next promotion '
    + '(Argo CD: argocd.argoproj.io/sync-options: Prune=false; Flux: kustomize.toolkit.fluxcd.io/prune: disabled), '
    + 'or let each version have copies: spec.trackedConfig: [{kind: ConfigMap}]'
  return [{ type: 'StableNotRestartable', reason: 'ConfigMapMissing', message }]
}
