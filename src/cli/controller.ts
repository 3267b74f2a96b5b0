/** `sluice controller`: the one process that decides. Runs until it is told to stop. */
import { startController, type Controller } from '../controller/controller.ts'
import { kubeClient } from '../kube/client.ts'
import { loadConnection } from '../kube/connection.ts'
import { poster } from '../notify/post.ts'
import { prometheusSource, urlProblem } from '../metrics/prometheus.ts'
import { Sources } from '../metrics/sources.ts'
import { defaultSource } from '../rollout/sources.ts'
import { createLog, type Log, type LogLevel } from '../telemetry/log.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'

/** The flags of `sluice controller`, checked. */
export interface ControllerConfig {
  readonly kubeconfig?: string
  readonly context?: string
  /** Only this namespace; all of them where unset. */
  readonly namespace?: string
  readonly prometheus?: string
  readonly scrapeIntervalMs: number
  readonly propagationDelayMs: number
  readonly clusterDomain: string
  readonly leaderElect: boolean
  /** Unset: the pod's namespace, or the context's. */
  readonly leaderElectionNamespace?: string
  readonly identity: string
  /** 0: none is served. */
  readonly healthPort: number
  readonly logLevel: LogLevel
  /** Hosts inside the cluster or the company that messages may be sent to. */
  readonly allowedHosts: readonly string[]
  /** What messages call this cluster. */
  readonly clusterName?: string
}
/** Serves /healthz and /readyz; rejects where the port cannot be had. */
export type ServeHealth = (options: { readonly port: number; readonly sick: () => readonly string[]; readonly unready: () => readonly string[] }) => Promise<HealthServer>
interface HealthServer {
  close(): Promise<void>
}

/** Runs the controller until SIGTERM or Ctrl-C, then ends what is under way and gives the lease back. Returns 0; throws CliFailure where it cannot begin. */
export async function runController(config: ControllerConfig, serveHealth: ServeHealth, io: Io): Promise<number> {
  const log = createLog({ level: config.logLevel, form: 'Json' })
  const sources = sourcesOf(config, log, io)
  const connection = await loadConnection({ kubeconfig: config.kubeconfig, context: config.context })
  if (!connection.ok) throw new CliFailure(connection.message)
  const { server, namespace } = connection.value
  const leaseNamespace = config.leaderElectionNamespace ?? config.namespace ?? namespace
  // From here on until the controller runs, nothing is under way that would have to end.
  let controller: Controller | undefined
  const health = await listen(config, serveHealth, () => controller)
  log.info({ server, identity: config.identity, namespace: config.namespace ?? 'all', prometheus: config.prometheus ?? 'none', lease: config.leaderElect ? `${leaseNamespace}/sluice` : 'none' }, 'starting')
  controller = startController({
    api: kubeClient(connection.value), clock: io.clock, log, source: sources, random: Math.random, namespace: config.namespace,
    settings: { identity: config.identity, propagationDelayMs: config.propagationDelayMs, scrapeIntervalMs: config.scrapeIntervalMs, clusterDomain: config.clusterDomain },
    notify: {
      post: poster({ rules: { allowedHosts: config.allowedHosts, apiServer: new URL(server).hostname, clusterDomain: config.clusterDomain } }, () => io.clock.now()),
      ...(config.clusterName === undefined ? {} : { cluster: config.clusterName }),
    },
    ...(config.leaderElect ? { election: { namespace: leaseNamespace, name: 'sluice' } } : {}),
  })
  void probe(sources, log, io)
  await stopAsked(io.stopped)
  log.info({ identity: config.identity }, 'stopping')
  await controller.stop()
  await health?.close()
  await connection.value.close()
  log.info({ identity: config.identity }, 'stopped')
  return exitCodes.done
}

/** One question at the start: a URL that leads nowhere is said now, and not in the first release. Nothing waits for it. */
async function probe(sources: Sources, log: Log, io: Io): Promise<void> {
  const nobody = { namespace: 'sluice-probe', workloads: ['nobody'] }
  await Promise.all(sources.all.map(async source => {
    const answer = await source.ask({ id: 'probe', check: 'probe', source: source.name, telemetry: 'Istio', measure: { kind: 'SuccessRate' }, stable: nobody, canary: nobody, at: io.clock.now(), fastMs: 60_000, slowMs: 60_000 })
    if (answer.state === 'Error') log.warn({ source: source.name }, `the metric source does not answer: ${answer.reason}; releases will be held until it does, see --prometheus`)
  }))
}

function sourcesOf(config: ControllerConfig, log: Log, io: Io): Sources {
  if (config.prometheus === undefined) {
    log.warn({}, 'no metric source: checks will answer with an error until the controller is started with --prometheus URL')
    return new Sources([])
  }
  const problem = urlProblem(config.prometheus)
  if (problem !== undefined) throw new CliFailure(`--prometheus: ${problem}`)
  return new Sources([prometheusSource({ name: defaultSource, url: config.prometheus, onWarning: warning => log.warn({ source: defaultSource }, `Prometheus warns: ${warning}`) }, io.clock)])
}

async function listen(config: ControllerConfig, serveHealth: ServeHealth, controller: () => Controller | undefined): Promise<HealthServer | undefined> {
  if (config.healthPort === 0) return undefined
  const unready = () => controller()?.unready() ?? ['starting']
  try {
    return await serveHealth({ port: config.healthPort, sick: () => [], unready })
  } catch (error) {
    throw new CliFailure(`health checks cannot be served on port ${config.healthPort} (${(error as NodeJS.ErrnoException).code ?? String(error)}); choose another with --health-port, or 0 for none`)
  }
}

function stopAsked(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))
}
