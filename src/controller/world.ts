/** The world as one pass may read it: caches, never the network. Also which watches fill them, and what the caches may forget. */
import type { CacheState } from '../kube/cache.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { revisionLabel, rolloutLabel } from '../revision/marks.ts'

export type Kind =
  | 'Rollout'
  | 'RolloutRequest'
  | 'NotificationChannel'
  | 'MetricTemplate'
  | 'Deployment'
  | 'Service'
  | 'EndpointSlice'
  | 'Pod'
  | 'HorizontalPodAutoscaler'
  | 'ScaledObject'
  | 'VirtualService'
  | 'DestinationRule'
  | 'TrafficSplit'
  | 'ServiceProfile'
  | 'HTTPRoute'
  | 'GRPCRoute'
  | 'ReferenceGrant'
  | 'ConfigMap'
  | 'Namespace'
  | 'ValidatingAdmissionPolicy'
  | 'ValidatingAdmissionPolicyBinding'

export type { CacheState } from '../kube/cache.ts'

/** Read access to caches. Objects are shared and must never be changed. */
export interface World {
  state(kind: Kind): CacheState
  /** The version that writes of this kind go to; undefined while it is not served. */
  resource(kind: Kind): Resource | undefined
  /** `namespace` is '' for cluster-wide kinds. */
  get(kind: Kind, namespace: string, name: string): KubeObject | undefined
  /** All of a kind, of one namespace or (undefined) of all, with all of the given labels. */
  list(kind: Kind, namespace: string | undefined, labels?: Readonly<Record<string, string>>): readonly KubeObject[]
}

/** One watch that the loop keeps. */
export interface Watched {
  readonly kind: Kind
  readonly group: string
  readonly plural: string
  /** Served versions we can read, best first. */
  readonly versions: readonly string[]
  readonly namespaced: boolean
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Nothing but metadata is read: the loop may ask for PartialObjectMetadata. */
  readonly metadataOnly?: boolean
  /** An API server without this kind is normal: Istio, Linkerd, KEDA, Gateway API. */
  readonly optional?: boolean
  /** Fields, in the words of fieldsV1, whose last writer is remembered (kube/writers.ts) when managedFields are dropped. */
  readonly writers?: readonly string[]
  /** Labels by which `list` is asked. */
  readonly labelIndexes?: readonly string[]
  /** What of the object is kept beside apiVersion, kind and metadata; undefined keeps all. */
  readonly keep?: (object: KubeObject) => Partial<KubeObject>
}

