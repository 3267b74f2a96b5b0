/** Tracked ConfigMaps and Secrets of a revision: what is written down about them, and their copies as objects. */
import type { KubeObject } from '../rollout/objects.ts'
import { digest } from './canonical.ts'
import { configId, type ConfigKind, type ConfigName, renamedConfig } from './config-refs.ts'
import { copyOfAnnotation, revisionLabel, rolloutLabel, trackedConfigAnnotation } from './marks.ts'

/** One object as a revision knows it. */
export interface TrackedRecord extends ConfigName {
  /** Of the content that the revision began with (contentDigest; of a Secret what is derived from it), or `absent`. */
  readonly digest: string
  /** Name of the copy that the revision's pods read; none: they read the original, and the digest is what it held when tracking was turned on. */
  readonly copy?: string
}
/** One object as it is now; no digest: it is not known, or gone, and then nothing is said to have changed. */
export interface TrackedNow extends ConfigName {
  readonly digest?: string | undefined
}
/** The digest of an optional object that does not exist. */
export const absent = 'absent'

/** Digest of what pods see of a ConfigMap or Secret: its data and, of a Secret, its type. Metadata and `immutable` are left out. 20 characters. */
export function contentDigest({ kind, data, binaryData, type }: KubeObject): string {
  return digest({ data: data ?? {}, ...(kind === 'Secret' ? { type: type ?? 'Opaque' } : { binaryData: binaryData ?? {} }) }).slice(0, 20)
}

/** What is written on a revision; nothing on any other Deployment, or where it cannot be read. */
export function trackedIn({ metadata }: KubeObject): readonly TrackedRecord[] {
  const text = metadata.labels?.[revisionLabel] === undefined ? undefined : metadata.annotations?.[trackedConfigAnnotation]
  if (text === undefined) return []
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) ? list.filter((one): one is TrackedRecord => typeof one?.kind === 'string' && typeof one.name === 'string' && typeof one.digest === 'string') : []
  } catch {
    return []
  }
}

/** The annotation that says it; null where there is nothing to say. */
export function trackedAnnotation(records: readonly TrackedRecord[]): Readonly<Record<string, string | null>> {
  return { [trackedConfigAnnotation]: records.length > 0 ? JSON.stringify(records) : null }
}

/** The revision's template with the names of the originals. */
export function withOriginals<T>(template: T, records: readonly TrackedRecord[]): T {
  const originals = new Map(records.flatMap(({ kind, name, copy }) => (copy === undefined ? [] : [[configId({ kind, name: copy }), name] as const])))
  return originals.size === 0 ? template : renamedConfig(template, (ref) => originals.get(configId(ref)) ?? ref.name)
}
/** The user's template with the names of the copies. */
export function withCopies<T>(template: T, records: readonly TrackedRecord[]): T {
  const copies = new Map(records.map((record) => [configId(record), record.copy ?? record.name]))
  return copies.size === 0 ? template : renamedConfig(template, (ref) => copies.get(configId(ref)) ?? ref.name)
}

/** Nothing that is known now differs from what the revision began with. What it does not know, it reads from the original. */
export function sameContent(revision: KubeObject, now: readonly TrackedNow[]): boolean {
  return changedContent(revision, now).length === 0
}
/** The objects whose content is another one now. */
export function changedContent(revision: KubeObject, now: readonly TrackedNow[]): readonly ConfigName[] {
  const records = new Map(trackedIn(revision).map((record) => [configId(record), record.digest]))
  return now.filter((one) => one.digest !== undefined && (records.get(configId(one)) ?? one.digest) !== one.digest)
}

/** Name of a copy: the revision's cut to 52, a dash, a hash. `nonce` tells copies apart that two Deployments of one name have had. At most 63 characters. */
export function copyName(revision: string, { kind, name, digest: content }: TrackedRecord, nonce: number): string {
  return `${revision.slice(0, 52).replace(/[-.]+$/, '')}-${digest([kind, name, content, nonce]).slice(0, 10)}`
}

/**
 * The copy to create: content alone, for ever, and nothing of the original's metadata: marks of Argo CD, Flux or Helm would get it pruned.
 * It belongs to the revision's Deployment, and goes with it. Undefined for a record that has no copy, or is of an absent object.
 */
export function copyOf(original: KubeObject, record: TrackedRecord, revision: KubeObject, rollout: string): KubeObject | undefined {
  if (record.copy === undefined || record.digest === absent) return undefined
  const { data, binaryData } = original
  const { apiVersion, kind, metadata: { name, namespace, uid = '' } } = revision
  return {
    apiVersion: 'v1',
    kind: record.kind,
    metadata: {
      name: record.copy,
      namespace,
      labels: { [rolloutLabel]: rollout, [revisionLabel]: name },
      annotations: { [copyOfAnnotation]: record.name },
      ownerReferences: [{ apiVersion, kind, name, uid }],
    },
    immutable: true,
    ...(data === undefined ? {} : { data }),
    ...(binaryData === undefined ? {} : { binaryData }),
    ...(record.kind === 'Secret' ? { type: copiedType(original['type']) } : {}),
  }
}
/** A token for a service account would be made anew, by its type; pods read the data. */
function copiedType(type: unknown): string {
  return typeof type === 'string' && type !== 'kubernetes.io/service-account-token' ? type : 'Opaque'
}

/** Whether a tracked object is in a list of `spec.trackedConfig`; an entry without a name stands for all of its kind. */
export function isTracked(wanted: readonly { readonly kind: ConfigKind; readonly name?: string | undefined }[], { kind, name }: ConfigName): boolean {
  return wanted.some((one) => one.kind === kind && (one.name === undefined || one.name === name))
}
