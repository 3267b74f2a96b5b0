/** src/kube against a real API server. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { KubeApi } from '../../src/kube/api.ts'
import { startCache, type Change } from '../../src/kube/cache.ts'
import { kubeClient } from '../../src/kube/client.ts'
import { loadConnection, type Connection } from '../../src/kube/connection.ts'
import { eventRecorder, eventResource } from '../../src/kube/events.ts'
import { startLease } from '../../src/kube/lease.ts'
import { dropOwnership } from '../../src/kube/ownership.ts'
import { lastWriter } from '../../src/kube/writers.ts'
import { systemClock } from '../../src/telemetry/clock.ts'
import type { KubeObject, Resource } from '../../src/rollout/objects.ts'
import { controlPlaneMissing, kubeconfigFor, makeNamespace, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { until } from '../support/process.ts'

const missing = controlPlaneMissing()
const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }
const deployments: Resource = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }
const configMap = (namespace: string, name: string, data: Record<string, string> = {}): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data })

describe.skipIf(missing)(`Kubernetes I/O ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let connection: Connection
  let api: KubeApi
  let namespace: string
  beforeAll(async () => {
    plane = sharedControlPlane()!
    connection = await open(plane.kubeconfig)
    api = kubeClient(connection)
    namespace = await makeNamespace(plane, 'kube')
  })
  afterAll(async () => {
    await plane?.request('DELETE', `/api/v1/namespaces/${namespace}`)
    await connection?.close()
    await plane?.stop()
  })

  test('create, get, patch, replace, delete, and their refusals', async () => {
    const made = await api.create(configMaps, configMap(namespace, 'a', { weight: '5' }))
    expect(made).toMatchObject({ ok: true, value: { kind: 'ConfigMap', metadata: { managedFields: [{ manager: 'sluice' }] } }, serverTime: expect.any(Number) })
    expect(await api.create(configMaps, configMap(namespace, 'a'))).toMatchObject({ ok: false, reason: 'AlreadyExists' })
    expect(await api.patch(configMaps, namespace, 'a', [{ op: 'test', path: '/data/weight', value: '6' }])).toMatchObject({ ok: false, reason: 'TestFailed', status: 422 })
    expect(await api.patch(configMaps, namespace, 'a', [{ op: 'remove', path: '/data/absent' }])).toMatchObject({ ok: false, reason: 'TestFailed' })
    expect(await api.patch(configMaps, namespace, 'a', [{ op: 'test', path: '/data/weight', value: '5' }, { op: 'replace', path: '/data/weight', value: '25' }])).toMatchObject({ value: { data: { weight: '25' } } })
    expect(await api.patch(configMaps, namespace, 'a', { data: { more: 'x' } })).toMatchObject({ value: { data: { weight: '25', more: 'x' } } })
    if (!made.ok) return
    expect(await api.replace(configMaps, made.value)).toMatchObject({ ok: false, reason: 'Conflict' })
    expect(await api.delete(configMaps, namespace, 'a', { uid: 'another' })).toMatchObject({ ok: false, reason: 'Conflict' })
    expect(await api.delete(configMaps, namespace, 'a', { uid: made.value.metadata.uid ?? '' })).toMatchObject({ ok: true })
    expect(await api.get(configMaps, namespace, 'a')).toMatchObject({ ok: false, reason: 'NotFound' })
  })

  test('what the schema refuses is Invalid, with causes, also as a JSON patch', async () => {
    const bad = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'bad', namespace }, spec: { replicas: -1, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'x', image: 'x' }] } } } }
    expect(await api.create(deployments, bad)).toMatchObject({ ok: false, reason: 'Invalid', causes: [{ field: 'spec.replicas' }] })
    await api.create(deployments, { ...bad, spec: { ...bad.spec, replicas: 0 } })
    expect(await api.patch(deployments, namespace, 'bad', [{ op: 'replace', path: '/spec/replicas', value: -1 }])).toMatchObject({ ok: false, reason: 'Invalid', causes: [{ field: 'spec.replicas' }] })
    const scaled = await api.patch(deployments, namespace, 'bad', { spec: { replicas: 1 } }, 'scale')
    expect(scaled).toMatchObject({ ok: true, value: { kind: 'Scale', spec: { replicas: 1 } } })
    const read = await api.get(deployments, namespace, 'bad')
    expect(read.ok && lastWriter(read.value, 'f:spec/f:replicas')).toMatchObject({ manager: 'sluice', subresource: 'scale' })
  })

  test('discovery', async () => {
    expect(await api.groupVersions('')).toMatchObject({ value: ['v1'] })
    expect(await api.groupVersions('autoscaling')).toMatchObject({ value: ['v2', 'v1'] })
    expect(await api.groupVersions('absent.example.com')).toEqual({ ok: true, value: [] })
    const apps = await api.resources('apps', 'v1')
    expect(apps.ok && apps.value).toContainEqual(deployments)
    expect(await api.resources('absent.example.com', 'v1')).toEqual({ ok: true, value: [] })
  })

  test('a cache pages, follows, and ends', async () => {
    for (let i = 0; i < 7; i++) await api.create(configMaps, configMap(namespace, `page-${i}`))
    const changes: string[] = []
    const cache = startCache({ api, resource: configMaps, selection: { namespace }, clock: systemClock, random: Math.random, pageSize: 3, writers: ['f:data/f:v'] })
    cache.subscribe(({ type, object }: Change) => changes.push(`${type} ${object.metadata.name}`))
    await cache.settled()
    expect(cache.state).toBe('Synced')
    expect(cache.list(namespace).filter(({ metadata }) => metadata.name.startsWith('page-'))).toHaveLength(7)
    const written = await api.create(configMaps, configMap(namespace, 'mine', { v: '1' }))
    if (written.ok) cache.apply(written.value)
    expect(cache.get(namespace, 'mine')).toMatchObject({ kind: 'ConfigMap', data: { v: '1' } })
    await plane.kubectlAsync(['-n', namespace, 'patch', 'configmap', 'mine', '--type=merge', '-p', '{"data":{"v":"2"}}'])
    await until('the change', () => cache.get(namespace, 'mine')?.['data'].v === '2')
    expect(cache.get(namespace, 'mine')?.metadata.managedFields).toBeUndefined()
    expect(lastWriter(cache.get(namespace, 'mine')!, 'f:data/f:v')?.manager).toBe('kubectl-patch')
    await api.delete(configMaps, namespace, 'mine')
    await until('the deletion', () => cache.get(namespace, 'mine') === undefined)
    expect(changes.filter((one) => one.endsWith('mine'))).toEqual(['Applied mine', 'Applied mine', 'Deleted mine'])
    await cache.stop()
  })

  test('metadata only: the kind is the right one and the rest is left out', async () => {
    await api.create(configMaps, configMap(namespace, 'large', { v: 'x'.repeat(1000) }))
    const cache = startCache({ api, resource: configMaps, selection: { namespace, metadataOnly: true }, clock: systemClock, random: Math.random })
    await cache.settled()
    expect(cache.get(namespace, 'large')).toEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: expect.objectContaining({ name: 'large' }) })
    await api.patch(configMaps, namespace, 'large', { metadata: { labels: { a: 'b' } } })
    await until('the label', () => cache.get(namespace, 'large')?.metadata.labels?.['a'] === 'b')
    expect(cache.get(namespace, 'large')?.['data']).toBeUndefined()
    await cache.stop()
  })

  test('a kind that is not served yet is found when its CRD comes, and missed when it goes', async () => {
    const group = `${namespace}.example.com`
    const widgets: Resource = { group, version: 'v1', plural: 'widgets', kind: 'Widget', namespaced: true }
    const cache = startCache({ api, resource: widgets, clock: systemClock, random: Math.random })
    await cache.settled()
    expect(cache.state).toBe('NotServed')
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `widgets.${group}` },
      spec: { group, names: { plural: 'widgets', kind: 'Widget' }, scope: 'Namespaced', versions: [{ name: 'v1', served: true, storage: true, schema }] },
    }
    await plane.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd)
    await until('the kind', () => (cache.retryNow(), cache.state === 'Synced'))
    await api.create(widgets, { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name: 'w', namespace } })
    await until('the widget', () => cache.get(namespace, 'w'))
    await plane.request('DELETE', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`)
    await until('the end of the kind', () => (cache.retryNow(), cache.state === 'NotServed'))
    expect(cache.list()).toEqual([])
    await cache.stop()
  })

  test('a lease goes from one to the next', async () => {
    const told: string[] = []
    const compete = (identity: string) => startLease({
      api, clock: systemClock, namespace, name: 'sluice', identity, random: Math.random, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300, requestTimeoutMs: 500,
      started: () => told.push(`${identity} leads`), stopped: (reason) => told.push(`${identity} ${reason}`), onProblem: (message) => told.push(message),
    })
    const a = compete('a')
    await until('a leader', () => a.leading && a.mayRaise())
    const b = compete('b')
    await until('b to look', () => b.holder === 'a')
    await a.stop()
    await until('the next leader', () => b.leading && b.mayRaise())
    await b.stop()
    expect(told).toEqual(['a leads', 'a stopped', 'b leads', 'b stopped'])
    const left = await api.get({ group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true }, namespace, 'sluice')
    expect(left.ok && left.value.spec.holderIdentity).toBeFalsy()
  })

  test('an event is delivered once and described', async () => {
    const about = await api.create(configMaps, configMap(namespace, 'about'))
    if (!about.ok) throw new Error(about.message)
    const recorder = eventRecorder({ api, clock: systemClock, component: 'sluice', instance: 'test', log: { warn: () => undefined } })
    const note = { name: 'about.1', regarding: about.value, type: 'Warning' as const, reason: 'RolledBack', message: 'p99 902ms is above 500ms' }
    expect([await recorder.record(note), await recorder.record(note)]).toEqual(['Delivered', 'Delivered'])
    const events = await api.list(eventResource, { namespace, fieldSelector: `involvedObject.uid=${about.value.metadata.uid}` })
    expect(events.ok && events.value.items.map(({ metadata, message }) => [metadata.name, message])).toEqual([['about.1', note.message]])
    const described = await plane.kubectlAsync(['-n', namespace, 'describe', 'configmap', 'about'])
    expect(described.stdout).toMatch(/Warning\s+RolledBack\s+.*sluice\s+p99 902ms is above 500ms/)
  })

  describe('ownership of a foreign object', () => {
    beforeEach(() => api.delete(configMaps, namespace, 'owned'))
    const git = (weight: string): string => JSON.stringify(configMap(namespace, 'owned', { weight }))
    const apply = (weight: string) => plane.kubectlAsync(['-n', namespace, 'apply', '--server-side', '--field-manager=git', '-f', '-'], git(weight))
    const managers = async (name: string) => {
      const read = await api.get(configMaps, namespace, name)
      return read.ok ? (read.value.metadata.managedFields ?? []).map(({ manager }) => manager) : undefined
    }
    test('without dropping it, its owner cannot apply; after it, they can', async () => {
      await apply('100')
      await plane.kubectlAsync(['-n', namespace, 'label', 'configmap', 'owned', 'team=shop'])
      await api.patch(configMaps, namespace, 'owned', { data: { weight: '95' } })
      expect((await apply('90')).stderr).toContain('conflict')
      const ours = await api.get(configMaps, namespace, 'owned')
      expect(ours.ok && (await dropOwnership(api, configMaps, ours.value))).toMatchObject({ ok: true, value: { data: { weight: '95' } } })
      expect(await managers('owned')).toEqual(['kubectl-label'])
      expect(await apply('90')).toMatchObject({ status: 0 })
    })
    test('also where all that they own is what we wrote, so that ours is the only entry left; and again with the next write', async () => {
      await apply('100')
      for (const weight of ['95', '75']) {
        const written = await api.patch(configMaps, namespace, 'owned', { data: { weight } })
        expect(written.ok && (await dropOwnership(api, configMaps, written.value))).toMatchObject({ ok: true, value: { data: { weight } } })
        const read = await api.get(configMaps, namespace, 'owned')
        expect(read.ok && lastWriter(read.value, 'f:data/f:weight')).toBeUndefined()
      }
      expect(await apply('90')).toMatchObject({ status: 0, stderr: '' })
    })
    test('a manager that came in between keeps its entry', async () => {
      const made = await api.create(configMaps, configMap(namespace, 'between', { weight: '1' }))
      await plane.kubectlAsync(['-n', namespace, 'annotate', 'configmap', 'between', 'note=mine'])
      expect(made.ok && (await dropOwnership(api, configMaps, made.value))).toMatchObject({ ok: true })
      expect(await managers('between')).toEqual(['kubectl-annotate'])
    })
  })

  test('rights and credentials: a service account without rights, and a token that is none', async () => {
    const token = plane.kubectl(['-n', namespace, 'create', 'token', 'default']).stdout.trim()
    for (const [name, used, status] of [['nobody', token, 403], ['expired', 'not-a-token', 401]] as const) {
      const other = await open(kubeconfigFor(plane, `${namespace}-${name}`, used))
      const answer = await kubeClient(other).get(configMaps, namespace, 'a')
      expect(answer).toMatchObject({ ok: false, reason: 'Forbidden', status })
      expect(JSON.stringify(answer)).not.toContain(used)
      await other.close()
    }
  })

  test('a server whose certificate is not trusted is said to be so', async () => {
    const path = kubeconfigFor(plane, `${namespace}-tls`, plane.token, plane.url.replace('127.0.0.1', 'localhost'))
    const { readFileSync, writeFileSync } = await import('node:fs')
    const config = JSON.parse(readFileSync(path, 'utf8'))
    delete config.clusters[0].cluster['certificate-authority']
    writeFileSync(path, JSON.stringify(config))
    const other = await open(path)
    expect(await kubeClient(other, { wait: async () => undefined }).get(configMaps, namespace, 'a')).toMatchObject({ ok: false, reason: 'Unavailable', message: expect.stringMatching(/certificate .* is not trusted/) })
    await other.close()
  })
})

describe.skipIf(missing)('an API server with faults', () => {
  test('stopped and woken, then killed: the cache goes on, and then says that it may be old', async () => {
    const plane = await startControlPlane({ controllerManager: false })
    const connection = await open(plane.kubeconfig)
    try {
      const api = kubeClient(connection)
      const cache = startCache({ api, resource: configMaps, clock: systemClock, random: Math.random })
      await cache.settled()
      plane.signal('kube-apiserver', 'SIGSTOP')
      expect(await api.get(configMaps, 'default', 'a', undefined, { timeoutMs: 300 })).toMatchObject({ ok: false, reason: 'Timeout' })
      plane.signal('kube-apiserver', 'SIGCONT')
      await until('the server to wake', async () => (await api.create(configMaps, configMap('default', 'after'))).ok)
      await until('the object', () => cache.get('default', 'after'))
      plane.signal('kube-apiserver', 'SIGKILL')
      await until('the trouble to be noticed', () => cache.trouble)
      expect(cache.state).toBe('Synced')
      expect(cache.get('default', 'after')).toBeDefined()
      expect(await api.get(configMaps, 'default', 'after', undefined, { urgent: true })).toMatchObject({ ok: false, reason: 'Unavailable' })
      await cache.stop()
    } finally {
      await connection.close()
      await plane.stop()
    }
  })
})

async function open(kubeconfig: string): Promise<Connection> {
  const loaded = await loadConnection({ kubeconfig })
  if (!loaded.ok) throw new Error(loaded.message)
  return loaded.value
}
