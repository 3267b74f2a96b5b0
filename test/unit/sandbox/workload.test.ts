import { expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { behaviourAnnotation, readyAnnotation } from '../../../src/sandbox/behaviour.ts'
import { isReady } from '../../../src/sandbox/endpoints.ts'
import { deployment, stage } from './stage.ts'
import type { Stage } from './stage.ts'

const deploymentsId = 'deployments.apps'
const pods = ({ store }: Stage): KubeObject[] => store.list('pods', { namespace: 'shop' })
const status = ({ store }: Stage, name = 'web'): any => store.get(deploymentsId, 'shop', name)!.status
const condition = (object: any, type: string): any => object.conditions.find((item: { type: string }) => item.type === type)
const setImage = ({ store }: Stage, image: string): unknown =>
  store.update(deploymentsId, 'shop', 'web', (current) => ({
    ...current,
    spec: { ...current.spec, template: { ...current.spec.template, spec: { containers: [{ name: 'c', image }] } } },
  }))
const scale = ({ store }: Stage, replicas: number): unknown =>
  store.update(deploymentsId, 'shop', 'web', (current) => ({ ...current, spec: { ...current.spec, replicas } }))

test('pods start, get ready after their time, and are counted', async () => {
  const cluster = stage({ readyMs: 3000 })
  cluster.store.create(deploymentsId, deployment('web'))
  await cluster.clock.advance(500)
  expect(pods(cluster)).toHaveLength(3)
  expect(status(cluster)).toMatchObject({ observedGeneration: 1, replicas: 3, updatedReplicas: 3, unavailableReplicas: 3 })
  expect(status(cluster).readyReplicas).toBeUndefined()
  expect(condition(status(cluster), 'Available')).toMatchObject({ status: 'False' })
  await cluster.clock.advance(3000)
  expect(status(cluster)).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3 })
  expect(status(cluster).unavailableReplicas).toBeUndefined()
  expect(condition(status(cluster), 'Progressing')).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' })
})

test('minReadySeconds separates ready from available', async () => {
  const cluster = stage({ readyMs: 1000 })
  cluster.store.create(deploymentsId, deployment('web', { minReadySeconds: 10 }))
  await cluster.clock.advance(3000)
  expect([status(cluster).readyReplicas, status(cluster).availableReplicas]).toEqual([3, undefined])
  await cluster.clock.advance(12_000)
  expect(status(cluster).availableReplicas).toBe(3)
})

test.each([
  ['25%', '25%', 4],
  [1, 0, 4],
  [0, 1, 3],
  ['100%', 0, 8],
])(
  'a rolling update with maxSurge %s and maxUnavailable %s keeps enough available and makes no more pods than allowed',
  async (maxSurge, maxUnavailable, replicas) => {
    const cluster = stage({ readyMs: 2000 })
    cluster.store.create(deploymentsId, deployment('web', { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } }))
    await cluster.clock.advance(5000)
    const part = (value: number | string, round: (value: number) => number): number =>
      typeof value === 'number' ? value : round((replicas * Number.parseInt(value)) / 100)
    const [most, least] = [replicas + part(maxSurge, Math.ceil), replicas - part(maxUnavailable, Math.floor)]
    const seen: [number, number][] = []
    cluster.store.watch(
      'pods',
      {},
      {
        event: () => {
          const alive = pods(cluster).filter((pod) => !pod.metadata.deletionTimestamp)
          seen.push([alive.length, alive.filter(isReady).length])
        },
      },
    )
    setImage(cluster, 'web:2')
    await cluster.clock.advance(60_000)
    expect(pods(cluster).map((pod) => pod.spec.containers[0].image)).toEqual(Array(replicas).fill('web:2'))
    expect(Math.max(...seen.map(([alive]) => alive))).toBeLessThanOrEqual(most)
    expect(Math.min(...seen.map(([, ready]) => ready))).toBeGreaterThanOrEqual(least)
    expect(status(cluster)).toMatchObject({ observedGeneration: 2, updatedReplicas: replicas, availableReplicas: replicas, replicas })
    expect(cluster.store.get(deploymentsId, 'shop', 'web')!.metadata.annotations!['deployment.kubernetes.io/revision']).toBe('2')
  },
)

test('Recreate starts the new pods after the last old one has gone', async () => {
  const cluster = stage({ readyMs: 1000, stopMs: 2000 })
  cluster.store.create(deploymentsId, deployment('web', { strategy: { type: 'Recreate' } }))
  await cluster.clock.advance(3000)
  const images: string[] = []
  cluster.store.watch('pods', {}, { event: () => images.push(new Set(pods(cluster).map((pod) => pod.spec.containers[0].image)).size.toString()) })
  setImage(cluster, 'web:2')
  await cluster.clock.advance(20_000)
  expect(new Set(images)).toEqual(new Set(['0', '1']))
  expect(status(cluster).availableReplicas).toBe(3)
})

test('a revision that never gets ready stops the update and exceeds its deadline; the old pods stay', async () => {
  const cluster = stage({ readyMs: 1000 })
  cluster.store.create(deploymentsId, deployment('web', { progressDeadlineSeconds: 60 }))
  await cluster.clock.advance(3000)
  setImage(cluster, 'web:2-never-ready')
  await cluster.clock.advance(50_000)
  expect(condition(status(cluster), 'Progressing')).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' })
  await cluster.clock.advance(30_000)
  expect(condition(status(cluster), 'Progressing')).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' })
  expect(status(cluster).availableReplicas).toBe(3)
  expect(pods(cluster).filter((pod) => pod.spec.containers[0].image === 'web:1')).toHaveLength(3)
})

