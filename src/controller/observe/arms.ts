/** The two sides of a split as routes name them, from a raw spec: also of rollouts that are not valid otherwise. */
import { doorNames } from '../../revision/naming.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import { fullHost, serviceHost } from '../../traffic/hosts.ts'
import type { Arms, Destination } from '../../traffic/router.ts'

/** Doors in revisions mode, the two backends otherwise. `name` is plan.name. Undefined for a spec that names neither. */
export function armsOf(spec: Partial<RolloutSpec>, name: string, namespace: string, clusterDomain: string): Arms | undefined {
  const { backends, workloadRef } = spec
  if (workloadRef) {
    const names = doorNames(name)
    return { stable: service(names.stable, namespace, clusterDomain), canary: service(names.canary, namespace, clusterDomain) }
  }
  if (!backends) return undefined
  const arm = (backend: Backend) => backendArm(backend, backends.host, namespace, clusterDomain)
  const [stable, canary] = [arm(backends.stable), arm(backends.canary)]
  return stable && canary && { stable, canary }
}

interface Backend {
  readonly service?: string
  readonly subset?: string
}
function backendArm(backend: Backend, host: string | undefined, namespace: string, clusterDomain: string): Destination | undefined {
  const named = backend.service ?? host
  if (named === undefined) return undefined
  const full = fullHost(named, namespace, clusterDomain)
  const [first = named, second = namespace] = full.split('.')
  return { namespace: second, service: first, host: full, ...(backend.subset === undefined ? {} : { subset: backend.subset }) }
}

function service(name: string, namespace: string, clusterDomain: string): Destination {
  return { namespace, service: name, host: serviceHost(name, namespace, clusterDomain) }
}
