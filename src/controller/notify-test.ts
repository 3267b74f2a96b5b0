/** Test messages: `sluice notify test` asks by an annotation, and the controller, from where real messages come, sends and answers in the channel's status. */
import type { KubeApi } from '../kube/api.ts'
import { messageOf, type Message } from '../notify/message.ts'
import type { Outcome } from '../notify/post.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { ChannelStatus } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { World } from './world.ts'

/** Its value is the identity of the test. */
export const testAnnotation = 'sluice.dev/test'

export interface TesterOptions {
  readonly api: Pick<KubeApi, 'patch'>
  readonly clock: Clock
  readonly log: Log
  readonly world: Pick<World, 'resource'>
  readonly send: (namespace: string, channel: string, message: Message) => Promise<Outcome>
  readonly cluster?: () => string | undefined
}

/** Answers each test once. */
export class Tester {
  readonly #options: TesterOptions
  /** The last test of each channel that was taken up here, by uid. */
  readonly #taken = new Map<string, string>()

  constructor(options: TesterOptions) {
    this.#options = options
  }

  /** Takes up the test that a channel asks for, if it asks for one that is not answered. Never rejects. */
  async look(channel: KubeObject): Promise<void> {
    const { namespace = '', name, uid = '', annotations } = channel.metadata
    const asked = annotations?.[testAnnotation]?.slice(0, 256)
    const answered = (channel.status as ChannelStatus | undefined)?.test?.id
    if (!asked || asked === answered || this.#taken.get(uid) === asked) return
    this.#taken.set(uid, asked)
    const { clock } = this.#options
    const cluster = this.#options.cluster?.()
    const at = new Date(clock.now()).toISOString()
    const says = `This is a test of channel ${name}: messages about Rollouts of namespace ${namespace} that name it arrive here.`
    const note = { id: asked, type: 'Test', at, severity: 'Normal', message: says } as const
    const outcome = await this.#options.send(namespace, name, messageOf({ namespace, name, uid, ...(cluster === undefined ? {} : { cluster }) }, note))
    const message = outcome.state === 'Delivered' ? 'the receiver took it' : outcome.message
    await this.#answer(channel, { id: asked, state: outcome.state === 'Delivered' ? 'Delivered' : 'Failed', message: message.slice(0, 1024), at })
  }
  forget(uid: string): void {
    this.#taken.delete(uid)
  }

  async #answer({ metadata: { namespace, name } }: KubeObject, test: NonNullable<ChannelStatus['test']>): Promise<void> {
    const { api, log, world } = this.#options
    log.info({ namespace, channel: name, state: test.state }, `a test message: ${test.message}`)
    const resource = world.resource('NotificationChannel')
    if (resource === undefined) return
    const written = await api.patch(resource, namespace, name, { status: { test } }, 'status')
    if (!written.ok) log.warn({ namespace, channel: name, reason: written.reason }, `the answer to a test could not be written: ${written.message}`)
  }
}
