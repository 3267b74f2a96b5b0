import { describe, expect, test } from 'vitest'
import { httpPorts, istioDuration, managedVirtualService, type ManagedVirtualService } from '../../../src/traffic/istio-managed.ts'
import { istio } from '../../../src/traffic/istio.ts'
import { applyPatch, PatchRefused } from '../../support/json-patch.ts'
import { clusterDomain, doors } from './guide.ts'

const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart', uid: 'u-1' }
const base: ManagedVirtualService = {
  apiVersion: 'networking.istio.io/v1', name: 'cart', namespace: 'shop', clusterDomain, managed: {}, ports: [80], arms: doors, total: 100, canary: 0,
  labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [owner],
}
function built(change: Partial<ManagedVirtualService> = {}): any {
  const answer = managedVirtualService({ ...base, ...change })
  if ('problems' in answer) throw new Error(answer.problems.map(({ message }) => message).join('\n'))
  return answer.object
}
const selector = { clusterDomain }

describe('the managed VirtualService', () => {
  test('with every default', () => {
    expect(built()).toEqual({
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'cart', namespace: 'shop', labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [owner] },
      spec: {
        hosts: ['cart.shop.svc.cluster.local'], gateways: ['mesh'],
        http: [{
          name: 'sluice',
          route: [
            { destination: { host: 'cart-stable.shop.svc.cluster.local', port: { number: 80 } }, weight: 100 },
            { destination: { host: 'cart-canary.shop.svc.cluster.local', port: { number: 80 } }, weight: 0 },
          ],
        }],
      },
    })
  })
  test('with everything said: what is read from it is what was wanted', () => {
    const object = built({ managed: { hosts: ['cart', 'cart.example.com'], gateways: ['mesh', 'edge/public'], timeout: '1m30s', retries: { attempts: 2, perTryTimeout: '500ms' } }, total: 1000, canary: 0.5 })
    expect(object.spec).toMatchObject({ hosts: ['cart', 'cart.example.com'], gateways: ['mesh', 'edge/public'], http: [{ timeout: '90s', retries: { attempts: 2, perTryTimeout: '0.5s' } }] })
    expect(istio.read(object, doors, selector)).toMatchObject({ canary: 0.5, totals: [1000], problems: [], canaryOnly: [] })
  })
  test('one route per port; gateways listen on other ports, so theirs is the first', () => {
    expect(built({ ports: [80, 9090] }).spec.http.map(({ name, match }: any) => [name, match])).toEqual([['sluice-80', [{ port: 80 }]], ['sluice-9090', [{ port: 9090 }]]])
    expect(built({ ports: [80, 9090], managed: { gateways: ['mesh', 'edge/public'] } }).spec.http.map(({ match }: any) => match)).toEqual([
      [{ port: 80, gateways: ['mesh'] }, { gateways: ['edge/public'] }], [{ port: 9090, gateways: ['mesh'] }],
    ])
    expect(built({ ports: [80, 9090], managed: { gateways: ['edge/public'] } }).spec.http).toMatchObject([{ name: 'sluice', route: [{ destination: { port: { number: 80 } } }, {}] }])
  })
  test('a delegate has neither hosts nor gateways', () => {
    expect(Object.keys(built({ managed: { delegate: true }, ports: [80, 81] }).spec)).toEqual(['http'])
  })
  test.each([
    [{ ports: [] }, 'NoHTTPPort'], [{ managed: { timeout: '0s' } }, 'TimeoutInvalid'], [{ managed: { retries: { attempts: 1, perTryTimeout: '3' } } }, 'TimeoutInvalid'],
    [{ managed: { delegate: true, hosts: ['cart'] } }, 'DelegateHasHosts'], [{ managed: { hosts: [] } }, 'HostsEmpty'], [{ managed: { gateways: [] } }, 'GatewaysEmpty'],
  ])('%j is refused as %s', (change, reason) => {
    expect(managedVirtualService({ ...base, ...change })).toMatchObject({ problems: [{ reason }] })
  })
  test('durations in Istio’s form', () => {
    expect(['3s', '1h30m', '500ms', '1ms', '0s', '1500', ''].map(istioDuration)).toEqual(['3s', '5400s', '0.5s', '0.001s', undefined, undefined, undefined])
  })
})

