/** Several metric sources and one controller, on simulated time: what one source does concerns nobody who asks another, and a changed configuration is in force at once. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Answer, Question } from '../../../src/analysis/reading.ts'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import type { NotifyOptions } from '../../../src/controller/notifying.ts'
import type { MetricSource } from '../../../src/metrics/prometheus.ts'
import { Sources } from '../../../src/metrics/sources.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

let world: Stage
let controller: Controller | undefined
let sources: Sources
let asked: Question[]
let lines: Record<string, any>[]
/** By revision: share of requests that fail. */
const failing = new Set<string>()

const perSecond = 10
function source(name: string, answer?: (question: Question) => Promise<Answer>): MetricSource {
  const right = (question: Question): Promise<Answer> => {
    // A closed door has served nothing any more.
    const rate = question.measure.kind === 'DoorRequests' ? 0 : perSecond
    const counts = (ms: number, bad: number) => ({ total: (ms / 1000) * rate, bad: (ms / 1000) * rate * bad })
    const arm = (bad: number) => ({ fast: counts(question.fastMs, bad), slow: counts(question.slowMs, bad) })
    return Promise.resolve({ state: 'Counts', canary: arm(failing.has(question.canary.workloads[0]!) ? 0.5 : 0), stable: arm(0) })
  }
  return { name, ask: (question) => (asked.push(question), (answer ?? right)(question)), state: () => ({ resting: false }) }
}
/** Answers nothing until its time-out of a minute. */
const hanging = (name: string) => source(name, () => new Promise((resolve) => void world.clock.setTimeout(() => resolve({ state: 'Error', reason: 'no answer within 60000ms' }), 60_000)))
const settings = (...names: readonly string[]) => ({ scrapeIntervalMs: 15_000, sources: Object.fromEntries(names.map((name) => [name, { scrapeIntervalMs: name === 'quick' ? 5000 : 15_000 }])) })

beforeEach(() => {
  world = stage()
  asked = []
  lines = []
  failing.clear()
})
afterEach(async () => {
  const stopping = controller?.stop()
  await world.clock.advance(20_000)
  await stopping
  world.close()
})
function start(all: readonly MetricSource[], notify?: NotifyOptions): void {
  sources = new Sources(all)
  controller = startController({
    api: embeddedApi(world.store, world.faults, 'sluice/one'), clock: world.clock, random: () => 0.5, source: sources,
    log: createLog({ level: 'info', form: 'Json', now: () => world.clock.now(), write: (line) => void lines.push(JSON.parse(line)) }),
    settings: { identity: 'one', propagationDelayMs: 5000, clusterDomain: 'cluster.local', ...settings(...all.map(({ name }) => name)) },
    ...(notify === undefined ? {} : { notify }),
  })
}
const by = { manager: 'kubectl' }
function release(name: string, sourceName?: string): void {
  world.store.create('deployments.apps', deployment(name), by)
  const analysis = { ...(sourceName === undefined ? {} : { sourceRef: { name: sourceName } }), checks: [{ name: 'success', successRate: { min: '99%' } }] }
  const spec = { workloadRef: { kind: 'Deployment', name }, service: { port: 80, targetPort: 'http' }, traffic: { istio: { managed: {} } }, steps: [{ weight: 20, hold: '1m' }, { weight: 100, hold: '1m' }], analysis }
  world.store.create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace: 'shop' }, spec }, by)
}
const push = (name: string) =>
  world.store.update('deployments.apps', 'shop', name, (one) => {
    const { template } = one.spec
    return { ...one, spec: { ...one.spec, template: { ...template, spec: { ...template.spec, containers: [{ ...template.spec.containers[0], image: `${name}:2` }] } } } }
  }, by)
const status = (name: string) => world.store.get('rollouts.sluice.dev', 'shop', name)?.status as RolloutStatus
const stalled = (name: string) => status(name).conditions.find(({ type }) => type === 'Stalled')
/** Seconds from the push until it is promoted. */
async function promotedAfter(name: string, most = 600): Promise<number> {
  for (let seconds = 0; seconds < most; seconds++) {
    if (status(name).journey?.ended?.outcome === 'Promoted') return seconds
    await world.clock.advance(1000)
  }
  throw new Error(`${status(name).phase}: ${status(name).message}`)
}

test('a source that hangs slows nobody who asks another, however many wait for it', async () => {
  const crowd = Array.from({ length: 20 }, (_, index) => `slow-${index}`)
  // The same twice, in all but the answers of the other source.
  const secondsOf = async (other: (name: string) => MetricSource): Promise<number> => {
    start([source('default'), other('slow')])
    for (const name of crowd) release(name, 'slow')
    release('web')
    await world.clock.advance(60_000)
    for (const name of [...crowd, 'web']) push(name)
    return promotedAfter('web')
  }
  const beside = await secondsOf((name) => source(name))
  const stopping = controller!.stop()
  await world.clock.advance(20_000)
  await stopping
  world.close()
  world = stage()
  expect(await secondsOf(hanging)).toBe(beside)
  await world.clock.advance(400_000)
  expect(status('slow-7')).toMatchObject({ phase: 'Held', journey: { weight: { wanted: 20 }, held: { reason: 'SourceError', message: expect.stringContaining('no answer within 60000ms') } } })
}, 60_000)

