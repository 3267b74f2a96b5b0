/** Doors as Services, and what of them is kept in step with the user's Service. */
import type { KubeObject } from '../rollout/objects.ts'
import type { RolloutSpec } from '../rollout/schema.ts'
import { canonicalJson } from './canonical.ts'
import { ownedBy } from './deployment.ts'
import { deletionPolicyAnnotation, revisionLabel, rolloutLabel, rolloutSpecAnnotation } from './marks.ts'

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly targetPort: number | string
  readonly protocol: string
  readonly appProtocol?: string
}
/** The part of a Service that a door copies. */
export interface DoorShape {
  readonly ports: readonly ServicePort[]
  readonly sessionAffinity: string
  readonly sessionAffinityConfig?: unknown
}
export interface NewDoor {
  readonly name: string
  /** Name of the Rollout. */
  readonly rollout: string
  readonly workload: KubeObject
  readonly shape: DoorShape
  readonly selector: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** The shape of doors: that of the user's Service where there is one, else one port from `spec.service`; undefined where neither names a port. */
export function doorShape(service: KubeObject | undefined, wanted: RolloutSpec['service']): DoorShape | undefined {
  if (service) return shapeOf(service)
  if (wanted?.port === undefined) return undefined
  const { port, targetPort, appProtocol } = wanted
  return { ports: [{ name: 'http', port, targetPort: targetPort ?? port, protocol: 'TCP', ...(appProtocol ? { appProtocol } : {}) }], sessionAffinity: 'None' }
}

/** What a Service has of the fields that doors copy, with the API server's defaults filled in. Node ports are left out. */
export function shapeOf(service: KubeObject): DoorShape {
  const { ports = [], sessionAffinity = 'None', sessionAffinityConfig } = service.spec ?? {}
  return {
    ports: ports.map(portOf),
    sessionAffinity,
    ...(sessionAffinity === 'None' || sessionAffinityConfig === undefined ? {} : { sessionAffinityConfig }),
  }
}

/** Whether two shapes mean the same Service. */
export function sameShape(a: DoorShape, b: DoorShape): boolean {
  return canonicalJson(a) === canonicalJson(b)
}

/** The Service to create for a door. */
export function doorService({ name, rollout, workload, shape, selector, annotations }: NewDoor): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: workload.metadata.namespace, labels: { [rolloutLabel]: rollout }, annotations, ownerReferences: [ownedBy(workload)] },
    spec: { type: 'ClusterIP', selector, ...shape },
  }
}

/** Labels a door selects to lead to a revision, or to `Workload`: whatever has the user's matchLabels. */
export function doorSelector(workload: KubeObject, to: string): Readonly<Record<string, string>> {
  const matchLabels: Record<string, string> = workload.spec?.selector?.matchLabels ?? {}
  return to === 'Workload' ? matchLabels : { ...matchLabels, [revisionLabel]: to }
}

/** Where a door leads by its selector: a revision, `Workload`, or undefined for a selector that is none of ours. */
export function leadsTo(door: KubeObject, workload: KubeObject | undefined): string | undefined {
  const selector: Record<string, string> | undefined = door.spec?.selector
  const revision = selector?.[revisionLabel]
  if (revision !== undefined) return revision
  return workload && canonicalJson(selector ?? {}) === canonicalJson(workload.spec?.selector?.matchLabels ?? {}) ? 'Workload' : undefined
}

/** What doors, and revisions at their creation, remember of their Rollout, so that they can be put back when it no longer exists. */
export function memoryOf(spec: RolloutSpec): Readonly<Record<string, string>> {
  const { workloadRef, service, traffic, trackedConfig, deletionPolicy = 'Restore' } = spec
  return { [deletionPolicyAnnotation]: deletionPolicy, [rolloutSpecAnnotation]: canonicalJson({ workloadRef, service, traffic, trackedConfig }) }
}

function portOf(port: Partial<ServicePort> & { port: number }): ServicePort {
  const { name, appProtocol, protocol = 'TCP', targetPort = port.port } = port
  return { ...(name ? { name } : {}), port: port.port, targetPort, protocol, ...(appProtocol ? { appProtocol } : {}) }
}
