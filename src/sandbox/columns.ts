/** Printer columns: the cells that `kubectl get` shows, with the columns of the real server. */
import type { KubeObject } from '../rollout/objects.ts'
import type { Definition, PrinterColumn } from './resources.ts'
import { selectorText } from './selectors.ts'

export interface Column {
  readonly name: string
  readonly type: string
  readonly format?: string
  /** 0: always; greater: only with `-o wide`. */
  readonly priority: number
  readonly cell: (object: KubeObject, now: number) => unknown
}

const none = '<none>'

/** Age as kubectl writes it: `45s`, `3m20s`, `17m`, `5h12m`, `3d4h`, `20d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  const pair = (whole: number, unit: string, rest: number, small: string): string => (rest === 0 ? `${whole}${unit}` : `${whole}${unit}${rest}${small}`)
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (days < 8) return pair(days, 'd', hours % 24, 'h')
  return days < 730 ? `${days}d` : `${Math.floor(days / 365)}y`
}

const since = (time: unknown, now: number): string =>
  typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? humanDuration(now - Date.parse(time)) : '<unknown>'
const column = (name: string, cell: Column['cell'], priority = 0, type = 'string'): Column => ({ name, type, priority, cell })
const nameColumn: Column = { name: 'Name', type: 'string', format: 'name', priority: 0, cell: (object) => object.metadata.name }
const age = column('Age', (object, now) => since(object.metadata.creationTimestamp, now))
const containers = (spec: any, field: 'name' | 'image'): string => (spec?.containers ?? []).map((container: any) => container[field]).join(',')
const templated = [
  column('Containers', (object) => containers(object.spec.template.spec, 'name'), 1),
  column('Images', (object) => containers(object.spec.template.spec, 'image'), 1),
  column('Selector', (object) => selectorText(object.spec.selector), 1),
]

const builtIn: Readonly<Record<string, readonly Column[]>> = {
  configmaps: [nameColumn, column('Data', (object) => Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length), age],
  events: [
    column('Last Seen', (object, now) =>
      since(object.series?.lastObservedTime ?? object.lastTimestamp ?? object.eventTime ?? object.metadata.creationTimestamp, now),
    ),
    column('Type', (object) => object.type),
    column('Reason', (object) => object.reason),
    column('Object', (object) => `${String(object.involvedObject?.kind ?? '').toLowerCase()}/${object.involvedObject?.name ?? ''}`),
    column('Source', (object) => object.source?.component ?? object.reportingComponent ?? '', 1),
    column('Message', (object) => String(object.message ?? '').trim()),
    column('Count', (object) => String(object.series?.count ?? object.count ?? 1), 1),
    { ...nameColumn, priority: 1 },
  ],
  namespaces: [nameColumn, column('Status', (object) => object.status.phase), age],
  pods: [
    nameColumn,
    column(
      'Ready',
      (object) => `${(object.status.containerStatuses ?? []).filter((status: any) => status.ready).length}/${(object.spec.containers ?? []).length}`,
    ),
    column('Status', podStatus),
    column('Restarts', (object) => String((object.status.containerStatuses ?? []).reduce((sum: number, status: any) => sum + status.restartCount, 0))),
    age,
    column('IP', (object) => object.status.podIP ?? none, 1),
    column('Node', (object) => object.spec.nodeName ?? none, 1),
    column('Nominated Node', () => none, 1),
    column('Readiness Gates', () => none, 1),
  ],
  services: [
    nameColumn,
    column('Type', (object) => object.spec.type),
    column('Cluster-IP', (object) => object.spec.clusterIP ?? none),
    column('External-IP', (object) => object.spec.externalName ?? none),
    column(
      'Port(s)',
      (object) => (object.spec.ports ?? []).map((port: any) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol}`).join(',') || none,
    ),
    age,
    column('Selector', (object) => selectorText({ matchLabels: object.spec.selector }) || none, 1),
  ],
  'deployments.apps': [
    nameColumn,
    column('Ready', (object) => `${object.status?.readyReplicas ?? 0}/${object.spec.replicas}`),
    column('Up-to-date', (object) => object.status?.updatedReplicas ?? 0),
    column('Available', (object) => object.status?.availableReplicas ?? 0),
    age,
    ...templated,
  ],
  'replicasets.apps': [
    nameColumn,
    column('Desired', (object) => object.spec.replicas, 0, 'integer'),
    column('Current', (object) => object.status?.replicas ?? 0, 0, 'integer'),
    column('Ready', (object) => object.status?.readyReplicas ?? 0, 0, 'integer'),
    age,
    ...templated,
  ],
  'endpointslices.discovery.k8s.io': [
    nameColumn,
    column('AddressType', (object) => object.addressType),
    column('Ports', (object) => (object.ports ?? []).map((port: any) => port.port).join(',') || '<unset>'),
    column('Endpoints', (object) => (object.endpoints ?? []).flatMap((endpoint: any) => endpoint.addresses).join(',') || '<unset>'),
    age,
  ],
  'leases.coordination.k8s.io': [nameColumn, column('Holder', (object) => object.spec?.holderIdentity ?? ''), age],
  'horizontalpodautoscalers.autoscaling': [
    nameColumn,
    column('Reference', (object) => `${object.spec.scaleTargetRef.kind}/${object.spec.scaleTargetRef.name}`),
    column('Targets', () => '<unknown>'),
    column('MinPods', (object) => String(object.spec.minReplicas)),
    column('MaxPods', (object) => object.spec.maxReplicas),
    column('Replicas', (object) => object.status?.currentReplicas ?? 0),
    age,
  ],
  'customresourcedefinitions.apiextensions.k8s.io': [nameColumn, column('Created At', (object) => object.metadata.creationTimestamp, 0, 'date')],
}

function podStatus(object: KubeObject): string {
  if (object.metadata.deletionTimestamp) return 'Terminating'
  for (const status of object.status.containerStatuses ?? []) {
    const reason = status.state?.waiting?.reason ?? status.state?.terminated?.reason
    if (reason) return reason
  }
  return object.status.reason ?? object.status.phase
}

/** The columns of a kind in one of its versions. */
export function columnsOf(definition: Definition, version: string): readonly Column[] {
  const custom = definition.versions.find((candidate) => candidate.name === version)?.columns
  if (!definition.custom) return builtIn[definition.alias?.id ?? definition.id] ?? [nameColumn, age]
  return [nameColumn, ...(custom ?? [{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }]).map(customColumn)]
}

