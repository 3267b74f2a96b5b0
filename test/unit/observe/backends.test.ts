import { describe, expect, test } from 'vitest'
import { templateHash } from '../../../src/revision/naming.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { reviews, reviewsRule } from '../traffic/guide.ts'
import { Cluster, rollout } from './cluster.ts'

const service = (name: string, selector: object): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { selector, ports: [{ name: 'http', port: 9080 }] } })
function version(v: string, ready = 2, image = `reviews:${v}`): KubeObject {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: `reviews-${v}`, namespace: 'default', uid: `uid-${v}`, generation: 1 },
    spec: { replicas: 2, selector: { matchLabels: { app: 'reviews', version: v } }, template: { metadata: { labels: { app: 'reviews', version: v } }, spec: { containers: [{ name: 'main', image }] } } },
    status: { observedGeneration: 1, replicas: 2, readyReplicas: ready, updatedReplicas: ready, availableReplicas: ready },
  }
}
const subsets = (workloadRef = true) => rollout({
  workloadRef: undefined, service: undefined,
  backends: { host: 'reviews', stable: { subset: 'v1' }, canary: { subset: 'v2', ...(workloadRef ? { workloadRef: { kind: 'Deployment', name: 'reviews-v2' } } : {}) } },
  traffic: { istio: { virtualServiceRefs: [{ name: 'reviews' }], destinationRuleRef: { name: 'reviews' } } },
}, { name: 'reviews', namespace: 'default' })
const guide = () => new Cluster(subsets(), reviews, reviewsRule, service('reviews', { app: 'reviews' }), version('v1'), version('v2'))
const key = 'default/reviews'
const v2 = `v2-${templateHash(version('v2'))}`

describe('two subsets of one host, as Istio\'s guide has them', () => {
  test('the arms are the Deployments whose pods match, and 20 percent go to the canary', () => {
    const { seen, plan } = guide().look(key)
    expect(plan.mode).toBe('Backends')
    expect(seen.backends).toEqual({
      stable: 'v1', canary: v2, stableBackend: 'v1', canaryBackend: 'v2', hasCanaryTemplate: true,
      stableSeries: { namespace: 'default', workloads: ['reviews-v1'] },
      canarySeries: { namespace: 'default', workloads: ['reviews-v2'], door: 'reviews.default.svc.cluster.local' },
    })
    expect(seen.revisions).toMatchObject([{ name: v2, ready: 2, replicas: 2, complete: true, images: ['reviews:v2'] }, { name: 'v1', ready: 2 }])
    expect(seen.doors).toMatchObject({ stable: { state: 'Present', leadsTo: 'v1', ready: 2 }, canary: { state: 'Present', leadsTo: v2 }, own: { state: 'Theirs' } })
    expect(seen.routes).toMatchObject([{ state: 'Present', managed: false, canaryDoor: 20 }])
    expect(seen.workload).toMatchObject({ templateRevision: v2 })
    expect(seen.blockers).toEqual([])
    expect(seen.remarks).toMatchObject([{ type: 'CanaryOnlyRouteExposed' }])
    expect(seen.upkeep).toEqual([])
  })
  test('a new template is a new revision of the same backend', () => {
    const cluster = guide()
    cluster.put(version('v2', 2, 'reviews:v2b'))
    expect(cluster.look(key).seen.backends).toMatchObject({ canaryBackend: 'v2', canary: expect.not.stringMatching(v2) })
  })
  test('without a workloadRef the canary is the backend itself and there is no workload', () => {
    const cluster = guide()
    cluster.put(subsets(false))
    expect(cluster.look(key).seen).toMatchObject({ workload: { state: 'None' }, backends: { canary: 'v2', hasCanaryTemplate: false } })
  })
  test('an arm that is being rolled is not complete', () => {
    const cluster = guide()
    cluster.put(version('v2', 1))
    expect(cluster.look(key).seen.revisions[0]).toMatchObject({ ready: 1, complete: false })
  })
  test('a missing subset: no raise, and the door counts as absent so that its share is lowered', () => {
    const cluster = guide()
    cluster.change('DestinationRule', 'default', 'reviews', (object) => { object.spec.subsets.pop() })
    const { seen } = cluster.look(key)
    expect(seen.doors.canary).toEqual({ state: 'Absent', ready: 0, others: 0 })
    expect(seen.blockers).toMatchObject([{ reason: 'SubsetMissing', stops: 'Raise' }])
    expect(seen.routes[0]!.state).toBe('Present')
  })
  test('the host\'s Service is gone', () => {
    const cluster = guide()
    cluster.remove('Service', 'default', 'reviews')
    expect(cluster.look(key).seen.blockers.map(({ reason }) => reason)).toEqual(['BackendMissing', 'BackendMissing'])
  })
  test('no Deployment behind an arm', () => {
    const cluster = guide()
    cluster.remove('Deployment', 'default', 'reviews-v1')
    const { seen } = cluster.look(key)
    expect(seen.blockers).toMatchObject([{ reason: 'BackendWithoutWorkload' }])
    expect(seen.revisions[1]).toMatchObject({ name: 'v1', ready: 0, complete: false })
    expect(seen.doors.stable).toMatchObject({ state: 'Present', ready: 0 })
  })
})

test('two Services: each arm is charged with its own lost requests', () => {
  const traffic = { istio: { virtualServiceRefs: [{ name: 'reviews' }] } }
  const spec = rollout({ workloadRef: undefined, service: undefined, traffic, backends: { stable: { service: 'reviews-v1' }, canary: { service: 'reviews-v2' } } }, { name: 'reviews', namespace: 'default' })
  const route: KubeObject = { ...reviews, spec: { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews-v1' }, weight: 100 }, { destination: { host: 'reviews-v2' }, weight: 0 }] }] } }
  const cluster = new Cluster(spec, route, service('reviews-v1', { app: 'reviews', version: 'v1' }), service('reviews-v2', { app: 'reviews', version: 'v2' }), version('v1'), version('v2'))
  const { seen, problems } = cluster.look(key)
  expect(problems).toEqual([])
  expect(seen.backends).toMatchObject({ stable: 'reviews-v1', stableSeries: { workloads: ['reviews-v1'], door: 'reviews-v1.default.svc.cluster.local' }, canarySeries: { door: 'reviews-v2.default.svc.cluster.local' } })
  expect(seen).toMatchObject({ routes: [{ state: 'Present', canaryDoor: 0, managed: false }], blockers: [] })
})
