/** /healthz and /readyz for the kubelet, and nothing else. */
import { plainText, serve, type HttpServer, type Page } from './http.ts'

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

/** Serves `ok` with 200, or the reasons with 503. Rejects where the port cannot be had. */
export function serveHealth({ sick, unready, ...where }: HealthOptions): Promise<HttpServer> {
  const page = (reasons: () => readonly string[]) => (): Page => {
    const wrong = reasons()
    return { status: wrong.length === 0 ? 200 : 503, contentType: plainText, text: wrong.length === 0 ? 'ok\n' : `${wrong.join('\n')}\n` }
  }
  return serve({ ...where, pages: { '/healthz': page(sick), '/livez': page(sick), '/readyz': page(unready) } })
}
