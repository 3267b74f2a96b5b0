/** Where a request goes in the embedded cluster: weights → door → EndpointSlices → ready pods, by the rules of Istio and of SMI on Linkerd. Pure. */
import type { KubeObject } from '../rollout/objects.ts'

/** The objects of the cluster, by `<plural>.<group>` (core kinds by plural); a kind that is not served has none. */
export interface World {
  list(id: string): readonly KubeObject[]
  serves(id: string): boolean
  /** Changes whenever any object has changed. */
  version(): number
}

/** A store as a world. Lists are remembered until something changes. */
export function worldOf(store: { readonly revision: number; serves(id: string): boolean; list(id: string): readonly KubeObject[] }): World {
  let version: number | undefined
  const lists = new Map<string, readonly KubeObject[]>()
  return {
    version: () => store.revision,
    serves: (id) => store.serves(id),
    list(id) {
      if (version !== store.revision) lists.clear()
      version = store.revision
      const known = lists.get(id) ?? (store.serves(id) ? store.list(id) : [])
      lists.set(id, known)
      return known
    },
  }
}
export interface Call {
  /** Where the caller is. */
  readonly namespace: string
  /** As the caller writes it: `web`, `web.shop`, `web.shop.svc.cluster.local`, or a public name together with `gateway`. */
  readonly host: string
  readonly port?: number
  readonly path?: string
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** `namespace/name` of the gateway it comes through; absent: from inside the mesh. */
  readonly gateway?: string
}
export interface Arm {
  readonly weight: number
  readonly service: string
  readonly namespace: string
  /** Fully qualified name of the Service. */
  readonly host: string
  /** `namespace/name` of its ready pods. */
  readonly pods: readonly string[]
  /** Why there are none: NC no such Service or subset, UH no ready pod. */
  readonly flag?: 'NC' | 'UH'
}
/** `nowhere`: no route, and why. */
export type Routing = { readonly arms: readonly Arm[] } | { readonly nowhere: string }
export type DataPlane = 'Istio' | 'Linkerd'

const suffix = '.svc.cluster.local'

class Unmodelled extends Error {}

/** The destinations with weight above 0. A match condition that is not modelled leads nowhere, and says so: never a guess. */
export function route(world: World, dataPlane: DataPlane, call: Call): Routing {
  try {
    return dataPlane === 'Istio' ? routeIstio(world, call) : routeLinkerd(world, call)
  } catch (error) {
    if (error instanceof Unmodelled) return { nowhere: error.message }
    throw error
  }
}

function routeIstio(world: World, call: Call): Routing {
  const host = call.gateway === undefined ? callersHost(call) : call.host
  const objects = world
    .list('virtualservices.networking.istio.io')
    .filter((object) => covers(object, host, call.gateway))
    .toSorted(byAge)
  // Inside the mesh the oldest object has a host for itself; on a gateway the routes of all are joined.
  const chosen = call.gateway === undefined ? objects.slice(0, 1) : objects
  for (const object of chosen) {
    for (const entry of object.spec?.http ?? []) {
      const found = followed(world, call, entry, object.metadata.namespace ?? '', true)
      if (found !== undefined) return found
    }
  }
  if (chosen.length > 0)
    return { nowhere: `no route of VirtualService ${chosen.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(', ')} matches ${host}` }
  return plain(world, host)
}

function followed(world: World, call: Call, entry: any, namespace: string, mayDelegate: boolean): Routing | undefined {
  if (entry.match !== undefined && !entry.match.some((condition: any) => matches(condition, world, call))) return undefined
  if (entry.delegate !== undefined) {
    const home = entry.delegate.namespace ?? namespace
    const delegate = world
      .list('virtualservices.networking.istio.io')
      .find(({ metadata }) => metadata.name === entry.delegate.name && metadata.namespace === home)
    for (const inner of mayDelegate ? (delegate?.spec?.http ?? []) : []) {
      const found = followed(world, call, inner, home, false)
      if (found !== undefined) return found
    }
    return undefined
  }
  const destinations: readonly any[] = entry.route ?? []
  const arms = destinations.map(({ destination, weight }) =>
    armOf(world, qualified(destination.host, namespace), destination.subset, destination.port?.number, weight ?? (destinations.length === 1 ? 100 : 0)),
  )
  const loaded = arms.filter(({ weight }) => weight > 0)
  return loaded.length > 0 ? { arms: loaded } : { nowhere: 'total destination weight = 0' }
}

