/** The whole controller on simulated time: pods whose applications count, the embedded Prometheus, a MetricTemplate in the cluster, and what the status says of it. */
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { countsAnswer } from '../../../src/analysis/counts.ts'
import { countsQuery } from '../../../src/analysis/queries.ts'
import type { Answer, Question } from '../../../src/analysis/reading.ts'
import { valueAnswer } from '../../../src/analysis/value.ts'
import { startController, type Controller } from '../../../src/controller/controller.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import type { Answers } from '../../../src/sandbox/answers.ts'
import { embeddedApi } from '../../../src/sandbox/client.ts'
import { embeddedPrometheus, type EmbeddedPrometheus } from '../../../src/sandbox/prometheus.ts'
import { evaluate } from '../../../src/sandbox/promql.ts'
import { worldOf } from '../../../src/sandbox/routing.ts'
import { drive, trafficModel } from '../../../src/sandbox/traffic.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'

let world: Stage
let prometheus: EmbeddedPrometheus
let controller: Controller
let asked: Question[]
/** By image. */
let answers: Record<string, Answers>
let stopTraffic: () => void

beforeEach(() => {
  world = stage({ crds: join(import.meta.dirname, '../../../crds') })
  asked = []
  answers = {}
  const traffic = trafficModel({ world: worldOf(world.store), dataPlane: 'Istio', answers: ({ image }) => answers[image] ?? {} }, world.clock.now())
  prometheus = embeddedPrometheus({ clock: world.clock, expose: () => traffic.expose() })
  prometheus.start()
  stopTraffic = drive(traffic, world.clock)
  traffic.send({ namespace: 'shop', host: 'web' }, 40)
  controller = startController({
    api: embeddedApi(world.store, world.faults, 'sluice/one'), clock: world.clock, random: () => 0.5, source: { ask: (question) => Promise.resolve(answer(question)) },
    log: createLog({ level: 'error', form: 'Json', now: () => world.clock.now(), write: (line) => { throw new Error(line) } }),
    settings: { identity: 'one', propagationDelayMs: 5000, clusterDomain: 'cluster.local', scrapeIntervalMs: 15_000, templateNamespaces: ['shop'] },
  })
})
afterEach(async () => {
  const stopping = controller.stop()
  stopTraffic()
  await world.clock.advance(20_000)
  await stopping
  await prometheus.stop()
  world.close()
})
/** As metrics/prometheus asks, without the way over HTTP. */
function answer(question: Question): Answer {
  asked.push(question)
  const { measure, at } = question
  const query = measure.kind === 'Query' ? (measure.query.ok ? measure.query.query : '') : (countsQuery(question) ?? 'nothing')
  const value = evaluate(query, at, prometheus.memory)
  const data = value.type === 'scalar'
    ? { resultType: 'scalar', result: [at / 1000, String(value.value)] }
    : { resultType: 'vector', result: value.elements.map((one) => ({ metric: one.labels, value: [at / 1000, Number.isNaN(one.value) ? 'NaN' : one.value === Infinity ? '+Inf' : String(one.value)] })) }
  return measure.kind === 'Query' ? valueAnswer(data) : countsAnswer(question, data)
}
const by = { manager: 'kubectl' }
const matchers = '{namespace="{{namespace}}",pod=~"{{pods}}"}[{{window}}]'
const template = (query = `sum(rate(http_request_duration_seconds_sum${matchers})) / sum(rate(http_request_duration_seconds_count${matchers}))`) =>
  ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'MetricTemplate', metadata: { name: 'average', namespace: 'shop' }, spec: { query, unit: 's' } })
