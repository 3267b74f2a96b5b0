/** Envoy Gateway: what its proxies count for each cluster, of which the arm names its own. gRPC failures behind HTTP 200 are not among it. */
import { counted, type DataPlane, oneOf, type Series } from './series.ts'

export const envoyGateway: DataPlane = {
  says: 'its proxies, by cluster',
  goesWith: 'GatewayAPI',
  leMs: 1,
  leaves(arm, measure) {
    const { clusters = [] } = arm
    if (clusters.length === 0) return []
    const select = (metric: string, ...more: string[]): readonly Series[] =>
      [{ metric: `envoy_cluster_upstream_${metric}`, matchers: [oneOf('envoy_cluster_name', clusters), ...more] }]
    return counted(measure, select('rq'), select('rq', 'envoy_response_code=~"5.."'), select('rq_time_bucket'))
  },
}
