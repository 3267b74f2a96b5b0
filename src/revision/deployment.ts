/** A revision as a Deployment of ours. */
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import { digest } from './canonical.ts'
import { commitAnnotation, copiesPendingAnnotation, injectedAnnotation, revisionLabel, rolloutLabel, sentAnnotation } from './marks.ts'
import { differences, templateOf } from './template.ts'
import { absent, trackedAnnotation, type TrackedRecord, withCopies } from './tracked.ts'

export interface NewRevision {
  readonly workload: KubeObject
  /** Name of the Rollout. */
  readonly rollout: string
  readonly revision: string
  readonly replicas: number
  /** Annotations by which the Rollout is remembered (memoryOf). */
  readonly memory?: Readonly<Record<string, string>>
  /** Configuration that it reads from copies; default none. With any it has no pods until they are made. */
  readonly tracked?: readonly TrackedRecord[]
}

/**
 * The Deployment to create for a revision: the workload's pod template with our two labels, its `minReadySeconds` and `strategy`, and nothing of its
 * metadata: marks of Argo CD, Flux or Helm would get production pruned with the template.
 */
export function revisionDeployment({ workload, rollout, revision, replicas, memory, tracked = [] }: NewRevision): KubeObject {
  const { selector, minReadySeconds, strategy } = workload.spec
  const template = withCopies(workload.spec.template, tracked)
  const pending = tracked.some(({ copy, digest: content }) => copy !== undefined && content !== absent)
  const labels = { [rolloutLabel]: rollout, [revisionLabel]: revision }
  const commit = commitOf(workload)
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: revision,
      namespace: workload.metadata.namespace,
      labels,
      annotations: {
        ...memory, [sentAnnotation]: digest(templateOf(workload)), ...(commit ? { [commitAnnotation]: commit } : {}),
        ...(tracked.length > 0 ? (trackedAnnotation(tracked) as Record<string, string>) : {}), ...(pending ? { [copiesPendingAnnotation]: 'true' } : {}),
      },
      ownerReferences: [ownedBy(workload)],
    },
    spec: {
      replicas: pending ? 0 : replicas,
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [revisionLabel]: revision } },
      template: { ...template, metadata: { ...template?.metadata, labels: { ...template?.metadata?.labels, ...labels } } },
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      ...(strategy === undefined ? {} : { strategy }),
    },
  }
}

/**
 * The owner of everything that carries production: the user's Deployment, so that deleting a Rollout, the CRD or Sluice collects nothing. Not as
 * controller: no Deployment controller manages Deployments, and tools that follow `controller: true` would take it for a ReplicaSet's owner.
 * Not blocking either: `kubectl delete --cascade=foreground` must not wait for a controller that may be gone.
 */
export function ownedBy(workload: KubeObject): OwnerReference {
  return { apiVersion: workload.apiVersion, kind: workload.kind, name: workload.metadata.name, uid: workload.metadata.uid ?? '' }
}

/** Annotations that replace the digest of what was sent by what mutating webhooks made of it, for a merge patch; null removes a key. */
export function settledAnnotations(workload: KubeObject, created: KubeObject): Record<string, string | null> {
  const injected = differences(templateOf(workload), templateOf(created))
  return { [sentAnnotation]: null, [injectedAnnotation]: injected.length > 0 ? JSON.stringify(injected) : null }
}

/** Where the commit of a release is written by convention: Argo CD (`$ARGOCD_APP_REVISION`), Flux and CI fill such annotations, they have none of their own. */
const commitAnnotations = [commitAnnotation, 'org.opencontainers.image.revision']

/** The commit a Deployment says it was built from, on its template or on itself; undefined where neither says so in at most 128 plain characters. */
export function commitOf(deployment: KubeObject): string | undefined {
  const places = [deployment.spec?.template?.metadata?.annotations, deployment.metadata.annotations]
  const found = places.flatMap((annotations) => commitAnnotations.map((key) => annotations?.[key]))
  return found.find((commit): commit is string => typeof commit === 'string' && /^[\w.:/@+-]{1,128}$/.test(commit))
}