async function adopted(): Promise<void> {
  world.store.create('deployments.apps', deployment('web'), by)
  const checks = [{ name: 'success', successRate: { min: '99%' } }, { name: 'average', prometheus: { templateRef: { name: 'average' }, max: '0.3' } }]
  const spec = {
    workloadRef: { kind: 'Deployment', name: 'web' }, service: { port: 80, targetPort: 'http' }, traffic: { istio: { managed: {} } },
    steps: [{ weight: 20, hold: '75s' }, { weight: 100, hold: '75s' }], analysis: { telemetry: 'Application', checks },
  }
  world.store.create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'web', namespace: 'shop' }, spec }, by)
  await reach(({ phase }) => phase === 'Idle')
}
const push = () =>
  world.store.update('deployments.apps', 'shop', 'web', (one) => ({ ...one, spec: { ...one.spec, template: { ...one.spec.template, spec: { containers: [{ ...one.spec.template.spec.containers[0], image: 'web:2' }] } } } }), by)
const status = () => world.store.get('rollouts.sluice.dev', 'shop', 'web')?.status as RolloutStatus | undefined
async function reach(holds: (now: RolloutStatus) => boolean, most = 600): Promise<RolloutStatus> {
  for (let seconds = 0; seconds < most; seconds++) {
    const now = status()
    if (now && holds(now)) return now
    await world.clock.advance(1000)
  }
  throw new Error(JSON.stringify(status(), undefined, 1).slice(0, 4000))
}

test('an application’s own histogram and a query of one’s own promote a version', async () => {
  world.store.create('metrictemplates.sluice.dev', template(), by)
  await adopted()
  push()
  const { checks } = await reach((now) => now.checks.length === 2 && now.checks.every(({ verdict }) => verdict === 'Pass'))
  expect(checks).toMatchObject([{ name: 'success', value: '100.00%', bad: 0 }, { name: 'average', value: expect.stringMatching(/^0\.0\d+s$/), bound: '0.3s' }])
  expect(checks[0]!.total).toBeGreaterThan(100)
  await reach(({ journey }) => journey?.ended?.outcome === 'Promoted')
}, 60_000)
test.for<[string, Answers, RegExp]>([
  ['slow', { latencyMs: 800 }, /average 0\.\d+s misses 0\.3s/],
  ['failing', { errorRate: 0.4 }, /success \d+\.\d+% misses 99%/],
])('a version that is %s is taken back', async ([, behaviour, said]) => {
  world.store.create('metrictemplates.sluice.dev', template(), by)
  await adopted()
  answers['web:2'] = behaviour
  push()
  const { failed } = await reach(({ phase }) => phase === 'RolledBack')
  expect(failed[0]).toMatchObject({ reason: 'CheckFailed', message: expect.stringMatching(said) })
})
test('a template that comes, goes and is edited: nothing rises without it, and its edit begins the step anew', async () => {
  await adopted()
  push()
  expect((await reach(({ phase }) => phase === 'Waiting')).message).toContain('there is no MetricTemplate shop/average')
  world.store.create('metrictemplates.sluice.dev', template('several'), by)
  await reach(({ checks }) => checks[1]?.verdict === 'NoData' && checks[1].message === 'the query answered no series')
  world.store.update('metrictemplates.sluice.dev', 'shop', 'average', (one) => ({ ...one, spec: template('http_request_duration_seconds_count').spec }), by)
  const several = await reach(({ checks }) => checks[1]?.verdict === 'Error')
  expect(several.checks[1]!.message).toMatch(/^the source answered \d+ series where one number is needed: aggregate them/)
  expect(several.journey).toMatchObject({ step: { index: 0 }, weight: { wanted: 20 } })
  world.store.delete('metrictemplates.sluice.dev', 'shop', 'average')
  const missing = await reach(({ conditions }) => conditions.some(({ type, reason }) => type === 'Stalled' && reason === 'TemplateMissing'))
  expect(missing.journey).toMatchObject({ weight: { wanted: 20 } })
  world.store.create('metrictemplates.sluice.dev', template(), by)
  await reach(({ journey }) => journey?.ended?.outcome === 'Promoted')
}, 60_000)
