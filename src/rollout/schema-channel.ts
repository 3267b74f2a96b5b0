/** NotificationChannel: where messages go; and `notifications` of a Rollout: which of them, and through which channels. */
import { z } from 'zod'
import { exactlyOne, ruled, text, type Rule } from './rule.ts'
import { objectName } from './scalars.ts'

/**
 * What a Rollout can be asked to tell. `Problem`: a condition that somebody should look at. `Request`: what a person asked for, and the answer.
 * `Observed`: all that `mode: Observe` has to say.
 */
export const notificationEvents = [
  'Adopted', 'Started', 'StepReached', 'Waiting', 'CheckFailing', 'Held', 'Closing', 'Promoted', 'RolledBack', 'Superseded', 'Withdrawn', 'Removing',
  'Problem', 'Request', 'Observed',
] as const
export type NotificationEvent = (typeof notificationEvents)[number]

/** The event that a note is, by its type. */
export function eventOf(noteType: string): NotificationEvent {
  const same = notificationEvents.find((event) => event === noteType)
  if (noteType === 'Observing' || noteType.startsWith('Would')) return 'Observed'
  return same ?? (/^[A-Z][a-z]+(Accepted|Refused)$/.test(noteType) ? 'Request' : 'Problem')
}

export const secretKeyRef = z.strictObject({
  name: objectName.describe('Name of the Secret, in the same namespace. The controller needs a Role to get exactly this one.'),
  key: text('^[-._a-zA-Z0-9]+$', 253, 'is no key of a Secret: write letters, digits, dashes, dots and underscores').describe('Key in it.'),
})
export type SecretKeyRef = z.infer<typeof secretKeyRef>

export const url = text('^https?://[^/?#@\\s]+([/?#]\\S*)?$', 2048,
  'is no URL to call: write https://host/path, without user and password')
const oneUrl = exactlyOne<{ url?: unknown; urlSecretRef?: unknown }>(['url', 'urlSecretRef'],
  'give exactly one of url and urlSecretRef (where the URL itself is a secret)')

interface Ref { name: string; key: string }
const sameSecret: Rule<readonly Ref[]> = {
  cel: 'self.all(a, self.exists_one(b, a.name == b.name && a.key == b.key))',
  message: 'each secret is named once: remove one of two that are alike',
  holds: (refs) => refs.every((ref) => refs.filter((other) => ref.name === other.name && ref.key === other.key).length === 1),
}
export const slack = z.strictObject({
  urlSecretRef: secretKeyRef.describe('The URL of an incoming webhook of Slack, which is a secret: whoever knows it can write into the channel.'),
})
export const webhook = ruled(
  z.strictObject({
    url: url.optional().describe('Where messages are posted. https, and a public address, unless the administrator allows the host (`allowedHosts` of the configuration file, or `--allow-host`).'),
    urlSecretRef: secretKeyRef.optional().describe('The same from a Secret, where the URL itself is a secret.'),
    signingSecretRefs: ruled(z.array(secretKeyRef).min(1).max(2), sameSecret).describe(
      'Secrets of the form `whsec_<base64 of 24 to 64 bytes>`. Every message is signed with each: with two of them the receiver can change over at its own '
      + 'time.',
    ),
  }),
  oneUrl,
)
export const channelSpec = ruled(
  z.strictObject({
    slack: slack.optional().describe('An incoming webhook of Slack.'),
    webhook: webhook.optional().describe('Any receiver of Standard Webhooks: JSON, with id, timestamp and signature in its headers.'),
  }),
  exactlyOne(['slack', 'webhook'], 'a channel is exactly one of slack and webhook'),
)
export type ChannelSpec = z.infer<typeof channelSpec>

export const channelStatus = z.object({
  test: z
    .object({
      id: z.string().max(256).describe('Which test: the value of the annotation `sluice.dev/test` that asked for it.'),
      state: z.enum(['Delivered', 'Failed']),
      message: z.string().max(2048).describe('What the receiver said, or what to change.'),
      at: z.string().max(64).describe('When.'),
    })
    .optional()
    .describe('The last test message, as `sluice notify test` asks for it.'),
})
export type ChannelStatus = z.infer<typeof channelStatus>

interface Subscription { channelRef: { name: string } }
const oncePerChannel: Rule<readonly Subscription[]> = {
  cel: 'self.all(a, self.exists_one(b, a.channelRef.name == b.channelRef.name))',
  message: 'each channel is named once: list all its events in one entry',
  holds: (list) => list.every((one) => list.filter((other) => one.channelRef.name === other.channelRef.name).length === 1),
}
export const notifications = ruled(
  z
    .array(
      z.strictObject({
        channelRef: z.strictObject({ name: objectName.describe('Name of the NotificationChannel, in the namespace of the Rollout.') }).describe('Where to.'),
        events: z.array(z.enum(notificationEvents)).min(1).max(notificationEvents.length).optional().describe(
          'What is told there. `Problem`: a condition that somebody should look at. `Request`: what a person asked for, and the answer. `Observed`: what '
          + '`mode: Observe` has to say. Default: everything.',
        ),
      }),
    )
    .min(1)
    .max(8),
  oncePerChannel,
)
export type Notifications = z.infer<typeof notifications>
