/** Notifications on a real API server: a controller as people run it, a receiver that misbehaves, and what arrives there. */
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Channels } from '../../src/controller/notify-channel.ts'
import { Secrets } from '../../src/controller/secrets.ts'
import { kubeClient } from '../../src/kube/client.ts'
import { loadConnection } from '../../src/kube/connection.ts'
import { payload, type Payload } from '../../src/notify/webhook.ts'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { systemClock } from '../../src/telemetry/clock.ts'
import { kubeconfigFor } from '../support/control-plane.ts'
import { until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const channels = 'sluice.dev/v1alpha1/notificationchannels'
const current = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const next = `whsec_${Buffer.alloc(32, 2).toString('base64')}`

interface Arrival {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: any
}
/** Answers by path; where a path is silent, requests wait until the server ends. */
interface Receiver {
  readonly port: number
  readonly arrivals: Arrival[]
  readonly answers: Map<string, (response: ServerResponse, count: number) => void>
  of(path: string): readonly Arrival[]
  stop(): Promise<void>
}
async function startReceiver(): Promise<Receiver> {
  const arrivals: Arrival[] = []
  const answers: Receiver['answers'] = new Map()
  const of = (path: string) => arrivals.filter((one) => one.path === path)
  const server: Server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => (text += chunk)).on('end', () => {
      const path = request.url ?? ''
      arrivals.push({ path, headers: request.headers, text, body: JSON.parse(text) })
      const answer = answers.get(path) ?? ((one) => void one.writeHead(204).end())
      answer(response, of(path).length)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    port, arrivals, answers, of,
    async stop() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

const spec = (notifications: RolloutSpec['notifications']): RolloutSpec => ({
  workloadRef: { kind: 'Deployment', name: 'shop' },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: [{ name: 'tiny', weight: 10, hold: '3s' }, { weight: 100, hold: '3s' }],
  analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
  progressDeadline: '30s',
  notifications,
})

describe.skipIf(missing)(`notifications ${missing ?? ''}`, () => {
  let stage: Stage
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await startReceiver()
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio', flags: ['--allow-host', `127.0.0.1:${receiver.port}`, '--cluster-name', 'test'] })
  })
  afterAll(async () => {
    await stage?.stop()
    await receiver?.stop()
  })

  const url = (path: string) => `http://127.0.0.1:${receiver.port}${path}`
  const secret = (scene: Scene, name: string, stringData: object) => scene.apply('v1/secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData })
  const channel = (scene: Scene, name: string, to: object) => scene.apply(channels, { apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name }, spec: to })
  const ready = async (paths: { readonly slack: string; readonly hook: string }): Promise<Scene> => {
    const scene = await stage.scene('notify')
    await secret(scene, 'slack', { url: url(paths.slack) })
    await secret(scene, 'hook', { current, next })
    await channel(scene, 'people', { slack: { urlSecretRef: { name: 'slack', key: 'url' } } })
    await channel(scene, 'machines', { webhook: { url: url(paths.hook), signingSecretRefs: [{ name: 'hook', key: 'current' }, { name: 'hook', key: 'next' }] } })
    await scene.deploy('shop', 'shop:v1')
    stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    return scene
  }
  const idle = (scene: Scene, image: string) => scene.reach('shop', `${image} serves`, (now) => now.phase === 'Idle' && now.stable?.images?.includes(image) === true)
  const types = (path: string) => receiver.of(path).map(({ body }) => String(body.type).replace('rollout.', ''))
  const delivered = (scene: Scene) => scene.reach('shop', 'an empty outbox', (now) => now.outbox.length === 0, 150_000)

  test('a rollback reaches people and machines, in order and signed, though the receivers are down, slow, throttling and redirecting meanwhile', async () => {
    const paths = { slack: '/slack/very-secret', hook: '/hook' }
    const scene = await ready(paths)
    // People's channel hangs for its first two requests; that of machines goes through every kind of trouble.
    receiver.answers.set(paths.slack, (response, count) => void (count > 2 && response.writeHead(200).end('ok')))
    receiver.answers.set(paths.hook, (response, count) => {
      if (count === 1) response.writeHead(503).end()
      else if (count === 2) response.socket?.destroy()
      else if (count === 3) response.writeHead(429, { 'retry-after': '1' }).end()
      else if (count === 4) response.writeHead(302, { location: url('/elsewhere') }).end()
      else response.writeHead(204).end()
    })
    await scene.rollout('shop', spec([{ channelRef: { name: 'people' }, events: ['Started', 'RolledBack'] }, { channelRef: { name: 'machines' } }]))
    await idle(scene, 'shop:v1')
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'shop:v2', { errorRate: 0.5 })
    await scene.push('shop', 'shop:v2')
    // Nobody has waited for the receivers.
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    await delivered(scene)

    const arrived = receiver.of(paths.hook)
    const bodies = arrived.map(({ body }): Payload => payload.parse(body))
    for (const { headers, text } of arrived) {
      const signature = (one: string) => `v1,${createHmac('sha256', Buffer.from(one.slice(6), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`).digest('base64')}`
      expect(headers['webhook-signature']).toBe(`${signature(current)} ${signature(next)}`)
      expect(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))).toBeLessThan(600)
    }
    const once = bodies.filter((body, index) => bodies.findIndex((other) => other.data.id === body.data.id) === index)
    expect(bodies.length).toBe(once.length + 4)
    const told = once.map(({ type }) => type.replace('rollout.', ''))
    expect(told).toEqual(expect.arrayContaining(['Adopted', 'Started', 'StepReached', 'Closing', 'RolledBack']))
    const order = ['Adopted', 'Started', 'StepReached', 'Closing', 'RolledBack'].map((type) => told.indexOf(type))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    const end = once.find(({ type }) => type === 'rollout.RolledBack')!.data
    expect(end).toMatchObject({ cluster: 'test', namespace: scene.namespace, rollout: 'shop', version: 'v2', fromVersion: 'v1', reason: expect.any(String), check: { name: 'success' }, step: { name: 'tiny' }, next: [{ command: `sluice retry shop -n ${scene.namespace}` }, {}] })
    expect(end.requests!.lost).toBeGreaterThan(0)
    expect(receiver.of('/elsewhere')).toEqual([])

    const people = receiver.of(paths.slack).map(({ body }) => String(body.text))
    expect(people.slice(0, 3).every((text) => text.includes('is being released'))).toBe(true)
    expect(people.at(-1)).toContain('was rolled back')
    expect(people.at(-1)).toContain(`sluice retry shop -n ${scene.namespace}`)
    const logs = JSON.stringify(stage.controller.logs())
    for (const word of ['very-secret', current, next]) expect(logs).not.toContain(word)
  })

  test('a controller that is killed while the receiver is down loses nothing: its successor delivers under the same ids', async () => {
    const paths = { slack: '/slack2', hook: '/hook2' }
    const scene = await ready(paths)
    receiver.answers.set(paths.hook, (response) => void response.writeHead(503).end())
    await scene.rollout('shop', spec([{ channelRef: { name: 'machines' }, events: ['Started', 'Promoted'] }]))
    await idle(scene, 'shop:v1')
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    expect(new Set(types(paths.hook))).toEqual(new Set(['Started']))
    const [first] = receiver.of(paths.hook)
    await stage.controller.kill()
    receiver.answers.delete(paths.hook)
    await stage.controller.restart()
    await until('both messages', () => types(paths.hook).includes('Promoted'), { timeoutMs: 90_000 })
    expect(receiver.of(paths.hook).filter(({ body }) => body.type === 'rollout.Started').map(({ headers }) => headers['webhook-id'])).toContain(first!.headers['webhook-id'])
    await delivered(scene)
  })

  test('what is wrong with a channel is a condition, and goes when it is mended', async () => {
    const scene = await stage.scene('notify')
    await scene.deploy('shop', 'shop:v1')
    await scene.rollout('shop', spec([{ channelRef: { name: 'people' } }]))
    const failing = (reason: string) => scene.reach('shop', reason, (now) => now.conditions.some((one) => one.type === 'NotificationsFailing' && one.reason === reason))
    const now = await failing('ChannelMissing')
    expect(now.conditions.find(({ type }) => type === 'NotificationsFailing')?.message).toContain('create it')
    await channel(scene, 'people', { slack: { urlSecretRef: { name: 'slack', key: 'url' } } })
    await failing('SecretMissing')
    await secret(scene, 'slack', { url: 'http://10.0.0.1/inside' })
    await scene.apply(channels, { apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'people' }, spec: { slack: { urlSecretRef: { name: 'slack', key: 'url' } } } })
    const tested = await sluice(['notify', 'test', 'people', '-n', scene.namespace])
    expect(tested).toMatchObject({ code: 1, stderr: expect.stringContaining('--allow-host 10.0.0.1:80') })
    await secret(scene, 'slack', { url: url('/mended') })
    expect(await sluice(['notify', 'test', 'people', '-n', scene.namespace])).toMatchObject({ code: 0, stdout: expect.stringContaining('the receiver took it') })
    await scene.reach('shop', 'no condition', ({ conditions }) => !conditions.some(({ type }) => type === 'NotificationsFailing'))
    expect(receiver.of('/mended').map(({ body }) => String(body.text)).join()).toContain('test message')
    expect(await sluice(['notify', 'test', 'peple', '-n', scene.namespace])).toMatchObject({ code: 1, stderr: expect.stringContaining('there are people') })
  })

  test('a Secret that may not be read: the remedy that is said is the remedy', async () => {
    const scene = await stage.scene('notify')
    const { plane } = stage
    await secret(scene, 'slack', { url: url('/forbidden') })
    await secret(scene, 'other', { url: 'x' })
    await scene.apply('v1/serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sluice' } })
    const made = await plane.request('POST', `/api/v1/namespaces/${scene.namespace}/serviceaccounts/sluice/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })
    const connection = await loadConnection({ kubeconfig: kubeconfigFor(plane, scene.namespace, made.body.status.token) })
    if (!connection.ok) throw new Error(connection.message)
    const object = { apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'people', namespace: scene.namespace }, spec: { slack: { urlSecretRef: { name: 'slack', key: 'url' } } } } as KubeObject
    const read = new Channels({ secrets: new Secrets(kubeClient(connection.value), systemClock), clock: systemClock, world: { get: () => object, state: () => 'Synced' }, post: async () => ({ state: 'Delivered' }) })
    const trouble = await read.check(scene.namespace, 'people')
    expect(trouble).toMatchObject({ reason: 'SecretForbidden' })
    const [, command = ''] = /: kubectl (.*), and bind it/.exec(trouble!.message) ?? []
    expect((await plane.kubectlAsync(command.split(' '))).stderr).toBe('')
    await plane.kubectlAsync(['-n', scene.namespace, 'create', 'rolebinding', 'sluice-reads-slack', '--role=sluice-reads-slack', `--serviceaccount=${scene.namespace}:sluice`])
    await until('the right', async () => (await read.check(scene.namespace, 'people')) === undefined)
    const others = await kubeClient(connection.value).get({ group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true }, scene.namespace, 'other')
    expect(others).toMatchObject({ ok: false, reason: 'Forbidden' })
    await connection.value.close()
  })

  test('the API server refuses what is no channel', async () => {
    const scene = await stage.scene('notify')
    const refs = [{ name: 'hook', key: 'a' }]
    const apply = (to: object) => channel(scene, 'wrong', to).then(() => 'taken', (error: Error) => error.message)
    expect(await apply({})).toContain('exactly one of slack and webhook')
    expect(await apply({ webhook: { url: 'https://a/', urlSecretRef: refs[0], signingSecretRefs: refs } })).toContain('exactly one of url and urlSecretRef')
    expect(await apply({ webhook: { url: 'https://me:pw@a/', signingSecretRefs: refs } })).toContain('is no URL')
    expect(await apply({ webhook: { url: 'https://a/', signingSecretRefs: [...refs, ...refs] } })).toContain('named once')
    expect(await apply({ webhook: { url: 'https://a/b?c=d', signingSecretRefs: refs } })).toBe('taken')
    const twice = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'shop' }, spec: spec([{ channelRef: { name: 'a' } }, { channelRef: { name: 'a' } }]) }
    await expect(scene.apply('sluice.dev/v1alpha1/rollouts', twice)).rejects.toThrow('named once')
  })

  const sluice = (args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((done) => {
      execFile(resolve(import.meta.dirname, '../../bin/sluice'), [...args, '--kubeconfig', stage.plane.kubeconfig], (error, stdout, stderr) => done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }))
    })
})
