import { expect, test } from 'vitest'
import type { Ground } from './cases.ts'
import { eventually, patchTypes } from './client.ts'
import { gadget, gadgetsIn } from './gadget.ts'
import { failed } from './replies.ts'

/** Status and endpoints come from the controller manager or its model; nothing here waits for a pod to run. */
export function workloadCases(ground: Ground): void {
  const deployments = (name = ''): string => `/apis/apps/v1/namespaces/${ground.namespace}/deployments${name && `/${name}`}`
  const container = {
    name: 'c',
    image: 'registry.example/web:1',
    ports: [{ containerPort: 80 }],
    env: [{ name: 'A', value: '1' }],
    readinessProbe: { httpGet: { port: 80 } },
  }
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [container], volumes: [{ name: 'v', configMap: { name: 'x', optional: true } }, { name: 'e' }] },
  }
  const deployment = (spec: object = {}): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template, ...spec },
  })

  test('a Deployment is stored with the defaults of its template', async () => {
    const { body } = await ground.client.request('POST', deployments(), deployment())
    expect(body.metadata.generation).toBe(1)
    expect(body.spec).toEqual({
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'c',
              image: 'registry.example/web:1',
              imagePullPolicy: 'IfNotPresent',
              resources: {},
              terminationMessagePath: '/dev/termination-log',
              terminationMessagePolicy: 'File',
              ports: [{ containerPort: 80, protocol: 'TCP' }],
              env: [{ name: 'A', value: '1' }],
              readinessProbe: {
                httpGet: { path: '/', port: 80, scheme: 'HTTP' },
                timeoutSeconds: 1,
                periodSeconds: 10,
                successThreshold: 1,
                failureThreshold: 3,
              },
            },
          ],
          volumes: [
            { name: 'v', configMap: { name: 'x', optional: true, defaultMode: 420 } },
            { name: 'e', emptyDir: {} },
          ],
          dnsPolicy: 'ClusterFirst',
          restartPolicy: 'Always',
          schedulerName: 'default-scheduler',
          securityContext: {},
          terminationGracePeriodSeconds: 30,
        },
      },
    })
  })
  test('a template copied from one Deployment to another is stored the same', async () => {
    const stored = (await ground.client.request('POST', deployments(), deployment())).body.spec.template
    const copy = await ground.client.request('POST', deployments(), { ...deployment({ template: stored }), metadata: { name: 'copy' } })
    expect(copy.body.spec.template).toEqual(stored)
  })
  test('mistakes in a Deployment are refused by field', async () => {
    const wrong = await ground.client.request(
      'POST',
      deployments(),
      deployment({ template: { metadata: { labels: { app: 'other' } }, spec: { containers: [] } } }),
    )
    expect(failed(wrong)).toEqual({
      status: 422,
      code: 422,
      reason: 'Invalid',
      message:
        'Deployment.apps "web" is invalid: [spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`, ' +
        'spec.template.spec.containers: Required value]',
      details: {
        name: 'web',
        group: 'apps',
        kind: 'Deployment',
        causes: [
          {
            reason: 'FieldValueInvalid',
            message: 'Invalid value: {"app":"other"}: `selector` does not match template `labels`',
            field: 'spec.template.metadata.labels',
          },
          { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.template.spec.containers' },
        ],
      },
    })
    await ground.client.request('POST', deployments(), deployment())
    expect((await ground.client.request('PATCH', deployments('web'), { spec: { selector: { matchLabels: { tier: 'x' } } } })).body).toMatchObject({
      code: 422,
      details: { causes: expect.arrayContaining([expect.objectContaining({ field: 'spec.selector' })]) },
    })
  })
  test('scaling a Deployment writes spec.replicas, with its manager', async () => {
    await ground.client.request('POST', deployments(), deployment())
    const scaled = await ground.client.request('PATCH', `${deployments('web')}/scale?fieldManager=scaler`, { spec: { replicas: 5 } })
    expect(scaled.body).toMatchObject({ kind: 'Scale', spec: { replicas: 5 }, status: { selector: 'app=web' } })
    const { spec, metadata } = (await ground.client.request('GET', deployments('web'))).body
    expect([spec.replicas, metadata.generation]).toEqual([5, 2])
    const entry = metadata.managedFields.find((candidate: { manager: string }) => candidate.manager === 'scaler')
    expect(entry).toMatchObject({ operation: 'Update', subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } })
    const others = metadata.managedFields.filter((candidate: { manager: string }) => candidate.manager !== 'scaler')
    expect(others.some((candidate: { fieldsV1: any }) => candidate.fieldsV1['f:spec']?.['f:replicas'])).toBe(false)
    expect((await ground.client.request('PATCH', `${deployments('web')}/scale`, { spec: { replicas: -1 } })).body).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { causes: [{ field: 'spec.replicas' }] },
    })
  })
  test('a container is changed by name in a strategic merge patch, others and their fields stay', async () => {
    await ground.client.request('POST', deployments(), deployment())
    const patch = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'c', image: 'registry.example/web:2' },
              { name: 'side', image: 'side:1' },
            ],
          },
        },
      },
    }
    const { body } = await ground.client.request('PATCH', deployments('web'), patch, { type: patchTypes.strategic })
    const containers = body.spec.template.spec.containers.map((item: { name: string; image: string; env?: object[] }) => [
      item.name,
      item.image,
      item.env?.length,
    ])
    expect(containers).toEqual([
      ['c', 'registry.example/web:2', 1],
      ['side', 'side:1', undefined],
    ])
    expect(body.metadata.generation).toBe(2)
  })
  test('the controller makes pods with the template hash and counts them', async () => {
    await ground.client.request('POST', deployments(), deployment())
    await eventually(async () => {
      const { status, metadata } = (await ground.client.request('GET', deployments('web'))).body
      expect(status).toMatchObject({ observedGeneration: metadata.generation, replicas: 2, updatedReplicas: 2 })
    })
    const pods = (await ground.client.request('GET', `/api/v1/namespaces/${ground.namespace}/pods?labelSelector=app%3Dweb`)).body.items
    expect(pods).toHaveLength(2)
    for (const pod of pods) expect(pod.metadata.labels['pod-template-hash']).toBeTruthy()
    await ground.client.request('PATCH', `${deployments('web')}/scale`, { spec: { replicas: 0 } })
    await eventually(async () => {
      const { status } = (await ground.client.request('GET', deployments('web'))).body
      expect([status.replicas, status.readyReplicas, status.observedGeneration]).toEqual([undefined, undefined, 2])
    })
  })
  test('a Service gets an address and a slice that says which Service it is of', async () => {
    const services = `/api/v1/namespaces/${ground.namespace}/services`
    const { body } = await ground.client.request('POST', services, {
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    expect(body.spec).toMatchObject({
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080 }],
      type: 'ClusterIP',
      sessionAffinity: 'None',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
    })
    expect(body.spec.clusterIPs).toEqual([body.spec.clusterIP])
    expect(body.metadata.generation).toBeUndefined()
    expect((await ground.client.request('PATCH', `${services}/web`, { spec: { selector: { app: 'other' } } })).body.spec.selector).toEqual({ app: 'other' })
    expect((await ground.client.request('POST', services, { metadata: { name: 'bad.name' }, spec: { ports: [{ port: 80 }] } })).status).toBe(422)
    expect((await ground.client.request('POST', services, { metadata: { name: 'portless' }, spec: {} })).body).toMatchObject({
      code: 422,
      details: { causes: [{ field: 'spec.ports' }] },
    })
    await eventually(async () => {
      const slices = (
        await ground.client.request(
          'GET',
          `/apis/discovery.k8s.io/v1/namespaces/${ground.namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb`,
        )
      ).body.items
      expect(slices).toMatchObject([{ addressType: 'IPv4', metadata: { ownerReferences: [{ kind: 'Service', name: 'web' }] } }])
    })
  })
  test('what only an owner holds is collected after it; what is not owned stays', async () => {
    const maps = `/api/v1/namespaces/${ground.namespace}/configmaps`
    const owner = (await ground.client.request('POST', maps, { metadata: { name: 'owner' } })).body
    const other = (await ground.client.request('POST', maps, { metadata: { name: 'other' } })).body
    const reference = ({ apiVersion, kind, metadata: { name, uid } }: any): object => ({ apiVersion, kind, name, uid })
    const make = (name: string, owners: any[]): Promise<unknown> =>
      ground.client.request('POST', maps, { metadata: { name, ownerReferences: owners.map(reference) } })
    await make('owned', [owner])
    await make('shared', [owner, other])
    await make('free', [])
    expect((await ground.client.request('DELETE', `${maps}/owner`, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' })).status).toBe(
      200,
    )
    await eventually(async () => expect((await ground.client.request('GET', `${maps}/owned`)).status).toBe(404))
    expect((await ground.client.request('GET', `${maps}/free`)).status).toBe(200)
    await eventually(async () =>
      expect((await ground.client.request('GET', `${maps}/shared`)).body.metadata.ownerReferences).toMatchObject([{ name: 'other' }]),
    )
  })
  test('an orphaning deletion leaves the dependents without owner', async () => {
    const maps = `/api/v1/namespaces/${ground.namespace}/configmaps`
    const {
      apiVersion,
      kind,
      metadata: { name, uid },
    } = (await ground.client.request('POST', maps, { metadata: { name: 'owner' } })).body
    await ground.client.request('POST', maps, { metadata: { name: 'kept', ownerReferences: [{ apiVersion, kind, name, uid }] } })
    const path = `${maps}/owner`
    await ground.client.request('DELETE', path, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Orphan' })
    await eventually(async () => expect((await ground.client.request('GET', path)).status).toBe(404))
    expect((await ground.client.request('GET', `${maps}/kept`)).body.metadata.ownerReferences).toBeUndefined()
  })
  test('Events of one API are Events of the other', async () => {
    const core = `/api/v1/namespaces/${ground.namespace}/events`
    const other = `/apis/events.k8s.io/v1/namespaces/${ground.namespace}/events`
    const regarding = { kind: 'Gadget', name: 'g', namespace: ground.namespace, uid: 'u1' }
    const made = await ground.client.request('POST', other, {
      metadata: { name: 'e' },
      regarding,
      reason: 'Raised',
      note: 'to 5 %',
      type: 'Normal',
      action: 'Raise',
      reportingController: 'sluice',
      reportingInstance: 'i',
      eventTime: '2026-01-01T00:00:00.000000Z',
    })
    expect(made.body).toMatchObject({ kind: 'Event', apiVersion: 'events.k8s.io/v1', regarding, note: 'to 5 %' })
    expect((await ground.client.request('GET', `${core}/e`)).body).toMatchObject({
      apiVersion: 'v1',
      involvedObject: regarding,
      message: 'to 5 %',
      reportingComponent: 'sluice',
    })
    const found = await ground.client.request('GET', `${core}?fieldSelector=${encodeURIComponent('involvedObject.name=g,involvedObject.uid=u1,reason=Raised')}`)
    expect(found.body.items).toHaveLength(1)
    expect((await ground.client.request('POST', other, { metadata: { name: 'f' }, regarding, reason: 'x', note: 'y', type: 'Normal' })).body).toMatchObject({
      code: 422,
      details: { causes: [{ field: 'eventTime' }] },
    })
  })
  test('a Lease is taken by resourceVersion', async () => {
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${ground.namespace}/leases`
    const made = (
      await ground.client.request('POST', leases, {
        metadata: { name: 'l' },
        spec: { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' },
      })
    ).body
    expect((await ground.client.request('PUT', `${leases}/l`, { ...made, spec: { ...made.spec, holderIdentity: 'b' } })).body.spec.holderIdentity).toBe('b')
    expect((await ground.client.request('PUT', `${leases}/l`, { ...made, spec: { ...made.spec, holderIdentity: 'c' } })).status).toBe(409)
  })
  test('a namespace that is being deleted takes nothing new', async () => {
    const name = `${ground.namespace}-gone`
    await ground.client.request('POST', '/api/v1/namespaces', { metadata: { name } })
    await ground.client.request('POST', gadgetsIn(name), gadget('g', {}, { finalizers: ['x.dev/y'] }))
    expect((await ground.client.request('DELETE', `/api/v1/namespaces/${name}`)).body).toMatchObject({ kind: 'Namespace', status: { phase: 'Terminating' } })
    await eventually(async () => {
      const refused = await ground.client.request('POST', `/api/v1/namespaces/${name}/configmaps`, { metadata: { name: 'late' } })
      expect(refused.body).toMatchObject({ code: 403, reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } })
    })
    await eventually(async () => expect((await ground.client.request('GET', `${gadgetsIn(name)}/g`)).body.metadata.deletionTimestamp).toBeTruthy())
    await ground.client.request('PATCH', `${gadgetsIn(name)}/g`, { metadata: { finalizers: null } })
    expect((await ground.client.request('GET', `${gadgetsIn(name)}/g`)).status).toBe(404)
  })
}
