/** The embedded cluster in one piece: API server, controllers of the workload model, mesh model, all on one clock. */
import type { Clock } from '../telemetry/clock.ts'
import { collectGarbage } from './collect.ts'
import { createCrds, serveCrds } from './crds.ts'
import { runEndpoints } from './endpoints.ts'
import { Faults } from './faults.ts'
import { runSmiAdaptor } from './mesh.ts'
import { Store } from './store.ts'
import { runWorkloads } from './workload.ts'
import type { Workloads, WorkloadOptions } from './workload.ts'

export interface ClusterOptions extends WorkloadOptions {
  readonly clock: Clock
  /** Directory of Sluice's CRD files; default `crds` under the working directory. Where a file is absent the kind is served without a schema. */
  readonly crds?: string
  /** Writes remembered per kind; see Store. */
  readonly history?: number
  readonly seed?: number
  /** Domain of authorities in ServiceProfiles; default `cluster.local`. */
  readonly clusterDomain?: string
  /** Namespaces beside `default`, `kube-system` and `sluice-system`. */
  readonly namespaces?: readonly string[]
}
export interface EmbeddedCluster {
  readonly store: Store
  readonly faults: Faults
  readonly workloads: Workloads
  /** Stops its controllers; the store can still be read. */
  close(): void
}

/** Builds a cluster with its kinds, namespaces and controllers. Serve it with server.ts, or use client.ts in-process. */
export function embeddedCluster(options: ClusterOptions): EmbeddedCluster {
  const { clock, history, seed } = options
  const store = new Store({ clock, ...(history !== undefined && { history }), ...(seed !== undefined && { seed }) })
  const faults = new Faults()
  serveCrds(store)
  createCrds(store, options.crds ?? 'crds')
  for (const name of ['default', 'kube-system', 'sluice-system', ...(options.namespaces ?? [])])
    store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { manager: 'sandbox-setup' })
  const workloads = runWorkloads(store, options)
  const running = [collectGarbage(store), workloads, runEndpoints(store), runSmiAdaptor(store, options.clusterDomain ?? 'cluster.local')]
  return { store, faults, workloads, close: () => running.forEach((part) => part.close()) }
}
