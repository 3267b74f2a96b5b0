import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configPlaces, configRefs, renamedConfig } from '../../../src/revision/config-refs.ts'
import { revisionDeployment, settledAnnotations } from '../../../src/revision/deployment.ts'
import { revisionName, templateHash } from '../../../src/revision/naming.ts'
import { sameRevision, templateOf } from '../../../src/revision/template.ts'
import { contentDigest, copyName, copyOf, trackedIn, type TrackedRecord } from '../../../src/revision/tracked.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import '../../support/properties.ts'
import { deployment } from '../observe/cluster.ts'

/** A pod template that names `name` at one place of the table. */
function naming(path: string, name: string, optional?: boolean): any {
  const spec: any = {}
  const keys = path.split('.')
  let at = spec
  for (const key of keys.slice(0, -1)) at = key.endsWith('[]') ? (at[key.slice(0, -2)] = [{}])[0] : (at[key] = {})
  Object.assign(at, { [keys.at(-1)!]: name }, optional === undefined ? {} : { optional })
  return { spec }
}
const workload = (template: object = {}): KubeObject => deployment('cart:1', {}, { template: { metadata: { labels: { app: 'cart' } }, spec: { containers: [{ name: 'main', image: 'cart:1' }], ...template } } })
const named = { containers: [{ name: 'main', image: 'cart:1', envFrom: [{ configMapRef: { name: 'app' } }], env: [{ name: 'P', valueFrom: { secretKeyRef: { name: 'tls', key: 'p' } } }] }], volumes: [{ name: 'v', configMap: { name: 'app' } }] }
const records: readonly TrackedRecord[] = [{ kind: 'ConfigMap', name: 'app', digest: 'd1', copy: 'cart-x-1' }, { kind: 'Secret', name: 'tls', digest: 's1', copy: 'cart-x-2' }]
const made = (tracked = records) => revisionDeployment({ workload: workload(named), rollout: 'cart', revision: 'cart-x', replicas: 2, tracked })

describe('every place that names a ConfigMap or Secret', () => {
  test.each(configPlaces.map(([kind, path]) => [kind, path]))('%s at %s is found and renamed', (kind, path) => {
    expect(configRefs(naming(path, 'app'))).toEqual([{ kind, name: 'app', optional: false }])
    expect(renamedConfig(naming(path, 'app'), (ref) => (ref.kind === kind ? 'copy' : ref.name))).toEqual(naming(path, 'copy'))
    expect(configRefs(naming(path, 'app', true))).toEqual([{ kind, name: 'app', optional: true }])
  })
  test('there and back is the same template, whatever it names', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const places = fc.array(fc.tuple(fc.constantFrom(...configPlaces.map(([, path]) => path)), name, fc.boolean()), { maxLength: 8 })
    const kept = fc.array(fc.tuple(fc.constantFrom('ConfigMap' as const, 'Secret' as const), name), { maxLength: 6 })
    fc.assert(fc.property(places, kept, (all, tracked) => {
      const spec: any = { containers: [{ name: 'main', image: 'cart:1' }], volumes: [], initContainers: [], imagePullSecrets: [] }
      for (const [path, object, optional] of all) for (const [list, entries] of Object.entries(naming(path, object, optional).spec)) spec[list] = [...(spec[list] ?? []), ...(entries as any[])]
      const user = workload(spec)
      const before = structuredClone(user)
      const unique = [...new Map(tracked.map(([kind, object]) => [`${kind}/${object}`, { kind, name: object, digest: 'd', copy: `cart-x-${kind.toLowerCase()}-${object}` }])).values()]
      const revision = revisionDeployment({ workload: user, rollout: 'cart', revision: 'cart-x', replicas: 1, tracked: unique })
      expect(templateOf(revision)).toEqual(templateOf(user))
      expect(sameRevision(user, revision)).toBe(true)
      expect(user).toEqual(before)
      const copied = new Set(unique.map(({ kind, name: object }) => `${kind}/${object}`))
      expect(configRefs(revision.spec.template).filter((ref) => copied.has(`${ref.kind}/${ref.name}`))).toEqual([])
    }))
  })
  test('one that is optional at one place and not at another is needed', () => {
    const { spec } = naming('volumes[].configMap.name', 'app', true)
    expect(configRefs({ spec: { ...spec, containers: naming('containers[].envFrom[].configMapRef.name', 'app').spec.containers } })).toEqual([{ kind: 'ConfigMap', name: 'app', optional: false }])
  })
})