test('each Rollout is asked about in the rhythm of its source', async () => {
  start([source('default'), source('quick')])
  release('web')
  release('fast', 'quick')
  await world.clock.advance(60_000)
  push('web')
  push('fast')
  await world.clock.advance(90_000)
  const of = (name: string) => asked.filter(({ check, canary }) => check === 'success' && canary.workloads[0]!.startsWith(`${name}-`))
  // A step that is reached begins another question, at an offset of its own.
  const gaps = (name: string) => new Set([...Map.groupBy(of(name), ({ id }) => id).values()].flatMap((all) => all.slice(1).map(({ at }, index) => at - all[index]!.at)))
  expect([gaps('web'), gaps('fast')]).toEqual([new Set([30_000]), new Set([10_000])])
  expect(new Set(of('fast').map(({ source: name }) => name))).toEqual(new Set(['quick']))
  expect(Math.max(...of('fast').map(({ fastMs }) => fastMs))).toBe(20_000)
})

test('a source that nobody knows: adopted, then Stalled with the names there are and no traffic for a new version, until the configuration has it', async () => {
  start([source('default')])
  release('web', 'edge')
  await world.clock.advance(60_000)
  expect(status('web')).toMatchObject({ phase: 'Idle', stable: { images: ['web:1'] } })
  push('web')
  await world.clock.advance(900_000)
  expect(status('web').phase).toBe('Waiting')
  expect(stalled('web')).toMatchObject({ status: 'True', reason: 'SourceUnknown', message: expect.stringContaining('no metric source edge is configured: name one of default in analysis.sourceRef') })
  expect(asked).toEqual([])
  sources.replace([source('default'), source('edge')])
  controller!.reconfigure(settings('default', 'edge'))
  await promotedAfter('web')
  expect(stalled('web')).toMatchObject({ status: 'False' })
}, 30_000)

test('a source that goes in the middle of a journey: no weight rises, its patience runs, and failures of before are not forgotten', async () => {
  start([source('default'), source('edge')])
  release('web', 'edge')
  await world.clock.advance(60_000)
  push('web')
  await world.clock.advance(45_000)
  expect(status('web')).toMatchObject({ phase: 'Holding', journey: { weight: { wanted: 20 } } })
  const { journey } = status('web')
  sources.replace([source('default')])
  controller!.reconfigure(settings('default'))
  await world.clock.advance(200_000)
  expect(status('web')).toMatchObject({ phase: 'Holding', journey: { weight: journey!.weight }, checks: [{ verdict: 'Error' }] })
  expect(stalled('web')).toMatchObject({ status: 'True', reason: 'SourceUnknown' })
  await world.clock.advance(300_000)
  expect(status('web')).toMatchObject({ phase: 'Held', journey: { held: { reason: 'SourceError', message: expect.stringContaining('no metric source edge is configured') } } })
})

test('another scrape interval in the middle of a journey is in force at once, and restarts nothing', async () => {
  start([source('default')])
  release('web')
  await world.clock.advance(60_000)
  push('web')
  await world.clock.advance(45_000)
  const { journey } = status('web')
  controller!.reconfigure({ scrapeIntervalMs: 5000, sources: { default: { scrapeIntervalMs: 5000 } } })
  await world.clock.advance(10_000)
  expect(status('web').journey).toMatchObject({ step: journey!.step, weight: { wanted: 20, seenAt: journey!.weight.seenAt } })
  const since = asked.length
  await world.clock.advance(20_000)
  expect(asked.length - since).toBe(2)
  failing.add(status('web').canary!.revision)
  await world.clock.advance(120_000)
  expect(status('web').phase).toBe('RolledBack')
})

test('whose templates are honoured, and defaults, are those of the last configuration, and none of the one before', async () => {
  start([source('default')])
  release('web')
  const templated = [{ name: 'own', prometheus: { templateRef: { name: 'queue', namespace: 'metrics' }, max: '5' } }]
  world.store.update('rollouts.sluice.dev', 'shop', 'web', (one) => ({ ...one, spec: { ...one.spec, analysis: { checks: templated } } }), by)
  const said = async (more: object): Promise<string> => {
    controller!.reconfigure({ ...settings('default'), ...more })
    await world.clock.advance(90_000)
    return stalled('web')?.message ?? ''
  }
  const first = await said({ templateNamespaces: ['elsewhere'] })
  const then = await said({ templateNamespaces: ['metrics'] })
  expect(first).toContain('of namespace metrics are not honoured')
  expect(then).not.toContain('are not honoured')
  expect(await said({ templateNamespaces: ['elsewhere'] })).toBe(first)
})

test('a message to a host that was not allowed is sent as soon as it is, and calls the cluster what it is called by then', async () => {
  world.store.create('secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'hook', namespace: 'shop' }, data: { key: Buffer.from(`whsec_${Buffer.alloc(32, 1).toString('base64')}`).toString('base64') } } as never, by)
  const webhook = { url: 'https://hooks.tools.svc/sluice', signingSecretRefs: [{ name: 'hook', key: 'key' }] }
  world.store.create('notificationchannels.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'hook', namespace: 'shop' }, spec: { webhook } }, by)
  let allowed = false
  let cluster = 'old'
  const sent: string[] = []
  const call = (letter: { readonly body: string }) => {
    if (!allowed) return Promise.resolve({ state: 'Failed', reason: 'HostNotAllowed', message: 'is a name inside the cluster' } as const)
    sent.push(letter.body)
    return Promise.resolve({ state: 'Answered', status: 200, type: '', text: '' } as const)
  }
  start([source('default')], { call, cluster: () => cluster })
  release('web')
  world.store.update('rollouts.sluice.dev', 'shop', 'web', (one) => ({ ...one, spec: { ...one.spec, notifications: [{ channelRef: { name: 'hook' } }] } }), by)
  await world.clock.advance(900_000)
  expect(sent).toEqual([])
  allowed = true
  cluster = 'eu-1'
  controller!.reconfigure(settings('default'))
  await world.clock.advance(1000)
  expect(sent.map((body) => JSON.parse(body).data.cluster)).toContain('eu-1')
})
