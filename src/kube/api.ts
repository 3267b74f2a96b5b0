/** What Sluice asks of a Kubernetes API server. Every answer is a value, also the bad ones. */
import type { JsonPatchOp, KubeObject, Resource } from '../rollout/objects.ts'

export type FailureReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict' // 409 otherwise
  | 'TestFailed' // 422 without details.causes: a JSON patch test did not hold
  | 'Invalid' // 422 with causes, 400
  | 'Forbidden' // 401, 403
  | 'Throttled' // 429
  | 'Expired' // 410
  | 'Unavailable' // 5xx, connection refused or cut: the write may or may not have happened
  | 'Timeout' // no answer in time: the write may or may not have happened
export interface Failure {
  readonly ok: false
  readonly reason: FailureReason
  /** One sentence for people, without secrets. */
  readonly message: string
  readonly status?: number
  readonly causes?: readonly { readonly field?: string; readonly message: string; readonly reason?: string }[]
  /** From Retry-After. */
  readonly retryAfterMs?: number
}
export type Result<T> = { readonly ok: true; readonly value: T; /** The API server's clock from its Date header, Unix ms. */ readonly serverTime?: number } | Failure

export interface ListPage {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
  readonly continue?: string
}
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: KubeObject }
  | { readonly type: 'ERROR'; readonly failure: Failure }
export interface Selection {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Only apiVersion, kind and metadata of each object are sent (PartialObjectMetadata). */
  readonly metadataOnly?: boolean
}
export type Subresource = 'status' | 'scale'
/** Traffic class of a request: `Urgent` (lowering, lease) has its own connections and never queues behind anything. */
export interface CallOptions {
  readonly urgent?: boolean
  readonly timeoutMs?: number
}
export interface KubeApi {
  get(resource: Resource, namespace: string | undefined, name: string, subresource?: Subresource, options?: CallOptions): Promise<Result<KubeObject>>
  list(resource: Resource, selection: Selection & { limit?: number; continue?: string; resourceVersion?: string; resourceVersionMatch?: string }, options?: CallOptions): Promise<Result<ListPage>>
  create(resource: Resource, object: KubeObject, options?: CallOptions): Promise<Result<KubeObject>>
  /** An array is sent as JSON patch, an object as JSON merge patch. */
  patch(resource: Resource, namespace: string | undefined, name: string, patch: readonly JsonPatchOp[] | object, subresource?: Subresource, options?: CallOptions): Promise<Result<KubeObject>>
  replace(resource: Resource, object: KubeObject, subresource?: Subresource, options?: CallOptions): Promise<Result<KubeObject>>
  delete(resource: Resource, namespace: string | undefined, name: string, preconditions?: { uid?: string; resourceVersion?: string; propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' }, options?: CallOptions): Promise<Result<undefined>>
  /** Yields events until the server ends the watch, the signal aborts, or an ERROR was yielded. Never throws. */
  watch(resource: Resource, selection: Selection & { resourceVersion: string }, signal: AbortSignal): AsyncIterable<WatchEvent>
  /** Versions served of a group by preference, and the resources of one group version; an absent group is an empty list. */
  groupVersions(group: string): Promise<Result<readonly string[]>>
  resources(group: string, version: string): Promise<Result<readonly Resource[]>>
}
