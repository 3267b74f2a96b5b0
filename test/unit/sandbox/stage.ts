import { SimulatedClock } from '../../../src/sandbox/clock.ts'
import { embeddedCluster } from '../../../src/sandbox/cluster.ts'
import type { ClusterOptions, EmbeddedCluster } from '../../../src/sandbox/cluster.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'

export interface Stage extends EmbeddedCluster {
  readonly clock: SimulatedClock
}
/** An embedded cluster with a namespace `shop`, whose time is advanced by hand. */
export function stage(options: Omit<ClusterOptions, 'clock'> = {}): Stage {
  const clock = new SimulatedClock()
  return { ...embeddedCluster({ clock, namespaces: ['shop'], ...options }), clock }
}
export function deployment(name: string, spec: object = {}, template: { image?: string; annotations?: Record<string, string> } = {}): KubeObject {
  const { image = 'web:1', annotations } = template
  const metadata = { labels: { app: name }, ...(annotations && { annotations }) }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'shop' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: { metadata, spec: { containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }] } },
      ...spec,
    },
  }
}