describe('upkeep', () => {
  const seen = (object: any): any => ({ ...structuredClone(object), metadata: { ...object.metadata, uid: 'x', resourceVersion: '5', annotations: { 'sluice.dev/closed-to': 'a@1' } } })

  test('weights, others’ labels and annotations are in step', () => {
    const present = seen(istio.write(built(), doors, selector, { canary: 25 }))
    present.metadata.labels.team = 'x'
    expect(istio.upkeep(present, built(), doors, selector)).toEqual([])
  })
  test('a changed spec is put back with the split as it stands', () => {
    const present = seen(istio.write(built(), doors, selector, { canary: 25 }))
    present.spec.http.unshift({ name: 'theirs', route: [{ destination: { host: 'other' } }] })
    present.metadata.labels = { team: 'x' }
    present.metadata.ownerReferences = []
    const patch = istio.upkeep(present, built({ managed: { timeout: '2s' } }), doors, selector)
    const after = applyPatch(present, patch)
    expect(after.spec).toEqual(istio.write(built({ managed: { timeout: '2s' } }), doors, selector, { canary: 25 }).spec)
    expect(after.metadata).toMatchObject({ labels: { team: 'x', 'sluice.dev/rollout': 'cart' }, ownerReferences: [owner], annotations: { 'sluice.dev/closed-to': 'a@1' } })
    const moved = istio.write(present, doors, selector, { canary: 0 })
    expect(() => applyPatch(moved, patch), 'lowered meanwhile').toThrow(PatchRefused)
  })
  test('a total too coarse is refined at the same share; a finer one stays', () => {
    const coarse = seen(istio.write(built(), doors, selector, { canary: 25 }))
    const finer = applyPatch(coarse, istio.upkeep(coarse, built({ total: 1000 }), doors, selector))
    expect(istio.read(finer, doors, selector)).toMatchObject({ canary: 25, totals: [1000] })
    const fine = seen(istio.write(built({ total: 1000 }), doors, selector, { canary: 0.5 }))
    expect(istio.upkeep(fine, built(), doors, selector)).toEqual([])
  })
  test('a new port takes the share of the others', () => {
    const one = seen(istio.write(built(), doors, selector, { canary: 50 }))
    const two = applyPatch(one, istio.upkeep(one, built({ ports: [80, 9090] }), doors, selector))
    expect(istio.read(two, doors, selector)).toMatchObject({ canary: 50, uneven: false, totals: [100, 100] })
  })
  test('an object without any readable split gets the wanted one', () => {
    const present = seen(built())
    present.spec = { hosts: ['x'] }
    expect(applyPatch(present, istio.upkeep(present, built({ canary: 5 }), doors, selector)).spec).toEqual(built({ canary: 5 }).spec)
  })
})

test('ports that speak HTTP', () => {
  const port = (number: number, rest: object = {}): object => ({ port: number, ...rest })
  const ports = [
    port(80), port(81, { name: 'http-web' }), port(82, { name: 'grpc' }), port(83, { name: 'web' }), port(84, { name: 'tcp-x' }), port(85, { name: 'x', appProtocol: 'kubernetes.io/h2c' }),
    port(86, { name: 'http', appProtocol: 'tcp' }), port(87, { protocol: 'UDP' }), port(443, { name: 'https' }), port(3306), port(27017, { name: 'http' }),
  ]
  const object = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart' }, spec: { ports } }
  expect(httpPorts(object)).toEqual([80, 81, 82, 83, 85, 27017])
})
