import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

/** The loop of production in front of the embedded cluster; minutes pass in an instant. */
let world: Stage
let lines: Record<string, any>[]
let running: Controller[]

const spec = { workloadRef: { kind: 'Deployment', name: 'web' }, service: { port: 80, targetPort: 'http' }, traffic: { istio: { managed: {} } }, steps: [{ weight: 20, hold: '1m' }, { weight: 100, hold: '1m' }] }
const rolloutOf = (change: object = {}): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' }, spec: { ...spec, ...change } })

beforeEach(() => {
  world = stage()
  lines = []
  running = []
  world.store.create('deployments.apps', deployment('web'), { manager: 'kubectl' })
})
afterEach(async () => {
  const stopping = Promise.all(running.map(one => one.stop()))
  await world.clock.advance(20_000)
  await stopping
  world.close()
})

function start(identity = 'one', election = true, namespace?: string): Controller {
  const controller = startController({
    api: embeddedApi(world.store, world.faults, `sluice/${identity}`), clock: world.clock, random: () => 0.5, source: new Sources([]),
    log: createLog({ level: 'debug', form: 'Json', now: () => world.clock.now(), write: line => void lines.push({ by: identity, ...JSON.parse(line) }) }),
    namespace, settings: { identity, propagationDelayMs: 5000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' },
    ...(election ? { election: { namespace: 'sluice-system', name: 'sluice' } } : {}),
  })
  running.push(controller)
  return controller
}
const get = (resource: string, name: string, namespace = 'shop') => world.store.get(resource, namespace, name)
const status = () => get('rollouts.sluice.dev', 'web')?.status as RolloutStatus | undefined
const push = (image: string) =>
  world.store.update('deployments.apps', 'shop', 'web', one => {
    const { template } = one.spec
    return { ...one, spec: { ...one.spec, template: { ...template, spec: { ...template.spec, containers: [{ ...template.spec.containers[0], image }] } } } }
  }, { manager: 'kubectl' })
const share = () => get('virtualservices.networking.istio.io', 'web')?.spec.http[0].route.map((one: any) => one.weight)
const notes = () => lines.filter(line => line['note'] !== undefined).map(line => line['note'])
/** Writes of controllers since the last call. */
const writes = () => world.faults.calls().filter(call => call.userAgent.startsWith('sluice/') && !['get', 'list', 'watch'].includes(call.verb) && call.resource !== 'leases.coordination.k8s.io')
async function adopted(): Promise<void> {
  world.store.create('rollouts.sluice.dev', rolloutOf(), { manager: 'kubectl' })
  await world.clock.advance(60_000)
  expect(status()?.phase).toBe('Idle')
}

describe('the controller', () => {
  test('adopts, promotes step by step, tells it, and comes to rest', async () => {
    start()
    await adopted()
    push('web:2')
    await world.clock.advance(30_000)
    expect(share()).toEqual([80, 20])
    await world.clock.advance(300_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:2'] } })
    expect(notes()).toEqual(['Adopted', 'Started', 'StepReached', 'StepReached', 'Promoted'])
    await world.clock.advance(60_000)
    const events = world.store.list('events', { namespace: 'shop' }).filter(one => one['involvedObject']?.kind === 'Rollout').map(one => String(one['reason']))
    expect(events.toSorted()).toEqual(['Adopted', 'Promoted', 'Started'])
    expect(lines.filter(line => line['level'] === 'error')).toEqual([])
  })
  test('a stable Deployment that somebody deleted is made again of its own template, and never of one that was not released', async () => {
    start()
    await adopted()
    const { revision } = status()!.stable!
    world.store.delete('deployments.apps', 'shop', revision)
    await world.clock.advance(30_000)
    expect(get('deployments.apps', revision)?.spec.template.spec.containers[0].image).toBe('web:1')
    world.store.update('rollouts.sluice.dev', 'shop', 'web', one => ({ ...one, spec: { ...one.spec, paused: true } }), { manager: 'kubectl' })
    push('web:2')
    await world.clock.advance(10_000)
    world.store.delete('deployments.apps', 'shop', revision)
    await world.clock.advance(200_000)
    expect(get('deployments.apps', revision)).toBeUndefined()
    expect(status()).toMatchObject({ phase: 'Waiting', stable: { revision, images: ['web:1'] } })
    push('web:1')
    await world.clock.advance(30_000)
    expect(get('deployments.apps', revision)?.spec.template.spec.containers[0].image).toBe('web:1')
    expect(status()?.phase).toBe('Idle')
  })
  test('at rest it writes and asks nothing', async () => {
    start()
    await adopted()
    await world.clock.advance(600_000)
    const before = world.faults.calls().length
    await world.clock.advance(600_000)
    const asked = world.faults.calls().slice(before).filter(call => call.resource !== 'leases.coordination.k8s.io' && call.verb !== 'watch')
    // Kinds that are not served are looked for again.
    expect(asked.filter(call => call.resource === 'rollouts.sluice.dev' || call.verb !== 'get')).toEqual([])
  })
  test('a request is answered once, and a day later it is gone', async () => {
    start('one', false)
    await adopted()
    world.store.create('rolloutrequests.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'r', namespace: 'shop' }, spec: { rolloutName: 'web', action: 'Pause', requestedBy: 'olga' } }, { manager: 'kubectl' })
    await world.clock.advance(1000)
    expect(get('rolloutrequests.sluice.dev', 'r')?.status).toMatchObject({ state: 'Accepted' })
    expect(status()?.paused).toMatchObject({ by: 'olga' })
    await world.clock.advance(25 * 3_600_000)
    expect(get('rolloutrequests.sluice.dev', 'r')).toBeUndefined()
  }, 60_000)
  test('what a deleted Rollout left is put back, though no controller ran when it went', async () => {
    const first = start()
    await adopted()
    const stopping = first.stop()
    await world.clock.advance(5000)
    await stopping
    world.store.delete('rollouts.sluice.dev', 'shop', 'web')
    start('two')
    await world.clock.advance(50_000)
    expect(get('virtualservices.networking.istio.io', 'web')).toBeDefined()
    await world.clock.advance(120_000)
    expect(get('deployments.apps', 'web')?.spec.replicas).toBe(3)
    expect(get('virtualservices.networking.istio.io', 'web')).toBeUndefined()
    expect(world.store.list('deployments.apps', { namespace: 'shop' }).map(one => one.metadata.name)).toEqual(['web'])
  })
  test('what serves on because the template is not proven is said, once', async () => {
    start()
    await adopted()
    const [proven] = world.store.list('deployments.apps', { namespace: 'shop' }).map(one => one.metadata.name).filter(name => name !== 'web')
    push('web:2')
    await world.clock.advance(30_000)
    world.store.delete('rollouts.sluice.dev', 'shop', 'web')
    await world.clock.advance(600_000)
    expect(get('deployments.apps', proven!)?.['status'].readyReplicas).toBe(3)
    expect(share()).toEqual([100, 0])
    expect(lines.filter(line => line['note'] === 'RevisionKept').map(line => line['message'])).toEqual([expect.stringContaining(`Deployment ${proven} keeps serving as it is. Put its pod template (web:1) back into web`)])
  })
})

describe('an hour without a controller', () => {
  /** Gone at 20 %, for an hour in which `meanwhile` happens; what serves is as it was, and then the next one comes. */
  const anHour = async (meanwhile: () => void = () => undefined, split = [80, 20]): Promise<void> => {
    const first = start('one')
    await adopted()
    push('web:2')
    await world.clock.advance(30_000)
    expect([status()?.phase, share()]).toEqual(['Holding', [80, 20]])
    const stopping = first.stop()
    await world.clock.advance(5_000)
    await stopping
    const deployments = () => world.store.list('deployments.apps', { namespace: 'shop' }).map(one => `${one.metadata.name} ${one.spec.replicas}`)
    const before = deployments()
    meanwhile()
    await world.clock.advance(3_600_000)
    expect([share(), deployments()]).toEqual([split, before])
    start('two')
    await world.clock.advance(2_000)
  }
  test('the journey goes on from its step; the hold that is over is not repeated', async () => {
    await anHour()
    expect(status()?.journey?.step).toMatchObject({ index: 1 })
    await world.clock.advance(120_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:2'] }, writer: 'two' })
  })
  test('a version that was pushed in it exposed nobody, and gets its turn', async () => {
    await anHour(() => void push('web:3'))
    await world.clock.advance(400_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:3'] } })
    expect(status()?.history.map(one => one.outcome)).toContain('Superseded')
  })
  test('a weight that a person took away in it stays away, and a person is asked', async () => {
    await anHour(() => {
      world.store.update('virtualservices.networking.istio.io', 'shop', 'web', one => {
        const [route] = one.spec.http
        return { ...one, spec: { ...one.spec, http: [{ ...route, route: route.route.map((arm: any, index: number) => ({ ...arm, weight: index === 0 ? 100 : 0 })) }] } }
      }, { manager: 'kubectl-edit' })
    }, [100, 0])
    await world.clock.advance(120_000)
    expect([status()?.phase, share()]).toEqual(['Held', [100, 0]])
    expect(status()?.conditions).toContainEqual(expect.objectContaining({ type: 'Held', reason: 'LoweredByHand' }))
  })
  const asked = (action: string) => () => void world.store.create('rolloutrequests.sluice.dev', {
    apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'r', namespace: 'shop' },
    spec: { rolloutName: 'web', action, revision: status()?.canary?.revision, requestedBy: 'olga' },
  }, { manager: 'kubectl' })
  test('an abort that nobody read for an hour is done before anything else: it never expires in its journey', async () => {
    await anHour(asked('Abort'))
    expect(get('rolloutrequests.sluice.dev', 'r')?.status).toMatchObject({ state: 'Accepted' })
    expect(share()).toEqual([100, 0])
  })
  test('a promote that nobody read for an hour has expired, and its answer says so', async () => {
    await anHour(asked('Promote'))
    expect(get('rolloutrequests.sluice.dev', 'r')?.status).toMatchObject({ state: 'Refused' })
  })
})

describe('leading', () => {
  test('one leads, the other watches and takes over when the lease is given back', async () => {
    const one = start('one')
    await adopted()
    const two = start('two')
    await world.clock.advance(10_000)
    expect([one.leading, two.leading, two.leader, two.unready()]).toEqual([true, false, 'one', []])
    expect(lines.filter(line => line['by'] === 'two' && line['note'] !== undefined)).toEqual([])
    push('web:2')
    await world.clock.advance(30_000)
    const stopping = one.stop()
    await world.clock.advance(10_000)
    await stopping
    expect(two.leading).toBe(true)
    await world.clock.advance(300_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:2'] }, writer: 'two' })
  })
  test('a leader that cannot renew its lease stops before another begins', async () => {
    const one = start('one')
    await adopted()
    world.faults.inject({ resource: 'leases.coordination.k8s.io', effect: { answer: 503 } })
    await world.clock.advance(15_000)
    expect(one.leading).toBe(false)
    const before = writes().length
    push('web:2')
    await world.clock.advance(60_000)
    expect(writes().length).toBe(before)
  })
  test('a leader that lost its lease in the middle of a journey does nothing more, whatever it had planned', async () => {
    start('one')
    await adopted()
    push('web:2')
    await world.clock.advance(30_000)
    expect(status()?.phase).toBe('Holding')
    world.faults.inject({ resource: 'leases.coordination.k8s.io', effect: { answer: 503 } })
    await world.clock.advance(15_000)
    const before = writes().length
    await world.clock.advance(300_000)
    expect(writes().length).toBe(before)
  })
  test('without election it leads from the start', async () => {
    expect(start('one', false).leading).toBe(true)
    await adopted()
  })
})

describe('an API server in trouble', () => {
  test('a kind that cannot be listed makes it unready, and nothing is touched until it can', async () => {
    const fault = world.faults.inject({ resource: 'services', verb: 'list', effect: { answer: 403, message: 'no' } })
    const controller = start()
    world.store.create('rollouts.sluice.dev', rolloutOf(), { manager: 'kubectl' })
    await world.clock.advance(60_000)
    expect(controller.unready().join()).toContain('Service: ')
    expect(writes()).toEqual([])
    fault.remove()
    await world.clock.advance(120_000)
    expect(controller.unready()).toEqual([])
    expect(status()?.phase).toBe('Idle')
  })
  test('without the CRDs it says what to install, and begins when they are there', async () => {
    const definition = world.store.definition('rollouts.sluice.dev')
    world.store.unregister('rollouts.sluice.dev')
    const controller = start()
    await world.clock.advance(10_000)
    expect(controller.unready()).toEqual(['rollouts.sluice.dev is not served: install the CRDs with kubectl apply -f crds/'])
    world.store.register(definition)
    await world.clock.advance(30_000)
    expect(controller.unready()).toEqual([])
    await adopted()
  })
  test('with rights in one namespace only it works there', async () => {
    world.faults.inject({ resource: 'namespaces', userAgent: 'sluice/', effect: { answer: 403, message: 'no' } })
    world.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } }, {})
    const asked = () => world.faults.calls().filter(call => call.userAgent.startsWith('sluice/') && call.verb === 'list' && call.namespace !== 'shop').map(call => call.resource)
    start('one', true, 'shop')
    world.store.create('rollouts.sluice.dev', { ...rolloutOf(), metadata: { name: 'web', namespace: 'other' } }, {})
    await adopted()
    expect(get('rollouts.sluice.dev', 'web', 'other')?.status).toBeUndefined()
    expect(new Set(asked())).toEqual(new Set(['namespaces']))
  })
  test('cut watches, conflicts and lost answers end in the same place', async () => {
    start()
    await adopted()
    world.faults.inject({ verb: 'write', resource: 'rollouts.sluice.dev', userAgent: 'sluice/', skip: 1, times: 2, effect: { answer: 409 } })
    world.faults.inject({ verb: 'patch', resource: 'rollouts.sluice.dev', userAgent: 'sluice/', skip: 5, times: 2, effect: { drop: 'After' } })
    world.faults.inject({ verb: 'watch', userAgent: 'sluice/', times: 12, effect: { cutAfterEvents: 1, expire: true } })
    world.faults.inject({ verb: 'write', resource: 'virtualservices.networking.istio.io', userAgent: 'sluice/', times: 3, effect: { answer: 500 } })
    push('web:2')
    await world.clock.advance(600_000)
    expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:2'] } })
    expect(lines.filter(line => line['err'] !== undefined)).toEqual([])
  })
  test('while the write of a status hangs, traffic is taken away all the same, and the reason is written when it can', async () => {
    start()
    await adopted()
    push('web:2')
    await world.clock.advance(30_000)
    expect(share()).toEqual([80, 20])
    const canary = status()!.canary!.revision
    const hanging = world.faults.inject({ verb: 'patch', resource: 'rollouts.sluice.dev', subresource: 'status', userAgent: 'sluice/', effect: { delayMs: 20_000 } })
    world.store.create('rolloutrequests.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'r', namespace: 'shop' }, spec: { rolloutName: 'web', action: 'Pause' } }, { manager: 'kubectl' })
    await world.clock.advance(1000)
    world.store.delete('deployments.apps', 'shop', canary)
    await world.clock.advance(500)
    expect([share(), status()?.phase]).toEqual([[100, 0], 'Holding'])
    hanging.remove()
    await world.clock.advance(120_000)
    expect(status()).toMatchObject({ phase: 'RolledBack', failed: [{ revision: canary, reason: 'CanaryGone' }] })
  })
  test('429 is obeyed', async () => {
    start()
    await adopted()
    world.faults.inject({ verb: 'patch', resource: 'rollouts.sluice.dev', subresource: 'status', userAgent: 'sluice/', times: 50, effect: { answer: 429, retryAfterSeconds: 10 } })
    push('web:2')
    const before = world.faults.calls().length
    await world.clock.advance(60_000)
    const tries = world.faults.calls().slice(before).filter(call => call.status === 429).length
    expect(tries).toBeGreaterThan(2)
    expect(tries).toBeLessThan(15)
  })
})
