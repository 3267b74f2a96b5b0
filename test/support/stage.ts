/** Everything one file of journeys needs, put together: control plane, kubelet, mesh, Prometheus and the controller, and the moves of its users. */
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RolloutSpec, RolloutStatus } from '../../src/rollout/schema.ts'
import { controlPlaneMissing, crdsMissing, makeNamespace, type ControlPlane } from './control-plane.ts'
import { startController, type Controller, type ControllerOptions } from './controller.ts'
import { follow } from './follow.ts'
import { startGatewayController, type GatewayController } from './gateway-controller.ts'
import { startKubelet, type Kubelet, type KubeletOptions } from './kubelet.ts'
import { startMesh, type DataPlane, type Mesh } from './mesh.ts'
import { until } from './process.ts'
import { prometheusMissing, startPrometheus, type Prometheus } from './prometheus.ts'
import { startSmiAdaptor } from './smi-adaptor.ts'

export interface Stage {
  readonly plane: ControlPlane
  readonly kubelet: Kubelet
  readonly mesh: Mesh
  readonly prometheus: Prometheus
  readonly controller: Controller
  /** With the data plane GatewayAPI. */
  readonly gateways?: GatewayController
  /** A new namespace with its players. */
  scene(prefix: string): Promise<Scene>
  stop(): Promise<void>
}
export interface StageOptions extends Partial<ControllerOptions> {
  readonly dataPlane: DataPlane
  readonly kubelet?: KubeletOptions
}

/** One line that says why journeys are skipped, or undefined. */
export function stageMissing(): string | undefined {
  return controlPlaneMissing() ?? crdsMissing() ?? prometheusMissing()
}

