/** A real Prometheus over samples that a test writes down: the same history in every run, at fixed times. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, makeNest, until } from './process.ts'

export interface Recorded {
  /** Including `__name__`. */
  readonly labels: Readonly<Record<string, string>>
  /** [Unix ms, value], in order of time. */
  readonly samples: readonly (readonly [number, number])[]
}
export interface History {
  readonly url: string
  /** The raw answer of `/api/v1/query` at a time in Unix ms. */
  query(expression: string, atMs: number): Promise<{ readonly status: string; readonly data?: any; readonly errorType?: string; readonly error?: string }>
  stop(): Promise<void>
}

/** Writes blocks with promtool and starts Prometheus on them. */
export async function startHistory(recorded: readonly Recorded[]): Promise<History> {
  const nest = makeNest('history')
  try {
    writeFileSync(join(nest.dir, 'samples.om'), openMetrics(recorded))
    writeFileSync(join(nest.dir, 'prometheus.yml'), '{}')
    const blocks = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', 'samples.om', 'data'], { cwd: nest.dir, encoding: 'utf8' })
    if (blocks.status !== 0) throw new Error(`promtool: ${blocks.stdout}${blocks.stderr}`)
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const part = nest.start('prometheus', 'prometheus', [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ])
    await until('Prometheus to be ready', async () => {
      if (part.child.exitCode !== null) throw new Error(`Prometheus ended\n${part.tail()}`)
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok
    })
    return {
      url,
      async query(expression, atMs) {
        const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expression, time: String(atMs / 1000) }) })
        return (await response.json()) as any
      },
      stop: () => nest.stop(),
    }
  } catch (error) {
    await nest.stop()
    throw error
  }
}

function openMetrics(recorded: readonly Recorded[]): string {
  const lines = recorded.flatMap(({ labels: { __name__: name, ...labels }, samples }) => {
    const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
    return samples.map(([ms, value]) => `${name}{${pairs.join(',')}} ${value} ${ms / 1000}`)
  })
  return `${lines.join('\n')}\n# EOF\n`
}
