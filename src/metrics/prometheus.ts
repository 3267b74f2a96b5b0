/** Prometheus as a source of counts and of values of one's own queries, through `prometheus-query`. Every answer is a value, also the bad ones; no message carries a credential. */
import { PrometheusDriver } from 'prometheus-query'
import { countsAnswer } from '../analysis/counts.ts'
import { countsQuery } from '../analysis/queries.ts'
import type { Answer, Question, QueryMeasure } from '../analysis/reading.ts'
import { valueAnswer } from '../analysis/value.ts'
import { type Breaker, breaker } from './breaker.ts'
import type { Credentials, ReadCredentials } from './credentials.ts'
import { explain } from './explain.ts'
import type { Failed } from './explain.ts'
import { gate } from './gate.ts'
import { urlProblem } from './url.ts'

export interface PrometheusOptions {
  /** As it is named in messages and metrics, for example `default`. */
  readonly name: string
  /** http or https; a path prefix is kept; user and password in it become basic authentication. */
  readonly url: string
  /** Deadline of one question from its sending to the last byte, in ms; 5000 where unset. */
  readonly timeoutMs?: number
  /** Questions under way at once; 8 where unset. The rest wait for their turn. */
  readonly maxInFlight?: number
  /** Bytes of one answer after decompression; 2 MiB where unset. */
  readonly maxBytes?: number
  /** Sent with every question, for example X-Scope-OrgID. */
  readonly headers?: Readonly<Record<string, string>>
  /** Asked before every question. Unset: no credentials but those of `url`. */
  readonly credentials?: ReadCredentials
  /** Called with each warning of the source; they change no answer. Unset: dropped. */
  readonly onWarning?: (warning: string) => void
}
export interface MetricSource {
  readonly name: string
  /** The counts at `question.at`, or the one value of a query of one's own. Never rejects. */
  ask(question: Question): Promise<Answer>
  /** Whether the source is being left alone after failures, and why. */
  state(): { readonly resting: boolean; readonly reason?: string }
}

const unasked = { resultType: 'vector', result: [] }

/** A source. `clock.monotonic` measures its rests in ms, `random` (0..1) spreads its probes. Throws where `urlProblem` finds one. */
export function prometheusSource(options: PrometheusOptions, clock: { monotonic(): number }, random: () => number = Math.random): MetricSource {
  const problem = urlProblem(options.url)
  if (problem !== undefined) throw new Error(problem)
  const rest = breaker(() => clock.monotonic(), random)
  const turns = gate(options.maxInFlight ?? 8)
  const fetchOne = fetcher(options)

  const query = async (text: string, at: number, { rest, turns }: Lane): Promise<Fetched> =>
    turns(async () => {
      const proof = await options.credentials?.()
      // Nothing is asked, so nothing is learned about the source.
      if (proof?.ok === false) return { ok: false, reason: `Prometheus ${options.name} cannot be asked: ${proof.reason}` }
      const entry = rest.enter()
      if ('refused' in entry) return { ok: false, reason: `Prometheus ${options.name} is left alone after failures: ${entry.refused}` }
      const fetched = await fetchOne(text, at, proof?.value)
      if (fetched.ok || fetched.answered) entry.worked()
      else entry.failed(fetched.reason)
      return fetched.ok ? fetched : { ok: false, reason: `Prometheus ${options.name}: ${fetched.reason}` }
    })
  const counts: Lane = { rest, turns }
  const laneOf = templateLanes(() => breaker(() => clock.monotonic(), random))
  const value = async ({ template, query: text }: QueryMeasure, at: number): Promise<Answer> => {
    if (!text.ok) return { state: 'Error', reason: text.reason }
    const fetched = await query(text.query, at, laneOf(template))
    // What Prometheus says of a query may name series of others.
    return fetched.ok ? valueAnswer(fetched.data) : { state: 'Error', reason: fetched.reason.replaceAll(/\{[^{}]*\}/g, '{…}') }
  }
  return {
    name: options.name,
    async ask(question) {
      if (question.measure.kind === 'Query') return value(question.measure, question.at)
      const text = countsQuery(question)
      const fetched: Fetched = text === undefined ? { ok: true, data: unasked } : await query(text, question.at, counts)
      return fetched.ok ? countsAnswer(question, fetched.data) : { state: 'Error', reason: fetched.reason }
    },
    state: rest.state,
  }
}

interface Lane {
  readonly rest: Breaker
  readonly turns: ReturnType<typeof gate>
}
/** Queries of one's own under way at once, over all templates. */
const ownAtOnce = 2
/** Templates of which is remembered how they fail. */
const mostTemplates = 500

/** Queries of one's own have places and breakers of their own, so that one which is too much for the source blinds no other check. */
function templateLanes(makeBreaker: () => Breaker): (template: string) => Lane {
  const turns = gate(ownAtOnce)
  const rests = new Map<string, Breaker>()
  return (template) => {
    const rest = rests.get(template) ?? makeBreaker()
    rests.delete(template)
    rests.set(template, rest)
    const [oldest] = rests.keys()
    if (rests.size > mostTemplates) rests.delete(oldest!)
    return { rest, turns }
  }
}

type Fetched = { readonly ok: true; readonly data: unknown } | { readonly ok: false; readonly reason: string }

/**
 * One request through the driver, with what the driver lacks: a deadline that also ends a hang, a size limit, no redirects,
 * no proxy from the environment, and the raw answer (the driver parses `+Inf` to NaN and throws at types that it does not know).
 */
function fetcher(options: PrometheusOptions): (query: string, at: number, credentials?: Credentials) => Promise<{ readonly ok: true; readonly data: unknown } | Failed> {
  const url = new URL(options.url)
  const authorization = basicAuthorization(url)
  url.username = ''
  url.password = ''
  const timeoutMs = options.timeoutMs ?? 5000
  const maxBytes = options.maxBytes ?? 2 * 1024 * 1024
  const limits = { timeoutMs, maxBytes, secure: url.protocol === 'https:' }
  return async (query, at, credentials) => {
    let body: unknown
    let failure: unknown
    const driver = new PrometheusDriver({
      endpoint: url.href,
      // The query grows with names and windows; as a URL it would pass the limits of proxies.
      preferPost: true,
      timeout: timeoutMs,
      headers: { ...authorization, ...options.headers, ...credentials?.headers },
      requestInterceptor: {
        onFulfilled: (config) =>
          Object.assign(config, {
            signal: AbortSignal.timeout(timeoutMs), maxRedirects: 0, maxContentLength: maxBytes, proxy: false as const,
            ...(credentials?.agent === undefined ? {} : { httpsAgent: credentials.agent }),
          }),
      },
      responseInterceptor: {
        onFulfilled: (response) => {
          body = response.data
          return response
        },
        onRejected: (error) => {
          failure = error
          return Promise.reject(error)
        },
      },
    })
    const outcome = await driver.instantQuery(query, at, `${Math.max(1, Math.floor(timeoutMs))}ms`).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure !== undefined) return explain(failure, limits)
    const envelope = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : undefined
    if (envelope?.['status'] !== 'success') return explain(outcome, { ...limits, body })
    if (Array.isArray(envelope['warnings'])) for (const warning of envelope['warnings']) options.onWarning?.(String(warning))
    return { ok: true, data: envelope['data'] }
  }
}

function basicAuthorization(url: URL): Record<string, string> {
  if (url.username === '' && url.password === '') return {}
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
