/** A scripted API server over plain http, and a connection to it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConnection, type Connection } from '../../../src/kube/connection.ts'
import type { KubeObject, Resource } from '../../../src/rollout/objects.ts'

export interface Received {
  readonly method: string
  /** Path without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: any
}
export interface Scripted {
  readonly url: string
  readonly received: Received[]
  /** Sockets ever accepted. */
  readonly sockets: Set<Socket>
  kubeconfig(user?: object, cluster?: object): string
  connect(user?: object): Promise<Connection>
  close(): Promise<void>
}

/** Starts a server that answers with `answer`; everything it opens ends with `close`. */
export async function scripted(answer: (request: Received, response: ServerResponse, count: number) => void): Promise<Scripted> {
  const received: Received[] = []
  const sockets = new Set<Socket>()
  const connections: Connection[] = []
  const dir = mkdtempSync(join(tmpdir(), 'sluice-kube-'))
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://localhost')
      const one = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers, body: text === '' ? undefined : JSON.parse(text) }
      received.push(one)
      answer(one, response, received.length)
    })
  })
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let files = 0
  const self: Scripted = {
    url, received, sockets,
    kubeconfig(user = { token: 'sesame-token' }, cluster = {}) {
      const path = join(dir, `config-${files++}`)
      writeFileSync(path, kubeconfigText(url, user, cluster))
      return path
    },
    async connect(user) {
      const loaded = await loadConnection({ kubeconfig: self.kubeconfig(user) })
      if (!loaded.ok) throw new Error(loaded.message)
      connections.push(loaded.value)
      return loaded.value
    },
    async close() {
      for (const connection of connections) await connection.close()
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((closed) => server.close(() => closed()))
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return self
}

export function kubeconfigText(server: string, user: object, cluster: object = {}): string {
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': 'test',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true, ...cluster } }],
    users: [{ name: 'olga', user }],
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'olga', namespace: 'shop' } }],
  })
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export const status = (code: number, reason: string, message = '', details: object = {}): object => ({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details })

export const deployments: Resource = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }

export const deployment = (name: string, resourceVersion = '1', more: Partial<KubeObject> & { labels?: Record<string, string>; uid?: string } = {}): KubeObject => {
  const { labels, uid = `uid-${name}`, ...rest } = more
  return { apiVersion: 'apps/v1', kind: 'Deployment', ...rest, metadata: { name, namespace: 'shop', uid, resourceVersion, ...(labels ? { labels } : {}), ...rest.metadata } }
}
