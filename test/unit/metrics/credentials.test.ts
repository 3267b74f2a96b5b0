/** A stand-in for Prometheus behind TLS and logins, and what a source says and does where files change, lack or lie. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, Server as HttpServer } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { credentials, type CredentialFiles } from '../../../src/metrics/credentials.ts'
import { prometheusSource, type MetricSource } from '../../../src/metrics/prometheus.ts'
import { certificates, opensslMissing, pem, type Pair } from '../../support/certificates.ts'
import { at, question } from '../analysis/question.ts'

const missing = opensslMissing()
describe.skipIf(missing)(`a source with credentials ${missing ?? ''}`, () => {
  let folder: string
  let made: ReturnType<typeof certificates>
  let ca: Pair
  let server: Pair
  let client: Pair
  const servers: (Server | HttpServer)[] = []
  let seen: IncomingMessage[]
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-credentials-'))
    made = certificates(folder)
    ca = made.authority('ca')
    server = made.signed(ca, 'server', '127.0.0.1')
    client = made.signed(ca, 'sluice')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  beforeEach(() => void (seen = []))
  afterEach(async () => {
    for (const one of servers.splice(0)) {
      one.closeAllConnections()
      await new Promise((closed) => one.close(closed))
    }
  })

  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  async function serve(options: ServerOptions = {}, allowed: (request: IncomingMessage) => boolean = () => true): Promise<string> {
    const listener: RequestListener = (request, response) => {
      seen.push(request)
      request.resume()
      response.statusCode = allowed(request) ? 200 : 401
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [{ metric: { count: 'canary.slow.total' }, value: [at / 1000, '12'] }] } }))
    }
    const one = createServer({ cert: pem(server.cert), key: pem(server.key), ...options }, listener)
    servers.push(one)
    await new Promise<void>((listening) => one.listen(0, '127.0.0.1', listening))
    return `https://127.0.0.1:${(one.address() as AddressInfo).port}`
  }
  const source = (url: string, files: CredentialFiles): MetricSource =>
    prometheusSource({ name: 'edge', url, timeoutMs: 2000, credentials: credentials(files) }, { monotonic: () => 0 }, () => 0)
  const answerOf = async (one: MetricSource): Promise<string> => {
    const answer = await one.ask(question())
    return answer.state === 'Counts' ? `${answer.canary.slow.total} requests` : JSON.stringify('reason' in answer ? answer.reason : answer).slice(1, -1)
  }
  const trusted = (): CredentialFiles['tls'] => ({ caFile: ca.cert })
  const sent = () => seen.map(({ headers }) => headers.authorization)

  test('trusts its own authority and nobody else', async () => {
    const url = await serve()
    expect(await answerOf(source(url, { tls: trusted() }))).toBe('12 requests')
    expect(await answerOf(source(url, {}))).toMatch(/^Prometheus edge: no connection: its certificate is signed by nobody that is trusted; name the authority in tls\.caFile/)
    expect(await answerOf(source(url, { tls: { caFile: made.authority('other').cert } }))).toContain('signed by nobody that is trusted')
    expect(await answerOf(source(url, { tls: { insecureSkipVerify: true } }))).toBe('12 requests')
  })
  test('asks for the name that the certificate has to have', async () => {
    const named = made.signed(ca, 'prometheus.monitoring')
    const url = await serve({ cert: pem(named.cert), key: pem(named.key) })
    expect(await answerOf(source(url, { tls: trusted() }))).toContain('its certificate is for another name; correct the URL, or set tls.serverName')
    expect(await answerOf(source(url, { tls: { ...trusted(), serverName: 'prometheus.monitoring' } }))).toBe('12 requests')
  })
  test('shows its client certificate', async () => {
    const url = await serve({ ca: pem(ca.cert), requestCert: true, rejectUnauthorized: true })
    expect(await answerOf(source(url, { tls: { ...trusted(), certFile: client.cert, keyFile: client.key } }))).toBe('12 requests')
    expect(await answerOf(source(url, { tls: trusted() }))).toMatch(/client certificate.* look at tls\.certFile and tls\.keyFile/)
    const stranger = made.signed(made.authority('strangers'), 'stranger')
    expect(await answerOf(source(url, { tls: { ...trusted(), certFile: stranger.cert, keyFile: stranger.key } }))).toMatch(/client certificate.* look at tls\.certFile/)
  })
  test('keeps one connection, and makes another as soon as a certificate is another', async () => {
    const url = await serve({ ca: pem(ca.cert), requestCert: true, rejectUnauthorized: true })
    const files = { certFile: file('rotating.crt', pem(client.cert)), keyFile: file('rotating.key', pem(client.key)) }
    const one = source(url, { tls: { ...trusted(), ...files } })
    for (let n = 0; n < 3; n++) expect(await answerOf(one)).toBe('12 requests')
    const ports = () => new Set(seen.map(({ socket }) => socket.remotePort)).size
    expect(ports()).toBe(1)
    const next = made.signed(ca, 'sluice-next')
    file('rotating.crt', pem(next.cert))
    // In between a Secret may be half of each: it is said, and over with the other half.
    expect(await answerOf(one)).toContain('cannot be used: write a PEM certificate and its own key')
    file('rotating.key', pem(next.key))
    expect(await answerOf(one)).toBe('12 requests')
    expect(ports()).toBe(2)
    expect(one.state()).toEqual({ resting: false })
  })
  test('sends a token, a password or a header, each as the file has it now', async () => {
    const url = await serve({}, ({ headers }) => headers.authorization !== 'Bearer old')
    const token = file('token', 'old\n')
    const one = source(url, { tls: trusted(), auth: { bearerTokenFile: token } })
    expect(await answerOf(one)).toBe('Prometheus edge: HTTP 401; check the credentials of the source')
    file('token', 'new')
    expect(await answerOf(one)).toBe('12 requests')
    await answerOf(source(url, { tls: trusted(), auth: { basic: { username: 'sluice', passwordFile: file('password', 'pa:ss wörd\n') } } }))
    await answerOf(source(url, { tls: trusted(), auth: { header: { name: 'X-API-Key', valueFile: file('key', 'k-1\n') } } }))
    expect(sent()).toEqual(['Bearer old', 'Bearer new', `Basic ${Buffer.from('sluice:pa:ss wörd').toString('base64')}`, undefined])
    expect(seen.at(-1)!.headers['x-api-key']).toBe('k-1')
  })
  test('without its files it is not asked, is not taken for broken, and says which file and why, but never what is in one', async () => {
    const url = await serve()
    const gone = join(folder, 'gone')
    const reasons: [CredentialFiles, string][] = [
      [{ auth: { bearerTokenFile: gone } }, `Prometheus edge cannot be asked: the file ${gone} does not exist: mount the Secret`],
      [{ auth: { bearerTokenFile: folder } }, 'cannot be read (EISDIR)'],
      [{ auth: { bearerTokenFile: file('empty', '\n') } }, 'is empty'],
      [{ auth: { bearerTokenFile: file('two', 'hunter2\nhunter3\n') } }, 'holds more than one line'],
      [{ auth: { header: { name: 'X', valueFile: file('odd', 'hunter2é') } } }, 'characters that no header may have'],
      [{ tls: { caFile: file('no.crt', 'hunter2') } }, 'holds no certificate: write PEM'],
      [{ tls: { certFile: file('no.crt', 'hunter2'), keyFile: client.key } }, 'cannot be used'],
      [{ tls: { certFile: client.cert, keyFile: server.key } }, 'a PEM certificate and its own key'],
    ]
    for (const [files, says] of reasons) {
      const one = source(url, files)
      const answers = await Promise.all(Array.from({ length: 7 }, () => answerOf(one)))
      expect(new Set(answers).size).toBe(1)
      expect(answers[0]).toContain(says)
      expect(answers[0]).not.toContain('hunter')
      expect(one.state()).toEqual({ resting: false })
    }
    expect(seen).toEqual([])
  })
  test('that speaks no TLS is told apart from one that cannot be reached', async () => {
    const { createServer: plain } = await import('node:http')
    const one = plain((_, response) => response.end('hello'))
    servers.push(one)
    await new Promise<void>((listening) => one.listen(0, '127.0.0.1', listening))
    expect(await answerOf(source(`https://127.0.0.1:${(one.address() as AddressInfo).port}`, { tls: trusted() }))).toContain('it does not speak TLS there; write http://, or correct the port')
  })
})
