/** Dashboards, alerts and log lines as an operator meets them: a real Prometheus scrapes a controller that has released well and badly. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { dashboards } from '../../deploy/grafana/make.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { serveMetrics } from '../../src/server/metrics.ts'
import { logKeys } from '../../src/telemetry/log.ts'
import { startEmbedded, type Embedded } from '../support/embedded.ts'
import { controlPlaneMissing, crdsMissing } from '../support/control-plane.ts'
import { kustomized } from '../support/install.ts'
import { prometheusMissing, startPrometheus, type Prometheus } from '../support/prometheus.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { alertCases } from '../support/alert-cases.ts'

const root = resolve(import.meta.dirname, '../..')
const missing = prometheusMissing()

/** What has nothing to show where all is well. */
const emptyWhenWell = ['Lowerings not done at once', 'Traffic that cannot be taken away', 'Oldest note in the outbox', 'Watches begun anew']
interface Target {
  readonly board: string
  readonly title: string
  readonly expr: string
}
const boards = Object.keys(dashboards).map(file => ({ file, board: JSON.parse(readFileSync(join(root, 'deploy/grafana', file), 'utf8')) }))
const targets: readonly Target[] = boards.flatMap(({ file, board }) =>
  board.panels.flatMap((panel: any) => (panel.targets ?? []).map((target: any) => ({ board: file, title: panel.title, expr: target.expr }))))
const filled = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '2m').replaceAll('$namespace', 'shop').replaceAll('$rollout', 'search')

test('the dashboards are what deploy/grafana/make.ts makes', () => {
  for (const [file, text] of Object.entries(dashboards)) expect(readFileSync(join(root, 'deploy/grafana', file), 'utf8')).toBe(text)
})

