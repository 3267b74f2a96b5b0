/** The cluster that a command talks to, and the objects it asks for there. */
import { kubeClient } from '../kube/client.ts'
import { loadConnection } from '../kube/connection.ts'
import type { Failure, KubeApi } from '../kube/api.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { CliFailure } from './io.ts'
import { nearest } from './nearest.ts'
import type { RolloutObject } from './view.ts'

/** The flags that every command takes. */
export interface ClusterFlags {
  readonly kubeconfig?: string
  readonly context?: string
  readonly namespace?: string
}
export interface Cluster {
  readonly api: KubeApi
  /** From `-n`, else from the context. */
  readonly namespace: string
  readonly server: string
  close(): Promise<void>
}
export const rollouts: Resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'rollouts', kind: 'Rollout', namespaced: true }
export const channels: Resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'notificationchannels', kind: 'NotificationChannel', namespaced: true }
export const requests: Resource = { group: 'sluice.dev', version: 'v1alpha1', plural: 'rolloutrequests', kind: 'RolloutRequest', namespaced: true }
export const deployments: Resource = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }
const selfReviews: Resource = { group: 'authentication.k8s.io', version: 'v1', plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', namespaced: false }

/** Reads the kubeconfig; the first request finds out whether anybody answers. Throws CliFailure. */
export async function connect(flags: ClusterFlags): Promise<Cluster> {
  const connection = await loadConnection({ kubeconfig: flags.kubeconfig, context: flags.context })
  if (!connection.ok) throw new CliFailure(connection.message)
  return {
    // Somebody sits before it: that nobody answers is said within a second.
    api: kubeClient(connection.value, { patience: [100, 300] }),
    namespace: flags.namespace ?? connection.value.namespace,
    server: connection.value.server,
    close: () => connection.value.close(),
  }
}

/** Runs a command against a cluster and lets go of its connections afterwards. */
export async function withCluster<T>(flags: ClusterFlags, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = await connect(flags)
  try {
    return await work(cluster)
  } finally {
    await cluster.close()
  }
}

/** The rollout, or a CliFailure that says what there is instead. */
export async function readRollout(cluster: Cluster, name: string): Promise<RolloutObject> {
  const answer = await cluster.api.get(rollouts, cluster.namespace, name)
  if (answer.ok) return answer.value as unknown as RolloutObject
  if (answer.reason !== 'NotFound') throw refused(answer)
  const there = await listRollouts(cluster, cluster.namespace)
  const names = there.map(one => one.metadata.name)
  const near = nearest(name, names)
  if (near !== undefined) throw new CliFailure(`there is no rollout "${name}" in namespace ${cluster.namespace}; did you mean "${near}"?`)
  if (names.length > 0) throw new CliFailure(`there is no rollout "${name}" in namespace ${cluster.namespace}; there are ${some(names)}`)
  throw new CliFailure(`there is no rollout "${name}" in namespace ${cluster.namespace}${await elsewhere(cluster, name)}`)
}
async function elsewhere(cluster: Cluster, name: string): Promise<string> {
  const all = await cluster.api.list(rollouts, {})
  const others = all.ok ? all.value.items.filter(one => one.metadata.name === name).map(one => one.metadata.namespace!) : []
  return others.length > 0 ? `, but in ${some(others)}: use -n ${others[0]}` : '; `sluice get -A` lists all of the cluster'
}

/** All rollouts of a namespace, or of the cluster where it is undefined, by namespace and name. */
export async function listRollouts(cluster: Cluster, namespace: string | undefined): Promise<readonly RolloutObject[]> {
  const found: KubeObject[] = []
  let next: string | undefined
  do {
    const page = await cluster.api.list(rollouts, { namespace, limit: 500, ...(next === undefined ? {} : { continue: next }) })
    if (!page.ok) throw refused(page)
    found.push(...page.value.items)
    next = page.value.continue
  } while (next !== undefined)
  return inOrder(found)
}
/** By namespace and name. */
export function inOrder(objects: readonly KubeObject[]): readonly RolloutObject[] {
  const sorted = objects.toSorted((a, b) => `${a.metadata.namespace}/${a.metadata.name}`.localeCompare(`${b.metadata.namespace}/${b.metadata.name}`))
  return sorted as unknown as RolloutObject[]
}

/** The user name as the API server knows it; undefined where it is not told (before Kubernetes 1.28, or without the right). */
export async function whoAmI(cluster: Cluster): Promise<string | undefined> {
  const review: KubeObject = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: {} as KubeObject['metadata'] }
  const answer = await cluster.api.create(selfReviews, review)
  const name = answer.ok ? (answer.value.status?.userInfo?.username as unknown) : undefined
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** A failure of the API server with what can be done about it. */
export function refused(failure: Failure): CliFailure {
  if (failure.reason === 'NotFound') return new CliFailure('this cluster does not know rollouts.sluice.dev; install Sluice first: kubectl apply -f crds/')
  if (failure.status === 403) return new CliFailure(`${failure.message}; ask whoever administers the namespace for the role that allows it`)
  if (failure.reason === 'Throttled') return new CliFailure(`${failure.message}; the API server is busy, try again in a moment`)
  return new CliFailure(failure.message)
}

function some(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}
