/** Names of the objects that Sluice makes, and the limits Kubernetes sets them. */
import type { KubeObject } from '../rollout/objects.ts'
import { digest } from './canonical.ts'
import { configId } from './config-refs.ts'
import { templateOf } from './template.ts'
import type { TrackedRecord } from './tracked.ts'

/** The two doors, and the Service of the users' callers. */
export interface DoorNames {
  readonly stable: string
  readonly canary: string
  readonly own: string
}

/** Names of the Services behind a rollout whose `<name>` (plan.name) is given. */
export function doorNames(name: string): DoorNames {
  return { stable: `${name}-stable`, canary: `${name}-canary`, own: name }
}

/** Ten characters that stand for a Deployment's pod template (our labels left out) and tracked configuration. A name, never the proof of equality. */
export function templateHash(deployment: KubeObject, tracked: readonly TrackedRecord[] = []): string {
  const template = templateOf(deployment)
  const config = Object.fromEntries(tracked.map((record) => [configId(record), record.digest]))
  return digest(tracked.length === 0 ? template : { template, config }).slice(0, 10)
}

/**
 * The name for a new revision of this workload: its name cut to 48, a dash, the hash of template and tracked configuration. Where that name is `taken` by something that is
 * not an equal revision, `-2`, `-3` … is added. At most 63 characters, since it is a label value too.
 */
export function revisionName(workload: KubeObject, taken: (name: string) => boolean, tracked: readonly TrackedRecord[] = []): string {
  const base = `${workload.metadata.name.slice(0, 48).replace(/[-.]+$/, '')}-${templateHash(workload, tracked)}`
  if (!taken(base)) return base
  for (let suffix = 2; ; suffix++) {
    if (!taken(`${base}-${suffix}`)) return `${base}-${suffix}`
  }
}

/** The name of a backends-mode revision: the backend, and the template's hash where its Deployment is known. At most 63 characters. */
export function backendRevision(backend: string, workload: KubeObject | undefined): string {
  return workload ? `${backend.slice(0, 52)}-${templateHash(workload)}` : backend
}
