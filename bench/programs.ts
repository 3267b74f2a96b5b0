/** How long the command line takes to start, as its users feel it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { serve } from '../src/sandbox/server.ts'
import { namespaceOf, openField, specOf } from './field.ts'
import { median, type Figure } from './table.ts'

const program = resolve(import.meta.dirname, '../bin/sluice')
const tries = 9

export async function programs(): Promise<Figure[]> {
  const field = openField()
  // All in one namespace.
  for (let index = 0; index < 10; index++) field.add(`app-${index * 50}`, specOf(`app-${index * 50}`, { istio: { managed: {} } }, [20, 100]))
  await field.until(['app-0'], ({ phase }) => phase === 'Idle')
  const server = await serve(field.cluster.store, field.cluster.faults, { namespace: namespaceOf('app-0') })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const kubeconfig = join(folder, 'kubeconfig')
  server.writeKubeconfig(kubeconfig)
  const node = Array.from({ length: tries }, () => timed(() => void spawnSync(process.execPath, ['-e', '0'])))
  const help = Array.from({ length: tries }, () => timed(() => void spawnSync(program, ['--help'])))
  const get: number[] = []
  for (let index = 0; index < tries; index++) get.push(await run(['get', '--kubeconfig', kubeconfig]))
  await server.close()
  await field.close()
  rmSync(folder, { recursive: true })
  const told = (numbers: readonly number[]) => `${median(numbers).toFixed(0)} (${Math.min(...numbers).toFixed(0)} to ${Math.max(...numbers).toFixed(0)})`
  return [
    { what: `node -e 0, ms: median of ${tries}`, value: told(node) },
    { what: `sluice --help, ms: median of ${tries}`, value: told(help) },
    { what: `sluice get with ten Rollouts, ms: median of ${tries}`, value: told(get) },
  ]
}
function timed(work: () => void): number {
  const began = performance.now()
  work()
  return performance.now() - began
}
/** Not spawnSync: the server that it asks is in this process. */
function run(args: readonly string[]): Promise<number> {
  const began = performance.now()
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: 'ignore' })
    child.once('error', fail)
    child.once('close', code => (code === 0 ? done(performance.now() - began) : fail(new Error(`sluice ${args[0]} ended with ${code}`))))
  })
}