/** Every watch Sluice needs. Pods and EndpointSlices only of our own revisions and doors (the EndpointSlice controller copies a Service's labels). */
export const watched: readonly Watched[] = [
  { kind: 'Rollout', group: 'sluice.dev', plural: 'rollouts', versions: ['v1alpha1'], namespaced: true },
  { kind: 'RolloutRequest', group: 'sluice.dev', plural: 'rolloutrequests', versions: ['v1alpha1'], namespaced: true },
  // Optional: without the kind, or the right to see it, nothing is sent and everything else works.
  { kind: 'NotificationChannel', group: 'sluice.dev', plural: 'notificationchannels', versions: ['v1alpha1'], namespaced: true, optional: true },
  // Optional: Rollouts without a query of their own need none.
  { kind: 'MetricTemplate', group: 'sluice.dev', plural: 'metrictemplates', versions: ['v1alpha1'], namespaced: true, optional: true, keep: ({ spec }) => ({ spec }) },
  {
    kind: 'Deployment', group: 'apps', plural: 'deployments', versions: ['v1'], namespaced: true,
    writers: ['f:spec/f:replicas'], labelIndexes: [rolloutLabel],
  },
  { kind: 'Service', group: '', plural: 'services', versions: ['v1'], namespaced: true, writers: ['f:spec/f:selector'], keep: ({ spec }) => ({ spec }) },
  {
    kind: 'EndpointSlice', group: 'discovery.k8s.io', plural: 'endpointslices', versions: ['v1'], namespaced: true,
    labelSelector: rolloutLabel, labelIndexes: ['kubernetes.io/service-name'], keep: endpointsOnly,
  },
  { kind: 'Pod', group: '', plural: 'pods', versions: ['v1'], namespaced: true, labelSelector: revisionLabel, labelIndexes: [revisionLabel], keep: podHealth },
  { kind: 'HorizontalPodAutoscaler', group: 'autoscaling', plural: 'horizontalpodautoscalers', versions: ['v2', 'v1'], namespaced: true, keep: scaleTarget },
  { kind: 'ScaledObject', group: 'keda.sh', plural: 'scaledobjects', versions: ['v1alpha1'], namespaced: true, optional: true, keep: scaleTarget },
  {
    kind: 'VirtualService', group: 'networking.istio.io', plural: 'virtualservices', versions: ['v1', 'v1beta1', 'v1alpha3'], namespaced: true,
    optional: true, writers: ['f:spec/f:http'], keep: ({ spec }) => ({ spec }),
  },
  {
    kind: 'DestinationRule', group: 'networking.istio.io', plural: 'destinationrules', versions: ['v1', 'v1beta1', 'v1alpha3'], namespaced: true,
    optional: true, keep: ({ spec }) => ({ spec }),
  },
  {
    kind: 'TrafficSplit', group: 'split.smi-spec.io', plural: 'trafficsplits', versions: ['v1alpha2', 'v1alpha1', 'v1alpha4', 'v1alpha3'], namespaced: true,
    optional: true, writers: ['f:spec/f:backends'], keep: ({ spec }) => ({ spec }),
  },
  {
    kind: 'ServiceProfile', group: 'linkerd.io', plural: 'serviceprofiles', versions: ['v1alpha2'], namespaced: true,
    optional: true, keep: ({ spec }) => ({ spec: { dstOverrides: spec?.dstOverrides } }),
  },
  {
    kind: 'HTTPRoute', group: 'gateway.networking.k8s.io', plural: 'httproutes', versions: ['v1', 'v1beta1'], namespaced: true,
    optional: true, writers: ['f:spec/f:rules'], keep: routeAndParents,
  },
  {
    kind: 'GRPCRoute', group: 'gateway.networking.k8s.io', plural: 'grpcroutes', versions: ['v1'], namespaced: true,
    optional: true, writers: ['f:spec/f:rules'], keep: routeAndParents,
  },
  {
    kind: 'ReferenceGrant', group: 'gateway.networking.k8s.io', plural: 'referencegrants', versions: ['v1', 'v1beta1'], namespaced: true,
    optional: true, keep: ({ spec }) => ({ spec }),
  },
  { kind: 'ConfigMap', group: '', plural: 'configmaps', versions: ['v1'], namespaced: true, metadataOnly: true, keep: () => ({}) },
  { kind: 'Namespace', group: '', plural: 'namespaces', versions: ['v1'], namespaced: false, metadataOnly: true, keep: () => ({}) },
  {
    kind: 'ValidatingAdmissionPolicy', group: 'admissionregistration.k8s.io', plural: 'validatingadmissionpolicies', versions: ['v1'],
    namespaced: false, optional: true, metadataOnly: true, keep: () => ({}),
  },
  {
    kind: 'ValidatingAdmissionPolicyBinding', group: 'admissionregistration.k8s.io', plural: 'validatingadmissionpolicybindings', versions: ['v1'],
    namespaced: false, optional: true,
    keep: ({ spec }) => ({ spec: { policyName: spec?.policyName, validationActions: spec?.validationActions, matchResources: spec?.matchResources } }),
  },
]

/** What a cache of this watch keeps of an object (kube/cache drops managedFields by itself). */
export function prune(watch: Watched): (object: KubeObject) => KubeObject {
  const { keep } = watch
  if (!keep) return (object) => object
  return (object) => ({ apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata, ...keep(object) })
}

/** Tools that write what Git says, again and again. Everybody else counts as a person. */
const gitOpsManagers = [
  'argocd-controller', 'argocd-application-controller', 'kustomize-controller', 'helm-controller', 'flux', 'flux-client-side-apply', 'helm', 'Helm',
  'fleetagent', 'configsync.gke.io', 'pulumi-kubernetes', 'terraform', 'Terraform', 'HashiCorp', 'werf',
]

/** Whether a field manager is a GitOps tool: it would set the same value again. Argo CD with client-side apply signs as `argocd-controller`. */
export function isGitOps(manager: string): boolean {
  return gitOpsManagers.includes(manager) || manager.startsWith('argocd') || manager.startsWith('kapp-')
}

function endpointsOnly({ endpoints }: KubeObject): Partial<KubeObject> {
  const list: { conditions?: unknown; targetRef?: { kind?: string; name?: string } }[] = endpoints ?? []
  return { endpoints: list.map(({ conditions, targetRef }) => ({ conditions, targetRef: targetRef && { kind: targetRef.kind, name: targetRef.name } })) }
}
function podHealth({ status }: KubeObject): Partial<KubeObject> {
  const { phase, conditions, containerStatuses, initContainerStatuses } = status ?? {}
  return { status: { phase, conditions, containerStatuses, initContainerStatuses } }
}
/** Of the status only what parents say about the route as a whole. */
function routeAndParents({ spec, status }: KubeObject): Partial<KubeObject> {
  const parents: { parentRef?: unknown; conditions?: Record<string, unknown>[] }[] = Array.isArray(status?.parents) ? status.parents : []
  const essence = ({ type, status: holds, reason, message, observedGeneration }: Record<string, unknown>) => ({ type, status: holds, reason, message, observedGeneration })
  return { spec, status: { parents: parents.map(({ parentRef, conditions }) => ({ parentRef, conditions: Array.isArray(conditions) ? conditions.map(essence) : [] })) } }
}
function scaleTarget({ spec }: KubeObject): Partial<KubeObject> {
  return { spec: { scaleTargetRef: spec?.scaleTargetRef } }
}
