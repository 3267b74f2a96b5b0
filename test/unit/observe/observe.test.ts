import { describe, expect, test } from 'vitest'
import { observe } from '../../../src/controller/observe.ts'
import { revisionDeployment } from '../../../src/revision/deployment.ts'
import { templateHash } from '../../../src/revision/naming.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, door, now, pod, rollout, settings, slice } from './cluster.ts'

const r1 = `cart-${templateHash(deployment('cart:1'))}`
const r2 = `cart-${templateHash(deployment('cart:2'))}`
function revision(image: string, replicas = 3, metadata: object = {}): KubeObject {
  const workload = deployment(image)
  const made = revisionDeployment({ workload, rollout: 'cart', revision: `cart-${templateHash(workload)}`, replicas })
  return { ...made, metadata: { ...made.metadata, annotations: {}, ...metadata }, status: { observedGeneration: 1, replicas, readyReplicas: replicas, updatedReplicas: replicas, availableReplicas: replicas } }
}
const both = { 'sluice.dev/revision': r1, app: 'cart' }
const reasons = (cluster: Cluster, key = 'shop/cart') => cluster.look(key).seen.blockers.map((blocker) => blocker.reason)

describe('what may be said at all', () => {
  test('nothing before every cache is complete, and a Rollout that is not there is gone', () => {
    const cluster = new Cluster(rollout(), deployment())
    cluster.states.set('Pod', 'Syncing')
    expect(observe(cluster, 'shop/cart', settings, new Map(), now)).toEqual({ state: 'Syncing', kinds: ['Pod'] })
    cluster.states.clear()
    expect(observe(cluster, 'shop/other', settings, new Map(), now)).toEqual({ state: 'Gone' })
  })
  test('a spec that is invalid keeps what leads to its routes, and says what is wrong', () => {
    const { seen, plan, problems } = new Cluster(rollout({ steps: [{ weight: 500 }], replicas: -4 }), deployment(), door('cart-stable', both)).look('shop/cart')
    expect(seen.upkeep).toEqual([])
    expect(problems.map((problem) => problem.field)).toContain('spec.steps[0].weight')
    expect(seen.routes.map((route) => route.key)).toEqual(['VirtualService/shop/cart'])
    expect(plan.workload).toBe('cart')
  })
  test.each([
    undefined, null, 'text', { workloadRef: 7 }, { workloadRef: { name: {} }, traffic: [] }, { backends: {}, traffic: { istio: { virtualServiceRefs: 7 } } },
    { workloadRef: { kind: 'Deployment', name: 'cart' }, traffic: { istio: { virtualServiceRefs: {} } }, steps: 'all', service: 9 },
  ])('a Rollout with spec %j harms nobody, an older one neither', (spec) => {
    const object: any = { ...rollout({}, { name: 'bad', uid: 'u-bad', creationTimestamp: '2026-11-01T00:00:00Z' }), spec }
    const cluster = new Cluster(object, rollout(), deployment())
    expect(cluster.look('shop/bad').problems).not.toHaveLength(0)
    expect(cluster.look('shop/cart').problems).toEqual([])
  })
  test('a status without a sequence is none; one of a newer schema is told apart', () => {
    expect(new Cluster(rollout({}, {}, {}), deployment()).look('shop/cart').seen).toMatchObject({ status: undefined, statusFromFuture: false })
    expect(new Cluster(rollout({}, {}, { schema: 2, sequence: 4 }), deployment()).look('shop/cart').seen).toMatchObject({ statusFromFuture: true })
  })
})

