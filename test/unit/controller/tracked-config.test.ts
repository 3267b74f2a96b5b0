import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

/** Journeys that ConfigMaps and Secrets start, with the loop of production in front of the embedded cluster, whose pods need what their templates name. */
let world: Stage
let lines: Record<string, any>[]
let running: Controller[]

const revisions = 'deployments.apps'
const rollouts = 'rollouts.sluice.dev'
const tracked = [{ kind: 'ConfigMap' }, { kind: 'Secret', name: 'tls' }]
const rolloutOf = (change: object = {}): KubeObject => ({
  apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' },
  spec: { workloadRef: { kind: 'Deployment', name: 'web' }, service: { port: 80, targetPort: 'http' }, traffic: { istio: { managed: {} } }, steps: [{ weight: 20, hold: '1m' }, { weight: 100, hold: '1m' }], retainStable: '10s', trackedConfig: tracked, ...change },
})
const webTemplate = (image = 'web:1') => ({
  metadata: { labels: { app: 'web' } },
  spec: {
    containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }], envFrom: [{ configMapRef: { name: 'app' } }], env: [{ name: 'E', valueFrom: { configMapKeyRef: { name: 'extra', key: 'e', optional: true } } }] }],
    volumes: [{ name: 'tls', secret: { secretName: 'tls' } }],
  },
})

beforeEach(() => {
  world = stage()
  lines = []
  running = []
  world.workloads.setBehaviour((pod) => (needs(pod) ? { trouble: 'CreateContainerConfigError' } : undefined))
  put('configmaps', 'app', { data: { color: 'blue' } })
  put('secrets', 'tls', { type: 'Opaque', data: { key: 'dmVyeS1zZWNyZXQ=' } })
  world.store.create(revisions, deployment('web', { template: webTemplate() }), { manager: 'kubectl' })
})
afterEach(async () => {
  const stopping = Promise.all(running.map((one) => one.stop()))
  await world.clock.advance(20_000)
  await stopping
  world.close()
})

