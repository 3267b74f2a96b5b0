/** The contract against kube-apiserver and kube-controller-manager; skips where KUBEBUILDER_ASSETS names none. */
import { describe } from 'vitest'
import { controlPlaneMissing } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { apiContract } from './cases.ts'

const plane = sharedControlPlane()
const missing = controlPlaneMissing()

describe.skipIf(!plane)(`kube-apiserver and kube-controller-manager${plane ? '' : ` (${missing})`}`, () => {
  apiContract('the real API server', () => {
    const { url, token, ca } = plane!
    return Promise.resolve({ server: { url, token, ca }, stop: () => plane!.stop() })
  })
})
