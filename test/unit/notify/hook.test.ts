/** Hooks over real connections: what each kind of answer means, what is sent, and that a host that hangs holds up nobody else. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Hooks, subscriptions } from '../../../src/controller/hooks.ts'
import { Secrets } from '../../../src/controller/secrets.ts'
import { hookPayload } from '../../../src/notify/hook.ts'
import { messageOf } from '../../../src/notify/message.ts'
import { caller } from '../../../src/notify/post.ts'
import type { HookCall } from '../../../src/rollout/hooks/call.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { PlannedHook } from '../../../src/rollout/plan.ts'
import { noMeters } from '../../../src/telemetry/meters.ts'
import { systemClock } from '../../../src/telemetry/clock.ts'

const [first, second] = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`) as [string, string]
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
})
async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}
const stored: Record<string, string> = {}
const secretReads: string[] = []
function hooks(rollout?: KubeObject): Hooks {
  const secrets = new Secrets({
    async get(_, namespace, name) {
      secretReads.push(`${namespace}/${name}`)
      if (stored[name] === undefined) return { ok: false, reason: 'NotFound', message: 'not found' }
      return { ok: true, value: { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: { token: Buffer.from(stored[name]).toString('base64') } } as unknown as KubeObject }
    },
  }, systemClock)
  const call = caller({ rules: { allowedHosts: ['127.0.0.1', 'localhost'], clusterDomain: 'cluster.local' } }, () => systemClock.now())
  return new Hooks({ clock: systemClock, meters: noMeters, random: () => 0.5, secrets, world: { get: () => rollout }, call, cluster: () => 'test' })
}
const hookAt = (url: string, more: Partial<PlannedHook> = {}): PlannedHook => ({ name: 'load', when: 'DuringStep', url, host: new URL(url).host, timeoutMs: 1000, onFailure: 'Rollback', metadata: { cmd: 'hey -z 1m' }, ...more })
const callOf = (hook: PlannedHook, id = 'hook_u_1_load'): HookCall => ({
  id, attempt: 1, at: 0, hook,
  facts: {
    hook: hook.name, when: hook.when, namespace: 'shop', rollout: 'checkout', uid: 'u', phase: 'Holding', since: '2026-11-23T00:00:00Z', journey: 'j', revision: 'checkout-b', version: 'v2', from: 'checkout-a',
    fromVersion: 'v1', commit: 'abc', step: { index: 1, name: 's25', of: '2/4' }, weight: 5, nextWeight: 25, metadata: hook.metadata,
  },
})

describe('an answer', () => {
  const answer = async (status: number, body = '', headers: Record<string, string> = {}) => {
    const port = await serve((_, response) => void response.writeHead(status, headers).end(body))
    return [await hooks().ask(callOf(hookAt(`http://127.0.0.1:${port}/run?token=very-secret`))), `127.0.0.1:${port}`] as const
  }
  test.for([200, 201, 202, 204])('%i agrees', async (status) => expect((await answer(status, 'whatever'))[0].state).toBe('Agreed'))
  test.for([
    [403, 'Forbidden', 'Forbidden'], [409, 'not now, because\nof  the sale', 'not now, because of the sale'], [400, '{"reason": "p95 is 900ms"}', 'p95 is 900ms'], [422, '{"detail": "no"}', 'no'],
    [412, '', 'it answered 412 and gave no reason'], [403, '<html><h1>salaries</h1>', 'it answered 403 and gave no reason'], [409, '{"reason": 5}', 'it answered 409 and gave no reason'],
    [409, '\u001b[31mred\u202e\u0000', '[31mred'], [409, '<!channel> *bold*'.padStart(20), 'it answered 409 and gave no reason'],
  ] as const)('%i refuses: %s', async ([status, body, message]) => expect((await answer(status, body))[0]).toEqual({ state: 'Refused', message }))
  test('a reason is one line of at most 200 characters, however long it is', async () => {
    for (const length of [300, 3000, 1_000_000]) {
      const [{ state, message }] = await answer(409, 'ä'.repeat(length))
      expect([state, [...message].length, message.endsWith('…')]).toEqual(['Refused', 200, true])
    }
  })
  test.for([425, 429])('%i puts it off, for as long as it says', async (status) => expect((await answer(status, 'half done', { 'retry-after': '30' }))[0]).toEqual({ state: 'Later', message: 'half done', retryAfterMs: 30_000 }))
  test.for([401, 404, 405, 407, 408])('%i is no refusal, but a call that went wrong', async (status) => {
    const [found, host] = await answer(status, 'very-secret')
    expect(found).toEqual({ state: 'Error', message: `${host} answered ${status}: look whether the URL and the secret are still the right ones` })
  })
  test.for([500, 502, 503, 504])('%i is no answer', async (status) => {
    const [found, host] = await answer(status, 'stack trace', { 'retry-after': '7' })
    expect(found).toEqual({ state: 'Error', message: `${host} answered ${status}`, retryAfterMs: 7000 })
  })
  test.for([301, 302, 307, 308])('%i is followed nowhere', async (status) => {
    let reached = 0
    const elsewhere = await serve((_, response) => void (reached++, response.end()))
    const [found] = await answer(status, '', { location: `http://127.0.0.1:${elsewhere}/` })
    expect(found).toMatchObject({ state: 'Error', message: expect.stringContaining('redirects are not followed') })
    expect([reached, JSON.stringify(found).includes(String(elsewhere))]).toEqual([0, false])
  })
  test('that does not come, breaks off or never ends is none; the time-out is that of the hook', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/cut') request.socket.destroy()
      if (request.url === '/half') response.writeHead(409).write('not yet')
    })
    const at = (path: string) => hooks().ask(callOf(hookAt(`http://127.0.0.1:${port}${path}`, { timeoutMs: 200 })))
    expect(await at('/never')).toMatchObject({ state: 'Error', message: `127.0.0.1:${port} did not answer within 0.2 seconds` })
    expect(await at('/cut')).toMatchObject({ state: 'Error', message: expect.stringContaining('cut the connection') })
    expect(await at('/half')).toEqual({ state: 'Refused', message: 'not yet' })
    servers[0]!.closeAllConnections()
    await new Promise((done) => servers.splice(0)[0]!.close(done))
    expect(await at('/')).toMatchObject({ state: 'Error', message: `127.0.0.1:${port} refuses connections` })
  })
  test('of a host that is not allowed is not even asked for', async () => {
    expect(await hooks().ask(callOf(hookAt('http://10.0.0.1/')))).toMatchObject({ state: 'Error', message: expect.stringContaining('--allow-host 10.0.0.1:80') })
    expect(await hooks().ask(callOf(hookAt('https://load.test.svc/run')))).toMatchObject({ state: 'Error', message: expect.stringContaining('--allow-host load.test.svc:443') })
  })
})

describe('a call', () => {
  interface Arrival { readonly headers: IncomingHttpHeaders; readonly text: string }
  const receive = async (): Promise<{ url: string; arrivals: Arrival[] }> => {
    const arrivals: Arrival[] = []
    const port = await serve((request, response) => {
      let text = ''
      request.on('data', (chunk) => (text += chunk)).on('end', () => {
        arrivals.push({ headers: request.headers, text })
        response.writeHead(202).end()
      })
    })
    return { url: `http://127.0.0.1:${port}/run`, arrivals }
  }
  const signature = (secret: string, { headers, text }: Arrival) =>
    `v1,${createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`).digest('base64')}`

  test('tells the release as the published schema says, and as the load tester of Flagger reads it', async () => {
    const { url, arrivals } = await receive()
    expect((await hooks().ask(callOf(hookAt(url)))).state).toBe('Agreed')
    const body = hookPayload.parse(JSON.parse(arrivals[0]!.text))
    expect(body).toMatchObject({ type: 'hook.DuringStep', timestamp: '2026-11-23T00:00:00Z', name: 'checkout', namespace: 'shop', phase: 'Holding', metadata: { cmd: 'hey -z 1m' } })
    expect(body.data).toEqual({
      id: 'hook_u_1_load', hook: 'load', when: 'DuringStep', cluster: 'test', namespace: 'shop', rollout: 'checkout', uid: 'u', phase: 'Holding', journey: 'j', revision: 'checkout-b', version: 'v2', from: 'checkout-a',
      fromVersion: 'v1', commit: 'abc', step: { index: 1, name: 's25', of: '2/4' }, weight: 5, nextWeight: 25, metadata: { cmd: 'hey -z 1m' },
    })
    expect(arrivals[0]!.headers).toMatchObject({ 'webhook-id': 'hook_u_1_load', 'content-type': expect.stringContaining('json') })
    expect(arrivals[0]!.headers).not.toHaveProperty('webhook-signature')
  })
  test('is signed with the secret, with two of them while the receiver changes over', async () => {
    const { url, arrivals } = await receive()
    const signing = callOf(hookAt(url, { secretRef: { name: 'load-token', key: 'token' } }))
    for (const value of [first, `${first}\n${second}\n`]) {
      stored['load-token'] = value
      await hooks().ask(signing)
    }
    expect(arrivals.map(({ headers }) => headers['webhook-signature'])).toEqual([signature(first, arrivals[0]!), `${signature(first, arrivals[1]!)} ${signature(second, arrivals[1]!)}`])
  })
  test.for([['gone', undefined, 'there is no Secret load-token in namespace shop: create it, or correct spec.hooks'], ['no secret', 'hunter2', 'whsec_'], ['too many', `${first} ${second} ${first}`, 'at most 2']] as const)('with a secret that is %s is not sent, and the message does not tell it', async ([, value, says]) => {
    const { url, arrivals } = await receive()
    if (value === undefined) delete stored['load-token']
    else stored['load-token'] = value
    const answer = await hooks().ask(callOf(hookAt(url, { secretRef: { name: 'load-token', key: 'token' } })))
    expect(answer).toMatchObject({ state: 'Error', message: expect.stringContaining(says) })
    for (const secret of [first, second, 'hunter2']) expect(answer.message).not.toContain(secret)
    expect(arrivals).toEqual([])
  })
})

describe('a host that hangs', () => {
  test('holds four places; a thousand who wait for it hear of it soon, and nobody else waits', async () => {
    let [open, most] = [0, 0]
    const hanging = await serve((request) => {
      most = Math.max(most, ++open)
      request.on('close', () => open--)
    })
    const well = await serve((_, response) => void response.writeHead(204).end())
    const all = hooks()
    const waiting = Array.from({ length: 1000 }, (_, index) => all.ask(callOf(hookAt(`http://127.0.0.1:${hanging}/`, { timeoutMs: 300 }), `${index}`)))
    const others = await Promise.all(Array.from({ length: 100 }, (_, index) => all.ask(callOf(hookAt(`http://127.0.0.1:${well}/`), `well ${index}`))))
    expect(others.every(({ state }) => state === 'Agreed')).toBe(true)
    const answers = await Promise.all(waiting)
    expect(answers.every(({ state, message }) => state === 'Error' && message === `127.0.0.1:${hanging} did not answer within 0.3 seconds`)).toBe(true)
    expect(most).toBeLessThanOrEqual(4)
  })
})

describe('an outcome', () => {
  const rollout = (spec: object): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'checkout', namespace: 'shop', uid: 'u' }, spec }) as KubeObject
  const note = { id: '9-0', type: 'RolledBack', at: '2026-11-23T00:00:00Z', severity: 'Warning', message: 'is rolled back', reason: 'CheckFailed', weight: 5, revision: 'checkout-b', from: 'checkout-a' } as const
  const message = messageOf({ namespace: 'shop', name: 'checkout', uid: 'u', cluster: 'test' }, note)
  test('is told to the hooks of that point alone, also where the rest of the spec is invalid', async () => {
    let text = ''
    const port = await serve((request, response) => void request.on('data', (chunk) => (text += chunk)).on('end', () => response.writeHead(204).end()))
    const one = rollout({ steps: 'none', hooks: [{ name: 'after', when: 'AfterOutcome', url: `http://127.0.0.1:${port}/` }, { name: 'start', when: 'BeforeStart', url: 'https://a.example.com/' }] })
    const [subscription, ...more] = subscriptions(one)
    expect([subscription, more]).toEqual([{ channelRef: { name: 'hook/checkout/after' }, events: ['Promoted', 'RolledBack', 'Superseded', 'Withdrawn'] }, []])
    expect(await hooks(one).tell('shop', 'hook/checkout/after', message)).toEqual({ state: 'Delivered' })
    expect(hookPayload.parse(JSON.parse(text))).toMatchObject({ type: 'hook.AfterOutcome', phase: 'RolledBack', data: { id: 'msg_u_9-0', hook: 'after', outcome: 'RolledBack', reason: 'CheckFailed', weight: 5, revision: 'checkout-b' } })
  })
  test('whose hook is gone, or in trouble, is no delivery', async () => {
    expect(await hooks(rollout({})).tell('shop', 'hook/checkout/after', message)).toMatchObject({ state: 'Failed', reason: 'HookMissing' })
    const port = await serve((_, response) => void response.writeHead(503).end())
    const one = rollout({ hooks: [{ name: 'after', when: 'AfterOutcome', url: `http://127.0.0.1:${port}/` }] })
    expect(await hooks(one).tell('shop', 'hook/checkout/after', message)).toMatchObject({ state: 'Busy', reason: 'ServerError' })
  })
})