export async function startStage(plane: ControlPlane, options: StageOptions): Promise<Stage> {
  const undo: (() => Promise<unknown>)[] = [() => plane.stop()]
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step()
  }
  const kept = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting
    undo.push(() => started.stop())
    return started
  }
  try {
    const kubelet = await kept(startKubelet(plane, { namespaces: [], ...options.kubelet }))
    const mesh = await kept(startMesh(plane, { dataPlane: options.dataPlane }))
    if (options.dataPlane === 'Linkerd') await kept(startSmiAdaptor(plane))
    const gateways = options.dataPlane === 'GatewayAPI' ? await kept(startGatewayController(plane)) : undefined
    const prometheus = await kept(startPrometheus({ targets: [mesh.target], scrapeIntervalMs: 500 }))
    undo.push(() => cleanUp(plane, namespaces))
    const namespaces: string[] = []
    const controller = await kept(startController(plane, { scrapeInterval: '500ms', prometheusUrl: prometheus.url, ...options }))
    return {
      plane, kubelet, mesh, prometheus, controller, ...(gateways ? { gateways } : {}), stop,
      async scene(prefix) {
        const namespace = await makeNamespace(plane, prefix)
        namespaces.push(namespace)
        kubelet.adopt(namespace)
        return makeScene(plane, mesh, controller, namespace)
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function cleanUp(plane: ControlPlane, namespaces: readonly string[]): Promise<void> {
  for (const name of namespaces) await plane.request('DELETE', `/api/v1/namespaces/${name}`)
}

export interface Scene {
  readonly namespace: string
  /** The user's Deployment and Service of one name, labels `app: <name>`. Waits until its pods are ready. */
  deploy(name: string, image: string, options?: { replicas?: number; service?: boolean; labels?: Readonly<Record<string, string>>; template?: object }): Promise<void>
  service(name: string, selector: Readonly<Record<string, string>>): Promise<void>
  /** Waits until the slowest proxy knows so many pods behind each destination of a host: only then are lost requests somebody's fault. */
  known(host: string, pods: number): Promise<void>
  /** A push from Git: another image in the user's Deployment. */
  push(name: string, image: string): Promise<void>
  /** Creates the Rollout, or replaces its spec. */
  rollout(name: string, spec: RolloutSpec): Promise<KubeObject>
  get(path: string): Promise<KubeObject | undefined>
  /** `{group}/{version}/{plural}` and the object: created, or its fields merged into the one that is there. */
  apply(resource: string, object: object): Promise<KubeObject>
  remove(resource: string, name: string): Promise<void>
  status(name: string): Promise<RolloutStatus | undefined>
  /** Waits for a status. The time-out's error shows the last one. */
  reach(name: string, what: string, holds: (status: RolloutStatus) => boolean, timeoutMs?: number): Promise<RolloutStatus>
  /** Waits until a journey of this image has ended, and returns its outcome. */
  outcome(name: string, image: string, timeoutMs?: number): Promise<string>
  /** A RolloutRequest for the canary of now, a Retry for the revision that failed last. Returns its name. */
  ask(name: string, action: string, extra?: object): Promise<string>
  /** Every split that the route object has had, in percent of the canary, in order. Call it before the journey. */
  watchSplit(resource: string, object: string): { readonly seen: readonly number[]; stop(): void }
}

/** The path of a collection in a namespace; the core group is written `v1/pods`. */
function collection(resource: string, namespace: string): string {
  const parts = resource.split('/')
  const plural = parts.pop()
  return `/${parts.length === 1 ? 'api' : 'apis'}/${parts.join('/')}/namespaces/${namespace}/${plural}`
}

const rollouts = 'sluice.dev/v1alpha1/rollouts'

function makeScene(plane: ControlPlane, mesh: Mesh, controller: Controller, namespace: string): Scene {
  const get = async (path: string) => {
    const { status, body } = await plane.request('GET', path)
    return status === 200 ? (body as KubeObject) : undefined
  }
  const apply = async (resource: string, object: any): Promise<KubeObject> => {
    const all = collection(resource, namespace)
    const made = await plane.request('POST', all, object)
    const done = made.status === 409 ? await plane.request('PATCH', `${all}/${object.metadata.name}`, object) : made
    if (done.status !== 200 && done.status !== 201) throw new Error(`${resource} ${object.metadata.name}: ${JSON.stringify(done.body)}`)
    return done.body
  }
  const status = async (name: string) => (await get(`${collection(rollouts, namespace)}/${name}`))?.status as RolloutStatus | undefined
  const reach: Scene['reach'] = (name, what, holds, timeoutMs = 90_000) =>
    until(`${namespace}/${name}: ${what}`, async () => {
      const now = await status(name)
      return now && holds(now) ? now : undefined
    }, { timeoutMs, everyMs: 200, hint: async () => ({ ...brief(await status(name), mesh, namespace), log: controller.logs().filter((line) => line.namespace === namespace || line.namespace === undefined).slice(-15).map((line) => JSON.stringify(line)) }) })
  const service: Scene['service'] = async (name, selector) => {
    await apply('v1/services', { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 8080 }] } })
  }
  const known: Scene['known'] = async (host, pods) => {
    await until(`the mesh to know ${pods} pods behind ${host}`, () => {
      const routing = mesh.routing({ namespace, host })
      return 'arms' in routing && routing.arms.every((arm) => arm.pods.length >= pods)
    })
  }
  return {
    namespace, get, apply, status, reach, service, known,
    async remove(resource, name) {
      await plane.request('DELETE', `${collection(resource, namespace)}/${name}`)
    },
    async deploy(name, image, { replicas = 2, service: withService = true, labels = { app: name }, template = {} } = {}) {
      await apply('apps/v1/deployments', {
        apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
        spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'app', image, ports: [{ containerPort: 8080 }] }], ...template } } },
      })
      if (withService) await service(name, labels)
      await until(`${name} to be ready`, async () => (await get(`${collection('apps/v1/deployments', namespace)}/${name}`))?.status?.readyReplicas === replicas)
      if (withService) await known(name, replicas)
    },
    async push(name, image) {
      const patch = [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: image }]
      const done = await plane.request('PATCH', `${collection('apps/v1/deployments', namespace)}/${name}`, patch)
      if (done.status !== 200) throw new Error(JSON.stringify(done.body))
    },
    async rollout(name, spec) {
      const path = `${collection(rollouts, namespace)}/${name}`
      const there = await get(path)
      if (!there) return await apply(rollouts, { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name }, spec })
      const done = await plane.request('PATCH', path, [{ op: 'replace', path: '/spec', value: spec }])
      if (done.status !== 200) throw new Error(JSON.stringify(done.body))
      return done.body
    },
    async outcome(name, image, timeoutMs = 120_000) {
      const ended = await reach(name, `the end of ${image}`, (now) => now.history.some((entry) => entry.images?.includes(image)) && now.journey?.ended !== undefined, timeoutMs)
      return ended.history.find((entry) => entry.images?.includes(image))!.outcome
    },
    async ask(name, action, extra = {}) {
      const now = await status(name)
      const request = `${name}-${action.toLowerCase()}-${Math.random().toString(36).slice(2, 8)}`
      await apply('sluice.dev/v1alpha1/rolloutrequests', {
        apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: request },
        spec: { rolloutName: name, action, revision: action === 'Retry' ? now?.failed.at(-1)?.revision : (now?.canary?.revision ?? now?.stable?.revision), reason: 'a test', ...extra },
      })
      return request
    },
    watchSplit(resource, object) {
      const ending = new AbortController()
      const seen: number[] = []
      follow(plane, collection(resource, namespace), ending.signal, (key, now) => {
        if (key !== `${namespace}/${object}` || !now) return
        const share = canaryShare(now)
        if (share !== undefined && seen.at(-1) !== share) seen.push(share)
      })
      return { seen, stop: () => ending.abort() }
    },
  }
}

/** The share of the canary's arm (the second destination, or the one named `-canary`) in the first route that has two. */
function canaryShare(object: KubeObject): number | undefined {
  if (object.spec.rules) return canaryShareOf(object.spec.rules.map((rule: any) => rule.backendRefs ?? []))
  const routes: any[] = object.spec.http?.map((route: any) => route.route ?? []) ?? [object.spec.backends ?? []]
  return canaryShareOf(routes)
}

function canaryShareOf(routes: readonly any[]): number | undefined {
  const arms = routes.find((route) => route.length === 2)
  if (!arms) return undefined
  const weights = arms.map((arm: any) => weightOf(arm.weight))
  return (100 * weights[1]) / (weights[0] + weights[1])
}

function weightOf(weight: string | number | undefined): number {
  const text = String(weight ?? 0)
  return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text)
}

function brief(status: RolloutStatus | undefined, mesh: Mesh, namespace: string): object {
  if (!status) return { status: 'none' }
  const { phase, message, journey, checks, decisions, stable, canary, failed, conditions, history } = status
  return {
    phase, message, stable, canary, failed, journey, history,
    checks: checks.map(({ name, verdict, value, total, bad, message: why }) => ({ name, verdict, value, total, bad, why })),
    decisions: decisions.slice(-5), conditions: conditions.map(({ type, status: holds, reason, message: text }) => `${type}=${holds} ${reason}: ${text}`),
    served: mesh.served(namespace), nowhere: mesh.nowhere(namespace),
  }
}
