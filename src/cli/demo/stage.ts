/** The embedded cluster with everything on one simulated clock, and the controller that runs in production in front of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startController } from '../../controller/controller.ts'
import { kubeClient } from '../../kube/client.ts'
import { loadConnection } from '../../kube/connection.ts'
import { prometheusSource } from '../../metrics/prometheus.ts'
import { SimulatedClock } from '../../sandbox/clock.ts'
import { embeddedCluster } from '../../sandbox/cluster.ts'
import { embeddedPrometheus } from '../../sandbox/prometheus.ts'
import { worldOf } from '../../sandbox/routing.ts'
import { serve } from '../../sandbox/server.ts'
import { drive, trafficModel, type Traffic } from '../../sandbox/traffic.ts'
import { createLog } from '../../telemetry/log.ts'
import { CliFailure } from '../io.ts'
import { app, namespace } from './objects.ts'
import { answersOf, crashes } from './scenarios.ts'

export interface Stage {
  readonly clock: SimulatedClock
  readonly traffic: Pick<Traffic, 'nowhere' | 'served'>
  /** Path of a kubeconfig for this cluster; it lives as long as the stage. */
  readonly kubeconfig: string
  readonly prometheus: string
  /** Requests per second that clients in the mesh send to the shop, from now on. */
  send(perSecond: number): void
  close(): Promise<void>
}
export interface StageOptions {
  /** Unix ms at which simulated time begins. It stands still until somebody lets it run. */
  readonly start: number
  /** Receives the controller's log lines, from this level on. */
  readonly write: (line: string) => void
  readonly level: 'info' | 'error'
}
const scrapeIntervalMs = 15_000
const propagationDelayMs = 10_000
const crds = fileURLToPath(new URL('../../../crds', import.meta.url))

/** Sets up cluster, clients, Prometheus and controller. Nothing happens before `clock.run`. */
export async function openStage({ start, write, level }: StageOptions): Promise<Stage> {
  const clock = new SimulatedClock(start)
  const cluster = embeddedCluster({ clock, crds, behaviour: pod => (crashes(imageOf(pod.spec)) ? { crashMs: 1000, readyMs: Infinity } : undefined) })
  const traffic = trafficModel({ world: worldOf(cluster.store), dataPlane: 'Istio', answers: pod => answersOf(pod.image) }, start)
  const prometheus = embeddedPrometheus({ clock, scrapeIntervalMs, expose: () => traffic.expose() })
  const server = await serve(cluster.store, cluster.faults, { namespace })
  const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // Also where nobody waits for `close`: at a second Ctrl-C, or when the reader of our output has gone.
  process.once('exit', remove)
  const kubeconfig = join(directory, 'kubeconfig')
  server.writeKubeconfig(kubeconfig)
  const connection = await loadConnection({ kubeconfig })
  if (!connection.ok) throw new CliFailure(connection.message)
  const url = await prometheus.listen()
  const controller = startController({
    api: kubeClient(connection.value), clock, random: Math.random,
    log: createLog({ level, form: 'Plain', write, now: () => clock.now() }),
    source: prometheusSource({ name: 'default', url }, clock),
    settings: { identity: 'sluice-demo', propagationDelayMs, scrapeIntervalMs, clusterDomain: 'cluster.local' },
  })
  prometheus.start()
  const driving = drive(traffic, clock)
  let sender: { rate(perSecond: number): void } | undefined
  return {
    clock, traffic, kubeconfig, prometheus: url,
    send(perSecond) {
      if (sender === undefined) sender = traffic.send({ namespace, host: app }, perSecond)
      else sender.rate(perSecond)
    },
    async close() {
      driving()
      await controller.stop()
      clock.stop()
      await prometheus.stop()
      await connection.value.close()
      cluster.close()
      await server.close()
      process.off('exit', remove)
      remove()
    },
  }
}

function imageOf(spec: { containers?: readonly { image: string }[] }): string {
  return spec.containers?.[0]?.image ?? ''
}
