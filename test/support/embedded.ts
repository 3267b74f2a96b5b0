/** The controller of production in front of the embedded cluster, both in this process: for what needs neither an API server nor a mesh of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startController, type Controller } from '../../src/controller/controller.ts'
import { kubeClient } from '../../src/kube/client.ts'
import { loadConnection, type Connection } from '../../src/kube/connection.ts'
import { prometheusSource } from '../../src/metrics/prometheus.ts'
import type { Call } from '../../src/notify/post.ts'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RolloutSpec, RolloutStatus } from '../../src/rollout/schema.ts'
import type { Answers } from '../../src/sandbox/answers.ts'
import { SimulatedClock } from '../../src/sandbox/clock.ts'
import { embeddedCluster, type EmbeddedCluster } from '../../src/sandbox/cluster.ts'
import { embeddedPrometheus } from '../../src/sandbox/prometheus.ts'
import { worldOf, type DataPlane } from '../../src/sandbox/routing.ts'
import { serve } from '../../src/sandbox/server.ts'
import { drive, trafficModel, type Traffic } from '../../src/sandbox/traffic.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { registry, type Exposition } from '../../src/telemetry/registry.ts'

export interface Embedded {
  readonly clock: SimulatedClock
  readonly cluster: EmbeddedCluster
  readonly controller: Controller
  readonly connection: Connection
  readonly exposition: Exposition
  readonly traffic: Traffic
  /** JSON log lines of the controller, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  /** The user's Deployment and Service, with `perSecond` requests from clients. */
  deploy(name: string, image: string, perSecond: number): void
  rollout(name: string, spec: RolloutSpec): void
  push(name: string, image: string): void
  status(name: string): RolloutStatus | undefined
  /** Looks every 20 ms of real time until it holds, for at most a minute. */
  until(what: string, holds: () => boolean): Promise<void>
  close(): Promise<void>
}
export interface EmbeddedOptions {
  readonly dataPlane?: DataPlane
  /** By image; well where unset. */
  readonly answers?: (image: string) => Answers
  readonly call?: Call
  readonly scrapeIntervalMs?: number
  readonly propagationDelayMs?: number
}
const namespace = 'shop'

/** Time stands still until `clock.run`. */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<Embedded> {
  const { dataPlane = 'Istio', answers = () => ({}), scrapeIntervalMs = 15_000, propagationDelayMs = 10_000 } = options
  // So that its times are about those of a Prometheus outside.
  const clock = new SimulatedClock(Date.now())
  const cluster = embeddedCluster({ clock, crds: resolve(import.meta.dirname, '../../crds'), namespaces: [namespace] })
  const traffic = trafficModel({ world: worldOf(cluster.store), dataPlane, answers: pod => answers(pod.image) }, clock.now())
  const prometheus = embeddedPrometheus({ clock, scrapeIntervalMs, expose: () => traffic.expose() })
  const server = await serve(cluster.store, cluster.faults, { namespace })
  const directory = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  const kubeconfig = join(directory, 'kubeconfig')
  server.writeKubeconfig(kubeconfig)
  const opened = await loadConnection({ kubeconfig })
  if (!opened.ok) throw new Error(opened.message)
  const connection = opened.value
  const url = await prometheus.listen()
  const { meters, exposition } = registry({ process: true })
  const lines: Record<string, unknown>[] = []
  const controller = startController({
    api: kubeClient(connection, {
      answered({ verb, resource }, code, ms) {
        meters.count('sluice_api_requests_total', { verb, resource, code })
        meters.observe('sluice_api_request_duration_seconds', { verb }, ms / 1000)
      },
    }),
    clock, random: () => 0.5, meters,
    log: createLog({ level: 'debug', form: 'Json', now: () => clock.now(), write: line => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
    source: prometheusSource({ name: 'default', url }, clock),
    settings: { identity: 'embedded', propagationDelayMs, scrapeIntervalMs, clusterDomain: 'cluster.local' },
    election: { namespace: 'sluice-system', name: 'sluice' },
    ...(options.call === undefined ? {} : { notify: { call: options.call } }),
  })
  prometheus.start()
  const driving = drive(traffic, clock)
  const create = (resource: string, object: KubeObject) => void cluster.store.create(resource, object, { manager: 'kubectl' })
  return {
    clock, cluster, controller, connection, exposition, traffic, lines,
    deploy(name, image, perSecond) {
      const labels = { app: name }
      const containers = [{ name: 'app', image, ports: [{ name: 'http', containerPort: 8080 }] }]
      create('deployments.apps', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace }, spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } } })
      create('services', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] } })
      traffic.send({ namespace, host: name }, perSecond)
    },
    rollout: (name, spec) => create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace }, spec }),
    push(name, image) {
      cluster.store.update('deployments.apps', namespace, name, one => {
        const changed = structuredClone(one)
        changed.spec.template.spec.containers[0].image = image
        return changed
      }, { manager: 'kubectl' })
    },
    status: name => cluster.store.get('rollouts.sluice.dev', namespace, name)?.status as RolloutStatus | undefined,
    async until(what, holds) {
      for (const began = performance.now(); !holds(); await new Promise(done => setTimeout(done, 20))) {
        if (performance.now() - began > 60_000) throw new Error(`${what}: not within a minute`)
      }
    },
    async close() {
      driving()
      await controller.stop()
      clock.stop()
      await prometheus.stop()
      await connection.close()
      cluster.close()
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
