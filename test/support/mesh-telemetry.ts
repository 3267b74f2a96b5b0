/** Which series one request adds to, by data plane. */
import type { Arm, Call } from './mesh-routes.ts'
import { istioBuckets, linkerdBuckets, type SeriesStore } from './mesh-series.ts'

export interface PodFacts {
  /** `namespace/name` */
  readonly key: string
  readonly uid: string
  readonly name: string
  readonly namespace: string
  /** The Deployment behind its ReplicaSet. */
  readonly workload: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
}
export interface Answer {
  /** Envoy's response flag: `-` arrived, UF could not connect, UH no endpoint, NC no cluster, NR no route. */
  readonly flag: '-' | 'UF' | 'UH' | 'NC' | 'NR'
  readonly latencyMs: number
  readonly bad: boolean
  readonly grpcStatus?: number
}

const caller = 'loadgen'

/** Counts one request in what the caller's proxy and, where it arrived, the pod's proxy and its application expose. */
export function countRequest(store: SeriesStore, dataPlane: 'Istio' | 'Linkerd' | 'GatewayAPI', call: Call, arm: Arm | undefined, pod: PodFacts | undefined, answer: Answer): void {
  if (pod && answer.flag === '-') countApplication(store, pod, answer)
  if (dataPlane === 'GatewayAPI') return call.gateway === undefined ? countLinkerdRoute(store, call, arm, answer) : countTraefik(store, arm, answer)
  if (dataPlane === 'Istio') countIstio(store, call, arm, pod, answer)
  else countLinkerd(store, call, arm, pod, answer)
}

function countIstio(store: SeriesStore, call: Call, arm: Arm | undefined, pod: PodFacts | undefined, answer: Answer): void {
  const arrived = answer.flag === '-'
  const host = arm ? `${arm.service}.${arm.namespace}.svc.cluster.local` : 'unknown'
  // Where no connection came about Envoy knows the Service it wanted, and no workload.
  const seen = arrived ? pod : undefined
  const app = seen?.labels.app ?? 'unknown'
  const labels = {
    source_workload: caller,
    source_workload_namespace: call.namespace,
    source_app: caller,
    destination_workload: seen?.workload ?? 'unknown',
    destination_workload_namespace: seen?.namespace ?? 'unknown',
    destination_app: app,
    destination_version: seen?.labels.version ?? 'unknown',
    destination_canonical_service: app,
    destination_service: host,
    destination_service_name: arm?.service ?? 'unknown',
    destination_service_namespace: arm?.namespace ?? 'unknown',
    request_protocol: answer.grpcStatus === undefined ? 'http' : 'grpc',
    response_code: codeOf(answer),
    grpc_response_status: answer.grpcStatus === undefined ? '' : String(answer.grpcStatus),
    response_flags: answer.flag,
  }
  const outside = { reporter: 'source', ...labels, namespace: call.namespace, pod: `${caller}-0`, connection_security_policy: 'unknown' }
  store.count('istio_requests_total', outside, undefined)
  if (!arrived || !pod) return
  store.observe('istio_request_duration_milliseconds', istioBuckets, outside, undefined, answer.latencyMs)
  const inside = { reporter: 'destination', ...labels, namespace: pod.namespace, pod: pod.name, connection_security_policy: 'mutual_tls' }
  store.count('istio_requests_total', inside, pod.key)
  store.observe('istio_request_duration_milliseconds', istioBuckets, inside, pod.key, answer.latencyMs)
}

function codeOf({ flag, bad, grpcStatus }: Answer): string {
  if (flag === 'NR') return '404'
  if (flag !== '-') return '503'
  return bad && grpcStatus === undefined ? '500' : '200'
}

function countLinkerd(store: SeriesStore, call: Call, arm: Arm | undefined, pod: PodFacts | undefined, answer: Answer): void {
  const arrived = answer.flag === '-'
  const outcome = { classification: answer.bad ? 'failure' : 'success', status_code: codeOf(answer), tls: 'true' }
  const outside = {
    direction: 'outbound', namespace: call.namespace, deployment: caller, pod: `${caller}-0`,
    dst_namespace: arm?.namespace ?? '', dst_service: arm?.service ?? '', dst_deployment: arrived ? (pod?.workload ?? '') : '', ...outcome,
  }
  store.count('response_total', outside, undefined)
  if (!arrived || !pod) return
  store.observe('response_latency_ms', linkerdBuckets, outside, undefined, answer.latencyMs)
  const inside = { direction: 'inbound', namespace: pod.namespace, deployment: pod.workload, pod: pod.name, ...outcome }
  store.count('response_total', inside, pod.key)
  store.observe('response_latency_ms', linkerdBuckets, inside, pod.key, answer.latencyMs)
}

const seconds = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 10]
const grpcStatuses = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
]
/** The caller's proxy alone counts, by the backend it chose, also where it reached nobody. Through a GRPCRoute it counts statuses of gRPC, by name. */
function countLinkerdRoute(store: SeriesStore, call: Call, arm: Arm | undefined, answer: Answer): void {
  if (!arm) return
  const backend = {
    namespace: call.namespace, pod: `${caller}-0`, parent_group: 'core', parent_kind: 'Service', route_group: 'gateway.networking.k8s.io', route_kind: arm.route ?? 'HTTPRoute',
    backend_group: 'core', backend_kind: 'Service', backend_namespace: arm.namespace, backend_name: arm.service, backend_port: '80',
  }
  const arrived = answer.flag === '-'
  const kind = arm.route === 'GRPCRoute' ? 'grpc' : 'http'
  const status = kind === 'http' ? codeOf(answer) : grpcStatuses[answer.grpcStatus ?? (answer.bad ? 2 : 0)]!
  const error = answer.flag === 'UH' ? 'FAIL_FAST' : 'IO'
  const outcome = { [`${kind}_status`]: arrived ? status : '', error: arrived ? '' : error }
  store.count(`outbound_${kind}_route_backend_response_statuses_total`, { ...backend, ...outcome }, undefined)
  store.observe(`outbound_${kind}_route_backend_response_duration_seconds`, seconds, backend, undefined, answer.latencyMs / 1000)
}

/** Under `exported_service`, as a scrape without honorLabels leaves it. */
function countTraefik(store: SeriesStore, arm: Arm | undefined, answer: Answer): void {
  if (!arm) return
  const labels = { service: 'traefik', exported_service: `${arm.namespace}-${arm.service}-80@kubernetesgateway`, method: 'GET', protocol: 'http', code: codeOf(answer) }
  store.count('traefik_service_requests_total', labels, undefined)
  store.observe('traefik_service_request_duration_seconds', seconds, labels, undefined, answer.latencyMs / 1000)
}

/** As prom-client, promhttp and their like name it; the scrape adds namespace and pod. */
function countApplication(store: SeriesStore, pod: PodFacts, answer: Answer): void {
  const labels = { namespace: pod.namespace, pod: pod.name, method: 'GET', path: '/', status: codeOf(answer) }
  store.observe('http_request_duration_seconds', seconds, labels, pod.key, answer.latencyMs / 1000)
}
