import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readConfiguration } from '../../../src/configuration/read.ts'
import { plan } from '../../../src/rollout/plan.ts'
import { problemsOf, validate } from '../../../src/rollout/validate.ts'
import { backends, broken, request, rollout, template, wrongBackends, wrongRequests, wrongRollouts, wrongTemplates, type Variant } from './variants.ts'

describe('validate', () => {
  it.each([['rollout', rollout], ['backends', backends], ['request', request], ['template', template]])('has nothing to say about a right %s', (_, make) => {
    expect(validate(make())).toEqual([])
  })

  const refused = (make: () => any) => (variant: Variant) => {
    const problems = validate(broken(make, variant))
    expect(problems.map(({ field }) => field)).toContain(variant.field)
    const { message } = problems.find(({ field }) => field === variant.field)!
    expect(message.startsWith(`${variant.field}: `)).toBe(true)
    for (const part of variant.says) expect(message).toContain(part)
  }
  describe('refuses a Rollout', () => {
    it.each(wrongRollouts.map((variant) => [variant.name, variant] as const))('%s', (_, variant) => refused(rollout)(variant))
  })
  describe('refuses backends', () => {
    it.each(wrongBackends.map((variant) => [variant.name, variant] as const))('%s', (_, variant) => refused(backends)(variant))
  })
  describe('refuses a RolloutRequest', () => {
    it.each(wrongRequests.map((variant) => [variant.name, variant] as const))('%s', (_, variant) => refused(request)(variant))
  })
  describe('refuses a MetricTemplate', () => {
    it.each(wrongTemplates.map((variant) => [variant.name, variant] as const))('%s', (_, variant) => refused(template)(variant))
  })

  it.each([undefined, null, 5, 'Rollout', [], {}, { kind: 'Canary' }, { kind: 'toString' }])('answers for %j', (object) => {
    expect(validate(object)).toEqual([expect.objectContaining({ field: 'kind', message: expect.stringContaining('Rollout, RolloutRequest') })])
  })
  it('says every wrong field at once', () => {
    const object = rollout()
    object.spec.steps[0].hold = 'x'
    object.spec.analysis.checks[0].successRate.min = 'y'
    expect(validate(object).map(({ field }) => field)).toEqual(['spec.steps[0].hold', 'spec.analysis.checks[0].successRate.min'])
  })
  it('never throws, whatever the spec is, and plan succeeds exactly where nothing is wrong', () => {
    const part = fc.oneof(fc.constantFrom(...Object.values(rollout().spec), ...Object.values(backends().spec)), fc.jsonValue())
    const spec = fc.dictionary(fc.constantFrom(...Object.keys(rollout().spec), ...Object.keys(backends().spec), 'replicas', 'schedule', 'x'), part)
    fc.assert(fc.property(fc.oneof(spec, fc.jsonValue()), (value) => {
      const problems = problemsOf(value)
      const planned = plan(value as never, 'checkout', { scrapeIntervalMs: 15_000 })
      expect(planned.ok).toBe(problems.length === 0)
    }))
  })
})

describe('examples', () => {
  const root = join(import.meta.dirname, '../../../examples')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'))
  it('are there', () => expect(files.length).toBeGreaterThan(25))
  it.each(files)('%s holds nothing wrong', (file) => {
    const objects = parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((document) => document.toJS())
    expect(objects.length).toBeGreaterThan(0)
    for (const object of objects) if (object.apiVersion.startsWith('sluice.dev/')) expect(validate(object)).toEqual([])
    for (const object of objects) if (object.data?.['config.yaml']) expect(readConfiguration(object.data['config.yaml'])).toMatchObject({ ok: true })
  })
})
