/** What others do around a journey: Git resets, people edit, quotas refuse, Rollouts are deleted, statuses are lost. */
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'
import { sleep, until } from '../support/process.ts'

const missing = stageMissing()
const deployments = (scene: Scene) => `/apis/apps/v1/namespaces/${scene.namespace}/deployments`

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

describe.skipIf(missing)(`interference with a journey ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
  })
  afterAll(() => stage?.stop())

  const adopted = async (t: TestContext, change: Partial<RolloutSpec> = {}): Promise<Scene> => {
    const scene = await stage.scene('interference')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    await scene.rollout('shop', spec(change))
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }
  const fails = (scene: Scene, image: string) => stage.mesh.behave((pod) => pod.namespace === scene.namespace && pod.image === image, { errorRate: 0.5 })

  test('Git resets the route to the idle split in the middle: restored, and promoted', async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: '8s' }, { weight: 100, hold: '3s' }] })
    const path = `/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/shop`
    const idle = (await scene.get(path))!
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    const yaml = JSON.stringify({ apiVersion: idle.apiVersion, kind: idle.kind, metadata: { name: 'shop' }, spec: idle.spec })
    const applied = await stage.plane.request('PATCH', `${path}?fieldManager=argocd-controller&force=true`, yaml)
    expect(applied.status).toBe(200)
    await until('the weight of the step again', async () => (await scene.get(path))?.spec.http[0].route[1].weight === 20)
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })

  test('a person who lowers the weight by hand has given an order: held at what they said', async (t) => {
    const scene = await adopted(t, { steps: [{ weight: 50, hold: '60s' }, { weight: 100 }] })
    const path = `/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/shop`
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await stage.plane.request('PATCH', `${path}?fieldManager=kubectl-edit`, [
      { op: 'replace', path: '/spec/http/0/route/0/weight', value: 100 },
      { op: 'replace', path: '/spec/http/0/route/1/weight', value: 0 },
    ])
    await scene.reach('shop', 'held', ({ phase }) => phase === 'Held')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(0)
  })

  test('a status that was erased is rebuilt from the objects; nothing starts and nothing is lost', async (t) => {
    const scene = await adopted(t)
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    const idle = await scene.reach('shop', 'idle', ({ phase }) => phase === 'Idle')
    const path = `/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop/status`
    expect((await stage.plane.request('PATCH', path, [{ op: 'remove', path: '/status' }])).status).toBe(200)
    const rebuilt = await scene.reach('shop', 'rebuilt', (now) => now.phase === 'Idle' && now.sequence !== idle.sequence)
    expect(rebuilt.stable?.revision).toBe(idle.stable?.revision)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(100)
  })

  test.for(['idle', 'in the middle', 'after a rollback'])('a Rollout deleted %s leaves the proven revision serving', async (when, t) => {
    const scene = await adopted(t, { steps: [{ weight: 20, hold: when === 'in the middle' ? '60s' : '4s' }, { weight: 100, hold: '3s' }] })
    if (when === 'after a rollback') fails(scene, 'shop:v2')
    if (when !== 'idle') await scene.push('shop', 'shop:v2')
    if (when === 'in the middle') await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    if (when === 'after a rollback') await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    await scene.remove('sluice.dev/v1alpha1/rollouts', 'shop')
    const gone = async () => (await scene.get(`/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop`)) === undefined
    await until('the Rollout to be gone', gone, { timeoutMs: 120_000 })
    const routeGone = async () => (await scene.get(`/apis/networking.istio.io/v1/namespaces/${scene.namespace}/virtualservices/shop`)) === undefined
    // A template that is not the proven revision is never put into production, so then revision, doors and route stay.
    if (when === 'idle') {
      await until('our route to be gone', routeGone, { timeoutMs: 150_000 })
      await until("the user's Deployment to serve", async () => (await scene.get(`${deployments(scene)}/shop`))?.status?.readyReplicas === 2)
    } else {
      await sleep(2_000)
    }
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1', 2_000)).toBe(100)
  })

  test('a quota that has no room for the canary costs nothing but the release', async (t) => {
    const scene = await adopted(t, { progressDeadline: '8s' })
    await scene.apply('v1/resourcequotas', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'full' }, spec: { hard: { pods: '2' } } })
    await until('the quota to be in force', async () => (await scene.get(`/api/v1/namespaces/${scene.namespace}/resourcequotas/full`))?.status?.hard)
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })

  test('kubectl scale of the Rollout scales what serves', async (t) => {
    const scene = await adopted(t)
    const scaled = await stage.plane.kubectlAsync(['-n', scene.namespace, 'scale', 'rollouts.sluice.dev/shop', '--replicas=4'])
    expect(scaled).toMatchObject({ status: 0 })
    const revision = (await scene.status('shop'))?.stable?.revision
    await until('four pods', async () => (await scene.get(`${deployments(scene)}/${revision}`))?.status?.readyReplicas === 4)
  })
})