/** Proxies know the ServiceProfile, into which Linkerd's adaptor copies a TrafficSplit. In a cluster without that kind the split itself is followed. */
function routeLinkerd(world: World, call: Call): Routing {
  const host = callersHost(call)
  const [service, namespace] = host.split('.')
  const backends = world.serves('serviceprofiles.linkerd.io') ? overrides(world, host, [call.namespace, namespace!]) : split(world, service!, namespace!)
  if (backends === undefined || backends.length === 0) return plain(world, host)
  const loaded = backends.map((backend) => armOf(world, backend.host, undefined, undefined, quantity(backend.weight))).filter(({ weight }) => weight > 0)
  return loaded.length > 0 ? { arms: loaded } : { nowhere: `no backend of ${host} has any weight` }
}

interface Backend {
  readonly host: string
  readonly weight: unknown
}
/** The caller's own profile goes before the one of the service. */
function overrides(world: World, host: string, namespaces: readonly string[]): readonly Backend[] | undefined {
  const profiles = world.list('serviceprofiles.linkerd.io').filter(({ metadata }) => metadata.name === host)
  const profile = namespaces.map((namespace) => profiles.find(({ metadata }) => metadata.namespace === namespace)).find((found) => found !== undefined)
  return (profile?.spec?.dstOverrides as readonly any[] | undefined)?.map(({ authority, weight }) => ({ host: String(authority).replace(/:\d+$/, ''), weight }))
}
function split(world: World, service: string, namespace: string): readonly Backend[] | undefined {
  const found = world.list('trafficsplits.split.smi-spec.io').find(({ metadata, spec }) => metadata.namespace === namespace && spec?.service === service)
  return ((found?.spec?.backends ?? []) as readonly any[]).map((backend) => ({ host: `${backend.service}.${namespace}${suffix}`, weight: backend.weight }))
}

function plain(world: World, host: string): Routing {
  const arm = armOf(world, host, undefined, undefined, 100)
  return arm.flag === 'NC' ? { nowhere: `no route and no Service for ${host}` } : { arms: [arm] }
}

function armOf(world: World, host: string, subset: string | undefined, port: number | undefined, weight: number): Arm {
  const [service = '', namespace = ''] = host.endsWith(suffix) ? host.split('.') : [host]
  const arm = { weight, service, namespace, host, pods: [] }
  const object = world.list('services').find(({ metadata }) => metadata.name === service && metadata.namespace === namespace)
  if (object === undefined) return { ...arm, flag: 'NC' }
  if (port !== undefined && !(object.spec?.ports ?? []).some((entry: any) => entry.port === port)) return { ...arm, flag: 'NC' }
  let pods = readyPods(world, namespace, service)
  if (subset !== undefined) {
    const labels = subsetLabels(world, host, subset)
    if (labels === undefined) return { ...arm, flag: 'NC' }
    const members = new Set(
      world
        .list('pods')
        .filter(({ metadata }) => Object.entries(labels).every(([name, value]) => metadata.labels?.[name] === value))
        .map(podKey),
    )
    pods = pods.filter((pod) => members.has(pod))
  }
  return pods.length > 0 ? { ...arm, pods } : { ...arm, flag: 'UH' }
}

