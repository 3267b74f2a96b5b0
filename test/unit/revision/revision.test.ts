import { describe, expect, test } from 'vitest'
import { digest } from '../../../src/revision/canonical.ts'
import { commitOf, revisionDeployment, settledAnnotations } from '../../../src/revision/deployment.ts'
import { injectedAnnotation, sentAnnotation } from '../../../src/revision/marks.ts'
import { backendRevision, revisionName, templateHash } from '../../../src/revision/naming.ts'
import { differences, sameRevision, templateOf } from '../../../src/revision/template.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { deployment } from '../observe/cluster.ts'

const edited = (object: KubeObject, edit: (copy: any) => void): KubeObject => {
  const copy = structuredClone(object)
  edit(copy)
  return copy
}
/** What the API server keeps of a new revision, after a webhook. */
const created = (workload: KubeObject, webhook: (copy: any) => void = () => undefined): KubeObject =>
  edited(revisionDeployment({ workload, rollout: 'cart', revision: 'cart-x', replicas: 1 }), webhook)
const settled = (workload: KubeObject, revision: KubeObject): KubeObject => edited(revision, (copy) => {
  for (const [key, value] of Object.entries(settledAnnotations(workload, revision))) value === null ? delete copy.metadata.annotations[key] : (copy.metadata.annotations[key] = value)
})

describe('names', () => {
  test('the hash is the same in every version of Sluice', () => {
    expect(templateHash(deployment('cart:1'))).toBe('x3hlxc6oe5')
  })
  test('key order, nulls and our labels do not change it; anything else does', () => {
    const other = edited(deployment('cart:1'), (copy) => {
      copy.spec.template = { spec: { ...copy.spec.template.spec }, metadata: { labels: { team: 'web', app: 'cart', 'sluice.dev/revision': 'cart-x' } } }
      copy.spec.replicas = 9
    })
    expect(templateHash(other)).toBe(templateHash(deployment('cart:1')))
    expect(templateHash(deployment('cart:2'))).not.toBe(templateHash(deployment('cart:1')))
  })
  test('a long workload name is cut to 48 and never ends in a dash before the hash', () => {
    const name = revisionName(deployment('cart:1', { name: `${'a'.repeat(47)}-${'b'.repeat(60)}` }), () => false)
    expect(name).toMatch(/^a{47}-[a-z2-7]{10}$/)
  })
  test('a clash gets a suffix, and the longest name is still a label value', () => {
    const workload = deployment('cart:1', { name: 'w'.repeat(63) })
    const base = revisionName(workload, () => false)
    const name = revisionName(workload, (candidate) => [base, `${base}-2`].includes(candidate))
    expect(name).toBe(`${base}-3`)
    expect(name.length).toBeLessThanOrEqual(63)
  })
  test('a backend without a known Deployment is its own revision', () => {
    expect(backendRevision('v2', undefined)).toBe('v2')
    expect(backendRevision('v2', deployment())).toBe(`v2-${templateHash(deployment())}`)
  })
})

