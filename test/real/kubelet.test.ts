import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controlPlaneMissing, makeNamespace, type ControlPlane } from '../support/control-plane.ts'
import { startKubelet, type Kubelet } from '../support/kubelet.ts'
import { until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'

const missing = controlPlaneMissing()

describe.skipIf(missing)(`the kubelet model ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let kubelet: Kubelet
  let namespace: string
  beforeAll(async () => {
    plane = sharedControlPlane()!
    namespace = await makeNamespace(plane, 'kubelet')
    kubelet = await startKubelet(plane, { namespaces: [namespace], graceMs: 300 })
  })
  afterAll(async () => {
    await kubelet?.stop()
    await plane?.request('DELETE', `/api/v1/namespaces/${namespace}`)
    await plane?.stop()
  })
  const get = async (path: string) => (await plane.request('GET', path)).body
  const deploy = async (name: string, image: string, replicas = 2) => {
    const labels = { app: name }
    await plane.request('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
      spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'app', image }] } } },
    })
    await plane.request('POST', `/api/v1/namespaces/${namespace}/services`, {
      apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: labels, ports: [{ port: 80 }] },
    })
  }
  const deployment = (name: string) => get(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)
  const readyEndpoints = async (name: string) => {
    const slices = await get(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name=${name}`)
    return slices.items.flatMap((slice: any) => slice.endpoints ?? []).filter((endpoint: any) => endpoint.conditions.ready)
  }

  test('makes a Deployment complete and fills its EndpointSlices, and empties them at scale to zero', async () => {
    await deploy('web', 'web:1')
    await until('two ready replicas', async () => (await deployment('web')).status.readyReplicas === 2)
    await until('two endpoints', async () => (await readyEndpoints('web')).length === 2)
    await plane.request('PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/web/scale`, { spec: { replicas: 0 } })
    await until('no pod', async () => (await get(`/api/v1/namespaces/${namespace}/pods?labelSelector=app=web`)).items.length === 0)
    await until('no endpoint', async () => (await readyEndpoints('web')).length === 0)
  })

  test('takes readiness away at a command and gives it back', async () => {
    await deploy('flip', 'web:1')
    await until('two ready replicas', async () => (await deployment('flip')).status.readyReplicas === 2)
    const mine = (pod: any) => pod.metadata.labels?.app === 'flip'
    await kubelet.behave(mine, 'never-ready')
    await until('no ready endpoint', async () => (await readyEndpoints('flip')).length === 0)
    await kubelet.behave(mine, undefined)
    await until('two endpoints again', async () => (await readyEndpoints('flip')).length === 2)
  })

  test('crashes what its image says', async () => {
    await deploy('bad', 'web:2-crash', 1)
    const pod = await until('a crashing pod', async () => (await get(`/api/v1/namespaces/${namespace}/pods?labelSelector=app=bad`)).items.find((item: any) => item.status.containerStatuses))
    expect(pod.status.containerStatuses[0].state.waiting.reason).toBe('CrashLoopBackOff')
    expect((await deployment('bad')).status.readyReplicas).toBeUndefined()
  })
})
