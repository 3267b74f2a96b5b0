/** What the controller says of itself, in front of the embedded cluster: counted once, and gone with what it is about. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Answer, ArmCounts } from '../../../src/analysis/reading.ts'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { readyAnnotation } from '../../../src/sandbox/behaviour.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { registry } from '../../../src/telemetry/registry.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

type Scrape = ReadonlyMap<string, number>
interface Process {
  readonly controller: Controller
  scrape(): Promise<Scrape>
}
let world: Stage
let running: Controller[]
/** Bad ones of 1000 requests of the canary. */
let bad: number
let answers: boolean

beforeEach(() => {
  world = stage()
  running = []
  bad = 0
  answers = true
  world.store.create('deployments.apps', deployment('web'), { manager: 'kubectl' })
})
afterEach(async () => {
  const stopping = Promise.all(running.map(one => one.stop()))
  await world.clock.advance(20_000)
  await stopping
  world.close()
})

const arm = (failed: number): ArmCounts => ({ fast: { total: 1000, bad: failed }, slow: { total: 1000, bad: failed } })
function start(identity = 'one'): Process {
  const { meters, exposition } = registry()
  const controller = startController({
    api: embeddedApi(world.store, world.faults, `sluice/${identity}`), clock: world.clock, random: () => 0.5, meters,
    source: { ask: (): Promise<Answer> => Promise.resolve(answers ? { state: 'Counts', canary: arm(bad), stable: arm(0) } : { state: 'Error', reason: 'down' }) },
    log: createLog({ level: 'error', form: 'Json', write: () => {} }),
    settings: { identity, propagationDelayMs: 5000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' },
    election: { namespace: 'sluice-system', name: 'sluice' },
  })
  running.push(controller)
  const scrape = async () => new Map((await exposition.text()).split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => {
    const blank = line.lastIndexOf(' ')
    return [line.slice(0, blank), Number(line.slice(blank + 1))] as const
  }))
  return { controller, scrape }
}
const stop = async ({ controller }: Process) => {
  const stopping = controller.stop()
  await world.clock.advance(10_000)
  await stopping
}
const spec = {
  workloadRef: { kind: 'Deployment', name: 'web' }, service: { port: 80, targetPort: 'http' }, traffic: { istio: { managed: {} } },
  steps: [{ weight: 20, hold: '2m' }, { weight: 100, hold: '2m' }], analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }] },
}
const status = () => world.store.get('rollouts.sluice.dev', 'shop', 'web')?.status as RolloutStatus | undefined
const push = (image: string) =>
  world.store.update('deployments.apps', 'shop', 'web', one => ({ ...one, spec: { ...one.spec, template: { ...one.spec.template, spec: { containers: [{ ...one.spec.template.spec.containers[0], image }] } } } }), { manager: 'kubectl' })
async function adopted(): Promise<void> {
  world.store.create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' }, spec } as KubeObject, { manager: 'kubectl' })
  await world.clock.advance(60_000)
  expect(status()?.phase).toBe('Idle')
}
const web = 'rollout_namespace="shop",rollout="web"'
const of = (scrape: Scrape, pattern: RegExp) => Object.fromEntries([...scrape].filter(([series]) => pattern.test(series)))

