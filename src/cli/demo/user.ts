/** What the demo's user does, over the same HTTP API as everybody: applies the shop, releases versions, looks on. */
import type { KubeObject, Resource } from '../../rollout/objects.ts'
import type { Clock } from '../../telemetry/clock.ts'
import { deployments, refused, rollouts, type Cluster } from '../connect.ts'
import { follow, type Following } from '../follow.ts'
import { CliFailure, type Io } from '../io.ts'
import type { RolloutObject } from '../view.ts'
import { app, deployment, namespace, rollout, service, shop } from './objects.ts'
import { repository } from './scenarios.ts'

const namespaces: Resource = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }
const services: Resource = { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true }

/** The shop before Sluice: a Deployment and its Service. */
export async function applyShop({ api }: Cluster): Promise<void> {
  for (const [resource, object] of [[namespaces, shop], [deployments, deployment], [services, service]] as const) accepted(await api.create(resource, object))
}
/** From now on Sluice looks after it. */
export async function applyRollout({ api }: Cluster): Promise<void> {
  accepted(await api.create(rollouts, rollout))
}
/** As `kubectl set image deployment/checkout checkout=…` does. */
export async function release({ api }: Cluster, version: string): Promise<void> {
  const [container] = deployment.spec.template.spec.containers
  const containers = [{ ...container, image: `${repository}:${version}` }]
  accepted(await api.patch(deployments, namespace, app, { spec: { template: { spec: { containers } } } }))
}
function accepted(answer: Awaited<ReturnType<Cluster['api']['get']>>): void {
  if (!answer.ok) throw refused(answer)
}

/** Ctrl-C came while something was awaited. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}
export interface Look {
  readonly rollout: RolloutObject | undefined
  /** Deployments of the namespace. */
  readonly workloads: readonly KubeObject[]
}
/** `what` did not happen within `ms` of this clock. */
export interface Deadline {
  readonly clock: Pick<Clock, 'setTimeout'>
  readonly ms: number
  readonly what: string
}
/** The shop as its user sees it, kept up to date by watches. */
export class Watched {
  #look: Look = { rollout: undefined, workloads: [] }
  readonly #listeners = new Set<(look: Look) => void>()
  readonly #followings: readonly Following[]
  readonly #failed: Promise<never>
  readonly #stopped: AbortSignal

  constructor(cluster: Cluster, io: Io) {
    this.#stopped = io.stopped
    const changed = (look: Partial<Look>) => {
      this.#look = { ...this.#look, ...look }
      for (const listener of [...this.#listeners]) listener(this.#look)
    }
    this.#followings = [
      follow(cluster, io, rollouts, { namespace, fieldSelector: `metadata.name=${app}` }, all => changed({ rollout: only(all) })),
      follow(cluster, io, deployments, { namespace }, all => changed({ workloads: [...all.values()] })),
    ]
    this.#failed = Promise.all(this.#followings.map(({ ended }) => ended)).then(() => Promise.reject(new Interrupted()))
    this.#failed.catch(() => {})
  }

  get look(): Look {
    return this.#look
  }

  /** Calls back with every change, the present state first. */
  listen(listener: (look: Look) => void): { cancel(): void } {
    this.#listeners.add(listener)
    listener(this.#look)
    return { cancel: () => void this.#listeners.delete(listener) }
  }

  /** What `find` finds in the present state or in one of the next. `late` ends the wait with its message. Rejects with Interrupted after Ctrl-C. */
  async until<T>(find: (look: Look) => T | undefined, late: Deadline): Promise<T> {
    if (this.#stopped.aborted) throw new Interrupted()
    const found = Promise.withResolvers<T>()
    const listening = this.listen(look => {
      const result = find(look)
      if (result !== undefined) found.resolve(result)
    })
    const timer = late.clock.setTimeout(() => {
      const message = this.#look.rollout?.status?.message ?? 'none'
      found.reject(new CliFailure(`${late.what} within ${late.ms / 60_000} simulated minutes; the last message was: ${message}`))
    }, late.ms)
    try {
      return await Promise.race([found.promise, this.#failed])
    } finally {
      timer.cancel()
      listening.cancel()
    }
  }

  async stop(): Promise<void> {
    for (const following of this.#followings) following.stop()
    await Promise.allSettled(this.#followings.map(({ ended }) => ended))
  }
}

function only(all: ReadonlyMap<string, KubeObject>): RolloutObject | undefined {
  return [...all.values()][0] as unknown as RolloutObject | undefined
}
