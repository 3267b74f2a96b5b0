/** Linkerd by route: what callers' proxies count for each Service among the backends of an HTTPRoute or GRPCRoute, also where no connection came about. */
import { counted, type DataPlane, doorOf, is, type Series } from './series.ts'

/** Names of the same gRPC codes that count as failures by number elsewhere. */
const failures = 'UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS'
/** An error that is not the caller's own leaving. */
const error = ['error!=""', 'error!="CANCEL"']

export const linkerdRoute: DataPlane = {
  says: 'proxies of the callers, by backend of a route',
  goesWith: 'GatewayAPI',
  leMs: 1000,
  leaves(arm, measure) {
    const door = doorOf(arm)
    if (!door) return []
    const backend = ['backend_kind="Service"', is('backend_namespace', door.namespace), is('backend_name', door.service)]
    const select = (metric: string, ...more: string[]): Series => ({ metric: `outbound_${metric}`, matchers: [...backend, ...more] })
    const http = 'http_route_backend_response_statuses_total'
    const grpc = 'grpc_route_backend_response_statuses_total'
    const bad = [
      select(http, 'http_status=~"5.."'), select(http, 'http_status!~"5.."', ...error),
      // A stream that was cancelled has the code UNKNOWN.
      select(grpc, `grpc_status=~"${failures}"`, 'error!="CANCEL"'), select(grpc, `grpc_status!~"${failures}"`, ...error),
    ]
    const buckets = ['http', 'grpc'].map((kind) => select(`${kind}_route_backend_response_duration_seconds_bucket`))
    return counted(measure, [select(http), select(grpc)], bad, buckets)
  },
}
