import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import packageJson from '../../../package.json' with { type: 'json' }
import { replicasInGit, toolOf, weightsInGit } from '../../../src/cli/doctor-gitops.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { deployment } from '../sandbox/stage.ts'
import { cliStage, type CliStage } from './stage.ts'

const root = resolve(import.meta.dirname, '../../..')
let stage: CliStage
beforeEach(async () => {
  stage = await cliStage()
  return () => stage.close()
})
const create = (id: string, object: object, manager = 'kubectl'): void => void stage.world.store.create(id, object as KubeObject, { manager })
const iso = (agoMs: number): string => new Date(stage.world.clock.now() - agoMs).toISOString()
function lease(agoMs: number, holder = 'sluice-controller-abc'): void {
  create('leases.coordination.k8s.io', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'sluice', namespace: 'sluice-system' }, spec: { holderIdentity: holder, leaseDurationSeconds: 15, renewTime: iso(agoMs).replace('Z', '000Z') } })
}
function policy(): void {
  for (const [plural, kind] of [['validatingadmissionpolicies', 'ValidatingAdmissionPolicy'], ['validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding']] as const) {
    const group = 'admissionregistration.k8s.io'
    stage.world.store.register({ id: `${plural}.${group}`, group, plural, singular: kind.toLowerCase(), kind, shortNames: [], categories: [], namespaced: false, versions: [{ name: 'v1', status: false }], storage: 'v1', custom: false, generation: true })
  }
  const documents = parseAllDocuments(readFileSync(join(root, 'deploy/base/access/request-policy.yaml'), 'utf8')).map(document => document.toJS())
  for (const object of documents) create(object.kind === 'ValidatingAdmissionPolicy' ? 'validatingadmissionpolicies.admissionregistration.k8s.io' : 'validatingadmissionpolicybindings.admissionregistration.k8s.io', object)
}
/** An installation without anything to complain about. */
function whole(): void {
  lease(1000)
  policy()
}
const idle = { phase: 'Idle', message: 'all is well', canary: undefined, journey: undefined } as const
async function found(...argv: string[]): Promise<{ code: number; rules: string[]; findings: any[]; well: string[]; unread: unknown[] }> {
  const code = await stage.on('doctor', '-o', 'json', ...argv)
  expect(stage.err).toBe('')
  const diagnosis = JSON.parse(stage.out)
  return { code, ...diagnosis, rules: diagnosis.findings.filter((one: any) => one.severity === 'Problem').map((one: any) => one.rule) }
}

