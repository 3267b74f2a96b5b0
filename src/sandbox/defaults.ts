/** Defaults of built-in kinds as the API server fills them in, so that "equal as the server stores it" means the same here and there. */
import type { KubeObject } from '../rollout/objects.ts'

type Json = any

/** Adds `values` where a field is absent. */
const fill = (object: Json, values: Record<string, Json>): Json => ({ ...structuredClone(values), ...object })
const each = (list: Json, change: (item: Json) => Json): Json => (Array.isArray(list) ? list.map(change) : list)

/** Drops nulls, as decoding into Go structs does. */
function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .map(([key, field]) => [key, withoutNulls(field)]),
  )
}

const encoded = (texts: Record<string, string>): Json => Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(String(text)).toString('base64')]))

/** What the server knows beside the object: it hands out cluster addresses. */
export interface Surroundings {
  readonly nextClusterIP: () => string
}

/** A copy with defaults; kinds without any are returned as they are. Idempotent. */
export function defaulted(id: string, object: KubeObject, surroundings: Surroundings): KubeObject {
  const change = defaults[id]
  return change ? change(id === 'events' ? object : withoutNulls(object), surroundings) : object
}

const defaults: Readonly<Record<string, (object: Json, surroundings: Surroundings) => Json>> = {
  'deployments.apps': (object) => ({ ...object, spec: deploymentSpec(object.spec ?? {}) }),
  'replicasets.apps': (object) => ({ ...object, spec: fill({ ...object.spec, template: podTemplate(object.spec?.template) }, { replicas: 1 }) }),
  secrets: ({ stringData, ...object }) => ({ ...object, ...(stringData === undefined ? {} : { data: { ...object.data, ...encoded(stringData) } }) }),
  pods: (object) => ({ ...object, spec: podSpec(object.spec ?? {}), status: fill(object.status ?? {}, { phase: 'Pending', qosClass: 'BestEffort' }) }),
  services: (object, surroundings) => ({
    ...object,
    spec: serviceSpec(object.spec ?? {}, surroundings),
    status: fill(object.status ?? {}, { loadBalancer: {} }),
  }),
  namespaces: (object) => ({
    ...object,
    metadata: { ...object.metadata, labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name } },
    spec: fill(object.spec ?? {}, { finalizers: ['kubernetes'] }),
    status: fill(object.status ?? {}, { phase: 'Active' }),
  }),
  'horizontalpodautoscalers.autoscaling': (object) => ({
    ...object,
    spec: fill(object.spec, {
      minReplicas: 1,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
    }),
    status: fill(object.status ?? {}, { desiredReplicas: 0, currentMetrics: null }),
  }),
  events: (object) => fill(object, { source: {}, firstTimestamp: null, lastTimestamp: null, eventTime: null, reportingComponent: '', reportingInstance: '' }),
  'customresourcedefinitions.apiextensions.k8s.io': (object) => ({ ...object, spec: crdSpec(object.spec ?? {}) }),
  'endpointslices.discovery.k8s.io': (object) => ({
    ...fill(object, { endpoints: [], ports: [] }),
    ports: each(object.ports ?? [], (port) => fill(port, { name: '', protocol: 'TCP' })),
  }),
}

function crdSpec(spec: Json): Json {
  const names = fill(spec.names ?? {}, { singular: String(spec.names?.kind ?? '').toLowerCase(), listKind: `${spec.names?.kind ?? ''}List` })
  return { ...spec, names, conversion: spec.conversion ?? { strategy: 'None' } }
}

function deploymentSpec(spec: Json): Json {
  const strategy = fill(spec.strategy ?? {}, { type: 'RollingUpdate' })
  const rolling =
    strategy.type === 'RollingUpdate'
      ? { ...strategy, rollingUpdate: fill(strategy.rollingUpdate ?? {}, { maxSurge: '25%', maxUnavailable: '25%' }) }
      : strategy
  return { ...fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 }), strategy: rolling, template: podTemplate(spec.template) }
}

function podTemplate(template: Json): Json {
  return { ...template, metadata: template?.metadata ?? {}, spec: podSpec(template?.spec ?? {}) }
}

function podSpec(spec: Json): Json {
  const result = fill(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    schedulerName: 'default-scheduler',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    ...(spec.serviceAccountName && { serviceAccount: spec.serviceAccountName }),
  })
  if (spec.containers) result.containers = each(spec.containers, container)
  if (spec.initContainers) result.initContainers = each(spec.initContainers, container)
  if (spec.volumes) result.volumes = each(spec.volumes, volume)
  return result
}

function container(item: Json): Json {
  const image = String(item.image ?? '')
  const tag = image.includes('@') ? '' : (/:([^/:]+)$/.exec(image)?.[1] ?? 'latest')
  const result = fill(item, {
    imagePullPolicy: tag === 'latest' ? 'Always' : 'IfNotPresent',
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  })
  if (item.ports) result.ports = each(item.ports, (port) => fill(port, { protocol: 'TCP' }))
  if (item.env)
    result.env = each(item.env, (variable) =>
      variable.valueFrom?.fieldRef
        ? { ...variable, valueFrom: { ...variable.valueFrom, fieldRef: fill(variable.valueFrom.fieldRef, { apiVersion: 'v1' }) } }
        : variable,
    )
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe']) if (item[probe]) result[probe] = probed(item[probe])
  return result
}

function probed(probe: Json): Json {
  const result = fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
  if (probe.httpGet) result.httpGet = fill(probe.httpGet, { path: '/', scheme: 'HTTP' })
  if (probe.grpc) result.grpc = fill(probe.grpc, { service: '' })
  return result
}

function volume(item: Json): Json {
  const result = { ...item }
  for (const source of ['configMap', 'secret', 'projected', 'downwardAPI']) if (item[source]) result[source] = fill(item[source], { defaultMode: 420 })
  if (item.hostPath) result.hostPath = fill(item.hostPath, { type: '' })
  if (Object.keys(item).length === 1) result.emptyDir = {}
  return result
}

function serviceSpec(spec: Json, surroundings: Surroundings): Json {
  const type = spec.type ?? 'ClusterIP'
  const result = fill(spec, { type, sessionAffinity: 'None' })
  if (result.sessionAffinity === 'ClientIP') result.sessionAffinityConfig = result.sessionAffinityConfig ?? { clientIP: { timeoutSeconds: 10800 } }
  else delete result.sessionAffinityConfig
  if (spec.ports) result.ports = each(spec.ports, (port) => fill(port, { protocol: 'TCP', targetPort: port.port }))
  if (type === 'ExternalName') return result
  const clusterIP = result.clusterIP || surroundings.nextClusterIP()
  return {
    ...result,
    clusterIP,
    ...fill(
      { clusterIPs: [clusterIP], ...(result.ipFamilies && { ipFamilies: result.ipFamilies }) },
      { ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', internalTrafficPolicy: 'Cluster' },
    ),
  }
}
