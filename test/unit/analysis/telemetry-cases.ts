/** One entry for each telemetry: what it exposes about requests that were answered well, failed, and lasted. A telemetry without an entry fails the laws. */
import type { Telemetry } from '../../../src/analysis/telemetry.ts'

export interface SampleArm {
  readonly workload: string
  /** Name of the Service before it. */
  readonly service: string
  /** What Envoy Gateway calls it. */
  readonly cluster: string
}
type Labels = Readonly<Record<string, string>>
export interface TelemetryCase {
  /** Counters of answered requests: some that are well, some that failed. More than one series where it has more than one way to say so. */
  readonly good: (arm: SampleArm) => readonly Labels[]
  readonly bad: (arm: SampleArm) => readonly Labels[]
  /** What looks alike and is none of the arm's requests. */
  readonly noise: (arm: SampleArm) => readonly Labels[]
  /** One bucket of its histogram, but for `le`. */
  readonly bucket: (arm: SampleArm) => Labels
  /** Half a second, and the greatest bound there is. */
  readonly le: readonly [string, string]
}

const named = (__name__: string, ...parts: Labels[]): Labels => Object.assign({ __name__ }, ...parts)
const istio = ({ workload }: SampleArm): Labels => ({ reporter: 'destination', destination_workload_namespace: 'shop', destination_workload: workload })
const linkerd = ({ workload }: SampleArm): Labels => ({ direction: 'inbound', namespace: 'shop', deployment: workload })
const backend = ({ service }: SampleArm): Labels => ({ backend_kind: 'Service', backend_namespace: 'shop', backend_name: service })
const traefik = ({ service }: SampleArm): Labels => ({ service: `shop-${service}-80@kubernetesgateway` })
const envoy = ({ cluster }: SampleArm): Labels => ({ envoy_cluster_name: cluster })
const pod = ({ workload }: SampleArm, name = `${workload}-6b7c8d9f4-x2bcd`): Labels => ({ namespace: 'shop', pod: name })

export const telemetryCases: Readonly<Record<Telemetry, TelemetryCase>> = {
  Istio: {
    good: (arm) => [named('istio_requests_total', istio(arm), { response_code: '200' }), named('istio_requests_total', istio(arm), { response_code: '404' })],
    bad: (arm) => [
      named('istio_requests_total', istio(arm), { response_code: '503' }),
      named('istio_requests_total', istio(arm), { response_code: '200', grpc_response_status: '14' }),
    ],
    noise: (arm) => [named('istio_requests_total', istio(arm), { reporter: 'source', response_code: '500' })],
    bucket: (arm) => named('istio_request_duration_milliseconds_bucket', istio(arm)),
    le: ['500', '3600000'],
  },
  Linkerd: {
    good: (arm) => [named('response_total', linkerd(arm), { classification: 'success' })],
    bad: (arm) => [named('response_total', linkerd(arm), { classification: 'failure' })],
    noise: (arm) => [named('response_total', linkerd(arm), { classification: 'failure', route_name: 'probe' })],
    bucket: (arm) => named('response_latency_ms_bucket', linkerd(arm)),
    le: ['500', '50000'],
  },
  LinkerdRoute: {
    good: (arm) => [
      named('outbound_http_route_backend_response_statuses_total', backend(arm), { http_status: '200', error: '' }),
      named('outbound_grpc_route_backend_response_statuses_total', backend(arm), { grpc_status: 'OK', error: '' }),
    ],
    bad: (arm) => [
      named('outbound_http_route_backend_response_statuses_total', backend(arm), { http_status: '500', error: '' }),
      named('outbound_http_route_backend_response_statuses_total', backend(arm), { http_status: '', error: 'IO' }),
    ],
    noise: (arm) => [named('outbound_http_route_backend_response_statuses_total', backend(arm), { backend_kind: 'default', http_status: '500' })],
    bucket: (arm) => named('outbound_http_route_backend_response_duration_seconds_bucket', backend(arm)),
    le: ['0.5', '10'],
  },
  EnvoyGateway: {
    good: (arm) => [named('envoy_cluster_upstream_rq', envoy(arm), { envoy_response_code: '200' })],
    bad: (arm) => [named('envoy_cluster_upstream_rq', envoy(arm), { envoy_response_code: '502' })],
    noise: () => [named('envoy_cluster_upstream_rq', { envoy_cluster_name: 'another', envoy_response_code: '500' })],
    bucket: (arm) => named('envoy_cluster_upstream_rq_time_bucket', envoy(arm)),
    le: ['500', '3600000'],
  },
  Traefik: {
    good: (arm) => [named('traefik_service_requests_total', traefik(arm), { code: '200' })],
    bad: (arm) => [named('traefik_service_requests_total', traefik(arm), { code: '500' })],
    noise: (arm) => [named('traefik_service_requests_total', { service: `shop-${arm.service}-80@file`, code: '500' })],
    bucket: (arm) => named('traefik_service_request_duration_seconds_bucket', traefik(arm)),
    le: ['0.5', '10'],
  },
  Application: {
    good: (arm) => [
      named('http_request_duration_seconds_count', pod(arm), { status: '200' }),
      named('http_request_duration_seconds_count', pod(arm), { status_code: '2XX' }),
    ],
    // Node's prom-client, Go's promhttp, classes of statuses.
    bad: (arm) => [
      named('http_request_duration_seconds_count', pod(arm), { status_code: '500' }),
      named('http_request_duration_seconds_count', pod(arm), { code: '503', method: 'get' }),
      named('http_request_duration_seconds_count', pod(arm), { status: '5xx' }),
      named('http_request_duration_seconds_count', pod(arm), { status: 'error', code: '500' }),
    ],
    noise: (arm) => [
      // No status at all: neither well nor failed.
      named('http_request_duration_seconds_count', pod(arm), { handler: 'list' }),
      // Probes.
      named('http_request_duration_seconds_count', pod(arm), { status: '500', path: '/healthz' }),
      // A Deployment whose name begins alike, and a pod of no Deployment.
      named('http_request_duration_seconds_count', pod(arm, `${arm.workload}-admin-6b7c8d9f4-x2bcd`), { status: '500' }),
      named('http_request_duration_seconds_count', pod(arm, `${arm.workload}-0`), { status: '500' }),
      named('http_request_duration_seconds_count', pod(arm), { namespace: 'other', status: '500' }),
    ],
    bucket: (arm) => named('http_request_duration_seconds_bucket', pod(arm)),
    le: ['0.5', '10'],
  },
}
