/**
 * What implementations of the Gateway API write into `status.parents`. For Gateways as most do, with the observed generation; for Services as Linkerd's policy
 * controller does, with the group `core` and without a generation. Nothing is accepted while the route names a Service that does not exist.
 */
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { follow, type Followed } from './follow.ts'
import { parentsOf } from './gateway-routes.ts'
import { sleep } from './process.ts'

const plurals = ['httproutes', 'grpcroutes'] as const
type Plural = (typeof plurals)[number]

export interface GatewayController {
  /** Refuses routes of this Gateway (`namespace/name`) from now on, for this reason of Accepted. */
  refuse(gateway: string, reason: string): void
  stop(): Promise<void>
}

/** Starts the model. `delayMs`: how long it takes to answer, default 200. */
export async function startGatewayController(plane: ControlPlane, delayMs = 200): Promise<GatewayController> {
  const ending = new AbortController()
  const refused = new Map<string, string>()
  const due = new Set<string>()
  const running = new Set<Promise<void>>()
  const answered = async (plural: Plural, key: string): Promise<void> => {
    await sleep(delayMs)
    due.delete(`${plural}/${key}`)
    for (let tries = 0; tries < 20 && !ending.signal.aborted; tries++) {
      if (await answer(plane, plural, routes[plural].objects.get(key), services.objects, refused).catch(() => false)) return
      await sleep(100)
    }
  }
  /** Routes do not wait for each other, and what happens to one within the delay is answered at once. */
  const again = (plural: Plural, key: string): void => {
    if (due.has(`${plural}/${key}`)) return
    due.add(`${plural}/${key}`)
    const run = answered(plural, key)
    running.add(run)
    void run.finally(() => running.delete(run))
  }
  const all = (): void => {
    for (const plural of plurals) for (const key of routes[plural].objects.keys()) again(plural, key)
  }
  const services = follow(plane, '/api/v1/services', ending.signal, all)
  const followed = (plural: Plural): Followed => follow(plane, `/apis/gateway.networking.k8s.io/v1/${plural}`, ending.signal, (key) => again(plural, key))
  const routes: Readonly<Record<Plural, Followed>> = { httproutes: followed('httproutes'), grpcroutes: followed('grpcroutes') }
  await Promise.all([services, ...Object.values(routes)].map(({ synced }) => synced))
  return {
    refuse(gateway, reason) {
      refused.set(gateway, reason)
      all()
    },
    async stop() {
      ending.abort()
      await Promise.all(running)
    },
  }
}

async function answer(
  plane: ControlPlane, plural: Plural, route: KubeObject | undefined, services: ReadonlyMap<string, KubeObject>, refused: ReadonlyMap<string, string>,
): Promise<boolean> {
  if (!route) return true
  const { namespace, name, generation } = route.metadata
  const refs: any[] = (route.spec.rules ?? []).flatMap((rule: any) => rule.backendRefs ?? [])
  const absent = refs.find((ref) => !services.has(`${ref.namespace ?? namespace}/${ref.name}`))
  const condition = (type: string, reason: string, holds: boolean): object => ({
    type, reason, status: holds ? 'True' : 'False', message: '', lastTransitionTime: '2026-11-23T00:00:00Z',
  })
  const parents = parentsOf(route).map((parent) => {
    const service = parent.kind === 'Service'
    const why = service ? undefined : refused.get(`${parent.namespace ?? namespace}/${parent.name}`)
    const conditions = [
      condition('Accepted', why ?? 'Accepted', why === undefined), condition('ResolvedRefs', absent ? 'BackendNotFound' : 'ResolvedRefs', absent === undefined),
    ]
    return service
      ? { parentRef: { ...parent, group: 'core', namespace: parent.namespace ?? namespace }, controllerName: 'linkerd.io/policy-controller', conditions }
      : { parentRef: parent, controllerName: 'example.com/gateway', conditions: conditions.map((one) => ({ ...one, observedGeneration: generation })) }
  })
  if (JSON.stringify(route['status']?.parents) === JSON.stringify(parents)) return true
  const path = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/${plural}/${name}/status`
  // A route that has changed since is answered for as it is then.
  const put = await plane.request('PUT', path, { ...route, status: { parents } })
  return put.status === 200 || put.status === 404 || put.status === 409
}
