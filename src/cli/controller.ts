/** `sluice controller`: the one process that decides. Runs until it is told to stop. */
import { readFile } from 'node:fs/promises'
import { planSettings, type ConfigurationFlags } from '../configuration/effective.ts'
import { configurationGauges } from '../configuration/gauges.ts'
import { openConfiguration, type LiveConfiguration } from '../configuration/live.ts'
import { startController, type Controller } from '../controller/controller.ts'
import { kubeClient } from '../kube/client.ts'
import { loadConnection } from '../kube/connection.ts'
import type { Answered } from '../kube/exchange.ts'
import { caller } from '../notify/post.ts'
import type { MetricSource } from '../metrics/prometheus.ts'
import type { AddressRules } from '../notify/address.ts'
import { createLog, type Log, type LogLevel } from '../telemetry/log.ts'
import type { Meters } from '../telemetry/meters.ts'
import { registry, type Exposition } from '../telemetry/registry.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'

/** The flags of `sluice controller`, checked. */
export interface ControllerConfig {
  readonly kubeconfig?: string
  readonly context?: string
  /** Only this namespace; all of them where unset. */
  readonly namespace?: string
  /** Path of the configuration file. */
  readonly configFile?: string
  /** What the file could say too. */
  readonly flags: ConfigurationFlags
  readonly propagationDelayMs: number
  readonly clusterDomain: string
  readonly leaderElect: boolean
  /** Unset: the pod's namespace, or the context's. */
  readonly leaderElectionNamespace?: string
  readonly identity: string
  /** 0: none is served. */
  readonly healthPort: number
  /** Likewise. */
  readonly metricsPort: number
  readonly logLevel: LogLevel
}
/** What is served over HTTP; each rejects where its port cannot be had. */
export interface Servers {
  serveHealth(options: { readonly port: number; readonly sick: () => readonly string[]; readonly unready: () => readonly string[] }): Promise<Served>
  serveMetrics(options: { readonly port: number; readonly exposition: Exposition }): Promise<Served>
}
interface Served {
  close(): Promise<void>
}

/** Runs the controller until SIGTERM or Ctrl-C, then ends what is under way and gives the lease back. Returns 0; throws CliFailure where it cannot begin. */
export async function runController(config: ControllerConfig, servers: Servers, io: Io): Promise<number> {
  const log = createLog({ level: config.logLevel, form: 'Json' })
  const live = await configured(config, log, io)
  const connection = await loadConnection({ kubeconfig: config.kubeconfig, context: config.context })
  if (!connection.ok) throw new CliFailure(connection.message)
  const { server, namespace } = connection.value
  const leaseNamespace = config.leaderElectionNamespace ?? config.namespace ?? namespace
  // From here on until the controller runs, nothing is under way that would have to end.
  let controller: Controller | undefined
  const { meters, exposition } = registry({ process: true })
  const health = await listening(config.healthPort, '--health-port', 'health checks', port => servers.serveHealth({ port, sick: () => [], unready: () => controller?.unready() ?? ['starting'] }))
  const metrics = await listening(config.metricsPort, '--metrics-port', 'metrics', port => servers.serveMetrics({ port, exposition })).catch(async (error: unknown) => {
    await health?.close()
    throw error
  })
  log.info({ server, identity: config.identity, watches: config.namespace ?? 'all', config: config.configFile ?? 'none', sources: live.current.sources.map(({ name }) => name), lease: config.leaderElect ? `${leaseNamespace}/sluice` : 'none' }, 'starting')
  controller = startController({
    api: kubeClient(connection.value, { answered: counted(meters) }), clock: io.clock, log, meters, source: live.sources, random: Math.random, namespace: config.namespace,
    settings: { identity: config.identity, propagationDelayMs: config.propagationDelayMs, clusterDomain: config.clusterDomain, ...planSettings(live.current, namespace) },
    notify: {
      call: caller({ rules: addressRules(live, new URL(server).hostname, config.clusterDomain) }, () => io.clock.now()),
      cluster: () => live.current.clusterName,
    },
    ...(config.leaderElect ? { election: { namespace: leaseNamespace, name: 'sluice' } } : {}),
  })
  const ungauge = meters.read(() => configurationGauges(live))
  void probe(live.sources.all, log, io)
  live.follow(now => {
    controller?.reconfigure(planSettings(now, namespace))
    void probe(live.sources.all, log, io)
  })
  await stopAsked(io.stopped)
  live.stop()
  ungauge()
  log.info({ identity: config.identity }, 'stopping')
  await controller.stop()
  await Promise.all([health?.close(), metrics?.close()])
  await connection.value.close()
  log.info({ identity: config.identity }, 'stopped')
  return exitCodes.done
}

/** One question to each at the start, and after a change: a URL that leads nowhere is said now, and not in the first release. Nothing waits for it. */
async function probe(sources: readonly MetricSource[], log: Log, io: Io): Promise<void> {
  const nobody = { namespace: 'sluice-probe', workloads: ['nobody'] }
  await Promise.all(sources.map(async source => {
    const answer = await source.ask({ id: 'probe', check: 'probe', source: source.name, telemetry: 'Istio', measure: { kind: 'SuccessRate' }, stable: nobody, canary: nobody, at: io.clock.now(), fastMs: 60_000, slowMs: 60_000 })
    if (answer.state === 'Error') log.warn({ source: source.name }, `the metric source does not answer: ${answer.reason}; releases that ask it will be held until it does; see its url, auth and tls`)
  }))
}

/** The configuration as flags and file say it now. Throws CliFailure with everything that is wrong, one line each. */
async function configured({ configFile, flags }: ControllerConfig, log: Log, io: Io): Promise<LiveConfiguration> {
  const file = configFile === undefined ? {} : { file: { path: configFile, read: () => readFile(configFile, 'utf8') } }
  const opened = await openConfiguration({ flags, ...file, clock: io.clock, log })
  if (!opened.ok) throw new CliFailure(opened.problems.join('\nsluice: '))
  if (opened.live.current.sources.length === 0) log.warn({}, 'no metric source: no version gets traffic that checks would have to watch, until there is one by --prometheus URL or in the file of --config')
  return opened.live
}

/** Hosts are allowed as the configuration says when a message is sent. */
function addressRules(live: LiveConfiguration, apiServer: string, clusterDomain: string): AddressRules {
  return {
    get allowedHosts() {
      return live.current.allowedHosts
    },
    apiServer,
    clusterDomain,
  }
}

/** `port` 0: undefined. */
async function listening(port: number, flag: string, what: string, serve: (port: number) => Promise<Served>): Promise<Served | undefined> {
  if (port === 0) return undefined
  try {
    return await serve(port)
  } catch (error) {
    throw new CliFailure(`${what} cannot be served on port ${port} (${(error as NodeJS.ErrnoException).code ?? String(error)}); choose another with ${flag}, or 0 for none`)
  }
}

function counted(meters: Meters): Answered {
  return ({ verb, resource }, code, ms) => {
    meters.count('sluice_api_requests_total', { verb, resource, code })
    meters.observe('sluice_api_request_duration_seconds', { verb }, ms / 1000)
  }
}

function stopAsked(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
}
