import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { crds, definitions, type StructuralSchema } from '../../src/rollout/crd.ts'
import { validate } from '../../src/rollout/validate.ts'
import { controlPlaneMissing, crdsMissing, makeNamespace, type ControlPlane } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { backends, broken, request, rollout, template, wrongBackends, wrongRequests, wrongRollouts, wrongTemplates, type Variant } from '../unit/api/variants.ts'

const missing = controlPlaneMissing()
if (missing) console.log(`test/real/api.test.ts: ${missing}`)
const root = join(import.meta.dirname, '../..')
const rollouts = (namespace: string, name = '') => `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rollouts${name && `/${name}`}`

describe.skipIf(missing)('the API on a real API server', () => {
  let plane: ControlPlane
  let namespace: string
  beforeAll(async () => {
    plane = sharedControlPlane()!
    namespace = await makeNamespace(plane, 'api')
  })
  afterAll(async () => {
    await plane.request('DELETE', `/api/v1/namespaces/${namespace}`)
    await plane.stop()
  })
  const apply = (object: unknown, in_ = namespace) => plane.kubectl(['apply', '-n', in_, '--validate=strict', '-f', '-'], JSON.stringify(object))

  it.each(crds().map(({ file }) => file))('takes crds/%s strictly', (file) => {
    const { status, stderr } = plane.kubectl(['apply', '--server-side', '--force-conflicts', '--validate=strict', '-f', join(root, 'crds', file)])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  describe('examples', () => {
    const folders = readdirSync(join(root, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)
    const made: string[] = []
    afterAll(async () => {
      for (const name of made) await plane.request('DELETE', `/api/v1/namespaces/${name}`)
    })
    const noMesh = crdsMissing()
    if (!missing && noMesh) console.log(`test/real/api.test.ts, examples: ${noMesh}`)
    it.skipIf(noMesh).each(folders)('%s applies strictly', async (folder) => {
      const path = join(root, 'examples', folder)
      const own = ownNamespaces(path)
      const names = own.length > 0 ? own : [await makeNamespace(plane, 'example')]
      made.push(...names)
      const { status, stderr } = plane.kubectl(['apply', ...(own.length > 0 ? [] : ['-n', names[0]!]), '--validate=strict', '-f', path])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    })
  })

  describe('admission', () => {
    const refused = (make: () => any) => (variant: Variant) => {
      const { status, stdout, stderr } = apply(broken(make, variant))
      if (variant.admission === 'condition') return expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      for (const part of variant.admission) expect(stderr).toContain(part)
    }
    it.each([['Rollout', rollout], ['Rollout of backends', backends], ['RolloutRequest', request]])('takes a right %s', (_, make) => {
      expect(apply(make()).stderr).toBe('')
    })
    it.each(wrongRollouts.map((variant) => [variant.name, variant] as const))('Rollout: %s', (_, variant) => void refused(rollout)(variant))
    it.each(wrongBackends.map((variant) => [variant.name, variant] as const))('backends: %s', (_, variant) => void refused(backends)(variant))
    it.each(wrongRequests.map((variant) => [variant.name, variant] as const))('RolloutRequest: %s', (_, variant) => void refused(request)(variant))
    it.each(wrongTemplates.map((variant) => [variant.name, variant] as const))('MetricTemplate: %s', (_, variant) => void refused(template)(variant))
    it('takes whatever `validate` has nothing to say about, and `validate` refuses whatever it refuses', async () => {
      const texts = fc.oneof(
        fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{0,2})?%?$/),
        fc.stringMatching(/^([0-9]{1,6}(h|m|s|ms|d)?){1,3}$/),
        fc.stringMatching(/^[*.a-zA-Z0-9/-]{1,12}$/),
        fc.constantFrom('1e1%', 'NaN%', 'Inf%', '+5%', '-5%', '0x5%', '.5%', '5.%', ' 5%', '00%', '100.0%', '0ms', '0.000s'),
        fc.constantFrom('Local', 'UTC', 'EST5EDT', 'a..b', 'ä', 'mesh', 'a\nb', "it's", '"'),
      )
      const fields: readonly [string, (spec: any, value: unknown) => void][] = [
        ['weight', (spec, value) => { spec.steps[0].weight = value }],
        ['scale', (spec, value) => { spec.steps[0].scale = value }],
        ['hold', (spec, value) => { spec.steps[0].hold = value }],
        ['interval', (spec, value) => { spec.analysis.interval = value }],
        ['name of a step', (spec, value) => { spec.steps[0].name = value }],
        ['min', (spec, value) => { spec.analysis.checks[0].successRate.min = value }],
        ['max', (spec, value) => { spec.analysis.checks[1].latency.max = value }],
        ['percentile', (spec, value) => { spec.analysis.checks[1].latency.percentile = value }],
        ['workload', (spec, value) => { spec.workloadRef.name = value }],
        ['targetPort', (spec, value) => { spec.service.targetPort = value }],
        ['host', (spec, value) => { spec.traffic.istio.managed.hosts = [value] }],
        ['gateway', (spec, value) => { spec.traffic.istio.managed.gateways = [value] }],
        ['timeout', (spec, value) => { spec.traffic.istio.managed.timeout = value }],
        ['timeZone', (spec, value) => { spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '1h', timeZone: value }] } }],
      ]
      const values = fc.oneof({ weight: 6, arbitrary: texts as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: fc.integer({ min: -5, max: 200 }) })
      const change = fc.tuple(fc.constantFrom(...fields), values)
      await fc.assert(fc.asyncProperty(change, async ([[, set], value]) => {
        const object = { ...rollout(), metadata: { name: 'fuzz' } }
        set(object.spec, value)
        const answer = await plane.request('POST', `${rollouts(namespace)}?dryRun=All&fieldValidation=Strict`, object)
        expect([201, 422]).toContain(answer.status)
        if (answer.status === 422) expect(validate(object), answer.body.message).not.toEqual([])
      }), { numRuns: 300 })
    })
    it('never lets a request be changed', () => {
      const object = request()
      expect(apply(object).status).toBe(0)
      object.spec.action = 'Approve'
      const { status, stderr } = apply(object)
      expect(status).toBe(1)
      expect(stderr).toContain('never changed: delete it and make a new one')
    })
  })

  describe('subresources', () => {
    beforeAll(() => void expect(apply(rollout()).stderr).toBe(''))

    it('keeps every field of a status, with a sequence in milliseconds', async () => {
      const full = sample(definitions()[0]!.status!)
      full.sequence = 1_795_399_999_123
      full.replicas = 4
      full.selector = 'app=checkout'
      const patch = (...operations: object[]) => plane.request('PATCH', `${rollouts(namespace, 'checkout')}/status`, operations)
      const sequence = { path: '/status/sequence' }
      const first = await patch({ op: 'test', path: '/status', value: null }, { op: 'add', path: '/status', value: full })
      expect(first.status, JSON.stringify(first.body)).toBe(200)
      expect((await plane.request('GET', rollouts(namespace, 'checkout'))).body.status).toEqual(full)
      const lost = await patch({ op: 'test', ...sequence, value: 1 }, { op: 'replace', path: '/status', value: full })
      expect([lost.status, lost.body.details.causes]).toEqual([422, undefined])
      const won = await patch({ op: 'test', ...sequence, value: full.sequence }, { op: 'replace', ...sequence, value: full.sequence + 1 })
      expect(won.body.status.sequence).toBe(full.sequence + 1)
    })
    it('refuses a status of another shape with causes', async () => {
      const answer = await plane.request('PATCH', `${rollouts(namespace, 'checkout')}/status`, { status: { phase: 'Dancing' } })
      expect(answer.status).toBe(422)
      expect(answer.body.details.causes[0]).toMatchObject({ field: 'status.phase' })
    })
    it('keeps every field of an answer to a request', async () => {
      const object = { ...request(), metadata: { name: 'checkout-answered' } }
      expect(apply(object).stderr).toBe('')
      const full = sample(definitions()[1]!.status!)
      const path = `/apis/sluice.dev/v1alpha1/namespaces/${namespace}/rolloutrequests/checkout-answered/status`
      const answer = await plane.request('PATCH', path, { status: full })
      expect(answer.body.status).toEqual(full)
    })
    it('scales, from a spec without replicas too', async () => {
      const scaled = plane.kubectl(['scale', '-n', namespace, 'rollouts.sluice.dev/checkout', '--replicas=7'])
      expect(scaled.stderr).toBe('')
      const scale = await plane.request('GET', `${rollouts(namespace, 'checkout')}/scale`)
      expect(scale.body).toMatchObject({ kind: 'Scale', spec: { replicas: 7 }, status: { replicas: 4, selector: 'app=checkout' } })
      expect((await plane.request('GET', rollouts(namespace, 'checkout'))).body.spec.replicas).toBe(7)
    })
    it('shows what a person wants to see', () => {
      const { stdout } = plane.kubectl(['get', '-n', namespace, 'slr', 'checkout'])
      expect(stdout.split('\n')[0]!.trim().split(/\s+/)).toEqual(['NAME', 'PHASE', 'STEP', 'WEIGHT', 'STABLE', 'CANARY', 'MESSAGE', 'AGE'])
      expect(plane.kubectl(['get', '-n', namespace, 'sluice']).stdout).toContain('rolloutrequest.sluice.dev/checkout-answered')
    })
    it('explains a field', () => {
      expect(plane.kubectl(['explain', 'rollouts.sluice.dev.spec.steps.weight']).stdout).toContain('Share of traffic of the canary in percent')
    })
  })
})

/** Namespaces that an example brings along. */
function ownNamespaces(folder: string): string[] {
  const objects = readdirSync(folder).flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS()))
  return objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)
}

/** A value for every field of a schema, all of them given. */
function sample(schema: StructuralSchema): any {
  if (schema.enum) return schema.enum[0]
  if (schema.type === 'object') return Object.fromEntries(Object.entries<StructuralSchema>(schema.properties).map(([key, inner]) => [key, sample(inner)]))
  if (schema.type === 'array') return [sample(schema.items)]
  if (schema.type === 'integer') return 3
  if (schema.type === 'number') return 0.5
  if (schema.type === 'boolean') return true
  const rules: { message?: string }[] = schema['x-kubernetes-validations'] ?? []
  return rules.some(({ message }) => message?.includes('is no duration')) ? '90s' : 'text'
}
