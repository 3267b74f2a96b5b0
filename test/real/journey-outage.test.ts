/** Outages of the control plane itself, on one of our own: the API server asleep or restarted, the CRDs deleted, the controller gone. Traffic must not notice. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { applyCrds, startControlPlane, type OwnControlPlane } from '../support/control-plane.ts'
import { sleep, until } from '../support/process.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'shop' },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: [{ weight: 20, hold: '8s' }, { weight: 100, hold: '4s' }],
  analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
  progressDeadline: '60s',
  retainStable: '4s',
}

describe.skipIf(missing)(`outages of the control plane ${missing ?? ''}`, () => {
  let plane: OwnControlPlane
  let stage: Stage
  beforeAll(async () => {
    plane = await startControlPlane()
    await applyCrds(plane, (file) => /istio/.test(file))
    stage = await startStage(plane, { dataPlane: 'Istio' })
  })
  afterAll(async () => {
    await stage?.stop()
    await plane?.stop()
  })

  const adopted = async (): Promise<Scene> => {
    const scene = await stage.scene('outage')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('shop', spec)
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }

  test.each(['asleep', 'restarted'])('the API server %s in the middle of a journey: it goes on where it was', async (how) => {
    const scene = await adopted()
    const split = scene.watchSplit('networking.istio.io/v1/virtualservices', 'shop')
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    if (how === 'restarted') await plane.restart('kube-apiserver')
    else {
      plane.signal('kube-apiserver', 'SIGSTOP')
      await sleep(6_000)
      plane.signal('kube-apiserver', 'SIGCONT')
    }
    expect(await scene.outcome('shop', 'shop:v2', 180_000)).toBe('Promoted')
    split.stop()
    expect(split.seen.filter((share) => share > 0)).toEqual([20, 100])
  })

  test('without a controller what serves goes on serving, and a push exposes nobody', async () => {
    const scene = await adopted()
    await stage.controller.kill()
    try {
      await scene.push('shop', 'shop:v2')
      await sleep(3_000)
      expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
    } finally {
      await stage.controller.restart()
    }
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })

  test('deleting the CRDs takes the Rollouts and leaves the service serving', async () => {
    const scene = await adopted()
    await plane.request('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.sluice.dev')
    await until('the CRD to be gone', async () => (await scene.get('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.sluice.dev')) === undefined)
    await sleep(5_000)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
    await applyCrds(plane, () => false)
    await scene.rollout('shop', spec)
    const back = await scene.reach('shop', 'known again', ({ phase }) => phase === 'Idle')
    expect(back.stable?.images).toContain('shop:v1')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })
})
