/** What a channel and its Secrets say, what is refused of them, and that no secret gets out. */
import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { Channels } from '../../../src/controller/notify-channel.ts'
import { Tester } from '../../../src/controller/notify-test.ts'
import { Secrets } from '../../../src/controller/secrets.ts'
import type { Failure, Result } from '../../../src/kube/api.ts'
import { messageOf } from '../../../src/notify/message.ts'
import type { Letter, Outcome } from '../../../src/notify/post.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { plan } from '../../../src/rollout/plan.ts'
import { validate } from '../../../src/rollout/validate.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { rollout } from '../api/variants.ts'
import { Simulated } from '../controller/simulated.ts'

const secretUrl = 'https://hooks.slack.com/services/T0/B0/very-secret'
const current = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const next = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const slack = { slack: { urlSecretRef: { name: 'slack', key: 'url' } } }
const webhook = { webhook: { url: 'https://hooks.example.com/sluice', signingSecretRefs: [{ name: 'hook', key: 'current' }, { name: 'hook', key: 'next' }] } }
const channel = (spec: unknown, metadata: object = {}): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'releases', namespace: 'shop', uid: 'c1', ...metadata }, spec }) as KubeObject
const note = { id: '17-0', type: 'Started', at: '2026-11-23T03:00:00Z', severity: 'Normal', message: 'starts' } as const
const message = messageOf({ namespace: 'shop', name: 'checkout', uid: 'f00' }, note)

let clock: Simulated
let object: KubeObject | undefined
let stored: Record<string, Record<string, string> | Failure>
let reads: string[]
let posted: Letter[]
let outcome: Outcome
let channels: Channels
beforeEach(() => {
  clock = new Simulated()
  object = channel(slack)
  stored = { slack: { url: secretUrl }, hook: { current, next } }
  reads = []
  posted = []
  outcome = { state: 'Delivered' }
  channels = new Channels({
    clock,
    world: { get: (_, namespace, name) => (object?.metadata.namespace === namespace && object.metadata.name === name ? object : undefined), state: () => 'Synced' },
    post: async letter => (posted.push(letter), outcome),
    secrets: new Secrets({
      async get(resource, namespace, name): Promise<Result<KubeObject>> {
        reads.push(`${resource.plural} ${namespace}/${name}`)
        const found = stored[name]
        if (found === undefined) return { ok: false, reason: 'NotFound', message: 'not found' }
        if ('ok' in found) return found as Failure
        const data = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, Buffer.from(value).toString('base64')]))
        return { ok: true, value: { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data } as unknown as KubeObject }
      },
    }, clock),
  })
})
const send = () => channels.send('shop', 'releases', message)

describe('sending', () => {
  test('to Slack: only the named Secret is read, and not for every message', async () => {
    await send()
    await send()
    expect(posted.map(({ url }) => url)).toEqual([secretUrl, secretUrl])
    expect(reads).toEqual(['secrets shop/slack'])
    await clock.advance(60_000)
    await send()
    expect(reads).toHaveLength(2)
  })
  test('a URL that is turned away is read again: it may be a new one by now', async () => {
    outcome = { state: 'Failed', reason: 'Rejected', message: 'no_service' }
    await send()
    stored['slack'] = { url: 'https://hooks.slack.com/services/T0/B0/new-one\n' }
    await send()
    expect(posted[1]?.url).toBe('https://hooks.slack.com/services/T0/B0/new-one')
  })
  test('to a webhook: signed with both secrets over what is sent, at the time of this try', async () => {
    object = channel(webhook)
    await send()
    await clock.advance(5000)
    await send()
    for (const { url, body, headers } of posted) {
      expect(url).toBe('https://hooks.example.com/sluice')
      const by = (secret: string) => `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64')}`
      expect(headers['webhook-signature']).toBe(`${by(current)} ${by(next)}`)
    }
    expect(new Set(posted.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['msg_f00_17-0']))
    expect(Number(posted[1]!.headers['webhook-timestamp']) - Number(posted[0]!.headers['webhook-timestamp'])).toBe(5)
  })
  test('to a webhook whose URL is a secret', async () => {
    object = channel({ webhook: { urlSecretRef: { name: 'slack', key: 'url' }, signingSecretRefs: [{ name: 'hook', key: 'current' }] } })
    await send()
    expect(posted[0]?.url).toBe(secretUrl)
  })
})

