/** What breaks around a journey: the controller killed, put to sleep or doubled; Prometheus hanging or gone; Git and people writing in between. One at a time. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { startController } from '../support/controller.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'
import { sleep, until } from '../support/process.ts'

const missing = stageMissing()
const virtualServices = 'networking.istio.io/v1/virtualservices'
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

describe.skipIf(missing)(`faults around a journey ${missing ?? ''}`, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
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

  test('a leader that sleeps through a rollback of the next one moves no traffic when it wakes', async () => {
    const scene = await adopted({ steps: [{ weight: 10, hold: '60s' }, { weight: 100 }] })
    const second = await startController(stage.plane, { prometheusUrl: stage.prometheus.url, scrapeInterval: '500ms' })
    onTestFinished(() => second.stop())
    await scene.push('shop', 'shop:v2')
    await scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    stage.controller.pause()
    fails(scene, 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    const split = scene.watchSplit(virtualServices, 'shop')
    stage.controller.resume()
    await sleep(4_000)
    split.stop()
    expect(split.seen).toEqual([0])
    await second.kill()
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
    await scene.ask('shop', 'Resume')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
  })

  test('Git resets the route to the idle split in the middle: restored, and promoted', async () => {
    const scene = await adopted({ steps: [{ weight: 20, hold: '8s' }, { weight: 100, hold: '3s' }] })
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

  test('a person who lowers the weight by hand has given an order: held at what they said', async () => {
    const scene = await adopted({ steps: [{ weight: 50, hold: '60s' }, { weight: 100 }] })
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

  test('a status that was erased is rebuilt from the objects; nothing starts and nothing is lost', async () => {
    const scene = await adopted()
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    const idle = await scene.reach('shop', 'idle', ({ phase }) => phase === 'Idle')
    const path = `/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop/status`
    expect((await stage.plane.request('PATCH', path, [{ op: 'remove', path: '/status' }])).status).toBe(200)
    const rebuilt = await scene.reach('shop', 'rebuilt', (now) => now.phase === 'Idle' && now.sequence !== idle.sequence)
    expect(rebuilt.stable?.revision).toBe(idle.stable?.revision)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(100)
  })

  test.each(['idle', 'in the middle', 'after a rollback'])('a Rollout deleted %s leaves the proven revision serving', async (when) => {
    const scene = await adopted({ steps: [{ weight: 20, hold: when === 'in the middle' ? '60s' : '4s' }, { weight: 100, hold: '3s' }] })
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

  test('a quota that has no room for the canary costs nothing but the release', async () => {
    const scene = await adopted({ progressDeadline: '8s' })
    await scene.apply('v1/resourcequotas', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'full' }, spec: { hard: { pods: '2' } } })
    await until('the quota to be in force', async () => (await scene.get(`/api/v1/namespaces/${scene.namespace}/resourcequotas/full`))?.status?.hard)
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('RolledBack')
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
  })

  test('kubectl scale of the Rollout scales what serves', async () => {
    const scene = await adopted()
    const scaled = await stage.plane.kubectlAsync(['-n', scene.namespace, 'scale', 'rollouts.sluice.dev/shop', '--replicas=4'])
    expect(scaled).toMatchObject({ status: 0 })
    const revision = (await scene.status('shop'))?.stable?.revision
    await until('four pods', async () => (await scene.get(`${deployments(scene)}/${revision}`))?.status?.readyReplicas === 4)
  })
})
