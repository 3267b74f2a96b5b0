/** The configuration file from the command line: config check, lint --config, controller --config, and what doctor finds in the cluster. */
import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { cliStage, type CliStage } from './stage.ts'

let stage: CliStage
beforeEach(async () => {
  stage = await cliStage()
  return () => stage.close()
})
const head = 'apiVersion: sluice.dev/v1alpha1\nkind: Configuration\n'
const right = `${head}sources:\n- {name: default, url: "http://prometheus:9090", scrapeInterval: 30s}\n- {name: edge, url: "https://edge", auth: {bearerTokenFile: /t}, scrapeInterval: 5s}\ndefaults: {analysis: {minRequests: 200}}\n`
const inMap = (text: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  other: x\n  config.yaml: |\n${text.split('\n').map((line) => `    ${line}`).join('\n')}\n`

describe('sluice config check', () => {
  test('says what a right file means', async () => {
    expect(await stage.sluice('config', 'check', stage.file('c.yaml', right))).toBe(0)
    expect(stage.out).toBe('source default: http://prometheus:9090, every 30s\nsource edge: https://edge, every 5s, bearer token\ndefaults: analysis.minRequests 200\n')
  })
  test('says every problem where it is, also inside of a ConfigMap', async () => {
    const path = stage.file('c.yaml', `${right}clustername: a\n`)
    expect(await stage.sluice('config', 'check', path)).toBe(1)
    expect(stage.out).toMatch(new RegExp(`^${path}:7:1: clustername: is no field`))
    const map = stage.file('m.yaml', `${inMap(`${right}clustername: a`)}---\nkind: Service\napiVersion: v1\n`)
    expect(await stage.sluice('config', 'check', map)).toBe(1)
    expect(stage.out).toContain(`${map}:13:5: clustername: is no field`)
    expect(readFileSync(map, 'utf8').split('\n')[12]!.slice(4)).toBe('clustername: a')
    expect(await stage.sluice('config', 'check', stage.file('m.yaml', inMap(right)))).toBe(0)
  })
  test('what is typed wrong is exit code 2', async () => {
    expect([await stage.sluice('config', 'check', '/nowhere'), stage.err]).toEqual([2, 'sluice: /nowhere: no such file\n'])
    expect([await stage.sluice('config', 'check', stage.directory), stage.err]).toEqual([2, expect.stringContaining('is a directory')])
    expect([await stage.sluice('config', 'check', stage.file('m.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n')), stage.err]).toEqual([2, expect.stringContaining('holds no configuration file')])
    expect(await stage.sluice('config', 'check')).toBe(2)
    expect(await stage.sluice('config')).toBe(2)
  })
})

describe('sluice lint --config', () => {
  const rollout = (analysis: string, hold = '2m') => `apiVersion: sluice.dev/v1alpha1\nkind: Rollout\nmetadata: {name: a, namespace: shop}\nspec:\n  workloadRef: {kind: Deployment, name: a}\n  service: {port: 80}\n  traffic: {istio: {managed: {}}}\n  steps: [{weight: 5, hold: ${hold}}, {weight: 100, hold: 2m30s}]\n  analysis:\n    ${analysis}\n    checks: [{name: success, successRate: {min: 99%}}]\n`
  test('knows the sources, their rhythm and the defaults', async () => {
    const config = stage.file('c.yaml', right)
    const lint = async (analysis: string, ...more: string[]) => [await stage.sluice('lint', '-f', stage.file('r.yaml', rollout(analysis)), ...more), stage.out] as const
    expect((await lint('sourceRef: {name: edgy}', '--config', config))[0]).toBe(1)
    expect(stage.out).toMatch(/r\.yaml:10:\d+: error: no metric source edgy is configured: name one of default, edge in analysis\.sourceRef/)
    expect(await lint('sourceRef: {name: edgy}')).toEqual([0, ''])
    expect(await lint('sourceRef: {name: edge}', '--config', config)).toEqual([0, ''])
    expect((await lint('interval: 1m', '--config', config))[1]).toContain('2m is shorter than five scrapes of 30s')
    await lint('interval: 1m', '--config', config, '--traffic', '20/s')
    expect(stage.out).toContain('200 requests')
  })
  test('takes a default that is not in the file for that of --prometheus, and refuses a wrong file', async () => {
    const only = stage.file('c.yaml', `${head}sources: [{name: edge, url: "http://e"}]\n`)
    const path = stage.file('r.yaml', rollout('interval: 1m'))
    expect(await stage.sluice('lint', '-f', path, '--config', only)).toBe(0)
    expect([await stage.sluice('lint', '-f', path, '--config', stage.file('c.yaml', `${head}a: b\n`)), stage.err]).toEqual([2, expect.stringContaining('c.yaml:3:1: a: is no field')])
  })
})

describe('sluice controller --config', () => {
  test('begins with no file that is wrong or contradicts a flag', async () => {
    const run = async (text: string, ...flags: string[]) => [await stage.on('controller', '--config', stage.file('c.yaml', text), ...flags), stage.err] as const
    expect(await run(`${head}a: 1\nb: 2\n`)).toEqual([1, expect.stringMatching(/^sluice: .*c\.yaml:3:1: a: .*\nsluice: .*c\.yaml:4:1: b: /)])
    expect(await run(right, '--prometheus', 'http://a')).toEqual([1, expect.stringContaining('leave out --prometheus')])
    expect(await run(right, '--scrape-interval', '15s')).toEqual([1, expect.stringContaining('write its scrapeInterval there')])
    expect([await stage.on('controller', '--config', '/nowhere'), stage.err]).toEqual([1, 'sluice: --config /nowhere: does not exist\n'])
  })
})

describe('sluice doctor', () => {
  const create = (id: string, object: object): void => void stage.world.store.create(id, object as KubeObject, { manager: 'kubectl' })
  function installed(args: readonly string[], data?: Record<string, string>): void {
    const renewTime = new Date(stage.world.clock.now() - 1000).toISOString().replace('Z', '000Z')
    create('leases.coordination.k8s.io', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'sluice', namespace: 'sluice-system' }, spec: { holderIdentity: 'c', leaseDurationSeconds: 15, renewTime } })
    const labels = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'controller' }
    const spec = { containers: [{ name: 'controller', image: 'sluice:latest', args: ['controller', ...args], volumeMounts: [{ name: 'config', mountPath: '/etc/sluice/config' }] }], volumes: [{ name: 'config', configMap: { name: 'sluice-controller' } }] }
    create('deployments.apps', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'sluice-controller', namespace: 'sluice-system', labels }, spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } })
    if (data !== undefined) create('configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'sluice-controller', namespace: 'sluice-system' }, data })
  }
  const flag = '--config=/etc/sluice/config/config.yaml'
  async function found(): Promise<{ code: number; rules: string[]; well: string[]; findings: any[] }> {
    const code = await stage.on('doctor', '-o', 'json')
    const { findings, well } = JSON.parse(stage.out)
    return { code, well, findings, rules: findings.map((one: any) => one.rule).filter((rule: string) => rule !== 'RequestsUnverified' && rule !== 'WorkloadMissing') }
  }
  const idle = { phase: 'Idle', message: 'well', canary: undefined, journey: undefined } as const
  const asking = (name?: string) => ({ workloadRef: { kind: 'Deployment', name: name ?? 'app' }, analysis: { ...(name === undefined ? {} : { sourceRef: { name } }), checks: [{ name: 'success', successRate: { min: '99%' } }] } })

  test('knows the sources of flags and file, and the Rollout that names another', async () => {
    installed([flag], { 'config.yaml': right })
    stage.put('checkout', idle, asking('edge'))
    expect(await found()).toMatchObject({ rules: [], well: expect.arrayContaining(['metric sources: default, edge']) })
    stage.put('cart', idle, asking('edgy'))
    const { rules, findings } = await found()
    expect(rules).toEqual(['SourceUnknown'])
    expect(findings.find(({ rule }) => rule === 'SourceUnknown')).toMatchObject({ object: 'Rollout shop/cart', what: expect.stringContaining('name one of default, edge') })
  })
  test('with flags alone', async () => {
    installed(['--prometheus', 'http://a:9090'])
    stage.put('cart', idle, asking('edge'))
    stage.put('checkout', idle, asking())
    expect(await found()).toMatchObject({ code: 1, rules: ['SourceUnknown'], well: expect.arrayContaining(['metric sources: default']) })
  })
  test('finds a file that is wrong, contradicts a flag, or is not there', async () => {
    installed([flag], { 'config.yaml': `${right}a: b\n` })
    expect((await found()).findings).toContainEqual(expect.objectContaining({ rule: 'ConfigInvalid', object: 'ConfigMap sluice-system/sluice-controller', what: expect.stringContaining('config.yaml:7:1: a: is no field') }))
    stage.world.store.update('configmaps', 'sluice-system', 'sluice-controller', (one) => ({ ...one, data: {} }), {})
    expect((await found()).rules).toEqual(['ConfigMissing'])
    stage.world.store.delete('configmaps', 'sluice-system', 'sluice-controller')
    expect((await found()).findings).toContainEqual(expect.objectContaining({ rule: 'ConfigMissing', what: expect.stringContaining('does not exist') }))
  })
})

