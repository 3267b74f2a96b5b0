/** Where a request goes: Istio's and Linkerd's rules over the objects that one proxy has heard of. Pure; what Sluice writes is read here by other code. */
import type { KubeObject } from '../../src/rollout/objects.ts'

export const meshKinds = ['virtualservices', 'destinationrules', 'serviceprofiles', 'httproutes', 'grpcroutes', 'services', 'endpointslices'] as const
export type MeshKind = (typeof meshKinds)[number]
export type View = Readonly<Record<MeshKind, ReadonlyMap<string, KubeObject>>>

export interface Call {
  readonly namespace: string
  /** As the caller writes it: `checkout`, `checkout.shop`, `checkout.shop.svc.cluster.local`, or a public name with `gateway`. */
  readonly host: string
  readonly port?: number
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** `namespace/name` of the gateway it comes through; undefined: from a sidecar of the mesh. */
  readonly gateway?: string
}
/** One destination a proxy may choose. `pods` are `namespace/name` of the ready endpoints it knows. `flag` tells why it has none. */
export interface Arm {
  readonly weight: number
  readonly service: string
  readonly namespace: string
  readonly subset?: string
  /** The kind of the route of the Gateway API that names it. */
  readonly route?: 'HTTPRoute' | 'GRPCRoute'
  readonly pods: readonly string[]
  /** Envoy's flags: NC no such cluster, UH no ready endpoint. */
  readonly flag?: 'NC' | 'UH'
  readonly why?: string
}
/** `nowhere`: no route at all (NR). `external`: an answer that is no destination, such as a redirect. */
export type Routing = { readonly arms: readonly Arm[] } | { readonly nowhere: string } | { readonly external: true }

const suffix = '.svc.cluster.local'

/** Istio resolves only names without a dot by the object's namespace; `reviews.shop` stays as it is and is no service. */
export function istioHost(host: string, namespace: string): string {
  return host.includes('.') || host === '*' ? host : `${host}.${namespace}${suffix}`
}

/** What a caller's resolver makes of a name. */
export function callersHost(host: string, namespace: string): string {
  const parts = host.split('.')
  if (parts.length === 1) return `${host}.${namespace}${suffix}`
  if (parts.length === 2) return `${host}${suffix}`
  return host.endsWith('.svc') ? `${host}.cluster.local` : host
}

export function routeIstio(view: View, call: Call, labelsOf: (pod: string) => Readonly<Record<string, string>>): Routing {
  const host = call.gateway ? call.host : callersHost(call.host, call.namespace)
  const context = { view, call, labelsOf }
  const applicable = byAge([...view.virtualservices.values()].filter((object) => coversHost(object, host) && coversGateway(object, call.gateway)))
  // On the mesh the oldest object has the host for itself; on a gateway the routes of all are joined in order of age.
  const chosen = call.gateway ? applicable : applicable.slice(0, 1)
  if (chosen.length === 0) {
    const arm = armOf(context, host, undefined, undefined, 100)
    return arm.flag === 'NC' ? { nowhere: `no VirtualService and no Service for ${host}` } : { arms: [arm] }
  }
  for (const object of chosen) {
    for (const route of object.spec.http ?? []) {
      const routing = followRoute(context, route, object.metadata.namespace ?? '')
      if (routing) return routing
    }
  }
  return { nowhere: `no route of ${chosen.map((object) => `${object.metadata.namespace}/${object.metadata.name}`).join(', ')} matches ${host}` }
}

interface Context {
  readonly view: View
  readonly call: Call
  readonly labelsOf: (pod: string) => Readonly<Record<string, string>>
}

function followRoute(context: Context, route: any, namespace: string): Routing | undefined {
  const { view, call } = context
  if (route.match && !route.match.some((match: any) => matches(match, context))) return undefined
  if (route.delegate) {
    const key = `${route.delegate.namespace ?? namespace}/${route.delegate.name}`
    const delegate = view.virtualservices.get(key)
    if (!delegate || delegate.spec.hosts?.length) return undefined
    for (const inner of delegate.spec.http ?? []) {
      const routing = inner.delegate ? undefined : followRoute(context, inner, delegate.metadata.namespace ?? namespace)
      if (routing) return routing
    }
    return undefined
  }
  if (route.redirect || route.directResponse) return { external: true }
  const destinations: any[] = route.route ?? []
  const only = destinations.length === 1
  const arms = destinations.map(({ destination, weight }) =>
    armOf({ view, call, labelsOf: context.labelsOf }, istioHost(destination.host, namespace), destination.subset, destination.port?.number, weight ?? (only ? 100 : 0)),
  )
  const loaded = arms.filter((arm) => arm.weight > 0)
  return loaded.length > 0 ? { arms: loaded } : { nowhere: 'total destination weight = 0' }
}

function armOf({ view, labelsOf }: Context, host: string, subset: string | undefined, port: number | undefined, weight: number): Arm {
  const [service = '', namespace = ''] = host.endsWith(suffix) ? host.slice(0, -suffix.length).split('.') : [host, '']
  const arm = { weight, service, namespace, ...(subset === undefined ? {} : { subset }) }
  const object = view.services.get(`${namespace}/${service}`)
  if (!object) return { ...arm, pods: [], flag: 'NC', why: `no Service for host ${host}` }
  const ports: any[] = object.spec.ports ?? []
  if (port !== undefined && !ports.some((entry) => entry.port === port)) return { ...arm, pods: [], flag: 'NC', why: `Service ${host} has no port ${port}` }
  let pods = endpointsOf(view, namespace, service)
  if (subset !== undefined) {
    const labels = subsetLabels(view, host, subset)
    if (!labels) return { ...arm, pods: [], flag: 'NC', why: `no DestinationRule declares the subset ${subset} of ${host}` }
    pods = pods.filter((pod) => Object.entries(labels).every(([name, value]) => labelsOf(pod)[name] === value))
  }
  return pods.length > 0 ? { ...arm, pods } : { ...arm, pods, flag: 'UH', why: `no ready endpoint behind ${host}${subset ? ` subset ${subset}` : ''}` }
}

