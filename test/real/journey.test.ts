/** Journeys of a managed Istio route, on a real API server with a real Prometheus: what users see, and that no request ever finds no pod. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'
import { sleep } from '../support/process.ts'

const missing = stageMissing()
const virtualServices = 'networking.istio.io/v1/virtualservices'

const spec = (change: Partial<RolloutSpec> = {}): RolloutSpec => ({
  workloadRef: { kind: 'Deployment', name: 'shop' },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: [{ weight: 10, hold: '4s' }, { weight: 50, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: {
    interval: '1s', minRequests: 20,
    checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'p99', latency: { percentile: 99, max: '500ms' } }],
  },
  progressDeadline: '30s',
  retainStable: '4s',
  ...change,
})

describe.skipIf(missing)(`journeys of a managed Istio route ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
  })
  afterAll(() => stage?.stop())

  /** `shop:v1` adopted, under traffic from before the first touch until the end of the test, when no request may have found no pod. */
  const adopted = async (t: TestContext, change: Partial<RolloutSpec> = {}, perSecond = 100): Promise<Scene> => {
    const scene = await stage.scene('journey')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, perSecond)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('shop', spec(change))
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }
  const answers = (scene: Scene, image: string, behaviour: Parameters<Stage['mesh']['behave']>[1]) =>
    stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === image, behaviour)
  const tally = (scene: Scene, image: string) =>
    stage.mesh.served(scene.namespace).filter((one) => one.image === image).reduce((sum, one) => ({ total: sum.total + one.total, bad: sum.bad + one.bad }), { total: 0, bad: 0 })

  test('a good revision is promoted step by step, from adoption to the end without a failed request', async (t) => {
    const scene = await adopted(t)
    const deployment = await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments/shop`)
    expect(deployment?.spec.replicas).toBe(0)
    const split = scene.watchSplit(virtualServices, 'shop')
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    await scene.reach('shop', 'idle', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v2') === true)
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect(split.seen.at(-1)).toBe(0)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(100)
    expect(tally(scene, 'shop:v1').bad + tally(scene, 'shop:v2').bad).toBe(0)
  })

  test('a revision that fails is taken back at its first step, and the next good one is promoted', async (t) => {
    const scene = await adopted(t)
    answers(scene, 'shop:v2', { errorRate: 0.5 })
    const split = scene.watchSplit(virtualServices, 'shop')
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const now = await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    expect(Math.max(...split.seen)).toBe(10)
    expect(split.seen.at(-1)).toBe(0)
    expect(now.failed).toMatchObject([{ revision: now.history.at(-1)?.revision }])
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(0)
    await scene.push('shop', 'shop:v3')
    expect(await scene.outcome('shop', 'shop:v3')).toBe('Promoted')
    split.stop()
  })

  test('a slow revision is taken back', async (t) => {
    const scene = await adopted(t)
    answers(scene, 'shop:v2', { latencyMs: 900 })
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    expect((await scene.status('shop'))?.failed[0]?.message).toContain('p99')
  })

  test('a revision that nobody can reach is failing, not missing', async (t) => {
    const scene = await adopted(t)
    answers(scene, 'shop:v2', { unreachable: true })
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
  })

  test.for(['never-ready', 'crash', 'image-pull', 'pending'])('a revision that is %s gets no request, and is given up', async (how, t) => {
    const scene = await adopted(t, { progressDeadline: '6s' })
    const image = `shop:v2-${how}`
    await scene.push('shop', image)
    expect(await scene.outcome('shop', image)).toBe('RolledBack')
    expect(tally(scene, image).total).toBe(0)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })

  test('a newer revision in the middle takes the place of the one that is tried', async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: '60s' }, { weight: 100, hold: '3s' }] })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await scene.rollout('shop', spec())
    await scene.push('shop', 'shop:v3')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Superseded')
    expect(await scene.outcome('shop', 'shop:v3')).toBe('Promoted')
  })

  test("back to stable's template in the middle withdraws the revision", async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: '60s' }, { weight: 100 }] })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await scene.push('shop', 'shop:v1')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Withdrawn')
    await scene.reach('shop', 'idle', ({ phase }) => phase === 'Idle')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })

  test('people abort, retry and approve', async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: '4s', approval: 'After' }, { weight: 100, hold: '4s' }] })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'awaiting approval', ({ phase }) => phase === 'AwaitingApproval')
    await scene.ask('shop', 'Abort')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    await scene.ask('shop', 'Retry')
    await scene.reach('shop', 'awaiting approval again', ({ phase }) => phase === 'AwaitingApproval')
    await scene.ask('shop', 'Approve', { step: 0 })
    await scene.reach('shop', 'promoted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v2') === true)
  })

  test('a pause keeps the weight, and rollback goes on in it', async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: '3s' }, { weight: 100, hold: '3s' }] })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await scene.ask('shop', 'Pause')
    await scene.reach('shop', 'paused', (now) => now.paused !== undefined)
    await sleep(5_000)
    expect((await scene.status('shop'))?.journey?.step.index).toBe(0)
    answers(scene, 'shop:v2', { errorRate: 1 })
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
  })

  test('after a promotion the way back is short', async (t) => {
    const scene = await adopted(t, { retainStable: '60s' })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'promoted and warm', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v2') === true && now.previous !== undefined)
    const now = await scene.status('shop')
    await scene.ask('shop', 'Rollback', { revision: now?.stable?.revision })
    await scene.reach('shop', 'back on v1', (later) => later.stable?.images?.includes('shop:v1') === true && (later.phase === 'RolledBack' || later.phase === 'Idle'))
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })
})
