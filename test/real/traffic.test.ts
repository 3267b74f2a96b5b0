import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonPatchOp, KubeObject } from '../../src/rollout/objects.ts'
import { managedVirtualService } from '../../src/traffic/istio-managed.ts'
import { mirroredDestinationRules } from '../../src/traffic/istio-rules.ts'
import { gatewayAPI } from '../../src/traffic/gateway-api.ts'
import { gatewayAPIProvider } from '../../src/traffic/gateway-api-provider.ts'
import { ownedDifference } from '../../src/traffic/owned.ts'
import { istio } from '../../src/traffic/istio.ts'
import type { Arms, Router } from '../../src/traffic/router.ts'
import { managedTrafficSplit, smi } from '../../src/traffic/smi.ts'
import { controlPlaneMissing, crdsMissing, makeNamespace, type ControlPlane } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { reviews, reviewsRule } from '../unit/traffic/guide.ts'

const missing = controlPlaneMissing() ?? crdsMissing()
const selector = { clusterDomain: 'cluster.local' }

describe.skipIf(missing)(`traffic objects on a real API server ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let namespace: string
  let doors: Arms
  beforeAll(async () => {
    plane = sharedControlPlane()!
    namespace = await makeNamespace(plane, 'traffic')
    const door = (service: string): Arms['stable'] => ({ namespace, service, host: `${service}.${namespace}.svc.cluster.local` })
    doors = { stable: door('cart-stable'), canary: door('cart-canary') }
  })
  afterAll(async () => {
    await plane?.request('DELETE', `/api/v1/namespaces/${namespace}`)
    await plane?.stop()
  })

  async function created(plural: string, object: KubeObject): Promise<KubeObject> {
    // Strict, so that a field which the CRD does not know is an error and not dropped.
    const answer = await plane.request('POST', `/apis/${object.apiVersion}/namespaces/${namespace}/${plural}?fieldValidation=Strict`, { ...object, metadata: { ...object.metadata, namespace } })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    return answer.body
  }
  async function patched(plural: string, object: KubeObject, patch: readonly JsonPatchOp[], version = object.apiVersion): Promise<{ status: number; body: any }> {
    return plane.request('PATCH', `/apis/${version}/namespaces/${namespace}/${plural}/${object.metadata.name}`, patch)
  }
  /** Lower with mark, lower again, raise with what was seen before (refused), reopen, raise: what a journey does to a route. */
  async function journey(plural: string, object: KubeObject, router: Router, arms: Arms): Promise<void> {
    const stale = router.patch(object, arms, selector, { canary: 50 })
    const low = await patched(plural, object, router.patch(object, arms, selector, { canary: 0, closedTo: { revision: 'cart-b', sequence: 1_790_000_000_001 } }))
    expect(low.status, JSON.stringify(low.body)).toBe(200)
    expect(router.read(low.body, arms, selector)).toMatchObject({ canary: 0, closedTo: { revision: 'cart-b', sequence: 1_790_000_000_001 }, problems: [] })
    const woken = await patched(plural, object, stale)
    expect(woken.status).toBe(422)
    expect(woken.body.details?.causes).toBeUndefined()
    const open = await patched(plural, object, router.patch(low.body, arms, selector, { canary: 5, closedTo: 'Remove' }))
    expect(open.status, JSON.stringify(open.body)).toBe(200)
    expect(router.read(open.body, arms, selector).canary).toBe(5)
    expect(router.read(open.body, arms, selector).closedTo).toBeUndefined()
    const next = await patched(plural, object, router.patch(open.body, arms, selector, { canary: 100 }))
    expect(router.read(next.body, arms, selector).canary).toBe(100)
  }

  test('the guide’s VirtualService in every served version', async () => {
    const arms: Arms = {
      stable: { namespace, service: 'reviews', subset: 'v1', host: `reviews.${namespace}.svc.cluster.local` }, canary: { namespace, service: 'reviews', subset: 'v2', host: `reviews.${namespace}.svc.cluster.local` },
    }
    for (const version of ['v1alpha3', 'v1beta1', 'v1']) {
      const apiVersion = `networking.istio.io/${version}`
      const object = await created('virtualservices', { ...reviews, apiVersion, metadata: { name: `reviews-${version}` } })
      expect(istio.read(object, arms, selector)).toMatchObject({ canary: 20, problems: [], canaryOnly: [{ redirected: false }] })
      await journey('virtualservices', object, istio, arms)
    }
  })

  test('a weight that is absent is tested as absent and added', async () => {
    const route = [{ destination: { host: 'cart-stable' }, weight: 100 }, { destination: { host: 'cart-canary' } }]
    const object = await created('virtualservices', { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'absent', annotations: { 'their.io/a': 'c' } }, spec: { hosts: ['x'], http: [{ route }] } })
    await journey('virtualservices', object, istio, doors)
  })

  test('canary-only routes are redirected in the lowering patch and put back', async () => {
    const http = [{ match: [{ headers: { 'user-type': { exact: 'internal' } } }], route: [{ destination: { host: 'cart-canary' } }] }, { name: 'default', route: [{ destination: { host: 'cart-stable' }, weight: 95 }, { destination: { host: 'cart-canary' }, weight: 5 }] }]
    const object = await created('virtualservices', { apiVersion: 'networking.istio.io/v1beta1', kind: 'VirtualService', metadata: { name: 'staff' }, spec: { hosts: ['y'], http } })
    const originals = istio.read(object, doors, selector).canaryOnly
    const low = await patched('virtualservices', object, istio.patch(object, doors, selector, { canary: 0, closedTo: { revision: 'cart-b', sequence: 5 }, canaryOnly: { redirect: true } }))
    expect(low.status, JSON.stringify(low.body)).toBe(200)
    expect(low.body.spec.http[0].route[0].destination.host).toBe(doors.stable.host)
    const back = await patched('virtualservices', object, istio.patch(low.body, doors, selector, { canary: 5, closedTo: 'Remove', canaryOnly: { restore: originals } }))
    expect(back.body.spec).toEqual(object.spec)
  })

  test('the managed VirtualService, and its upkeep, pass the CRD’s schema and rules', async () => {
    const base = { apiVersion: 'networking.istio.io/v1', name: 'cart', namespace, clusterDomain: 'cluster.local', arms: doors, total: 1000, canary: 0.5, labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [] }
    const managed = { hosts: ['cart', 'cart.example.com'], gateways: ['mesh', 'edge/public'], timeout: '1m30s', retries: { attempts: 2, perTryTimeout: '500ms' } }
    const built = managedVirtualService({ ...base, managed, ports: [80, 9090] })
    if ('problems' in built) throw new Error(JSON.stringify(built.problems))
    const object = await created('virtualservices', built.object)
    expect(istio.upkeep(object, built.object, doors, selector)).toEqual([])
    const fewer = managedVirtualService({ ...base, managed: { delegate: true }, ports: [80] })
    if ('problems' in fewer) throw new Error(JSON.stringify(fewer.problems))
    const kept = await patched('virtualservices', object, istio.upkeep(object, fewer.object, doors, selector))
    expect(kept.status, JSON.stringify(kept.body)).toBe(200)
    expect(istio.read(kept.body, doors, selector)).toMatchObject({ canary: 0.5, totals: [1000], problems: [] })
    await journey('virtualservices', kept.body, istio, doors)
  })

  test('mirrored DestinationRules pass the CRD’s schema', async () => {
    const rule = { ...reviewsRule, metadata: { name: 'cart', namespace }, spec: { ...reviewsRule.spec, host: 'cart', exportTo: ['.'] } }
    const { rules } = mirroredDestinationRules({ rules: [rule], host: `cart.${namespace}.svc.cluster.local`, namespace, doors: [doors.stable, doors.canary], clusterDomain: 'cluster.local', labels: {}, ownerReferences: [] })
    expect(rules).toHaveLength(2)
    for (const one of rules) expect((await created('destinationrules', one)).spec.trafficPolicy).toEqual(reviewsRule.spec.trafficPolicy)
  })

  test('HTTPRoute and GRPCRoute: managed ones are in step as the API server has defaulted them, the user’s are split by name or index', async () => {
    const parentRefs = [{ name: 'public', namespace: 'edge', sectionName: 'https' }, { kind: 'Service' as const, name: 'cart', port: 80 }]
    const service: KubeObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'cart' }, spec: { ports: [{ port: 80 }] } }
    for (const [kind, plural] of [['HTTPRoute', 'httproutes'], ['GRPCRoute', 'grpcroutes']] as const) {
      for (const telemetry of ['Traefik', 'EnvoyGateway'] as const) {
        const traffic = { gatewayAPI: { managed: { kind, parentRefs, hostnames: ['cart.example.com'] } } }
        const wanted = {
          kind, apiVersion: 'gateway.networking.k8s.io/v1', name: `cart-${telemetry.toLowerCase()}`, namespace, clusterDomain: 'cluster.local', service, arms: doors,
          total: 1000, canary: 0, telemetry, labels: { 'sluice.dev/rollout': 'cart' }, ownerReferences: [],
        }
        const built = gatewayAPIProvider.managed(traffic, wanted)
        if ('problems' in built) throw new Error(JSON.stringify(built.problems))
        const object = await created(plural, built.object)
        expect(ownedDifference(object, built.object)).toEqual([])
        expect(gatewayAPI.upkeep(object, built.object, doors, selector)).toEqual([])
        await journey(plural, object, gatewayAPI, doors)
      }
      const backendRefs = [{ name: 'cart-stable', port: 80, weight: 1000 }, { name: 'other', port: 80 }, { name: 'cart-canary', port: 80, weight: 0 }]
      const own = await created(plural, { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name: 'own' }, spec: { parentRefs: [{ name: 'public' }], rules: [{ name: 'first', backendRefs: [{ name: 'cart', port: 80 }] }, { backendRefs }] } })
      const byIndex = { ...selector, routes: ['1'] }
      const open = await patched(plural, own, gatewayAPI.patch(own, doors, byIndex, { canary: 0.5 }))
      expect(open.status, JSON.stringify(open.body)).toBe(200)
      expect(open.body.spec.rules[1].backendRefs.map(({ weight }: any) => weight)).toEqual([995, 1, 5])
      expect((await patched(plural, own, gatewayAPI.patch(own, doors, byIndex, { canary: 0.5 }))).status).toBe(422)
      const low = await patched(plural, own, gatewayAPI.patch(open.body, doors, byIndex, { canary: 0 }))
      expect(low.body.spec).toEqual(own.spec)
    }
  })

  test('TrafficSplit in both versions that Linkerd’s extension serves', async () => {
    const wanted = { name: 'web', namespace, arms: doors, total: 100, canary: 20, labels: { 'sluice.dev/rollout': 'web' }, ownerReferences: [] }
    await journey('trafficsplits', await created('trafficsplits', managedTrafficSplit({ ...wanted, apiVersion: 'split.smi-spec.io/v1alpha2' })), smi, doors)
    const quantities = { apiVersion: 'split.smi-spec.io/v1alpha1', kind: 'TrafficSplit', metadata: { name: 'quantities' }, spec: { service: 'web', backends: [{ service: 'cart-stable', weight: '900m' }, { service: 'cart-canary', weight: '100m' }] } }
    await journey('trafficsplits', await created('trafficsplits', quantities), smi, doors)
  })
})
