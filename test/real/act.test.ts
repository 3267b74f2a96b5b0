/** observe and act against a real API server: its defaults, its /scale, its patches, its endpoints. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { act, type ActResult } from '../../src/controller/act.ts'
import { startCaches, type Caches } from '../../src/controller/caches.ts'
import { observe, type Observation } from '../../src/controller/observe.ts'
import type { Sightings } from '../../src/controller/observe/sightings.ts'
import type { KubeApi } from '../../src/kube/api.ts'
import { kubeClient } from '../../src/kube/client.ts'
import { loadConnection, type Connection } from '../../src/kube/connection.ts'
import { dropOwnership } from '../../src/kube/ownership.ts'
import type { Action } from '../../src/rollout/actions.ts'
import { systemClock } from '../../src/telemetry/clock.ts'
import { controlPlaneMissing, crdsMissing, makeNamespace, type ControlPlane } from '../support/control-plane.ts'
import { startKubelet, type Kubelet } from '../support/kubelet.ts'
import { until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'

const missing = controlPlaneMissing() ?? crdsMissing()
const settings = { propagationDelayMs: 10_000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local', identity: 'a' }
const quiet: any = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined }
const manifests = (image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, annotations: {org.opencontainers.image.revision: abc123}}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart, team: web}}
    spec: {containers: [{name: main, image: "${image}", ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart}
spec: {host: cart, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}}
`
const rollout = `
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: cart}
spec:
  workloadRef: {kind: Deployment, name: cart}
  service: {port: 80, targetPort: 8080}
  traffic: {istio: {managed: {}}}
  steps: [{weight: 5}, {weight: 100}]
`

describe.skipIf(missing)(`observe and act ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let connection: Connection
  let api: KubeApi
  let caches: Caches
  let kubelet: Kubelet
  let namespace: string
  const memory: Sightings = new Map()
  const route = () => `VirtualService/${namespace}/cart`
  const look = () => {
    const observation: Observation = observe(caches, `${namespace}/cart`, settings, memory, Date.now())
    return observation.state === 'Seen' ? observation : undefined
  }
  const seen = () => look()!.seen
  const run = async (action: Action, raw = look()!.raw): Promise<ActResult> =>
    await act(api, raw, action, { now: Date.now(), applied: (kind, object) => caches.apply(kind, object), removed: () => undefined, disown: async (resource, object) => void (await dropOwnership(api, resource, object)) })
  const apply = async (manifest: string) => expect((await plane.kubectlAsync(['-n', namespace, 'apply', '-f', '-'], manifest)).stderr).toBe('')

  beforeAll(async () => {
    plane = sharedControlPlane()!
    const loaded = await loadConnection({ kubeconfig: plane.kubeconfig })
    if (!loaded.ok) throw new Error(loaded.message)
    connection = loaded.value
    api = kubeClient(connection)
    namespace = await makeNamespace(plane, 'act')
    kubelet = await startKubelet(plane, { namespaces: [namespace], graceMs: 300 })
    caches = startCaches({ api, clock: systemClock, log: quiet, random: Math.random, namespace, changed: () => undefined, stateChanged: () => undefined })
    await apply(manifests('cart:1'))
    await apply(rollout)
    await until('complete caches', async () => look()?.seen.workload.state === 'Present')
  })
  afterAll(async () => {
    await caches?.stop()
    await kubelet?.stop()
    await plane?.request('DELETE', `/api/v1/namespaces/${namespace}`)
    await connection?.close()
    await plane?.stop()
  })
  const revision = () => {
    const { workload } = seen()
    return workload.state === 'Present' ? workload.templateRevision : ''
  }

  test('a count is written where spec.replicas was absent, and /scale answers from then on', async () => {
    expect((await plane.request('GET', `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rollouts/cart/scale`)).status).toBe(500)
    expect(await run({ type: 'WriteReplicas', replicas: 2 })).toEqual({ ok: true, wrote: true })
    expect((await plane.request('GET', `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rollouts/cart/scale`)).body.spec).toEqual({ replicas: 2 })
    await until('the count in the cache', async () => look()!.plan.replicas === 2)
    expect(await run({ type: 'WriteReplicas', replicas: 2 })).toEqual({ ok: true, wrote: false })
  })

  test('a revision is the template with the same defaults, gets ready, and shows behind its doors', async () => {
    const name = revision()
    expect(await run({ type: 'CreateRevision', revision: name, replicas: 2 })).toEqual({ ok: true, wrote: true })
    expect(seen()).toMatchObject({ workload: { templateRevision: name, commit: 'abc123' }, revisions: [{ name, replicas: 2, commit: 'abc123' }] })
    for (const door of ['stable', 'canary', 'own'] as const) expect(await run({ type: 'TurnDoor', door, to: name })).toMatchObject({ ok: true })
    for (const { key } of seen().upkeep) expect(await run({ type: 'Upkeep', key })).toMatchObject({ ok: true })
    const all = await until('endpoints of the doors', async () => {
      const { doors, revisions } = seen()
      return doors.stable.ready === 2 && doors.own.ready === 2 && revisions[0]!.complete && seen()
    })
    expect(all).toMatchObject({ upkeep: [], blockers: [], remarks: [], doors: { stable: { leadsTo: name, others: 0 }, own: { state: 'Present', others: 0 } }, revisions: [{ ready: 2 }] })
    expect(all.since['door/stable']).toBeLessThanOrEqual(Date.now())
  })

  test('the template goes to zero through /scale and comes back; a stale look does neither', async () => {
    const { raw } = look()!
    expect(await run({ type: 'ScaleWorkload', replicas: 0 })).toMatchObject({ ok: true, wrote: true })
    expect(seen().workload).toMatchObject({ replicas: 0 })
    expect(await run({ type: 'ScaleWorkload', replicas: 0 }, raw)).toMatchObject({ ok: false, reason: 'TestFailed' })
    // The Deployment controller writes its status meanwhile; the next look sees that.
    const back = await until('one pod again', async () => {
      const result = await run({ type: 'ScaleWorkload', replicas: 1 })
      return result.ok && result
    })
    expect(back.wrote).toBe(true)
    await back.afterwards?.()
    await until('the count without an owner', async () => seen().workload.state === 'Present' && !('replicasWriter' in seen().workload))
    await until('zero again', async () => (await run({ type: 'ScaleWorkload', replicas: 0 })).ok)
  })

  test('the split is created, raised and lowered, and stays in step', async () => {
    expect(await run({ type: 'CreateRoute', route: route(), canaryDoor: 0 })).toEqual({ ok: true, wrote: true })
    expect(seen()).toMatchObject({ routes: [{ state: 'Present', canaryDoor: 0 }], upkeep: [], blockers: [] })
    const stale = look()!.raw
    expect(await run({ type: 'SetSplit', route: route(), canaryDoor: 5, reopen: true, restore: false })).toMatchObject({ ok: true, wrote: true })
    expect(await run({ type: 'SetSplit', route: route(), canaryDoor: 5, reopen: true, restore: false }, stale)).toMatchObject({ ok: false, reason: 'TestFailed' })
    // From the stale look: the lowering reads again by itself.
    expect(await run({ type: 'Lower', route: route(), canaryDoor: 0, closedTo: { revision: 'cart-x', sequence: Date.now() }, redirect: false }, look()!.raw)).toMatchObject({ ok: true, wrote: true })
    expect(seen().routes[0]).toMatchObject({ canaryDoor: 0, closedTo: { revision: 'cart-x' } })
    expect(seen().upkeep).toEqual([])
  })

  test('a crashing canary is told by its pods, and only what is exactly as seen is scaled down or deleted', async () => {
    const first = revision()
    await apply(manifests('cart:2-crash'))
    await until('the new template', async () => revision() !== first)
    const name = revision()
    expect(await run({ type: 'CreateRevision', revision: name, replicas: 1 })).toMatchObject({ ok: true })
    const trouble = await until('a crash', async () => seen().revisions.find((one) => one.name === name)?.trouble)
    expect(trouble).toMatchObject({ crash: true, message: expect.stringContaining(name) })
    expect(seen().revisions.map((one) => one.name)).toEqual([name, first])
    await until('the canary at zero', async () => (await run({ type: 'Scale', revision: name, replicas: 0 })).ok)
    await until('the canary deleted', async () => (await run({ type: 'DeleteRevision', revision: name })).ok)
    await until('the canary gone', async () => seen().revisions.length === 1)
  })

  test('a Deployment re-created under another uid is the owner again, without a new revision', async () => {
    await apply(manifests('cart:1'))
    const name = seen().revisions[0]!.name
    await plane.kubectlAsync(['-n', namespace, 'delete', 'deployment', 'cart', '--cascade=orphan'])
    await apply(manifests('cart:1'))
    await until('things to re-own', async () => seen().workload.state === 'Present' && seen().upkeep.some(({ what }) => what === 'Revision'))
    expect(revision()).toBe(name)
    await until('everything owned', async () => {
      for (const { key } of seen().upkeep) await run({ type: 'Upkeep', key })
      return seen().upkeep.length === 0
    })
    const { body } = await plane.request('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
    const user = await plane.request('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/cart`)
    expect(body.metadata.ownerReferences).toEqual([{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart', uid: user.body.metadata.uid }])
  })

  test('requests are answered in their status, the finalizer comes and goes', async () => {
    const made = await plane.request('POST', `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rolloutrequests`, { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'stop' }, spec: { rolloutName: 'cart', action: 'Abort' } })
    expect(made.status).toBe(201)
    const { uid } = made.body.metadata
    await until('the request', async () => seen().requests.length === 1)
    expect(await run({ type: 'AnswerRequest', name: 'stop', uid, state: 'Accepted', message: 'closing' })).toEqual({ ok: true, wrote: true })
    expect(seen().requests[0]).toMatchObject({ uid, answeredAt: expect.any(Number) })
    expect(await run({ type: 'DeleteRequest', name: 'stop', uid })).toEqual({ ok: true, wrote: true })
    for (const present of [true, false]) {
      expect(await run({ type: 'SetFinalizer', present })).toEqual({ ok: true, wrote: true })
      expect(seen().rollout.hasFinalizer).toBe(present)
    }
  })
})
