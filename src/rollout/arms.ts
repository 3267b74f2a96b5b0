/** Backends mode: which two backends a pass is about. Pure. */
import type { Phase, RolloutSpec, RolloutStatus } from './schema.ts'

type Backends = NonNullable<RolloutSpec['backends']>
const underway: readonly Phase[] = ['Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Held', 'Closing', 'Draining', 'Removing']

/**
 * The arms of the journey under way where the spec names others by now: only through these can the weight of the unproven backend be seen and taken away.
 * Without a journey, or where they are the same, those of the spec. The canary's Deployment is then unknown, since the spec no longer names it.
 */
export function armsUnderway(backends: Backends, status: RolloutStatus | undefined): Backends {
  const [stable, canary] = [status?.stable?.backend, status?.canary?.backend]
  const open = status?.journey !== undefined && (status.phase === 'Removing' || status.journey.ended === undefined) && underway.includes(status.phase)
  if (!open || stable === undefined || canary === undefined) return backends
  if (nameOf(backends.stable) === stable && nameOf(backends.canary) === canary) return backends
  const arm = (name: string) => (backends.host === undefined ? { service: name } : { subset: name })
  return { ...(backends.host === undefined ? {} : { host: backends.host }), stable: arm(stable), canary: arm(canary) }
}

/** A backend as status and routes know it: its subset, or its Service. */
export const nameOf = (arm: { readonly service?: string | undefined; readonly subset?: string | undefined }): string => arm.subset ?? arm.service ?? ''