/** `namespace/name` */
export const podKey = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`

function readyPods(world: World, namespace: string, service: string): string[] {
  const slices = world
    .list('endpointslices.discovery.k8s.io')
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.['kubernetes.io/service-name'] === service)
  const ready = slices.flatMap((slice) =>
    ((slice['endpoints'] ?? []) as readonly any[]).filter(({ conditions, targetRef }) => conditions?.ready === true && targetRef?.name !== undefined),
  )
  return [...new Set(ready.map(({ targetRef }) => `${namespace}/${targetRef.name}`))]
}

function subsetLabels(world: World, host: string, subset: string): Readonly<Record<string, string>> | undefined {
  const rules = world
    .list('destinationrules.networking.istio.io')
    .filter(({ metadata, spec }) => qualified(spec?.host ?? '', metadata.namespace ?? '') === host)
  return rules
    .toSorted(byAge)
    .flatMap(({ spec }) => (spec?.subsets ?? []) as readonly any[])
    .find(({ name }) => name === subset)?.labels
}

/** Istio completes only names without a dot. */
const qualified = (host: string, namespace: string): string => (host.includes('.') || host === '*' ? host : `${host}.${namespace}${suffix}`)

/** What the caller's resolver makes of the name. */
function callersHost({ host, namespace }: Call): string {
  const parts = host.split('.')
  if (parts.length === 1) return `${host}.${namespace}${suffix}`
  if (parts.length === 2) return `${host}${suffix}`
  return host.endsWith('.svc') ? `${host}.cluster.local` : host
}

function covers({ metadata, spec }: KubeObject, host: string, gateway: string | undefined): boolean {
  const gateways: readonly string[] = spec?.gateways?.length > 0 ? spec.gateways : ['mesh']
  const reached = gateways.some((entry) =>
    entry === 'mesh' ? gateway === undefined : (entry.includes('/') ? entry : `${metadata.namespace}/${entry}`) === gateway,
  )
  const hosts = ((spec?.hosts ?? []) as readonly string[]).map((entry) => qualified(entry, metadata.namespace ?? ''))
  return reached && hosts.some((entry) => entry === host || entry === '*' || (entry.startsWith('*.') && host.endsWith(entry.slice(1))))
}

const byAge = (a: KubeObject, b: KubeObject): number => (age(a) < age(b) ? -1 : 1)
const age = ({ metadata }: KubeObject): string => `${metadata.creationTimestamp ?? ''} ${metadata.name} ${metadata.namespace ?? ''}`

function matches(condition: Readonly<Record<string, any>>, world: World, call: Call): boolean {
  return Object.entries(condition).every(([name, wanted]) => {
    switch (name) {
      case 'name':
        return true
      case 'headers':
        return Object.entries(wanted).every(([header, text]) => matchesText(text as Text, call.headers?.[header.toLowerCase()]))
      case 'uri':
        return matchesText(wanted, call.path ?? '/')
      case 'port':
        return wanted === portOf(world, call)
      case 'gateways':
        return wanted.includes(call.gateway ?? 'mesh')
      default:
        throw new Unmodelled(`the embedded mesh does not model the match condition ${name}; it knows headers, uri, port and gateways`)
    }
  })
}

interface Text {
  readonly exact?: string
  readonly prefix?: string
  readonly regex?: string
}
function matchesText({ exact, prefix, regex }: Text, value: string | undefined): boolean {
  if (value === undefined) return false
  if (exact !== undefined) return value === exact
  if (prefix !== undefined) return value.startsWith(prefix)
  return regex === undefined || new RegExp(`^(?:${regex})$`).test(value)
}

function portOf(world: World, call: Call): number {
  const [service, namespace] = callersHost(call).split('.')
  return call.port ?? world.list('services').find(({ metadata }) => metadata.name === service && metadata.namespace === namespace)?.spec?.ports?.[0]?.port ?? 80
}

/** SMI weights are quantities: `900m` or `9`. */
const quantity = (weight: unknown): number => {
  const text = String(weight)
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text)
}