describe.skipIf(missing)(`what Sluice says of itself ${missing ?? ''}`, () => {
  let world: Embedded
  let metrics: Awaited<ReturnType<typeof serveMetrics>>
  let prometheus: Prometheus

  const spec = (name: string, last: string): RolloutSpec => ({
    workloadRef: { kind: 'Deployment', name }, service: { port: 80 }, traffic: { istio: { managed: {} } }, notifications: [{ channelRef: { name: 'hook' } }],
    steps: [{ weight: 20, hold: '2m' }, { weight: 50, hold: last }, { weight: 100, hold: '1m' }], analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }] },
  })
  beforeAll(async () => {
    world = await startEmbedded({ answers: image => (image.endsWith(':bad') ? { errorRate: 0.3 } : {}), call: () => Promise.resolve({ state: 'Answered', status: 200, type: '', text: '' }) })
    metrics = await serveMetrics({ port: 0, host: '127.0.0.1', exposition: world.exposition })
    prometheus = await startPrometheus({ targets: [`127.0.0.1:${metrics.port}`], scrapeIntervalMs: 1000 })
    world.cluster.store.create('secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'hook', namespace: 'shop' }, data: { url: btoa('https://hooks.slack.com/services/a/b/c') } }, { manager: 'kubectl' })
    world.cluster.store.create('notificationchannels.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'hook', namespace: 'shop' }, spec: { slack: { urlSecretRef: { name: 'hook', key: 'url' } } } }, { manager: 'kubectl' })
    for (const name of ['cart', 'search']) world.deploy(name, `${name}:v1`, 40)
    world.clock.run(60)
    world.rollout('cart', spec('cart', '1m'))
    world.rollout('search', spec('search', '1m'))
    await world.until('both to be adopted', () => ['cart', 'search'].every(name => world.status(name)?.phase === 'Idle'))
    world.push('search', 'search:v2')
    await world.until('search to be promoted', () => world.status('search')?.history[0]?.outcome === 'Promoted')
    world.push('cart', 'cart:bad')
    world.push('search', 'search:v3')
    await world.until('cart to be rolled back', () => world.status('cart')?.phase === 'RolledBack')
    await world.until('search to be judged', () => world.status('search')?.phase === 'Holding' && world.status('search')?.checks.some(({ total }) => total !== undefined) === true)
    // Time goes on slowly, so that search still holds while it is asked.
    world.clock.run(1)
    await new Promise(done => setTimeout(done, 3000))
  }, 120_000)
  afterAll(async () => {
    await prometheus?.stop()
    await metrics?.close()
    world?.clock.run(60)
    await world?.close()
  })

  /** The answer that is wanted, or the last one: a scrape that took too long on a busy machine leaves a gap of a second. */
  const settled = async (expr: string, wanted: (found: Awaited<ReturnType<Prometheus['query']>>) => boolean) => {
    for (let tried = 0; ; tried++) {
      const found = await prometheus.query(expr)
      if (wanted(found) || tried === 10) return found
      await new Promise(done => setTimeout(done, 1000))
    }
  }
  test.for(targets)('$board: $title has data: $expr', async ({ title, expr }) => {
    if (emptyWhenWell.includes(title)) return void (await prometheus.query(filled(expr)))
    const found = await settled(filled(expr), some => some.length > 0)
    expect(found.length).toBeGreaterThan(0)
    expect(found.filter(({ value }) => Number.isNaN(value) && !/histogram_quantile|\//.test(expr))).toEqual([])
  })
  test('what is empty where all is well names panels that exist', () => {
    expect(emptyWhenWell.filter(title => !targets.some(target => target.title === title))).toEqual([])
  })
  test('the variables of dashboards find their values', async () => {
    const found = await prometheus.query('count by (rollout_namespace, rollout) (sluice_rollout_phase)')
    expect(found.map(({ labels }) => `${labels['rollout_namespace']}/${labels['rollout']}`).toSorted()).toEqual(['shop/cart', 'shop/search'])
  })
  test('no alert has anything to say of a controller that is well', async () => {
    const rules = parse(readFileSync(join(root, 'deploy/alerts/sluice.yaml'), 'utf8')).groups[0].rules as { alert: string; expr: string }[]
    for (const { alert, expr } of rules) expect([alert, await settled(expr, some => some.length === 0)]).toEqual([alert, []])
  })
  test('lines of these journeys have only documented keys, and the ones that say what happened', () => {
    const known = new Set(['time', 'level', 'message', ...Object.keys(logKeys)])
    expect([...new Set(world.lines.flatMap(line => Object.keys(line)))].filter(key => !known.has(key))).toEqual([])
    const ended = world.lines.find(line => line['note'] === 'RolledBack')
    expect(ended).toMatchObject({ level: 'warn', rollout: 'cart', namespace: 'shop', reason: 'CheckFailed', check: 'success', journey: expect.any(String), value: expect.stringContaining('%'), bound: expect.stringContaining('99%') })
  })
})

const noCrds = controlPlaneMissing() ?? crdsMissing()
test.skipIf(noCrds)(`an API server with the Prometheus Operator takes what the overlay has for it ${noCrds ?? ''}`, async () => {
  const plane = sharedControlPlane()!
  const objects = (await kustomized(plane, 'overlays/service-monitor')).filter(({ metadata, kind }) => kind.startsWith('Prometheus') || kind === 'ServiceMonitor' || metadata.name === 'sluice-controller-metrics')
  expect(objects.map(({ kind }) => kind).toSorted()).toEqual(['PrometheusRule', 'Service', 'ServiceMonitor'])
  const text = objects.map(object => JSON.stringify({ ...object, metadata: { ...object.metadata, namespace: 'default' } })).join('\n---\n')
  expect(await plane.kubectlAsync(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], text)).toMatchObject({ status: 0 })
})

describe.skipIf(missing)(`alerts ${missing ?? ''}`, () => {
  const promtool = (...args: readonly string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
  const rules = join(root, 'deploy/alerts/sluice.yaml')

  test('promtool takes the rules', () => {
    expect(promtool('check', 'rules', rules)).toMatchObject({ status: 0, stdout: expect.stringMatching(/[1-9][0-9]* rules found/) })
  })
  test('each fires when it should, and not when it should not', () => {
    const alerts = parse(readFileSync(rules, 'utf8')).groups[0].rules as { alert: string; labels: object; annotations: object }[]
    expect(alerts.map(({ alert }) => alert).filter(alert => !alertCases.some(one => one.alert === alert && one.fires !== undefined))).toEqual([])
    expect(alerts.map(({ alert }) => alert).filter(alert => !alertCases.some(one => one.alert === alert && one.fires === undefined))).toEqual([])
    const folder = mkdtempSync(join(tmpdir(), 'sluice-alerts-'))
    try {
      const tests = alertCases.map(({ name, alert, series, at, fires }) => {
        const { labels } = alerts.find(one => one.alert === alert)!
        return {
          name, interval: '30s', input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
          // Annotations are compared by promtool too where they are given; summaries hold values, so labels are what is asked for.
          promql_expr_test: [{ expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`, eval_time: at, exp_samples: [{ labels: '{}', value: fires === undefined ? 0 : 1 }] },
            ...(fires === undefined ? [] : [{ expr: `ALERTS{alertname="${alert}",alertstate="firing"}`, eval_time: at, exp_samples: [{ labels: `ALERTS${written({ alertname: alert, alertstate: 'firing', ...labels, ...fires })}`, value: 1 }] }])],
        }
      })
      writeFileSync(join(folder, 'tests.yaml'), stringify({ rule_files: [rules], evaluation_interval: '30s', tests }))
      const done = promtool('test', 'rules', join(folder, 'tests.yaml'))
      expect(`${done.stdout}${done.stderr}`).toMatch(/SUCCESS/)
      expect(done.status).toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
function written(labels: Readonly<Record<string, string>>): string {
  return `{${Object.entries(labels).map(([key, value]) => `${key}="${value}"`).join(', ')}}`
}
