/** Everybody who applies Git beside Sluice, on a real API server: at rest and in the middle of a journey nobody fights, and no request finds no pod. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/rollout/objects.ts'
import { validate } from '../../src/rollout/validate.ts'
import { argo, flux, helmRelease, keepSyncing, kstatus, kubectlApply, pathOf, type Applier, type Git, type Ignored, type Place } from '../support/gitops.ts'
import { helmMissing } from '../support/helm.ts'
import { runLua } from '../support/lua.ts'
import { sleep, until } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const root = resolve(import.meta.dirname, '../..')
const virtualServices = 'networking.istio.io/v1/virtualservices'
const page = readFileSync(resolve(root, 'docs/gitops.md'), 'utf8')

/** The lines to commit of a section of docs/gitops.md. */
function recipe(section: string, at = 0): any {
  const text = page.split(/^## /m).find((part) => part.startsWith(`${section}\n`))
  if (text === undefined) throw new Error(`docs/gitops.md has no section ${section}`)
  return parse([...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)][at]![1]!)
}
/** Rule 2 of docs/gitops.md: the route that nobody shares. */
const managed = parse(/^```yaml\n([\s\S]*?)^```/m.exec(page)![1]!).spec.traffic
/** The line that zeroes the template, as docs/gitops.md has it. */
const zeroing = /^kubectl (scale .*)$/m.exec(page)![1]!.replace('checkout', 'shop').split(' ')
/** The commands of a section, one a line. */
function commands(section: string): readonly string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, lines]) => lines!.trim().split('\n'))
}
const shipped = (file: string): any => parse(readFileSync(resolve(root, 'deploy/argocd', file), 'utf8'))

interface Content {
  readonly image?: string
  readonly replicas?: number
  /** Of the Deployment. */
  readonly annotations?: Readonly<Record<string, string>>
  /** A VirtualService of the user instead of a managed one; its annotations. */
  readonly route?: Readonly<Record<string, string>>
  /** Something that Sluice does not know: another commit, without a release. */
  readonly note?: string
  readonly hold?: string
  /** Of the Rollout; null: Git does not say it. */
  readonly wanted?: number | null
}
function repository({ image = 'shop:v1', replicas, annotations, route, note = 'a', hold = '8s', wanted = 2 }: Content = {}): Git {
  return [
    {
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'shop', ...(annotations ? { annotations } : {}) },
      spec: { ...(replicas === undefined ? {} : { replicas }), selector: { matchLabels: { app: 'shop' } }, template: { metadata: { labels: { app: 'shop' } }, spec: { containers: [{ name: 'app', image, ports: [{ containerPort: 8080 }] }] } } },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'shop' }, spec: { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'note' }, data: { note } },
    {
      apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'shop' },
      spec: {
        workloadRef: { kind: 'Deployment', name: 'shop' }, ...(wanted === null ? {} : { replicas: wanted }), service: { port: 80 },
        traffic: route ? { istio: { virtualServiceRefs: [{ name: 'shop', routes: ['default'] }] } } : managed,
        steps: [{ weight: 20, hold }, { weight: 100, hold: '3s' }],
        analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
        progressDeadline: '60s', retainStable: '2s',
      },
    },
    ...(route ? [{
      apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shop', ...(Object.keys(route).length > 0 ? { annotations: route } : {}) },
      spec: { hosts: ['shop'], http: [{ name: 'default', timeout: '3s', route: [{ destination: { host: 'shop-stable', port: { number: 80 } }, weight: 100 }, { destination: { host: 'shop-canary', port: { number: 80 } }, weight: 0 }] }] },
    }] : []),
  ]
}

