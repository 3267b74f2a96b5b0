import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { prometheusSource, type PrometheusOptions } from '../../../src/metrics/prometheus.ts'
import { urlProblem } from '../../../src/metrics/url.ts'
import { at, question } from '../analysis/question.ts'

const servers: Server[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
async function bodyOf(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of request) text += chunk
  return new URLSearchParams(text)
}
const success = (response: ServerResponse, result: unknown[] = [], more: object = {}): void => {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result }, ...more }))
}
const total = (value: string) => ({ metric: { count: 'canary.slow.total' }, value: [at / 1000, value] })
const clock = { time: 0, monotonic: () => clock.time }
const source = (url: string, more: Partial<PrometheusOptions> = {}) => prometheusSource({ name: 'default', url, timeoutMs: 2000, ...more }, clock, () => 0)
const reasonFor = async (listener: RequestListener, more: Partial<PrometheusOptions> = {}): Promise<string> => {
  const answer = await source(await serve(listener), more).ask(question())
  return answer.state === 'Error' ? answer.reason : JSON.stringify(answer)
}

describe('a question', () => {
  it('is asked as a POST at its own time, below the path of the URL, and answered in counts', async () => {
    const asked: { path: string | undefined; method: string | undefined; params: URLSearchParams }[] = []
    const url = await serve(async (request, response) => {
      asked.push({ path: request.url, method: request.method, params: await bodyOf(request) })
      success(response, [total('12')])
    })
    expect(await source(`${url}/prom/`).ask(question())).toMatchObject({ state: 'Counts', canary: { slow: { total: 12 } } })
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({ path: '/prom/api/v1/query', method: 'POST' })
    expect(Number(asked[0]!.params.get('time'))).toBe(at / 1000)
    expect(asked[0]!.params.get('timeout')).toBe('2000ms')
    expect(asked[0]!.params.get('query')).toContain('web-2')
  })
  it('with an empty window is not sent', async () => {
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      success(response)
    })
    expect(await source(url).ask(question({ slowMs: 0, fastMs: 0 }))).toMatchObject({ state: 'Counts', canary: { slow: { total: 0 } } })
    expect(requests).toBe(0)
  })
  it('takes user and password of the URL as basic authentication, and other headers as they are', async () => {
    let headers: IncomingMessage['headers'] = {}
    const url = await serve((request, response) => {
      headers = request.headers
      success(response)
    })
    await source(url.replace('//', '//ann:p%40ss@'), { headers: { 'X-Scope-OrgID': 'team' } }).ask(question())
    expect(headers).toMatchObject({ authorization: `Basic ${Buffer.from('ann:p@ss').toString('base64')}`, 'x-scope-orgid': 'team' })
  })
  it('goes straight to its URL, whatever proxy the environment names', async () => {
    const url = await serve((_request, response) => success(response, [total('1')]))
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9').stubEnv('http_proxy', 'http://127.0.0.1:9').stubEnv('NO_PROXY', '').stubEnv('no_proxy', '')
    expect(await source(url).ask(question())).toMatchObject({ state: 'Counts' })
  })
  it('hands warnings on and keeps the counts', async () => {
    const warnings: string[] = []
    const url = await serve((_request, response) => success(response, [total('1')], { warnings: ['one store did not answer'] }))
    expect(await source(url, { onWarning: (warning) => warnings.push(warning) }).ask(question())).toMatchObject({ state: 'Counts' })
    expect(warnings).toEqual(['one store did not answer'])
  })
})

