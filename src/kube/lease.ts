/** Leader election by a coordination.k8s.io/v1 Lease, after client-go: one holder, others wait until its lease stands still for its whole duration. */
import type { Failure, KubeApi, Result } from './api.ts'
import { pause, type Clock } from './clock.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'

export const leaseResource: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true }

export interface LeaseOptions {
  readonly api: KubeApi
  readonly clock: Clock
  readonly namespace: string
  readonly name: string
  /** Unique to this process. */
  readonly identity: string
  /** In [0, 1), so that waiting candidates do not all try at once. */
  readonly random: () => number
  /** Called each time the lease is won. */
  readonly started: () => void
  /** Called each time the lease is lost or given back, exactly once for each `started`. */
  readonly stopped: (reason: string) => void
  /** A request or a callback failed; the election goes on. */
  readonly onProblem?: (message: string) => void
  /** A holder unseen for this long is replaced. Default 15 s. */
  readonly leaseDurationMs?: number
  /** The holder gives up when no renewal succeeded for this long. Default 10 s. */
  readonly renewDeadlineMs?: number
  /** Between renewals or tries. Default 2 s. */
  readonly retryPeriodMs?: number
  /** Time limit of one request, and how long a write sent just before fencing may take effect. Default 4 s. */
  readonly requestTimeoutMs?: number
}
export interface Lease {
  /** Holds the lease, as far as is known. */
  readonly leading: boolean
  /** Who holds the lease, as last read; undefined when nobody does or nothing was read yet. */
  readonly holder: string | undefined
  /**
   * May a write that gives traffic be sent now? Synchronous, to be asked before every one: false once a new leader could act before that write's time limit is over, also when this process slept.
   * False for whoever does not hold the lease.
   */
  mayRaise(): boolean
  /** Gives the lease back, so that the next leader need not wait. Resolves when no request is under way. */
  stop(): Promise<void>
}

/** For clocks that run differently and a write that waits in a queue of the kernel, ms. */
const fenceMargin = 1_000

/** What was read of the lease last. */
interface Observed {
  readonly object: KubeObject
  /** `clock.monotonic()` when this content was first seen. */
  readonly since: number
}

