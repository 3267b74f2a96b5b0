/**
 * Tracked ConfigMaps and Secrets as one more cache: of each the digest of its content and nothing else. A ConfigMap is read when its watch tells of a change,
 * a Secret by its name from time to time, since nobody may list or watch Secrets. Nothing here runs inside a pass.
 */
import { scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import type { Failure, KubeApi } from '../kube/api.ts'
import { gate } from '../metrics/gate.ts'
import { configId, type ConfigKind, type ConfigName } from '../revision/config-refs.ts'
import { contentDigest } from '../revision/tracked.ts'
import type { Resource } from '../rollout/objects.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Content } from './observe/tracked.ts'
import { split } from './surroundings.ts'
import type { Changed } from './wakes.ts'

/** Both are served by every API server in this version. */
export const configResources: Readonly<Record<ConfigKind, Resource>> = {
  ConfigMap: { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true },
  Secret: { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true },
}
export interface OriginalsOptions {
  readonly api: Pick<KubeApi, 'get' | 'create'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Unset: `derived`. */
  readonly derive?: Derive | undefined
  /** What is known of an object of this rollout has changed: have a look. */
  readonly wake: (key: string) => void
}
/** What may be written down of a Secret, from its plain digest and its `<namespace>/<name>`. */
export type Derive = (plain: string, secret: string) => Promise<string>
interface Original extends ConfigName {
  readonly namespace: string
  readonly keys: Set<string>
  content?: Content
  reading: boolean
  /** It changed while it was read. */
  again: boolean
  /** It is known to have changed, or must be looked at once more: what is known of it is not to be built upon. */
  stale: boolean
  timer?: { cancel(): void } | undefined
}
/** Between two reads of a Secret, in ms. */
const everyMs = 30_000
/** After a refusal, since somebody may be typing the Role just now. */
const refusedMs = 10_000
/** After a read without an answer. */
const retryMs = 5_000
/** How long the right to create Secrets is taken for granted once it was there. */
const grantedMs = 600_000
const atOnce = 8

/** Keeps the digests of what rollouts track. */
export class Originals {
  readonly #options: OriginalsOptions
  readonly #originals = new Map<string, Original>()
  readonly #byRollout = new Map<string, ReadonlySet<string>>()
  /** By namespace, until when (monotonic ms) Secrets may be created without asking. */
  readonly #granted = new Map<string, number>()
  /** By rollout, the version for which Secrets were read last. */
  readonly #versions = new Map<string, string>()
  readonly #places = gate(atOnce)

  constructor(options: OriginalsOptions) {
    this.#options = options
  }

  /** What this rollout (`<namespace>/<name>`) tracks from now on; what is new is read at once, what nobody tracks is forgotten. */
  update(key: string, wanted: readonly ConfigName[]): void {
    const [namespace] = split(key)
    const before = this.#byRollout.get(key) ?? new Set<string>()
    if (wanted.length === 0 && before.size === 0) return
    const now = new Set(wanted.map((one) => `${namespace}/${configId(one)}`))
    for (const id of before) if (!now.has(id)) this.#drop(id, key)
    for (const { kind, name } of wanted) {
      const id = `${namespace}/${configId({ kind, name })}`
      const known = this.#originals.get(id)
      if (known) known.keys.add(key)
      else {
        const original: Original = { kind, name, namespace, keys: new Set([key]), reading: false, again: false, stale: false }
        this.#originals.set(id, original)
        this.#read(original)
      }
    }
    if (now.size === 0) {
      this.#byRollout.delete(key)
      this.#versions.delete(key)
    }
    else this.#byRollout.set(key, now)
  }
  /** Forgets a rollout. */
  forget(key: string): void {
    this.update(key, [])
  }
  /** Forgets everything; answers under way are dropped. */
  stop(): void {
    for (const key of this.#byRollout.keys()) this.forget(key)
    this.#granted.clear()
  }

  /** What is known of an object; undefined: it was never read, or it is just being read again. */
  content(namespace: string, { kind, name }: ConfigName): Content | undefined {
    const original = this.#originals.get(`${namespace}/${configId({ kind, name })}`)
    return original?.stale ? undefined : original?.content
  }
  /** A ConfigMap changed, as its watch tells. */
  changed({ object: { metadata } }: Changed): void {
    const original = this.#originals.get(`${metadata.namespace ?? ''}/${configId({ kind: 'ConfigMap', name: metadata.name })}`)
    if (original) this.#readAnew(original)
  }
  /**
   * Before a version is made, once for each name that it will have: Secrets, which nobody watches, may have changed along with the template. Reads them
   * again, and answers whether there are any.
   */
  freshen(key: string, version: string): boolean {
    if (this.#versions.get(key) === version || !this.#byRollout.has(key)) return false
    this.#versions.set(key, version)
    return this.#readAll(key, 'Secret') > 0
  }
  /** Something was found to have changed since it was read: all that this rollout tracks is read again. */
  reread(key: string): void {
    this.#readAll(key)
  }

  #readAll(key: string, kind?: ConfigKind): number {
    const all = [...(this.#byRollout.get(key) ?? [])].flatMap((id) => this.#originals.get(id) ?? [])
    const known = all.filter((original) => original.content?.state === 'Known' && (kind === undefined || original.kind === kind))
    for (const original of known) this.#readAnew(original)
    return known.length
  }
  #drop(id: string, key: string): void {
    const original = this.#originals.get(id)
    original?.keys.delete(key)
    if (!original || original.keys.size > 0) return
    original.timer?.cancel()
    this.#originals.delete(id)
  }
  #readAnew(original: Original): void {
    original.stale = original.content?.state === 'Known'
    this.#read(original)
  }
  #read(original: Original): void {
    original.timer?.cancel()
    original.timer = undefined
    if (original.reading) return void (original.again = true)
    original.reading = true
    void this.#places(() => this.#look(original)).then((content) => this.#take(original, content))
  }
  #take(original: Original, content: Content): void {
    original.reading = false
    if (original.keys.size === 0) return
    // What is known stays known while nobody answers.
    const next = content.state === 'Unreadable' && original.content?.state === 'Known' ? original.content : content
    // Whoever looked while it was stale has put everything off.
    const told = original.stale || JSON.stringify(next) !== JSON.stringify(original.content)
    original.content = next
    original.stale = original.again && next.state === 'Known'
    if (original.again) {
      original.again = false
      this.#read(original)
    } else {
      const wait = content.state === 'Unreadable' ? retryMs : content.state === 'Forbidden' ? refusedMs : original.kind === 'Secret' ? everyMs : undefined
      if (wait !== undefined) original.timer = this.#options.clock.setTimeout(() => this.#read(original), wait * (0.75 + this.#options.random() / 2))
    }
    if (told) for (const key of original.keys) this.#options.wake(key)
  }

  async #look(original: Original): Promise<Content> {
    const { kind, name, namespace } = original
    const answer = await this.#options.api.get(configResources[kind], namespace, name, undefined, { timeoutMs: retryMs })
    if (!answer.ok) return unread(answer, namespace, { kind, name })
    const plain = contentDigest(answer.value)
    if (kind === 'ConfigMap') return { state: 'Known', digest: plain, plain }
    if (!(await this.#mayCreate(namespace))) return { state: 'Forbidden', message: `the controller may not create Secrets in namespace ${namespace}, so Secret ${name} cannot be copied: ${createRole(namespace)}` }
    if (original.content?.state === 'Known' && original.content.plain === plain) return original.content
    return { state: 'Known', digest: await (this.#options.derive ?? derived)(plain, `${namespace}/${name}`), plain }
  }
  /** Asked before anything is made, so that the condition says it and no half-made revision. An API server that cannot be asked says it with the write. */
  async #mayCreate(namespace: string): Promise<boolean> {
    const { api, clock } = this.#options
    if (clock.monotonic() < (this.#granted.get(namespace) ?? 0)) return true
    const reviews: Resource = { group: 'authorization.k8s.io', version: 'v1', plural: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', namespaced: false }
    const question = { apiVersion: 'authorization.k8s.io/v1', kind: reviews.kind, metadata: { name: '' }, spec: { resourceAttributes: { namespace, verb: 'create', version: 'v1', resource: 'secrets' } } }
    const answer = await api.create(reviews, question, { timeoutMs: retryMs })
    const may = !answer.ok || answer.value.status?.allowed === true
    if (may) this.#granted.set(namespace, clock.monotonic() + grantedMs)
    return may
  }
}

const slow = promisify<string, string, number, { N: number; r: number }, Buffer>(scrypt)
/** Whoever may read Deployments but no Secrets must not learn a short password from its digest: each guess takes 16 MB and tens of milliseconds. 20 hexadecimal digits. */
export const derived: Derive = async (plain, secret) => (await slow(plain, `sluice.dev/secret/${secret}`, 10, { N: 2 ** 14, r: 8 })).toString('hex')

function unread(failure: Failure, namespace: string, { kind, name }: ConfigName): Content {
  if (failure.reason === 'NotFound') return { state: 'Missing' }
  if (failure.reason !== 'Forbidden') return { state: 'Unreadable', message: `${kind} ${name} could not be read (${failure.reason})` }
  const plural = configResources[kind].plural
  const read = `kubectl -n ${namespace} create role sluice-tracks-${name} --verb=get --resource=${plural} --resource-name=${name}`
  const role = kind === 'Secret' ? `${read}; ${createRole(namespace)}` : read
  return { state: 'Forbidden', message: `the controller may not read ${kind} ${name} in namespace ${namespace}: ${role}` }
}
function createRole(namespace: string): string {
  return `kubectl -n ${namespace} create role sluice-copies-secrets --verb=create --resource=secrets, and bind it to the controller's service account (docs/security.md)`
}
