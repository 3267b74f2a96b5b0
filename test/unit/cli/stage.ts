/** A served cluster and a command line on it, for tests of single commands. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../../src/cli.ts'
import type { Io } from '../../../src/cli/io.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { serve } from '../../../src/sandbox/server.ts'
import type { Clock } from '../../../src/telemetry/clock.ts'
import { stage, type Stage } from '../sandbox/stage.ts'
import { status } from './view.test-data.ts'

export interface CliStage {
  readonly world: Stage
  readonly directory: string
  readonly kubeconfig: string
  /** What the last command wrote. */
  readonly out: string
  readonly err: string
  /** Runs a command without a cluster of its own, and one on the stage. Resolves to the exit code. */
  sluice(...argv: string[]): Promise<number>
  on(...argv: string[]): Promise<number>
  file(name: string, text: string): string
  put(name: string, status?: Partial<RolloutStatus> | null, spec?: object, namespace?: string): void
  close(): Promise<void>
}
export const spec = { workloadRef: { kind: 'Deployment', name: 'checkout' }, service: { port: 80 }, traffic: { istio: { managed: {} } }, steps: [{ weight: 5, hold: '2m' }, { weight: 25, hold: '5m' }, { weight: 100, hold: '1m' }] }

export async function cliStage(options: { readonly columns?: number } = {}): Promise<CliStage> {
  const world = stage()
  const server = await serve(world.store, world.faults, { namespace: 'shop' })
  const directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const kubeconfig = join(directory, 'kubeconfig')
  server.writeKubeconfig(kubeconfig)
  const texts = { out: '', err: '' }
  const screen = (to: 'out' | 'err') => ({ write: (text: string) => void (texts[to] += text), columns: () => options.columns, rows: () => undefined, terminal: undefined })
  // The time of the cluster; its timers would stand still.
  const clock: Clock = { ...world.clock, now: () => world.clock.now(), monotonic: () => world.clock.monotonic(), setTimeout: (callback, ms) => {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  } }
  const io: Io = { stdout: screen('out'), stderr: screen('err'), color: false, clock, stopped: new AbortController().signal }
  const sluice = (...argv: string[]) => {
    texts.out = texts.err = ''
    return run(argv, { identity: 'test', io })
  }
  return {
    world, directory, kubeconfig, sluice,
    get out() { return texts.out },
    get err() { return texts.err },
    on: (...argv) => sluice(...argv, '--kubeconfig', kubeconfig),
    file(name, text) {
      writeFileSync(join(directory, name), text)
      return join(directory, name)
    },
    put(name, change = {}, more = {}, namespace = 'shop') {
      const object: KubeObject = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace }, spec: { ...spec, ...more } }
      world.store.create('rollouts.sluice.dev', object, {})
      if (change !== null) world.store.update('rollouts.sluice.dev', namespace, name, one => ({ ...one, status: JSON.parse(JSON.stringify({ ...status(change), observedGeneration: one.metadata.generation ?? 1 })) }), { subresource: 'status' })
    },
    async close() {
      await server.close()
      world.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
