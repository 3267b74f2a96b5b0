/** The VirtualService that Sluice keeps itself. Pure. */
import { parseDuration } from '../rollout/duration.ts'
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import { serviceHost } from './hosts.ts'
import { listOf } from './json.ts'
import { problem, type Problem } from './layout.ts'
import type { Arms, Destination } from './router.ts'
import { canaryWeight } from './weights.ts'

export interface ManagedVirtualService {
  /** `networking.istio.io/<served version>`. */
  readonly apiVersion: string
  readonly name: string
  readonly namespace: string
  readonly clusterDomain: string
  /** `spec.traffic.istio.managed` as it is written, durations as `3s`. */
  readonly managed: {
    readonly hosts?: readonly string[]
    readonly gateways?: readonly string[]
    readonly timeout?: string
    readonly retries?: { readonly attempts: number; readonly perTryTimeout?: string }
    readonly delegate?: boolean
  }
  /** Service ports that speak HTTP (`httpPorts`); at least one. */
  readonly ports: readonly number[]
  readonly arms: Arms
  /** Sum of each route's weights: 100 or 1000 (`managedTotal`). */
  readonly total: number
  /** The canary arm's share in percent. */
  readonly canary: number
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}

/** The managed VirtualService, or what keeps it from being written: no HTTP port, a duration that Istio refuses, hosts on a delegate. */
export function managedVirtualService(wanted: ManagedVirtualService): { readonly object: KubeObject } | { readonly problems: readonly Problem[] } {
  const { apiVersion, name, namespace, managed, labels, annotations, ownerReferences } = wanted
  const timeouts = [timeout('timeout', managed.timeout), timeout('retries.perTryTimeout', managed.retries?.perTryTimeout)]
  const problems = [...timeouts.flatMap((one) => ('problem' in one ? [one.problem] : [])), ...shapeProblems(wanted)]
  if (problems.length > 0) return { problems }
  const [whole, perTry] = timeouts.map((one) => ('text' in one ? one.text : undefined))
  const policy = {
    ...(whole ? { timeout: whole } : {}),
    ...(managed.retries ? { retries: { attempts: managed.retries.attempts, ...(perTry ? { perTryTimeout: perTry } : {}) } } : {}),
  }
  const audience = managed.delegate ? {} : { hosts: managedHosts(wanted), gateways: managedGateways(managed) }
  return {
    object: {
      apiVersion, kind: 'VirtualService', metadata: { name, namespace, labels, ...(annotations ? { annotations } : {}), ownerReferences },
      spec: { ...audience, http: routes(wanted).map((route) => ({ ...route, ...policy })) },
    },
  }
}

/** The hosts of a managed VirtualService as they are written in it; none for a delegate. */
export function managedHosts(wanted: Pick<ManagedVirtualService, 'managed' | 'name' | 'namespace' | 'clusterDomain'>): readonly string[] {
  const { managed, name, namespace, clusterDomain } = wanted
  return managed.delegate ? [] : (managed.hosts ?? [serviceHost(name, namespace, clusterDomain)])
}
function managedGateways(managed: ManagedVirtualService['managed']): readonly string[] {
  return managed.gateways ?? ['mesh']
}

/** Istio's form of a GEP-2257 duration, seconds: `1h30m` is `5400s`, `500ms` is `0.5s`. Undefined where it is none, or below the 1ms that Istio demands. */
export function istioDuration(text: string): string | undefined {
  const milliseconds = parseDuration(text)
  return milliseconds === undefined || milliseconds < 1 ? undefined : `${milliseconds / 1000}s`
}
function timeout(field: string, text: string | undefined): { text?: string } | { problem: Problem } {
  if (text === undefined) return {}
  const converted = istioDuration(text)
  if (converted !== undefined) return { text: converted }
  const remedy = 'write a duration of 1ms or more such as 3s, or leave it out'
  return { problem: problem('TimeoutInvalid', `spec.traffic.istio.managed.${field} is ${JSON.stringify(text)}: ${remedy}`) }
}

function shapeProblems({ managed, ports, name }: ManagedVirtualService): readonly Problem[] {
  const field = 'spec.traffic.istio.managed'
  const problems: Problem[] = []
  if (ports.length === 0) {
    const remedy = 'set appProtocol: http (or http2, grpc) on the port that Sluice shall split'
    problems.push(problem('NoHTTPPort', `Service ${name} has no port that speaks HTTP: ${remedy}`))
  }
  if (managed.delegate && (managed.hosts || managed.gateways)) {
    const remedy = 'those belong to the VirtualService that delegates; leave them out'
    problems.push(problem('DelegateHasHosts', `${field}.delegate is true beside hosts or gateways: ${remedy}`))
  }
  if (managed.hosts?.length === 0) problems.push(problem('HostsEmpty', `${field}.hosts is empty: name a host, or leave it out`))
  if (managed.gateways?.length === 0) problems.push(problem('GatewaysEmpty', `${field}.gateways is empty: name a gateway or mesh, or leave it out`))
  return problems
}

/** One http route per port. In the mesh the port is the Service's; a gateway listens on ports of its own, so there the first port takes everything. */
function routes(wanted: ManagedVirtualService): readonly any[] {
  const { managed, ports } = wanted
  const gateways = managed.delegate ? ['mesh'] : managedGateways(managed)
  const outer = gateways.filter((gateway) => gateway !== 'mesh')
  const [first] = ports
  if (ports.length === 1 || outer.length === gateways.length) return [{ name: 'sluice', route: destinations(wanted, first!) }]
  return ports.map((port) => ({
    name: `sluice-${port}`,
    match: outer.length === 0 ? [{ port }] : [{ port, gateways: ['mesh'] }, ...(port === first ? [{ gateways: outer }] : [])],
    route: destinations(wanted, port),
  }))
}

function destinations({ arms, total, canary }: ManagedVirtualService, port: number): readonly any[] {
  const units = canaryWeight(canary, total)
  const item = (arm: Destination, weight: number): any =>
    ({ destination: { host: arm.host, ...(arm.subset ? { subset: arm.subset } : {}), port: { number: port } }, weight })
  return [item(arms.stable, total - units), item(arms.canary, units)]
}

/**
 * Ports of a Service for which Istio uses http routes: all of TCP but those whose appProtocol, or the port name's first word, says another protocol,
 * and those without either on which Istio expects a protocol where the server speaks first. Into the rest it looks.
 */
export function httpPorts(service: KubeObject): readonly number[] {
  return listOf(service.spec?.ports).filter((port) => {
    if ((port?.protocol ?? 'TCP') !== 'TCP') return false
    const said = String(port.appProtocol ?? String(port.name ?? '').split('-')[0]).toLowerCase()
    return !otherProtocols.has(said) && (httpProtocols.has(said) || !serverFirstPorts.has(port.port))
  }).map(({ port }) => port)
}
const httpProtocols = new Set(['http', 'http2', 'grpc', 'grpc-web', 'h2c', 'kubernetes.io/h2c', 'kubernetes.io/ws'])
const otherProtocols = new Set(['tcp', 'tls', 'https', 'mongo', 'mysql', 'redis', 'kubernetes.io/wss'])
const serverFirstPorts = new Set([25, 53, 3306, 27017])