test('scaling to zero and back; unready pods go first', async () => {
  const cluster = stage({ readyMs: 1000, stopMs: 1000 })
  cluster.store.create(deploymentsId, deployment('web'))
  await cluster.clock.advance(3000)
  const [sick] = pods(cluster)
  cluster.store.update('pods', 'shop', sick!.metadata.name, (pod) => ({ ...pod, metadata: { ...pod.metadata, annotations: { [readyAnnotation]: 'false' } } }))
  await cluster.clock.advance(500)
  expect(status(cluster).readyReplicas).toBe(2)
  scale(cluster, 2)
  await cluster.clock.advance(5000)
  expect(pods(cluster).map((pod) => pod.metadata.name)).not.toContain(sick!.metadata.name)
  scale(cluster, 0)
  await cluster.clock.advance(5000)
  expect(pods(cluster)).toEqual([])
  expect(status(cluster)).toMatchObject({ observedGeneration: 3 })
  expect(status(cluster).replicas).toBeUndefined()
  scale(cluster, 1)
  await cluster.clock.advance(5000)
  expect(status(cluster).availableReplicas).toBe(1)
})

test.each([
  ['crash', 'Running', 'CrashLoopBackOff'],
  ['image-pull-error', 'Pending', 'ImagePullBackOff'],
  ['config-error', 'Pending', 'CreateContainerConfigError'],
])('behaviour %s shows in the pod as %s, %s', async (name, phase, reason) => {
  const cluster = stage()
  cluster.store.create(deploymentsId, deployment('web', { replicas: 1 }, { annotations: { [behaviourAnnotation]: name } }))
  await cluster.clock.advance(5000)
  const [pod] = pods(cluster)
  expect(pod!.status.phase).toBe(phase)
  expect(pod!.status.containerStatuses[0]).toMatchObject({ ready: false, state: { waiting: { reason } } })
  expect(cluster.store.list('events', { fieldSelector: 'type=Warning' }).length).toBeGreaterThan(0)
})

test('unschedulable and misspelt behaviours keep pods pending and say why', async () => {
  const cluster = stage()
  cluster.store.create(deploymentsId, deployment('web', { replicas: 1 }, { annotations: { [behaviourAnnotation]: 'unschedulable' } }))
  cluster.store.create(deploymentsId, deployment('typo', { replicas: 1 }, { annotations: { [behaviourAnnotation]: 'carsh' } }))
  await cluster.clock.advance(60_000)
  const scheduled = pods(cluster).map((pod) => [pod.spec.nodeName, condition(pod.status, 'PodScheduled').reason])
  expect(scheduled).toEqual([
    [undefined, 'UnknownBehaviour'],
    [undefined, 'Unschedulable'],
  ])
  expect(condition(pods(cluster)[0]!.status, 'PodScheduled').message).toContain('"carsh" is none of normal, slow, crash')
})

test('a pod that crashes later was ready before, comes back after the back-off, and counts its restarts', async () => {
  const cluster = stage({ readyMs: 2000 })
  cluster.workloads.setBehaviour(() => ({ crashMs: 30_000 }))
  cluster.store.create(deploymentsId, deployment('web', { replicas: 1 }))
  await cluster.clock.advance(10_000)
  expect(isReady(pods(cluster)[0]!)).toBe(true)
  await cluster.clock.advance(22_000)
  expect(isReady(pods(cluster)[0]!)).toBe(false)
  await cluster.clock.advance(15_000)
  expect(isReady(pods(cluster)[0]!)).toBe(true)
  expect(pods(cluster)[0]!.status.containerStatuses[0].restartCount).toBe(1)
})

test('a deleted pod is replaced at once and vanishes after its grace period', async () => {
  const cluster = stage({ readyMs: 1000, stopMs: 5000 })
  cluster.store.create(deploymentsId, deployment('web', { replicas: 1 }))
  await cluster.clock.advance(3000)
  const [old] = pods(cluster)
  cluster.store.delete('pods', 'shop', old!.metadata.name)
  await cluster.clock.advance(1000)
  expect(pods(cluster)).toHaveLength(2)
  expect(cluster.store.get('pods', 'shop', old!.metadata.name)!.metadata.deletionTimestamp).toBeTruthy()
  await cluster.clock.advance(5000)
  expect(pods(cluster).map((pod) => pod.metadata.name)).not.toContain(old!.metadata.name)
})

test('deleting a Deployment collects its pods; orphaning keeps them', async () => {
  const cluster = stage()
  cluster.store.create(deploymentsId, deployment('web'))
  cluster.store.create(deploymentsId, deployment('kept'))
  await cluster.clock.advance(5000)
  cluster.store.delete(deploymentsId, 'shop', 'web')
  cluster.store.delete(deploymentsId, 'shop', 'kept', { propagationPolicy: 'Orphan' })
  await cluster.clock.advance(10_000)
  expect(pods(cluster).map((pod) => pod.metadata.labels!.app)).toEqual(['kept', 'kept', 'kept'])
  expect(cluster.store.get(deploymentsId, 'shop', 'kept')).toBeUndefined()
})

test('a paused Deployment keeps its pods at a template change, and still scales', async () => {
  const cluster = stage()
  cluster.store.create(deploymentsId, deployment('web', { paused: true }))
  await cluster.clock.advance(5000)
  setImage(cluster, 'web:2')
  scale(cluster, 4)
  await cluster.clock.advance(10_000)
  expect(pods(cluster).map((pod) => pod.spec.containers[0].image)).toEqual(Array(4).fill('web:1'))
})