const kinds = { configmaps: 'ConfigMap', secrets: 'Secret' } as const
function put(plural: keyof typeof kinds, name: string, content: object): void {
  const object = { apiVersion: 'v1', kind: kinds[plural], metadata: { name, namespace: 'shop' }, ...content }
  if (get(plural, name)) world.store.update(plural, 'shop', name, ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata, ...content }), { manager: 'kubectl' })
  else world.store.create(plural, object, { manager: 'kubectl' })
}
/** What keeps a pod from starting: something it names, not optionally, that is not there. */
function needs(pod: KubeObject): boolean {
  const [container] = pod.spec.containers
  const configs: string[] = (container.envFrom ?? []).map((one: any) => one.configMapRef.name)
  const secrets: string[] = (pod.spec.volumes ?? []).flatMap((one: any) => (one.secret ? [one.secret.secretName] : []))
  return configs.some((name) => !get('configmaps', name)) || secrets.some((name) => !get('secrets', name))
}
function start(identity = 'one'): Controller {
  const controller = startController({
    api: embeddedApi(world.store, world.faults, `sluice/${identity}`), clock: world.clock, random: () => 0.5, source: new Sources([]), derive: (plain, secret) => Promise.resolve(`${secret}-${plain}`),
    log: createLog({ level: 'debug', form: 'Json', now: () => world.clock.now(), write: (line) => void lines.push(JSON.parse(line)) }),
    settings: { identity, propagationDelayMs: 5000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' },
  })
  running.push(controller)
  return controller
}
const pass = (ms: number) => world.clock.advance(ms)
const get = (resource: string, name: string) => world.store.get(resource, 'shop', name)
const status = () => get(rollouts, 'web')?.status as RolloutStatus
const condition = (type: string) => status().conditions.find((one) => one.type === type)
const stable = () => get(revisions, status().stable!.revision)!
const copies = (plural: keyof typeof kinds) => world.store.list(plural, { namespace: 'shop' }).filter(({ metadata }) => metadata.labels?.['sluice.dev/rollout'] === 'web')
const history = () => status().history.map(({ outcome }) => outcome)
const edit = (change: (spec: any) => object) => world.store.update(rollouts, 'shop', 'web', (one) => plain({ ...one, spec: { ...one.spec, ...change(one.spec) } }), { manager: 'kubectl' })
async function adopted(change: object = {}): Promise<void> {
  world.store.create(rollouts, plain(rolloutOf(change)), { manager: 'kubectl' })
  await pass(60_000)
  expect(status()?.phase).toBe('Idle')
}
/** Without what is undefined. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
const configOf = (revision: KubeObject) => get('configmaps', revision.spec.template.spec.containers[0].envFrom[0].configMapRef.name)?.['data']
const secretOf = (revision: KubeObject) => get('secrets', revision.spec.template.spec.volumes[0].secret.secretName)?.['data']
/** All pods of the stable revision die at once, as with their node. */
async function nodeFails(): Promise<void> {
  const pods = world.store.list('pods', { namespace: 'shop' }).filter(({ metadata }) => metadata.labels?.['sluice.dev/revision'] === status().stable!.revision)
  for (const { metadata } of pods) world.store.delete('pods', 'shop', metadata.name, { gracePeriodSeconds: 0 })
  await pass(20_000)
}

describe('tracked configuration', () => {
  test('is part of what is adopted: its pods read copies from the start', async () => {
    start()
    await adopted()
    expect(configOf(stable())).toEqual({ color: 'blue' })
    expect(secretOf(stable())).toEqual({ key: 'dmVyeS1zZWNyZXQ=' })
    expect(stable().metadata.annotations).not.toHaveProperty('sluice.dev/copies-pending')
    expect([...copies('configmaps'), ...copies('secrets')].map((one) => one['immutable'])).toEqual([true, true])
  })
  test('changes like a template: step by step to promoted, and the former version keeps what it had', async () => {
    start()
    await adopted()
    const former = stable()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(40_000)
    expect(status()).toMatchObject({ phase: 'Holding', journey: { weight: { seen: 20 } } })
    expect(configOf(former)).toEqual({ color: 'blue' })
    expect(status().decisions.map(({ why }) => why).join()).toContain('ConfigMap app changed')
    expect(status().canary).toMatchObject({ changedConfig: ['ConfigMap app'] })
    expect(lines.find((line) => line['note'] === 'Started')?.['message']).toMatch(/ starts: ConfigMap app changed$/)
    await pass(240_000)
    expect(history()).toEqual(['Promoted'])
    expect(status().stable).not.toHaveProperty('changedConfig')
    expect(stable().metadata.name).not.toBe(former.metadata.name)
    expect(configOf(stable())).toEqual({ color: 'green' })
  })
  test('a changed Secret starts a journey within a minute, and nobody hears what it holds', async () => {
    start()
    await adopted()
    put('secrets', 'tls', { type: 'Opaque', data: { key: 'YW5vdGhlci1zZWNyZXQ=' } })
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
    expect(secretOf(stable())).toEqual({ key: 'YW5vdGhlci1zZWNyZXQ=' })
    const said = JSON.stringify([lines, world.store.list(rollouts), world.store.list('events'), world.store.list(revisions)])
    for (const secret of ['very-secret', 'another-secret', 'dmVyeS1zZWNyZXQ', 'YW5vdGhlci1zZWNyZXQ', 'green', 'blue']) expect(said).not.toContain(secret)
  })
  test('what changes along with the template is one release', async () => {
    start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    put('secrets', 'tls', { type: 'Opaque', data: { key: 'YW5vdGhlci1zZWNyZXQ=' } })
    world.store.update(revisions, 'shop', 'web', (one) => ({ ...one, spec: { ...one.spec, template: webTemplate('web:2') } }), { manager: 'kubectl' })
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
    expect(configOf(stable())).toEqual({ color: 'green' })
    expect(secretOf(stable())).toEqual({ key: 'YW5vdGhlci1zZWNyZXQ=' })
    expect(world.store.list(revisions, { namespace: 'shop' }).length).toBe(3)
  })
  test('a Secret that changes between the look and the copy is looked at again', async () => {
    start()
    await adopted()
    let changed = false
    const watch = world.store.watchAll((id, change) => {
      const canary = (change.object.status as RolloutStatus | undefined)?.canary
      if (id !== rollouts || !canary || changed) return
      changed = true
      put('secrets', 'tls', { type: 'Opaque', data: { key: 'YW5vdGhlci1zZWNyZXQ=' } })
    })
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(400_000)
    watch.close()
    expect(changed).toBe(true)
    expect(history()[0]).toBe('Promoted')
    expect(secretOf(stable())).toEqual({ key: 'YW5vdGhlci1zZWNyZXQ=' })
  })
  test('back to what it was in the middle: the kept revision again, Withdrawn', async () => {
    start()
    await adopted()
    const former = status().stable!.revision
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(40_000)
    put('configmaps', 'app', { data: { color: 'blue' } })
    await pass(200_000)
    expect(history()).toEqual(['Withdrawn'])
    expect(status()).toMatchObject({ phase: 'Idle', stable: { revision: former } })
  })
  test('a newer change in the middle takes the place of the one that is tried', async () => {
    start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(40_000)
    put('configmaps', 'app', { data: { color: 'red' } })
    await pass(400_000)
    expect(history()).toEqual(['Promoted', 'Superseded'])
    expect(configOf(stable())).toEqual({ color: 'red' })
  })
  test('originals that are pruned hurt nobody: pods start again from the copies, a condition says it, nothing starts', async () => {
    start()
    await adopted()
    const { sequence } = status()
    world.store.delete('configmaps', 'shop', 'app')
    world.store.delete('secrets', 'shop', 'tls')
    await pass(60_000)
    await nodeFails()
    expect(stable().status.readyReplicas).toBe(3)
    expect(condition('TrackedConfigMissing')).toMatchObject({ status: 'True', message: expect.stringContaining('ConfigMap app is gone') })
    expect(condition('StableNotRestartable')).toBeUndefined()
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
    expect(status().sequence).toBeLessThan(sequence + 10)
    put('configmaps', 'app', { data: { color: 'blue' } })
    put('secrets', 'tls', { type: 'Opaque', data: { key: 'dmVyeS1zZWNyZXQ=' } })
    await pass(60_000)
    expect(condition('TrackedConfigMissing')).toBeUndefined()
    expect(history()).toEqual([])
  })
  test('what a new version needs and is not there is waited for, and said', async () => {
    start()
    await adopted()
    world.store.update(revisions, 'shop', 'web', (one) => {
      const template = webTemplate('web:2')
      template.spec.containers[0]!.envFrom = [{ configMapRef: { name: 'app-2' } }]
      return { ...one, spec: { ...one.spec, template } }
    }, { manager: 'kubectl' })
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Waiting', message: expect.stringContaining('ConfigMap app-2, which the template names') })
    expect(condition('Stalled')).toMatchObject({ status: 'False' })
    put('configmaps', 'app-2', { data: { color: 'green' } })
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
  })
  test('an optional one that appears starts a journey; its going does not', async () => {
    start()
    await adopted()
    put('configmaps', 'extra', { data: { e: '1' } })
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
    world.store.delete('configmaps', 'shop', 'extra')
    await pass(100_000)
    expect(history()).toEqual(['Promoted'])
  })
  test('metadata, a rewrite of the same content and immutability start nothing', async () => {
    start()
    await adopted()
    world.store.update('configmaps', 'shop', 'app', (one) => ({ ...one, metadata: { ...one.metadata, annotations: { touched: '1' } }, immutable: true }), { manager: 'kubectl' })
    world.store.update('secrets', 'shop', 'tls', (one) => ({ ...one, metadata: { ...one.metadata, labels: { touched: '1' } } }), { manager: 'kubectl' })
    await pass(120_000)
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
  })
  test('nothing is left after the Deployment is deleted', async () => {
    start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(300_000)
    expect(copies('configmaps').length).toBe(2)
    world.store.delete(rollouts, 'shop', 'web')
    world.store.delete(revisions, 'shop', 'web')
    await pass(60_000)
    expect([...copies('configmaps'), ...copies('secrets'), ...world.store.list(revisions, { namespace: 'shop' })]).toEqual([])
  })
  test('old versions take their copies with them', async () => {
    start()
    await adopted({ revisionHistoryLimit: 0 })
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(300_000)
    expect(copies('configmaps').map((one) => one['data'])).toEqual([{ color: 'green' }])
  })
  test('removal never puts a configuration into production that was taken back', async () => {
    start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(40_000)
    world.store.delete(rollouts, 'shop', 'web')
    await pass(200_000)
    expect(get(revisions, 'web')?.spec.replicas).toBe(0)
    const door = get('services', 'web-stable')!.spec.selector['sluice.dev/revision']
    expect(configOf(get(revisions, door)!)).toEqual({ color: 'blue' })
    put('configmaps', 'app', { data: { color: 'blue' } })
    await pass(200_000)
    expect(get(revisions, 'web')?.spec.replicas).toBe(3)
    expect(copies('configmaps')).toEqual([])
  })
})

describe('turning it on and off', () => {
  test('on starts nothing; the next change does, from what the objects held then', async () => {
    start()
    await adopted({ trackedConfig: undefined })
    edit(() => ({ trackedConfig: tracked }))
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
    expect(copies('configmaps')).toEqual([])
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
    expect(configOf(stable())).toEqual({ color: 'green' })
  })
  test('off starts nothing, and changes start nothing from then on; on again starts nothing where nothing changed', async () => {
    start()
    await adopted()
    edit(() => ({ trackedConfig: undefined }))
    await pass(60_000)
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
    expect(configOf(stable())).toEqual({ color: 'blue' })
    put('configmaps', 'app', { data: { color: 'blue' } })
    edit(() => ({ trackedConfig: tracked }))
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
  })
  test('on and off in the middle of a journey: it goes on', async () => {
    start()
    await adopted({ trackedConfig: undefined, steps: [{ weight: 20, hold: '10m' }, { weight: 100, hold: '1m' }] })
    world.store.update(revisions, 'shop', 'web', (one) => ({ ...one, spec: { ...one.spec, template: webTemplate('web:2') } }), { manager: 'kubectl' })
    await pass(60_000)
    const { id } = status().journey!
    edit(() => ({ trackedConfig: tracked }))
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Holding', journey: { id } })
    edit(() => ({ trackedConfig: undefined }))
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Holding', journey: { id } })
  })
  test('what was no longer tracked and read as it is, is taken as it is when it is tracked again', async () => {
    start()
    await adopted({ trackedConfig: undefined })
    edit(() => ({ trackedConfig: tracked }))
    await pass(60_000)
    edit(() => ({ trackedConfig: undefined }))
    await pass(60_000)
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(60_000)
    edit(() => ({ trackedConfig: tracked }))
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', history: [] })
  })
})

describe('in trouble', () => {
  test('a Secret that may not be read keeps a version from being made, says which Role is missing, and works with it', async () => {
    const refusal = world.faults.inject({ resource: 'secrets', verb: 'get', userAgent: 'sluice/', effect: { answer: 403, message: 'no' } })
    start()
    world.store.create(rollouts, rolloutOf(), { manager: 'kubectl' })
    await pass(60_000)
    expect(status().phase).toBe('Blocked')
    expect(condition('Stalled')).toMatchObject({ status: 'True', reason: 'ConfigForbidden', message: expect.stringContaining('kubectl -n shop create role sluice-tracks-tls --verb=get --resource=secrets --resource-name=tls') })
    expect(get(revisions, 'web')?.spec.replicas).toBe(3)
    refusal.remove()
    await pass(120_000)
    expect(status().phase).toBe('Idle')
    expect(secretOf(stable())).toEqual({ key: 'dmVyeS1zZWNyZXQ=' })
  })
  test('a right that is taken away holds up no journey under way, and no rollback', async () => {
    start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(40_000)
    world.faults.inject({ resource: 'secrets', verb: 'get', userAgent: 'sluice/', effect: { answer: 403, message: 'no' } })
    await pass(240_000)
    expect(history()).toEqual(['Promoted'])
    expect(condition('TrackedConfigUnreadable')).toMatchObject({ reason: 'Forbidden' })
  })
  test('a copy that cannot be written keeps the pods waiting, and is made when it can', async () => {
    start()
    await adopted()
    const refusal = world.faults.inject({ resource: 'secrets', verb: 'create', userAgent: 'sluice/', effect: { answer: 403, message: 'no' } })
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(100_000)
    const canary = get(revisions, status().canary!.revision)!
    expect(canary.spec.replicas).toBe(0)
    expect(status()).toMatchObject({ phase: 'Scaling', message: expect.stringContaining('copies of configuration') })
    refusal.remove()
    await pass(300_000)
    expect(history()).toEqual(['Promoted'])
    expect(canary.metadata.name).toBe(status().stable!.revision)
  })
  test('a controller that dies between revision and copies is no matter', async () => {
    const first = start()
    await adopted()
    world.faults.inject({ resource: 'configmaps', verb: 'create', userAgent: 'sluice/', times: 1, effect: { drop: 'Before' } })
    put('configmaps', 'app', { data: { color: 'green' } })
    await world.clock.advance(200)
    const stopping = first.stop()
    await pass(5000)
    await stopping
    start('two')
    await pass(400_000)
    expect(history()).toEqual(['Promoted'])
    expect(configOf(stable())).toEqual({ color: 'green' })
  })
  test('restarts and an erased status start nothing', async () => {
    const first = start()
    await adopted()
    put('configmaps', 'app', { data: { color: 'green' } })
    await pass(300_000)
    const { revision } = status().stable!
    const stopping = first.stop()
    await pass(5000)
    await stopping
    start('two')
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { revision } })
    expect(history()).toEqual(['Promoted'])
    world.store.update(rollouts, 'shop', 'web', (one) => plain({ ...one, status: undefined }), { manager: 'kubectl', subresource: 'status' })
    await pass(60_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { revision }, history: [] })
  })
  test('a failing configuration that was taken back stays back after a restart', async () => {
    const first = start()
    world.workloads.setBehaviour((pod) => (pod.spec.containers[0].envFrom[0].configMapRef.name !== 'app' && get('configmaps', pod.spec.containers[0].envFrom[0].configMapRef.name)?.['data'].color === 'broken' ? { crashMs: 1000, readyMs: Infinity } : undefined))
    await adopted()
    put('configmaps', 'app', { data: { color: 'broken' } })
    await pass(200_000)
    expect(status().phase).toBe('RolledBack')
    const stopping = first.stop()
    await pass(5000)
    await stopping
    start('two')
    await pass(100_000)
    expect(status()).toMatchObject({ phase: 'RolledBack' })
    expect(history()).toEqual(['RolledBack'])
    expect(status().decisions.filter(({ decision }) => decision === 'Idle').length).toBe(1)
  })
  test('a copy that somebody deleted is made again while the original holds the same', async () => {
    start()
    await adopted()
    const [copy] = copies('configmaps')
    world.store.delete('configmaps', 'shop', copy!.metadata.name)
    await pass(20_000)
    expect(get('configmaps', copy!.metadata.name)?.['data']).toEqual({ color: 'blue' })
    await nodeFails()
    expect(stable().status.readyReplicas).toBe(3)
  })
  test('an entry that the template does not name is said', async () => {
    start()
    await adopted({ trackedConfig: [{ kind: 'ConfigMap', name: 'app' }, { kind: 'ConfigMap', name: 'aap' }] })
    expect(condition('TrackedConfigUnused')).toMatchObject({ message: expect.stringContaining('ConfigMap aap') })
  })
  test('at rest nothing is written, and of Secrets two reads a minute are all', async () => {
    start()
    await adopted()
    await pass(60_000)
    const before = world.faults.calls().length
    await pass(600_000)
    const asked = world.faults.calls().slice(before).filter((call) => call.userAgent.startsWith('sluice/') && !/^(leases|selfsubject)/.test(call.resource) && call.verb !== 'watch')
    expect(asked.filter((call) => !['get', 'list'].includes(call.verb))).toEqual([])
    const reads = asked.filter((call) => call.resource === 'secrets').length
    expect(reads).toBeGreaterThanOrEqual(15)
    expect(reads).toBeLessThanOrEqual(22)
    expect(asked.filter((call) => call.resource === 'configmaps')).toEqual([])
  })
})

test('two Rollouts that track one ConfigMap each have a copy, and each its journey', async () => {
  world.store.create(revisions, deployment('api', { selector: { matchLabels: { app: 'api' } }, template: { ...webTemplate(), metadata: { labels: { app: 'api' } } } }), { manager: 'kubectl' })
  const other = rolloutOf()
  world.store.create(rollouts, { ...other, metadata: { name: 'api', namespace: 'shop' }, spec: { ...other.spec, workloadRef: { kind: 'Deployment', name: 'api' } } }, { manager: 'kubectl' })
  start()
  await adopted()
  put('configmaps', 'app', { data: { color: 'green' } })
  await pass(300_000)
  expect(history()).toEqual(['Promoted'])
  expect((get(rollouts, 'api')!.status as RolloutStatus).history.map(({ outcome }) => outcome)).toEqual(['Promoted'])
})
