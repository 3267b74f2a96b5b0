/** One message through one NotificationChannel: the secrets that it names, and the POST. No secret leaves this file but towards the receiver. */
import type { Failure, KubeApi } from '../kube/api.ts'
import type { Message } from '../notify/message.ts'
import type { Letter, Outcome, Post } from '../notify/post.ts'
import { signed, signingKey } from '../notify/signing.ts'
import { slackBody } from '../notify/slack.ts'
import { webhookBody } from '../notify/webhook.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import type { ChannelSpec, SecretKeyRef } from '../rollout/schema.ts'
import { validate } from '../rollout/validate.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { World } from './world.ts'

export interface ChannelsOptions {
  readonly api: Pick<KubeApi, 'get'>
  readonly clock: Clock
  readonly world: Pick<World, 'get' | 'state'>
  readonly post: Post
}
/** Why nothing can be sent; as the outcome of sending it. */
export type Trouble = Exclude<Outcome, { state: 'Delivered' }>
/** How much a channel takes: messages at once, and the pause after each in ms. */
export interface Pace {
  readonly places: number
  readonly gapMs: number
}
/** Everything that is needed to send, made of the channel and its secrets. */
interface Ready {
  readonly state: 'Ready'
  letter(message: Message): Letter
}
type Data = ReadonlyMap<string, string>
type Value = { readonly state: 'Value'; readonly value: string } | Trouble

const secrets: Resource = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true }
/** A Secret is read again after this many ms; it is never listed or watched. */
const keptFor = 60_000

export class Channels {
  readonly #options: ChannelsOptions
  readonly #secrets = new Map<string, { readonly until: number; readonly data: Data }>()

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  /** Sends it, once. Never rejects. */
  async send(namespace: string, channel: string, message: Message): Promise<Outcome> {
    const ready = await this.#ready(namespace, channel)
    if (ready.state !== 'Ready') return ready
    const outcome = await this.#options.post(ready.letter(message))
    // Whoever turns our message away may have a new URL or secret by now.
    if (outcome.state === 'Failed') this.changed(namespace)
    return outcome
  }

  /** Whether something could be sent, as far as the channel and its secrets tell. */
  async check(namespace: string, channel: string): Promise<Trouble | undefined> {
    const ready = await this.#ready(namespace, channel)
    return ready.state === 'Ready' ? undefined : ready
  }

  /** Slack takes one message a second, and disables who does not keep to it. */
  pace(namespace: string, channel: string): Pace {
    return this.#options.world.get('NotificationChannel', namespace, channel)?.spec?.slack === undefined ? { places: 4, gapMs: 0 } : { places: 1, gapMs: 1000 }
  }

  /** Forgets the secrets of a namespace: they are read again with the next message. */
  changed(namespace: string): void {
    for (const key of this.#secrets.keys()) if (key.startsWith(`${namespace}/`)) this.#secrets.delete(key)
  }

  async #ready(namespace: string, name: string): Promise<Ready | Trouble> {
    const { world, clock } = this.#options
    if (world.state('NotificationChannel') === 'NotServed')
      return failed('ChannelMissing', 'the controller finds no notificationchannels.sluice.dev: apply crds/, and give it the right to list them')
    const channel = world.get('NotificationChannel', namespace, name)
    if (channel === undefined) return failed('ChannelMissing', `there is no NotificationChannel ${name} in namespace ${namespace}: create it, or correct spec.notifications`)
    const [problem] = validate(bare(channel))
    if (problem !== undefined) return failed('ChannelInvalid', problem.message)
    const { slack, webhook } = channel.spec as ChannelSpec
    if (slack !== undefined) {
      const url = await this.#value(namespace, slack.urlSecretRef)
      return url.state === 'Value' ? { state: 'Ready', letter: message => ({ url: url.value.trim(), body: slackBody(message), headers: {} }) } : url
    }
    const { urlSecretRef, signingSecretRefs } = webhook!
    const url: Value = urlSecretRef === undefined ? { state: 'Value', value: webhook!.url! } : await this.#value(namespace, urlSecretRef)
    if (url.state !== 'Value') return url
    const keys: Buffer[] = []
    for (const ref of signingSecretRefs) {
      const secret = await this.#value(namespace, ref)
      if (secret.state !== 'Value') return secret
      const key = signingKey(secret.value)
      if (!key.ok) return failed('SecretInvalid', `key ${ref.key} of Secret ${ref.name} ${key.message}`)
      keys.push(key.key)
    }
    return {
      state: 'Ready',
      letter(message) {
        const body = webhookBody(message)
        return { url: url.value.trim(), body, headers: signed(message.id, clock.now(), body, keys) }
      },
    }
  }

  async #value(namespace: string, { name, key }: SecretKeyRef): Promise<Value> {
    const data = await this.#read(namespace, name)
    if ('failure' in data) return unread(data.failure, namespace, name)
    const encoded = data.get(key)
    const value = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8')
    if (value.trim() === '') return failed('SecretMissing', `Secret ${name} has nothing under the key ${key}: correct the key, or add it`)
    return { state: 'Value', value }
  }

  /** Its keys with their values in base64. */
  async #read(namespace: string, name: string): Promise<Data | { readonly failure: Failure }> {
    const { api, clock } = this.#options
    const id = `${namespace}/${name}`
    const known = this.#secrets.get(id)
    if (known !== undefined && clock.monotonic() < known.until) return known.data
    this.#secrets.delete(id)
    const answer = await api.get(secrets, namespace, name)
    if (!answer.ok) return { failure: answer }
    const data = new Map(Object.entries((answer.value['data'] ?? {}) as Readonly<Record<string, string>>))
    this.#secrets.set(id, { until: clock.monotonic() + keptFor, data })
    return data
  }
}

function failed(reason: string, message: string): Trouble {
  return { state: 'Failed', reason, message }
}
function unread(failure: Failure, namespace: string, name: string): Trouble {
  if (failure.reason === 'NotFound') return failed('SecretMissing', `there is no Secret ${name} in namespace ${namespace}: create it, or correct the channel`)
  if (failure.reason !== 'Forbidden') return { state: 'Busy', reason: 'SecretUnavailable', message: `Secret ${name} could not be read (${failure.reason})` }
  const role = `kubectl -n ${namespace} create role sluice-reads-${name} --verb=get --resource=secrets --resource-name=${name}`
  const whose = `the controller may not read Secret ${name} in namespace ${namespace}`
  return failed('SecretForbidden', `${whose}: ${role}, and bind it to the controller's service account`)
}
/** As people write it: without what the API server adds. */
function bare({ apiVersion, kind, metadata, spec }: KubeObject): object {
  return { apiVersion, kind, metadata: { name: metadata.name }, spec }
}
