/**
 * Kubernetes Services in the place of a mesh (blue/green): the Service that callers name selects what one of the two doors selects, so that it leads to
 * one version at a time. Its selector is the split; requests still go straight to pods, never through a door. Pure.
 */
import type { JsonPatchOp, KubeObject } from '../rollout/objects.ts'
import { closedTo, closedToPatch } from './closed-to.ts'
import { pointer, same, setAt } from './json.ts'
import { problem, type Problem } from './layout.ts'
import type { Managed, ManagedRoute, Provider, Uptake } from './provider.ts'
import type { Arms, Router } from './router.ts'
import { rounded } from './weights.ts'

const path = ['spec', 'selector'] as const

/** Where a Service leads. `Neither`: to pods of no door, or of more than one version; `canary` is whether those of the canary door are among them. */
type Position = { readonly at: 'stable' | 'canary' } | { readonly at: 'Neither'; readonly canary: boolean } | { readonly problem: Problem }

/** A Service as a route whose weights sum up to one: every share above 0 is all of it. */
const router: Router = {
  read(object, arms) {
    const position = positionOf(object, arms)
    const mark = closedTo(object)
    const closed = mark ? { closedTo: mark } : {}
    if ('problem' in position) return { canary: 0, uneven: false, totals: [], ...closed, canaryOnly: [], problems: [position.problem] }
    const reaches = position.at === 'Neither' ? position.canary : position.at === 'canary'
    return { canary: reaches ? 100 : 0, uneven: position.at === 'Neither', totals: [1], ...closed, canaryOnly: [], problems: [] }
  },
  write(object, arms, _, split) {
    const to = wanted(object, arms, split.canary)
    return to === undefined ? object : setAt(object, path, to)
  },
  patch(object, arms, _, change) {
    const to = wanted(object, arms, change.canary)
    const mark = closedToPatch(object, change.closedTo)
    if (to === undefined && mark.changes.length === 0) return []
    const turn: readonly JsonPatchOp[] = to === undefined ? [] : [
      { op: 'test', path: pointer(path), value: object.spec.selector },
      { op: 'replace', path: pointer(path), value: to },
    ]
    return [mark.test, ...turn, ...mark.changes]
  },
  upkeep: () => [],
  rounded,
}

/** With both doors on one version it counts as stable's: then nothing is at stake. A door that is not there says nothing about where others lead. */
function positionOf(object: KubeObject, { stable, canary }: Arms): Position {
  const selector: unknown = object.spec?.selector
  const called = `Service ${object.metadata.namespace ?? 'default'}/${object.metadata.name}`
  if (!isLabels(selector)) {
    const remedy = 'give it one, for example that of the Deployment, or delete it and Sluice makes it anew'
    return { problem: problem('SelectorMissing', `${called} has no selector, so it leads nowhere by itself: ${remedy}`) }
  }
  if (!stable.selector && !canary.selector) return { problem: lacksDoors(called, stable.service, canary.service) }
  if (same(selector, stable.selector)) return { at: 'stable' }
  if (same(selector, canary.selector)) return { at: 'canary' }
  if (!stable.selector) return { at: 'stable' }
  if (!canary.selector) return { at: 'canary' }
  return { at: 'Neither', canary: Object.entries(selector).every(([key, value]) => canary.selector?.[key] === value) }
}
function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
}

/** The selector to write; undefined: it is there, or nobody knows it. */
function wanted(object: KubeObject, arms: Arms, share: number): Readonly<Record<string, string>> | undefined {
  if ('problem' in positionOf(object, arms)) return undefined
  const { selector } = share > 0 ? arms.canary : arms.stable
  return selector === undefined || same(selector, object.spec.selector) ? undefined : selector
}

/** Ours, with the ports of the doors, and the selector of the one that it starts with. */
function managed(arms: Arms, { name, namespace, labels, ownerReferences, service, canary }: ManagedRoute): Managed {
  const { selector } = canary > 0 ? arms.canary : arms.stable
  if (selector === undefined) return { problems: [lacksDoors(`Service ${namespace}/${name}`, arms.stable.service, arms.canary.service)] }
  const { annotations } = service.metadata
  const metadata = { name, namespace, labels, ...(annotations ? { annotations } : {}), ownerReferences }
  return { object: { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'ClusterIP', selector, ...service.spec } } }
}
function lacksDoors(called: string, stable: string, canary: string): Problem {
  return problem('RouteLacksDoors', `${called} takes its selector from the doors ${stable} and ${canary}, which are not there yet: Sluice makes them`)
}

/** In force when its endpoints are those of its selector: nothing may drain while old ones are still shown, or new ones not yet. */
function uptake(object: KubeObject, { ready, others, expected }: { ready: number; others: number; expected: number }): Uptake {
  const followed = others === 0 && (ready > 0 || expected === 0)
  const what = others > 0 ? `${others} endpoints of the other version to leave` : 'endpoints of the version that it selects to show in'
  return { followed, ...(followed ? {} : { awaiting: `${what} Service ${object.metadata.namespace}/${object.metadata.name}` }), problems: [] }
}

export const kubernetesProvider: Provider = {
  router,
  field: 'f:spec/f:selector',
  needs: 'the core API',
  isOwnService: true,
  places: (traffic, own) => (traffic.kubernetes ? [{ kind: 'Service', ...own, managed: true, redirects: false }] : []),
  managed: (_, wanted) => managed(wanted.arms, wanted),
  uptake: (object, { endpoints }) => uptake(object, endpoints(object)),
  labels: () => [],
}
