/** Tracked ConfigMaps and Secrets on a real API server, by a controller with the rights that deploy/ gives it: what changes, what is pruned, what is refused. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configPlaces } from '../../src/revision/config-refs.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { applyCrds, kubeconfigFor, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { applied, kustomized, tokenOf } from '../support/install.ts'
import { until } from '../support/process.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const missing = stageMissing()
const system = 'sluice-system'
const account = `system:serviceaccount:${system}:sluice-controller`

describe.skipIf(missing)(`tracked configuration ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let stage: Stage
  beforeAll(async () => {
    plane = await startControlPlane({ auditLog: true })
    await applyCrds(plane)
    await applied(plane, await kustomized(plane, 'overlays/cluster'), ['--force-conflicts'])
    stage = await startStage(plane, { dataPlane: 'Istio', kubeconfig: kubeconfigFor(plane, 'controller', await tokenOf(plane, system, 'sluice-controller')), flags: ['--leader-election-namespace', system] })
  })
  afterAll(() => (stage ?? plane)?.stop())

  const spec = (change: Partial<RolloutSpec> = {}): RolloutSpec => ({
    workloadRef: { kind: 'Deployment', name: 'shop' }, service: { port: 80 }, traffic: { istio: { managed: {} } },
    steps: [{ weight: 20, hold: '2s' }, { weight: 100, hold: '2s' }], retainStable: '1s', trackedConfig: [{ kind: 'ConfigMap' }], ...change,
  })
  const config = (scene: Scene, color: string) => put(scene, 'configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app' }, data: { color, big: color.repeat(200_000) }, binaryData: { logo: 'AAEC' } })
  const secret = (scene: Scene, password: string) => put(scene, 'secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, stringData: { password } })
  async function put(scene: Scene, plural: string, object: any): Promise<void> {
    await scene.apply(`v1/${plural}`, object)
  }
  const shop = (name: 'app' | 'tls') => ({
    containers: [{ name: 'app', image: 'shop:v1', ports: [{ containerPort: 8080 }], envFrom: name === 'app' ? [{ configMapRef: { name } }] : [{ secretRef: { name } }] }],
    volumes: [{ name: 'all', projected: { sources: [name === 'app' ? { configMap: { name } } : { secret: { name } }] } }],
  })
  const status = async (scene: Scene) => (await scene.status('shop'))!
  const list = async (scene: Scene, path: string): Promise<any[]> => (await plane.request('GET', `/${path.startsWith('v1') ? 'api' : 'apis'}/${path.replace(/\/([^/]+)$/, `/namespaces/${scene.namespace}/$1`)}?labelSelector=sluice.dev/rollout`)).body.items
  const ended = (scene: Scene, count: number) => scene.reach('shop', `${count} journeys`, ({ phase, history }) => phase === 'Idle' && history.length === count)
  const readyPods = async (scene: Scene, revision: string) => (await scene.get(`/apis/apps/v1/namespaces/${scene.namespace}/deployments/${revision}`))?.status?.readyReplicas

  describe('with the rights of deploy/', { concurrent: true }, () => {
    test('a changed ConfigMap is released to promoted; pruned originals hurt nobody; with the Deployment everything goes', async () => {
      const scene = await stage.scene('tracked')
      await config(scene, 'blue')
      await scene.deploy('shop', 'shop:v1', { template: shop('app') })
      await scene.rollout('shop', spec())
      await scene.reach('shop', 'adopted', ({ phase }) => phase === 'Idle')
      const first = (await status(scene)).stable!.revision
      await config(scene, 'green')
      expect((await ended(scene, 1)).history[0]).toMatchObject({ outcome: 'Promoted', from: first })
      const { revision } = (await status(scene)).stable!
      const copies = await list(scene, 'v1/configmaps')
      expect(copies.map(({ data, immutable, binaryData, metadata }) => ({ color: data.color, size: data.big.length, immutable, binaryData, owner: metadata.ownerReferences[0].name })).toSorted((a, b) => (a.color < b.color ? -1 : 1))).toEqual([
        { color: 'blue', size: 800_000, immutable: true, binaryData: { logo: 'AAEC' }, owner: first },
        { color: 'green', size: 1_000_000, immutable: true, binaryData: { logo: 'AAEC' }, owner: revision },
      ])

      await scene.remove('v1/configmaps', 'app')
      await scene.reach('shop', 'the original to be missed', ({ conditions }) => conditions.some(({ type }) => type === 'TrackedConfigMissing'))
      const pods = (await plane.request('GET', `/api/v1/namespaces/${scene.namespace}/pods?labelSelector=sluice.dev/revision=${revision}`)).body.items
      for (const { metadata } of pods) await scene.remove('v1/pods', metadata.name)
      await until('the pods to be gone', async () => (await readyPods(scene, revision)) !== 2)
      await until('pods to start from the copy', async () => (await readyPods(scene, revision)) === 2)
      expect((await status(scene)).history).toHaveLength(1)

      await scene.remove('sluice.dev/v1alpha1/rollouts', 'shop')
      await scene.remove('apps/v1/deployments', 'shop')
      await until('everything of ours to go', async () => [...(await list(scene, 'v1/configmaps')), ...(await list(scene, 'apps/v1/deployments')), ...(await list(scene, 'v1/services'))].length === 0)
    })

    test('a Secret is refused without its Role, which the condition names, and copied with it; nobody hears what it holds', async () => {
      const scene = await stage.scene('tracked')
      await secret(scene, 'very-secret-1')
      await scene.deploy('shop', 'shop:v1', { template: shop('tls') })
      await scene.rollout('shop', spec({ trackedConfig: [{ kind: 'Secret', name: 'tls' }] }))
      const refused = await scene.reach('shop', 'the refusal', ({ conditions }) => conditions.some(({ type, reason }) => type === 'Stalled' && reason === 'ConfigForbidden'))
      expect(refused.phase).toBe('Blocked')
      const commands = refused.conditions.find(({ type }) => type === 'Stalled')!.message.match(/kubectl -n \S+ create role [^;,]+/g)!
      expect(commands).toHaveLength(2)
      for (const command of commands) {
        const [, , , , , role] = command.split(' ') as string[]
        expect(await plane.kubectlAsync(command.trim().split(' ').slice(1))).toMatchObject({ status: 0 })
        expect(await plane.kubectlAsync(['-n', scene.namespace, 'create', 'rolebinding', role!, `--role=${role}`, `--serviceaccount=${system}:sluice-controller`])).toMatchObject({ status: 0 })
      }
      await scene.reach('shop', 'adopted', ({ phase }) => phase === 'Idle')
      await secret(scene, 'very-secret-2')
      await ended(scene, 1)
      const copies = await list(scene, 'v1/secrets')
      expect(copies.map(({ data, immutable, type }) => `${Buffer.from(data.password, 'base64').toString()} ${immutable} ${type}`).toSorted()).toEqual(['very-secret-1 true Opaque', 'very-secret-2 true Opaque'])
      const said = JSON.stringify([stage.controller.logs(), await scene.get(`/apis/sluice.dev/v1alpha1/namespaces/${scene.namespace}/rollouts/shop`), (await plane.request('GET', `/api/v1/namespaces/${scene.namespace}/events`)).body, await list(scene, 'apps/v1/deployments')])
      for (const text of ['very-secret', Buffer.from('very-secret-1').toString('base64').slice(0, 12)]) expect(said).not.toContain(text)
    })
  })

  test('with all of this the controller was refused nothing but the Secret before its Role, and asked for no list of Secrets', () => {
    const asked: any[] = readFileSync(plane.auditLog!, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)).filter(({ user }) => user.username === account)
    const refused = asked.filter(({ responseStatus }) => responseStatus?.code === 403).map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
    expect(new Set(refused)).toEqual(new Set(['get secrets']))
    expect(new Set(asked.filter(({ objectRef }) => objectRef?.resource === 'secrets').map(({ verb }) => verb))).toEqual(new Set(['get', 'create']))
    expect(new Set(asked.filter(({ objectRef, verb }) => objectRef?.resource === 'configmaps' && verb === 'get').map(({ objectRef }) => objectRef.name))).toEqual(new Set(['app']))
  })

  test('the policy lets it make nothing but copies', async () => {
    const token = await tokenOf(plane, system, 'sluice-controller')
    const scene = await stage.scene('tracked')
    const post = (object: object) => plane.request('POST', `/api/v1/namespaces/${scene.namespace}/configmaps`, object, { token })
    const labels = { 'sluice.dev/rollout': 'shop', 'sluice.dev/revision': 'shop-x' }
    const made = await post({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', labels }, immutable: true })
    expect(made.status).toBe(201)
    for (const wrong of [{ metadata: { name: 'b', labels } }, { metadata: { name: 'b' }, immutable: true }, { metadata: { name: 'b', labels: { 'sluice.dev/rollout': 'shop' } }, immutable: true }]) {
      const refused = await post({ apiVersion: 'v1', kind: 'ConfigMap', ...wrong })
      expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining('only immutable copies')])
    }
  })

  test('the table of places is what the API server knows of a pod', async () => {
    const { body } = await plane.request('GET', '/openapi/v3/api/v1')
    const schemas: Record<string, any> = body.components.schemas
    const found: string[] = []
    const walk = (name: string, path: string): void => {
      for (const [key, property] of Object.entries<any>(schemas[name]!.properties ?? {})) {
        const inner = [property, property.items, ...(property.allOf ?? []), ...(property.items?.allOf ?? [])].find((one) => one?.$ref)?.$ref?.split('/').at(-1) as string | undefined
        const at = `${path}${path === '' ? '' : '.'}${key}${property.type === 'array' ? '[]' : ''}`
        if (/secret(Name)?$/i.test(key) && !inner && property.type === 'string') found.push(at)
        else if (inner && /\.(ConfigMap|Secret)(KeySelector|EnvSource|Projection|VolumeSource|Reference)$|[.]LocalObjectReference$/.test(inner)) found.push(`${at}.${inner.endsWith('SecretVolumeSource') ? 'secretName' : 'name'}`)
        else if (inner) walk(inner, at)
      }
    }
    walk('io.k8s.api.core.v1.PodSpec', '')
    expect(found.length).toBeGreaterThan(20)
    expect(configPlaces.map(([, path]) => path).toSorted()).toEqual(found.toSorted())
  })
})
