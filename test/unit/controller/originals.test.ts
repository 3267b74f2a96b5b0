import { beforeEach, describe, expect, test } from 'vitest'
import { derived, Originals } from '../../../src/controller/originals.ts'
import type { Failure, Result } from '../../../src/kube/api.ts'
import { contentDigest } from '../../../src/revision/tracked.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { settle, Simulated } from './simulated.ts'

/** What is read of tracked objects, when, and how often. */
let clock: Simulated
let objects: Record<string, KubeObject | Failure>
let asked: string[]
let woken: string[]
let mayCreate: boolean | Failure
let answers: (() => void)[] | undefined
let originals: Originals

const object = (kind: string, name: string, data: object): KubeObject => ({ apiVersion: 'v1', kind, metadata: { name, namespace: 'shop' }, data })
const app = { kind: 'ConfigMap', name: 'app' } as const
const tls = { kind: 'Secret', name: 'tls' } as const
const failure = (reason: Failure['reason']): Failure => ({ ok: false, reason, message: 'with very-secret words' })

beforeEach(() => {
  clock = new Simulated()
  objects = { 'configmaps/app': object('ConfigMap', 'app', { a: '1' }), 'secrets/tls': object('Secret', 'tls', { p: 'c2VjcmV0' }) }
  asked = []
  woken = []
  mayCreate = true
  answers = undefined
  originals = new Originals({
    clock, random: () => 0.5, wake: (key) => void woken.push(key), derive: (plain, secret) => Promise.resolve(`slow:${secret}:${plain}`),
    api: {
      async get(resource, _namespace, name): Promise<Result<KubeObject>> {
        asked.push(`${resource.plural}/${name}`)
        if (answers) await new Promise<void>((resolve) => answers!.push(resolve))
        const found = objects[`${resource.plural}/${name}`] ?? failure('NotFound')
        return 'ok' in found ? (found as Failure) : { ok: true, value: structuredClone(found) }
      },
      async create(resource): Promise<Result<KubeObject>> {
        asked.push(resource.plural)
        return typeof mayCreate === 'boolean' ? { ok: true, value: { apiVersion: 'v1', kind: 'SelfSubjectAccessReview', metadata: { name: '' }, status: { allowed: mayCreate } } } : mayCreate
      },
    },
  })
})
const changed = (name = 'app') => originals.changed({ type: 'Applied', object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' } } })
const known = (kind: typeof app | typeof tls) => originals.content('shop', kind)

describe('a ConfigMap', () => {
  test('is read once for all who track it, and again when it changed; who tracks it looks again when its content did', async () => {
    originals.update('shop/a', [app])
    originals.update('shop/b', [app])
    await settle()
    expect(asked).toEqual(['configmaps/app'])
    expect(known(app)).toMatchObject({ state: 'Known', digest: contentDigest(objects['configmaps/app'] as KubeObject) })
    expect(woken).toEqual(['shop/a', 'shop/b'])
    changed()
    // Nobody builds on what is just being read again, and everybody who looked meanwhile looks once more.
    expect(known(app)).toBeUndefined()
    await settle()
    expect([asked.length, woken.length]).toEqual([2, 4])
    objects['configmaps/app'] = object('ConfigMap', 'app', { a: '2' })
    changed()
    changed('other')
    await settle()
    expect([asked.length, woken.length]).toEqual([3, 6])
    await clock.advance(3_600_000)
    expect(asked.length).toBe(3)
  })
  test('that changes while it is read is read once more', async () => {
    answers = []
    originals.update('shop/a', [app])
    await settle()
    changed()
    changed()
    objects['configmaps/app'] = object('ConfigMap', 'app', { a: '2' })
    const [first] = answers.splice(0)
    answers = undefined
    first!()
    await settle()
    expect(asked.length).toBe(2)
    expect(known(app)).toMatchObject({ digest: contentDigest(objects['configmaps/app'] as KubeObject) })
  })
  test('that is gone is missing, and known again when it is back', async () => {
    originals.update('shop/a', [app])
    await settle()
    const before = objects['configmaps/app']!
    delete objects['configmaps/app']
    changed()
    await settle()
    expect(known(app)).toEqual({ state: 'Missing' })
    objects['configmaps/app'] = before
    changed()
    await settle()
    expect(known(app)).toMatchObject({ state: 'Known' })
  })
})

describe('a Secret', () => {
  test('is read every half minute, and what may be written down is not its plain digest', async () => {
    originals.update('shop/a', [tls])
    await settle()
    expect(known(tls)).toMatchObject({ digest: expect.stringMatching(/^slow:shop\/tls:/) })
    await clock.advance(120_000)
    expect(asked.filter((one) => one === 'secrets/tls').length).toBe(5)
    expect(asked.filter((one) => one === 'selfsubjectaccessreviews').length).toBe(1)
    expect(woken).toEqual(['shop/a'])
    originals.forget('shop/a')
    await clock.advance(120_000)
    expect([asked.length, clock.pending]).toEqual([6, 0])
  })
  test('is read once more before a version is made, once for each', async () => {
    originals.update('shop/a', [tls, app])
    await settle()
    expect(originals.freshen('shop/a', 'a-1')).toBe(true)
    expect(known(tls)).toBeUndefined()
    await settle()
    expect(known(tls)).toMatchObject({ state: 'Known' })
    expect(originals.freshen('shop/a', 'a-1')).toBe(false)
    expect(originals.freshen('shop/b', 'b-1')).toBe(false)
    expect(woken.length).toBe(3)
  })
  test('that may not be read, or copied, says which Role is missing, and nothing of the answer', async () => {
    objects['secrets/tls'] = failure('Forbidden')
    originals.update('shop/a', [tls])
    await settle()
    expect(known(tls)).toMatchObject({ state: 'Forbidden', message: expect.stringMatching(/create role sluice-tracks-tls --verb=get --resource=secrets --resource-name=tls; kubectl -n shop create role sluice-copies-secrets --verb=create/) })
    objects['secrets/tls'] = object('Secret', 'tls', {})
    mayCreate = false
    await clock.advance(30_000)
    expect(known(tls)).toMatchObject({ state: 'Forbidden', message: expect.stringContaining('may not create Secrets in namespace shop') })
    mayCreate = true
    await clock.advance(30_000)
    expect(known(tls)).toMatchObject({ state: 'Known' })
    expect(JSON.stringify(woken)).not.toContain('very-secret')
  })
  test('whose API server cannot be asked for rights is tried', async () => {
    mayCreate = failure('NotFound')
    originals.update('shop/a', [tls])
    await settle()
    expect(known(tls)).toMatchObject({ state: 'Known' })
  })
  test('is digested slowly, and the same in every version of Sluice', async () => {
    const before = performance.now()
    expect(await derived('plain', 'shop/tls')).toBe('29abf3c7b32e6a901fb5')
    expect(performance.now() - before).toBeGreaterThan(5)
    expect(await derived('plain', 'shop/other')).not.toBe(await derived('plain', 'shop/tls'))
  })
})

test('what is known stays known while nobody answers, and it is asked again soon', async () => {
  originals.update('shop/a', [app, tls])
  await settle()
  const before = [known(app), known(tls)]
  objects = { 'configmaps/app': failure('Unavailable'), 'secrets/tls': failure('Timeout') }
  changed()
  await clock.advance(60_000)
  expect([known(app), known(tls)]).toEqual(before)
  expect(asked.filter((one) => one === 'configmaps/app').length).toBeGreaterThan(8)
  objects['configmaps/other'] = failure('Unavailable')
  originals.update('shop/b', [{ kind: 'ConfigMap', name: 'other' }])
  await settle()
  expect(originals.content('shop', { kind: 'ConfigMap', name: 'other' })).toEqual({ state: 'Unreadable', message: 'ConfigMap other could not be read (Unavailable)' })
})

test('stopped, it knows nothing and asks nothing', async () => {
  originals.update('shop/a', [app, tls])
  await settle()
  originals.stop()
  const before = asked.length
  await clock.advance(600_000)
  expect([asked.length, known(app), clock.pending]).toEqual([before, undefined, 0])
})