test('a promotion and a rollback are counted once each, with their reason, price and durations', async () => {
  const one = start()
  await adopted()
  expect(of(await one.scrape(), /^sluice_journeys_/)).toEqual({
    [`sluice_journeys_started_total{${web}}`]: 0,
    ...Object.fromEntries(['Promoted', 'RolledBack', 'Superseded', 'Withdrawn'].map(outcome => [`sluice_journeys_ended_total{${web},outcome="${outcome}"}`, 0])),
  })
  push('web:2')
  await world.clock.advance(60_000)
  expect(of(await one.scrape(), /^sluice_rollout_(phase|weight_ratio|step|check_verdict)/)).toMatchObject({
    [`sluice_rollout_phase{${web},phase="Holding"}`]: 1,
    [`sluice_rollout_weight_ratio{${web},of="Wanted"}`]: 0.2, [`sluice_rollout_weight_ratio{${web},of="Seen"}`]: 0.2,
    [`sluice_rollout_step{${web},of="Present"}`]: 1, [`sluice_rollout_step{${web},of="All"}`]: 2,
  })
  await world.clock.advance(600_000)
  bad = 500
  push('web:3')
  await world.clock.advance(600_000)
  const now = await one.scrape()
  expect(of(now, /^sluice_journeys_.*[^0]"?}?$/)).toMatchObject({
    [`sluice_journeys_started_total{${web}}`]: 2,
    [`sluice_journeys_ended_total{${web},outcome="Promoted"}`]: 1, [`sluice_journeys_ended_total{${web},outcome="RolledBack"}`]: 1,
    'sluice_journeys_ended_by_reason_total{outcome="Promoted",reason="EveryStepPassed"}': 1, 'sluice_journeys_ended_by_reason_total{outcome="RolledBack",reason="CheckFailed"}': 1,
  })
  expect(now.get(`sluice_rollout_last_end_info{${web},outcome="RolledBack",reason="CheckFailed"}`)).toBe(1)
  const lost = status()!.history.reduce((sum, { requests }) => sum + requests.lost, 0)
  expect(lost).toBeGreaterThan(0)
  expect(now.get(`sluice_journey_requests_total{${web},result="Lost"}`)).toBe(lost)
  // Answer and lowering happen at one moment of simulated time, as do the watch and the first commit.
  expect(now.get('sluice_lowering_reaction_seconds_count')).toBe(1)
  expect(now.get('sluice_lowering_reaction_seconds_bucket{le="0.001"}')).toBe(1)
  expect(now.get('sluice_template_reaction_seconds_count')).toBe(2)
  expect(now.get('sluice_journey_duration_seconds_count{outcome="Promoted"}')).toBe(1)
  // 20 % and 100 % of the promotion, 20 % of the one that was taken back.
  expect(of(now, /^sluice_weight_duration_seconds_count/)).toEqual({ 'sluice_weight_duration_seconds_count{weight="25"}': 2, 'sluice_weight_duration_seconds_count{weight="100"}': 1 })
  expect(of(now, /^sluice_rollout_weight_ratio/)).toEqual({})
  expect(now.get('sluice_queries_total{source="default",result="Counts"}')).toBeGreaterThan(5)
  expect(now.get('sluice_commits_total{result="Won"}')).toBeGreaterThan(10)
  expect(now.get('sluice_passes_total{lane="Rest",result="Done"}')).toBeGreaterThan(10)
  expect(now.get('sluice_actions_total{action="Lower",result="Done"}')).toBe(1)
  expect(now.get('sluice_events_total{result="Delivered"}')).toBeGreaterThan(3)
})

test('a new leader counts nothing again, and only the leader tells of Rollouts', async () => {
  const one = start('one')
  await adopted()
  const two = start('two')
  push('web:2')
  await world.clock.advance(600_000)
  expect((await one.scrape()).get(`sluice_journeys_ended_total{${web},outcome="Promoted"}`)).toBe(1)
  expect(of(await two.scrape(), /^sluice_(leader|rollout_|journeys)/)).toEqual({ sluice_leader: 0 })
  await stop(one)
  await world.clock.advance(120_000)
  const now = await two.scrape()
  expect(of(now, /^sluice_leader|phase/)).toEqual({ sluice_leader: 1, [`sluice_rollout_phase{${web},phase="Idle"}`]: 1 })
  expect(now.get(`sluice_journeys_ended_total{${web},outcome="Promoted"}`)).toBe(0)
  expect(now.get('sluice_lease_changes_total{to="Leading"}')).toBe(1)
  // The one that has stopped reads no caches any more.
  expect(of(await one.scrape(), /^sluice_rollout_|^sluice_cache/)).toEqual({})
})