describe('content', () => {
  const configMap = (content: object, metadata: object = {}): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app', ...metadata }, ...content })
  test('has the same digest in every version of Sluice', () => {
    expect(contentDigest(configMap({ data: { a: '1', b: '2' } }))).toBe('exwskducabfen43zfd3t')
    expect(contentDigest({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'Opaque', data: { a: 'MQ==' } })).toBe('4itiqk6bs5lfxzwwgr22')
    expect(templateHash(workload(named), records)).toBe('agvoqqlm67')
    expect(revisionName(workload(named), () => false, records)).toBe(`cart-${templateHash(workload(named), records)}`)
  })
  test('is data alone: order, metadata and immutability change nothing', () => {
    const digest = contentDigest(configMap({ data: { a: '1', b: '2' } }))
    expect(contentDigest(configMap({ data: { b: '2', a: '1' }, binaryData: {}, immutable: true }, { labels: { x: 'y' }, resourceVersion: '9' }))).toBe(digest)
    expect(contentDigest(configMap({}))).toBe(contentDigest(configMap({ data: {} })))
    for (const other of [{ data: { a: '1' } }, { data: { a: '1', b: '3' } }, { data: { a: '1', b: '2' }, binaryData: { c: 'AA==' } }]) expect(contentDigest(configMap(other))).not.toBe(digest)
  })
  test('without anything tracked names are what they were', () => expect(templateHash(deployment('cart:1'), [])).toBe('x3hlxc6oe5'))
  test('belongs to a name as much as the template does', () => {
    const other = records.map((record) => ({ ...record, digest: `${record.digest}x` }))
    expect(templateHash(workload(named), other)).not.toBe(templateHash(workload(named), records))
    expect(templateHash(workload(named), records.map((record) => ({ ...record, copy: 'another' })))).toBe(templateHash(workload(named), records))
  })
})

describe('a revision with copies', () => {
  const now = (app: string | undefined, tls: string | undefined = 's1') => [{ kind: 'ConfigMap' as const, name: 'app', digest: app }, { kind: 'Secret' as const, name: 'tls', digest: tls }]
  test('is the template with what it began with, and no other content', () => {
    expect(sameRevision(workload(named), made(), now('d1'))).toBe(true)
    expect(sameRevision(workload(named), made(), now('d2'))).toBe(false)
    expect(sameRevision(workload(named), made(), now('d1', 's2'))).toBe(false)
  })
  test('is the template still when an original is gone, and when nothing is tracked any more', () => {
    expect(sameRevision(workload(named), made(), now(undefined, undefined))).toBe(true)
    expect(sameRevision(workload(named), made(), [])).toBe(true)
  })
  test('is the template where it reads the original and nothing is written down about that', () => {
    expect(sameRevision(workload(named), made([]), now('d1'))).toBe(true)
  })
  test('has no pods until its copies are made, and remembers webhooks without the names of copies', () => {
    const revision = made()
    expect(revision.spec.replicas).toBe(0)
    expect(revision.metadata.annotations).toHaveProperty('sluice.dev/copies-pending')
    expect(settledAnnotations(workload(named), revision)['sluice.dev/injected']).toBe(null)
    expect(made([]).spec.replicas).toBe(2)
    expect(made(records.map((record) => ({ ...record, digest: 'absent' }))).spec.replicas).toBe(2)
  })
  test('whose notes somebody destroyed is another version, and not the template by accident', () => {
    const broken = { ...made(), metadata: { ...made().metadata, annotations: { 'sluice.dev/tracked-config': '{"x"' } } }
    expect(trackedIn(broken)).toEqual([])
    expect(sameRevision(workload(named), broken, now('d1'))).toBe(false)
  })
  test('notes on the Deployment of a user mean nothing', () => {
    const user = workload(named)
    const copied = { ...user, metadata: { ...user.metadata, annotations: made().metadata.annotations! } }
    expect(trackedIn(copied)).toEqual([])
  })
})

describe('a copy', () => {
  const original: KubeObject = {
    apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' }, binaryData: { b: 'AA==' },
    metadata: { name: 'app', namespace: 'shop', labels: { 'app.kubernetes.io/instance': 'shop' }, annotations: { 'argocd.argoproj.io/tracking-id': 'shop', 'helm.sh/resource-policy': 'keep' } },
  }
  const revision = { ...made(), metadata: { ...made().metadata, uid: 'u-1' } }
  test('is immutable, of the revision, and bears no mark of whoever keeps the original', () => {
    expect(copyOf(original, records[0]!, revision, 'cart')).toEqual({
      apiVersion: 'v1', kind: 'ConfigMap', immutable: true, data: { a: '1' }, binaryData: { b: 'AA==' },
      metadata: {
        name: 'cart-x-1', namespace: 'shop', labels: { 'sluice.dev/rollout': 'cart', 'sluice.dev/revision': 'cart-x' }, annotations: { 'sluice.dev/copy-of': 'app' },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart-x', uid: 'u-1' }],
      },
    })
  })
  test.each([['kubernetes.io/tls', 'kubernetes.io/tls'], ['kubernetes.io/service-account-token', 'Opaque'], [undefined, 'Opaque']])('of a Secret of type %s is one of type %s', (type, copied) => {
    expect(copyOf({ ...original, kind: 'Secret', type }, records[1]!, revision, 'cart')).toMatchObject({ kind: 'Secret', type: copied, immutable: true })
  })
  test('of what is absent does not exist', () => expect(copyOf(original, { ...records[0]!, digest: 'absent' }, revision, 'cart')).toBeUndefined())
  test('has a name of at most 63 characters that differs by object, content and time', () => {
    const names = [copyName('r'.repeat(63), records[0]!, 1), copyName('r'.repeat(63), records[1]!, 1), copyName('r'.repeat(63), records[0]!, 2), copyName('r'.repeat(63), { ...records[0]!, digest: 'd2' }, 1)]
    expect(new Set(names).size).toBe(4)
    expect(Math.max(...names.map((name) => name.length))).toBe(63)
    expect(copyName(`${'r'.repeat(51)}-abc`, records[0]!, 1)).toMatch(/^r{51}-[a-z2-7]{10}$/)
  })
})