describe('the workload and its revisions', () => {
  test('a new template has the name it will get', () => {
    expect(new Cluster(rollout(), deployment()).look('shop/cart').seen.workload).toMatchObject({ state: 'Present', templateRevision: r1, images: ['cart:1'], replicas: 3, ready: 3 })
  })
  test('an equal revision is used again, whatever its name, and stable before any other', () => {
    const old = revision('cart:1', 3, { name: 'cart-old', creationTimestamp: '2026-11-22T00:00:00Z' })
    const newer = revision('cart:1', 0, { name: 'cart-new', creationTimestamp: '2026-11-23T00:00:00Z' })
    expect(new Cluster(rollout(), deployment(), old, newer).look('shop/cart').seen.workload).toMatchObject({ templateRevision: 'cart-new' })
    const settled = rollout({}, {}, { schema: 1, sequence: 5, stable: { revision: 'cart-old' } })
    expect(new Cluster(settled, deployment(), old, newer).look('shop/cart').seen).toMatchObject({ workload: { templateRevision: 'cart-old' }, revisions: [{ name: 'cart-new' }, { name: 'cart-old' }] })
  })
  test('a name held by a revision of another template gets a suffix; one held by a stranger is told', () => {
    expect(new Cluster(rollout(), deployment('cart:1'), revision('cart:2', 1, { name: r1 })).look('shop/cart').seen.workload).toMatchObject({ templateRevision: `${r1}-2` })
    const cluster = new Cluster(rollout(), deployment('cart:1'), deployment('cart:2', { name: r1, uid: 'x' }))
    expect(cluster.look('shop/cart').seen.workload).toMatchObject({ templateRevision: r1 })
    expect(reasons(cluster)).toContain('NameTaken')
  })
  test('no Deployment is a missing workload', () => {
    expect(new Cluster(rollout()).look('shop/cart').seen.workload).toEqual({ state: 'Missing' })
  })
  test('who last wrote the count, and whether that is a GitOps tool', () => {
    const by = (manager: string) => deployment('cart:1', { managedFields: [{ manager: 'kubectl-create', time: '2026-11-22T00:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }, { manager, time: '2026-11-23T00:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }] })
    const seen = (manager: string) => new Cluster(rollout(), by(manager)).look('shop/cart').seen.workload
    expect(seen('argocd-controller')).toMatchObject({ replicasWriter: { manager: 'argocd-controller', gitOps: true, at: Date.parse('2026-11-23T00:00:00Z') } })
    expect(seen('kubectl')).toMatchObject({ replicasWriter: { manager: 'kubectl', gitOps: false } })
  })
  test('a count of one by a whole manifest may be that of a manifest without one; kubectl scale to one is an order', () => {
    const by = (manager: string, replicas: number) => {
      const made = deployment('cart:1', { managedFields: [{ manager, time: '2026-11-23T00:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }] })
      const { workload } = new Cluster(rollout(), { ...made, spec: { ...made.spec, replicas } }).look('shop/cart').seen
      return workload.state === 'Present' && workload.replicasWriter?.byDefault === true
    }
    expect([by('kubectl-client-side-apply', 1), by('kubectl-replace', 1), by('kubectl-client-side-apply', 2), by('kubectl', 1), by('kubectl-edit', 1)]).toEqual([true, true, false, false, false])
  })
  test('a workload on its way out is nobody to own anything: what is kept up waits', () => {
    const leaving = deployment('cart:1', { uid: 'new', deletionTimestamp: '2026-11-23T00:00:00Z' })
    const settled = rollout({}, {}, { schema: 1, sequence: 5, stable: { revision: r1 } })
    const keys = (workload: KubeObject) => new Cluster(settled, workload, { ...revision('cart:1', 1, { name: r1 }), metadata: { ...revision('cart:1', 1, { name: r1 }).metadata, ownerReferences: [] } }).look('shop/cart').seen.upkeep.map(({ key }) => key)
    expect(keys(deployment('cart:1', { uid: 'new' }))).toContain(`Revision/${r1}`)
    expect(keys(leaving)).toEqual([])
  })
  const waiting = (reason: string, more: object = {}) => ({ containerStatuses: [{ name: 'main', restartCount: 4, state: { waiting: { reason, message: 'why' } }, ...more }] })
  test.each([
    ['CrashLoopBackOff', waiting('CrashLoopBackOff', { lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }), true],
    ['ImagePullBackOff', waiting('ImagePullBackOff'), false],
    ['CreateContainerConfigError', waiting('CreateContainerConfigError'), false],
    ['Unschedulable', { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }] }, false],
  ])('%s of a pod is trouble of its revision', (reason, status, crash) => {
    const cluster = new Cluster(rollout(), deployment(), revision('cart:1'), pod('p1', r1), pod('p2', r1, status))
    expect(cluster.look('shop/cart').seen.revisions[0]!.trouble).toMatchObject({ reason, crash, message: expect.stringContaining('p2') })
  })
  test('a starting container and a pod that is being deleted are no trouble, a quota is', () => {
    const gone = pod('p2', r1, waiting('CrashLoopBackOff'))
    const cluster = new Cluster(rollout(), deployment(), revision('cart:1'), pod('p1', r1, waiting('ContainerCreating')), { ...gone, metadata: { ...gone.metadata, deletionTimestamp: '2026-11-23T00:00:00Z' } })
    expect(cluster.look('shop/cart').seen.revisions[0]).not.toHaveProperty('trouble')
    cluster.change('Deployment', 'shop', r1, (object) => { object.status.conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' }] })
    expect(cluster.look('shop/cart').seen.revisions[0]!.trouble).toEqual({ reason: 'FailedCreate', message: 'exceeded quota', crash: false })
  })
  test('complete only when the controller has seen the generation and every replica is there', () => {
    const cluster = new Cluster(rollout(), deployment(), revision('cart:1'))
    expect(cluster.look('shop/cart').seen.revisions[0]!.complete).toBe(true)
    cluster.change('Deployment', 'shop', r1, (object) => { object.metadata.generation = 2; object.spec.paused = false })
    expect(cluster.look('shop/cart').seen.revisions[0]!.complete).toBe(false)
  })
  test('a revision whose owner was re-created, or that lacks the note about webhooks, needs upkeep', () => {
    const cluster = new Cluster(rollout(), deployment('cart:1', { uid: 'uid-new' }), revision('cart:1'))
    expect(cluster.look('shop/cart').seen.upkeep).toContainEqual({ key: `Revision/${r1}`, what: 'Revision' })
  })
})

describe('doors', () => {
  test('absent, ours, a stranger\'s, the user\'s', () => {
    const plain = { app: 'cart' }
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', both), door('cart-canary', plain, { labels: {} }), door('cart', plain, { labels: {} }))
    expect(cluster.look('shop/cart').seen.doors).toMatchObject({ stable: { state: 'Present', leadsTo: r1 }, canary: { state: 'Taken' }, own: { state: 'Theirs' } })
    expect(reasons(cluster)).toContain('NameTaken')
    expect(new Cluster(rollout(), deployment()).look('shop/cart').seen.doors.own).toEqual({ state: 'Absent', ready: 0, others: 0 })
  })
  test('ready endpoints of what it leads to, and of anything else, unknown pods included', () => {
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', both), slice('cart-stable', { a: true, b: false, c: true, d: undefined, stray: true }), pod('a', r1), pod('b', r1), pod('c', r2), pod('d', r1))
    expect(cluster.look('shop/cart').seen.doors.stable).toEqual({ state: 'Present', leadsTo: r1, ready: 2, others: 2 })
  })
  test('behind the user\'s own labels the template\'s pods count, and revisions as neither', () => {
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', { app: 'cart' }), slice('cart-stable', { user: true, a: true }), pod('a', r1))
    expect(cluster.look('shop/cart').seen.doors.stable).toEqual({ state: 'Present', leadsTo: 'Workload', ready: 1, others: 0 })
  })
  test('a selector that is none of ours leads nowhere that we know', () => {
    expect(new Cluster(rollout(), deployment(), door('cart-stable', { app: 'other' })).look('shop/cart').seen.doors.stable).not.toHaveProperty('leadsTo')
  })
  test('follow the ports and the affinity of the user\'s Service', () => {
    const user = door('cart', { app: 'cart' }, { labels: {} })
    user.spec.sessionAffinity = 'ClientIP'
    user.spec.ports = [{ name: 'grpc', port: 80, targetPort: 'grpc', protocol: 'TCP', appProtocol: 'grpc', nodePort: 30_001 }]
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', both), user)
    expect(cluster.look('shop/cart').seen.upkeep).toContainEqual({ key: 'Door/stable', what: 'Door' })
  })
})

describe('what stands in the way', () => {
  test('nothing in the minimal case', () => {
    expect(reasons(new Cluster(rollout(), deployment()))).toEqual([])
  })
  const hpa = (target: object, kind = 'HorizontalPodAutoscaler'): KubeObject => ({ apiVersion: 'autoscaling/v2', kind, metadata: { name: 'h', namespace: 'shop' }, spec: { scaleTargetRef: target } })
  test('an autoscaler of the workload, of either kind; not one of the Rollout', () => {
    expect(reasons(new Cluster(rollout(), deployment(), hpa({ kind: 'Deployment', name: 'cart' })))).toEqual(['HPATargetsWorkload'])
    expect(reasons(new Cluster(rollout(), deployment(), hpa({ name: 'cart' }, 'ScaledObject')))).toEqual(['HPATargetsWorkload'])
    expect(reasons(new Cluster(rollout(), deployment(), hpa({ kind: 'Rollout', name: 'cart' })))).toEqual([])
  })
  test('a metric source that nobody knows, where checks would ask it; where nobody knows the sources, nothing is missing', () => {
    const analysis = { sourceRef: { name: 'edgy' }, checks: [{ name: 'success', successRate: { min: '99%' } }] }
    const found = (spec: object, sources?: object) => {
      const cluster = new Cluster(rollout(spec), deployment())
      const observation = observe(cluster, 'shop/cart', { ...settings, ...(sources === undefined ? {} : { sources: sources as never }) }, new Map(), now)
      return observation.state === 'Seen' ? observation.seen.blockers : observation
    }
    const known = { default: { scrapeIntervalMs: 1 }, edge: { scrapeIntervalMs: 1 } }
    expect(found({ analysis }, known)).toEqual([{ reason: 'SourceUnknown', message: expect.stringContaining('no metric source edgy is configured: name one of default, edge'), stops: 'Raise', stalled: true }])
    expect(found({ analysis: { ...analysis, sourceRef: undefined } }, known)).toEqual([])
    expect(found({ analysis: { ...analysis, sourceRef: undefined } }, {})).toEqual([expect.objectContaining({ message: expect.stringContaining('--prometheus URL') })])
    expect(found({}, {})).toEqual([])
    expect(found({ analysis })).toEqual([])
  })
  test('a mesh that is not installed', () => {
    const cluster = new Cluster(rollout(), deployment())
    cluster.states.set('VirtualService', 'NotServed')
    const { seen } = cluster.look('shop/cart')
    expect(seen.routes[0]).toMatchObject({ state: 'Refused', reason: 'MeshNotServed' })
    expect(reasons(cluster)).toEqual(['MeshNotServed'])
  })
  test('neither a port in the spec nor a Service, and a port that the Service lacks', () => {
    expect(reasons(new Cluster(rollout({ service: {} }), deployment()))).toContain('ServiceMissing')
    expect(reasons(new Cluster(rollout({ service: { port: 81 } }), deployment(), door('cart', { app: 'cart' }, { labels: {} })))).toContain('PortMissing')
  })
  const guide = (http: unknown[], metadata: object = {}, spec: object = {}): KubeObject => ({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'theirs', namespace: 'shop', ...metadata }, spec: { hosts: ['cart'], http, ...spec } })
  test('another VirtualService with our host on mesh, unless ours is older or it is on a gateway only', () => {
    expect(reasons(new Cluster(rollout(), deployment(), guide([])))).toEqual(['HostTaken'])
    expect(reasons(new Cluster(rollout(), deployment(), guide([], {}, { gateways: ['edge/public'] })))).toEqual([])
    const ours = guide([], { name: 'cart', labels: { 'sluice.dev/rollout': 'cart' }, creationTimestamp: '2026-11-20T00:00:00Z' })
    expect(reasons(new Cluster(rollout(), deployment(), ours, guide([])))).not.toContain('HostTaken')
    expect(reasons(new Cluster(rollout(), deployment(), ours, guide([], { creationTimestamp: '2026-11-19T00:00:00Z' })))).toContain('HostTaken')
  })
  test('a stranger under the name of the managed route', () => {
    const cluster = new Cluster(rollout(), deployment(), guide([], { name: 'cart' }, { hosts: ['elsewhere'] }))
    expect(cluster.look('shop/cart').seen.routes[0]).toMatchObject({ state: 'Refused', reason: 'NameTaken' })
    expect(reasons(cluster)).toContain('NameTaken')
  })
  test('an older Rollout on the same workload; the older one is not disturbed', () => {
    const older = rollout({}, { name: 'first', uid: 'uid-first', creationTimestamp: '2026-11-01T00:00:00Z' })
    const cluster = new Cluster(older, rollout(), deployment())
    expect(reasons(cluster)).toContain('TargetClaimed')
    expect(reasons(cluster, 'shop/first')).not.toContain('TargetClaimed')
  })
  test('claims are on single http routes: two Rollouts share a VirtualService, not a route', () => {
    const vs = guide([
      { name: 'a', route: [{ destination: { host: 'cart-stable' }, weight: 100 }, { destination: { host: 'cart-canary' }, weight: 0 }] },
      { name: 'b', route: [{ destination: { host: 'pay-stable' }, weight: 100 }, { destination: { host: 'pay-canary' }, weight: 0 }] },
    ])
    const on = (routes?: string[]) => ({ traffic: { istio: { virtualServiceRefs: [{ name: 'theirs', ...(routes ? { routes } : {}) }] } } })
    const pay = (routes?: string[]) => rollout({ workloadRef: { kind: 'Deployment', name: 'pay' }, ...on(routes) }, { name: 'pay', uid: 'uid-pay', creationTimestamp: '2026-11-01T00:00:00Z' })
    expect(reasons(new Cluster(rollout(on()), pay(), deployment(), vs))).toEqual([])
    expect(reasons(new Cluster(rollout(on(['a'])), pay(['b']), deployment(), vs))).toEqual([])
    expect(reasons(new Cluster(rollout(on()), pay(['a']), deployment(), vs))).toEqual(['TargetClaimed'])
  })
  test('steps that the user\'s weights cannot tell apart', () => {
    const vs = guide([{ route: [{ destination: { host: 'cart-stable' }, weight: 10 }, { destination: { host: 'cart-canary' }, weight: 0 }] }])
    const spec = { traffic: { istio: { virtualServiceRefs: [{ name: 'theirs' }] } }, steps: [{ weight: 10 }, { weight: 12 }, { weight: 100 }] }
    expect(reasons(new Cluster(rollout(spec), deployment(), vs))).toEqual(['WeightNotExpressible'])
  })
  test('another namespace without a grant: no raise, but what it shows stays visible so that it can be lowered', () => {
    const host = (door: string) => `${door}.shop.svc.cluster.local`
    const edge = (annotations: object) => guide([{ route: [{ destination: { host: host('cart-stable') }, weight: 90 }, { destination: { host: host('cart-canary') }, weight: 10 }] }], { namespace: 'edge', annotations })
    const spec = { traffic: { istio: { virtualServiceRefs: [{ name: 'theirs', namespace: 'edge' }] } } }
    const refused = new Cluster(rollout(spec), deployment(), edge({}))
    expect(refused.look('shop/cart').seen.routes[0]).toMatchObject({ state: 'Present', canaryDoor: 10 })
    expect(reasons(refused)).toEqual(['NotGranted'])
    expect(reasons(new Cluster(rollout(spec), deployment(), edge({ 'sluice.dev/allow-from': 'pay, shop' })))).toEqual([])
    const grant: KubeObject = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'ReferenceGrant', metadata: { name: 'g', namespace: 'edge' }, spec: { from: [{ group: 'sluice.dev', kind: 'Rollout', namespace: 'shop' }], to: [{ group: 'networking.istio.io', kind: 'VirtualService' }] } }
    expect(reasons(new Cluster(rollout(spec), deployment(), edge({}), grant))).toEqual([])
  })
  test('a route that does not name the doors says which lines to commit', () => {
    const vs = guide([{ name: 'default', route: [{ destination: { host: 'cart' } }] }])
    const cluster = new Cluster(rollout({ traffic: { istio: { virtualServiceRefs: [{ name: 'theirs' }] } } }), deployment(), vs)
    expect(cluster.look('shop/cart').seen.routes[0]).toMatchObject({ state: 'Refused', reason: 'RouteLacksDoors', message: expect.stringContaining('cart-canary') })
  })
})

describe('remarks', () => {
  const types = (cluster: Cluster) => cluster.look('shop/cart').seen.remarks.map((remark) => remark.type)
  test('callers outside of routes reach the canary through the user\'s Service', () => {
    expect(types(new Cluster(rollout(), deployment(), door('cart', { app: 'cart' }, { labels: {} })))).toEqual(['UnroutedCallersReachCanary'])
    expect(types(new Cluster(rollout(), deployment(), door('cart', { app: 'else' }, { labels: {} })))).toEqual([])
  })
  test('a ConfigMap that stable needs is gone; optional ones may be', () => {
    const stable = revision('cart:1')
    stable.spec.template.spec.volumes = [{ configMap: { name: 'gone' } }, { configMap: { name: 'maybe', optional: true } }, { projected: { sources: [{ configMap: { name: 'there' } }] } }]
    stable.spec.template.spec.containers[0].envFrom = [{ configMapRef: { name: 'env' } }]
    const there: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'there', namespace: 'shop' } }
    const cluster = new Cluster(rollout({}, {}, { schema: 1, sequence: 3, stable: { revision: r1 } }), deployment(), stable, there)
    const remark = cluster.look('shop/cart').seen.remarks[0]
    expect(remark).toMatchObject({ type: 'StableNotRestartable' })
    expect(remark!.message).toContain('ConfigMap gone, env,')
  })
})