describe('a bad answer is an error that says what came', () => {
  const prometheus =
    (status: number, errorType: string, error: string): RequestListener =>
    (_request, response) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ status: 'error', errorType, error }))
    }
  it.each<[string, RequestListener, string | RegExp]>([
    ['400', prometheus(400, 'bad_data', 'parse error: unexpected "}"'), 'Prometheus default: HTTP 400: parse error: unexpected "}"'],
    [
      '422',
      prometheus(422, 'execution', 'query processing would load too many samples'),
      'Prometheus default: HTTP 422: query processing would load too many samples',
    ],
    ['503', prometheus(503, 'timeout', 'query timed out'), 'Prometheus default: HTTP 503: query timed out'],
    [
      '503 with HTML',
      (_q, r) => void r.writeHead(503, { 'Content-Type': 'text/html' }).end('<html>secret</html>'),
      'Prometheus default: HTTP 503 with an HTML page',
    ],
    [
      '200 with HTML',
      (_q, r) => void r.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>'),
      /HTTP 200 with an HTML page instead of an answer of Prometheus; check the URL/,
    ],
    [
      '200 with other JSON',
      (_q, r) => void r.writeHead(200, { 'Content-Type': 'application/json' }).end('{"hello":1}'),
      /HTTP 200 with JSON that is none of Prometheus/,
    ],
    ['200 with nothing', (_q, r) => void r.end(), /HTTP 200 with an empty body/],
    ['401', (_q, r) => void r.writeHead(401).end(), 'Prometheus default: HTTP 401; check the credentials of the source'],
    [
      'redirect',
      (_q, r) => void r.writeHead(302, { Location: 'https://ann:pw@login.example.com/?next=x' }).end(),
      'Prometheus default: HTTP 302 redirects to https://login.example.com; redirects are not followed, give the final URL',
    ],
    ['+Inf', (_q, r) => success(r, [total('+Inf')]), 'the source answered +Inf for canary.slow.total, which is no count of requests'],
    [
      'matrix',
      (_q, r) => void r.setHeader('Content-Type', 'application/json').end('{"status":"success","data":{"resultType":"matrix","result":[]}}'),
      'the source answered a matrix where a vector was asked for',
    ],
    [
      'a type unknown to the driver',
      (_q, r) => void r.setHeader('Content-Type', 'application/json').end('{"status":"success","data":{"resultType":"tensor","result":null}}'),
      'the source answered a tensor where a vector was asked for',
    ],
    ['a cut connection', (q) => void q.socket.destroy(), /no connection: /],
  ])('%s', async (_name, listener, expected) => {
    const reason = await reasonFor(listener)
    if (typeof expected === 'string') expect(reason).toBe(expected)
    else expect(reason).toMatch(expected)
    expect(reason).not.toContain('secret')
  })
  it('a hang ends at the deadline', async () => {
    expect(await reasonFor(() => {}, { timeoutMs: 100 })).toBe('Prometheus default: no answer within 100ms')
  })
  it('a body that drips ends at the deadline too', async () => {
    const drip: RequestListener = (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' })
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    }
    expect(await reasonFor(drip, { timeoutMs: 200 })).toBe('Prometheus default: no answer within 200ms')
  })
  it('an answer that is too long is cut off, also when it is small on the wire', async () => {
    const padding = { padding: 'x'.repeat(100_000) }
    expect(await reasonFor((_request, response) => success(response, [], padding), { maxBytes: 10_000 })).toBe(
      'Prometheus default: an answer of more than 10000 bytes',
    )
    const zipped = gzipSync(JSON.stringify({ status: 'success', data: { resultType: 'vector', result: [] }, ...padding }))
    const bomb: RequestListener = (_request, response) =>
      void response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }).end(zipped)
    expect(await reasonFor(bomb, { maxBytes: 10_000 })).toBe('Prometheus default: an answer of more than 10000 bytes')
  })
  it('nobody listens: the address, without the credentials', async () => {
    const url = await serve(() => {})
    const server = servers.pop()!
    await new Promise((closed) => server.close(closed))
    const answer = await source(url.replace('//', '//ann:hush@')).ask(question())
    expect(answer).toMatchObject({ state: 'Error', reason: expect.stringContaining('ECONNREFUSED') })
    expect(JSON.stringify(answer)).not.toContain('hush')
  })
})

describe('a source under load or in trouble', () => {
  it('has at most so many questions under way, and answers all', async () => {
    let underWay = 0
    let most = 0
    const held: ServerResponse[] = []
    const url = await serve((_request, response) => {
      most = Math.max(most, ++underWay)
      held.push(response)
      // Answered only when no more may come: with a broken limit all twenty would be here.
      if (held.length === 3 || underWay + served === 20) {
        for (const one of held.splice(0)) {
          underWay--
          served++
          success(one, [total('1')])
        }
      }
    })
    let served = 0
    const one = source(url, { maxInFlight: 3 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => one.ask(question())))
    expect(answers.every((answer) => answer.state === 'Counts')).toBe(true)
    expect(most).toBe(3)
  })
  it('is left alone after five failures, probed once, and asked again when the probe works', async () => {
    clock.time = 0
    let healthy = false
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      if (healthy) success(response, [total('1')])
      else response.writeHead(503).end()
    })
    const one = source(url)
    for (let index = 0; index < 5; index++) await one.ask(question())
    expect(one.state()).toEqual({ resting: true, reason: 'HTTP 503 with an empty body' })
    expect(await one.ask(question())).toEqual({
      state: 'Error',
      reason: 'Prometheus default is left alone after failures: HTTP 503 with an empty body; next try in 2s',
    })
    expect(requests).toBe(5)
    clock.time = 2000
    await Promise.all([one.ask(question()), one.ask(question()), one.ask(question())])
    expect(requests).toBe(6)
    clock.time = 5999
    await one.ask(question())
    expect(requests).toBe(6)
    clock.time = 6000
    healthy = true
    expect(await one.ask(question())).toMatchObject({ state: 'Counts' })
    expect(one.state()).toEqual({ resting: false })
    expect(await one.ask(question())).toMatchObject({ state: 'Counts' })
    expect(requests).toBe(8)
  })
  it('is not left alone for questions that it refuses', async () => {
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      response.writeHead(422, { 'Content-Type': 'application/json' }).end('{"status":"error","errorType":"execution","error":"too many samples"}')
    })
    const one = source(url)
    for (let index = 0; index < 8; index++) await one.ask(question())
    expect(requests).toBe(8)
  })
})

it('refuses URLs that are none', () => {
  expect(urlProblem('http://prometheus:9090/prom')).toBeUndefined()
  expect(urlProblem('prometheus:9090')).toContain('write http:// or https://')
  expect(urlProblem('nonsense')).toContain('is not a URL')
  expect(urlProblem('https://p/?token=hush')).toContain('put tokens into a header')
  expect(urlProblem('https://p/?token=hush')).not.toContain('hush')
  expect(() => source('ftp://p')).toThrow('begins with ftp://')
})