describe('the installation', () => {
  test('whole: exit code 0 and what is well', async () => {
    whole()
    expect(await stage.on('doctor')).toBe(0)
    expect(stage.out.split('\n')).toEqual([
      `✔ CRDs: those of ${packageJson.version}`, '✔ controller: sluice-controller-abc leads in sluice-system, renewed 1s ago', '✔ requests: their authors are verified', '✔ rollouts: 0 in shop', 'nothing found that needs anybody', '',
    ])
  })
  test('nobody leads, and never did', async () => {
    policy()
    expect(await found()).toMatchObject({ code: 1, rules: ['NoController'], findings: [{ what: expect.stringContaining('has ever led') }] })
  })
  test('the holder of the lease is gone', async () => {
    policy()
    lease(180_000)
    expect(await found()).toMatchObject({ code: 1, rules: ['NoController'], findings: [{ what: expect.stringContaining('sluice-controller-abc renewed it 3m ago, and it is valid for 15s') }] })
  })
  test('requests are unverified without policy, and without a binding that denies', async () => {
    lease(1000)
    expect(await found()).toMatchObject({ code: 1, rules: ['RequestsUnverified'], findings: [{ object: 'ValidatingAdmissionPolicy rolloutrequests.sluice.dev' }] })
    policy()
    stage.world.store.update('validatingadmissionpolicybindings.admissionregistration.k8s.io', '', 'rolloutrequests.sluice.dev', one => ({ ...one, spec: { ...one.spec, validationActions: ['Audit'] } }), {})
    expect((await found()).findings[0]).toMatchObject({ object: 'ValidatingAdmissionPolicyBinding rolloutrequests.sluice.dev' })
  })
  test('CRDs of an older version: which fields they lack', async () => {
    whole()
    const drop = (crd: KubeObject): KubeObject => {
      const copy = structuredClone(crd) as any
      delete copy.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.retainStable
      return copy
    }
    stage.world.store.update('customresourcedefinitions.apiextensions.k8s.io', '', 'rollouts.sluice.dev', drop, {})
    expect(await found()).toMatchObject({ code: 1, rules: ['CrdOutdated'], findings: [{ what: expect.stringContaining('does not know spec.retainStable'), remedies: [{ lines: ['kubectl apply -f crds/'] }] }] })
  })
  test('CRDs missing: said once, exit code 1', async () => {
    whole()
    stage.world.store.delete('customresourcedefinitions.apiextensions.k8s.io', '', 'rollouts.sluice.dev')
    expect(await found()).toMatchObject({ code: 1, rules: ['CrdMissing'] })
  })
  test('a controller of another version', async () => {
    whole()
    const container = { name: 'controller', image: 'registry.example.com/sluice/sluice:9.8.7@sha256:aa' }
    const controller = { ...deployment('sluice-controller'), metadata: { name: 'sluice-controller', namespace: 'sluice-system', labels: { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'controller' } } }
    create('deployments.apps', { ...controller, spec: { ...controller.spec, template: { ...controller.spec.template, spec: { containers: [container] } } } })
    expect(await found()).toMatchObject({ rules: ['VersionsDiffer'], findings: [{ what: `it is 9.8.7, this command line ${packageJson.version}` }] })
  })
  test('what may not be read is said, and is no finding', async () => {
    whole()
    stage.world.faults.inject({ resource: 'leases.coordination.k8s.io', effect: { answer: 403, message: 'olga cannot list leases' } })
    const diagnosis = await found()
    expect(diagnosis).toMatchObject({ code: 0, rules: [], unread: [{ what: 'the lease of the controller', forbidden: true, message: expect.stringContaining('olga cannot list leases') }] })
    expect(await stage.on('doctor')).toBe(0)
    expect(stage.out).toContain('? not looked at, since you may not read it: the lease of the controller\n')
  })
})

const adopted = (): void => create('services', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'checkout-stable', namespace: 'shop', labels: { 'sluice.dev/rollout': 'checkout' } }, spec: { selector: { app: 'checkout' }, ports: [{ port: 80 }] } })

