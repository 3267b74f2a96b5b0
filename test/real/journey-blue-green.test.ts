/** Blue/green on a real API server: the Service's endpoints follow its selector by Kubernetes' own controllers, and Linkerd's proxies only measure. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'web' },
  service: { name: 'web-live', port: 80, targetPort: 8080 },
  traffic: { kubernetes: {} },
  steps: [{ weight: 0, hold: '2s' }, { weight: 100, hold: '4s' }],
  analysis: { telemetry: 'Linkerd', interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99.5%' } }] },
  progressDeadline: '30s',
  retainStable: '4s',
}

describe.skipIf(missing)(`journeys without a mesh ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Linkerd' })
  })
  afterAll(() => stage?.stop())

  const adopted = async (t: TestContext): Promise<Scene> => {
    const scene = await stage.scene('bluegreen')
    await scene.deploy('web', 'web:v1', { service: false })
    await scene.rollout('web', spec)
    await scene.reach('web', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('web:v1') === true)
    await scene.known('web-live', 2)
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'web-live' }, 100)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    return scene
  }
  const service = async (scene: Scene) => (await scene.get(`/api/v1/namespaces/${scene.namespace}/services/web-live`))!

  test('a good revision is previewed, switched to at once and promoted; deleting the Rollout gives the Service back, without a failed request', async (t) => {
    const scene = await adopted(t)
    await scene.push('web', 'web:v2')
    await scene.reach('web', 'the preview', ({ phase, journey }) => phase === 'Holding' && journey?.weight.wanted === 0)
    const preview = stage.mesh.routing({ namespace: scene.namespace, host: 'web-live-canary' })
    expect('arms' in preview && preview.arms[0]!.pods).toHaveLength(1)
    expect(await stage.mesh.measure(scene.namespace, 'web:v2', 300)).toBe(0)
    await scene.reach('web', 'the switch', ({ phase, journey }) => phase === 'Holding' && journey?.weight.seen === 100)
    expect(await stage.mesh.measure(scene.namespace, 'web:v2', 300)).toBe(100)
    expect(await scene.outcome('web', 'web:v2')).toBe('Promoted')
    await scene.reach('web', 'idle', ({ phase, previous }) => phase === 'Idle' && previous !== undefined)
    const { clusterIP } = (await service(scene)).spec
    await scene.remove('sluice.dev/v1alpha1/rollouts', 'web')
    await until('the Service to be the user\'s again', async () => !('sluice.dev/revision' in (await service(scene)).spec.selector), { timeoutMs: 120_000 })
    await until('our revisions to be gone', async () => {
      const all = await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments`)
      return all!['items'].length === 1 && all!['items'][0].status.readyReplicas === 2
    }, { timeoutMs: 60_000 })
    expect((await service(scene)).spec).toMatchObject({ clusterIP, selector: { app: 'web' } })
    expect(await stage.mesh.measure(scene.namespace, 'web:v2', 500)).toBe(100)
    expect(stage.mesh.served(scene.namespace).reduce((sum, one) => sum + one.bad, 0)).toBe(0)
  }, 240_000)

  test('a revision that fails after the switch is taken back by one write, marked, and drained once the endpoints have followed', async (t) => {
    const scene = await adopted(t)
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'web:v2', { errorRate: 0.3 })
    await scene.push('web', 'web:v2')
    expect(await scene.outcome('web', 'web:v2')).toBe('RolledBack')
    await scene.reach('web', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'web:v2', 300)).toBe(0)
    const { metadata, spec: { selector } } = await service(scene)
    expect(metadata.annotations?.['sluice.dev/closed-to']).toMatch(/^web-.+@\d+$/)
    expect(selector['sluice.dev/revision']).toBe((await scene.status('web'))!.stable!.revision)
  }, 120_000)
})
