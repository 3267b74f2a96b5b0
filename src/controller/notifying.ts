/** Notifications put together: what the loop tells them, and what passes read back. */
import type { KubeApi } from '../kube/api.ts'
import { gate } from '../metrics/gate.ts'
import { caller, posting as postingBy, type Call, type Post } from '../notify/post.ts'
import type { KubeObject } from '../rollout/objects.ts'
import { notifications as schema, type Note, type Notifications, type RolloutStatus } from '../rollout/schema.ts'
import type { Seen } from '../rollout/seen.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Meters } from '../telemetry/meters.ts'
import { isHook } from './hook-name.ts'
import { Hooks, subscriptions } from './hooks.ts'
import { Channels } from './notify-channel.ts'
import { Tester } from './notify-test.ts'
import { Notifier } from './notify.ts'
import { Secrets } from './secrets.ts'
import type { About } from './tell.ts'
import type { Changed } from './wakes.ts'
import type { World } from './world.ts'

export interface NotifyOptions {
  /** Unset: real requests, to public addresses only. */
  readonly call?: Call
  /** What messages call this cluster now. */
  readonly cluster?: () => string | undefined
}
export interface NotifyingOptions extends NotifyOptions {
  readonly api: KubeApi
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
  readonly random: () => number
  readonly world: World
  readonly clusterDomain: string
  readonly wake: (key: string) => void
}
export interface Notifying {
  /** Who calls hooks. */
  readonly hooks: Pick<Hooks, 'ask'>
  /** After a pass. */
  tell(about: About, rollout: KubeObject | undefined, outbox: readonly Note[]): void
  /** Of these delivered notes those that no channel waits for. */
  settled(rollout: KubeObject, ids: readonly string[]): readonly string[]
  remarks(rollout: KubeObject): Seen['remarks']
  /** A channel changed; only while leading. */
  changed(change: Changed): void
  /** Other hosts are allowed than before: what could not be sent is tried at once. */
  reconfigured(): void
  /** This process leads: tests that nobody has answered are taken up. */
  start(): void
  forget(uid: string): void
  stop(): void
}
/** Requests under way at once, over all channels. */
const mostAtOnce = 16

export function notifying({ api, clock, log, meters, random, world, wake, cluster, clusterDomain, call: given }: NotifyingOptions): Notifying {
  const places = gate(mostAtOnce)
  const call = given ?? caller({ rules: { allowedHosts: [], clusterDomain } }, () => clock.now())
  const named = cluster === undefined ? {} : { cluster }
  const secrets = new Secrets(api, clock)
  const hooks = new Hooks({ clock, meters, random, secrets, world, call, ...named })
  const posting = postingBy(call)
  const counted: Post = async letter => {
    const outcome = await places(() => posting(letter))
    meters.count('sluice_messages_total', { result: outcome.state })
    return outcome
  }
  const channels = new Channels({ secrets, clock, world, post: counted })
  const notifier = new Notifier({
    clock, log, random, wake, ...named,
    send: (namespace, channel, message) => (isHook(channel) ? hooks.tell(namespace, channel, message) : channels.send(namespace, channel, message)),
    check: (namespace, channel) => (isHook(channel) ? hooks.check(namespace, channel) : channels.check(namespace, channel)),
    pace: (namespace, channel) => channels.pace(namespace, channel),
  })
  const tester = new Tester({
    api, clock, log, world, ...named,
    async send(namespace, channel, message) {
      // Who tests has just changed something, most likely.
      channels.changed(namespace)
      const outcome = await channels.send(namespace, channel, message)
      if (outcome.state === 'Delivered') notifier.changed(namespace, channel)
      return outcome
    },
  })
  return {
    hooks,
    tell: (about, rollout, outbox) => notifier.tell(about, outbox, wantedBy(rollout), conditionsOf(rollout)),
    settled: (rollout, ids) => ids.filter(id => notifier.settled(rollout.metadata.uid ?? '', id, wantedBy(rollout).length > 0)),
    remarks: rollout => (wantedBy(rollout).length === 0 ? [] : notifier.remarks(rollout.metadata.uid ?? '', conditionsOf(rollout))),
    changed({ type, object, old }) {
      const { namespace = '', name, uid = '' } = object.metadata
      const same = type === 'Applied' && old !== undefined && JSON.stringify(old.spec) === JSON.stringify(object.spec)
      if (!same) {
        channels.changed(namespace)
        notifier.changed(namespace, name)
      }
      if (type === 'Deleted') tester.forget(uid)
      else void tester.look(object)
    },
    reconfigured() {
      for (const { metadata: { namespace = '', name } } of world.list('NotificationChannel', undefined)) {
        channels.changed(namespace)
        notifier.changed(namespace, name)
      }
    },
    start: () => world.list('NotificationChannel', undefined).forEach(channel => void tester.look(channel)),
    forget: uid => notifier.forget(uid),
    stop: () => notifier.stop(),
  }
}

/** What the Rollout asks for, also where the rest of its spec is invalid: then somebody should hear of it all the more. */
function wantedBy(rollout: KubeObject | undefined): Notifications {
  const wanted = schema.safeParse(rollout?.spec?.notifications ?? [])
  return [...(wanted.success ? wanted.data : []), ...subscriptions(rollout)]
}
function conditionsOf(rollout: KubeObject | undefined): RolloutStatus['conditions'] {
  return (rollout?.status as RolloutStatus | undefined)?.conditions ?? []
}
