/** One request and its answer: authentication, time limit, and how often it is tried again. */
import type { Failure, Result } from './api.ts'
import type { Connection, Lane } from './connection.ts'
import type { Dispatcher } from 'undici'
import { answerFailure, credentialFailure, networkFailure, type Asked } from './errors.ts'

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query, from the server's base URL. */
  readonly path: string
  /** As in RBAC. */
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'patch' | 'update' | 'delete'
  /** Plural, with the group where it is no built-in one; `discovery` where the question is what is served. */
  readonly resource: string
  /** For messages: verb, resource and name. */
  readonly what: string
  readonly lane: Lane
  readonly accept?: string
  readonly contentType?: string
  readonly body?: unknown
  /** All tries together. */
  readonly timeoutMs: number
}
/** Hears of each request that was sent: its status or why there was none, and how long it took until then, in ms. */
export type Answered = (question: Pick<Question, 'verb' | 'resource'>, code: string, ms: number) => void
export interface ExchangeOptions {
  /** Waits in ms before the tries after the first, outside of the urgent lane; Retry-After makes them longer. */
  readonly patience?: readonly number[]
  readonly answered?: Answered
}
/** Waits before the tries after the first. Injected so that tests need not wait. */
export type Wait = (ms: number) => Promise<void>

const urgentWaits = [50, 100, 200, 400]
const plainWaits: readonly number[] = [200, 1_000, 3_000]

/**
 * Asks until there is an answer, the tries are used up, or the next wait would not fit into `timeoutMs`.
 * Only what the server surely did not do is tried again: 429 and 401; 503 with Retry-After, which also says so; and reads that got no answer, or one that will be another soon.
 */
export async function exchange(connection: Connection, question: Question, wait: Wait, { patience = plainWaits, answered }: ExchangeOptions = {}): Promise<Result<unknown>> {
  const deadline = performance.now() + question.timeoutMs
  const waits = question.lane === 'Urgent' ? urgentWaits : patience
  let renewed = false
  for (let tried = 0; ; tried++) {
    const answer = await once(connection, question, Math.max(1, deadline - performance.now()), answered)
    if (answer.ok || connection.closed) return answer
    if (answer.status === 401 && !renewed) {
      renewed = true
      if (connection.renew()) continue
    }
    const pause = waits[tried]
    if (pause === undefined || !repeatable(question, answer)) return answer
    const ms = question.lane === 'Urgent' ? pause : Math.max(pause, answer.retryAfterMs ?? 0)
    if (performance.now() + ms >= deadline) return answer
    await wait(ms)
  }
}

function repeatable(question: Question, failure: Failure): boolean {
  if (failure.reason === 'Throttled') return true
  if (failure.reason !== 'Unavailable') return false
  const announced = failure.retryAfterMs !== undefined
  if (question.method !== 'GET') return failure.status === 503 && announced
  // A plain 500 is a bug's answer, and will be the same again: /scale without replicas, for example.
  return failure.status !== 500 || announced
}

async function once(connection: Connection, question: Question, timeoutMs: number, answered?: Answered): Promise<Result<unknown>> {
  const began = performance.now()
  const result = await tried(connection, question, timeoutMs)
  answered?.(question, result.ok ? '200' : codeOf(result), performance.now() - began)
  return result
}

async function tried(connection: Connection, question: Question, timeoutMs: number): Promise<Result<unknown>> {
  const asked = askedOf(connection, question)
  const signal = AbortSignal.timeout(Math.ceil(timeoutMs))
  try {
    const answer = await send(connection, question, signal)
    if ('ok' in answer) return answer
    const text = await answer.body.text()
    const body = parsed(text)
    if (answer.statusCode >= 300) return answerFailure(answer.statusCode, body ?? text, header(answer, 'retry-after'), asked)
    if (body === undefined) return { ok: false, reason: 'Unavailable', message: `${question.what}: the answer of ${connection.server} is not JSON: is a proxy or a login page in between?` }
    const serverTime = Date.parse(header(answer, 'date') ?? '')
    return { ok: true, value: body, ...(Number.isNaN(serverTime) ? {} : { serverTime }) }
  } catch (error) {
    return networkFailure(error, asked)
  }
}

/** The status of a failure, or why there is none. */
export function codeOf({ status, reason }: Failure): string {
  return status === undefined ? reason : String(status)
}

/** Sends a request and resolves with the answer's head; a missing credential is a failure. Rejects with what the network said. */
export async function send(connection: Connection, question: Question, signal: AbortSignal): Promise<Dispatcher.ResponseData | Failure> {
  let access: Awaited<ReturnType<Connection['access']>>
  try {
    access = await within(connection.access(question.lane), signal)
  } catch (error) {
    return signal.aborted ? networkFailure(signal.reason, askedOf(connection, question)) : credentialFailure(error, askedOf(connection, question))
  }
  const url = new URL(connection.server)
  // undici heeds the signal only once a request has a connection; while it waits for one, we do. Aborted meanwhile, it is never sent.
  const sent = access.dispatcher.request({
    origin: url.origin,
    path: `${url.pathname.replace(/\/$/, '')}${question.path}`,
    method: question.method,
    signal,
    headers: {
      ...access.headers,
      accept: question.accept ?? 'application/json',
      'user-agent': connection.userAgent,
      ...(question.body === undefined ? {} : { 'content-type': question.contentType ?? 'application/json' }),
    },
    ...(question.body === undefined ? {} : { body: JSON.stringify(question.body) }),
  })
  return within(sent, signal)
}

/** The promise's outcome, or the signal's reason as soon as it aborts. */
function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

export function askedOf(connection: Connection, question: Question): Asked {
  return { what: question.what, jsonPatch: question.contentType === jsonPatchType, server: connection.server, user: connection.user }
}

export const jsonPatchType = 'application/json-patch+json'
export const mergePatchType = 'application/merge-patch+json'

export function header(answer: Dispatcher.ResponseData, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** The value of a JSON text; undefined where it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