/** Starts to compete at once. */
export function startLease(options: LeaseOptions): Lease {
  const { api, clock, namespace, name, identity } = options
  const duration = options.leaseDurationMs ?? 15_000
  const renewDeadline = options.renewDeadlineMs ?? 10_000
  const period = options.retryPeriodMs ?? 2_000
  const timeoutMs = options.requestTimeoutMs ?? 4_000
  const call = { urgent: true, timeoutMs }
  const control = new AbortController()
  let observed: Observed | undefined
  let leading = false
  /** When the last renewal that succeeded was sent, `monotonic`. From then on, not from its answer, others count. */
  let renewalSent = -Infinity

  const problem = (message: string): void => guarded(() => options.onProblem?.(message))
  const see = (object: KubeObject): void => {
    if (observed?.object.metadata.resourceVersion !== object.metadata.resourceVersion) observed = { object, since: clock.monotonic() }
  }
  const change = (to: boolean, reason: string): void => {
    if (leading === to) return
    leading = to
    try {
      if (to) options.started()
      else options.stopped(reason)
    } catch (error) {
      problem(`a callback of the lease ${namespace}/${name} failed: ${String(error)}`)
    }
  }
  const write = async (): Promise<Result<KubeObject>> => {
    const sent = clock.monotonic()
    const object = leaseObject(options, duration, observed?.object, clock.now())
    const answer = observed ? await api.replace(leaseResource, object, undefined, call) : await api.create(leaseResource, object, call)
    if (!answer.ok) return answer
    renewalSent = sent
    see(answer.value)
    return answer
  }
  const read = async (): Promise<Failure | undefined> => {
    const answer = await api.get(leaseResource, namespace, name, undefined, call)
    if (answer.ok) return void see(answer.value)
    if (answer.reason !== 'NotFound') return answer
    observed = undefined
    return undefined
  }
  /** Someone else holds it, and not for longer than they may. */
  const takenByOther = (): boolean => {
    const spec = observed?.object.spec
    const holder = spec?.holderIdentity
    if (!observed || !holder || holder === identity) return false
    const theirs = typeof spec.leaseDurationSeconds === 'number' ? spec.leaseDurationSeconds * 1000 : duration
    return clock.monotonic() - observed.since < theirs
  }
  const renew = async (): Promise<void> => {
    const answer = await write()
    if (!answer.ok) {
      problem(answer.message)
      // Written by somebody, or by us with an answer that was lost: the content says who holds it. Other failures are simply tried again.
      const failure = answer.reason === 'Conflict' || answer.reason === 'NotFound' || answer.reason === 'AlreadyExists' ? await read() : answer
      if (!failure && observed?.object.spec?.holderIdentity !== identity) return change(false, `the lease is held by ${observed?.object.spec?.holderIdentity || 'nobody'}`)
    }
    if (clock.monotonic() - renewalSent >= renewDeadline) change(false, `the lease could not be renewed for ${renewDeadline / 1000} s`)
  }
  const acquire = async (): Promise<void> => {
    const failure = await read()
    if (failure) return problem(failure.message)
    if (takenByOther() || control.signal.aborted) return
    const answer = await write()
    if (answer.ok) change(true, '')
    else if (answer.reason !== 'Conflict' && answer.reason !== 'AlreadyExists') problem(answer.message)
  }
  const run = async (): Promise<void> => {
    while (!control.signal.aborted) {
      const began = clock.monotonic()
      await (leading ? renew() : acquire())
      const spent = clock.monotonic() - began
      const next = leading ? period : period * (1 + 0.2 * options.random())
      if (!control.signal.aborted) await pause(clock, Math.max(100, next - spent), control.signal).done
    }
    const held = leading
    change(false, 'stopped')
    if (held) await release(options, observed?.object, call, problem)
  }
  const running = run()
  return {
    get leading() {
      return leading
    },
    get holder() {
      return observed?.object.spec?.holderIdentity || undefined
    },
    mayRaise: () => leading && !control.signal.aborted && clock.monotonic() - renewalSent < duration - timeoutMs - fenceMargin,
    stop: () => {
      control.abort()
      return running
    },
  }
}

function leaseObject({ namespace, name, identity }: LeaseOptions, duration: number, last: KubeObject | undefined, now: number): KubeObject {
  const time = microTime(now)
  const spec = last?.spec ?? {}
  const same = spec.holderIdentity === identity
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: last ? last.metadata : { name, namespace },
    spec: {
      ...spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(duration / 1000),
      acquireTime: same && spec.acquireTime ? spec.acquireTime : time,
      renewTime: time,
      leaseTransitions: (spec.leaseTransitions ?? 0) + (last && !same ? 1 : 0),
    },
  }
}

/** A lease without a holder is free at once. Whoever took it meanwhile wins by resourceVersion. */
async function release({ api, clock }: LeaseOptions, last: KubeObject | undefined, call: { urgent: boolean; timeoutMs: number }, problem: (message: string) => void): Promise<void> {
  if (!last) return
  const { holderIdentity: _, ...spec } = last.spec ?? {}
  const time = microTime(clock.now())
  const answer = await api.replace(leaseResource, { ...last, spec: { ...spec, leaseDurationSeconds: 1, renewTime: time, acquireTime: time } }, undefined, call)
  if (!answer.ok && answer.reason !== 'Conflict') problem(answer.message)
}

/** The API server wants six digits after the second. */
function microTime(now: number): string {
  return new Date(now).toISOString().replace('Z', '000Z')
}

function guarded(call: () => void): void {
  try {
    call()
  } catch {
    // Whoever cannot even hear of a problem must not end the election.
  }
}
