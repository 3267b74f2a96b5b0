/** Which mesh objects speak of a host. Asked of thousands of objects in every pass, so each object's hosts are worked out once. */
import type { KubeObject } from '../../rollout/objects.ts'
import { fullHost } from '../../traffic/hosts.ts'
import { listOf } from '../../traffic/json.ts'

const known = new WeakMap<KubeObject, { readonly clusterDomain: string; readonly hosts: readonly string[] }>()

/** Those VirtualServices and DestinationRules that name one of these hosts (in full) themselves; wildcards do not count. */
export function speakingOf(objects: readonly KubeObject[], hosts: ReadonlySet<string>, clusterDomain: string): readonly KubeObject[] {
  return objects.filter((object) => hostsOf(object, clusterDomain).some((host) => hosts.has(host)))
}

function hostsOf(object: KubeObject, clusterDomain: string): readonly string[] {
  const cached = known.get(object)
  if (cached?.clusterDomain === clusterDomain) return cached.hosts
  const named = [...listOf(object.spec?.hosts), object.spec?.host].filter((host): host is string => typeof host === 'string')
  const hosts = named.map((host) => fullHost(host, object.metadata.namespace ?? 'default', clusterDomain))
  known.set(object, { clusterDomain, hosts })
  return hosts
}
