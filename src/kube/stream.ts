/** One watch request: lines of JSON as events. */
import type { KubeApi, WatchEvent } from './api.ts'
import type { Connection } from './connection.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { answerFailure, networkFailure, type Asked } from './errors.ts'
import { askedOf, codeOf, header, parsed, send, type Answered, type Question } from './exchange.ts'
import { naming, queryString, resourcePath, typed } from './paths.ts'

/** Seconds until the server ends a watch: between 240 and 300, so that not all of them come back at once. */
const shortest = 240
const spread = 60
/** A server that has not ended the watch this long after it should have is taken for gone. */
const graceMs = 15_000
/** Time until the server must have answered with a head. */
const headMs = 30_000
/** No object of Kubernetes is near this; a longer line is not a watch event. */
const longestLine = 64 * 1024 * 1024

/** Yields the events of one watch. Ends when the server ends it or the signal aborts; yields ERROR as the last event where something was wrong. Never throws. */
export async function* watchStream(
  connection: Connection, resource: Resource, selection: Parameters<KubeApi['watch']>[1], signal: AbortSignal, random: () => number, answered?: Answered,
): AsyncGenerator<WatchEvent> {
  const seconds = shortest + Math.floor(random() * spread)
  const question = questionOf(resource, selection, seconds)
  const asked = askedOf(connection, question)
  const limit = limitOf(signal, headMs)
  const began = performance.now()
  const say = (code: string): void => answered?.(question, code, performance.now() - began)
  let headed = false
  try {
    const answer = await send(connection, question, limit.signal)
    headed = true
    say('ok' in answer ? codeOf(answer) : String(answer.statusCode))
    if ('ok' in answer) return void (yield { type: 'ERROR', failure: answer })
    if (answer.statusCode !== 200) {
      const text = await answer.body.text()
      if (answer.statusCode === 401) connection.renew()
      return void (yield { type: 'ERROR', failure: answerFailure(answer.statusCode, parsed(text) ?? text, header(answer, 'retry-after'), asked) })
    }
    limit.extend(seconds * 1000 + graceMs)
    for await (const line of lines(answer.body)) {
      const event = eventOf(line, resource, asked)
      yield event
      if (event.type === 'ERROR') return
    }
  } catch (error) {
    if (signal.aborted) return
    const failure = networkFailure(error, asked)
    if (!headed) say(codeOf(failure))
    yield { type: 'ERROR', failure }
  } finally {
    limit.end()
  }
}

function questionOf(resource: Resource, selection: Parameters<KubeApi['watch']>[1], timeoutSeconds: number): Question {
  const { namespace, resourceVersion, labelSelector, fieldSelector } = selection
  const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds, labelSelector, fieldSelector }
  return {
    verb: 'watch', resource: naming(resource, undefined), method: 'GET', path: `${resourcePath(resource, namespace)}${queryString(query)}`, what: `watch ${naming(resource, namespace)}`, lane: 'Bulk', timeoutMs: 0,
    ...(selection.metadataOnly ? { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json' } : {}),
  }
}

/** A signal that aborts with `outer`, or after a time that can be extended. Aborting also ends the request, whoever reads it. */
function limitOf(outer: AbortSignal, ms: number): { readonly signal: AbortSignal; extend(ms: number): void; end(): void } {
  const control = new AbortController()
  const tooLate = (): void => control.abort(new DOMException('no answer in time', 'TimeoutError'))
  const stop = (): void => control.abort(outer.reason)
  let timer = setTimeout(tooLate, ms)
  if (outer.aborted) stop()
  outer.addEventListener('abort', stop, { once: true })
  return {
    signal: control.signal,
    extend(more) {
      clearTimeout(timer)
      timer = setTimeout(tooLate, more)
    },
    end() {
      clearTimeout(timer)
      outer.removeEventListener('abort', stop)
      control.abort()
    },
  }
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  // Pieces are joined once per line: joining a large line again with every chunk would take time by its square.
  let pieces: string[] = []
  let length = 0
  for await (const chunk of body) {
    const parts = decoder.decode(chunk, { stream: true }).split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      const line = pieces.length > 0 ? pieces.join('') + part : part
      pieces = []
      length = 0
      if (line.trim() !== '') yield line
    }
    if (last === '') continue
    pieces.push(last)
    length += last.length
    if (length > longestLine) {
      yield '(line too long)'
      return
    }
  }
  // The rest of a cut line is no event; the watch goes on from the last whole one.
}

function eventOf(line: string, resource: Resource, asked: Asked): WatchEvent {
  const event = parsed(line) as { type?: unknown; object?: any } | undefined
  const object = event?.object
  if (event?.type === 'ERROR') return { type: 'ERROR', failure: answerFailure(typeof object?.code === 'number' ? object.code : 500, object, undefined, asked) }
  const known = event?.type === 'ADDED' || event?.type === 'MODIFIED' || event?.type === 'DELETED' || event?.type === 'BOOKMARK'
  if (!known || typeof object?.metadata?.resourceVersion !== 'string') {
    return { type: 'ERROR', failure: { ok: false, reason: 'Invalid', message: `${asked.what}: a line of the watch is no event: is a proxy in between?` } }
  }
  return { type: event.type as 'ADDED', object: typed(resource, object as KubeObject) }
}
