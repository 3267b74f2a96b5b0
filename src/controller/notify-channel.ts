/** One message through one NotificationChannel: the secrets that it names, and the POST. No secret leaves this file but towards the receiver. */
import type { Message } from '../notify/message.ts'
import type { Letter, Outcome, Post } from '../notify/post.ts'
import { signed } from '../notify/signing.ts'
import { slackBody } from '../notify/slack.ts'
import { webhookBody } from '../notify/webhook.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { ChannelSpec } from '../rollout/schema.ts'
import { validate } from '../rollout/validate.ts'
import type { Clock } from '../telemetry/clock.ts'
import { failed, type Secrets, type SecretValue, type Trouble } from './secrets.ts'
import type { World } from './world.ts'

export interface ChannelsOptions {
  readonly secrets: Secrets
  readonly clock: Clock
  readonly world: Pick<World, 'get' | 'state'>
  readonly post: Post
}
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
/** Where references to Secrets stand. */
const named = 'the channel'

export class Channels {
  readonly #options: ChannelsOptions

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
    this.#options.secrets.changed(namespace)
  }

  async #ready(namespace: string, name: string): Promise<Ready | Trouble> {
    const { world, clock, secrets } = this.#options
    if (world.state('NotificationChannel') === 'NotServed')
      return failed('ChannelMissing', 'the controller finds no notificationchannels.sluice.dev: apply crds/, and give it the right to list them')
    const channel = world.get('NotificationChannel', namespace, name)
    if (channel === undefined) return failed('ChannelMissing', `there is no NotificationChannel ${name} in namespace ${namespace}: create it, or correct spec.notifications`)
    const [problem] = validate(bare(channel))
    if (problem !== undefined) return failed('ChannelInvalid', problem.message)
    const { slack, webhook } = channel.spec as ChannelSpec
    if (slack !== undefined) {
      const url = await secrets.value(namespace, slack.urlSecretRef, named)
      return url.state === 'Value' ? { state: 'Ready', letter: message => ({ url: url.value.trim(), body: slackBody(message), headers: {} }) } : url
    }
    const { urlSecretRef, signingSecretRefs } = webhook!
    const url: SecretValue = urlSecretRef === undefined ? { state: 'Value', value: webhook!.url! } : await secrets.value(namespace, urlSecretRef, named)
    if (url.state !== 'Value') return url
    const keys: Buffer[] = []
    for (const ref of signingSecretRefs) {
      const found = await secrets.signingKeys(namespace, ref, named)
      if (found.state !== 'Keys') return found
      keys.push(...found.keys)
    }
    return {
      state: 'Ready',
      letter(message) {
        const body = webhookBody(message)
        return { url: url.value.trim(), body, headers: signed(message.id, clock.now(), body, keys) }
      },
    }
  }
}

/** As people write it: without what the API server adds. */
function bare({ apiVersion, kind, metadata, spec }: KubeObject): object {
  return { apiVersion, kind, metadata: { name: metadata.name }, spec }
}
