/** Tracked ConfigMaps and Secrets in the words of the domain: what they hold now, what a new revision needs of them, and what somebody should know. */
import { configId, type ConfigName, type ConfigRef, configRefs } from '../../revision/config-refs.ts'
import { copiesPendingAnnotation, trackedConfigAnnotation } from '../../revision/marks.ts'
import { templateOf } from '../../revision/template.ts'
import { absent, isTracked, trackedAnnotation, trackedIn, type TrackedRecord } from '../../revision/tracked.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { Blocker, Seen } from '../../rollout/seen.ts'
import type { Scope } from './scope.ts'
import { stableRevision } from './stable.ts'

/** What was read of an original. Never what it holds. */
export type Content =
  /** `digest` may be written down; `plain`, its contentDigest, stays in the process. */
  | { readonly state: 'Known'; readonly digest: string; readonly plain: string }
  | { readonly state: 'Missing' }
  /** `message`: with the Role that is missing. */
  | { readonly state: 'Forbidden'; readonly message: string }
  | { readonly state: 'Unreadable'; readonly message: string }
/** Answers what is known of an object; undefined: it was not read yet, or is just being read again. */
export type Contents = (namespace: string, object: ConfigName) => Content | undefined
/** An object that the template names and the spec tracks. */
export interface TrackedSeen extends ConfigRef {
  readonly content: Content | undefined
}
/** Objects of one template that are tracked; the annotations of a revision bear no more. */
const most = 64

export function trackedSeen({ spec, workload, namespace }: Pick<Scope, 'spec' | 'workload' | 'namespace'>, contents: Contents | undefined): readonly TrackedSeen[] {
  const wanted = spec.trackedConfig
  if (!wanted || !workload || !spec.workloadRef) return []
  return configRefs(workload.spec?.template).filter((ref) => isTracked(wanted, ref)).map((ref) => ({ ...ref, content: contents?.(namespace, ref) }))
}

/** Its digest where it is known; what is gone or cannot be read is not said to have changed, so that deleting an original starts nothing. */
export function digestNow({ kind, name, content }: TrackedSeen): ConfigName & { readonly digest?: string } {
  return { kind, name, ...(content?.state === 'Known' ? { digest: content.digest } : {}) }
}
/** What a revision made now would begin with; undefined while it cannot be said of each. */
export function recordsNow(tracked: readonly TrackedSeen[]): readonly TrackedRecord[] | undefined {
  const records = tracked.flatMap((one) => beginning(one) ?? [])
  return records.length === tracked.length ? records : undefined
}
function beginning({ kind, name, optional, content }: TrackedSeen): TrackedRecord | undefined {
  if (content?.state === 'Known') return { kind, name, digest: content.digest }
  return content?.state === 'Missing' && optional ? { kind, name, digest: absent } : undefined
}
/** Something was not read yet, or is just being read again, and nobody has said that it cannot be. */
export function isUnread(tracked: readonly TrackedSeen[]): boolean {
  return tracked.some(({ content }) => content === undefined)
}

/** Why a revision that does not exist yet cannot be made; and, for the moment after a start, that nothing is said before everything was read once. */
export function trackedBlockers(scope: Scope, templateRevision: string | undefined, asked: boolean): readonly Blocker[] {
  const target = scope.revisions.find(({ metadata }) => metadata.name === templateRevision)
  if (!asked || (target && !isPending(target) && !isUnread(scope.tracked))) return []
  if (scope.tracked.length > most) {
    const message = `the template names ${scope.tracked.length} objects that spec.trackedConfig tracks, and ${most} are possible: name those that matter`
    return [{ reason: 'TooManyTracked', message, stops: 'Raise', stalled: true }]
  }
  return scope.tracked.flatMap((one): Blocker[] => {
    const what = `${one.kind} ${one.name}`
    if (beginning(one) || one.content?.state === 'Known') return []
    switch (one.content?.state) {
      case undefined: return [{ reason: 'ConfigUnread', message: `${what} to be read`, stops: 'Raise', stalled: false }]
      case 'Missing': return [{ reason: 'ConfigMissing', message: `${what}, which the template names and spec.trackedConfig tracks, does not exist: apply it`, stops: 'Raise', stalled: false }]
      case 'Forbidden': return [{ reason: 'ConfigForbidden', message: one.content.message, stops: 'Raise', stalled: true }]
      case 'Unreadable': return [{ reason: 'ConfigUnread', message: one.content.message, stops: 'Raise', stalled: false }]
    }
  })
}

