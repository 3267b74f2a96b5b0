/**
 * One POST to a receiver that somebody else chose: judged and pinned address, no redirects, caps on time and on what is read. Nothing of the answer but its
 * status and a known word gets out.
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
}
/**
 * Delivered, or why not. Failed: as it is, it will not work, and somebody must change something (it is tried again all the same). Busy: later.
 * Refused: this body is not taken. `message` continues the name of the channel and holds no secret.
 */
export type Outcome =
  | { readonly state: 'Delivered' }
  | { readonly state: 'Busy' | 'Failed' | 'Refused'; readonly reason: string; readonly message: string; readonly retryAfterMs?: number }
export type Post = (letter: Letter) => Promise<Outcome>

const longestAnswer = 4096
const resolveAll: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))

/** A sender under these rules. It never rejects. `now` (Unix ms) reads a Retry-After that is a date. */
export function poster(options: PostOptions, now: () => number): Post {
  const timeoutMs = options.timeoutMs ?? 10_000
  return async (letter) => {
    const url = URL.parse(letter.url)
    if (url === null) return { state: 'Failed', reason: 'URLInvalid', message: 'the URL is not a URL; write it as https://host/path' }
    const signal = AbortSignal.timeout(timeoutMs)
    const judged = await inTime(judge(url, options.rules, options.resolve ?? resolveAll), signal)
    if (judged === 'TimedOut') return busy('TimedOut', `the name ${url.hostname} was not resolved within ${timeoutMs / 1000} seconds`)
    if (!judged.ok) return { state: judged.reason === 'HostUnknown' ? 'Busy' : 'Failed', reason: judged.reason, message: judged.message }
    const connect = { lookup: pinned(judged.addresses), timeout: timeoutMs }
    const agent = new Agent({ connect, connections: 1, pipelining: 0, maxResponseSize: longestAnswer, maxHeaderSize: 16_384 })
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

/** Answers with the addresses that were judged, whatever is asked for. */
function pinned(addresses: readonly Address[]) {
  return (_host: string, options: { readonly all?: boolean }, answer: (error: null, address: any, family?: number) => void): void => {
    if (options.all) answer(null, addresses)
    else answer(null, addresses[0]!.address, addresses[0]!.family)
  }
}

async function send(dispatcher: Dispatcher, url: URL, { body, headers }: Letter, signal: AbortSignal, now: () => number): Promise<Outcome> {
  const answer = await request(url, {
    method: 'POST', dispatcher, signal, body,
    headers: { 'content-type': 'application/json; charset=utf-8', 'user-agent': `sluice/${packageJson.version}`, ...headers },
  })
  const { statusCode: status } = answer
  if (status >= 200 && status < 300) {
    // It is taken, whatever else there is to read.
    answer.body.on('error', () => {}).destroy()
    return { state: 'Delivered' }
  }
  const word = await knownWord(answer.body)
  return answered(status, url, word, retryAfter(answer.headers['retry-after'], now()))
}

/** `no_service` and the like, which Slack says; anything else could be a page of somebody's intranet. */
async function knownWord(body: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    let text = ''
    for await (const chunk of body) {
      text += Buffer.from(chunk).toString('utf8')
      if (text.length > 64) return ''
    }
    return /^[a-z]+(_[a-z]+){0,7}$/.test(text.trim()) ? ` (${text.trim()})` : ''
  } catch {
    return ''
  }
}

function answered(status: number, url: URL, word: string, retryAfterMs: number | undefined): Outcome {
  const said = `${url.host} answered ${status}${word}`
  const after = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (status === 429) return { ...busy('Throttled', said), ...after }
  if (status >= 500 || status === 408 || status === 425) return { ...busy('ServerError', said), ...after }
  if (status >= 300 && status < 400)
    return { state: 'Failed', reason: 'Redirected', message: `${said}, and redirects are not followed: write the URL that it leads to` }
  if (status === 400 || status === 413 || status === 422) return { state: 'Refused', reason: 'MessageRefused', message: `${said}: it does not take this message` }
  return { state: 'Failed', reason: 'Rejected', message: `${said}: look whether the URL is still the right one and whether the receiver is set up for it` }
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
function failure(error: unknown, url: URL, timeoutMs: number): Outcome {
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
