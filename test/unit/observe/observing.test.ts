import { expect, test } from 'vitest'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, rollout } from './cluster.ts'

const backends = { stable: { service: 'cart-1' }, canary: { service: 'cart-2' } }
const spec = { workloadRef: undefined, service: undefined, backends, traffic: { istio: { virtualServiceRefs: [{ name: 'cart' }] } }, steps: [{ weight: 5 }, { weight: 10 }, { weight: 100 }] }
const released = (name: string, created: string, more: object = {}) => rollout({ ...spec, ...more }, { name, uid: `uid-${name}`, creationTimestamp: created })
const route: KubeObject = {
  apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'cart', namespace: 'shop' },
  spec: { hosts: ['cart'], http: [{ route: [{ destination: { host: 'cart-1' }, weight: 10 }, { destination: { host: 'cart-2' }, weight: 0 }] }] },
}
const parts = ['cart-1', 'cart-2'].flatMap((app): KubeObject[] => [
  { apiVersion: 'v1', kind: 'Service', metadata: { name: app, namespace: 'shop' }, spec: { selector: { app }, ports: [{ port: 80 }] } },
  deployment('cart:1', { name: app, uid: `uid-${app}` }, { template: { metadata: { labels: { app } }, spec: { containers: [{ name: 'main', image: 'cart:1' }] } } }),
])
const blockers = (cluster: Cluster, name: string) => cluster.look(`shop/${name}`).seen.blockers.map(({ reason }) => reason)

test('who only looks on takes nothing from anybody, and is kept from nothing by another', () => {
  const [older, newer] = ['2026-11-01T00:00:00Z', '2026-11-02T00:00:00Z']
  const finer = { steps: [{ weight: 10 }, { weight: 100 }] }
  const released2 = new Cluster(released('looks', older, { mode: 'Observe' }), released('moves', newer, finer), route, ...parts)
  expect(blockers(released2, 'moves')).toEqual([])
  const looking = new Cluster(released('moves', older, finer), released('looks', newer, { mode: 'Observe' }), route, ...parts)
  expect(blockers(looking, 'looks')).toEqual([])
  // Two that move are one too many, so the claims themselves work; and steps of 5 and 10 % are no matter for who writes no weight.
  expect(blockers(new Cluster(released('one', older), released('two', newer), route, ...parts), 'two')).toEqual(['TargetClaimed', 'WeightNotExpressible'])
})

test('an invalid spec looks on all the same, whatever can be saved of it', () => {
  for (const broken of [{ steps: [] }, { traffic: { istio: {} } }, { backends: undefined }, { backends: undefined, workloadRef: { kind: 'Deployment', name: 'cart' } }]) {
    const { plan, problems } = new Cluster(released('looks', '2026-11-01T00:00:00Z', { mode: 'Observe', ...broken }), route, ...parts).look('shop/looks')
    expect(problems.length).toBeGreaterThan(0)
    expect(plan.observes).toBe(true)
  }
})
