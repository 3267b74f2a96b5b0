/** Hooks on a real API server: a controller as people run it, a receiver that is down, slow, refusing and redirecting, and releases that wait for it, or do not. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hookPayload, type HookPayload } from '../../src/notify/hook.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
interface Arrival {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: HookPayload
}
/** Answers by path; where a path is silent, requests wait until the server ends. */
interface Receiver {
  readonly port: number
  readonly answers: Map<string, (response: ServerResponse, count: number) => void>
  of(path: string): readonly Arrival[]
  stop(): Promise<void>
}
async function startReceiver(): Promise<Receiver> {
  const arrivals = new Map<string, Arrival[]>()
  const answers: Receiver['answers'] = new Map()
  const of = (path: string) => arrivals.get(path) ?? []
  const server: Server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => (text += chunk)).on('end', () => {
      const path = request.url ?? ''
      arrivals.set(path, [...of(path), { headers: request.headers, text, body: hookPayload.parse(JSON.parse(text)) }])
      const answer = answers.get(path) ?? ((one) => void one.writeHead(204).end())
      answer(response, of(path).length)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port, answers, of,
    async stop() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

describe.skipIf(missing)(`hooks ${missing ?? ''}`, () => {
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
  const points = ['BeforeStart', 'BeforeRaise', 'DuringStep', 'BeforePromotion', 'AfterOutcome'] as const
  /** One hook at each point, at `/<prefix>/<point>`. */
  const released = async (prefix: string): Promise<Scene> => {
    const scene = await stage.scene('hooks')
    await scene.apply('v1/secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'hooks' }, stringData: { token: secret } })
    await scene.deploy('shop', 'shop:v1')
    stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    const hooks = points.map((when) => ({
      name: when.toLowerCase(), when, url: `http://127.0.0.1:${receiver.port}/${prefix}/${when}?token=very-secret`, secretRef: { name: 'hooks', key: 'token' }, timeout: '1s', metadata: { cmd: 'hey' },
    }))
    const spec: RolloutSpec = {
      workloadRef: { kind: 'Deployment', name: 'shop' },
      service: { port: 80 },
      traffic: { istio: { managed: {} } },
      steps: [{ name: 'tiny', weight: 10, hold: '2s' }, { weight: 100, hold: '2s' }],
      analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
      progressDeadline: '30s',
      hooks,
    }
    await scene.rollout('shop', spec)
    await scene.reach('shop', 'v1 serves', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    await scene.push('shop', 'shop:v2')
    return scene
  }
  const path = (prefix: string, when: (typeof points)[number]) => `/${prefix}/${when}?token=very-secret`
  const ids = (prefix: string, when: (typeof points)[number]) => [...new Set(receiver.of(path(prefix, when)).map(({ headers }) => headers['webhook-id']))]

  test('every point is called, signed, and waited for through an outage, a redirect, a refusal and silence; a killed controller asks on under the same identity', async () => {
    receiver.answers.set(path('a', 'BeforeStart'), (response, count) => {
      if (count === 1) response.writeHead(503).end()
      else if (count === 2) response.writeHead(302, { location: `http://127.0.0.1:${receiver.port}/elsewhere` }).end()
      else if (count === 3) response.socket?.destroy()
      else if (count === 4) return
      else response.writeHead(200).end()
    })
    let open = false
    receiver.answers.set(path('a', 'BeforeRaise'), (response) => void (open ? response.writeHead(204).end() : response.writeHead(409, { 'content-type': 'application/json' }).end('{"reason": "2 nodes are being replaced"}')))
    receiver.answers.set(path('a', 'DuringStep'), (response, count) => void response.writeHead(count === 1 ? 425 : 202, { 'retry-after': '1' }).end('half done'))
    const scene = await released('a')
    const refused = await scene.reach('shop', 'a refusal', (now) => now.hooks?.some(({ state }) => state === 'Refused') === true)
    expect(refused.message).toMatch(/^waiting for hook beforeraise of 127\.0\.0\.1:\d+ to agree \(BeforeRaise\), asked since .*; it refuses since .*: 2 nodes are being replaced$/)
    expect(refused.conditions.find(({ type }) => type === 'HookAwaited')).toMatchObject({ status: 'True', reason: 'Refused' })
    expect([refused.phase, refused.journey?.weight.seen ?? 0]).toEqual(['Scaling', 0])
    expect(receiver.of(path('a', 'BeforeStart'))).toHaveLength(5)
    expect(ids('a', 'BeforeStart')).toHaveLength(1)

    await stage.controller.kill()
    await stage.controller.restart()
    const before = receiver.of(path('a', 'BeforeRaise')).length
    await until('another try', () => receiver.of(path('a', 'BeforeRaise')).length > before, { timeoutMs: 60_000 })
    expect(ids('a', 'BeforeRaise')).toHaveLength(1)
    open = true
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    await until('word of the outcome', () => receiver.of(path('a', 'AfterOutcome')).length > 0, { timeoutMs: 60_000 })

    expect(points.map((when) => ids('a', when).length)).toEqual([1, 2, 2, 1, 1])
    expect(receiver.of('/elsewhere')).toEqual([])
    for (const when of points) {
      const { headers, text, body } = receiver.of(path('a', when)).at(-1)!
      const signature = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`).digest('base64')
      expect(headers['webhook-signature']).toBe(`v1,${signature}`)
      expect(body).toMatchObject({ type: `hook.${when}`, name: 'shop', namespace: scene.namespace, metadata: { cmd: 'hey' }, data: { id: headers['webhook-id'], cluster: 'test', version: 'v2', fromVersion: 'v1' } })
    }
    expect(receiver.of(path('a', 'BeforeRaise')).at(-1)!.body.data).toMatchObject({ weight: 10, nextWeight: 100, step: { index: 1, of: '2/2' }, phase: 'Holding' })
    expect(receiver.of(path('a', 'AfterOutcome')).at(-1)!.body.data).toMatchObject({ outcome: 'Promoted', weight: 100 })
    const told = JSON.stringify([stage.controller.logs(), await scene.reach('shop', 'rest', () => true)])
    for (const word of ['very-secret', secret]) expect(told).not.toContain(word)
  }, 240_000)

  test('a hook that hangs holds up neither an abort nor a rollback', async () => {
    receiver.answers.set(path('b', 'BeforePromotion'), () => {})
    receiver.answers.set(path('b', 'BeforeRaise'), (response, count) => void (count === 1 && response.writeHead(204).end()))
    const scene = await released('b')
    await scene.reach('shop', 'the second raise to be asked for', () => receiver.of(path('b', 'BeforeRaise')).length > 1)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'shop:v2', { errorRate: 0.5 })
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    await until('word of the outcome', () => receiver.of(path('b', 'AfterOutcome')).length > 0, { timeoutMs: 60_000 })
    expect(receiver.of(path('b', 'AfterOutcome'))[0]!.body.data).toMatchObject({ outcome: 'RolledBack', reason: 'CheckFailed' })
  }, 120_000)

  test('a load test that fails takes the version back, with its reason', async () => {
    receiver.answers.set(path('c', 'DuringStep'), (response) => void response.writeHead(422).end('p95 was 900ms'))
    const scene = await released('c')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const now = await scene.reach('shop', 'the reason', ({ failed }) => failed.length > 0)
    expect(now.failed[0]).toMatchObject({ reason: 'HookRefused', message: expect.stringMatching(/^hook duringstep of 127\.0\.0\.1:\d+ refuses: p95 was 900ms$/) })
    expect(receiver.of(path('c', 'DuringStep'))).toHaveLength(1)
  }, 120_000)
})
