/** The controller as users run it: `bin/sluice controller` as a process of its own, so that it can be killed, stopped and woken. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ControlPlaneAddress } from './control-plane.ts'
import { freePort, makeNest, until, type Part } from './process.ts'

const program = resolve(import.meta.dirname, '../../bin/sluice')

export interface ControllerOptions {
  /** Default: the control plane's admin. */
  readonly kubeconfig?: string
  readonly prometheusUrl: string
  readonly scrapeInterval?: string
  readonly propagationDelay?: string
  /** More flags, as typed. */
  readonly flags?: readonly string[]
}
export interface Controller {
  readonly pid: number
  /** Base of /healthz and /readyz. */
  readonly url: string
  /** `host:port` of /metrics. */
  readonly metrics: string
  /** Its JSON log lines so far. */
  logs(): readonly any[]
  /** SIGSTOP and SIGCONT: a process that sleeps through its lease. */
  pause(): void
  resume(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /** A new process with the same flags, after `kill`. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts it and waits until /readyz answers 200. Throws with its last lines where it ends instead. */
export async function startController(plane: ControlPlaneAddress, options: ControllerOptions): Promise<Controller> {
  const nest = makeNest('controller')
  const port = await freePort()
  const metricsPort = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [
    'controller', '--kubeconfig', options.kubeconfig ?? plane.kubeconfig, '--prometheus', options.prometheusUrl,
    '--scrape-interval', options.scrapeInterval ?? '1s', '--propagation-delay', options.propagationDelay ?? '1s',
    '--health-port', String(port), '--metrics-port', String(metricsPort), ...(options.flags ?? []),
  ]
  let part: Part
  const start = async () => {
    part = nest.start('sluice', program, args)
    await until(
      'the controller to be ready',
      async () => {
        if (part.child.exitCode !== null || part.child.signalCode !== null) throw new Error(`the controller ended\n${part.tail()}`)
        return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok
      },
      { hint: () => part.tail() },
    )
  }
  await start().catch(async (error: unknown) => {
    await nest.stop()
    throw error
  })
  return {
    get pid() {
      return part.pid
    },
    url,
    metrics: `127.0.0.1:${metricsPort}`,
    logs: () => nest.parts.flatMap(({ logFile }) => readFileSync(logFile, 'utf8').split('\n').flatMap(parsedLine)),
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

function parsedLine(line: string): unknown[] {
  if (line === '') return []
  try {
    return [JSON.parse(line)]
  } catch {
    return [{ level: 'text', msg: line }]
  }
}
