/** /metrics for Prometheus. */
import type { Exposition } from '../telemetry/registry.ts'
import { serve, type HttpServer } from './http.ts'

/** `port` 0 takes a free one; `host` unset: all addresses. Rejects where the port cannot be had. */
export function serveMetrics({ exposition, ...where }: { readonly port: number; readonly host?: string; readonly exposition: Exposition }): Promise<HttpServer> {
  return serve({ ...where, pages: { '/metrics': async () => ({ status: 200, contentType: exposition.contentType, text: await exposition.text() }) } })
}
