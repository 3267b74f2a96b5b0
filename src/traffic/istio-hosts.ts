/** Who holds a host in the mesh. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import { fullHost } from './hosts.ts'
import { listOf } from './json.ts'
import type { Problem } from './layout.ts'

export interface HostClaim {
  readonly namespace: string
  readonly name: string
  /** Short or full, as the managed VirtualService writes them. */
  readonly hosts: readonly string[]
  readonly clusterDomain: string
}

/**
 * `HostTaken` where another VirtualService holds one of these hosts for sidecars (gateway `mesh`): they do not merge two, the older wins. A delegate (no hosts)
 * holds none, nor one that is exported to nobody; one exported to its own namespace still takes that namespace's callers. A wildcard only meets the same
 * wildcard, since the more specific host wins.
 */
export function hostTaken(virtualServices: readonly KubeObject[], self: HostClaim): Problem | undefined {
  const wanted = new Set(self.hosts.map((host) => fullHost(host, self.namespace, self.clusterDomain)))
  for (const other of virtualServices) {
    const namespace = other.metadata.namespace ?? 'default'
    if ((other.metadata.name === self.name && namespace === self.namespace) || !servesMesh(other)) continue
    const host = listOf(other.spec?.hosts).find((one) => typeof one === 'string' && wanted.has(fullHost(one, namespace, self.clusterDomain)))
    if (host === undefined) continue
    const reach = listOf(other.spec?.exportTo).some((scope) => scope !== '.') || listOf(other.spec?.exportTo).length === 0 ? '' : ` for callers in ${namespace}`
    const message = `VirtualService ${namespace}/${other.metadata.name} already holds host ${host} in the mesh${reach}, and sidecars do not merge two: `
      + 'let it delegate to this one (traffic.istio.managed: {delegate: true}), name it in traffic.istio.virtualServiceRefs, or remove the host there'
    return { reason: 'HostTaken', message }
  }
  return undefined
}

function servesMesh(virtualService: KubeObject): boolean {
  const gateways = listOf(virtualService.spec?.gateways)
  const exportTo = listOf(virtualService.spec?.exportTo)
  return (gateways.length === 0 || gateways.includes('mesh')) && !(exportTo.length > 0 && exportTo.every((scope) => scope === '~'))
}
