/** A bare HTTP client for the contract suite: nothing of Sluice's own client, so that the suite judges servers only. */
import { Agent, fetch } from 'undici'

export interface ServerUnderTest {
  readonly url: string
  readonly token: string
  /** PEM of its certificate authority, for https. */
  readonly ca?: string
}
export interface Reply {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  /** Parsed JSON, or the text where it is none. */
  readonly body: any
}
export interface WatchLine {
  readonly type: string
  readonly object: any
}
export interface OpenWatch {
  /** The next event; rejects when the watch ends first or within ten seconds nothing comes. */
  next(): Promise<WatchLine>
  /** Everything until the server ends the watch. */
  rest(): Promise<WatchLine[]>
  close(): void
}
export interface Client {
  request(method: string, path: string, body?: unknown, options?: { readonly type?: string; readonly accept?: string; readonly agent?: string }): Promise<Reply>
  watch(path: string): Promise<OpenWatch>
  close(): Promise<void>
}

export const patchTypes = { json: 'application/json-patch+json', merge: 'application/merge-patch+json', strategic: 'application/strategic-merge-patch+json' }

export function clientOf(server: ServerUnderTest): Client {
  const dispatcher = new Agent({ connections: 16, bodyTimeout: 0, ...(server.ca && { connect: { ca: server.ca } }) })
  const authorization = `Bearer ${server.token}`
  return {
    async request(method, path, body, options = {}) {
      const type = options.type ?? (method !== 'PATCH' ? 'application/json' : Array.isArray(body) ? patchTypes.json : patchTypes.merge)
      const response = await fetch(`${server.url}${path}`, {
        method,
        dispatcher,
        headers: {
          authorization,
          accept: options.accept ?? 'application/json',
          'user-agent': options.agent ?? 'contract/1',
          ...(body !== undefined && { 'content-type': type }),
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, body: parsed(text) }
    },
    async watch(path) {
      const stop = new AbortController()
      const response = await fetch(`${server.url}${path}`, {
        dispatcher,
        signal: stop.signal,
        headers: { authorization, accept: 'application/json', 'user-agent': 'contract/1' },
      })
      if (response.status !== 200) throw new Error(`watch ${path}: ${response.status} ${await response.text()}`)
      const lines = events(response.body as AsyncIterable<Uint8Array>)
      const next = async (): Promise<WatchLine> => {
        const timer = setTimeout(() => stop.abort(new Error(`watch ${path}: no event within ten seconds`)), 10_000)
        const result = await lines.next().finally(() => clearTimeout(timer))
        if (result.done) throw new Error(`watch ${path}: ended`)
        return result.value
      }
      return {
        next,
        rest: async () => {
          const all: WatchLine[] = []
          for await (const line of lines) all.push(line)
          return all
        },
        close: () => stop.abort(),
      }
    },
    close: () => dispatcher.destroy(),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function* events(body: AsyncIterable<Uint8Array>): AsyncGenerator<WatchLine, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line !== '') yield JSON.parse(line) as WatchLine
  }
}

/** Repeats until the assertion in `check` holds; at most twenty seconds. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  const until = Date.now() + 20_000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