describe('rollouts', () => {
  beforeEach(whole)
  test('a healthy one', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    stage.put('checkout', idle)
    expect(await found()).toMatchObject({ code: 0, rules: [] })
  })
  test('an autoscaler of the Deployment: the lines for its manifest', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    create('horizontalpodautoscalers.autoscaling', { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'checkout', namespace: 'shop' }, spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout' }, maxReplicas: 3 } })
    stage.put('checkout', idle)
    expect(await found()).toMatchObject({ code: 1, rules: ['HPATargetsWorkload'] })
    expect(await stage.on('doctor', 'checkout')).toBe(1)
    expect(stage.out).toContain('         spec:\n           scaleTargetRef:\n             apiVersion: sluice.dev/v1alpha1\n             kind: Rollout\n             name: checkout\n')
  })
  test('replicas of the Deployment in Git', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 4 }), 'kustomize-controller')
    stage.put('checkout', idle)
    expect((await found()).rules).toEqual([])
    adopted()
    const { findings, rules } = await found()
    expect(rules).toEqual(['ReplicasContested'])
    expect(findings[0]).toMatchObject({ what: 'Flux sets spec.replicas; 4 of its pods are wanted now', remedies: [{ lines: ['spec:', '  replicas: 4   # remove'] }, { lines: ['spec:', '  replicas: 4'] }] })
  })
  test('replicas that a person scaled are no quarrel with Git', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 4 }), 'kubectl-edit')
    adopted()
    stage.put('checkout', idle)
    expect((await found()).rules).toEqual([])
  })
  test('the metric source does not answer', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    stage.put('checkout', { checks: [{ name: 'success', verdict: 'Error', bound: '99%', failures: 0, since: iso(1000), at: iso(0), message: 'connection refused' }] })
    expect(await found()).toMatchObject({ rules: ['SourceError'], findings: [{ what: expect.stringContaining('connection refused') }] })
  })
  test('what the controller says in conditions', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    stage.put('checkout', { conditions: [
      { type: 'Ready', status: 'True', reason: 'Idle', message: 'fine', lastTransitionTime: iso(0) },
      { type: 'TrafficNotMoving', status: 'True', reason: 'NoRequestsSeen', message: '1 of 900 requests reached the canary', lastTransitionTime: iso(0) },
    ] })
    expect(await found()).toMatchObject({ rules: ['TrafficNotMoving'] })
  })
  test('nobody has looked at it for a minute', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    stage.put('checkout', null)
    expect((await found()).rules).toEqual([])
    await stage.world.clock.advance(120_000)
    stage.world.store.update('leases.coordination.k8s.io', 'sluice-system', 'sluice', one => ({ ...one, spec: { ...one.spec, renewTime: iso(0).replace('Z', '000Z') } }), {})
    expect((await found()).rules).toEqual(['NotLookedAt'])
  })
  test('a missing Deployment, and a kind that may not be read: nothing is then taken for missing', async () => {
    stage.put('checkout', idle)
    expect((await found()).rules).toEqual(['WorkloadMissing'])
    stage.world.faults.inject({ resource: 'deployments.apps', effect: { answer: 403, message: 'no' } })
    expect((await found()).rules).toEqual([])
    create('horizontalpodautoscalers.autoscaling', { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'checkout', namespace: 'shop' }, spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout' }, maxReplicas: 3 } })
    expect((await found()).rules).toEqual(['HPATargetsWorkload'])
  })
  test('of another namespace only with -A', async () => {
    stage.put('cart', idle, {}, 'default')
    expect((await found()).findings).toEqual([])
    expect((await found('-A')).findings).toMatchObject([{ object: 'Rollout default/cart' }])
  })
  test('weights of a route that Argo CD sets back', async () => {
    create('deployments.apps', deployment('checkout', { replicas: 0 }))
    for (const door of ['stable', 'canary']) create('services', { apiVersion: 'v1', kind: 'Service', metadata: { name: `checkout-${door}`, namespace: 'shop', labels: { 'sluice.dev/rollout': 'checkout' } }, spec: { selector: { app: 'checkout' }, ports: [{ port: 80 }] } })
    create('virtualservices.networking.istio.io', route(), 'argocd-controller')
    stage.put('checkout', { ...idle, resets: [iso(5000), iso(1000)] }, { traffic: { istio: { virtualServiceRefs: [{ name: 'web' }] } } })
    const { findings, rules } = await found()
    expect(rules).toEqual(['WeightsReset'])
    expect(findings[0]).toMatchObject({ object: 'VirtualService shop/web', what: expect.stringContaining('Argo CD sets its weights back to those of Git; it did so 2 times') })
    expect(findings[0].remedies[0].lines).toEqual(['spec:', '  ignoreDifferences:', '  - group: networking.istio.io', '    kind: VirtualService', '    name: web', "    jqPathExpressions: ['.spec.http[]?.route[]?.weight']"])
  })
})

const route = (metadata: object = {}): KubeObject => ({
  apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'web', namespace: 'shop', ...metadata } as KubeObject['metadata'],
  spec: { hosts: ['checkout'], http: [{ route: [{ destination: { host: 'checkout-stable' }, weight: 100 }, { destination: { host: 'checkout-canary' }, weight: 0 }] }] },
})
const owner = (manager: string, operation: string, fields: object) => ({ managedFields: [{ manager, operation, fieldsV1: fields as Record<string, unknown> }] })
const ownsHttp = { 'f:spec': { 'f:http': {} } }
const rolloutOf = (spec: object = {}): KubeObject => ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name: 'checkout', namespace: 'shop' }, spec: { workloadRef: { kind: 'Deployment', name: 'checkout' }, ...spec } })