describe.skipIf(missing)(`Git beside Sluice ${missing ?? ''}`, { concurrent: true }, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio' })
  })
  afterAll(() => stage?.stop())

  interface Shop {
    readonly scene: Scene
    readonly place: Place
    readonly applier: Applier
    readonly live: (kind: string, name?: string) => Promise<KubeObject>
  }
  /** Adopted from what `by` has applied, under traffic until the end, when no request may have found no pod. */
  const adopted = async (t: TestContext, by: (place: Place) => Applier, git: Git): Promise<Shop> => {
    const scene = await stage.scene('gitops')
    const place = { plane: stage.plane, namespace: scene.namespace }
    const applier = by(place)
    const route = git.find(({ kind }) => kind === 'VirtualService')
    // The doors must be there before a route names them: product.md, adoption with the user's VirtualService.
    await applier.sync(git.filter((object) => object !== route))
    await until('pods of the shop', async () => (await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments/shop`))?.status?.readyReplicas > 0 || (await scene.status('shop'))?.phase === 'Idle')
    await scene.known('shop', 1)
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 60)
    t.onTestFinished(() => {
      traffic.stop()
      expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    })
    if (route) {
      for (const door of ['shop-stable', 'shop-canary']) await until(`door ${door}`, async () => await scene.get(`/api/v1/namespaces/${scene.namespace}/services/${door}`))
      for (const door of ['shop-stable', 'shop-canary']) await scene.known(door, 1)
      await applier.sync(git)
    }
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    await until('the template at zero', async () => (await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments/shop`))?.spec.replicas === 0)
    const live: Shop['live'] = async (kind, name = 'shop') => (await scene.get(pathOf(scene.namespace, { apiVersion: apiVersions[kind]!, kind, metadata: { name } })))!
    return { scene, place, applier, live }
  }
  const apiVersions: Readonly<Record<string, string>> = { Deployment: 'apps/v1', VirtualService: 'networking.istio.io/v1', Rollout: 'sluice.dev/v1alpha1', Service: 'v1' }

  /** Comes to rest: for three seconds everything has the resourceVersion it had; of the Deployment the generation, as Kubernetes still counts its last pods. */
  const atRest = async ({ scene, live }: Shop): Promise<void> => {
    const marks = async () => (await Promise.all(['Deployment', 'VirtualService', 'Rollout'].map((kind) => live(kind))))
      .map(({ kind, metadata }) => `${kind} ${kind === 'Deployment' ? metadata.generation : metadata.resourceVersion}`).join()
    await until('nobody to write for three seconds', async () => {
      const before = await marks()
      await sleep(3_000)
      return (await marks()) === before
    }, { timeoutMs: 30_000 })
    expect((await live('Deployment')).spec.replicas).toBe(0)
    expect((await scene.status('shop'))?.phase).toBe('Idle')
  }
  const holding = (scene: Scene) => scene.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
  const promoted = async (scene: Scene, image: string) => {
    expect(await scene.outcome('shop', image)).toBe('Promoted')
    return await scene.reach('shop', 'idle', (now) => now.phase === 'Idle' && now.stable?.images?.includes(image) === true)
  }

  const appliers: readonly { name: string; by: (place: Place) => Applier; skip?: boolean }[] = [
    { name: 'kubectl apply', by: (place) => kubectlApply(place) },
    { name: 'kubectl apply --server-side', by: (place) => kubectlApply(place, '--server-side') },
    { name: 'Flux', by: (place) => flux(place) },
    { name: 'Argo CD, three-way', by: (place) => argo(place, 'ThreeWay') },
    { name: 'Argo CD, server-side', by: (place) => argo(place, 'ServerSide') },
    { name: 'Helm 3', by: (place) => helmRelease(place, 'ThreeWay'), skip: helmMissing() !== undefined },
    { name: 'Helm 4', by: (place) => helmRelease(place, 'ServerSide'), skip: helmMissing() !== undefined },
  ]

  describe.each(appliers.map((one) => ({ ...one, title: one.name })))('$title', { concurrent: true }, ({ by, skip }) => {
    test.skipIf(skip)('nothing shared: syncs move nothing at rest, and a journey is promoted under them', async (t) => {
      const shop = await adopted(t, by, repository())
      const { scene, applier } = shop
      for (const note of ['b', 'c']) await applier.sync(repository({ note }))
      await atRest(shop)
      const split = scene.watchSplit(virtualServices, 'shop')
      await applier.sync(repository({ image: 'shop:v2' }))
      await holding(scene)
      const loop = keepSyncing(applier, repository({ image: 'shop:v2' }))
      const done = await promoted(scene, 'shop:v2')
      await loop.stop()
      split.stop()
      expect(split.seen.filter((share) => share > 0)).toEqual([20, 100])
      expect(done.resets).toEqual([])
      await atRest(shop)
    })
  })

  const ignoring = shipped('application.yaml').spec.ignoreDifferences as Ignored[]
  test.for(['ThreeWay', 'ServerSide'] as const)('Argo CD, %s, with ignoreDifferences: self-heal leaves the weights of a route in Git alone', async (mode, t) => {
    expect(recipe('Argo CD').spec.ignoreDifferences).toEqual(ignoring)
    const shop = await adopted(t, (place) => argo(place, mode, ignoring), repository({ route: {}, replicas: 2 }))
    const { scene, applier } = shop
    await applier.sync(repository({ route: {}, replicas: 2 }))
    await atRest(shop)
    const split = scene.watchSplit(virtualServices, 'shop')
    const git = repository({ image: 'shop:v2', route: {}, replicas: 2 })
    await applier.sync(git)
    await holding(scene)
    const loop = keepSyncing(applier, git)
    const done = await promoted(scene, 'shop:v2')
    split.stop()
    expect(await loop.stop()).toBe(0)
    expect(done.resets).toEqual([])
    expect(split.seen.filter((share) => share > 0)).toEqual([20, 100])
  })

  const resetters: readonly { name: string; by: (place: Place) => Applier; manager: string }[] = [
    { name: 'Argo CD, three-way', by: (place) => argo(place, 'ThreeWay'), manager: 'argocd-controller' },
    { name: 'Argo CD, server-side', by: (place) => argo(place, 'ServerSide'), manager: 'argocd-controller' },
    { name: 'Flux', by: (place) => flux(place), manager: 'kustomize-controller' },
  ]
  test.for(resetters)('$name without the recipe: self-heal resets three times, then the journey is held, and nobody writes any more', async ({ by, manager }, t) => {
    const shop = await adopted(t, by, repository({ route: {}, hold: '60s' }))
    const { scene, applier } = shop
    await applier.sync(repository({ route: {}, hold: '60s', note: 'b' }))
    await atRest(shop)
    const git = repository({ image: 'shop:v2', route: {}, hold: '60s' })
    await applier.sync(git)
    await holding(scene)
    const loop = keepSyncing(applier, git)
    const held = await scene.reach('shop', 'held', ({ phase }) => phase === 'Held')
    expect(held.journey?.held?.reason).toBe('ResetByGitOps')
    expect(held.message).toContain(manager)
    expect(held.resets).toHaveLength(3)
    await sleep(2_000)
    const before = (await shop.live('VirtualService')).metadata.resourceVersion
    await sleep(3_000)
    expect((await shop.live('VirtualService')).metadata.resourceVersion).toBe(before)
    expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
    await loop.stop()
  })
  test.for(resetters)('$name, one sync in the middle: the weight of the step comes back', async ({ by }, t) => {
    const { scene, applier } = await adopted(t, by, repository({ route: {} }))
    await applier.sync(repository({ image: 'shop:v2', route: {} }))
    await holding(scene)
    await applier.sync(repository({ image: 'shop:v2', route: {}, note: 'b' }))
    const done = await promoted(scene, 'shop:v2')
    expect(done.resets).toHaveLength(1)
  })

  test('Flux with ssa: IfNotPresent: drift detection leaves the route alone', async (t) => {
    const route = recipe('Flux').metadata.annotations as Record<string, string>
    const shop = await adopted(t, flux, repository({ route }))
    await shop.applier.sync(repository({ route }))
    await atRest(shop)
    const git = repository({ image: 'shop:v2', route })
    await shop.applier.sync(git)
    await holding(shop.scene)
    const loop = keepSyncing(shop.applier, git)
    const done = await promoted(shop.scene, 'shop:v2')
    expect(await loop.stop()).toBe(0)
    expect(done.resets).toEqual([])
  })

  test.for([
    { name: 'kubectl apply', by: (place: Place) => kubectlApply(place) },
    { name: 'kubectl apply --server-side', by: (place: Place) => kubectlApply(place, '--server-side') },
  ])('$name of a route in the middle is an order of a person: held at what it says', async ({ by }, t) => {
    const shop = await adopted(t, by, repository({ route: {}, hold: '60s' }))
    await shop.applier.sync(repository({ route: {}, hold: '60s', note: 'b' }))
    await atRest(shop)
    const git = repository({ image: 'shop:v2', route: {}, hold: '60s' })
    await shop.applier.sync(git)
    await holding(shop.scene)
    await shop.applier.sync(git)
    const held = await shop.scene.reach('shop', 'held', ({ phase }) => phase === 'Held')
    expect(held.journey?.held?.reason).toBe('LoweredByHand')
    expect(await stage.mesh.measure(shop.scene.namespace, 'shop:v1')).toBe(100)
  })
  test.skipIf(helmMissing()).for([{ mode: 'ThreeWay', resets: 0 }, { mode: 'ServerSide', resets: 1 }] as const)('Helm, $mode: an upgrade in the middle with a route in the chart, $resets resets', async ({ mode, resets }, t) => {
    const shop = await adopted(t, (place) => helmRelease(place, mode), repository({ route: {} }))
    await shop.applier.sync(repository({ route: {}, note: 'b' }))
    await atRest(shop)
    await shop.applier.sync(repository({ image: 'shop:v2', route: {} }))
    await holding(shop.scene)
    await shop.applier.sync(repository({ image: 'shop:v2', route: {}, note: 'c' }))
    const done = await promoted(shop.scene, 'shop:v2')
    expect(done.resets).toHaveLength(resets)
  })

  describe('kubectl beside it', { concurrent: true }, () => {
    const kubectl = async ({ scene }: Shop, args: readonly string[], stdin?: string) => {
      const answer = await stage.plane.kubectlAsync(['-n', scene.namespace, ...args], stdin)
      expect(answer).toMatchObject({ status: 0 })
    }
    const byKubectl = (place: Place) => kubectlApply(place)

    test('rollout restart is a release like any other', async (t) => {
      const shop = await adopted(t, byKubectl, repository())
      const before = (await shop.scene.status('shop'))!.stable!.revision
      await kubectl(shop, ['rollout', 'restart', 'deployment/shop'])
      const now = await shop.scene.reach('shop', 'promoted', ({ phase, stable }) => phase === 'Idle' && stable !== undefined && stable.revision !== before)
      expect(now.history[0]).toMatchObject({ outcome: 'Promoted', from: before })
      await atRest(shop)
    })

    test('rollout restart in the middle of a journey: the newer release takes its place', async (t) => {
      const shop = await adopted(t, byKubectl, repository({ hold: '60s' }))
      await shop.applier.sync(repository({ image: 'shop:v2', hold: '60s' }))
      const { canary } = await holding(shop.scene)
      await kubectl(shop, ['rollout', 'restart', 'deployment/shop'])
      const now = await shop.scene.reach('shop', 'the newer one to hold', (status) => status.phase === 'Holding' && status.canary?.revision !== canary!.revision)
      expect(now.history[0]).toMatchObject({ outcome: 'Superseded', revision: canary!.revision })
      expect(now.canary?.images).toEqual(['shop:v2'])
    })

    test('scale of the Deployment is an order for what serves: at rest at once, in a journey when it is over', async (t) => {
      const shop = await adopted(t, byKubectl, repository())
      const { scene, live } = shop
      await kubectl(shop, ['scale', 'deployment/shop', '--replicas=3'])
      await until('the order in the Rollout', async () => (await live('Rollout')).spec.replicas === 3 && (await live('Deployment')).spec.replicas === 0)
      await atRest(shop)
      await kubectl(shop, ['set', 'image', 'deployment/shop', 'app=shop:v2'])
      await holding(scene)
      await kubectl(shop, ['scale', 'deployment/shop', '--replicas=4'])
      await promoted(scene, 'shop:v2')
      await until('the order in the Rollout', async () => (await live('Rollout')).spec.replicas === 4 && (await live('Deployment')).spec.replicas === 0)
      await until('four pods', async () => (await live('Deployment', (await scene.status('shop'))!.stable!.revision)).status.readyReplicas === 4)
    })

    test('replace --force of the Rollout: its status is rebuilt, and no request is lost', async (t) => {
      const shop = await adopted(t, byKubectl, repository())
      const [rollout] = repository().filter(({ kind }) => kind === 'Rollout')
      const before = (await shop.scene.status('shop'))!
      await kubectl(shop, ['replace', '--force', '-f', '-'], JSON.stringify(rollout))
      const now = await shop.scene.reach('shop', 'rebuilt', ({ phase, sequence }) => phase === 'Idle' && sequence !== before.sequence)
      expect(now.stable?.revision).toBe(before.stable?.revision)
      await atRest(shop)
    })

    test('replace --force of the Rollout in the middle: stable serves, and the version waits for a Retry', async (t) => {
      const shop = await adopted(t, byKubectl, repository({ hold: '20s' }))
      const { scene } = shop
      const stable = (await scene.status('shop'))!.stable!.revision
      await shop.applier.sync(repository({ image: 'shop:v2', hold: '20s' }))
      const before = await holding(scene)
      const [rollout] = repository({ hold: '4s' }).filter(({ kind }) => kind === 'Rollout')
      await kubectl(shop, ['replace', '--force', '-f', '-'], JSON.stringify(rollout))
      const back = await scene.reach('shop', 'taken back', ({ phase, sequence }) => phase === 'RolledBack' && sequence !== before.sequence)
      expect(back).toMatchObject({ stable: { revision: stable }, failed: [{ revision: before.canary!.revision, reason: 'NamedByRoute' }] })
      expect(await stage.mesh.measure(scene.namespace, 'shop:v1')).toBe(100)
      await scene.ask('shop', 'Retry')
      await promoted(scene, 'shop:v2')
    })

    test('replace --force of a route: at rest nothing, in the middle an order of a person', async (t) => {
      const shop = await adopted(t, byKubectl, repository({ route: {}, hold: '60s' }))
      const [route] = repository({ route: {} }).filter(({ kind }) => kind === 'VirtualService')
      await kubectl(shop, ['replace', '--force', '-f', '-'], JSON.stringify(route))
      await atRest(shop)
      await shop.applier.sync(repository({ image: 'shop:v2', route: {}, hold: '60s' }))
      await holding(shop.scene)
      await kubectl(shop, ['replace', '--force', '-f', '-'], JSON.stringify(route))
      const held = await shop.scene.reach('shop', 'held', ({ phase }) => phase === 'Held')
      expect(held.journey?.held?.reason).toBe('LoweredByHand')
      await shop.scene.ask('shop', 'Resume')
      await shop.scene.reach('shop', 'the weight of the step again', ({ phase, journey }) => phase === 'Holding' && journey?.weight.seen === 20)
    })

    test('replace --force --cascade=orphan of the Deployment in the middle: the journey goes on', async (t) => {
      const shop = await adopted(t, byKubectl, repository())
      const { scene, live } = shop
      await shop.applier.sync(repository({ image: 'shop:v2' }))
      const before = await holding(scene)
      const [deployment] = repository({ image: 'shop:v2' }).filter(({ kind }) => kind === 'Deployment')
      await kubectl(shop, ['replace', '--force', '--cascade=orphan', '-f', '-'], JSON.stringify(deployment))
      const done = await promoted(scene, 'shop:v2')
      expect(done.history).toHaveLength(1)
      expect(done.stable?.revision).toBe(before.canary?.revision)
      await until('the template at zero', async () => (await live('Deployment')).spec.replicas === 0)
    })

    test.for([{ when: 'at rest', image: undefined }, { when: 'in the middle', image: 'shop:v2' }])('replace --force of the Deployment, $when, takes its pods along as that of any Deployment; what it says is adopted anew', async ({ image }) => {
      // No traffic: whoever deletes the Deployment deletes the service.
      const scene = await stage.scene('gitops')
      const applier = kubectlApply({ plane: stage.plane, namespace: scene.namespace })
      await applier.sync(repository({ hold: '60s' }))
      await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle')
      if (image) {
        await applier.sync(repository({ image, hold: '60s' }))
        await holding(scene)
      }
      const git = repository({ image: 'shop:v3', hold: '4s' })
      const [deployment] = git.filter(({ kind }) => kind === 'Deployment')
      expect(await stage.plane.kubectlAsync(['-n', scene.namespace, 'replace', '--force', '-f', '-'], JSON.stringify(deployment))).toMatchObject({ status: 0 })
      const now = await scene.reach('shop', 'to serve the new one', ({ phase, stable }) => phase === 'Idle' && stable?.images?.includes('shop:v3') === true)
      await until('its pods', async () => (await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments/${now.stable!.revision}`))?.status?.readyReplicas === 2)
    })

    test('replace --force --cascade=orphan of the Deployment: its revisions are owned by the new one, and nothing is released', async (t) => {
      const shop = await adopted(t, byKubectl, repository())
      const { scene, live } = shop
      const before = (await scene.status('shop'))!
      const [deployment] = repository().filter(({ kind }) => kind === 'Deployment')
      await kubectl(shop, ['replace', '--force', '--cascade=orphan', '-f', '-'], JSON.stringify(deployment))
      const uid = (await live('Deployment')).metadata.uid
      await until('the new owner', async () => (await live('Deployment', before.stable!.revision)).metadata.ownerReferences?.[0]?.uid === uid)
      await until('the template at zero', async () => (await live('Deployment')).spec.replicas === 0)
      expect((await live('Rollout')).spec.replicas).toBe(2)
      await atRest(shop)
      expect((await scene.status('shop'))!.stable?.revision).toBe(before.stable?.revision)
    })

    test('apply of a manifest from which the line "replicas" was taken means no count: what serves keeps its own', async (t) => {
      const shop = await adopted(t, byKubectl, repository({ replicas: 3, wanted: null }))
      const { live, applier } = shop
      const zero = () => until('the template at zero', async () => (await live('Deployment')).spec.replicas === 0)
      await applier.sync(repository({ replicas: 3, wanted: null }))
      await zero()
      await applier.sync(repository({ wanted: null }))
      await zero()
      expect((await live('Rollout')).spec.replicas).toBe(3)
      await atRest(shop)
    })
  })

  test.for([
    { name: 'Argo CD, three-way', by: (place: Place) => argo(place, 'ThreeWay'), manager: 'argocd-controller' },
    { name: 'Argo CD, server-side', by: (place: Place) => argo(place, 'ServerSide'), manager: 'argocd-controller' },
    { name: 'Flux', by: flux, manager: 'kustomize-controller' },
  ])('$name with replicas in Git: idle pods and a condition with the line, no fight; a journey goes through', async ({ by, manager }, t) => {
    const shop = await adopted(t, by, repository())
    const { scene, live } = shop
    const loop = keepSyncing(shop.applier, repository({ replicas: 2 }))
    const contested = async () => (await scene.status('shop'))?.conditions.find(({ type }) => type === 'ReplicasContested')?.message
    await until('the condition', async () => (await contested())?.includes(manager))
    expect(await contested()).toContain('leave the line "replicas: 2" out of the manifest')
    await sleep(2_000)
    const before = (await live('Deployment')).metadata.generation
    await sleep(3_000)
    expect((await live('Deployment')).metadata.generation).toBe(before)
    await loop.stop()
    await shop.applier.sync(repository({ image: 'shop:v2', replicas: 2 }))
    await promoted(scene, 'shop:v2')
    // What docs/gitops.md says: take the line out, then zero once.
    await shop.applier.sync(repository({ image: 'shop:v2' }))
    await stage.plane.kubectlAsync(['-n', scene.namespace, ...zeroing])
    await until('the condition to go', async () => (await contested()) === undefined)
    await shop.applier.sync(repository({ image: 'shop:v2' }))
    await atRest(shop)
  })

  const doctor = ({ scene }: Shop) => new Promise<string>((answer) => {
    execFile(resolve(root, 'bin/sluice'), ['doctor', '-n', scene.namespace, '--kubeconfig', stage.plane.kubeconfig], (_, stdout) => answer(stdout))
  })
  test.for([
    { name: 'Flux', by: (place: Place) => flux(place), missing: ['kustomize.toolkit.fluxcd.io/ssa: IfNotPresent'], recipe: { route: { 'kustomize.toolkit.fluxcd.io/ssa': 'IfNotPresent' } } },
    { name: 'Argo CD', by: (place: Place) => argo(place, 'ServerSide'), missing: ['ignoreDifferences:', "jqPathExpressions: ['.spec.http[]?.route[]?.weight']"], recipe: undefined },
  ])('sluice doctor reads of real field managers that $name lacks its recipe, and prints the lines; once committed it is content', async ({ by, missing: lines, recipe: after }, t) => {
    const shop = await adopted(t, by, repository({ route: {}, replicas: 2 }))
    await shop.applier.sync(repository({ route: {}, replicas: 2, note: 'b' }))
    const said = await doctor(shop)
    for (const line of [...lines, 'WeightsReset', 'ReplicasContested', 'replicas: 2   # remove']) expect(said).toContain(line)
    if (!after) return
    await shop.applier.sync(repository(after))
    const byHand = /kubectl (-n \S+ annotate .*)/.exec(said)![1]!
    expect(commands('Flux')[0]).toBe(`kubectl ${byHand.replace(/-n \S+ /, '').replace(' shop ', ' checkout ')}`)
    expect(await stage.plane.kubectlAsync(byHand.split(' '))).toMatchObject({ status: 0 })
    // Given up with the line, it is at its default; docs/gitops.md has the command.
    await stage.plane.kubectlAsync(['-n', shop.scene.namespace, ...zeroing])
    const content = await doctor(shop)
    for (const rule of ['WeightsReset', 'ReplicasContested']) expect(content).not.toContain(rule)
  })

  test("the commands of docs/gitops.md give Argo CD health, actions and rights", async (t) => {
    await stage.plane.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'argocd' } })
    await stage.plane.request('POST', '/api/v1/namespaces/argocd/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'argocd-cm' }, data: { url: 'https://argocd.example.com' } })
    t.onTestFinished(async () => void (await stage.plane.request('DELETE', '/api/v1/namespaces/argocd')))
    const lines = commands('Argo CD')
    expect(lines).toHaveLength(2)
    for (const line of lines) expect(await stage.plane.kubectlAsync(line.split(' ').slice(1).map((word) => (word.startsWith('deploy/') ? resolve(root, word) : word)))).toMatchObject({ status: 0 })
    const { body } = await stage.plane.request('GET', '/api/v1/namespaces/argocd/configmaps/argocd-cm')
    expect(body.data).toEqual({ url: 'https://argocd.example.com', ...shipped('argocd-cm.yaml').data })
  })

  test('the commit of an annotation goes into status, note and history; without one the image tells', async (t) => {
    const { scene, applier } = await adopted(t, flux, repository())
    await applier.sync(repository({ image: 'shop:v2', annotations: recipe('The commit').metadata.annotations }))
    const now = await holding(scene)
    expect(now.canary).toMatchObject({ commit: '3f9c2d1', images: ['shop:v2'] })
    expect(now.stable?.commit).toBeUndefined()
    const done = await promoted(scene, 'shop:v2')
    expect(done.stable?.commit).toBe('3f9c2d1')
    expect(done.history[0]).toMatchObject({ commit: '3f9c2d1', images: ['shop:v2'], outcome: 'Promoted' })
    const told = () => stage.controller.logs().some((line) => line.namespace === scene.namespace && JSON.stringify(line).includes('3f9c2d1'))
    await until('a note with the commit', told)
  })

  describe('what tools wait for', { concurrent: true }, () => {
    const health = shipped('argocd-cm.yaml').data['resource.customizations.health.sluice.dev_Rollout'] as string
    const custom = parse(shipped('argocd-cm.yaml').data['resource.customizations.actions.sluice.dev_Rollout']) as { 'discovery.lua': string; definitions: { name: string; 'action.lua': string }[] }
    const act = async ({ scene, live }: Shop, name: string) => {
      const rollout = await live('Rollout')
      const offered = runLua(custom['discovery.lua'], rollout)
      expect(offered[name]).toEqual({ disabled: false })
      const [made] = runLua(custom.definitions.find((one) => one.name === name)!['action.lua'], rollout)
      expect(made.operation).toBe('create')
      expect(validate(made.resource)).toEqual([])
      await scene.apply('sluice.dev/v1alpha1/rolloutrequests', made.resource)
    }

    test('kstatus, by which Flux and Helm 4 wait: under way until adopted, current in a hold and after a rollback, failed for a spec that cannot work', async (t) => {
      const shop = await adopted(t, flux, repository())
      const { scene, applier, live, place } = shop
      expect(kstatus(await live('Rollout'))).toBe('Current')
      await applier.sync(repository({ image: 'shop:v2', hold: '60s' }))
      await holding(scene)
      expect(kstatus(await live('Rollout'))).toBe('Current')
      await scene.ask('shop', 'Abort')
      await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
      expect(kstatus(await live('Rollout'))).toBe('Current')
      const broken = repository({ image: 'shop:v1' }).map((object) => (object.kind === 'Rollout' ? { ...object, spec: { ...object.spec, steps: [{ weight: 20, scale: '5%' }, { weight: 100 }] } } : object))
      await applier.sync(broken)
      await until('failed', async () => kstatus(await live('Rollout')) === 'Failed')
      await applier.sync(repository())
      await until('current', async () => kstatus(await live('Rollout')) === 'Current')
      const fresh = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'late', generation: 1 }, spec: {} }
      expect(kstatus(fresh)).toBe('Current')
      expect(place.namespace).toBe(scene.namespace)
    })

    test("Argo CD's health follows a release, and its actions steer it", async (t) => {
      const shop = await adopted(t, flux, repository())
      const { scene, applier, live } = shop
      const healthOf = async () => runLua(health, await live('Rollout')).status as string
      expect(runLua(health, { metadata: { generation: 1 } }).status).toBe('Progressing')
      expect(await healthOf()).toBe('Healthy')
      await applier.sync(repository({ image: 'shop:v2', hold: '60s' }))
      await holding(scene)
      expect(await healthOf()).toBe('Progressing')
      await act(shop, 'pause')
      await until('Suspended', async () => (await healthOf()) === 'Suspended')
      await act(shop, 'resume')
      await until('Progressing', async () => (await healthOf()) === 'Progressing')
      await act(shop, 'abort')
      await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
      expect(await healthOf()).toBe('Degraded')
      await act(shop, 'retry')
      await holding(scene)
      await act(shop, 'promote')
      await promoted(scene, 'shop:v2')
      expect(await healthOf()).toBe('Healthy')
    })

    test("rights.yaml lets Argo CD's account ask for what its actions name, and nothing more", async (t) => {
      const file = resolve(root, 'deploy/argocd/rights.yaml')
      expect(await stage.plane.kubectlAsync(['apply', '-f', file])).toMatchObject({ status: 0 })
      t.onTestFinished(async () => void (await stage.plane.kubectlAsync(['delete', '-f', file])))
      const may = async (verb: string, what: string) => {
        const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user: 'system:serviceaccount:argocd:argocd-server', resourceAttributes: { group: 'sluice.dev', resource: what, verb, namespace: 'default' } } }
        return ((await stage.plane.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review)).body as KubeObject).status.allowed as boolean
      }
      await until('the role to be known', async () => await may('create', 'rolloutrequests'))
      for (const verb of ['promote', 'abort', 'approve']) expect(await may(verb, 'rollouts')).toBe(true)
      for (const verb of ['update', 'patch', 'delete']) expect(await may(verb, 'rollouts')).toBe(false)
    })

    test.skipIf(helmMissing())('Helm --wait (kstatus) ends while a step is held; only the condition Promoted and the health script prove a release', async (t) => {
      const shop = await adopted(t, (place) => helmRelease(place, 'ServerSide', '--wait', '--timeout', '60s'), repository())
      const { scene, applier, live } = shop
      await applier.sync(repository({ image: 'shop:v2', hold: '120s' }))
      await holding(scene)
      await applier.sync(repository({ image: 'shop:v2', hold: '120s', note: 'b' }))
      const conditions = Object.fromEntries((await scene.status('shop'))!.conditions.map(({ type, status }) => [type, status]))
      expect(conditions).toMatchObject({ Ready: 'True', Reconciling: 'False', Stalled: 'False', Promoted: 'False' })
      const wait = (what: string) => stage.plane.kubectlAsync(['-n', scene.namespace, 'wait', `--for=condition=${what}`, '--timeout=1s', 'rollouts.sluice.dev/shop'])
      expect(await wait('Ready')).toMatchObject({ status: 0 })
      expect(await wait('Promoted')).toMatchObject({ status: 1 })
      expect(runLua(health, await live('Rollout')).status).toBe('Progressing')
      await scene.ask('shop', 'Abort')
      await scene.reach('shop', 'rolled back', ({ phase }) => phase === 'RolledBack')
    })
  })
})
