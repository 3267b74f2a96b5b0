/** What breaks around a journey: the controller killed, put to sleep or doubled; Prometheus hanging or gone. One at a time. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { startController } from '../support/controller.ts'
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
  analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
  progressDeadline: '30s',
  retainStable: '4s',
  ...change,
})

describe.skipIf(missing)(`faults around a journey ${missing ?? ''}`, () => {
  let stage: Stage
  beforeAll(async () => {
    // Without a lease a new process goes on at once.
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio', flags: ['--no-leader-elect'] })
  })
  afterAll(() => stage?.stop())

  const adopted = async (change: Partial<RolloutSpec> = {}): Promise<Scene> => {
    const scene = await stage.scene('faults')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('shop', spec(change))
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }
  const fails = (scene: Scene, image: string) => stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === image, { errorRate: 0.5 })

  test('killed five times in a journey, the controller continues: no step skipped, none repeated', async () => {
    const scene = await adopted()
    const split = scene.watchSplit(virtualServices, 'shop')
    await scene.push('shop', 'shop:v2')
    for (let kills = 0; kills < 5; kills++) {
      await sleep(2_000 + kills * 333)
      await stage.controller.kill()
      await stage.controller.restart()
    }
    expect(await scene.outcome('shop', 'shop:v2', 240_000)).toBe('Promoted')
    await scene.reach('shop', 'idle', ({ phase }) => phase === 'Idle')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([10, 50, 100])
    expect((await scene.status('shop'))?.history).toHaveLength(1)
  })

  test('away for longer than progressDeadline the controller blames nobody for the time it did not look', async () => {
    const scene = await adopted({ progressDeadline: '5s' })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'shifting', ({ phase }) => phase === 'Shifting' || phase === 'Holding')
    await stage.controller.kill()
    await sleep(8_000)
    await stage.controller.restart()
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })

  test('a leader that sleeps through a rollback of the next one moves no traffic when it wakes', async () => {
    await stage.controller.kill()
    const options = { prometheusUrl: stage.prometheus.url, scrapeInterval: '500ms' }
    const first = await startController(stage.plane, options)
    const second = await startController(stage.plane, options)
    onTestFinished(async () => {
      await first.stop()
      await second.stop()
      await stage.controller.restart()
    })
    const scene = await adopted({ steps: [{ weight: 10, hold: '90s' }, { weight: 100 }] })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    const [leader, standby] = first.logs().some(({ message }) => message === 'leading') ? [first, second] : [second, first]
    leader.pause()
    fails(scene, 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const split = scene.watchSplit(virtualServices, 'shop')
    leader.resume()
    await sleep(4_000)
    split.stop()
    expect(split.seen).toEqual([0])
    await scene.rollout('shop', spec())
    await standby.kill()
    await scene.push('shop', 'shop:v3')
    expect(await scene.outcome('shop', 'shop:v3')).toBe('Promoted')
  })

  test('a Prometheus that hangs neither raises nor takes back; the journey goes on when it answers', async () => {
    const scene = await adopted()
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    stage.prometheus.pause()
    onTestFinished(() => stage.prometheus.resume())
    await scene.reach('shop', 'an answer that says so', (now) => now.checks.some(({ verdict }) => verdict === 'Error'))
    const index = (await scene.status('shop'))?.journey?.step.index
    await sleep(5_000)
    const now = await scene.status('shop')
    expect(now?.journey?.step.index).toBe(index)
    expect(now?.journey?.ended).toBeUndefined()
    stage.prometheus.resume()
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })

  test('without a source for longer than its patience the journey is held, and a person resumes it', async () => {
    const scene = await adopted({ analysis: { interval: '1s', minRequests: 20, sourceError: { action: 'Hold', deadline: '3s' }, checks: [{ name: 'success', successRate: { min: '99%' } }] } })
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await stage.prometheus.kill()
    try {
      await scene.reach('shop', 'held', ({ phase }) => phase === 'Held')
    } finally {
      await stage.prometheus.restart()
    }
    // Resumed before the source answers again, it would be held again after its patience of three seconds.
    await scene.reach('shop', 'an answer', ({ checks }) => checks.every(({ verdict }) => verdict !== 'Error'))
    await scene.ask('shop', 'Resume')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })
})
