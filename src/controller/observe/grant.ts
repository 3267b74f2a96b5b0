/** Whether a namespace lets Rollouts of another one touch its traffic objects. */
import { allowFromAnnotation } from '../../revision/marks.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { World } from '../world.ts'

/** A target in the rollout's own namespace needs no grant; elsewhere the annotation on the target or a ReferenceGrant beside it. Either is enough. */
export function granted(world: World, namespace: string, target: KubeObject): boolean {
  if (target.metadata.namespace === namespace || allows(target, namespace)) return true
  return world.list('ReferenceGrant', target.metadata.namespace).some((grant) => refers(grant, namespace, target))
}

/** The sentence for a refused target, with the line that grants it. */
export function notGranted(namespace: string, target: KubeObject): { readonly reason: string; readonly message: string } {
  const where = `${target.kind} ${target.metadata.namespace}/${target.metadata.name}`
  const message = `${where} does not allow Rollouts of namespace ${namespace}: annotate it with ${allowFromAnnotation}: ${namespace}, `
    + `or create a ReferenceGrant in ${target.metadata.namespace}`
  return { reason: 'NotGranted', message }
}

function allows(target: KubeObject, namespace: string): boolean {
  const list = target.metadata.annotations?.[allowFromAnnotation] ?? ''
  const namespaces = list.split(',').map((entry) => entry.trim())
  return namespaces.includes(namespace) || namespaces.includes('*')
}

function refers(grant: KubeObject, namespace: string, target: KubeObject): boolean {
  const { from = [], to = [] }: { from?: Record<string, string>[]; to?: Record<string, string>[] } = grant.spec ?? {}
  const group = target.apiVersion.includes('/') ? target.apiVersion.split('/')[0] : ''
  return from.some((entry) => entry['group'] === 'sluice.dev' && entry['kind'] === 'Rollout' && entry['namespace'] === namespace)
    && to.some((entry) => entry['group'] === group && entry['kind'] === target.kind && (entry['name'] || target.metadata.name) === target.metadata.name)
}
