import { expect, test } from 'vitest'
import type { KubeApi, Result } from '../../../src/kube/api.ts'
import { dropOwnership, dropPatch } from '../../../src/kube/ownership.ts'
import type { KubeObject, ManagedFieldsEntry } from '../../../src/rollout/objects.ts'
import { deployment, deployments } from './server.ts'

const entry = (manager: string): ManagedFieldsEntry => ({ manager, operation: 'Update' })
const object = (...managers: string[]): KubeObject => ({ ...deployment('cart'), metadata: { ...deployment('cart').metadata, managedFields: managers.map(entry) } })

test('each entry of ours is tested and removed, from the end', () => {
  expect(dropPatch([entry('sluice'), entry('flux'), entry('sluice')], 'sluice')).toEqual([
    { op: 'test', path: '/metadata/managedFields/2/manager', value: 'sluice' }, { op: 'remove', path: '/metadata/managedFields/2' },
    { op: 'test', path: '/metadata/managedFields/0/manager', value: 'sluice' }, { op: 'remove', path: '/metadata/managedFields/0' },
  ])
})
test('where ours is the only entry it keeps nothing but our annotation, and only while the list is what was seen', () => {
  const mark = { 'f:metadata': { 'f:annotations': { 'f:sluice.dev/closed-to': {} } } }
  const ours = { ...entry('sluice'), apiVersion: 'v1', fieldsV1: { 'f:spec': { 'f:http': {} } } }
  expect(dropPatch([ours], 'sluice')).toEqual([
    { op: 'test', path: '/metadata/managedFields', value: [ours] }, { op: 'replace', path: '/metadata/managedFields', value: [{ ...ours, fieldsV1: mark }] },
  ])
  expect(dropPatch([{ ...ours, fieldsV1: mark }], 'sluice')).toEqual([])
  expect(dropPatch([{ ...ours, fieldsV1: mark }, entry('git')], 'sluice')).toEqual([])
})

function api(patches: Result<KubeObject>[], read: Result<KubeObject>): { api: KubeApi; asked: unknown[] } {
  const asked: unknown[] = []
  return {
    asked,
    api: {
      patch: async (_: unknown, __: unknown, ___: unknown, patch: unknown) => (asked.push(patch), patches.shift() ?? { ok: false, reason: 'TestFailed', message: 'no' }),
      get: async () => (asked.push('get'), read),
    } as unknown as KubeApi,
  }
}
const lost: Result<KubeObject> = { ok: false, reason: 'TestFailed', message: 'lost' }

test('nothing of ours, nothing to do', async () => {
  const { api: kube, asked } = api([], lost)
  expect(await dropOwnership(kube, deployments, object('flux'))).toMatchObject({ ok: true })
  expect(asked).toEqual([])
})
test('a lost test is read again and retried', async () => {
  const { api: kube, asked } = api([lost, { ok: true, value: object('flux') }], { ok: true, value: object('flux', 'kubectl', 'sluice') })
  expect(await dropOwnership(kube, deployments, object('flux', 'sluice'))).toMatchObject({ ok: true, value: object('flux') })
  expect(asked[0]).toContainEqual({ op: 'test', path: '/metadata/uid', value: 'uid-cart' })
  expect(asked[2]).toContainEqual({ op: 'remove', path: '/metadata/managedFields/2' })
})
test('it ends where others always win, and where the object is another one', async () => {
  const { api: kube, asked } = api([], { ok: true, value: object('flux', 'sluice') })
  expect(await dropOwnership(kube, deployments, object('flux', 'sluice'))).toMatchObject({ ok: false, reason: 'TestFailed' })
  expect(asked.filter((one) => one !== 'get')).toHaveLength(4)
  const another = object('sluice')
  const { api: second, asked: twice } = api([lost], { ok: true, value: { ...another, metadata: { ...another.metadata, uid: 'another' } } })
  expect(await dropOwnership(second, deployments, object('sluice'))).toMatchObject({ ok: false })
  expect(twice).toHaveLength(2)
})
