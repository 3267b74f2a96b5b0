/** Blue/green in the embedded cluster: callers name a Service, its endpoints follow its selector, and no request may find nobody. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { worldOf } from '../../../src/sandbox/routing.ts'
import { drive, trafficModel, type Traffic } from '../../../src/sandbox/traffic.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

let world: Stage
let traffic: Traffic
let controller: Controller
let stopTraffic: () => void
const by = { manager: 'kubectl' }
const spec = { workloadRef: { kind: 'Deployment', name: 'web' }, service: { port: 80, targetPort: 'http' }, traffic: { kubernetes: {} }, steps: [{ weight: 0, hold: '1m' }, { weight: 100, hold: '1m' }], retainStable: '3m' }

beforeEach(async () => {
  world = stage()
  traffic = trafficModel({ world: worldOf(world.store), dataPlane: 'Linkerd', answers: () => ({}) }, world.clock.now())
  world.store.create('deployments.apps', deployment('web'), by)
  world.store.create('services', service(), by)
  controller = startController({
    api: embeddedApi(world.store, world.faults, 'sluice/one'), clock: world.clock, random: () => 0.5, source: new Sources([]),
    log: createLog({ level: 'error', form: 'Json', now: () => world.clock.now(), write: () => {} }),
    namespace: undefined, settings: { identity: 'one', propagationDelayMs: 5000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' },
  })
  await world.clock.advance(60_000)
  traffic.send({ namespace: 'shop', host: 'web' }, 50)
  stopTraffic = drive(traffic, world.clock)
})
afterEach(async () => {
  stopTraffic()
  const stopping = controller.stop()
  await world.clock.advance(20_000)
  await stopping
  world.close()
})
function service(): KubeObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'shop' }, spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] } }
}
const status = () => world.store.get('rollouts.sluice.dev', 'shop', 'web')?.status as RolloutStatus | undefined
const own = () => world.store.get('services', 'shop', 'web')!
const push = (image: string) => world.store.update('deployments.apps', 'shop', 'web', (one) => {
  const { template } = one.spec
  return { ...one, spec: { ...one.spec, template: { ...template, spec: { ...template.spec, containers: [{ ...template.spec.containers[0], image }] } } } }
}, by)
/** What of the requests of the next minute each image answers. */
async function shares(): Promise<Record<string, number>> {
  await world.clock.advance(1_000)
  const sum = () => Object.groupBy(traffic.served(), ({ image }) => image)
  const count = (of: ReturnType<typeof sum>, image: string) => (of[image] ?? []).reduce((total, one) => total + one.total, 0)
  const before = sum()
  await world.clock.advance(2_000)
  const after = sum()
  const risen = Object.keys(after).map((image) => [image, count(after, image) - count(before, image)] as const).filter(([, more]) => more > 0)
  const all = risen.reduce((total, [, more]) => total + more, 0)
  return Object.fromEntries(risen.map(([image, more]) => [image, (100 * more) / all]))
}
async function handedOver(): Promise<void> {
  world.store.create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' }, spec }, by)
  await world.clock.advance(20_000)
  expect(status()).toMatchObject({ phase: 'Blocked', message: expect.stringContaining('kubectl -n shop label service web sluice.dev/rollout=web') })
  expect(own().spec.selector).toEqual({ app: 'web' })
  world.store.update('services', 'shop', 'web', (one) => ({ ...one, metadata: { ...one.metadata, labels: { 'sluice.dev/rollout': 'web' } } }), by)
  await world.clock.advance(60_000)
  expect(status(), status()?.message).toMatchObject({ phase: 'Idle' })
  expect(own().spec.selector).toEqual({ app: 'web', 'sluice.dev/revision': status()!.stable!.revision })
  expect(world.store.get('deployments.apps', 'shop', 'web')!.spec.replicas).toBe(0)
}

test('a Service is handed over, switched, and given back when the Rollout goes, and no request finds nobody', async () => {
  await handedOver()
  const address = own().spec.clusterIP
  push('web:2')
  await world.clock.advance(40_000)
  expect(status()).toMatchObject({ phase: 'Holding', journey: { weight: { wanted: 0 } } })
  expect(await shares()).toEqual({ 'web:1': 100 })
  await world.clock.advance(60_000)
  expect(status()).toMatchObject({ phase: 'Holding', journey: { weight: { wanted: 100, seen: 100 } } })
  expect(await shares()).toEqual({ 'web:2': 100 })
  await world.clock.advance(7 * 60_000)
  expect(status()).toMatchObject({ phase: 'Idle', stable: { images: ['web:2'] } })
  world.store.delete('rollouts.sluice.dev', 'shop', 'web')
  await world.clock.advance(5 * 60_000)
  expect(own().spec).toMatchObject({ selector: { app: 'web' }, clusterIP: address })
  expect(world.store.list('deployments.apps', { namespace: 'shop' }).map(({ metadata, spec: { replicas } }) => [metadata.name, replicas])).toEqual([['web', 3]])
  expect(world.store.list('services', { namespace: 'shop' }).map(({ metadata }) => metadata.name)).toEqual(['web'])
  expect(await shares()).toEqual({ 'web:2': 100 })
  expect(traffic.nowhere()).toEqual({ count: 0, examples: [] })
})

test('an abort after the switch is one write of the Service, and drains nothing before its endpoints are those of stable', async () => {
  await handedOver()
  push('web:2')
  await world.clock.advance(110_000)
  expect(await shares()).toEqual({ 'web:2': 100 })
  const before = world.faults.calls().length
  const request = { rolloutName: 'web', action: 'Abort', requestedBy: 'rita' }
  world.store.create('rolloutrequests.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'stop', namespace: 'shop' }, spec: request }, by)
  await world.clock.advance(500)
  const first = world.faults.calls().slice(before).find((call) => call.userAgent === 'sluice/one' && !['get', 'list', 'watch'].includes(call.verb))
  expect(first).toMatchObject({ verb: 'patch', resource: 'services' })
  expect(own().metadata.annotations?.['sluice.dev/closed-to']).toMatch(/^web-.+@\d+$/)
  expect(await shares()).toEqual({ 'web:1': 100 })
  await world.clock.advance(8 * 60_000)
  expect(status()).toMatchObject({ phase: 'RolledBack' })
  // What failed stays closed, and its pods are gone.
  expect(world.store.list('deployments.apps', { namespace: 'shop' }).map(({ spec: { replicas, template } }) => [template.spec.containers[0].image, replicas]).toSorted()).toEqual([['web:1', 3], ['web:2', 0], ['web:2', 0]])
  expect(traffic.nowhere()).toEqual({ count: 0, examples: [] })
})
