/** The embedded Prometheus: scrapes a model at simulated time and answers `/api/v1/query` over HTTP as the real one does. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../telemetry/clock.ts'
import { evaluate, ExecutionError, type Element, type Value } from './promql.ts'
import { BadQuery } from './promql-parser.ts'
import { SeriesMemory, type Exposed } from './series.ts'

export interface EmbeddedPrometheusOptions {
  readonly clock: Clock
  /** 15000 ms where unset. */
  readonly scrapeIntervalMs?: number
  /** How long samples are kept; two hours where unset, enough for the longest window and what lies before it. */
  readonly retentionMs?: number
  /** What the target exposes at the clock's time; undefined: the scrape fails. */
  readonly expose: () => Iterable<Exposed> | undefined
}
/** How it fails: `Hang` never answers, otherwise every request gets this answer. */
export type Trouble = 'Hang' | { readonly status: number; readonly contentType: string; readonly body: string }
export interface EmbeddedPrometheus {
  readonly memory: SeriesMemory
  /** Scrapes now and then in each interval, until `stop`. */
  start(): void
  /** Ends scraping and closes what listens. */
  stop(): Promise<void>
  /** One scrape now, beside the regular ones. */
  scrape(): void
  /** Listens on 127.0.0.1; port 0 (the default) takes a free one. Answers the URL. */
  listen(port?: number): Promise<string>
  /** Answers one HTTP request, for a server that has other paths too. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** From now on it is in trouble; undefined: well again. Scrapes go on. */
  trouble(trouble: Trouble | undefined): void
}

const longestBody = 1024 * 1024

/** An embedded Prometheus, not yet scraping nor listening. */
export function embeddedPrometheus(options: EmbeddedPrometheusOptions): EmbeddedPrometheus {
  const { clock } = options
  const intervalMs = options.scrapeIntervalMs ?? 15_000
  const memory = new SeriesMemory(options.retentionMs ?? 7_200_000)
  let timer: { cancel(): void } | undefined
  let trouble: Trouble | undefined
  const scrape = (): void => {
    const exposed = options.expose()
    if (exposed === undefined) memory.miss(clock.now())
    else memory.scrape(clock.now(), exposed)
  }
  const scrapeAndWait = (): void => {
    timer = clock.setTimeout(scrapeAndWait, intervalMs)
    scrape()
  }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (trouble === 'Hang') return
    if (trouble !== undefined) return void response.writeHead(trouble.status, { 'Content-Type': trouble.contentType }).end(trouble.body)
    const { status, body } = await answer(request, memory, clock.now())
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  }
  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()))
  return {
    memory,
    scrape,
    handle,
    start: () => {
      if (timer === undefined) scrapeAndWait()
    },
    async stop() {
      timer?.cancel()
      timer = undefined
      if (!server.listening) return
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
    async listen(port = 0) {
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    trouble: (next) => void (trouble = next),
  }
}

interface HttpAnswer {
  readonly status: number
  readonly body: unknown
}
const refused = (status: number, errorType: string, error: string): HttpAnswer => ({ status, body: { status: 'error', errorType, error } })

async function answer(request: IncomingMessage, memory: SeriesMemory, now: number): Promise<HttpAnswer> {
  const url = new URL(request.url ?? '/', 'http://embedded')
  if (url.pathname === '/-/ready' || url.pathname === '/-/healthy') return { status: 200, body: { status: 'success' } }
  if (url.pathname !== '/api/v1/query') return refused(404, 'not_found', `the embedded Prometheus does not model ${url.pathname}`)
  if (request.method !== 'GET' && request.method !== 'POST') return refused(405, 'bad_data', `method ${request.method} not allowed`)
  const params = url.searchParams
  if (request.method === 'POST') {
    const body = await bodyOf(request)
    if (body === undefined) return refused(413, 'bad_data', `the body is longer than ${longestBody} bytes`)
    for (const [name, value] of new URLSearchParams(body)) params.append(name, value)
  }
  const time = timeOf(params.get('time'), now)
  if (time === undefined) return refused(400, 'bad_data', `invalid parameter "time": cannot parse ${JSON.stringify(params.get('time'))} to a valid timestamp`)
  return queried(params.get('query') ?? '', time, memory)
}

function queried(query: string, time: number, memory: SeriesMemory): HttpAnswer {
  try {
    return { status: 200, body: { status: 'success', data: written(evaluate(query, time, memory), time / 1000) } }
  } catch (error) {
    if (error instanceof BadQuery) return refused(400, 'bad_data', `invalid parameter "query": ${error.message}`)
    if (error instanceof ExecutionError) return refused(422, 'execution', error.message)
    throw error
  }
}

function written(value: Value, seconds: number): unknown {
  if (value.type === 'scalar') return { resultType: 'scalar', result: [seconds, writtenNumber(value.value)] }
  return {
    resultType: 'vector',
    result: value.elements.map(({ labels, value: number }: Element) => ({ metric: labels, value: [seconds, writtenNumber(number)] })),
  }
}

/** As Go's 'f' format with the shortest exact precision: never an exponent. */
export function writtenNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const [mantissa = '', exponent] = String(value).split('e')
  if (exponent === undefined) return mantissa
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)\.?(\d*)$/.exec(mantissa) ?? []
  const shift = Number(exponent)
  return shift < 0 ? `${sign}0.${'0'.repeat(-shift - 1)}${whole}${fraction}` : `${sign}${whole}${fraction}${'0'.repeat(shift - fraction.length)}`
}

/** Unix seconds or RFC 3339, to Unix ms; absent means now. */
function timeOf(text: string | null, now: number): number | undefined {
  if (text === null || text === '') return now
  const seconds = Number(text)
  const ms = Number.isFinite(seconds) ? Math.round(seconds * 1000) : Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > longestBody) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
