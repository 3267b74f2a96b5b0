/** The contract against kube-apiserver and kube-controller-manager; skips where KUBEBUILDER_ASSETS names none. */
import { describe } from 'vitest'
import { controlPlaneMissing } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { apiContract } from './cases.ts'

const plane = sharedControlPlane()
if (plane) apiContract('the real API server', async () => ({ server: { url: plane.url, token: plane.token, ca: plane.ca }, stop: () => plane.stop() }))
else describe.skip(`the real API server: ${controlPlaneMissing()}`)
