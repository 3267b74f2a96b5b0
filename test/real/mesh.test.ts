/** The models judge the product, so they are judged first: by hand-written routes, without Sluice. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controlPlaneMissing, crdsMissing, makeNamespace, type ControlPlane } from '../support/control-plane.ts'
import { startKubelet, type Kubelet } from '../support/kubelet.ts'
import { startMesh, type Mesh } from '../support/mesh.ts'
import { sleep, until } from '../support/process.ts'
import { prometheusMissing, startPrometheus, type Prometheus } from '../support/prometheus.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { startSmiAdaptor, type SmiAdaptor } from '../support/smi-adaptor.ts'

const missing = controlPlaneMissing() ?? crdsMissing() ?? prometheusMissing()

describe.skipIf(missing)(`the mesh model ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let kubelet: Kubelet
  let istio: Mesh
  let linkerd: Mesh
  let adaptor: SmiAdaptor
  let prometheus: Prometheus
  const namespaces: string[] = []
  beforeAll(async () => {
    plane = sharedControlPlane()!
    kubelet = await startKubelet(plane, { namespaces: [], graceMs: 800 })
    istio = await startMesh(plane, { dataPlane: 'Istio' })
    linkerd = await startMesh(plane, { dataPlane: 'Linkerd' })
    adaptor = await startSmiAdaptor(plane)
    prometheus = await startPrometheus({ targets: [istio.target, linkerd.target], scrapeIntervalMs: 200 })
  })
  afterAll(async () => {
    await prometheus?.stop()
    await adaptor?.stop()
    await istio?.stop()
    await linkerd?.stop()
    await kubelet?.stop()
    for (const name of namespaces) await plane.request('DELETE', `/api/v1/namespaces/${name}`)
    await plane?.stop()
  })

  const make = async (path: string, object: any) => {
    const made = await plane.request('POST', path, object)
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body
  }
  /** Two Deployments shop-v1 and shop-v2, a Service each, and `shop` over both. */
  const shop = async () => {
    const namespace = await makeNamespace(plane, 'mesh')
    namespaces.push(namespace)
    kubelet.adopt(namespace)
    for (const version of ['v1', 'v2']) {
      const labels = { app: 'shop', version }
      await make(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
        apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: `shop-${version}` },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: `shop:${version}` }] } } },
      })
      await service(namespace, `shop-${version}`, labels)
    }
    await service(namespace, 'shop', { app: 'shop' })
    await until('four ready pods', async () => {
      const { body } = await plane.request('GET', `/apis/apps/v1/namespaces/${namespace}/deployments`)
      return body.items.every((item: any) => item.status.readyReplicas === 2)
    })
    return namespace
  }
  const service = (namespace: string, name: string, selector: object) =>
    make(`/api/v1/namespaces/${namespace}/services`, { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector, ports: [{ port: 80 }] } })
  const virtualService = (namespace: string, name: string, spec: object) =>
    make(`/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices`, { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name }, spec })
  const weights = (v1: number, v2: number) => [{ destination: { host: 'shop-v1' }, weight: v1 }, { destination: { host: 'shop-v2' }, weight: v2 }]

  test('follows weights, hears them late, and Prometheus knows how it went', async () => {
    const namespace = await shop()
    await virtualService(namespace, 'shop', { hosts: ['shop'], http: [{ route: weights(90, 10) }] })
    await sleep(500)
    istio.behave((pod) => pod.namespace === namespace && pod.image === 'shop:v2', { errorRate: 0.5, latencyMs: 400 })
    const traffic = istio.send({ namespace, host: 'shop' }, 200)
    expect(await istio.measure(namespace, 'shop:v2')).toBeCloseTo(10, -1)
    await plane.request('PATCH', `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices/shop`, { spec: { http: [{ route: weights(50, 50) }] } })
    await sleep(500)
    expect(await istio.measure(namespace, 'shop:v2')).toBeCloseTo(50, -1)
    traffic.stop()
    expect(istio.nowhere(namespace)).toEqual([])
    const served = istio.served(namespace).find((tally) => tally.workload === 'shop-v2')!
    expect(served.bad / served.total).toBeCloseTo(0.5, 1)
    const selector = `reporter="destination",destination_workload_namespace="${namespace}",destination_workload="shop-v2"`
    await until('Prometheus to hold all requests', async () => (await prometheus.query(`sum(istio_requests_total{${selector}})`))[0]?.value === served.total)
    expect(await prometheus.query(`sum(istio_requests_total{${selector},response_code=~"5.."})`)).toMatchObject([{ value: served.bad }])
    const [fast] = await prometheus.query(`sum(istio_request_duration_milliseconds_bucket{${selector},le="250"})`)
    expect(fast?.value).toBe(0)
    await until('the histogram', async () => (await prometheus.query(`sum(istio_request_duration_milliseconds_bucket{${selector},le="500"})`))[0]?.value === served.total)
  })

  test('shows what cannot be reached at the source only, with the Service it was meant for', async () => {
    const namespace = await shop()
    await virtualService(namespace, 'shop', { hosts: [`shop.${namespace}.svc.cluster.local`], http: [{ route: weights(0, 100) }] })
    await sleep(500)
    istio.behave((pod) => pod.namespace === namespace && pod.image === 'shop:v2', { unreachable: true })
    const traffic = istio.send({ namespace, host: 'shop' }, 100)
    const selector = `reporter="source",destination_service="shop-v2.${namespace}.svc.cluster.local",response_flags="UF"`
    const seen = await until('the source to report', async () => (await prometheus.query(`istio_requests_total{${selector}}`))[0])
    traffic.stop()
    expect(seen.labels.destination_workload).toBe('unknown')
    expect(await prometheus.query(`istio_requests_total{reporter="destination",destination_workload_namespace="${namespace}"}`)).toEqual([])
    expect(istio.nowhere(namespace)).toEqual([])
  })

  test('counts each request that finds no pod: a missing Service, an empty door, a pod that was gone', async () => {
    const namespace = await shop()
    await virtualService(namespace, 'shop', { hosts: ['shop'], http: [{ route: [{ destination: { host: 'absent' }, weight: 100 }] }] })
    await sleep(500)
    const traffic = istio.send({ namespace, host: 'shop' }, 50)
    await until('a lost request', () => istio.nowhere(namespace).some(({ why }) => why.includes('no Service for host absent')))
    await plane.request('PATCH', `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices/shop`, { spec: { http: [{ route: weights(0, 100) }] } })
    await plane.request('PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/shop-v2/scale`, { spec: { replicas: 0 } })
    await until('an empty door', () => istio.nowhere(namespace).some(({ why }) => why.includes('no ready endpoint behind shop-v2')))
    traffic.stop()
  })

  test('header routes come first, subsets come from the DestinationRule, the older VirtualService has the host', async () => {
    const namespace = await shop()
    await make(`/apis/networking.istio.io/v1/namespaces/${namespace}/destinationrules`, {
      apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'shop' },
      spec: { host: 'shop', subsets: ['v1', 'v2'].map((version) => ({ name: version, labels: { version } })) },
    })
    const subset = (name: string, weight = 100) => ({ destination: { host: 'shop', subset: name }, weight })
    await virtualService(namespace, 'shop', {
      hosts: ['shop'],
      http: [{ match: [{ headers: { 'user-agent': { regex: '.*Mobile.*' } } }], route: [{ destination: { host: 'shop', subset: 'v2' } }] }, { route: [subset('v1'), subset('v2', 0)] }],
    })
    await sleep(1_100)
    await virtualService(namespace, 'younger', { hosts: ['shop'], http: [{ route: [subset('v2')] }] })
    await sleep(600)
    const arms = (headers?: Record<string, string>) => {
      const routing = istio.routing({ namespace, host: 'shop', ...(headers ? { headers } : {}) })
      return 'arms' in routing ? routing.arms.map((arm) => [arm.subset, arm.weight, arm.pods.length]) : routing
    }
    expect(arms()).toEqual([['v1', 100, 2]])
    expect(arms({ 'user-agent': 'X Mobile Y' })).toEqual([['v2', 100, 2]])
  })

  test('a delegate gives the weights, and is nothing by itself', async () => {
    const namespace = await shop()
    await virtualService(namespace, 'shop', { hosts: ['shop'], http: [{ name: 'all', delegate: { name: 'shop-weights', namespace } }] })
    await sleep(500)
    expect(istio.routing({ namespace, host: 'shop' })).toMatchObject({ nowhere: expect.stringContaining('no route') })
    await virtualService(namespace, 'shop-weights', { http: [{ route: weights(75, 25) }] })
    await sleep(500)
    expect(istio.routing({ namespace, host: 'shop' })).toMatchObject({ arms: [{ service: 'shop-v1', weight: 75 }, { service: 'shop-v2', weight: 25 }] })
  })

  test('Linkerd follows the ServiceProfile that the adaptor copies from the TrafficSplit', async () => {
    const namespace = await shop()
    const split = await make(`/apis/split.smi-spec.io/v1alpha1/namespaces/${namespace}/trafficsplits`, {
      apiVersion: 'split.smi-spec.io/v1alpha1', kind: 'TrafficSplit', metadata: { name: 'shop' },
      spec: { service: 'shop', backends: [{ service: 'shop-v1', weight: '900m' }, { service: 'shop-v2', weight: '100m' }] },
    })
    const call = { namespace, host: 'shop' }
    await until('the overrides', () => {
      const routing = linkerd.routing(call)
      return 'arms' in routing && routing.arms.length === 2
    })
    const traffic = linkerd.send(call, 200)
    expect(await linkerd.measure(namespace, 'shop:v2')).toBeCloseTo(10, -1)
    await until('the inbound series', async () => (await prometheus.query(`sum(response_total{direction="inbound",namespace="${namespace}",deployment="shop-v2",classification="success"})`))[0]?.value)
    await plane.request('DELETE', `/apis/split.smi-spec.io/v1alpha1/namespaces/${namespace}/trafficsplits/${split.metadata.name}`)
    await until("the apex' own endpoints", () => {
      const routing = linkerd.routing(call)
      return 'arms' in routing && routing.arms[0]?.service === 'shop' && routing.arms[0].pods.length === 4
    })
    traffic.stop()
    expect(linkerd.nowhere(namespace)).toEqual([])
  })

  test('a Prometheus that was stopped, killed or started again is what it says', async () => {
    prometheus.pause()
    const hang = await Promise.race([prometheus.query('1'), sleep(400).then(() => 'no answer')])
    expect(hang).toBe('no answer')
    prometheus.resume()
    expect(await prometheus.query('vector(1)')).toMatchObject([{ value: 1 }])
    await prometheus.kill()
    await expect(prometheus.query('vector(1)')).rejects.toThrow()
    await prometheus.restart()
    expect(await prometheus.query('vector(1)')).toMatchObject([{ value: 1 }])
  })
})
