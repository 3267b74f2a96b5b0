/** A small HTTP server that answers GET and HEAD on fixed paths. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Page {
  readonly status: number
  readonly contentType: string
  readonly text: string
}
export interface ServeOptions {
  /** TCP port; 0 takes a free one. */
  readonly port: number
  /** Address to listen on; all of them where unset. */
  readonly host?: string
  /** By path, without a query. */
  readonly pages: Readonly<Record<string, () => Page | Promise<Page>>>
}
export interface HttpServer {
  readonly port: number
  close(): Promise<void>
}
export const plainText = 'text/plain; charset=utf-8'

/** Rejects where the port cannot be had. A page that throws is a 500 without details. */
export async function serve(options: ServeOptions): Promise<HttpServer> {
  const known = Object.keys(options.pages).join(' and ')
  const pageOf = async (path: string): Promise<Page> => {
    const page = options.pages[path]
    if (page === undefined) return { status: 404, contentType: plainText, text: `not found: ${known} are served here\n` }
    try {
      return await page()
    } catch {
      return { status: 500, contentType: plainText, text: 'internal error\n' }
    }
  }
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]!
    const readable = request.method === 'GET' || request.method === 'HEAD'
    if (!readable && options.pages[path] !== undefined) return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
    void pageOf(path).then(({ status, contentType, text }) => response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(text))
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