/** Facts about what is tracked. */
export function trackedRemarks(scope: Scope): Seen['remarks'] {
  const stable = stableRevision(scope)
  const copies = new Set((stable ? trackedIn(stable) : []).filter(({ copy, digest }) => copy !== undefined && digest !== absent).map(configId))
  const said = scope.tracked.flatMap((one): Seen['remarks'] => {
    if (one.content?.state === 'Missing' && copies.has(configId(one)))
      return [{ type: 'TrackedConfigMissing', reason: 'OriginalMissing', message: `${one.kind} ${one.name} is gone: what serves goes on with its copy; ${one.optional ? 'the next version goes without' : 'the next version waits until it is there'}` }]
    if (one.content?.state === 'Missing' && one.kind === 'Secret' && !one.optional)
      return [{ type: 'TrackedConfigMissing', reason: 'OriginalMissing', message: `Secret ${one.name} is gone, and stable has no copy of it yet: its pods could not start again; restore it` }]
    if (one.content?.state === 'Forbidden') return [{ type: 'TrackedConfigUnreadable', reason: 'Forbidden', message: one.content.message }]
    if (one.content?.state === 'Unreadable') return [{ type: 'TrackedConfigUnreadable', reason: 'NoAnswer', message: one.content.message }]
    return []
  })
  return [...said, ...unnamed(scope)]
}
/** An entry that tracks nothing is most likely a typing error, or a name with a hash. */
function unnamed({ spec, tracked, workload }: Scope): Seen['remarks'] {
  if (!workload || !spec.workloadRef) return []
  const idle = (spec.trackedConfig ?? []).filter((entry) => entry.name !== undefined && !tracked.some((one) => isTracked([entry], one)))
  if (idle.length === 0) return []
  const names = idle.map(({ kind, name }) => `${kind} ${name}`).join(', ')
  return [{ type: 'TrackedConfigUnused', reason: 'NotNamed', message: `spec.trackedConfig names ${names}, which the template of Deployment ${workload.metadata.name} does not: correct the name, or remove the entry` }]
}

/** Its copies are not all made. */
export function isPending({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[copiesPendingAnnotation] !== undefined
}
/**
 * What has to stand on a revision: what it began with, and of tracked originals that its pods read as they are, what these held when tracking was turned on.
 * Without the latter the first change afterwards would pass unseen; and what is no longer tracked is forgotten, so that turning it on again starts nothing.
 */
export function wantedRecords({ spec, tracked }: Scope, revision: KubeObject): readonly TrackedRecord[] {
  const records = trackedIn(revision)
  const kept = records.filter((record) => record.copy !== undefined || isTracked(spec.trackedConfig ?? [], record))
  const known = new Set(records.map(configId))
  if (tracked.length === 0) return kept
  const named = new Set(configRefs(templateOf(revision)).map(configId))
  const fresh = tracked.filter((one) => named.has(configId(one)) && !known.has(configId(one))).flatMap((one) => beginning(one) ?? [])
  return [...kept, ...fresh]
}
/** Revisions whose records differ from that, and those whose copies can be made, or made again, since the originals still hold the same. */
export function trackedUpkeep(scope: Scope): Seen['upkeep'] {
  const differs = (revision: KubeObject): boolean => {
    const [before, wanted] = [revision.metadata.annotations?.[trackedConfigAnnotation], wantedRecords(scope, revision)]
    return (before !== undefined || wanted.length > 0) && (trackedAnnotation(wanted)[trackedConfigAnnotation] ?? undefined) !== before
  }
  const records = scope.revisions.filter(differs).map((revision) => ({ key: `Revision/${revision.metadata.name}`, what: 'Revision' as const }))
  const copies = scope.revisions.filter((revision) => lacksCopies(scope, revision)).map((revision) => ({ key: `Copies/${revision.metadata.name}`, what: 'Copies' as const }))
  return [...records, ...copies]
}
function lacksCopies({ world, namespace, tracked }: Scope, revision: KubeObject): boolean {
  if (revision.metadata.deletionTimestamp !== undefined) return false
  const copied = trackedIn(revision).filter(({ copy, digest }) => copy !== undefined && digest !== absent)
  const same = ({ kind, name, digest }: TrackedRecord): boolean => tracked.some((one) => one.kind === kind && one.name === name && one.content?.state === 'Known' && one.content.digest === digest)
  if (isPending(revision)) return copied.every(same)
  if (world.state('ConfigMap') !== 'Synced') return false
  return copied.some((record) => record.kind === 'ConfigMap' && same(record) && !world.get('ConfigMap', namespace, record.copy!))
}
