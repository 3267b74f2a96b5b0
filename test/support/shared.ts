import { inject } from 'vitest'
import { connect, type ControlPlane } from './control-plane.ts'
import type {} from './global-setup.ts'

/** The shared control plane, with all CRDs; undefined where the parts are missing (then `controlPlaneMissing()` says why). Never signal its parts: others use them. */
export function sharedControlPlane(): ControlPlane | undefined {
  const address = inject('controlPlane')
  return address ? connect(address) : undefined
}
