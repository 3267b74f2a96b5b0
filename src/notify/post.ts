/**
 * One POST to a receiver that somebody else chose: judged and pinned address, no redirects, caps on time and on what is read. Of the answer to a message
 * nothing but its status and a known word gets out.
 */
import { lookup } from 'node:dns/promises'
import { Agent, request, type Dispatcher } from 'undici'
import packageJson from '../../package.json' with { type: 'json' }
import { judge, type Address, type AddressRules, type Resolve } from './address.ts'

export interface PostOptions {
  readonly rules: AddressRules
  /** From the resolution of the name to the last byte, in ms; 10,000 where unset. */
  readonly timeoutMs?: number
  /** Default: the resolver of the machine. */
  readonly resolve?: Resolve
}
export interface Letter {
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** In place of the time-out of all. */
  readonly timeoutMs?: number
}
/** What came back, or why nothing did. */
export type Reply =
  | {
      readonly state: 'Answered'
      /** HTTP status; 1xx are never told. */
      readonly status: number
      /** Content-Type; empty where there is none. */
      readonly type: string
      /** The beginning of the body as it came, raw; always empty for a 2xx. */
      readonly text: string
      readonly retryAfterMs?: number
    }
  | { readonly state: 'Busy' | 'Failed'; readonly reason: string; readonly message: string }
export type Call = (letter: Letter) => Promise<Reply>
/**
 * Delivered, or why not. Failed: as it is, it will not work, and somebody must change something (it is tried again all the same). Busy: later.
 * Refused: this body is not taken. `message` continues the name of the channel and holds no secret.
 */
export type Outcome =
  | { readonly state: 'Delivered' }
  | { readonly state: 'Busy' | 'Failed' | 'Refused'; readonly reason: string; readonly message: string; readonly retryAfterMs?: number }
export type Post = (letter: Letter) => Promise<Outcome>

/** Bytes of an answer that are read. */
const longestText = 1024
const resolveAll: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))

/** A caller under these rules. It never rejects. `now` (Unix ms) reads a Retry-After that is a date. */
export function caller(options: PostOptions, now: () => number): Call {
  return async (letter) => {
    const timeoutMs = letter.timeoutMs ?? options.timeoutMs ?? 10_000
    const url = URL.parse(letter.url)
    if (url === null) return { state: 'Failed', reason: 'URLInvalid', message: 'the URL is not a URL; write it as https://host/path' }
    const signal = AbortSignal.timeout(timeoutMs)
    const judged = await inTime(judge(url, options.rules, options.resolve ?? resolveAll), signal)
    if (judged === 'TimedOut') return busy('TimedOut', `the name ${url.hostname} was not resolved within ${timeoutMs / 1000} seconds`)
    if (!judged.ok) return { state: judged.reason === 'HostUnknown' ? 'Busy' : 'Failed', reason: judged.reason, message: judged.message }
    const connect = { lookup: pinned(judged.addresses), timeout: timeoutMs }
    const agent = new Agent({ connect, connections: 1, pipelining: 0, maxHeaderSize: 16_384 })
    try {
      return await send(agent, url, letter, signal, now)
    } catch (error) {
      return failure(error, url, timeoutMs)
    } finally {
      // A receiver that never ends its answer must not keep the connection.
      void agent.destroy()
    }
  }
}
/** A sender of messages: a caller that tells an answer's status and known words, and nothing else of it. */
export function poster(options: PostOptions, now: () => number): Post {
  return posting(caller(options, now))
}
export function posting(call: Call): Post {
  return async (letter) => {
    const reply = await call(letter)
    return reply.state === 'Answered' ? answered(reply, new URL(letter.url)) : reply
  }
}

/** Answers with the addresses that were judged, whatever is asked for. */
function pinned(addresses: readonly Address[]) {
  return (_host: string, options: { readonly all?: boolean }, answer: (error: null, address: any, family?: number) => void): void => {
    if (options.all) answer(null, addresses)
    else answer(null, addresses[0]!.address, addresses[0]!.family)
  }
}