describe('a revision is the same as the template', () => {
  const workload = deployment('cart:1')
  test('when only what is ours or not the template differs', () => {
    const revision = settled(workload, created(workload))
    expect(sameRevision(edited(workload, (copy) => { copy.spec.replicas = 0; copy.spec.minReadySeconds = 60; copy.spec.strategy = { type: 'Recreate' } }), revision)).toBe(true)
  })
  test.each([
    ['image', (copy: any) => { copy.spec.template.spec.containers[0].image = 'cart:2' }],
    ['restartedAt', (copy: any) => { copy.spec.template.metadata.annotations = { 'kubectl.kubernetes.io/restartedAt': '2026' } }],
    ['a removed label', (copy: any) => { delete copy.spec.template.metadata.labels.team }],
    ['a second container', (copy: any) => { copy.spec.template.spec.containers.push({ name: 'side', image: 'side:1' }) }],
  ])('but not with another %s', (_, edit) => {
    expect(sameRevision(edited(workload, edit), settled(workload, created(workload)))).toBe(false)
  })
  test('after an upgrade of the API server has added a default to both', () => {
    const revision = settled(workload, created(workload))
    const upgrade = (copy: any) => { copy.spec.template.spec.newDefault = 'Always' }
    expect(sameRevision(edited(workload, upgrade), edited(revision, upgrade))).toBe(true)
  })
  test('whatever a webhook added or changed at creation, also after that was written down', () => {
    const inject = (copy: any) => {
      copy.spec.template.spec.containers.unshift({ name: 'proxy', image: 'proxy:1' })
      copy.spec.template.metadata.annotations = { 'inject/status': 'done' }
    }
    const revision = created(workload, inject)
    expect(revision.metadata.annotations).toHaveProperty(sentAnnotation)
    expect(sameRevision(workload, revision)).toBe(true)
    const written = settled(workload, revision)
    expect(written.metadata.annotations).not.toHaveProperty(sentAnnotation)
    expect(written.metadata.annotations).toHaveProperty(injectedAnnotation)
    expect(sameRevision(workload, written)).toBe(true)
    expect(sameRevision(deployment('cart:2'), written)).toBe(false)
  })
  test('a default that appears in an injected part as well changes nothing', () => {
    const written = settled(workload, created(workload, (copy) => copy.spec.template.spec.containers.push({ name: 'proxy', image: 'proxy:1' })))
    expect(sameRevision(workload, edited(written, (copy) => { copy.spec.template.spec.containers[1].newDefault = 1 }))).toBe(true)
  })
  test('a value that a webhook replaced hides no edit of the user at the same place', () => {
    const written = settled(workload, created(workload, (copy) => { copy.spec.template.spec.containers[0].image = 'mirror/cart:1' }))
    expect(sameRevision(workload, written)).toBe(true)
    expect(sameRevision(deployment('cart:2'), written)).toBe(false)
  })
  test('a revision that somebody edited is no longer the template', () => {
    const written = settled(workload, created(workload))
    expect(sameRevision(workload, edited(written, (copy) => { copy.spec.template.spec.containers[0].image = 'evil:1' }))).toBe(false)
  })
  test('unreadable notes about webhooks count as none', () => {
    const broken = edited(created(workload), (copy) => { copy.metadata.annotations = { [injectedAnnotation]: '{"x"' } })
    expect(sameRevision(workload, broken)).toBe(true)
  })
})

describe('a revision Deployment', () => {
  const marks = { annotations: { 'argocd.argoproj.io/tracking-id': 'shop:apps/Deployment:shop/cart', 'org.opencontainers.image.revision': 'abc123' }, labels: { 'app.kubernetes.io/instance': 'shop', 'helm.sh/chart': 'cart' } }
  const made = revisionDeployment({ workload: deployment('cart:1', marks), rollout: 'cart', revision: 'cart-x', replicas: 2 })
  test('has none of the marks by which GitOps tools would prune it, but the commit', () => {
    expect(made.metadata.labels).toEqual({ 'sluice.dev/rollout': 'cart', 'sluice.dev/revision': 'cart-x' })
    expect(Object.keys(made.metadata.annotations!).toSorted()).toEqual(['sluice.dev/commit', 'sluice.dev/template-sent'])
    expect(commitOf(made)).toBe('abc123')
  })
  test('is owned by the user\'s Deployment, neither controlled nor blocking', () => {
    expect(made.metadata.ownerReferences).toEqual([{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart', uid: 'uid-cart' }])
  })
  test('selects only its own pods and keeps every label of the user', () => {
    expect(made.spec.selector.matchLabels).toEqual({ app: 'cart', 'sluice.dev/revision': 'cart-x' })
    expect(made.spec.template.metadata.labels).toEqual({ app: 'cart', team: 'web', 'sluice.dev/rollout': 'cart', 'sluice.dev/revision': 'cart-x' })
    expect(templateOf(made)).toEqual(templateOf(deployment('cart:1')))
    expect(made.spec).toMatchObject({ replicas: 2, minReadySeconds: 5, strategy: { type: 'RollingUpdate' } })
  })
})

test('differences name every place once', () => {
  expect(differences({ a: 1, b: [1, 2], c: null }, { a: 2, b: [1], 'd/e': 1 })).toEqual([
    { path: '/a', kind: 'Changed', from: 1, to: 2 }, { path: '/b/1', kind: 'Removed', from: 2 }, { path: '/d~1e', kind: 'Added', to: 1 },
  ])
  expect(digest({ b: 1, a: [null] })).toBe(digest({ a: [null], b: 1, c: undefined }))
})
