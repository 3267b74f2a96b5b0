import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { run } from '../../../src/cli.ts'
import { paceOf } from '../../../src/cli/lint-pace.ts'
import { plan } from '../../../src/rollout/plan.ts'
import type { RolloutSpec } from '../../../src/rollout/schema.ts'
import { systemClock } from '../../../src/telemetry/clock.ts'

let directory: string
let out: string
let err: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-lint-'))
  return () => rmSync(directory, { recursive: true, force: true })
})
const screen = (write: (text: string) => void) => ({ write, columns: () => undefined, rows: () => undefined, terminal: undefined })
const sluice = (...argv: string[]): Promise<number> => {
  out = err = ''
  return run(argv, { identity: 'test', io: { stdout: screen(text => void (out += text)), stderr: screen(text => void (err += text)), color: false, clock: systemClock, stopped: new AbortController().signal } })
}
function file(name: string, text: string): string {
  const path = join(directory, name)
  mkdirSync(resolve(path, '..'), { recursive: true })
  writeFileSync(path, text)
  return path
}
interface Told { readonly line: number; readonly column: number; readonly severity: string; readonly rule: string; readonly message: string; readonly file: string }
async function told(...argv: string[]): Promise<{ code: number; findings: Told[]; estimates: any[] }> {
  const code = await sluice('lint', '-f', directory, '-o', 'json', ...argv)
  return { code, ...JSON.parse(out) }
}
const rollout = (more = '', name = 'checkout'): string => `apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: ${name}, namespace: shop}
spec:
  workloadRef: {kind: Deployment, name: ${name}}
  service: {port: 80}
  traffic: {istio: {managed: {}}}
  steps: [{weight: 5, hold: 2m}, {weight: 100, hold: 2m}]
  analysis: {checks: [{name: success, successRate: {min: 99%}}]}
${more}`
const deployment = (name = 'checkout', more = ''): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template: {metadata: {labels: {app: ${name}}}, spec: {containers: [{name: app, image: web:1}]}}
${more}`

describe('by itself', () => {
  test('clean: exit code 0 and a word on standard error', async () => {
    const path = file('a.yaml', rollout())
    expect(await sluice('lint', '-f', path)).toBe(0)
    expect([out, err]).toEqual(['', '1 resource of sluice.dev in 1 file: nothing to complain about\n'])
  })
  test('what is wrong, with file, line and column', async () => {
    const path = file('a.yaml', 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n---\n' + rollout().replace('hold: 2m}]', 'hold: 2min}]').replace('managed', 'managd'))
    expect(await sluice('lint', '-f', path)).toBe(1)
    expect(out).toContain(`${path}:11:21: error: spec.traffic.istio.managd: is no field`)
    expect(out).toContain(`${path}:12:54: error: spec.steps[1].hold: "2min" is no duration`)
    expect(err).toContain('3 errors')
  })
  test('a field that is missing is shown where its parent stands', async () => {
    file('a.yaml', rollout().replace('  traffic: {istio: {managed: {}}}\n', ''))
    expect((await told()).findings).toMatchObject([{ line: 4, column: 1, message: expect.stringContaining('traffic is missing') }])
  })
  test('items of a List', async () => {
    file('a.yaml', `apiVersion: v1\nkind: List\nitems:\n- apiVersion: sluice.dev/v1alpha1\n  kind: Rollout\n  metadata: {name: a}\n  spec:\n    steps: [{weight: x}]\n`)
    expect((await told()).findings).toContainEqual(expect.objectContaining({ line: 8, column: 22, message: expect.stringContaining('"x" is no weight') }))
  })
  test('no YAML: the line where it breaks', async () => {
    const path = file('a.yaml', 'apiVersion: sluice.dev/v1alpha1\nkind: Rollout\n  metadata: [\n')
    expect(await sluice('lint', '-f', path)).toBe(1)
    expect(out).toMatch(/^\S+a\.yaml:2:7: error: Nested mappings .*\n$/)
  })
  test('a key twice', async () => {
    file('a.yaml', rollout('  paused: true\n  paused: false\n'))
    expect((await told()).findings).toMatchObject([{ line: 11, rule: 'NotYaml', message: 'Map keys must be unique' }])
  })
  test('hooks: the flag that a host needs, and that nobody can tell who calls', async () => {
    file('a.yaml', rollout(`  hooks:
  - {name: load, when: DuringStep, url: "https://load.test.svc/run", secretRef: {name: load-token, key: token}}
  - {name: gate, when: BeforeRaise, url: "http://10.1.2.3:8080/"}
  - {name: fine, when: AfterOutcome, url: "https://hooks.example.com/", secretRef: {name: load-token, key: token}}
