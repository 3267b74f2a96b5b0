/** `mode: Observe` by the controller of production: whatever it sees, it sends nothing but the status of the Rollout, answers to requests, and events. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

let world: Stage
let controller: Controller
const by = { manager: 'flagger' }
const virtualServices = 'virtualservices.networking.istio.io'
const spec = {
  mode: 'Observe', backends: { stable: { service: 'web-primary' }, canary: { service: 'web-canary', workloadRef: { kind: 'Deployment', name: 'web' } } },
  traffic: { istio: { virtualServiceRefs: [{ name: 'web' }] } }, steps: [{ weight: 10, hold: '1m' }, { weight: 100, hold: '1m' }],
}
const service = (name: string, app: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { selector: { app }, ports: [{ port: 80 }] } })
const route = (canary: number) => ({ hosts: ['web'], http: [{ route: [{ destination: { host: 'web-primary' }, weight: 100 - canary }, { destination: { host: 'web-canary' }, weight: canary }] }] })
const move = async (canary: number, ms: number) => {
  world.store.update(virtualServices, 'shop', 'web', (one) => ({ ...one, spec: route(canary) }), by)
  await world.clock.advance(ms)
}
const rollout = () => world.store.get('rollouts.sluice.dev', 'shop', 'web')!
const status = () => rollout().status as RolloutStatus

beforeEach(async () => {
  world = stage()
  for (const name of ['web', 'web-primary']) world.store.create('deployments.apps', deployment(name), by)
  for (const [name, app] of [['web-canary', 'web'], ['web-primary', 'web-primary']] as const) world.store.create('services', service(name, app), by)
  world.store.create(virtualServices, { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'web', namespace: 'shop' }, spec: route(0) }, by)
  controller = startController({
    api: embeddedApi(world.store, world.faults, 'sluice/one'), clock: world.clock, random: () => 0.5, source: new Sources([]),
    log: createLog({ level: 'error', form: 'Json', now: () => world.clock.now(), write: () => {} }),
    namespace: undefined, settings: { identity: 'one', propagationDelayMs: 5000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' },
  })
  await world.clock.advance(30_000)
})
afterEach(async () => {
  const stopping = controller.stop()
  await world.clock.advance(20_000)
  await stopping
  world.close()
})

test('a release of another tool, an abort, and the deletion of the Rollout leave no trace but in status, answers and events', async () => {
  world.store.create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' }, spec }, by)
  await world.clock.advance(30_000)
  expect(status()).toMatchObject({ phase: 'Observing', message: expect.stringContaining('carries 0%') })
  await move(10, 30_000)
  expect(status().journey).toMatchObject({ observed: { by: 'flagger' }, weight: { seen: 10 } })
  world.store.create('rolloutrequests.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'stop', namespace: 'shop' }, spec: { rolloutName: 'web', action: 'Abort', requestedBy: 'rita' } }, by)
  await move(50, 150_000)
  expect(world.store.get('rolloutrequests.sluice.dev', 'shop', 'stop')!.status).toMatchObject({ state: 'Refused', message: expect.stringContaining('spec.mode is Observe') })
  expect(status().journey?.observed?.would).toMatchObject({ outcome: 'WouldPromote', weight: 50 })
  await move(0, 120_000)
  expect(status().history[0]).toMatchObject({ outcome: 'WouldPromote' })
  expect(rollout().metadata).toMatchObject({ generation: 1 })
  expect(rollout().metadata.finalizers ?? []).toEqual([])
  world.store.delete('rollouts.sluice.dev', 'shop', 'web')
  await world.clock.advance(180_000)
  const sent = world.faults.calls().filter((call) => call.userAgent === 'sluice/one' && !['get', 'list', 'watch'].includes(call.verb))
  const kinds = new Set(sent.map(({ verb, resource, subresource }) => [verb, resource, subresource].filter(Boolean).join(' ')))
  expect([...kinds].toSorted((a, b) => a.localeCompare(b))).toEqual(['create events', 'patch rolloutrequests.sluice.dev status', 'patch rollouts.sluice.dev status'])
})
