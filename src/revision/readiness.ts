/** What a Deployment says about its own pods. */
import type { KubeObject } from '../rollout/objects.ts'

export interface Readiness {
  /** spec.replicas, 1 where absent. */
  readonly replicas: number
  readonly ready: number
  /** The controller has seen this generation, and every replica is updated and available. */
  readonly complete: boolean
}

/** Counts of one Deployment. `ready` counts pods of an earlier template as well; `complete` tells. */
export function readinessOf(deployment: KubeObject): Readiness {
  const replicas: number = deployment.spec?.replicas ?? 1
  const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0, readyReplicas = 0, replicas: total = 0 } = deployment.status ?? {}
  const current = observedGeneration >= (deployment.metadata.generation ?? 0)
  return { replicas, ready: readyReplicas, complete: current && updatedReplicas === replicas && availableReplicas === replicas && total === replicas }
}
