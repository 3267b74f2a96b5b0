/** Pod templates: the user's as it is compared, and what a revision's template differs by. */
import type { KubeObject } from '../rollout/objects.ts'
import { canonicalJson, digest, normalized } from './canonical.ts'
import { injectedAnnotation, revisionLabel, rolloutLabel, sentAnnotation } from './marks.ts'
import { sameContent, trackedIn, type TrackedNow, withOriginals } from './tracked.ts'

/** One difference between two JSON trees. `path` is a JSON pointer; `to` is absent for Removed, `from` for Added. */
export interface Difference {
  readonly path: string
  readonly kind: 'Added' | 'Removed' | 'Changed'
  readonly from?: unknown
  readonly to?: unknown
}

/**
 * `spec.template` of a Deployment without our labels, without nulls, keys sorted, and with the names of the originals where a revision reads copies:
 * what equality and names are about.
 */
export function templateOf(deployment: KubeObject): unknown {
  const template = withOriginals(structuredClone(deployment.spec?.template ?? {}), trackedIn(deployment))
  const labels = template.metadata?.labels
  if (labels) {
    delete labels[rolloutLabel]
    delete labels[revisionLabel]
  }
  return normalized(template)
}

/** Where `to` differs from `from`, in document order; members that are null count as absent. */
export function differences(from: unknown, to: unknown, path = ''): Difference[] {
  if (isTree(from) && isTree(to) && Array.isArray(from) === Array.isArray(to)) {
    const keys = new Set([...Object.keys(from), ...Object.keys(to)])
    return [...keys].flatMap((key) => differences(from[key], to[key], `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`))
  }
  const [absentBefore, absentAfter] = [from === undefined || from === null, to === undefined || to === null]
  if (absentBefore && absentAfter) return []
  if (absentBefore) return [{ path, kind: 'Added', to }]
  if (absentAfter) return [{ path, kind: 'Removed', from }]
  return canonicalJson(from) === canonicalJson(to) ? [] : [{ path, kind: 'Changed', from, to }]
}

/**
 * Whether the workload's live template is the one that this revision runs. Both were defaulted by the same API server; what mutating webhooks
 * changed at the revision's creation is left out. Until that is written down, the digest of what was sent decides. `tracked`: the configuration that
 * counts as part of it, as it is now.
 */
export function sameRevision(workload: KubeObject, revision: KubeObject, tracked: readonly TrackedNow[] = []): boolean {
  return sameTemplate(workload, revision) && sameContent(revision, tracked)
}

/** The same without any configuration. */
export function sameTemplate(workload: KubeObject, revision: KubeObject): boolean {
  const live = templateOf(workload)
  const injected = injectedInto(revision)
  if (differences(live, templateOf(revision)).every((difference) => injected.some((known) => covers(known, difference)))) return true
  const sent = revision.metadata.annotations?.[sentAnnotation]
  return sent !== undefined && sent === digest(live)
}

/** The differences that mutating webhooks made when this revision was created, as written down on it; none where the annotation is absent or unreadable. */
export function injectedInto(revision: KubeObject): readonly Difference[] {
  const text = revision.metadata.annotations?.[injectedAnnotation]
  if (text === undefined) return []
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) ? list.filter((item): item is Difference => typeof item?.path === 'string') : []
  } catch {
    return []
  }
}

/** The container images of a Deployment's template, init containers left out, in order and once each. */
export function imagesOf(deployment: KubeObject): readonly string[] {
  const containers: { image?: string }[] = deployment.spec?.template?.spec?.containers ?? []
  return [...new Set(containers.flatMap((container) => (container.image ? [container.image] : [])))]
}

/** An added part needs no equal value: what the workload does not have at all, it cannot have changed. */
function covers(known: Difference, difference: Difference): boolean {
  if (known.path !== difference.path || known.kind !== difference.kind) return false
  if (known.kind === 'Added') return true
  return canonicalJson([known.from, known.to]) === canonicalJson([difference.from, difference.to])
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
