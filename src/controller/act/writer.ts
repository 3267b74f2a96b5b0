/** What all actions share: the resource to write to, the answer, and telling the cache what was written. */
import type { CallOptions, Failure, KubeApi, Result, Subresource } from '../../kube/api.ts'
import type { JsonPatchOp, KubeObject, Resource } from '../../rollout/objects.ts'
import type { Kind, World } from '../world.ts'

export interface ActContext {
  /** Unix ms, for times that are written. */
  readonly now: number
  /** A written object as the API server answered it: the cache takes it, so that the next pass sees its own writes. */
  readonly applied: (kind: Kind, object: KubeObject) => void
  /** An object that was deleted. */
  readonly removed: (kind: Kind, object: KubeObject) => void
  /** Drops our managedFields entry of an object that is not ours (kube/ownership). Called through `afterwards` only. */
  readonly disown: (resource: Resource, object: KubeObject) => Promise<void>
}
export type ActResult =
  /** `wrote` is false where nothing had to be written. `afterwards` is left for when nothing urgent waits: giving back ownership. */
  | { readonly ok: true; readonly wrote: boolean; readonly afterwards?: () => Promise<void> }
  | Failure

export const unchanged: ActResult = { ok: true, wrote: false }

/** The answer where a pass asked for something that its own view rules out; nothing was sent. */
export function refused(reason: Failure['reason'], message: string): Failure {
  return { ok: false, reason, message }
}

/** Writes on behalf of one action. Pure of decisions: what and with which precondition is said by the caller. */
export class Writer {
  readonly api: KubeApi
  readonly context: ActContext
  readonly #world: World

  constructor(api: KubeApi, world: World, context: ActContext) {
    this.api = api
    this.#world = world
    this.context = context
  }

  resource(kind: Kind): Resource | undefined {
    return this.#world.resource(kind)
  }

  async create(kind: Kind, object: KubeObject): Promise<Result<KubeObject>> {
    return await this.#with(kind, async (resource) => this.#applied(kind, await this.api.create(resource, object)))
  }

  /** A JSON patch on an object; an empty one is not sent. */
  async patch(kind: Kind, object: KubeObject, patch: readonly JsonPatchOp[] | object, options?: CallOptions): Promise<Result<KubeObject>> {
    if (Array.isArray(patch) && patch.length === 0) return { ok: true, value: object }
    const { namespace, name } = object.metadata
    return await this.#with(kind, async (resource) => this.#applied(kind, await this.api.patch(resource, namespace, name, patch, undefined, options)))
  }

  /** A patch of a subresource, whose answer is for the caller to read: that of `scale` is no object of this kind. */
  async patchSubresource(kind: Kind, object: KubeObject, subresource: Subresource, patch: readonly JsonPatchOp[]): Promise<Result<KubeObject>> {
    return await this.#with(kind, (resource) => this.api.patch(resource, object.metadata.namespace, object.metadata.name, patch, subresource))
  }

  async get(kind: Kind, object: KubeObject, options?: CallOptions): Promise<Result<KubeObject>> {
    return await this.#with(kind, (resource) => this.api.get(resource, object.metadata.namespace, object.metadata.name, undefined, options))
  }

  /** Deletes exactly the object that was seen: same uid, and nothing changed in it since. One that is gone already is fine. */
  async delete(kind: Kind, object: KubeObject): Promise<ActResult> {
    const { namespace, name, uid, resourceVersion } = object.metadata
    const asSeen = { uid, resourceVersion, propagationPolicy: 'Background' as const }
    const answer = await this.#with(kind, (resource) => this.api.delete(resource, namespace, name, asSeen))
    if (!answer.ok && answer.reason !== 'NotFound') return answer
    this.context.removed(kind, object)
    return { ok: true, wrote: answer.ok }
  }

  /** Gives an object of somebody else back to its managers, when nothing urgent waits. The cached one has no managedFields and is read again. */
  disowning(kind: Kind, object: KubeObject): () => Promise<void> {
    return async () => {
      const resource = this.resource(kind)
      const whole = object.metadata.managedFields ? { ok: true as const, value: object } : await this.get(kind, object)
      if (resource && whole.ok && whole.value.metadata.uid === object.metadata.uid) await this.context.disown(resource, whole.value)
    }
  }

  async #with<T>(kind: Kind, call: (resource: Resource) => Promise<Result<T>>): Promise<Result<T>> {
    const resource = this.resource(kind)
    return resource ? await call(resource) : refused('NotFound', `the API server does not serve ${kind}`)
  }

  #applied(kind: Kind, answer: Result<KubeObject>): Result<KubeObject> {
    if (answer.ok) this.context.applied(kind, answer.value)
    return answer
  }
}

/** The result of a write whose answer is of no further use. */
export function done(answer: Result<unknown>): ActResult {
  return answer.ok ? { ok: true, wrote: true } : answer
}

/** Patch tests that this is the object that was seen, unchanged in every field: for our own objects, which nobody else writes often. */
export function unchangedSince({ metadata }: KubeObject): readonly JsonPatchOp[] {
  return [...sameObject({ metadata }), { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion ?? null }]
}
/** Patch tests that this is the object that was seen, and not another of its name. */
export function sameObject({ metadata }: Pick<KubeObject, 'metadata'>): readonly JsonPatchOp[] {
  return [{ op: 'test', path: '/metadata/uid', value: metadata.uid ?? null }]
}
