/** Custom kinds: a CustomResourceDefinition in the store is served, and no longer when it is deleted. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../rollout/objects.ts'
import type { Definition, PrinterColumn } from './resources.ts'
import type { Store } from './store.ts'
import { timestamp } from './writes.ts'

export const crdId = 'customresourcedefinitions.apiextensions.k8s.io'

/** The kind that a CRD defines. Versions that are not served are left out; the storage version is preferred. */
export function definitionOf(crd: KubeObject): Definition {
  const { group, names, scope, versions } = crd.spec
  const served = versions.filter((version: any) => version.served)
  const storage = versions.find((version: any) => version.storage)
  return {
    id: `${names.plural}.${group}`,
    group,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    kind: names.kind,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: scope === 'Namespaced',
    versions: served
      .toSorted((a: any, b: any) => Number(b.storage) - Number(a.storage))
      .map((version: any) => ({
        name: version.name,
        status: version.subresources?.status !== undefined,
        ...(version.subresources?.scale && {
          scale: {
            spec: version.subresources.scale.specReplicasPath,
            status: version.subresources.scale.statusReplicasPath,
            selector: version.subresources.scale.labelSelectorPath,
          },
        }),
        schema: version.schema?.openAPIV3Schema,
        columns: version.additionalPrinterColumns,
      })),
    storage: storage.name,
    custom: true,
    generation: true,
  }
}

/** Serves what CRDs in the store define, from now on. */
export function serveCrds(store: Store): void {
  const serve = (crd: KubeObject): void => {
    store.register(definitionOf(crd))
    if (crd.status?.conditions) return
    const condition = (type: string, reason: string, message: string): object => ({
      type,
      status: 'True',
      reason,
      message,
      lastTransitionTime: timestamp(store.clock.now()),
    })
    store.update(
      crdId,
      undefined,
      crd.metadata.name,
      (current) => ({
        ...current,
        status: {
          acceptedNames: current.spec.names,
          storedVersions: current.spec.versions.filter((version: any) => version.storage).map((version: any) => version.name),
          conditions: [
            condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
            condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
          ],
        },
      }),
      { manager: 'kube-apiserver', subresource: 'status' },
    )
  }
  for (const crd of store.list(crdId)) serve(crd)
  store.watch(crdId, {}, { event: (type, crd) => (type === 'DELETED' ? store.unregister(`${crd.spec.names.plural}.${crd.spec.group}`) : serve(crd)) })
}

/** Every CustomResourceDefinition in the YAML files of a directory; none where there is no such directory. */
export function crdsIn(directory: string): KubeObject[] {
  let files: string[]
  try {
    files = readdirSync(directory)
      .filter((file) => /\.ya?ml$/.test(file))
      .sort()
  } catch {
    return []
  }
  return files
    .flatMap((file) => parseAllDocuments(readFileSync(join(directory, file), 'utf8')).map((document) => document.toJS() as KubeObject | null))
    .filter((object): object is KubeObject => object?.kind === 'CustomResourceDefinition')
}

interface Sketch {
  readonly group: string
  readonly kind: string
  readonly plural: string
  readonly short?: readonly string[]
  /** The storage version first. */
  readonly versions: readonly string[]
  readonly status?: boolean
  readonly scale?: boolean
  readonly columns?: readonly PrinterColumn[]
}
const column = (name: string, jsonPath: string, type = 'string'): PrinterColumn => ({ name, type, jsonPath })
const age = column('Age', '.metadata.creationTimestamp', 'date')

/** The kinds of the meshes and of KEDA that Sluice reads and writes, with the printer columns of the originals and without their schemas. */
const meshKinds: readonly Sketch[] = [
  {
    group: 'networking.istio.io',
    kind: 'VirtualService',
    plural: 'virtualservices',
    short: ['vs'],
    versions: ['v1', 'v1beta1'],
    status: true,
    columns: [column('Gateways', '.spec.gateways'), column('Hosts', '.spec.hosts'), age],
  },
  {
    group: 'networking.istio.io',
    kind: 'DestinationRule',
    plural: 'destinationrules',
    short: ['dr'],
    versions: ['v1', 'v1beta1'],
    status: true,
    columns: [column('Host', '.spec.host'), age],
  },
  {
    group: 'split.smi-spec.io',
    kind: 'TrafficSplit',
    plural: 'trafficsplits',
    short: ['ts'],
    versions: ['v1alpha2'],
    columns: [column('Service', '.spec.service')],
  },
  ...['HTTPRoute', 'GRPCRoute'].map((kind) => ({
    group: 'gateway.networking.k8s.io', kind, plural: `${kind.toLowerCase()}s`, versions: ['v1'], status: true,
    columns: [column('Hostnames', '.spec.hostnames'), age],
  })),
  { group: 'gateway.networking.k8s.io', kind: 'ReferenceGrant', plural: 'referencegrants', short: ['refgrant'], versions: ['v1beta1'], columns: [age] },
  { group: 'linkerd.io', kind: 'ServiceProfile', plural: 'serviceprofiles', short: ['sp'], versions: ['v1alpha2'] },
  {
    group: 'keda.sh',
    kind: 'ScaledObject',
    plural: 'scaledobjects',
    short: ['so'],
    versions: ['v1alpha1'],
    status: true,
    columns: [
      column('ScaleTargetName', '.spec.scaleTargetRef.name'),
      column('Min', '.spec.minReplicaCount', 'integer'),
      column('Max', '.spec.maxReplicaCount', 'integer'),
      age,
    ],
  },
]

/** Sluice's own kinds where their generated files are not at hand: no schema, so nothing is validated. */
const ownKinds: readonly Sketch[] = [
  {
    group: 'sluice.dev',
    kind: 'Rollout',
    plural: 'rollouts',
    short: ['slr'],
    versions: ['v1alpha1'],
    status: true,
    scale: true,
    columns: [column('Phase', '.status.phase'), column('Weight', '.status.journey.weight.seen'), column('Message', '.status.message'), age],
  },
  {
    group: 'sluice.dev',
    kind: 'RolloutRequest',
    plural: 'rolloutrequests',
    versions: ['v1alpha1'],
    status: true,
    columns: [column('Rollout', '.spec.rolloutName'), column('Action', '.spec.action'), column('Answer', '.status.answer'), age],
  },
]

function sketched(sketch: Sketch): KubeObject {
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const version = (name: string, index: number): object => ({
    name,
    served: true,
    storage: index === 0,
    schema: { openAPIV3Schema: open },
    ...((sketch.status || sketch.scale) && {
      subresources: {
        ...(sketch.status && { status: {} }),
        ...(sketch.scale && { scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' } }),
      },
    }),
    ...(sketch.columns && { additionalPrinterColumns: sketch.columns }),
  })
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${sketch.plural}.${sketch.group}` },
    spec: {
      group: sketch.group,
      scope: 'Namespaced',
      names: {
        kind: sketch.kind,
        listKind: `${sketch.kind}List`,
        plural: sketch.plural,
        singular: sketch.kind.toLowerCase(),
        ...(sketch.short && { shortNames: sketch.short }),
      },
      versions: sketch.versions.map(version),
    },
  }
}

/** Creates the CRDs of the meshes and Sluice's own: from the YAML files of `directory` where they are there. */
export function createCrds(store: Store, directory: string): void {
  const own = crdsIn(directory)
  const names = new Set(own.map((crd) => crd.metadata.name))
  const missing = ownKinds.map(sketched).filter((crd) => !names.has(crd.metadata.name))
  for (const crd of [...meshKinds.map(sketched), ...own, ...missing]) store.create(crdId, crd, { manager: 'sandbox-setup' })
}
