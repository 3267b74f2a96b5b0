import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Failure, KubeApi, Result } from '../../../src/kube/api.ts'
import { startLease, type Lease, type LeaseOptions } from '../../../src/kube/lease.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { SimulatedClock } from '../../../src/sandbox/clock.ts'

const unavailable: Failure = { ok: false, reason: 'Unavailable', message: 'away' }

/** One Lease object with optimistic concurrency. `fault` may answer instead; `hang` takes the whole time limit. */
function makeServer(clock: SimulatedClock) {
  let stored: KubeObject | undefined
  let version = 0
  const server = { fault: undefined as Failure | undefined, hang: false, writes: 0, get stored() { return stored }, set stored(object) { stored = object } }
  const answer = async (act: () => Result<KubeObject>): Promise<Result<KubeObject>> => {
    if (!server.hang) return server.fault ?? act()
    await new Promise<void>((done) => clock.setTimeout(done, 4_000))
    return { ok: false, reason: 'Timeout', message: 'no answer' }
  }
  const keep = (object: KubeObject): Result<KubeObject> => {
    server.writes++
    stored = structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } })
    return { ok: true, value: structuredClone(stored) }
  }
  const api = {
    get: () => answer(() => (stored ? { ok: true, value: structuredClone(stored) } : { ok: false, reason: 'NotFound', message: 'none' })),
    create: (_: unknown, object: KubeObject) => answer(() => (stored ? { ok: false, reason: 'AlreadyExists', message: 'there' } : keep(object))),
    replace: (_: unknown, object: KubeObject) => answer(() => {
      if (!stored) return { ok: false, reason: 'NotFound', message: 'none' }
      return stored.metadata.resourceVersion === object.metadata.resourceVersion ? keep(object) : { ok: false, reason: 'Conflict', message: 'modified' }
    }),
  } as unknown as KubeApi
  return { api, server }
}

let clock: SimulatedClock
let leases: Lease[]
let told: string[]
beforeEach(() => {
  clock = new SimulatedClock()
  leases = []
  told = []
})
afterEach(async () => {
  for (const lease of leases) {
    const stopped = lease.stop()
    await clock.advance(30_000)
    await stopped
  }
})
const compete = (api: KubeApi, identity: string, options: Partial<LeaseOptions> = {}): Lease => {
  const lease = startLease({
    api, clock, namespace: 'sluice', name: 'sluice', identity, random: () => 0,
    started: () => told.push(`${identity} leads`), stopped: (reason) => told.push(`${identity}: ${reason}`), ...options,
  })
  leases.push(lease)
  return lease
}

test('the first takes it, the second waits until it is given back, and then at once', async () => {
  const { api, server } = makeServer(clock)
  const a = compete(api, 'a')
  await clock.advance(1_000)
  const b = compete(api, 'b')
  await clock.advance(60_000)
  expect([a.leading, b.leading, b.holder]).toEqual([true, false, 'a'])
  expect([a.mayRaise(), b.mayRaise()]).toEqual([true, false])
  expect(server.stored?.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0, renewTime: expect.stringMatching(/\.\d{6}Z$/) })
  const stopped = a.stop()
  expect(a.mayRaise()).toBe(false)
  await clock.advance(2_000)
  await stopped
  expect(told).toEqual(['a leads', 'a: stopped', 'b leads'])
  expect(server.stored?.spec.leaseTransitions).toBe(1)
})

test('a holder that vanished is replaced after its lease stood still for the whole duration, not before', async () => {
  const { api } = makeServer(clock)
  const silent = { fault: undefined as Failure | undefined }
  const cut = new Proxy(api, { get: (target, key) => (...args: unknown[]) => silent.fault ?? (target as any)[key](...args) })
  compete(cut, 'a')
  await clock.advance(1_000)
  const b = compete(api, 'b')
  await clock.advance(1_000)
  silent.fault = unavailable
  await clock.advance(13_000)
  expect(b.leading).toBe(false)
  await clock.advance(7_000)
  expect(b.leading).toBe(true)
  expect(told).toEqual(['a leads', 'a: the lease could not be renewed for 10 s', 'b leads'])
})

test('two never may raise at the same time, whatever the server does, and a holder that hears nothing fences itself in time', async () => {
  const { api, server } = makeServer(clock)
  const a = compete(api, 'a')
  await clock.advance(1_000)
  const b = compete(api, 'b')
  await clock.advance(3_000)
  server.hang = true
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000)
    expect(a.mayRaise() && b.mayRaise()).toBe(false)
    if (second === 13) expect(a.mayRaise()).toBe(false)
    if (second === 20) server.hang = false
  }
  expect(a.leading || b.leading).toBe(true)
})

test('a process that slept may not raise, though nobody told it', async () => {
  const { api } = makeServer(clock)
  const a = compete(api, 'a')
  await clock.advance(5_000)
  expect(a.mayRaise()).toBe(true)
  const asleep = clock.monotonic() + 11_000
  clock.monotonic = () => asleep
  expect(a.leading).toBe(true)
  expect(a.mayRaise()).toBe(false)
})

test('a short outage loses nothing', async () => {
  const { api, server } = makeServer(clock)
  const problems: string[] = []
  const a = compete(api, 'a', { onProblem: (message) => problems.push(message) })
  await clock.advance(1_000)
  server.fault = unavailable
  await clock.advance(6_000)
  server.fault = undefined
  await clock.advance(10_000)
  expect(a.leading).toBe(true)
  expect(told).toEqual(['a leads'])
  expect(problems).toContain('away')
})

test('a renewal whose answer was lost is recognised as our own', async () => {
  const { api, server } = makeServer(clock)
  const a = compete(api, 'a')
  await clock.advance(1_000)
  server.stored = { ...server.stored!, metadata: { ...server.stored!.metadata, resourceVersion: 'written-by-us' } }
  await clock.advance(10_000)
  expect(a.leading).toBe(true)
  expect(told).toEqual(['a leads'])
})

test('a lease that somebody took, or deleted, is lost at once', async () => {
  const { api, server } = makeServer(clock)
  compete(api, 'a')
  await clock.advance(1_000)
  server.stored = { ...server.stored!, metadata: { ...server.stored!.metadata, resourceVersion: 'x' }, spec: { ...server.stored!.spec, holderIdentity: 'b' } }
  await clock.advance(2_500)
  expect(told).toEqual(['a leads', 'a: the lease is held by b'])
  server.stored = undefined
  await clock.advance(2_500)
  expect(told.at(-1)).toBe('a leads')
  server.stored = undefined
  await clock.advance(2_500)
  expect(told.slice(3)).toEqual(['a: the lease is held by nobody'])
})

test('a callback that throws does not end the election', async () => {
  const { api, server } = makeServer(clock)
  const a = compete(api, 'a', { started: () => { throw new Error('boom') } })
  await clock.advance(10_000)
  expect(a.leading).toBe(true)
  expect(server.writes).toBeGreaterThan(3)
})