describe('since', () => {
  test('a value keeps its age until it changes; a restart begins anew', () => {
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', both))
    expect(cluster.look('shop/cart', now).seen.since['door/stable']).toBe(now)
    expect(cluster.look('shop/cart', now + 9_000).seen.since['door/stable']).toBe(now)
    cluster.put(door('cart-stable', { ...both, 'sluice.dev/revision': r2 }))
    expect(cluster.look('shop/cart', now + 10_000).seen.since['door/stable']).toBe(now + 10_000)
    cluster.memory.clear()
    expect(cluster.look('shop/cart', now + 20_000).seen.since['door/stable']).toBe(now + 20_000)
  })
  test('a clock that was set back makes nothing older than it is', () => {
    const cluster = new Cluster(rollout(), deployment(), door('cart-stable', both))
    cluster.look('shop/cart', now)
    expect(cluster.look('shop/cart', now - 60_000).seen.since['door/stable']).toBe(now - 60_000)
  })
})

describe('requests and dependencies', () => {
  const request = (more: object = {}, status?: object): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: 'q', namespace: 'shop', uid: 'uid-q' }, spec: { rolloutName: 'cart', action: 'Abort', requestedBy: 'olga', ...more }, ...(status ? { status } : {}) })
  const binding: KubeObject = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding', metadata: { name: 'b', creationTimestamp: '2026-11-01T00:00:00Z' }, spec: { policyName: 'rolloutrequests.sluice.dev', validationActions: ['Deny'] } }
  const policy: KubeObject = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', metadata: { name: 'rolloutrequests.sluice.dev', creationTimestamp: '2026-11-01T00:00:00Z' } }
  test('only those for this rollout; verified only where the API server would have refused a foreign name', () => {
    const cluster = new Cluster(rollout(), deployment(), request(), { ...request({ rolloutName: 'pay' }), metadata: { name: 'z', namespace: 'shop' } })
    expect(cluster.look('shop/cart').seen.requests).toEqual([expect.objectContaining({ uid: 'uid-q', verified: false })])
    const verified = () => cluster.look('shop/cart').seen.requests[0]!.verified
    const bound = (spec: object, created = '2026-11-01T00:00:00Z') => cluster.put({ ...binding, metadata: { ...binding.metadata, creationTimestamp: created }, spec: { ...binding.spec, ...spec } })
    cluster.put(binding)
    // A binding of a policy that is not there refuses nobody.
    expect(verified()).toBe(false)
    cluster.put(policy)
    expect(verified()).toBe(true)
    bound({ validationActions: ['Audit'] })
    expect(verified()).toBe(false)
    bound({ policyName: 'other' })
    expect(verified()).toBe(false)
    // As the API server fills in what was left out, and as somebody narrows it.
    bound({ matchResources: { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} } })
    expect(verified()).toBe(true)
    for (const narrower of [{ namespaceSelector: { matchLabels: { team: 'a' } } }, { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } }, { excludeResourceRules: [{ resources: ['*'] }] }]) {
      bound({ matchResources: { matchPolicy: 'Equivalent', ...narrower } })
      expect(verified()).toBe(false)
    }
    // The request is of 01:00:00.
    bound({}, '2026-11-23T00:59:51Z')
    expect(verified()).toBe(false)
    bound({}, '2026-11-23T00:59:50Z')
    expect(verified()).toBe(true)
    cluster.states.set('ValidatingAdmissionPolicy', 'NotServed')
    expect(verified()).toBe(false)
  })
  test('a dependency is settled only when nothing is under way and nothing new is there', () => {
    const other = (status: object) => rollout({ workloadRef: { kind: 'Deployment', name: 'pricing' } }, { name: 'pricing', uid: 'u2', creationTimestamp: '2026-11-24T00:00:00Z' }, status)
    const state = (...objects: KubeObject[]) => new Cluster(rollout({ dependsOn: [{ name: 'pricing' }] }), deployment(), ...objects).look('shop/cart').seen.dependencies[0]!.state
    const workload = deployment('p:1', { name: 'pricing', uid: 'u3', generation: 4 })
    expect(state()).toBe('Missing')
    expect(state(other({ schema: 1, sequence: 1, phase: 'Idle', observedWorkloadGeneration: 4 }), workload)).toBe('Settled')
    expect(state(other({ schema: 1, sequence: 1, phase: 'Idle', observedWorkloadGeneration: 3 }), workload)).toBe('Busy')
    expect(state(other({ schema: 1, sequence: 1, phase: 'Holding', message: 'x', observedWorkloadGeneration: 4 }), workload)).toBe('Busy')
  })
})
