/** Queries of one's own, as Prometheus may answer them. */
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Question, QueryMeasure } from '../../../src/analysis/reading.ts'
import { prometheusSource, type MetricSource, type PrometheusOptions } from '../../../src/metrics/prometheus.ts'
import { at, question } from '../analysis/question.ts'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  }
})
async function sourceOf(listener: RequestListener, more: Partial<PrometheusOptions> = {}): Promise<MetricSource> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return prometheusSource({ name: 'default', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, timeoutMs: 2000, ...more }, { monotonic: () => 0 }, () => 0)
}
const own = (more: Partial<QueryMeasure> = {}): Question => question({ telemetry: undefined, measure: { kind: 'Query', template: 'shop/lag', query: { ok: true, query: 'sum(lag)' }, unit: '', ...more } })
const answer = (response: ServerResponse, data: unknown, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(data))
}
const vector = (...values: string[]) => ({ status: 'success', data: { resultType: 'vector', result: values.map((value, index) => ({ metric: { index: String(index) }, value: [at / 1000, value] })) } })
const refused = (errorType: string, error: string) => ({ status: 'error', errorType, error })

describe('a query of one’s own', () => {
  it('is asked as it is, at its time', async () => {
    let body = ''
    const source = await sourceOf(async (request, response) => {
      for await (const chunk of request) body += chunk
      answer(response, vector('0.5'))
    })
    expect(await source.ask(own())).toEqual({ state: 'Value', value: 0.5 })
    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({ query: 'sum(lag)', time: String(at / 1000), timeout: '2000ms' })
  })
  it('that cannot be asked is not', async () => {
    let requests = 0
    const source = await sourceOf((_request, response) => {
      requests++
      answer(response, vector('1'))
    })
    expect(await source.ask(own({ query: { ok: false, reason: 'no door' } }))).toEqual({ state: 'Error', reason: 'no door' })
    expect(requests).toBe(0)
  })
  it.each([
    ['bad_data', 400, 'invalid parameter "query": 1:5: parse error: unexpected end of input', 'HTTP 400: invalid parameter "query": 1:5: parse error'],
    ['execution', 422, 'found duplicate series for the match group {pod="a"} on the right hand-side of the operation: [{tenant="secret"}, {tenant="other"}]', 'match group {…} on the right'],
    ['unavailable', 503, 'no place left', 'HTTP 503: no place left'],
  ])('%s is an error that says what the source said, but for the labels of others', async (type, status, error, reason) => {
    const answered = await (await sourceOf((_request, response) => answer(response, refused(type, error), status))).ask(own())
    expect(answered).toEqual({ state: 'Error', reason: expect.stringContaining(reason) })
    expect(JSON.stringify(answered)).not.toContain('secret')
  })
  it.each([
    ['a hang', (() => {}) as RequestListener, 'no answer within 100ms'],
    ['a huge body', ((_request, response) => answer(response, vector(...Array.from({ length: 2000 }, () => '1')))) as RequestListener, 'an answer of more than 10000 bytes'],
    ['a page', ((_request, response) => response.end('<html></html>')) as RequestListener, 'an HTML page instead of an answer of Prometheus'],
    ['several series', ((_request, response) => answer(response, vector('1', '2'))) as RequestListener, '2 series where one number is needed'],
    ['a matrix', ((_request, response) => answer(response, { status: 'success', data: { resultType: 'matrix', result: [] } })) as RequestListener, 'a matrix where one number is needed'],
  ])('%s is an error', async (_, listener, reason) => {
    expect(await (await sourceOf(listener, { timeoutMs: 100, maxBytes: 10_000 })).ask(own())).toEqual({ state: 'Error', reason: expect.stringContaining(reason) })
  })
  it('that is too much for the source rests by itself: no other template and no other check is left alone with it', async () => {
    const source = await sourceOf(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const query = new URLSearchParams(body).get('query')!
      answer(response, query === 'heavy' ? refused('timeout', 'query timed out') : vector(...(query === 'light' ? ['1'] : [])), query === 'heavy' ? 503 : 200)
    })
    const heavy = own({ template: 'shop/heavy', query: { ok: true, query: 'heavy' } })
    for (let time = 0; time < 5; time++) await source.ask(heavy)
    expect(await source.ask(heavy)).toEqual({ state: 'Error', reason: expect.stringContaining('left alone after failures: HTTP 503: query timed out') })
    expect(await source.ask(own({ template: 'shop/light', query: { ok: true, query: 'light' } }))).toEqual({ state: 'Value', value: 1 })
    expect(await source.ask(question())).toMatchObject({ state: 'Counts' })
    expect(source.state()).toEqual({ resting: false })
  })
  it('takes no place of others: two at once, and counts beside them', async () => {
    const waiting: (() => void)[] = []
    const source = await sourceOf(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      if (new URLSearchParams(body).get('query') === 'sum(lag)') await new Promise<void>((go) => waiting.push(go))
      answer(response, vector())
    })
    const slow = [1, 2, 3].map(() => source.ask(own()))
    expect(await source.ask(question())).toMatchObject({ state: 'Counts' })
    while (waiting.length < 2) await new Promise((soon) => setTimeout(soon, 5))
    expect(waiting).toHaveLength(2)
    waiting.splice(0).forEach((go) => go())
    while (waiting.length < 1) await new Promise((soon) => setTimeout(soon, 5))
    waiting.splice(0).forEach((go) => go())
    expect(await Promise.all(slow)).toEqual(slow.map(() => ({ state: 'Empty', reason: 'the query answered no series' })))
  })
})
