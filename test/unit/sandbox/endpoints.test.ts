import { expect, test } from 'vitest'
import { readyAnnotation } from '../../../src/sandbox/behaviour.ts'
import { deployment, stage } from './stage.ts'
import type { Stage } from './stage.ts'

const slice = ({ store }: Stage, service: string): any =>
  store.list('endpointslices.discovery.k8s.io', { namespace: 'shop', labelSelector: `kubernetes.io/service-name=${service}` })[0]
const readyCount = (cluster: Stage, service = 'web'): number => slice(cluster, service).endpoints.filter((endpoint: any) => endpoint.conditions.ready).length
const service = (name: string, selector: object): any => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
})

test('a slice follows readiness, selectors and deletions', async () => {
  const cluster = stage({ readyMs: 2000, stopMs: 4000 })
  const { store, clock } = cluster
  store.create('deployments.apps', deployment('web'))
  store.create('services', service('web', { app: 'web' }))
  await clock.advance(1500)
  expect(slice(cluster, 'web')).toMatchObject({ addressType: 'IPv4', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] })
  expect([slice(cluster, 'web').endpoints.length, readyCount(cluster)]).toEqual([3, 0])
  await clock.advance(2000)
  expect(readyCount(cluster)).toBe(3)
  const pod = store.list('pods', { namespace: 'shop' })[0]!.metadata.name
  store.update('pods', 'shop', pod, (current) => ({ ...current, metadata: { ...current.metadata, annotations: { [readyAnnotation]: 'false' } } }))
  await clock.advance(500)
  expect(readyCount(cluster)).toBe(2)
  store.update('deployments.apps', 'shop', 'web', (current) => ({ ...current, spec: { ...current.spec, replicas: 1 } }))
  await clock.advance(500)
  const { endpoints } = slice(cluster, 'web')
  expect(endpoints.filter((endpoint: any) => endpoint.conditions.terminating).map((endpoint: any) => endpoint.conditions.ready)).toEqual([false, false])
  await clock.advance(5000)
  expect(slice(cluster, 'web').endpoints).toHaveLength(1)
  store.update('services', 'shop', 'web', (current) => ({ ...current, spec: { ...current.spec, selector: { app: 'nobody' } } }))
  await clock.advance(500)
  expect(slice(cluster, 'web').endpoints).toEqual([])
})

test('a slice that was deleted is made again; the slice of a deleted Service goes', async () => {
  const cluster = stage()
  cluster.store.create('services', service('web', { app: 'web' }))
  await cluster.clock.advance(500)
  cluster.store.delete('endpointslices.discovery.k8s.io', 'shop', slice(cluster, 'web').metadata.name)
  await cluster.clock.advance(500)
  expect(slice(cluster, 'web')).toBeDefined()
  cluster.store.delete('services', 'shop', 'web')
  await cluster.clock.advance(500)
  expect(slice(cluster, 'web')).toBeUndefined()
})

test('the SMI adaptor copies splits into the profile of the apex, leaves skipped ones alone, and empties it at the end', async () => {
  const { store, clock } = stage({ clusterDomain: 'mesh.local' })
  const split = (weight: number): any => ({
    service: 'web',
    backends: [
      { service: 'web-stable', weight: 100 - weight },
      { service: 'web-canary', weight },
    ],
  })
  const profile = (): any => store.get('serviceprofiles.linkerd.io', 'shop', 'web.shop.svc.mesh.local')
  const overrides = (weight: number): object[] => [
    { authority: 'web-stable.shop.svc.mesh.local', weight: String(100 - weight) },
    { authority: 'web-canary.shop.svc.mesh.local', weight: String(weight) },
  ]
  store.create('trafficsplits.split.smi-spec.io', {
    apiVersion: 'split.smi-spec.io/v1alpha2',
    kind: 'TrafficSplit',
    metadata: { name: 'web', namespace: 'shop' },
    spec: split(0),
  })
  expect(profile()).toBeUndefined()
  await clock.advance(500)
  expect(profile().spec.dstOverrides).toEqual(overrides(0))
  const change = (weight: number, annotations?: object): unknown =>
    store.update('trafficsplits.split.smi-spec.io', 'shop', 'web', (current) => ({
      ...current,
      metadata: { ...current.metadata, annotations } as any,
      spec: split(weight),
    }))
  change(5)
  await clock.advance(500)
  expect(profile().spec.dstOverrides).toEqual(overrides(5))
  change(50, { 'smi.linkerd.io/skip': 'true' })
  await clock.advance(500)
  expect(profile().spec.dstOverrides).toEqual(overrides(5))
  store.delete('trafficsplits.split.smi-spec.io', 'shop', 'web')
  await clock.advance(500)
  expect(profile().spec.dstOverrides).toEqual([])
})
