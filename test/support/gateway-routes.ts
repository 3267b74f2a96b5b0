/** Where a request goes by the Gateway API: routes of a Gateway or of the Service that is called, over the objects that one proxy has heard of. Pure. */
import type { KubeObject } from '../../src/rollout/objects.ts'
import { callersHost, endpointsOf, type Arm, type Call, type Routing, type View } from './mesh-routes.ts'

/** A match that is not modelled is an error: never a guess. GRPCRoutes go before HTTPRoutes, as Linkerd has it. */
export function routeGatewayAPI(view: View, call: Call): Routing {
  const [service = '', namespace = ''] = callersHost(call.host, call.namespace).split('.')
  const kinds = [['GRPCRoute', view.grpcroutes], ['HTTPRoute', view.httproutes]] as const
  for (const [kind, route] of kinds.flatMap(([kind, routes]) => [...routes.values()].map((route) => [kind, route] as const))) {
    if (call.gateway === undefined ? !leadsService(route, namespace, service) : !ofGateway(route, call)) continue
    for (const rule of route.spec.rules ?? []) {
      if (!(rule.matches ?? [{}]).some((match: any) => matches(match, call))) continue
      const arms: Arm[] = (rule.backendRefs ?? []).map((ref: any) => ({
        ...armOf(view, ref.namespace ?? route.metadata.namespace, ref.name, ref.port, ref.weight ?? 1), route: kind,
      }))
      const loaded = arms.filter((arm) => arm.weight > 0)
      return loaded.length > 0 ? { arms: loaded } : { nowhere: `no backendRef of ${kind} ${route.metadata.namespace}/${route.metadata.name} has any weight` }
    }
  }
  if (call.gateway !== undefined) return { nowhere: `no route of Gateway ${call.gateway} takes ${call.host}` }
  const plain = armOf(view, namespace, service, undefined, 1)
  return plain.flag === 'NC' ? { nowhere: `no Service ${namespace}/${service}` } : { arms: [plain] }
}

function leadsService(route: KubeObject, namespace: string, service: string): boolean {
  return parentsOf(route).some((parent) => parent.kind === 'Service' && parent.name === service && (parent.namespace ?? route.metadata.namespace) === namespace)
}
function ofGateway(route: KubeObject, call: Call): boolean {
  const here = parentsOf(route).some((parent) => (parent.kind ?? 'Gateway') === 'Gateway' && `${parent.namespace ?? route.metadata.namespace}/${parent.name}` === call.gateway)
  const hostnames: string[] = route.spec.hostnames ?? []
  return here && (hostnames.length === 0 || hostnames.some((name) => name === call.host || (name.startsWith('*.') && call.host.endsWith(name.slice(1)))))
}
export function parentsOf(route: KubeObject): any[] {
  return route.spec.parentRefs ?? []
}

function matches(match: Readonly<Record<string, any>>, call: Call): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    if (name === 'path' && wanted.type === 'PathPrefix') return `${call.path ?? '/'}/`.startsWith(wanted.value === '/' ? '/' : `${wanted.value}/`)
    if (name === 'method' && (wanted.type ?? '') === 'Exact') return ofMethod(wanted, call.path ?? '/')
    if (name === 'headers') return wanted.every((header: any) => (header.type ?? 'Exact') === 'Exact' && call.headers?.[header.name.toLowerCase()] === header.value)
    throw new Error(`gateway model: match ${name} ${JSON.stringify(wanted)} is not modelled`)
  })
}

/** gRPC's path is `/<service>/<method>`. */
function ofMethod(wanted: { readonly service?: string; readonly method?: string }, path: string): boolean {
  const [, service, method] = path.split('/')
  return (wanted.service ?? service) === service && (wanted.method ?? method) === method
}

function armOf(view: View, namespace: string, service: string, port: number | undefined, weight: number): Arm {
  const object = view.services.get(`${namespace}/${service}`)
  const arm = { weight, service, namespace }
  const ports: any[] = object?.spec.ports ?? []
  if (!object || (port !== undefined && !ports.some((entry) => entry.port === port))) return { ...arm, pods: [], flag: 'NC', why: `no Service ${namespace}/${service} with port ${port}` }
  const pods = endpointsOf(view, namespace, service)
  return pods.length > 0 ? { ...arm, pods } : { ...arm, pods, flag: 'UH', why: `no ready endpoint behind ${namespace}/${service}` }
}