describe('whose field it is', () => {
  test.each([
    ['ArgoCD', owner('argocd-controller', 'Update', {})], ['ArgoCD', { annotations: { 'argocd.argoproj.io/tracking-id': 'shop:apps/Deployment:shop/web' } }],
    ['Flux', owner('kustomize-controller', 'Apply', {})], ['Flux', { labels: { 'kustomize.toolkit.fluxcd.io/name': 'shop' } }],
    ['Helm', { labels: { 'app.kubernetes.io/managed-by': 'Helm' } }], ['kubectl', owner('kubectl', 'Apply', {})], ['kubectl', owner('kubectl-client-side-apply', 'Update', {})],
    ['Other', owner('terraform', 'Update', {})], [undefined, owner('kubectl-edit', 'Update', {})], [undefined, owner('sluice', 'Update', {})],
  ])('%s', (tool, metadata) => {
    expect(toolOf(route(metadata))).toBe(tool)
  })
  test('weights that nobody writes from Git, or that Flux leaves alone', () => {
    expect(weightsInGit(route(), rolloutOf(), 0, undefined)).toBeUndefined()
    expect(weightsInGit(route(owner('kustomize-controller', 'Apply', { 'f:metadata': {} })), rolloutOf(), 0, undefined)).toBeUndefined()
    const flux = owner('kustomize-controller', 'Apply', ownsHttp)
    expect(weightsInGit(route(flux), rolloutOf(), 0, undefined)?.remedies[0]!.lines).toEqual(['metadata:', '  annotations:', '    kustomize.toolkit.fluxcd.io/ssa: IfNotPresent'])
    expect(weightsInGit(route({ ...flux, annotations: { 'kustomize.toolkit.fluxcd.io/ssa': 'IfNotPresent' } }), rolloutOf(), 0, undefined)).toBeUndefined()
  })
  test('a person who applies is told of once it has happened', () => {
    const applied = { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(route()) } }
    expect(weightsInGit(route(applied), rolloutOf(), 0, undefined)?.severity).toBe('Note')
    expect(weightsInGit(route(applied), rolloutOf(), 1, undefined)?.severity).toBe('Problem')
  })
  test('the recipe that the Application has already, and the one that undoes it', () => {
    const object = route({ ...owner('argocd-controller', 'Apply', ownsHttp), annotations: { 'argocd.argoproj.io/tracking-id': 'shop:networking.istio.io/VirtualService:shop/web' } })
    const application = (spec: object): KubeObject => ({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { name: 'shop', namespace: 'argocd' }, spec })
    const ignoreDifferences = [{ group: 'networking.istio.io', kind: 'VirtualService', jqPathExpressions: ['.spec.http[].route[].weight'] }]
    expect(weightsInGit(object, rolloutOf(), 0, [application({})])?.rule).toBe('WeightsReset')
    expect(weightsInGit(object, rolloutOf(), 0, [application({})])?.remedies[0]!.where).toContain('Application shop,')
    expect(weightsInGit(object, rolloutOf(), 0, [application({ ignoreDifferences })])).toBeUndefined()
    expect(weightsInGit(object, rolloutOf(), 0, [application({ ignoreDifferences: [{ ...ignoreDifferences[0], name: 'other' }] })])?.rule).toBe('WeightsReset')
    expect(weightsInGit(object, rolloutOf(), 0, [application({ ignoreDifferences, syncPolicy: { syncOptions: ['RespectIgnoreDifferences=true'] } })])?.rule).toBe('WeightsCopied')
  })
  test.each([
    ['VirtualService', 'networking.istio.io/v1', ownsHttp], ['HTTPRoute', 'gateway.networking.k8s.io/v1', { 'f:spec': { 'f:rules': {} } }],
    ['GRPCRoute', 'gateway.networking.k8s.io/v1', { 'f:spec': { 'f:rules': {} } }],
  ])('the Application that is shipped has the recipe for a %s', (kind, apiVersion, fields) => {
    const { spec } = parse(readFileSync(join(root, 'deploy/argocd/application.yaml'), 'utf8'))
    const application: KubeObject = { apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { name: 'shop', namespace: 'argocd' }, spec }
    const object = { ...route({ ...owner('argocd-controller', 'Apply', fields), annotations: { 'argocd.argoproj.io/tracking-id': `shop:g/${kind}:shop/web` } }), kind, apiVersion }
    expect(weightsInGit(object, rolloutOf(), 0, [])?.rule).toBe('WeightsReset')
    expect(weightsInGit(object, rolloutOf(), 0, [application])).toBeUndefined()
  })
  test('a count that stands in what was applied last, though we have it at zero now', () => {
    const applied = { ...deployment('checkout', { replicas: 0 }), metadata: { name: 'checkout', namespace: 'shop', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ spec: { replicas: 3 } }) } } }
    expect(replicasInGit(applied, rolloutOf())).toMatchObject({ what: 'kubectl apply sets spec.replicas to 3', remedies: [{ lines: ['spec:', '  replicas: 3   # remove'] }, { lines: ['spec:', '  replicas: 3'] }] })
    expect(replicasInGit(applied, rolloutOf({ replicas: 3 }))!.remedies).toHaveLength(1)
    expect(replicasInGit({ ...applied, metadata: { ...applied.metadata, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"spec":{}}' } } }, rolloutOf())).toBeUndefined()
  })
})