function customColumn(printer: PrinterColumn): Column {
  return {
    name: printer.name,
    type: printer.type,
    ...(printer.format && { format: printer.format }),
    priority: printer.priority ?? 0,
    cell: (object, now) => {
      const values = jsonPath(object, printer.jsonPath)
      if (values.length === 0 || values[0] === null) return null
      if (printer.type === 'date') return since(values[0], now)
      if (printer.type !== 'string') return values[0]
      return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(',')
    },
  }
}

/** The JSON paths that printer columns use: fields, `['quoted']` and `\.` in names, `[0]`, `[*]`, `[?(@.type=="Ready")]`. */
export function jsonPath(object: unknown, path: string): unknown[] {
  const steps = path.match(/\.(?:\\.|[^.[\\])+|\[\?\(@\.[^)]*\)\]|\[[^\]]*\]/g) ?? []
  let values: unknown[] = [object]
  for (const step of steps) values = values.flatMap((value) => follow(value, step)).filter((value) => value !== undefined)
  return values
}

function follow(value: any, step: string): unknown[] {
  if (value === null || value === undefined) return []
  if (step.startsWith('.')) return [value[step.slice(1).replaceAll('\\', '')]]
  const inner = step.slice(1, -1)
  if (inner === '*') return Object.values(value)
  const filter = /^\?\(@\.([\w.]+)\s*==\s*['"]?([^'"]*)['"]?\)$/.exec(inner)
  if (filter) return Array.isArray(value) ? value.filter((item) => String(jsonPath(item, `.${filter[1]}`)[0]) === filter[2]) : []
  return [value[inner.replace(/^['"]|['"]$/g, '')]]
}
