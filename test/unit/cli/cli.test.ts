import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { run } from '../../../src/cli.ts'
import type { Io } from '../../../src/cli/io.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { serve, type SandboxServer } from '../../../src/sandbox/server.ts'
import { systemClock } from '../../../src/telemetry/clock.ts'
import { Simulated } from '../controller/simulated.ts'
import { deployment, stage, type Stage } from '../sandbox/stage.ts'
import { status } from './view.test-data.ts'

let world: Stage
let server: SandboxServer
let directory: string
let kubeconfig: string
let out: string
let err: string
let stopping: AbortController

const screen = (take: (text: string) => void) => ({ write: take, columns: () => undefined, rows: () => undefined, terminal: undefined })
const io = (clock: Io['clock'] = systemClock): Io => ({ stdout: screen(text => void (out += text)), stderr: screen(text => void (err += text)), color: false, clock, stopped: stopping.signal })
const sluice = (...argv: string[]) => run(argv, { identity: 'test', io: io() })
const on = (...argv: string[]) => sluice(...argv, '--kubeconfig', kubeconfig)

const spec = { workloadRef: { kind: 'Deployment', name: 'checkout' }, service: { port: 80 }, traffic: { istio: { managed: {} } }, steps: [{ weight: 5, hold: '2m' }, { weight: 25, hold: '5m' }, { weight: 100, hold: '1m' }] }
function put(name: string, change: Partial<RolloutStatus> | null = {}, namespace = 'shop', more: object = {}): void {
  const object: KubeObject = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace }, spec: { ...spec, ...more } }
  world.store.create('rollouts.sluice.dev', object, {})
  if (change !== null) set(name, change, namespace)
}
function set(name: string, change: Partial<RolloutStatus>, namespace = 'shop'): void {
  world.store.update('rollouts.sluice.dev', namespace, name, one => ({ ...one, status: JSON.parse(JSON.stringify({ ...status(change), observedGeneration: one.metadata.generation ?? 1 })) }), { subresource: 'status' })
}
/** Somebody who answers requests as a controller does. */
function answering(answer: { state: 'Accepted' | 'Refused'; message: string }): { readonly asked: any[]; close(): void } {
  const asked: any[] = []
  const watch = world.store.watch('rolloutrequests.sluice.dev', {}, {
    event(type, object) {
      if (type !== 'ADDED') return
      asked.push(object)
      setImmediate(() => world.store.update('rolloutrequests.sluice.dev', 'shop', object.metadata.name, one => ({ ...one, status: { ...answer, at: '2026-01-05T09:00:00Z' } }), { subresource: 'status' }))
    },
  } as Parameters<typeof world.store.watch>[2])
  return { asked, close: () => watch.close() }
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  kubeconfig = join(directory, 'kubeconfig')
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
beforeEach(async () => {
  world = stage()
  server = await serve(world.store, world.faults, { namespace: 'shop' })
  server.writeKubeconfig(kubeconfig)
  out = ''
  err = ''
  stopping = new AbortController()
  return async () => {
    await server.close()
    world.close()
  }
})

describe('get', () => {
  test('all of a namespace as a table', async () => {
    put('checkout')
    put('cart', { phase: 'Idle', message: 'all is well', canary: undefined, journey: undefined })
    put('new', null)
    expect(await on('get')).toBe(0)
    expect(out.split('\n').map(line => line.split(/\s{2,}/).slice(0, 6).join('|'))).toEqual([
      'NAME|PHASE|STEP|CANARY|STABLE|NEW', 'cart|Idle|-|-|v1.8.2|-', 'checkout|Holding|2/3|25%|v1.8.2|v1.9.0', 'new|New|-|-|-|-', '',
    ])
  })
  test('namespace and cluster may stand before the verb', async () => {
    world.store.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-a' } }, {})
    put('checkout', {}, 'team-a')
    expect(await sluice('-n', 'team-a', `--kubeconfig=${kubeconfig}`, 'get')).toBe(0)
    expect(await sluice('--kubeconfig', kubeconfig, '-nteam-a', 'get', 'checkout')).toBe(0)
    expect([err, out]).toEqual(['', expect.stringContaining('checkout (team-a)')])
    expect(await sluice('-n')).toBe(1)
  })
  test('nothing there says where to look', async () => {
    expect(await on('get', '-n', 'default')).toBe(0)
    expect([out, err]).toEqual(['', 'There are no rollouts in namespace default; `sluice get -A` lists all of the cluster.\n'])
  })
  test('one as a picture with its pods', async () => {
    put('checkout')
    world.store.create('deployments.apps', { ...deployment('checkout-aaaaaaaaaa'), metadata: { name: 'checkout-aaaaaaaaaa', namespace: 'shop', labels: { 'sluice.dev/rollout': 'checkout' } } }, {})
    expect(await on('get', 'checkout')).toBe(0)
    expect(out).toContain('checkout (shop)   STEP 2/3   v1.8.2 → v1.9.0')
    expect(out).toContain('  pods     stable 0/3')
  })
  test('as data', async () => {
    put('checkout')
    await on('get', 'checkout', '-o', 'json')
    expect(JSON.parse(out)).toMatchObject({ kind: 'Rollout', apiVersion: 'sluice.dev/v1alpha1', status: { phase: 'Holding' } })
    out = ''
    await on('get', '-A', '-o', 'yaml')
    expect(parse(out).items).toHaveLength(1)
    out = ''
    await on('get', 'checkout', '-o', 'wide')
    expect(out).toContain('IMAGES')
  })
  test('-w without a terminal adds lines, and ends with the journey', async () => {
    put('checkout')
    const watching = on('get', 'checkout', '-w')
    await until(() => out.includes('STEP 2/3'))
    set('checkout', { phase: 'Idle', message: 'v1.9.0 serves all traffic', journey: undefined, canary: undefined, stable: status().canary })
    expect(await watching).toBe(0)
    expect(out).toContain('IDLE   v1.9.0')
  })
  test('-w of all goes on until it is stopped', async () => {
    put('checkout')
    const watching = on('get', '-w')
    await until(() => out.includes('checkout'))
    set('checkout', { phase: 'Closing', message: 'it closes' })
    await until(() => out.includes('it closes'))
    stopping.abort()
    expect(await watching).toBe(130)
    expect(out.match(/NAME/g)).toHaveLength(1)
  })
})

describe('what goes wrong is one sentence with a remedy, and exit code 1', () => {
  const fails = async (argv: string[], text: string | RegExp) => {
    expect(await sluice(...argv)).toBe(1)
    expect(err).toMatch(text)
    expect(err.trim().split('\n')).toHaveLength(1)
  }
  test('a misspelt name', async () => {
    put('checkout')
    await fails(['get', 'chekout', '--kubeconfig', kubeconfig], 'did you mean "checkout"?')
  })
  test('a rollout of another namespace', async () => {
    put('checkout')
    await fails(['get', 'checkout', '-n', 'default', '--kubeconfig', kubeconfig], 'but in shop: use -n shop')
  })
  test('no CRDs', async () => {
    world.store.unregister('rollouts.sluice.dev')
    await fails(['get', '--kubeconfig', kubeconfig], 'install Sluice first: kubectl apply -f crds/')
    err = ''
    await fails(['get', 'checkout', '--kubeconfig', kubeconfig], 'install Sluice first')
  })
  test('no rights', async () => {
    world.faults.inject({ resource: 'rollouts.sluice.dev', effect: { answer: 403, message: 'olga cannot list rollouts' } })
    await fails(['get', '--kubeconfig', kubeconfig], /olga cannot list.*ask whoever administers/)
  })
  test('no cluster', async () => {
    writeFileSync(join(directory, 'dead'), server.kubeconfig.replaceAll(String(server.port), '1'))
    await fails(['get', '--kubeconfig', join(directory, 'dead')], 'refuses connections: is the cluster running')
  })
  test('no kubeconfig', () => fails(['get', '--kubeconfig', '/nowhere/kubeconfig'], '--kubeconfig'))
  test('an unknown context', () => fails(['get', '--kubeconfig', kubeconfig, '--context', 'prod'], 'no context "prod"'))
  test('a name and -A', () => fails(['get', 'checkout', '-A'], 'exclude each other'))
  test('-w as data', () => fails(['get', 'checkout', '-w', '-o', 'json'], 'leave out one of the two'))
  test('an unknown command', async () => {
    expect(await sluice('promot', 'x')).toBe(1)
    expect(err).toContain('Did you mean promote?')
  })
  test('an unknown flag', async () => {
    expect(await sluice('get', '--wach')).toBe(1)
    expect(err).toBe("sluice: unknown option '--wach'\n(Did you mean --watch?)\n")
  })
})

describe('verbs', () => {
  test.each([
    ['promote', [], { action: 'Promote', revision: 'checkout-bbbbbbbbbb', step: 1 }],
    ['promote', ['--full'], { action: 'Promote', revision: 'checkout-bbbbbbbbbb', step: -1 }],
    ['approve', [], { action: 'Approve', revision: 'checkout-bbbbbbbbbb', step: 1 }],
    ['abort', ['-r', 'users complain'], { action: 'Abort', revision: 'checkout-bbbbbbbbbb', reason: 'users complain' }],
    ['pause', [], { action: 'Pause' }],
    ['resume', [], { action: 'Resume', revision: 'checkout-bbbbbbbbbb' }],
    ['retry', [], { action: 'Retry', revision: 'checkout-bbbbbbbbbb' }],
    ['rollback', [], { action: 'Rollback', revision: 'checkout-aaaaaaaaaa' }],
  ])('%s %j names what the person saw', async (verb, flags, wanted) => {
    put('checkout')
    const controller = answering({ state: 'Accepted', message: 'it is done' })
    expect(await on(verb, 'checkout', ...flags)).toBe(0)
    expect(out).toBe('checkout: it is done\n')
    const [made] = controller.asked
    expect(made.spec).toEqual({ rolloutName: 'checkout', ...wanted, ...(made.spec.requestedBy === undefined ? {} : { requestedBy: made.spec.requestedBy }) })
    expect(made.metadata.name).toMatch(new RegExp(`^checkout-${verb}-[0-9a-f]{6}$`))
    expect(made.metadata.ownerReferences[0]).toMatchObject({ kind: 'Rollout', name: 'checkout' })
    controller.close()
  })
  test('after a rollback by failure, retry names what failed', async () => {
    put('checkout', { phase: 'RolledBack', canary: undefined, journey: undefined, failed: [{ revision: 'checkout-cccccccccc', reason: 'CheckFailed', message: 'm', at: 't' }] })
    const controller = answering({ state: 'Accepted', message: 'again' })
    expect(await on('retry', 'checkout')).toBe(0)
    expect(controller.asked[0].spec.revision).toBe('checkout-cccccccccc')
    controller.close()
  })
  test('refused: the answer and exit code 1', async () => {
    put('checkout')
    const controller = answering({ state: 'Refused', message: 'step 2 has been left already' })
    expect(await on('promote', 'checkout')).toBe(1)
    expect(err).toBe('sluice: checkout: promote was refused: step 2 has been left already\n')
    controller.close()
  })
  test('nothing to promote is said without asking', async () => {
    put('checkout', { phase: 'Idle', message: 'all is well', canary: undefined, journey: undefined })
    expect(await on('promote', 'checkout')).toBe(1)
    expect(err).toContain('checkout has nothing to promote: it is Idle (all is well)')
    expect(world.store.list('rolloutrequests.sluice.dev')).toEqual([])
  })
  test('nobody answers: the request stays, and how to take it back', async () => {
    put('checkout')
    const clock = new Simulated()
    const asking = run(['pause', 'checkout', '--kubeconfig', kubeconfig], { identity: 'test', io: io(clock) })
    await until(() => world.store.list('rolloutrequests.sluice.dev').length === 1 && clock.pending > 0)
    await clock.advance(10_000)
    expect(await asking).toBe(1)
    expect(err).toMatch(/nobody answered request checkout-pause-.*is the controller running\?/)
  })
  test('an answer that was lost is not asked for twice', async () => {
    put('checkout')
    world.faults.inject({ verb: 'create', resource: 'rolloutrequests.sluice.dev', times: 1, effect: { drop: 'After' } })
    const controller = answering({ state: 'Accepted', message: 'paused' })
    expect(await on('pause', 'checkout')).toBe(0)
    expect(controller.asked).toHaveLength(1)
    controller.close()
  })
})

describe('wait', () => {
  test.each<[string, Partial<RolloutStatus>, number]>([
    ['promoted', { phase: 'Idle', canary: undefined, journey: undefined }, 0],
    ['rolled back', { phase: 'RolledBack' }, 2],
    ['approval', { phase: 'AwaitingApproval' }, 3],
    ['held', { phase: 'Held' }, 3],
    ['paused', { phase: 'Holding', paused: { at: 't' } }, 3],
    ['under way', { phase: 'Holding' }, 4],
    ['closing while paused', { phase: 'Closing', paused: { at: 't' } }, 4],
  ])('%s', async (_, change, code) => {
    put('checkout', change)
    expect(await on('wait', 'checkout', '-t', '300ms')).toBe(code)
  })
  test('what was decided before the push was seen says nothing', async () => {
    world.store.create('deployments.apps', deployment('checkout'), {})
    world.store.update('deployments.apps', 'shop', 'checkout', one => ({ ...one, spec: { ...one.spec, replicas: 4 } }), {})
    const { generation } = world.store.get('deployments.apps', 'shop', 'checkout')!.metadata
    put('checkout', { phase: 'Idle', observedWorkloadGeneration: generation! - 1, canary: undefined, journey: undefined })
    const waiting = on('wait', 'checkout', '-t', '30s')
    await until(() => err.includes('was not seen by the controller yet'))
    set('checkout', { phase: 'Scaling', observedWorkloadGeneration: generation, message: 'waiting for pods' })
    await until(() => err.includes('waiting for pods'))
    set('checkout', { phase: 'Idle', observedWorkloadGeneration: generation, canary: undefined, journey: undefined, stable: status().canary })
    expect(await waiting).toBe(0)
    expect(out).toBe('checkout: v1.9.0 serves all requests\n')
  })
  test('a rollout that is deleted meanwhile', async () => {
    put('checkout')
    const waiting = on('wait', 'checkout', '-t', '30s')
    await until(() => err.includes('checkout: '))
    world.store.delete('rollouts.sluice.dev', 'shop', 'checkout')
    expect(await waiting).toBe(1)
    expect(err).toContain('was deleted while it was waited for')
  })
  test('a watch that is cut goes on', async () => {
    put('checkout')
    world.faults.inject({ verb: 'watch', resource: 'rollouts.sluice.dev', times: 3, effect: { cutAfterEvents: 0, expire: true } })
    const waiting = on('wait', 'checkout', '-t', '30s', '-q')
    await until(() => world.faults.calls({ verb: 'watch', resource: 'rollouts.sluice.dev' }).length > 1)
    set('checkout', { phase: 'RolledBack' })
    expect(await waiting).toBe(2)
    expect(err).toBe('')
  })
})

describe('help', () => {
  test('without a command', async () => {
    expect(await sluice()).toBe(0)
    for (const verb of ['get', 'wait', 'promote', 'approve', 'abort', 'retry', 'pause', 'resume', 'rollback', 'controller', 'demo', 'version']) expect(out).toMatch(new RegExp(`^  ${verb} `, 'm'))
  })
  test('every verb on a cluster takes -n and --kubeconfig', async () => {
    for (const verb of ['get', 'wait', 'promote', 'approve', 'abort', 'retry', 'pause', 'resume', 'rollback']) {
      out = ''
      expect(await sluice(verb, '--help')).toBe(0)
      expect(out).toContain('-n, --namespace')
      expect(out).toContain('--kubeconfig')
    }
  })
  test('the version', async () => {
    expect(await sluice('version')).toBe(0)
    expect(out).toMatch(/^sluice \d+\.\d+\.\d+ \(Node /)
  })
})

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  throw new Error(`never happened; out: ${out} err: ${err}`)
}
