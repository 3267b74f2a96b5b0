/** The real Prometheus for tests, on a free port, with short scrapes. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, makeNest, until, type Part } from './process.ts'

export interface PrometheusOptions {
  /** `host:port` of what to scrape. */
  readonly targets: readonly string[]
  /** Default 1000 ms. */
  readonly scrapeIntervalMs?: number
}
export interface Prometheus {
  readonly url: string
  readonly scrapeIntervalMs: number
  /** An instant query; the result vector as name-less samples. Throws on anything but success. */
  query(expression: string): Promise<readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]>
  /** SIGSTOP: connections are accepted and never answered. */
  pause(): void
  resume(): void
  /** SIGKILL: connections are refused. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** One line that says why tests with Prometheus are skipped, or undefined. */
export function prometheusMissing(): string | undefined {
  return spawnSync('prometheus', ['--version']).status === 0 ? undefined : 'skipped: prometheus is not installed (Debian: apt-get install prometheus)'
}

/** Starts it; ready in about half a second. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const nest = makeNest('prometheus')
  const scrapeIntervalMs = options.scrapeIntervalMs ?? 1_000
  const config = {
    global: { scrape_interval: `${scrapeIntervalMs}ms`, scrape_timeout: `${scrapeIntervalMs}ms` },
    // Labels such as namespace and pod come from the mesh model itself.
    scrape_configs: [{ job_name: 'mesh', honor_labels: true, static_configs: [{ targets: options.targets }] }],
  }
  writeFileSync(join(nest.dir, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let part: Part
  const start = async () => {
    part = nest.start('prometheus', 'prometheus', ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'])
    await until('Prometheus to be ready', async () => {
      if (part.child.exitCode !== null) throw new Error(`Prometheus ended\n${part.tail()}`)
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok
    })
  }
  await start().catch(async (error: unknown) => {
    await nest.stop()
    throw error
  })
  return {
    url,
    scrapeIntervalMs,
    async query(expression) {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      const answer: any = await response.json()
      if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
      return answer.data.result.map((sample: any) => ({ labels: sample.metric, value: Number(sample.value[1]) }))
    },
    pause: () => process.kill(part.pid, 'SIGSTOP'),
    resume: () => process.kill(part.pid, 'SIGCONT'),
    async kill() {
      part.child.kill('SIGKILL')
      await part.exited
    },
    restart: start,
    stop: () => nest.stop(),
  }
}