`))
    const found = await told('--strict')
    expect(found).toMatchObject({ code: 0, findings: [
      { line: 11, column: 41, severity: 'Note', rule: 'HookHostToAllow', message: expect.stringContaining('with --allow-host load.test.svc:443') },
      { line: 12, rule: 'HookUnsigned' },
      { line: 12, rule: 'HookHostToAllow', message: 'spec.hooks[1].url: 10.1.2.3:8080 is a private, loopback or link-local address, so the controller must be started with --allow-host 10.1.2.3:8080' },
    ] })
  })
  test('words that kubectl reads as booleans', async () => {
    file('a.yaml', rollout('  dependsOn: [{name: on}]\n'))
    expect((await told()).findings).toMatchObject([{ line: 10, column: 22, rule: 'ReadAsBoolean' }])
    file('a.yaml', rollout('  dependsOn: [{name: "on"}]\n'))
    expect((await told()).findings).toEqual([])
  })
  test('templates of charts in directories are passed over, named ones are not', async () => {
    file('a.yaml', rollout())
    const chart = file('chart.yaml', 'a: {{ .Values.a }}\n{{- if b }}\nc: [\n')
    expect((await told()).code).toBe(0)
    await sluice('lint', '-f', directory)
    expect(err).toContain('1 file that is no YAML passed over')
    expect(await sluice('lint', '-f', chart)).toBe(1)
  })
  test('a hold that its evidence outlasts, at the scrapes of this cluster', async () => {
    file('a.yaml', rollout().replace('hold: 2m}, ', 'hold: 1m}, '))
    const found = await told()
    expect(found).toMatchObject({ code: 0, findings: [{ line: 8, column: 29, severity: 'Warning', rule: 'HoldTooShort' }] })
    expect((await told('--strict')).code).toBe(1)
    expect((await told('--scrape-interval', '10s')).findings).toEqual([])
  })
})

describe('beside other objects', () => {
  test('a workload that is not there', async () => {
    file('a.yaml', rollout().replace('name: checkout}\n  service', 'name: chekout}\n  service'))
    expect((await told()).findings).toEqual([])
    file('b.yaml', deployment())
    expect((await told()).findings).toMatchObject([{ line: 5, column: 41, rule: 'WorkloadMissing', message: expect.stringContaining('did you mean checkout?') }])
  })
  test('an autoscaler of the Deployment, at the autoscaler', async () => {
    file('a.yaml', `${rollout()}---\n${deployment()}`)
    const path = file('hpa.yaml', 'apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout, namespace: shop}\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}\n')
    expect(await told()).toMatchObject({ code: 1, findings: [{ file: path, line: 5, column: 3, rule: 'HPATargetsWorkload' }] })
  })
  test('what does not rest on an invalid field is said with it', async () => {
    file('a.yaml', `${rollout().replace('hold: 2m}]', 'hold: 2min}]')}---\n${deployment('checkout', '  replicas: 3\n')}`)
    expect((await told()).findings.map(one => one.rule)).toEqual(['InvalidSpec', 'ReplicasContested'])
  })
  test('replicas of the template in Git, and of a Rollout that is scaled', async () => {
    file('a.yaml', rollout('  replicas: 3\n'))
    file('b.yaml', deployment('checkout', '  replicas: 3\n'))
    file('hpa.yaml', 'apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: checkout, namespace: shop}\nspec:\n  scaleTargetRef: {apiVersion: sluice.dev/v1alpha1, kind: Rollout, name: checkout}\n')
    expect((await told()).findings.map(({ rule, severity, line }) => [rule, severity, line])).toEqual([['ReplicasAutoscaled', 'Warning', 10], ['ReplicasContested', 'Warning', 7]])
  })
  const virtualService = (route: string): string => `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec:\n  hosts: [checkout]\n  http:\n  - name: default\n    route: ${route}\n`
  const named = (routes = ''): string => rollout().replace('{managed: {}}', `{virtualServiceRefs: [{name: web${routes}}]}`)
  test('a route without the doors, at the route; a route of another name, at the Rollout', async () => {
    file('a.yaml', named())
    expect((await told()).findings).toEqual([])
    const route = file('b.yaml', virtualService('[{destination: {host: checkout}}]'))
    expect((await told()).findings).toMatchObject([{ file: route, rule: 'RouteLacksDoors', line: 4 }])
    file('b.yaml', virtualService('[{destination: {host: checkout-stable}, weight: 100}, {destination: {host: checkout-canary}, weight: 0}]'))
    expect((await told()).findings).toEqual([])
    file('a.yaml', named(', routes: [defalt]'))
    expect((await told()).findings).toMatchObject([{ rule: 'RouteNotFound', line: 7, message: expect.stringContaining('it has default') }])
  })
  test('a route that is not among those given', async () => {
    file('a.yaml', named())
    file('b.yaml', virtualService('[]').replace('name: web', 'name: wev'))
    expect((await told()).findings).toMatchObject([{ rule: 'RouteMissing' }])
  })
  test('two Rollouts for one workload', async () => {
    file('a.yaml', `${rollout()}---\n${rollout().replace('name: checkout, namespace', 'name: other, namespace')}`)
    expect((await told()).findings.map(one => one.rule)).toEqual(['TargetClaimed'])
  })
  test('one name twice; in another folder it is another cluster', async () => {
    file('a.yaml', `${rollout()}---\n${rollout()}`)
    expect((await told()).findings.map(one => one.rule)).toEqual(['NameRepeated'])
    file('a.yaml', rollout())
    file('prod/a.yaml', rollout())
    expect((await told()).findings).toEqual([])
  })
  test('a Deployment that cannot be read is said and harms nobody', async () => {
    file('a.yaml', `${rollout()}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\nspec: {}\n`)
    expect((await told()).findings.map(one => one.rule)).toEqual(['WorkloadIncomplete'])
  })
  test('a tracked Secret without the two rights is a note, with them none; what the template does not name is a warning', async () => {
    file('a.yaml', `${rollout('  trackedConfig: [{kind: Secret, name: tls}, {kind: ConfigMap, name: app}]\n')}---\n${deployment().replace('image: web:1', 'image: web:1, envFrom: [{secretRef: {name: tls}}]')}`)
    expect((await told()).findings.map(({ rule, severity, line }) => [rule, severity, line])).toEqual([['TrackedConfigUnused', 'Warning', 10], ['SecretNeedsRole', 'Note', 10]])
    const role = (rules: string) => `apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: shop}\nrules: [${rules}]\n`
    const get = "{apiGroups: [''], resources: [secrets], resourceNames: [tls], verbs: [get]}"
    file('b.yaml', role(get))
    expect((await told()).findings.map(({ rule }) => rule)).toContain('SecretNeedsRole')
    file('b.yaml', role(`${get}, {apiGroups: [''], resources: [secrets], verbs: [create]}`))
    expect((await told()).findings.map(({ rule }) => rule)).toEqual(['TrackedConfigUnused'])
  })
  test('templates: what is wrong with a query, and what a check lacks', async () => {
    const template = (query: string, name = 'lag') => `apiVersion: sluice.dev/v1alpha1\nkind: MetricTemplate\nmetadata: {name: ${name}, namespace: shop}\nspec:\n  query: ${query}\n`
    const asking = (prometheus: string) => rollout().replace('successRate: {min: 99%}', `prometheus: ${prometheus}`)
    file('a.yaml', template(`'x{a="{{target}}"}'`))
    expect((await told()).findings).toMatchObject([{ rule: 'InvalidSpec', line: 5, message: expect.stringContaining('spec.query: {{target}} is not known: known are namespace') }])
    file('a.yaml', template(`'rate(x{a="{{args.queue}}"}[5m])'`))
    expect((await told()).findings).toMatchObject([{ rule: 'WindowFixed', severity: 'Note', line: 5 }])
    file('a.yaml', template(`'rate(x{a="{{args.queue}}"}[{{window}}])'`))
    file('b.yaml', asking(`{templateRef: {name: lag}, max: '1'}`))
    expect((await told()).findings).toMatchObject([{ rule: 'TemplateArguments', severity: 'Error', message: expect.stringContaining('needs queue: give prometheus.args.queue') }])
    file('b.yaml', asking(`{templateRef: {name: lag}, args: {queue: a}, max: '1'}`))
    expect((await told()).findings).toEqual([])
    file('b.yaml', asking(`{templateRef: {name: lagg}, max: '1'}`))
    expect((await told()).findings).toMatchObject([{ rule: 'TemplateMissing', message: expect.stringContaining('there is no MetricTemplate shop/lagg') }])
    file('b.yaml', asking(`{templateRef: {name: lag}, args: {queue: a}, max: 5ms}`))
    expect((await told()).findings).toMatchObject([{ rule: 'InvalidSpec', message: expect.stringContaining('"5ms" is no number: write digits without a unit') }])
    rmSync(join(directory, 'a.yaml'))
    file('b.yaml', asking(`{templateRef: {name: lag}, max: '1'}`))
    expect((await told()).findings).toEqual([])
  })
  test('our examples are without errors', async () => {
    const examples = resolve(import.meta.dirname, '../../../examples')
    for (const { name } of readdirSync(examples, { withFileTypes: true }).filter(one => one.isDirectory())) {
      await sluice('lint', '-f', join(examples, name))
      expect(out).not.toContain(': error:')
    }
  })
})

describe('at a given traffic', () => {
  const spec = { workloadRef: { kind: 'Deployment', name: 'a' }, traffic: { istio: { managed: {} } }, steps: [{ weight: 0, hold: '1m' }, { weight: '0.5%', hold: '1m' }, { weight: 50, hold: '10m', approval: 'After' }, { weight: 100 }], analysis: { checks: [{ name: 's', successRate: { min: '99%' } }] } } as RolloutSpec
  const paces = (perSecond: number, more: Partial<RolloutSpec> = {}) => {
    const planned = plan({ ...spec, ...more }, 'a', { scrapeIntervalMs: 15_000 })
    if (!planned.ok) throw new Error(JSON.stringify(planned.problems))
    return paceOf(planned.plan, { perSecond, propagationDelayMs: 10_000 })
  }
  test('the hold, the requests or the scrapes decide', () => {
    expect(paces(20).map(({ because, evidenceMs, lastsMs }) => [because, evidenceMs, lastsMs])).toEqual([
      ['readiness only', 0, 70_000], ['30 requests', 300_000, 340_000], ['hold', 60_000, 610_000], ['five scrapes', 60_000, 100_000],
    ])
  })
  test('more than an hour is never', () => {
    expect(paces(1.6)[1]).toMatchObject({ evidenceMs: undefined, lastsMs: undefined, because: '30 requests take 1h02m: it is Held after 15m' })
    expect(paces(1.7)[1]!.lastsMs).toBeGreaterThan(3_500_000)
  })
  test('checks that only report do not decide, and without checks the hold does', () => {
    expect(paces(0.01, { analysis: { checks: [{ name: 's', successRate: { min: '99%' }, onFailure: 'Report' }] } })[1]!.because).toBe('hold')
    expect(paces(0.01, { analysis: undefined })[1]!.lastsMs).toBe(70_000)
  })
  test('as a table, and the step that is never left', async () => {
    const path = file('a.yaml', rollout())
    expect(await sluice('lint', '-f', path, '--traffic', '20/s')).toBe(0)
    expect(out).toContain('  1     5%      2m    1/s          1m        2m10s  hold')
    expect(out).toContain('  all together 4m20s, beside the start of pods')
    expect(await sluice('lint', '-f', path, '--traffic', '5/m')).toBe(0)
    expect(out).toContain(`${path}:8:20: warning: spec.steps[0].weight: at 5% 30 requests take 2h: it is Held after 15m`)
    expect(out).toContain('does not get past step 1')
    expect((await told('--traffic', '600/m')).estimates).toMatchObject([{ rollout: 'shop/checkout', steps: [{ perSecond: 0.5 }, { perSecond: 10 }] }])
  })
})

describe('usage is exit code 2', () => {
  test.each([
    [[], "required option '-f, --filename <path>' not specified"],
    [['-f', '/nowhere/a.yaml'], '/nowhere/a.yaml: no such file or directory'],
    [['-f', '/dev/null'], 'no resource of sluice.dev is in /dev/null'],
    [['-f', 'x', '--traffic', '20'], 'Write requests per second, minute or hour'],
    [['-f', 'x', '--traffic', '0/s'], 'Write requests per second, minute or hour'],
    [['-f', 'x', '--scrape-interval', '0s'], 'Write a duration'],
    [['-f', 'x', '-o', 'yaml'], 'Allowed choices are json'],
  ])('%j', async (argv, text) => {
    expect(await sluice('lint', ...argv)).toBe(2)
    expect(err).toContain(text)
    expect(err.trim().split('\n')).toHaveLength(1)
  })
})
