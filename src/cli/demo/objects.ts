/** What the demo's user applies: a shop with one service, and four lines of steps for its releases. Pure. */
import type { KubeObject } from '../../rollout/objects.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import { firstVersion, repository } from './scenarios.ts'

export const namespace = 'shop'
export const app = 'checkout'
const metadata = { name: app, namespace }
const labels = { app }

export const shop: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
export const deployment: KubeObject = {
  apiVersion: 'apps/v1', kind: 'Deployment', metadata,
  spec: {
    replicas: 4,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: app, image: `${repository}:${firstVersion}`, ports: [{ name: 'http', containerPort: 8080 }] }] },
    },
  },
}
export const service: KubeObject = {
  apiVersion: 'v1', kind: 'Service', metadata,
  spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }] },
}
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: app },
  service: { port: 80 },
  traffic: { istio: { managed: {} } },
  steps: [{ weight: 5, hold: '2m' }, { weight: 25, hold: '5m' }, { weight: 50, hold: '10m' }, { weight: 100, hold: '5m' }],
  analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'p99', latency: { percentile: 99, max: '500ms' } }] },
}
export const rollout: KubeObject = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata, spec }
