/** Journeys through an SMI TrafficSplit that Linkerd's adaptor copies into a ServiceProfile. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const trafficSplits = 'split.smi-spec.io/v1alpha1/trafficsplits'
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'web' },
  service: { port: 80, targetPort: 8080 },
  traffic: { smi: {} },
  steps: [{ weight: 10, hold: '4s' }, { weight: 50, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: { telemetry: 'Linkerd', interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99.5%' } }, { name: 'p99', latency: { percentile: 99, max: '300ms' } }] },
  progressDeadline: '30s',
  retainStable: '4s',
}

describe.skipIf(missing)(`journeys of Linkerd ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Linkerd' })
  })
  afterAll(() => stage?.stop())

  const adopted = async (t: TestContext): Promise<Scene> => {
    const scene = await stage.scene('linkerd')
    await scene.deploy('web', 'web:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'web' }, 100)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('web', spec)
    await scene.reach('web', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('web:v1') === true)
    return scene
  }

  test('a good revision is promoted without a failed request', async (t) => {
    const scene = await adopted(t)
    const split = scene.watchSplit(trafficSplits, 'web')
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
    await scene.reach('web', 'idle', ({ phase }) => phase === 'Idle')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(100)
    expect(stage.mesh.served(scene.namespace).reduce((sum, one) => sum + one.bad, 0)).toBe(0)
  })

  test.for([
    ['fails', { errorRate: 0.3 }],
    ['is slow', { latencyMs: 800 }],
  ] as const)('a revision that %s is taken back', async ([, behaviour], t) => {
    const scene = await adopted(t)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'web:v2', behaviour)
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('RolledBack')
    await scene.reach('web', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'web:v2')).toBe(0)
  })
})
