/** Traefik as a Gateway: what it counts for each Service behind a route, also what reached nobody. gRPC failures behind HTTP 200 are not among it. */
import { counted, type DataPlane, doorOf, quoted, regexEscaped, type Series } from './series.ts'

export const traefik: DataPlane = {
  says: 'Traefik as a Gateway, by Service',
  goesWith: 'GatewayAPI',
  leMs: 1000,
  leaves(arm, measure) {
    const door = doorOf(arm)
    if (!door) return []
    // `<namespace>-<service>-<port>`, since 3.6 with its route before it; a ServiceMonitor without honorLabels moves it aside.
    const value = quoted(`(.+-svc-)?${regexEscaped(`${door.namespace}-${door.service}`)}-[0-9]+@kubernetesgateway`)
    const select = (metric: string, ...more: string[]): readonly Series[] =>
      ['service', 'exported_service'].map((label) => ({ metric: `traefik_service_${metric}`, matchers: [`${label}=~${value}`, ...more] }))
    return counted(measure, select('requests_total'), select('requests_total', 'code=~"5.."'), select('request_duration_seconds_bucket'))
  },
}