async function send(dispatcher: Dispatcher, url: URL, { body, headers }: Letter, signal: AbortSignal, now: () => number): Promise<Reply> {
  const answer = await request(url, {
    method: 'POST', dispatcher, signal, body,
    headers: { 'content-type': 'application/json; charset=utf-8', 'user-agent': `sluice/${packageJson.version}`, ...headers },
  })
  const { statusCode: status } = answer
  const type = String(answer.headers['content-type'] ?? '')
  if (status >= 200 && status < 300) {
    // It is taken, whatever else there is to read.
    answer.body.on('error', () => {}).destroy()
    return { state: 'Answered', status, type, text: '' }
  }
  const after = retryAfter(answer.headers['retry-after'], now())
  return { state: 'Answered', status, type, text: await beginning(answer.body), ...(after === undefined ? {} : { retryAfterMs: after }) }
}

/** What comes first, until it is long, late or broken. */
async function beginning(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      if (chunks.reduce((sum, { length }) => sum + length, 0) >= longestText) break
    }
  } catch {
    // What was read until then says enough.
  }
  return Buffer.concat(chunks).subarray(0, longestText).toString('utf8')
}

/** `no_service` and the like, which Slack says; anything else could be a page of somebody's intranet. */
function knownWord(text: string): string {
  return text.length <= 64 && /^[a-z]+(_[a-z]+){0,7}$/.test(text.trim()) ? ` (${text.trim()})` : ''
}

function answered({ status, text, retryAfterMs }: Extract<Reply, { state: 'Answered' }>, url: URL): Outcome {
  if (status >= 200 && status < 300) return { state: 'Delivered' }
  const said = `${url.host} answered ${status}${knownWord(text)}`
  const after = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (status === 429) return { ...busy('Throttled', said), ...after }
  if (status >= 500 || status === 408 || status === 425) return { ...busy('ServerError', said), ...after }
  if (status >= 300 && status < 400) return { state: 'Failed', reason: 'Redirected', message: redirected(url, status) }
  if (status === 400 || status === 413 || status === 422) return { state: 'Refused', reason: 'MessageRefused', message: `${said}: it does not take this message` }
  return { state: 'Failed', reason: 'Rejected', message: `${said}: look whether the URL is still the right one and whether the receiver is set up for it` }
}
/** What to do about a redirect, which nobody follows. */
export function redirected(url: URL, status: number): string {
  return `${url.host} answered ${status}, and redirects are not followed: write the URL that it leads to`
}
function busy(reason: string, message: string): { readonly state: 'Busy'; readonly reason: string; readonly message: string } {
  return { state: 'Busy', reason, message }
}

/** Seconds or a date, in ms from now; at most an hour, since nobody may silence a channel for longer. */
function retryAfter(header: string | string[] | undefined, now: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined) return undefined
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 3_600_000)
}

const sayings: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections', ECONNRESET: 'cut the connection', EHOSTUNREACH: 'cannot be reached', ENETUNREACH: 'cannot be reached',
  ETIMEDOUT: 'does not answer', UND_ERR_SOCKET: 'cut the connection', UND_ERR_CONNECT_TIMEOUT: 'does not answer', UND_ERR_HEADERS_OVERFLOW: 'answered with too long headers',
  CERT_HAS_EXPIRED: 'has an expired certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a certificate that nobody trusts', SELF_SIGNED_CERT_IN_CHAIN: 'has a certificate that nobody trusts',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a certificate that nobody trusts',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has a certificate that nobody trusts',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another name',
}
function failure(error: unknown, url: URL, timeoutMs: number): Reply {
  if ((error as Error)?.name === 'TimeoutError') return busy('TimedOut', `${url.host} did not answer within ${timeoutMs / 1000} seconds`)
  const code = codeOf(error)
  return busy('Unreachable', `${url.host} ${sayings[code] ?? `could not be called (${code})`}`)
}
/** Of several addresses that were tried, the error of the first. */
function codeOf(error: unknown): string {
  const { code, errors, cause } = (error ?? {}) as { code?: unknown; errors?: unknown[]; cause?: unknown }
  if (typeof code === 'string') return code
  const inner = errors?.[0] ?? cause
  return inner === undefined ? 'unknown error' : codeOf(inner)
}

async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T | 'TimedOut'> {
  if (signal.aborted) return 'TimedOut'
  let ended: (() => void) | undefined
  const late = new Promise<'TimedOut'>((resolve) => signal.addEventListener('abort', (ended = () => resolve('TimedOut')), { once: true }))
  try {
    return await Promise.race([work, late])
  } finally {
    if (ended) signal.removeEventListener('abort', ended)
  }
}