test('what a Rollout that is no more has counted goes with it, also in a process that waits', async () => {
  const [one, two] = [start('one'), start('two')]
  await adopted()
  expect(Object.keys(of(await one.scrape(), /rollout="web"/)).length).toBeGreaterThan(5)
  world.store.delete('rollouts.sluice.dev', 'shop', 'web')
  await world.clock.advance(200_000)
  for (const each of [one, two]) expect(of(await each.scrape(), /rollout="web"/)).toEqual({})
})

test('a lowering that cannot be written shows until it is, and counts its tries', async () => {
  const one = start()
  await adopted()
  push('web:2')
  await world.clock.advance(60_000)
  bad = 500
  const fault = world.faults.inject({ verb: 'patch', resource: 'virtualservices.networking.istio.io', userAgent: 'sluice/', effect: { answer: 500 } })
  await world.clock.advance(120_000)
  const failing = await one.scrape()
  expect(failing.get(`sluice_rollout_lowering_failing{${web}}`)).toBe(1)
  expect(failing.get('sluice_actions_total{action="Lower",result="Failed"}')).toBeGreaterThan(5)
  expect(failing.get('sluice_lowering_reaction_seconds_count')).toBe(0)
  fault.remove()
  await world.clock.advance(30_000)
  const done = await one.scrape()
  expect(of(done, /lowering_failing/)).toEqual({})
  expect(done.get('sluice_lowering_reaction_seconds_count')).toBe(1)
  expect(done.get('sluice_lowering_reaction_seconds_sum')).toBeGreaterThan(30)
})

test('traffic that stays where it is, since no pod is ready to take it, shows too; and nothing does while a closing that has lowered drains', async () => {
  const one = start()
  await adopted()
  push('web:2')
  await world.clock.advance(60_000)
  const ready = (yes: boolean) => {
    for (const pod of world.store.list('pods', { namespace: 'shop' }).filter(({ spec }) => spec.containers[0].image === 'web:1'))
      world.store.update('pods', 'shop', pod.metadata.name, now => ({ ...now, metadata: { ...now.metadata, annotations: { [readyAnnotation]: String(yes) } } }))
  }
  ready(false)
  await world.clock.advance(5000)
  world.store.create('rolloutrequests.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'r', namespace: 'shop' }, spec: { rolloutName: 'web', action: 'Abort' } }, { manager: 'kubectl' })
  await world.clock.advance(10_000)
  expect(status()?.phase).toBe('Closing')
  const kept = await one.scrape()
  expect(kept.get(`sluice_rollout_lowering_failing{${web}}`)).toBe(1)
  expect(of(kept, /weight_ratio/)).toEqual({ [`sluice_rollout_weight_ratio{${web},of="Wanted"}`]: 0 })
  ready(true)
  await world.clock.advance(5000)
  expect(status()?.phase).toBe('Closing')
  expect(of(await one.scrape(), /lowering_failing/)).toEqual({})
})

test('watches that are cut count as restarts, and one that is silent shows since when', async () => {
  world.faults.inject({ verb: 'watch', resource: 'deployments.apps', userAgent: 'sluice/', times: 2, effect: { cutAfterEvents: 1, expire: true } })
  const one = start()
  await adopted()
  push('web:2')
  await world.clock.advance(600_000)
  const now = await one.scrape()
  expect(of(now, /^sluice_watch_restarts_total/)).toEqual({ 'sluice_watch_restarts_total{kind="Deployment",result="Failed"}': 2 })
  expect(now.get('sluice_watch_heard_timestamp_seconds{kind="Rollout"}')! * 1000).toBeGreaterThan(world.clock.now() - 300_000)
  expect(now.get('sluice_cache_synced{kind="Rollout"}')).toBe(1)
})

test('a source that does not answer shows as results and as verdicts', async () => {
  const one = start()
  await adopted()
  answers = false
  push('web:2')
  await world.clock.advance(120_000)
  const now = await one.scrape()
  expect(now.get('sluice_queries_total{source="default",result="Error"}')).toBeGreaterThan(0)
  expect(now.get(`sluice_rollout_check_verdict{${web},check="success",verdict="Error"}`)).toBe(1)
})
