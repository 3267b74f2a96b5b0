/** Istio as a provider: VirtualServices, ours or the user's. Nothing tells whether proxies have taken one over. Pure. */
import { leadsTo } from './hosts.ts'
import { httpPorts, managedVirtualService } from './istio-managed.ts'
import { istio, routeLabel } from './istio.ts'
import { listOf } from './json.ts'
import type { Provider } from './provider.ts'
import type { Destination } from './router.ts'

export const istioProvider: Provider = {
  router: istio,
  field: 'f:spec/f:http',
  needs: 'Istio with its CRDs',
  places: (traffic, own) => [
    ...(traffic.istio?.managed ? [{ kind: 'VirtualService' as const, ...own, managed: true, redirects: false }] : []),
    ...(traffic.istio?.virtualServiceRefs ?? []).map(({ namespace = own.namespace, name, routes, canaryOnlyRoutes }) => ({
      kind: 'VirtualService' as const, namespace, name, managed: false, redirects: canaryOnlyRoutes === 'RedirectOnRollback', ...(routes ? { routes } : {}),
    })),
  ],
  managed: (traffic, wanted) => managedVirtualService({ ...wanted, managed: traffic.istio?.managed ?? {}, ports: httpPorts(wanted.service) }),
  labels(object, arms, { routes, clusterDomain }) {
    if (routes || !object || !arms) return routes ?? []
    const has = (route: any, arm: Destination): boolean =>
      listOf(route?.route).some((item) => leadsTo(item?.destination, arm, object.metadata.namespace ?? 'default', clusterDomain))
    return listOf(object.spec?.http).filter((route) => has(route, arms.stable) && has(route, arms.canary)).map(routeLabel)
  },
}
