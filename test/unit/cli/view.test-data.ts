/** A rollout in the middle of its journey, to begin from. */
import type { RolloutObject } from '../../../src/cli/view.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'

export const now = Date.parse('2026-11-23T10:10:00Z')
export const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString()

export function status(change: Partial<RolloutStatus> = {}): RolloutStatus {
  return {
    schema: 1, sequence: 7, observedGeneration: 1, phase: 'Holding', message: 'Holding at 25%: 2m52s more, then approval for 50%.',
    conditions: [], failed: [], checks: [], redirected: [], resets: [], requests: [], decisions: [], history: [], outbox: [], writer: 'me',
    stable: { revision: 'checkout-aaaaaaaaaa', images: ['shop/checkout:v1.8.2'] },
    canary: { revision: 'checkout-bbbbbbbbbb', images: ['shop/checkout:v1.9.0'] },
    journey: {
      id: 'j', since: 3, startedAt: at(372), direction: 'Out', baseReplicas: 5, inputsHash: 'h', step: { index: 1, since: at(140) },
      weight: { wanted: 25, seen: 25, seenAt: at(128) }, requests: { served: 0, lost: 0 },
    },
    ...change,
  }
}
export function rollout(change: Partial<RolloutStatus> = {}): RolloutObject {
  return {
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      workloadRef: { kind: 'Deployment', name: 'checkout' }, service: { port: 80 }, traffic: { istio: { managed: {} } },
      steps: [{ weight: 5, hold: '2m' }, { weight: 25, hold: '5m' }, { weight: 50, hold: '10m', approval: 'Before' }, { weight: 100 }],
      analysis: { checks: [{ name: 'success-rate', successRate: { min: '99%' } }, { name: 'latency-p99', latency: { percentile: 99, max: '500ms' } }] },
    },
    status: status(change),
  }
}
