/** Istio: what arrived by workload, as sidecars and waypoints count it, and what never arrived by door, as its callers count it. */
import type { ArmSeries } from './reading.ts'
import { type Counted, type DataPlane, grpcFailures, hasWorkload, is, type Leaf, oneOf, type Series } from './series.ts'

export const istio: DataPlane = {
  says: 'sidecars and waypoints',
  goesWith: 'Any',
  leMs: 1,
  leaves: (arm, measure, shared) => (hasWorkload(arm) ? leaves(arm, measure, shared) : []),
}

/** Envoy's flags for requests that reached no pod: connection refused or timed out, no healthy host, circuit breaker. They may be one of a comma list. */
const neverArrived = '(.*,)?(UF|UH|UO)(,.*)?'

function leaves(arm: ArmSeries, measure: Counted, shared: boolean): readonly Leaf[] {
  const arrived = ['reporter=~"destination|waypoint"', is('destination_workload_namespace', arm.namespace), oneOf('destination_workload', arm.workloads)]
  const requests = (...more: string[]): Series => ({ metric: 'istio_requests_total', matchers: [...arrived, ...more] })
  if (measure === 'DoorRequests') return [{ what: 'total', series: [arm.door === undefined || shared ? requests() : sentTo(arm.door)] }]
  const failed = [requests('response_code=~"5.."'), requests('response_code!~"5.."', `grpc_response_status=~"${grpcFailures}"`)]
  const measured: Leaf[] =
    measure === 'SuccessRate'
      ? [
          { what: 'total', series: [requests()] },
          { what: 'bad', series: failed },
        ]
      : [{ what: 'bucket', series: [{ metric: 'istio_request_duration_milliseconds_bucket', matchers: arrived }] }]
  return arm.door === undefined ? measured : [...measured, { what: 'lost', series: lost(arm.door, arm, shared) }]
}

/** What clients' proxies, gateways and waypoints sent to a door. */
function sentTo(door: string): Series {
  return { metric: 'istio_requests_total', matchers: ['reporter=~"source|waypoint"', is('destination_service', door)] }
}

/** `shared`: the other arm has the same host, so what is known to have been meant for its workloads is not charged here. */
function lost(door: string, arm: ArmSeries, shared: boolean): readonly Series[] {
  const select = (...more: string[]): Series => ({
    metric: 'istio_requests_total',
    matchers: [...more, is('destination_service', door), `response_flags=~"${neverArrived}"`],
  })
  return [
    select('reporter="source"', ...(shared ? [oneOf('destination_workload', ['unknown', ...arm.workloads])] : [])),
    // A waypoint that knows the workload has already counted the request as one of its 5xx.
    select('reporter="waypoint"', 'destination_workload="unknown"'),
  ]
}
