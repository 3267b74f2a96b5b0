import { afterEach, describe, expect, it } from 'vitest'
import { prometheusSource } from '../../../src/metrics/prometheus.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { embeddedPrometheus, writtenNumber, type EmbeddedPrometheus } from '../../../src/sandbox/prometheus.ts'
import { question } from '../analysis/question.ts'

const started: EmbeddedPrometheus[] = []
afterEach(() => Promise.all(started.splice(0).map((one) => one.stop())))

const clock = (): SimulatedClock => new SimulatedClock(Date.UTC(2026, 0, 1))
const labels = {
  __name__: 'istio_requests_total',
  reporter: 'destination',
  destination_workload_namespace: 'shop',
  destination_workload: 'web-2',
  response_code: '500',
}
async function running(
  time = clock(),
  expose: () => { labels: Record<string, string>; value: number }[] | undefined = () => [{ labels, value: (time.monotonic() / 1000) * 2 }],
) {
  const prometheus = embeddedPrometheus({ clock: time, expose })
  started.push(prometheus)
  prometheus.start()
  return { prometheus, time, url: await prometheus.listen() }
}
const get = async (url: string) => {
  const response = await fetch(url)
  return { status: response.status, body: (await response.json()) as any }
}

describe('the embedded Prometheus', () => {
  it('scrapes in simulated time and answers what Sluice asks', async () => {
    const { time, url } = await running()
    await time.advance(400_000)
    const source = prometheusSource({ name: 'default', url }, time)
    const answer = await source.ask(question({ at: time.now(), fastMs: 60_000, slowMs: 300_000 }))
    expect(answer).toMatchObject({ state: 'Counts', canary: { fast: { total: 120, bad: 120 }, slow: { total: 600, bad: 600 } }, stable: { slow: { total: 0 } } })
  })
  it('answers GET as POST, at a time or now, in seconds or RFC 3339', async () => {
    const { time, url } = await running()
    await time.advance(60_000)
    const values = await Promise.all(
      ['', `&time=${time.now() / 1000 - 30}`, '&time=2026-01-01T00:00:30Z'].map(
        async (at) => (await get(`${url}/api/v1/query?query=istio_requests_total${at}`)).body.data.result[0].value[1],
      ),
    )
    expect(values).toEqual(['120', '60', '60'])
  })
  it('refuses what it does not model, as Prometheus refuses what it cannot parse', async () => {
    const { url } = await running()
    expect(await get(`${url}/api/v1/query?query=topk(1,x)`)).toMatchObject({
      status: 400,
      body: { status: 'error', errorType: 'bad_data', error: expect.stringContaining('topk') },
    })
    expect(await get(`${url}/api/v1/query?query=x&time=soon`)).toMatchObject({ status: 400, body: { errorType: 'bad_data' } })
    expect(await get(`${url}/api/v1/query_range?query=x`)).toMatchObject({ status: 404 })
    expect(await get(`${url}/api/v1/query?query=label_replace(x,"-","","","")`)).toMatchObject({ status: 422, body: { errorType: 'execution' } })
  })
  it('can be in trouble and well again', async () => {
    const { prometheus, time, url } = await running()
    prometheus.trouble({ status: 503, contentType: 'text/html', body: '<html>' })
    const source = prometheusSource({ name: 'default', url, timeoutMs: 100 }, time)
    expect(await source.ask(question({ at: time.now() }))).toEqual({ state: 'Error', reason: 'Prometheus default: HTTP 503 with an HTML page' })
    prometheus.trouble('Hang')
    expect(await source.ask(question({ at: time.now() }))).toEqual({ state: 'Error', reason: 'Prometheus default: no answer within 100ms' })
    prometheus.trouble(undefined)
    expect(await prometheusSource({ name: 'default', url }, time).ask(question({ at: time.now() }))).toMatchObject({ state: 'Counts' })
  })
  it('marks everything as ended where a scrape fails', async () => {
    let up = true
    const { time, url } = await running(clock(), () => (up ? [{ labels, value: 1 }] : undefined))
    up = false
    await time.advance(15_000)
    expect((await get(`${url}/api/v1/query?query=istio_requests_total`)).body.data.result).toEqual([])
  })
  it('stops scraping when it is stopped', async () => {
    const { prometheus, time } = await running()
    await prometheus.stop()
    expect(time.pending).toBe(0)
  })
})

it.each([
  [0.1, '0.1'],
  [1e21, '1000000000000000000000'],
  [1.5e-7, '0.00000015'],
  [-2.25e22, '-22500000000000000000000'],
  [NaN, 'NaN'],
  [-Infinity, '-Inf'],
  [3, '3'],
])('writes %s as Go does', (value, text) => expect(writtenNumber(value)).toBe(text))
