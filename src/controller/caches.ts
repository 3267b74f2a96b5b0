/** The caches behind World: one for each watched kind that the API server serves, found by discovery and kept whatever happens. */
import type { Failure, KubeApi } from '../kube/api.ts'
import { startCache, type Cache, type Change } from '../kube/cache.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { prune, watched, type CacheState, type Kind, type Watched, type World } from './world.ts'

export interface CachesOptions {
  readonly api: KubeApi
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1). */
  readonly random: () => number
  /** Watch this namespace only; all of them where unset. */
  readonly namespace?: string
  /** An object changed, and is readable as it is now. */
  readonly changed: (kind: Kind, change: Change) => void
  /** What is known as a whole changed: a kind has its first list, or is no longer served. */
  readonly stateChanged: (kind: Kind, state: CacheState) => void
}
export interface Caches extends World {
  /** The answer of an own write, readable at once. */
  apply(kind: Kind, object: KubeObject): void
  /** What there is to wait for or to mend, one sentence each; empty when every kind is complete or not served. */
  problems(): readonly string[]
  stop(): Promise<void>
}
/** Kinds that come later, with a CRD, are looked for this often, in ms. */
const lookAgain = 30_000
/** After a failed discovery. */
const retryAfter = 2_000

/** Starts watching everything that is served. */
export function startCaches(options: CachesOptions): Caches {
  const kinds = new Map(watched.map(watch => [watch.kind, keep(watch, options)]))
  const of = (kind: Kind): Kept => kinds.get(kind)!
  return {
    state: kind => of(kind).state(),
    resource: kind => (of(kind).state() === 'NotServed' ? undefined : of(kind).cache()?.resource),
    get: (kind, namespace, name) => of(kind).cache()?.get(namespace, name),
    list: (kind, namespace, labels) => of(kind).cache()?.list(namespace, labels) ?? [],
    apply: (kind, object) => of(kind).cache()?.apply(object),
    problems: () => [...kinds.values()].flatMap(one => one.problem() ?? []),
    stop: async () => void (await Promise.all([...kinds.values()].map(one => one.stop()))),
  }
}

interface Kept {
  state(): CacheState
  cache(): Cache | undefined
  problem(): string | undefined
  stop(): Promise<void>
}

/** One kind: looked for until it is served, watched while it is, looked for again when it is not any more. */
function keep(watch: Watched, options: CachesOptions): Kept {
  let cache: Cache | undefined
  let state: CacheState = 'Syncing'
  let failure: Failure | undefined
  let timer: { cancel(): void } | undefined
  let stopped = false

  const enter = (next: CacheState): void => {
    if (state === next || stopped) return
    state = next
    options.stateChanged(watch.kind, next)
  }
  const later = (ms: number): void => {
    if (!stopped) timer = options.clock.setTimeout(() => void look(), ms * (0.5 + options.random() / 2))
  }
  const look = async (): Promise<void> => {
    const found = await discover(options.api, watch)
    if (stopped) return
    if (found.state === 'Failed') {
      noteFailure(found.failure)
      return later(retryAfter)
    }
    failure = undefined
    if (found.state === 'NotServed') {
      if (ours(watch) && state !== 'NotServed') options.log.warn({ kind: watch.kind }, missing(watch))
      enter('NotServed')
      return later(watch.kind === 'Rollout' ? retryAfter : lookAgain)
    }
    begin(found.resource)
  }
  const noteFailure = (next: Failure): void => {
    if (failure?.reason !== next.reason) options.log.warn({ kind: watch.kind, reason: next.reason }, next.message)
    failure = next
    if (next.reason === 'Forbidden' && mayBeMissing(watch, options.namespace)) enter('NotServed')
  }
  const begin = (resource: Resource): void => {
    const namespace = watch.namespaced ? options.namespace : undefined
    const { labelSelector, fieldSelector, metadataOnly } = watch
    const started = startCache({
      api: options.api, resource, clock: options.clock, random: options.random,
      selection: { ...(namespace ? { namespace } : {}), ...(labelSelector ? { labelSelector } : {}), ...(fieldSelector ? { fieldSelector } : {}), ...(metadataOnly ? { metadataOnly } : {}) },
      prune: prune(watch), writers: watch.writers, labelIndexes: watch.labelIndexes,
      onProblem: problem => (problem.failure ? noteFailure(problem.failure) : options.log.error({ kind: watch.kind, err: problem.error }, 'a listener of a cache threw')),
    })
    cache = started
    started.subscribe(change => options.changed(watch.kind, change))
    started.subscribeState(next => {
      if (next === 'Synced') failure = undefined
      if (next === 'NotServed') {
        options.log.warn({ kind: watch.kind }, `${resource.plural}.${resource.group} is no longer served as ${resource.version}; what was known is kept until it is served again`)
        void started.stop().then(() => later(retryAfter))
      }
      enter(next)
    })
  }
  void look()
  return {
    state: () => state,
    cache: () => cache,
    problem: () => {
      const trouble = cache?.trouble?.failure ?? failure
      if (state === 'NotServed') return watch.kind === 'Rollout' ? missing(watch) : undefined
      if (state === 'Synced') return undefined
      return trouble === undefined ? `${watch.kind}: no complete list yet` : `${watch.kind}: ${trouble.message}`
    },
    stop: async () => {
      stopped = true
      timer?.cancel()
      await cache?.stop()
    },
  }
}

/** Sluice's own kinds: without Rollouts there is nothing to do; the others may come with a later version's CRDs. */
function ours(watch: Watched): boolean {
  return watch.group === 'sluice.dev' && watch.optional !== true
}
function missing(watch: Watched): string {
  return `${watch.plural}.${watch.group} is not served: install the CRDs with kubectl apply -f crds/`
}
/** Kinds that Sluice can do without where it may not read them: extras of meshes, and cluster-wide ones in an installation for one namespace. */
function mayBeMissing(watch: Watched, namespace: string | undefined): boolean {
  return watch.optional === true || (namespace !== undefined && !watch.namespaced)
}

type Discovery = { readonly state: 'Served'; readonly resource: Resource } | { readonly state: 'NotServed' } | { readonly state: 'Failed'; readonly failure: Failure }
/** The best served version in which the kind is really listed. */
async function discover(api: KubeApi, watch: Watched): Promise<Discovery> {
  const served = watch.group === '' ? ({ ok: true, value: ['v1'] } as const) : await api.groupVersions(watch.group)
  if (!served.ok) return { state: 'Failed', failure: served }
  for (const version of watch.versions.filter(one => served.value.includes(one))) {
    const there = await api.resources(watch.group, version)
    if (!there.ok) return { state: 'Failed', failure: there }
    const resource = there.value.find(one => one.plural === watch.plural)
    if (resource !== undefined) return { state: 'Served', resource }
  }
  return { state: 'NotServed' }
}