export function endpointsOf(view: View, namespace: string, service: string): string[] {
  const pods: string[] = []
  for (const slice of view.endpointslices.values()) {
    if (slice.metadata.namespace !== namespace || slice.metadata.labels?.['kubernetes.io/service-name'] !== service) continue
    for (const endpoint of (slice as any).endpoints ?? []) if (endpoint.conditions?.ready && endpoint.targetRef?.name) pods.push(`${namespace}/${endpoint.targetRef.name}`)
  }
  return pods
}

function subsetLabels(view: View, host: string, subset: string): Record<string, string> | undefined {
  const rules = byAge([...view.destinationrules.values()].filter((rule) => istioHost(rule.spec.host, rule.metadata.namespace ?? '') === host))
  for (const rule of rules) for (const entry of rule.spec.subsets ?? []) if (entry.name === subset) return entry.labels ?? {}
  return undefined
}

function byAge(objects: KubeObject[]): KubeObject[] {
  const age = (object: KubeObject) => `${object.metadata.creationTimestamp} ${object.metadata.name} ${object.metadata.namespace}`
  return objects.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))
}

function coversHost(object: KubeObject, host: string): boolean {
  const hosts: string[] = object.spec.hosts ?? []
  return hosts.some((entry) => {
    const wanted = istioHost(entry, object.metadata.namespace ?? '')
    return wanted === host || wanted === '*' || (wanted.startsWith('*.') && host.endsWith(wanted.slice(1)))
  })
}

function coversGateway(object: KubeObject, gateway: string | undefined): boolean {
  const gateways: string[] = object.spec.gateways?.length ? object.spec.gateways : ['mesh']
  if (gateway === undefined) return gateways.includes('mesh')
  return gateways.some((entry) => entry !== 'mesh' && (entry.includes('/') ? entry : `${object.metadata.namespace}/${entry}`) === gateway)
}

function matches(match: Record<string, any>, { call, view }: Context): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    switch (name) {
      case 'name':
        return true
      case 'headers':
        return Object.entries(wanted).every(([header, condition]) => matchesString(condition, call.headers?.[header.toLowerCase()]))
      case 'withoutHeaders':
        return !Object.entries(wanted).every(([header, condition]) => matchesString(condition, call.headers?.[header.toLowerCase()]))
      case 'uri':
        return matchesString(wanted, call.path ?? '/')
      case 'authority':
        return matchesString(wanted, call.host)
      case 'method':
        return matchesString(wanted, 'GET')
      case 'scheme':
        return matchesString(wanted, 'http')
      case 'port':
        return wanted === portOf(view, call)
      case 'gateways':
        return (wanted as string[]).includes(call.gateway ?? 'mesh')
      case 'sourceNamespace':
        return wanted === call.namespace
      default:
        throw new Error(`mesh model: match condition ${name} is not modelled`)
    }
  })
}

function portOf(view: View, call: Call): number {
  if (call.port !== undefined) return call.port
  const [service, namespace] = callersHost(call.host, call.namespace).split('.')
  return view.services.get(`${namespace}/${service}`)?.spec.ports?.[0]?.port ?? 80
}

function matchesString(condition: any, value: string | undefined): boolean {
  if (condition === null || Object.keys(condition).length === 0) return value !== undefined
  if (value === undefined) return false
  if (condition.exact !== undefined) return value === condition.exact
  if (condition.prefix !== undefined) return value.startsWith(condition.prefix)
  if (condition.regex !== undefined) return new RegExp(`^(?:${condition.regex})$`).test(value)
  throw new Error(`mesh model: string match ${JSON.stringify(condition)} is not modelled`)
}

/** Linkerd: the ServiceProfile's dstOverrides where there are any, else the Service's own endpoints. TrafficSplits reach it only through the adaptor. */
export function routeLinkerd(view: View, call: Call): Routing {
  const host = callersHost(call.host, call.namespace)
  const [service = '', namespace = ''] = host.split('.')
  const profile = view.serviceprofiles.get(`${call.namespace}/${host}`) ?? view.serviceprofiles.get(`${namespace}/${host}`)
  const overrides: any[] = profile?.spec?.dstOverrides ?? []
  const context = { view, call, labelsOf: () => ({}) }
  if (overrides.length === 0) {
    const arm = armOf(context, host, undefined, undefined, 100)
    return arm.flag === 'NC' ? { nowhere: `no Service ${namespace}/${service}` } : { arms: [arm] }
  }
  const arms = overrides.map(({ authority, weight }) => armOf(context, String(authority).replace(/:\d+$/, ''), undefined, undefined, quantity(weight)))
  const loaded = arms.filter((arm) => arm.weight > 0)
  return loaded.length > 0 ? { arms: loaded } : { nowhere: `all dstOverrides of ${host} have weight 0` }
}

/** A Kubernetes quantity in the two forms that weights take: `900m` and `9`. */
export function quantity(value: string | number): number {
  const text = String(value)
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text)
}
