/** The HTTP face of the embedded API server: node:http on loopback, with a kubeconfig for kubectl and for Sluice itself. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from './api.ts'
import type { Faults } from './faults.ts'
import type { Store } from './store.ts'

export interface SandboxServer {
  readonly port: number
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** A kubeconfig as text; `writeKubeconfig` puts it into a file. */
  readonly kubeconfig: string
  writeKubeconfig(path: string): void
  /** Resolves when no request but watches was in flight for a few turns of the event loop: for tests that advance time by hand. */
  idle(): Promise<void>
  /** Ends all connections. */
  close(): Promise<void>
}

/**
 * Serves a store on 127.0.0.1. `port` 0 or unset: a free one. `namespace` is that of the kubeconfig's context, `default` where unset.
 * Rejects where the port is taken.
 */
export async function serve(store: Store, faults: Faults, options: { readonly port?: number; readonly namespace?: string } = {}): Promise<SandboxServer> {
  let inFlight = 0
  const server = createServer((request, response) => {
    inFlight++
    let counted = true
    const done = (): void => {
      if (counted) inFlight--
      counted = false
    }
    response.once('close', done)
    void respond(store, faults, request, response, done)
  })
  server.keepAliveTimeout = 60_000
  await listening(server, options.port ?? 0)
  const port = (server.address() as AddressInfo).port
  const url = `http://127.0.0.1:${port}`
  const config = kubeconfig(url, options.namespace ?? 'default')
  return {
    port,
    url,
    kubeconfig: config,
    writeKubeconfig: (path) => writeFileSync(path, config, { mode: 0o600 }),
    idle: async () => {
      for (let quiet = 0; quiet < 5; quiet = inFlight === 0 ? quiet + 1 : 0) await new Promise((resolve) => setImmediate(resolve))
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function respond(store: Store, faults: Faults, request: IncomingMessage, response: ServerResponse, done: () => void): Promise<void> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    return void response.destroy()
  }
  const headers = request.headers as Record<string, string | undefined>
  const result = await answer(store, faults, { method: request.method ?? 'GET', url: request.url ?? '/', headers, body: Buffer.concat(chunks).toString() })
  if (result.type === 'Cut') return void response.destroy()
  response.setHeader('Date', new Date(store.clock.now()).toUTCString())
  if (result.type === 'Body') {
    response.writeHead(result.status, {
      'Content-Type': result.contentType,
      ...(result.retryAfterSeconds !== undefined && { 'Retry-After': String(result.retryAfterSeconds) }),
    })
    response.end(result.body)
    return
  }
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.flushHeaders()
  done()
  const open = result.stream.open({ send: (event) => void response.write(`${JSON.stringify(event)}\n`), end: () => void response.end() })
  response.once('close', () => open.close())
}

/** client-node refuses plain http unless TLS verification is switched off. */
function kubeconfig(url: string, namespace: string): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: sandbox, cluster: {server: "${url}", insecure-skip-tls-verify: true}}]
users: [{name: sandbox, user: {token: sandbox}}]
contexts: [{name: sandbox, context: {cluster: sandbox, user: sandbox, namespace: ${namespace}}}]
current-context: sandbox
`
}
