import { describe, expect, test } from 'vitest'
import { absentMs, goneRollouts, observeGone, type Absences } from '../../../src/controller/gone.ts'
import { templateHash } from '../../../src/revision/naming.ts'
import type { Action } from '../../../src/rollout/actions.ts'
import { Cluster, deployment, now, rollout, settings } from './cluster.ts'

const key = 'shop/cart'
const r1 = `cart-${templateHash(deployment('cart:1'))}`
async function adopted(spec: any = {}): Promise<Cluster> {
  const cluster = new Cluster(rollout(spec), deployment())
  const actions: readonly Action[] = [{ type: 'CreateRevision', revision: r1, replicas: 3 }, { type: 'TurnDoor', door: 'stable', to: r1 }, { type: 'TurnDoor', door: 'canary', to: r1 }, { type: 'TurnDoor', door: 'own', to: r1 }, { type: 'CreateRoute', route: `VirtualService/shop/${spec.service?.name ?? 'cart'}`, canaryDoor: 0 }]
  for (const action of actions) expect(await cluster.do(key, action)).toMatchObject({ ok: true })
  return cluster
}

describe('gone', () => {
  test('is a Rollout that was absent for a minute, and no longer if it comes back', async () => {
    const cluster = await adopted()
    const absences: Absences = new Map()
    expect(goneRollouts(cluster, absences, now)).toEqual({ due: [] })
    cluster.remove('Rollout', 'shop', 'cart')
    expect(goneRollouts(cluster, absences, now)).toEqual({ due: [], wakeAt: now + absentMs })
    expect(goneRollouts(cluster, absences, now + absentMs - 1).due).toEqual([])
    expect(goneRollouts(cluster, absences, now + absentMs)).toEqual({ due: [key] })
    cluster.put(rollout())
    expect(goneRollouts(cluster, absences, now + absentMs)).toEqual({ due: [] })
    expect(observeGone(cluster, key, settings, new Map(), now).state).toBe('Gone')
  })
  test.each(['NotServed', 'Syncing'] as const)('is nobody while Rollouts are %s, and the minute begins anew', async (state) => {
    const cluster = await adopted()
    const absences: Absences = new Map()
    cluster.remove('Rollout', 'shop', 'cart')
    goneRollouts(cluster, absences, now)
    cluster.states.set('Rollout', state)
    expect(goneRollouts(cluster, absences, now + absentMs)).toEqual({ due: [] })
    expect(observeGone(cluster, key, settings, new Map(), now).state).toBe('Syncing')
    cluster.states.delete('Rollout')
    expect(goneRollouts(cluster, absences, now + absentMs)).toMatchObject({ due: [], wakeAt: now + 2 * absentMs })
  })
  test('what is left is seen as a Rollout that is being deleted, with routes and policy from memory', async () => {
    const cluster = await adopted({ deletionPolicy: 'Orphan' })
    cluster.remove('Rollout', 'shop', 'cart')
    const observation = observeGone(cluster, key, settings, new Map(), now)
    expect(observation).toMatchObject({ state: 'Seen', problems: [], plan: { deletionPolicy: 'Orphan', workload: 'cart' }, seen: {
      rollout: { deleting: true, hasFinalizer: false }, status: undefined, workload: { templateRevision: r1 }, doors: { stable: { leadsTo: r1 }, own: { leadsTo: r1 } },
      routes: [{ key: 'VirtualService/shop/cart', managed: true, state: 'Present' }],
    } })
  })
  test('its writes work, and revisions remember when the doors are gone', async () => {
    const cluster = await adopted({ service: { name: 'till', port: 80, targetPort: 8080 } })
    cluster.remove('Rollout', 'shop', 'cart')
    const look = () => {
      const observation = observeGone(cluster, key, settings, new Map(), now)
      if (observation.state !== 'Seen') throw new Error(observation.state)
      return observation
    }
    for (const door of ['stable', 'canary'] as const) await cluster.do(key, { type: 'DeleteDoor', door }, look().raw)
    expect(await cluster.do(key, { type: 'ScaleWorkload', replicas: 2 }, look().raw)).toMatchObject({ ok: true })
    cluster.remove('Service', 'shop', 'till')
    expect(look().seen).toMatchObject({ doors: { stable: { state: 'Absent' } }, revisions: [{ name: r1 }] })
    expect(look().plan.name).toBe('till')
    expect(goneRollouts(cluster, new Map([[key, 0]]), now).due).toEqual([key])
    await cluster.do(key, { type: 'DeleteRevision', revision: r1 }, look().raw)
    expect(goneRollouts(cluster, new Map([[key, 0]]), now).due).toEqual([])
  })
  test('a Service that was left leading to the user\'s pods is the user\'s', async () => {
    const cluster = await adopted()
    await cluster.do(key, { type: 'TurnDoor', door: 'own', to: 'Workload' })
    for (const door of ['stable', 'canary'] as const) await cluster.do(key, { type: 'DeleteDoor', door })
    await cluster.do(key, { type: 'DeleteRevision', revision: r1 })
    await cluster.do(key, { type: 'DeleteRoute', route: 'VirtualService/shop/cart' })
    cluster.remove('Rollout', 'shop', 'cart')
    expect(goneRollouts(cluster, new Map([[key, 0]]), now).due).toEqual([])
    cluster.put(rollout({}, { name: 'successor', uid: 'u2' }))
    expect(cluster.look('shop/successor').seen).toMatchObject({ doors: { own: { state: 'Theirs' } }, blockers: [] })
  })
  test('without any memory no route of the user is touched, and the owner says whose it is', async () => {
    const cluster = await adopted()
    cluster.remove('Rollout', 'shop', 'cart')
    for (const name of ['cart', 'cart-stable', 'cart-canary']) cluster.remove('Service', 'shop', name)
    cluster.change('Deployment', 'shop', r1, (object) => { object.metadata.annotations = {} })
    expect(observeGone(cluster, key, settings, new Map(), now)).toMatchObject({ state: 'Seen', plan: { workload: 'cart' }, seen: { routes: [], workload: { state: 'Present' } } })
  })
})
