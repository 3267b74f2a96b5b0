/** What receivers do: with nock by status and header, and a real HTTP server for everything that only a connection can do wrong. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import nock from 'nock'
import { afterEach, describe, expect, test } from 'vitest'
import type { Resolve } from '../../../src/notify/address.ts'
import { poster, type Letter, type PostOptions } from '../../../src/notify/post.ts'

const now = Date.parse('2026-11-23T03:00:00Z')
const path = '/services/T0/B0/very-secret'
const letter = (url: string): Letter => ({ url, body: '{"a":1}', headers: { 'webhook-id': 'msg_1' } })
const everywhere: Resolve = async () => [{ address: '3.5.7.9', family: 4 }]
const post = (url: string, change: Partial<PostOptions> = {}) =>
  poster({ rules: { allowedHosts: [], clusterDomain: 'cluster.local' }, resolve: everywhere, ...change }, () => now)(letter(url))

describe('by its answer', () => {
  afterEach(() => {
    nock.cleanAll()
    nock.enableNetConnect()
  })
  const answered = async (status: number, body = '', headers: Record<string, string> = {}) => {
    nock.disableNetConnect()
    const scope = nock('https://hooks.slack.com').post(path, { a: 1 }).matchHeader('content-type', /^application\/json/).matchHeader('webhook-id', 'msg_1').matchHeader('user-agent', /^sluice\//).reply(status, body, headers)
    const outcome = await post(`https://hooks.slack.com${path}`)
    expect(scope.isDone()).toBe(true)
    expect(JSON.stringify(outcome)).not.toContain('very-secret')
    return outcome
  }
  test.for([200, 201, 202, 204])('%i is delivered', async status => expect(await answered(status)).toEqual({ state: 'Delivered' }))
  test.for([500, 502, 503, 408, 425])('%i is tried again', async status => expect(await answered(status, 'x')).toMatchObject({ state: 'Busy', reason: 'ServerError', message: `hooks.slack.com answered ${status} (x)` }))
  test.for([
    ['30', 30_000], ['0', 0], ['Mon, 23 Nov 2026 03:01:00 GMT', 60_000], ['Sun, 22 Nov 2026 03:01:00 GMT', 0], ['999999', 3_600_000],
  ] as const)('429 with Retry-After %s is tried again after %i ms', async ([header, retryAfterMs]) => {
    expect(await answered(429, '', { 'retry-after': header })).toMatchObject({ state: 'Busy', reason: 'Throttled', retryAfterMs })
  })
  test('429 without it, or with nonsense in it', async () => {
    expect(await answered(429)).not.toHaveProperty('retryAfterMs')
    expect(await answered(429, '', { 'retry-after': 'soon' })).not.toHaveProperty('retryAfterMs')
  })
  test.for([301, 302, 303, 307, 308])('%i is followed nowhere', async status => {
    const elsewhere = nock('https://elsewhere.example.com').post('/').reply(200).get('/').reply(200)
    const outcome = await answered(status, '', { location: 'https://elsewhere.example.com/' })
    expect(outcome).toMatchObject({ state: 'Failed', reason: 'Redirected', message: expect.stringContaining('not followed') })
    expect(elsewhere.isDone()).toBe(false)
    expect(JSON.stringify(outcome)).not.toContain('elsewhere')
  })
  test.for([400, 413, 422])('%i turns this message away', async status => expect(await answered(status, 'invalid_blocks')).toMatchObject({ state: 'Refused', message: expect.stringContaining('(invalid_blocks)') }))
  test.for([401, 403, 404, 405, 410])('%i needs a person', async status => expect(await answered(status, 'no_service')).toMatchObject({ state: 'Failed', reason: 'Rejected', message: expect.stringContaining('(no_service)') }))
  test('a page of the intranet is not told', async () => expect(JSON.stringify(await answered(403, '<html>salaries</html>'))).not.toContain('salaries'))
})

describe('over a real connection', () => {
  const servers: Server[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      await new Promise(done => server.close(done))
    }
  })
  const serve = async (listener: RequestListener): Promise<number> => {
    const server = createServer(listener)
    servers.push(server)
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    return (server.address() as AddressInfo).port
  }
  const local: Resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  const allowed = (port: number, change: Partial<PostOptions> = {}): Partial<PostOptions> => ({ resolve: local, rules: { allowedHosts: [`hook.test:${port}`], clusterDomain: 'cluster.local' }, ...change })

  test('204 is delivered, under the name and not the address', async () => {
    const seen: unknown[] = []
    const port = await serve((request, response) => {
      let body = ''
      request.on('data', chunk => (body += chunk)).on('end', () => {
        seen.push([request.method, request.url, request.headers.host, body])
        response.writeHead(204).end()
      })
    })
    expect(await post(`http://hook.test:${port}/x?y=1`, allowed(port))).toEqual({ state: 'Delivered' })
    expect(seen).toEqual([['POST', '/x?y=1', `hook.test:${port}`, '{"a":1}']])
  })
  test('down', async () => {
    const port = await serve(() => {})
    servers[0]!.close()
    expect(await post(`http://hook.test:${port}/`, allowed(port))).toMatchObject({ state: 'Busy', reason: 'Unreachable', message: `hook.test:${port} refuses connections` })
  })
  test('slow: an answer that never comes, and one that never ends', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/half') response.writeHead(500).write('a')
    })
    for (const where of ['/never', '/half']) expect(await post(`http://hook.test:${port}${where}`, allowed(port, { timeoutMs: 200 }))).toMatchObject({ state: 'Busy' })
  })
  test('a name that is never resolved', async () => {
    expect(await post('https://hook.test/', { resolve: () => new Promise(() => {}), timeoutMs: 50 })).toMatchObject({ state: 'Busy', reason: 'TimedOut' })
  })
  test('cut in the middle', async () => {
    const port = await serve(request => void request.socket.destroy())
    expect(await post(`http://hook.test:${port}/`, allowed(port))).toMatchObject({ state: 'Busy', reason: 'Unreachable', message: `hook.test:${port} cut the connection` })
  })
  test('an endless answer is not read', async () => {
    const port = await serve((_, response) => {
      response.writeHead(500)
      const more = (error?: Error | null) => void (error || response.write('x'.repeat(65_536), more))
      more()
    })
    expect(await post(`http://hook.test:${port}/`, allowed(port))).toMatchObject({ state: 'Busy', message: `hook.test:${port} answered 500` })
  })
  test('redirecting to the API server reaches nothing', async () => {
    let reached = 0
    const inside = await serve((_, response) => void (reached++, response.end()))
    const port = await serve((_, response) => void response.writeHead(307, { location: `http://127.0.0.1:${inside}/` }).end())
    expect(await post(`http://hook.test:${port}/`, allowed(port))).toMatchObject({ state: 'Failed', reason: 'Redirected' })
    expect(reached).toBe(0)
  })
  test('the DNS is asked once: a second answer changes nothing', async () => {
    let reached = 0
    const port = await serve((_, response) => void (reached++, response.end()))
    const inside = [{ address: '127.0.0.1', family: 4 }] as const
    let asked = 0
    // First it says a public address, then one inside: whoever asks again is led astray.
    const turning: Resolve = async () => (asked++ === 0 ? [{ address: '192.0.2.1', family: 4 }] : inside)
    const rules = { allowedHosts: [`hook.test:${port}`], clusterDomain: 'cluster.local' }
    await post(`http://hook.test:${port}/`, { resolve: turning, rules, timeoutMs: 200 })
    expect([asked, reached]).toEqual([1, 0])
  })
  test('what is not allowed is not connected to', async () => {
    let reached = 0
    const port = await serve((_, response) => void (reached++, response.end()))
    expect(await post(`http://127.0.0.1:${port}/`)).toMatchObject({ state: 'Failed', reason: 'HostNotAllowed' })
    expect(await post(`https://hook.test:${port}/`, { resolve: local })).toMatchObject({ state: 'Failed', reason: 'HostNotAllowed' })
    expect(await post('no url')).toMatchObject({ state: 'Failed', reason: 'URLInvalid' })
    expect(reached).toBe(0)
  })
})
