/** Many Rollouts in an embedded cluster with the controller of production, on simulated time that is advanced by hand. */
import { resolve } from 'node:path'
import type { Answer, ArmCounts, Question } from '../src/analysis/reading.ts'
import { startController, type Controller } from '../src/controller/controller.ts'
import type { KubeObject } from '../src/rollout/objects.ts'
import type { RolloutSpec, RolloutStatus } from '../src/rollout/schema.ts'
import { embeddedApi } from '../src/sandbox/client.ts'
import { SimulatedClock } from '../src/sandbox/clock.ts'
import { embeddedCluster, type EmbeddedCluster } from '../src/sandbox/cluster.ts'
import { Faults, type CallRecord } from '../src/sandbox/faults.ts'
import { createLog, type Log } from '../src/telemetry/log.ts'
import { registry, type Exposition } from '../src/telemetry/registry.ts'

export const settings = { identity: 'bench', propagationDelayMs: 10_000, scrapeIntervalMs: 15_000, clusterDomain: 'cluster.local' }
const teams = 50
/** `app-7` is in namespace `team-7`, and `app-57` too. */
export function namespaceOf(name: string): string {
  return `team-${Number(name.split('-')[1] ?? 0) % teams}`
}
export const silent: Log = createLog({ level: 'error', form: 'Json', write: () => {} })

export interface Field {
  readonly clock: SimulatedClock
  readonly cluster: EmbeddedCluster
  readonly controller: Controller
  readonly exposition: Exposition
  /** Of 1000 requests that each new version gets in a second, so many are bad from now on. */
  bad(count: number): void
  /** Questions that were asked so far. */
  readonly questions: readonly Question[]
  /** A Deployment, its Service, and the Rollout. */
  add(name: string, spec: RolloutSpec): void
  push(name: string, image: string): void
  status(name: string): RolloutStatus | undefined
  /** Requests of the controller about Rollouts and what is theirs since this many calls: without its lease, its watches, events, and lists of all namespaces. */
  calls(since: number): readonly CallRecord[]
  /** How many calls there were. */
  mark(): number
  /** Advances time in steps of a second until it holds for every name; throws after two simulated hours. */
  until(names: readonly string[], holds: (status: RolloutStatus) => boolean): Promise<void>
  close(): Promise<void>
}
const isRead = ({ verb }: CallRecord) => verb === 'get' || verb === 'list' || verb === 'watch'
/** Writes among calls. */
export const writes = (calls: readonly CallRecord[]): readonly CallRecord[] => calls.filter(call => !isRead(call))

export function openField(options: { readonly api?: (cluster: EmbeddedCluster) => ReturnType<typeof embeddedApi> } = {}): Field {
  const clock = new SimulatedClock()
  const opened = embeddedCluster({ clock, crds: resolve(import.meta.dirname, '../crds'), namespaces: Array.from({ length: teams }, (_, team) => `team-${team}`) })
  const cluster = { ...opened, faults: new Faults(5_000_000) }
  const { meters, exposition } = registry()
  const questions: Question[] = []
  let bad = { perSecond: 0, since: clock.now() }
  // Counts grow, since a failure counts again only with new bad requests.
  const arm = (perSecond: number): ArmCounts => {
    const seconds = 1 + (clock.now() - bad.since) / 1000
    const counts = { total: 1000 * seconds, bad: Math.round(perSecond * seconds) }
    return { fast: counts, slow: counts }
  }
  const source = {
    ask(question: Question): Promise<Answer> {
      questions.push(question)
      return Promise.resolve({ state: 'Counts', canary: arm(bad.perSecond), stable: arm(0) })
    },
  }
  const controller = startController({
    api: options.api?.(cluster) ?? embeddedApi(cluster.store, cluster.faults, 'sluice/bench'), clock, random: () => 0.5, source, meters, settings, log: silent,
    election: { namespace: 'sluice-system', name: 'sluice' },
  })
  const create = (resource: string, object: KubeObject): void => void cluster.store.create(resource, object, { manager: 'kubectl' })
  const status = (name: string) => cluster.store.get('rollouts.sluice.dev', namespaceOf(name), name)?.status as RolloutStatus | undefined
  const counted = ({ userAgent, verb, resource, namespace }: CallRecord) => userAgent.startsWith('sluice/') && verb !== 'watch' && (namespace ?? '').startsWith('team-') && resource !== 'events'
  return {
    clock, cluster, controller, exposition, questions, status,
    bad: perSecond => void (bad = { perSecond, since: clock.now() }),
    add(name, spec) {
      const labels = { app: name }
      const namespace = namespaceOf(name)
      const containers = [{ name: 'app', image: 'app:v1', ports: [{ name: 'http', containerPort: 8080 }] }]
      create('deployments.apps', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace }, spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } } })
      create('services', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] } })
      create('rollouts.sluice.dev', { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace }, spec })
    },
    push(name, image) {
      cluster.store.update('deployments.apps', namespaceOf(name), name, one => {
        const changed = structuredClone(one)
        changed.spec.template.spec.containers[0].image = image
        return changed
      }, { manager: 'kubectl' })
    },
    mark: () => cluster.faults.calls().length,
    calls: since => cluster.faults.calls().slice(since).filter(counted),
    async until(names, holds) {
      const open = new Set(names)
      for (let second = 0; open.size > 0; second++) {
        if (second > 7200) throw new Error(`not within two hours: ${[...open].slice(0, 3).map(name => `${name} is ${status(name)?.phase}: ${status(name)?.message}`).join('; ')}`)
        await clock.advance(1000)
        for (const name of open) {
          const now = status(name)
          if (now !== undefined && holds(now)) open.delete(name)
        }
      }
    },
    async close() {
      const stopping = controller.stop()
      await clock.advance(20_000)
      await stopping
      cluster.close()
    },
  }
}

/** A Rollout of this provider with steps of two minutes. */
export function specOf(name: string, traffic: RolloutSpec['traffic'], weights: readonly number[]): RolloutSpec {
  return {
    workloadRef: { kind: 'Deployment', name }, service: { port: 80, targetPort: 'http' }, traffic, steps: weights.map(weight => ({ weight, hold: '2m' })), retainStable: '1m',
    analysis: { telemetry: 'Istio', checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'p99', latency: { percentile: 99, max: '500ms' } }] },
  }
}
