/** Who may do what, on a real API server, each time with a service account's token and never as admin: the wrong person is refused, for every verb. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RequestAction } from '../../src/rollout/schema.ts'
import { controlPlaneMissing, kubeconfigFor, makeNamespace, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { startController } from '../support/controller.ts'
import { applied, kustomized, tokenOf } from '../support/install.ts'
import { until } from '../support/process.ts'

const missing = controlPlaneMissing()
const verbs: Readonly<Record<RequestAction, string>> = { Promote: 'promote', Resume: 'promote', Retry: 'promote', Abort: 'abort', Pause: 'abort', Rollback: 'abort', Approve: 'approve' }
const actions = Object.keys(verbs) as readonly RequestAction[]
/** Name and what a Role lets them do; each also may create requests. */
const people = {
  olga: ['abort'], rita: ['promote'], amir: ['approve'], nobody: [],
} as const
type Person = keyof typeof people
const group = 'rbac.authorization.k8s.io'

describe.skipIf(missing)(`rights of people ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let namespace: string
  let policies: readonly KubeObject[]
  const tokens = new Map<string, string>()

  beforeAll(async () => {
    plane = await startControlPlane()
    const everything = await kustomized(plane, 'overlays/cluster')
    policies = everything.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy'))
    await applied(plane, everything.filter(({ kind }) => !kind.startsWith('ValidatingAdmissionPolicy')))
    namespace = await makeNamespace(plane, 'shop')
    for (const [person, may] of Object.entries(people)) await withRole(person, [{ apiGroups: ['sluice.dev'], resources: ['rollouts'], verbs: ['get', ...may] }, requestRule])
    for (const name of ['checkout', 'cart']) await post('rollouts', rollout(name))
  })
  afterAll(() => plane?.stop())

  const requestRule = { apiGroups: ['sluice.dev'], resources: ['rolloutrequests'], verbs: ['get', 'list', 'watch', 'create'] }
  const user = (name: string) => `system:serviceaccount:${namespace}:${name}`
  const path = (plural: string) => `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/${plural}`
  const post = (plural: string, object: object, name?: string, query = '') => plane.request('POST', `${path(plural)}${query}`, object, name === undefined ? {} : { token: tokens.get(name) })
  const rollout = (name: string) => ({
    apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name },
    spec: { workloadRef: { kind: 'Deployment', name }, service: { port: 80 }, traffic: { istio: { managed: {} } }, steps: [{ weight: 10, hold: '1m' }, { weight: 100 }] },
  })
  let count = 0
  const request = (action: RequestAction, requestedBy: string | undefined, rolloutName = 'checkout') => ({
    apiVersion: 'sluice.dev/v1alpha1', kind: 'RolloutRequest', metadata: { name: `${rolloutName}-${++count}` },
    spec: { rolloutName, action, ...(action === 'Abort' || action === 'Pause' ? {} : { revision: 'checkout-aaaaaaaaaa' }), ...(requestedBy === undefined ? {} : { requestedBy }) },
  })
  const ask = (name: string, action: RequestAction, rolloutName?: string) => post('rolloutrequests', request(action, user(name), rolloutName), name)
  /** A service account with a Role of its own. */
  async function withRole(name: string, rules: readonly object[]): Promise<void> {
    tokens.set(name, await tokenOf(plane, namespace, name))
    await applied(plane, [
      { apiVersion: `${group}/v1`, kind: 'Role', metadata: { name, namespace }, rules },
      { apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { name, namespace }, roleRef: { apiGroup: group, kind: 'Role', name }, subjects: [{ kind: 'ServiceAccount', name, namespace }] },
    ] as unknown as readonly KubeObject[])
  }
  async function withClusterRole(name: string, clusterRole: string): Promise<void> {
    tokens.set(name, await tokenOf(plane, namespace, name))
    const bound = await plane.kubectlAsync(['-n', namespace, 'create', 'rolebinding', `${name}-${clusterRole}`, `--clusterrole=${clusterRole}`, `--serviceaccount=${namespace}:${name}`])
    if (bound.status !== 0) throw new Error(bound.stderr)
  }

  describe('without the policy', () => {
    test('anybody who may create requests may ask for anything in any name, and the answer calls them unverified', async () => {
      const controller = await startController(plane, { kubeconfig: kubeconfigFor(plane, 'controller', await tokenOf(plane, 'sluice-system', 'sluice-controller')), prometheusUrl: 'http://127.0.0.1:9', flags: ['--leader-election-namespace', 'sluice-system'] })
      try {
        const forged = request('Pause', user('rita'))
        expect((await post('rolloutrequests', forged, 'nobody')).status).toBe(201)
        expect(await answerTo(forged.metadata.name)).toMatchObject({ verified: false })
        const { body } = await plane.request('GET', `${path('rollouts')}/checkout`)
        expect(body.status.requests[0]).toMatchObject({ by: user('rita'), verified: false })
        expect(body.status.decisions.find(({ decision }: { decision: string }) => decision === 'PauseAccepted').why).toContain('(unverified)')
      } finally {
        await controller.stop()
      }
    })
  })

  describe('with the policy', () => {
    beforeAll(async () => {
      await applied(plane, policies)
      await until('the policy to be in force', async () => (await post('rolloutrequests', request('Abort', 'somebody else'), undefined, '?dryRun=All')).status === 422)
    })

    test.for(actions.flatMap((action) => (Object.keys(people) as Person[]).map((person) => ({ action, person }))))('$person asks for $action', async ({ action, person }) => {
      const verb = verbs[action]
      const { status, body } = await ask(person, action)
      if ((people[person] as readonly string[]).includes(verb)) return expect(status, JSON.stringify(body)).toBe(201)
      expect(status, JSON.stringify(body)).toBe(403)
      expect(body.message).toContain(`"${user(person)}" may not ${verb} rollouts.sluice.dev "checkout" in namespace "${namespace}" (${action} needs the verb ${verb})`)
    })

    test.for(actions)('%s is refused in the name of somebody else who may, and without a name', async (action) => {
      const mayIt = (Object.keys(people) as Person[]).find((person) => (people[person] as readonly string[]).includes(verbs[action]))!
      const other = mayIt === 'rita' ? 'olga' : 'rita'
      for (const name of [other, mayIt]) {
        const forged = await post('rolloutrequests', request(action, user(name === mayIt ? other : mayIt)), name)
        expect(forged.status, JSON.stringify(forged.body)).toBe(422)
        expect(forged.body.message).toContain(`a request is made in one's own name, write "${user(name)}"`)
      }
      const nameless = await post('rolloutrequests', request(action, undefined), mayIt)
      expect(nameless.status).toBe(422)
      expect(nameless.body.message).toContain('spec.requestedBy is missing')
    })

    test('names of resources are respected: who may promote checkout may not promote cart', async () => {
      await withRole('tess', [{ apiGroups: ['sluice.dev'], resources: ['rollouts'], resourceNames: ['checkout'], verbs: ['promote'] }, requestRule])
      expect((await ask('tess', 'Promote')).status).toBe(201)
      expect((await ask('tess', 'Promote', 'cart')).status).toBe(403)
    })

    test('a right in one namespace is none in another', async () => {
      const elsewhere = await makeNamespace(plane, 'edge')
      await applied(plane, [
        { apiVersion: `${group}/v1`, kind: 'Role', metadata: { name: 'asks', namespace: elsewhere }, rules: [requestRule] },
        { apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { name: 'asks', namespace: elsewhere }, roleRef: { apiGroup: group, kind: 'Role', name: 'asks' }, subjects: [{ kind: 'ServiceAccount', name: 'rita', namespace }] },
      ] as unknown as readonly KubeObject[])
      const there = await plane.request('POST', path('rolloutrequests').replace(namespace, elsewhere), request('Promote', user('rita')), { token: tokens.get('rita') })
      expect(there.status).toBe(403)
      expect(there.body.message).toContain(`in namespace "${elsewhere}"`)
    })

    test('a request that was made is never changed, not even by admin', async () => {
      const made = request('Pause', user('olga'))
      expect((await post('rolloutrequests', made, 'olga')).status).toBe(201)
      const changed = await plane.request('PATCH', `${path('rolloutrequests')}/${made.metadata.name}`, { spec: { action: 'Abort' } })
      expect(changed.status).toBe(422)
      expect(changed.body.message).toContain('a request is never changed')
    })

    test.for([
      { clusterRole: 'sluice-on-call', may: ['abort'] }, { clusterRole: 'sluice-approver', may: ['approve'] }, { clusterRole: 'sluice-releaser', may: ['promote', 'abort', 'approve'] },
      { clusterRole: 'view', may: [] }, { clusterRole: 'edit', may: ['promote', 'abort', 'approve'] }, { clusterRole: 'admin', may: ['promote', 'abort', 'approve'] },
    ])('ClusterRole $clusterRole may $may', async ({ clusterRole, may }) => {
      const name = `with-${clusterRole}`
      await withClusterRole(name, clusterRole)
      const edits = clusterRole === 'edit' || clusterRole === 'admin'
      // The roles that come with Kubernetes get their share from a controller.
      await until('the right to read', async () => (await plane.request('GET', `${path('rollouts')}/checkout`, undefined, { token: tokens.get(name) })).status === 200)
      await until('all rights', async () => !edits || (await ask(name, 'Abort')).status === 201)
      for (const action of actions) expect([action, (await ask(name, action)).status]).toEqual([action, may.includes(verbs[action]) ? 201 : 403])
      expect((await post('rollouts', rollout(`by-${clusterRole}`), name)).status).toBe(edits ? 201 : 403)
      // The status is the controller's memory: whoever writes it could verify himself.
      for (const plural of ['rollouts', 'rolloutrequests', 'notificationchannels']) {
        const forged = await plane.request('PATCH', `${path(plural)}/checkout/status`, { status: { phase: 'Idle' } }, { token: tokens.get(name) })
        expect(forged.status).toBe(403)
      }
    })

    test('the command line says who, what and whom to ask; and the answer calls the actor verified', async () => {
      const as = (name: string) => kubeconfigFor(plane, name, tokens.get(name)!)
      const refused = await sluice(['promote', 'cart', '-n', namespace, '--kubeconfig', as('olga')])
      // cart has no Deployment: there is nothing to promote, whoever asks.
      expect(refused.code).toBe(1)
      const controller = await startController(plane, { kubeconfig: kubeconfigFor(plane, 'controller', await tokenOf(plane, 'sluice-system', 'sluice-controller')), prometheusUrl: 'http://127.0.0.1:9', flags: ['--leader-election-namespace', 'sluice-system'] })
      try {
        const forbidden = await sluice(['pause', 'cart', '-n', namespace, '--kubeconfig', as('rita')])
        expect(forbidden).toMatchObject({ code: 1, stdout: '' })
        expect(forbidden.stderr).toContain(`"${user('rita')}" may not abort rollouts.sluice.dev "cart"`)
        const paused = await until('the policy to be old enough', async () => {
          const done = await sluice(['pause', 'cart', '-n', namespace, '--kubeconfig', as('olga'), '--reason', 'a test'])
          expect(done).toMatchObject({ code: 0, stderr: '' })
          const { body } = await plane.request('GET', `${path('rollouts')}/cart`)
          return body.status.requests[0]?.verified === true && body
        })
        expect(paused.status.requests[0]).toMatchObject({ action: 'Pause', answer: 'Accepted', by: user('olga'), verified: true })
        expect(paused.status.decisions.findLast(({ decision }: { decision: string }) => decision === 'PauseAccepted').why).not.toContain('unverified')
        expect(controller.logs().filter((line) => /forbidden/i.test(JSON.stringify(line)))).toEqual([])
      } finally {
        await controller.stop()
      }
    })
  })

  async function answerTo(name: string): Promise<{ readonly state: string; readonly verified?: boolean }> {
    return await until(`an answer to ${name}`, async () => {
      const { body } = await plane.request('GET', `${path('rolloutrequests')}/${name}`)
      return body.status?.state !== undefined && body.status
    })
  }
})

function sluice(args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((answer) => {
    const child = spawn(resolve(import.meta.dirname, '../../bin/sluice'), args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('close', (code) => answer({ code, stdout, stderr }))
  })
}
