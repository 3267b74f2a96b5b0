/** How long after the decision a message is with its receiver: the controller of production as a process of its own, real time, and a real HTTP server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { KubeObject } from '../src/rollout/objects.ts'
import { SimulatedClock } from '../src/sandbox/clock.ts'
import { embeddedCluster } from '../src/sandbox/cluster.ts'
import { serve } from '../src/sandbox/server.ts'
import { short, type Figure } from './table.ts'

const program = resolve(import.meta.dirname, '../bin/sluice')
const namespace = 'shop'
const services = 20
const longestMs = 300_000

/** Twenty services are adopted and released at the same time, each with a signed webhook. A message carries the time of the decision. */
export async function messages(): Promise<Figure[]> {
  const lags: number[] = []
  let promoted = 0
  const receiver = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += String(part)
    const { type, timestamp } = JSON.parse(body) as { type: string; timestamp: string }
    lags.push(Date.now() - Date.parse(timestamp))
    if (type === 'rollout.Promoted') promoted++
    response.writeHead(204).end()
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const clock = new SimulatedClock(Date.now())
  const cluster = embeddedCluster({ clock, crds: resolve(import.meta.dirname, '../crds'), namespaces: [namespace] })
  const server = await serve(cluster.store, cluster.faults, { namespace })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const kubeconfig = join(folder, 'kubeconfig')
  server.writeKubeconfig(kubeconfig)
  const create = (resource: string, object: KubeObject): void => void cluster.store.create(resource, object, { manager: 'kubectl' })
  create('secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'hook', namespace }, data: { key: Buffer.from(`whsec_${Buffer.alloc(32, 7).toString('base64')}`).toString('base64') } })
  create('notificationchannels.sluice.dev', {
    apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'audit', namespace },
    spec: { webhook: { url: `http://${host}/`, signingSecretRefs: [{ name: 'hook', key: 'key' }] } },
  })
  const names = Array.from({ length: services }, (_, index) => `app-${index}`)
  for (const name of names) {
    const labels = { app: name }
    const containers = [{ name: 'app', image: 'app:v1', ports: [{ name: 'http', containerPort: 8080 }] }]
    create('deployments.apps', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace }, spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } } })
    create('services', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] } })
    create('rollouts.sluice.dev', {
      apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace },
      spec: {
        workloadRef: { kind: 'Deployment', name }, service: { port: 80 }, traffic: { istio: { managed: {} } },
        steps: [{ weight: 5, hold: '3s' }, { weight: 50, hold: '3s' }, { weight: 100, hold: '3s' }], notifications: [{ channelRef: { name: 'audit' } }],
      },
    })
  }
  clock.run(1)
  const controller = spawn(program, [
    'controller', '--kubeconfig', kubeconfig, '--namespace', namespace, '--allow-host', host, '--propagation-delay', '1s', '--health-port', '0', '--metrics-port', '0',
  ], { stdio: 'ignore' })
  const stopped = once(controller, 'close')
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (const began = performance.now(); !holds(); await new Promise(done => setTimeout(done, 100))) {
      if (performance.now() - began > longestMs) throw new Error(`${what}: not within ${longestMs / 60_000} minutes`)
    }
  }
  try {
    await until('adoption', () => names.every(name => cluster.store.get('rollouts.sluice.dev', namespace, name)?.status?.phase === 'Idle'))
    for (const name of names) {
      cluster.store.update('deployments.apps', namespace, name, one => {
        const changed = structuredClone(one)
        changed.spec.template.spec.containers[0].image = 'app:v2'
        return changed
      }, { manager: 'kubectl' })
    }
    await until('promotion', () => promoted === services)
  } finally {
    controller.kill('SIGTERM')
    await stopped
    await server.close()
    clock.run(0)
    cluster.close()
    receiver.closeAllConnections()
    receiver.close()
    rmSync(folder, { recursive: true })
  }
  const sorted = lags.toSorted((a, b) => a - b)
  const quantile = (of: number): string => short(sorted[Math.min(sorted.length - 1, Math.ceil(of * sorted.length) - 1)] ?? 0)
  return [{ what: `a message with its receiver after the decision, ms: median, p99 and longest of ${sorted.length}`, value: `${quantile(0.5)}, ${quantile(0.99)}, ${quantile(1)}` }]
}
