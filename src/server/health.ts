/** /healthz and /readyz for the kubelet, and nothing else. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HealthOptions {
  /** TCP port; 0 takes a free one. */
  readonly port: number
  /** Address to listen on; all of them where unset. */
  readonly host?: string
  /** What keeps the process from being alive: nothing, or one reason a line. Then the kubelet restarts it. */
  readonly sick: () => readonly string[]
  /** What keeps it from being ready, such as a cache without its first list. */
  readonly unready: () => readonly string[]
}
export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

/** Serves `ok` with 200, or the reasons with 503. Rejects where the port cannot be had. */
export async function serveHealth(options: HealthOptions): Promise<HealthServer> {
  const reasons: Readonly<Record<string, () => readonly string[]>> = { '/healthz': options.sick, '/livez': options.sick, '/readyz': options.unready }
  const server = createServer((request, response) => {
    const why = reasons[(request.url ?? '').split('?')[0]!]
    const head = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }
    if (why === undefined) return void response.writeHead(404, head).end('not found: /healthz and /readyz are served here\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { ...head, allow: 'GET, HEAD' }).end()
    const wrong = why()
    response.writeHead(wrong.length === 0 ? 200 : 503, head).end(wrong.length === 0 ? 'ok\n' : `${wrong.join('\n')}\n`)
  })
  server.requestTimeout = 5000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
