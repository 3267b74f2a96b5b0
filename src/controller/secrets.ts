/** The Secrets that channels and hooks name: read one by one, kept for a minute, never listed or watched. No value leaves but to whoever signs or sends. */
import type { Failure, KubeApi } from '../kube/api.ts'
import type { Outcome } from '../notify/post.ts'
import { signingKey } from '../notify/signing.ts'
import type { Resource } from '../rollout/objects.ts'
import type { SecretKeyRef } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'

/** Why nothing can be sent; as the outcome of sending it. */
export type Trouble = Exclude<Outcome, { state: 'Delivered' }>
export type SecretValue = { readonly state: 'Value'; readonly value: string } | Trouble
export type SigningKeys = { readonly state: 'Keys'; readonly keys: readonly Buffer[] } | Trouble

const secrets: Resource = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true }
/** A Secret is read again after this many ms. */
const keptFor = 60_000
/** While a receiver changes over, the old secret and the new one. */
const mostKeys = 2

type Data = ReadonlyMap<string, string>

export class Secrets {
  readonly #api: Pick<KubeApi, 'get'>
  readonly #clock: Clock
  readonly #known = new Map<string, { readonly until: number; readonly data: Data }>()

  constructor(api: Pick<KubeApi, 'get'>, clock: Clock) {
    this.#api = api
    this.#clock = clock
  }

  /** What stands under the key. `named`: where people wrote the reference, for remedies. */
  async value(namespace: string, { name, key }: SecretKeyRef, named: string): Promise<SecretValue> {
    const data = await this.#read(namespace, name)
    if ('failure' in data) return unread(data.failure, namespace, name, named)
    const encoded = data.get(key)
    const value = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
    if (value.trim() === '') return failed('SecretMissing', `Secret ${name} has nothing under the key ${key}: correct the key, or add it`)
    return { state: 'Value', value }
  }

  /** The signing keys under the key: one secret, or two with a blank between. */
  async signingKeys(namespace: string, ref: SecretKeyRef, named: string): Promise<SigningKeys> {
    const secret = await this.value(namespace, ref, named)
    if (secret.state !== 'Value') return secret
    const texts = secret.value.trim().split(/\s+/)
    const where = `key ${ref.key} of Secret ${ref.name}`
    if (texts.length > mostKeys) return failed('SecretInvalid', `${where} holds ${texts.length} secrets, and at most ${mostKeys} are used: remove the oldest`)
    const keys: Buffer[] = []
    for (const text of texts) {
      const key = signingKey(text)
      if (!key.ok) return failed('SecretInvalid', `${where} ${key.message}`)
      keys.push(key.key)
    }
    return { state: 'Keys', keys }
  }

  /** Forgets the Secrets of a namespace: they are read again when they are needed. */
  changed(namespace: string): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${namespace}/`)) this.#known.delete(key)
  }

  /** Its keys with their values in base64. */
  async #read(namespace: string, name: string): Promise<Data | { readonly failure: Failure }> {
    const id = `${namespace}/${name}`
    const known = this.#known.get(id)
    if (known !== undefined && this.#clock.monotonic() < known.until) return known.data
    this.#known.delete(id)
    const answer = await this.#api.get(secrets, namespace, name)
    if (!answer.ok) return { failure: answer }
    const data = new Map(Object.entries((answer.value['data'] ?? {}) as Readonly<Record<string, string>>))
    this.#known.set(id, { until: this.#clock.monotonic() + keptFor, data })
    return data
  }
}

/** Something that a person must change. */
export function failed(reason: string, message: string): Trouble {
  return { state: 'Failed', reason, message }
}
function unread(failure: Failure, namespace: string, name: string, named: string): Trouble {
  if (failure.reason === 'NotFound') return failed('SecretMissing', `there is no Secret ${name} in namespace ${namespace}: create it, or correct ${named}`)
  if (failure.reason !== 'Forbidden') return { state: 'Busy', reason: 'SecretUnavailable', message: `Secret ${name} could not be read (${failure.reason})` }
  const role = `kubectl -n ${namespace} create role sluice-reads-${name} --verb=get --resource=secrets --resource-name=${name}`
  const whose = `the controller may not read Secret ${name} in namespace ${namespace}`
  return failed('SecretForbidden', `${whose}: ${role}, and bind it to the controller's service account`)
}