describe('what cannot work', () => {
  const cases: readonly [string, () => void, string, string][] = [
    ['no channel', () => (object = undefined), 'ChannelMissing', 'there is no NotificationChannel releases in namespace shop'],
    ['a channel of another namespace', () => (object = channel(slack, { namespace: 'other' })), 'ChannelMissing', 'shop'],
    ['a malformed channel', () => (object = channel({ slack: 7 })), 'ChannelInvalid', 'spec.slack'],
    ['an empty channel', () => (object = channel(null)), 'ChannelInvalid', 'spec'],
    ['no Secret', () => delete stored['slack'], 'SecretMissing', 'there is no Secret slack in namespace shop'],
    ['no key', () => (stored['slack'] = { other: secretUrl }), 'SecretMissing', 'under the key url'],
    ['an inherited name as key', () => ((object = channel({ slack: { urlSecretRef: { name: 'slack', key: 'constructor' } } })), undefined), 'SecretMissing', 'constructor'],
    ['no right', () => (stored['slack'] = { ok: false, reason: 'Forbidden', message: 'forbidden' } as never), 'SecretForbidden', 'kubectl -n shop create role sluice-reads-slack --verb=get --resource=secrets --resource-name=slack'],
    ['no answer', () => (stored['slack'] = { ok: false, reason: 'Timeout', message: 'late' } as never), 'SecretUnavailable', 'Timeout'],
    ['a bad signing secret', () => ((object = channel(webhook)), (stored['hook'] = { current, next: 'very-secret' })), 'SecretInvalid', 'key next of Secret hook'],
  ]
  test.for(cases)('%s', async ([, make, reason, says]) => {
    make()
    const trouble = await channels.check('shop', 'releases')
    expect(trouble).toMatchObject({ reason, message: expect.stringContaining(says) })
    expect(await send()).toEqual(trouble)
    expect(posted).toEqual([])
    expect(JSON.stringify(trouble)).not.toContain('very-secret')
  })
})

describe('tests of a channel', () => {
  test('are sent once and answered in the status', async () => {
    const patches: unknown[] = []
    const lines: string[] = []
    const resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'notificationchannels', kind: 'NotificationChannel', namespaced: true }
    const tester = new Tester({
      clock, log: createLog({ level: 'info', form: 'Json', write: line => void lines.push(line) }), world: { resource: () => resource },
      api: { patch: async (_, namespace, name, patch, subresource) => (patches.push([namespace, name, patch, subresource]), { ok: true, value: channel(slack) }) },
      send: (namespace, name, one) => channels.send(namespace, name, one),
    })
    const asking = channel(slack, { annotations: { 'sluice.dev/test': 'a1' } })
    await tester.look(channel(slack))
    await Promise.all([tester.look(asking), tester.look(asking)])
    expect(posted).toHaveLength(1)
    expect(patches).toEqual([['shop', 'releases', { status: { test: { id: 'a1', state: 'Delivered', message: 'the receiver took it', at: new Date(clock.now()).toISOString() } } }, 'status']])
    await tester.look({ ...asking, metadata: { ...asking.metadata, uid: 'c2' }, status: { test: { id: 'a1' } } })
    expect(posted).toHaveLength(1)
    delete stored['slack']
    channels.changed('shop')
    await tester.look(channel(slack, { annotations: { 'sluice.dev/test': 'a2' } }))
    expect(patches[1]).toMatchObject([{}, {}, { status: { test: { id: 'a2', state: 'Failed', message: expect.stringContaining('no Secret') } } }, {}])
    expect(lines.join('')).not.toContain('very-secret')
  })
})

describe('the schema', () => {
  const bare = (spec: unknown) => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'releases' }, spec })
  test.for([slack, webhook])('%j is right', spec => expect(validate(bare(spec))).toEqual([]))
  test.for([
    [{}, 'exactly one of slack and webhook'], [{ ...slack, ...webhook }, 'exactly one of slack and webhook'], [{ slack: { url: secretUrl } }, 'is no field'],
    [{ webhook: { signingSecretRefs: webhook.webhook.signingSecretRefs } }, 'exactly one of url and urlSecretRef'], [{ webhook: { ...webhook.webhook, url: 'ftp://a' } }, 'is no URL'],
    [{ webhook: { ...webhook.webhook, url: 'https://me:pw@a/' } }, 'is no URL'], [{ webhook: { url: 'https://a/', signingSecretRefs: [] } }, 'at least 1'],
    [{ webhook: { url: 'https://a/', signingSecretRefs: [{ name: 'a', key: 'b' }, { name: 'a', key: 'b' }] } }, 'named once'], [{ webhook: { url: 'https://a/' } }, 'is missing'],
  ] as const)('%j is wrong', ([spec, says]) => expect(validate(bare(spec)).map(({ message: said }) => said).join()).toContain(says))

  const notified = (notifications: unknown) => ({ ...rollout(), spec: { ...rollout().spec, notifications } })
  test('a Rollout names channels, and which events', () => {
    expect(validate(notified([{ channelRef: { name: 'a' }, events: ['Started', 'RolledBack'] }, { channelRef: { name: 'b' } }]))).toEqual([])
    expect(validate(notified([{ channelRef: { name: 'a' } }, { channelRef: { name: 'a' } }]))[0]?.message).toContain('named once')
    expect(validate(notified([{ channelRef: { name: 'a' }, events: ['Exploded'] }]))[0]?.message).toContain('RolledBack')
  })
  test('notifications are no input of a journey', () => {
    const digest = (object: any) => {
      const planned = plan(object.spec, 'checkout', { scrapeIntervalMs: 15_000 })
      return planned.ok ? planned.plan.inputsHash : planned.problems
    }
    expect(digest(notified([{ channelRef: { name: 'a' } }]))).toEqual(digest(rollout()))
  })
})
