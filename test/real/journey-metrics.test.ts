/** Journeys judged by what the application itself counts, and by a query of one's own. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'shop' },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: [{ weight: 10, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: {
    telemetry: 'Application', interval: '1s', minRequests: 20,
    checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'average', prometheus: { templateRef: { name: 'duration' }, args: { path: '/' }, max: '0.3' } }],
  },
  progressDeadline: '30s',
  retainStable: '4s',
}
const matchers = '{namespace="{{namespace}}",pod=~"{{pods}}",path="{{args.path}}"}[{{window}}]'
const template = {
  apiVersion: 'sluice.dev/v1alpha1', kind: 'MetricTemplate', metadata: { name: 'duration' },
  spec: { query: `sum(rate(http_request_duration_seconds_sum${matchers})) / sum(rate(http_request_duration_seconds_count${matchers}))`, unit: 's' },
}
const templates = 'sluice.dev/v1alpha1/metrictemplates'

describe.skipIf(missing)(`journeys by metrics of one's own ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio', flags: ['--allow-templates', '*'] })
  })
  afterAll(() => stage?.stop())

  const adopted = async (t: TestContext): Promise<Scene> => {
    const scene = await stage.scene('metrics')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('shop', spec)
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }
  const behave = (scene: Scene, behaviour: Parameters<Stage['mesh']['behave']>[1]) => stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === 'shop:v2', behaviour)

  test('a version waits for its template, and is then promoted by both', async (t) => {
    const scene = await adopted(t)
    await scene.push('shop', 'shop:v2')
    const waiting = await scene.reach('shop', 'waiting', ({ phase }) => phase === 'Waiting')
    expect(waiting.message).toContain('there is no MetricTemplate')
    expect(waiting.conditions.find(({ type }) => type === 'Stalled')).toMatchObject({ status: 'True', reason: 'TemplateMissing' })
    await scene.apply(templates, template)
    const measured = await scene.reach('shop', 'measured', ({ checks }) => checks.length === 2 && checks.every(({ verdict }) => verdict === 'Pass'))
    expect(measured.checks[0]).toMatchObject({ name: 'success', value: '100.00%' })
    expect(measured.checks[1]).toMatchObject({ name: 'average', value: expect.stringMatching(/^0\.0\d+s$/), bound: '0.3s' })
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })
  test.for([
    ['is slow is taken back by the query', { latencyMs: 800 }, /average 0\.\d+s misses 0\.3s: the query answered/],
    ['fails is taken back by what the application counts', { errorRate: 0.4 }, /success \d+\.\d+% misses 99%/],
  ] as const)('a version that %s', async ([, behaviour, said], t) => {
    const scene = await adopted(t)
    await scene.apply(templates, template)
    behave(scene, behaviour)
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const { failed } = await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(failed[0]).toMatchObject({ reason: 'CheckFailed', message: expect.stringMatching(said) })
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(0)
  })
})
