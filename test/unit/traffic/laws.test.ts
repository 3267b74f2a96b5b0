import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { providers } from '../../../src/traffic/index.ts'
import { setAt } from '../../../src/traffic/json.ts'
import { closedToAnnotation, type SplitChange } from '../../../src/traffic/router.ts'
import { applyPatch, PatchRefused } from '../../support/json-patch.ts'
import { cases, uncovered, type Sample } from './cases.ts'

const share = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom(0, 100, 0.5, 0.1, 99.9), fc.double({ min: 0, max: 100, noNaN: true }))
const mark = fc.oneof(fc.constant(undefined), fc.constant('Remove' as const), fc.record({ revision: fc.constant('web-abc'), sequence: fc.nat() }))

test('every router has a case', () => {
  expect(uncovered).toEqual([])
})

/** The object with its weights and our annotation taken out: what may never change. */
function foreign(sample: Sample, object: Sample['object']): unknown {
  const { annotations, ...metadata } = object.metadata
  const { [closedToAnnotation]: _, ...others } = annotations ?? {}
  return sample.weights.reduce((next, path) => setAt(next, path, 0), { ...object, metadata: { ...metadata, others } })
}
function at(object: any, path: readonly (string | number)[]): any {
  return path.reduce((value, key) => value?.[key], object)
}

describe.each(cases)('laws of the router $name', ({ name, sample }) => {
  const { router } = providers[name]
  // As JSON, the way objects come from an API server: no undefined fields, no objects without a prototype.
  const any = sample({ oneTotal: false }).map((one): Sample => JSON.parse(JSON.stringify(one)))
  const withOneTotal = sample({ oneTotal: true }).map((one): Sample => JSON.parse(JSON.stringify(one)))
  const check = (property: fc.IProperty<any>): void => fc.assert(property, { numRuns: 300 })

  test('what was written is read, as rounded for the total', () => {
    check(fc.property(any, share, ({ object, arms, selector }, wanted) => {
      const { totals, problems } = router.read(object, arms, selector)
      expect(problems).toEqual([])
      expect(totals.length).toBeGreaterThan(0)
      const reading = router.read(router.write(object, arms, selector, { canary: wanted }), arms, selector)
      expect(reading.canary).toBe(Math.max(...totals.map((total) => router.rounded(wanted, total))))
      expect(reading.uneven).toBe(false)
      expect(reading.totals).toEqual(totals)
    }))
  })

  test('rounding is down, never to nothing, and keeps 0 and 100', () => {
    check(fc.property(fc.integer({ min: 1, max: 1_000_000 }), share, (total, wanted) => {
      const got = router.rounded(wanted, total)
      if (wanted === 0 || wanted === 100) expect(got).toBe(wanted)
      else if (wanted > 0) {
        expect(got).toBeGreaterThan(0)
        expect(got <= wanted + 1e-6 || Math.abs(got - 100 / total) < 1e-9).toBe(true)
        expect(got).toBeGreaterThan(wanted - 100 / total - 1e-6)
      }
      expect(router.rounded(got, total)).toBe(got)
    }))
  })

  test('writing twice is writing once', () => {
    check(fc.property(any, share, ({ object, arms, selector }, wanted) => {
      const once = router.write(object, arms, selector, { canary: wanted })
      expect(router.write(once, arms, selector, { canary: wanted })).toEqual(once)
    }))
  })

  test('writing what was read changes nothing', () => {
    check(fc.property(withOneTotal, ({ object, arms, selector }) => {
      const { canary, uneven } = router.read(object, arms, selector)
      fc.pre(!uneven)
      expect(router.write(object, arms, selector, { canary })).toBe(object)
      expect(router.patch(object, arms, selector, { canary })).toEqual([])
    }))
  })

  test('nothing foreign changes, the total of the arms stays, and the object that came in is not altered', () => {
    check(fc.property(any, share, (one, wanted) => {
      const { object, arms, selector } = one
      const before = structuredClone(object)
      const after = router.write(object, arms, selector, { canary: wanted })
      expect(object).toEqual(before)
      expect(foreign(one, after)).toEqual(foreign(one, before))
      expect(router.read(after, arms, selector).totals).toEqual(router.read(before, arms, selector).totals)
    }))
  })

  test('the patch, applied, is the writing', () => {
    check(fc.property(any, share, mark, (one, wanted, closedTo) => {
      const { object, arms, selector } = one
      const change: SplitChange = { canary: wanted, ...(closedTo === undefined ? {} : { closedTo }) }
      const patched = applyPatch(object, router.patch(object, arms, selector, change))
      expect(patched.spec).toEqual(router.write(object, arms, selector, { canary: wanted }).spec)
      expect(foreign(one, patched)).toEqual(foreign(one, object))
      const reading = router.read(patched, arms, selector)
      expect(reading.closedTo).toEqual(closedTo === undefined ? router.read(object, arms, selector).closedTo : closedTo === 'Remove' ? undefined : closedTo)
      expect(router.patch(patched, arms, selector, change)).toEqual([])
    }))
  })

  test('a patch is refused where somebody else was faster with a weight, a destination, a name or closed-to', () => {
    check(fc.property(any, share, mark, fc.nat(), (one, wanted, closedTo, pick) => {
      const { object, arms, selector } = one
      const patch = router.patch(object, arms, selector, { canary: wanted, ...(closedTo === undefined ? {} : { closedTo }) })
      fc.pre(patch.length > 0)
      const edited = one.weights.filter((path) => JSON.stringify(at(object, path)) !== JSON.stringify(at(applyPatch(object, patch), path)))
      const path = edited[pick % Math.max(1, edited.length)]
      const changed = {
        ...(path ? { weight: setAt(object, path, 7_654_321), ...rival(object, path) } : {}),
        closedTo: setAt(object, ['metadata', 'annotations'], { ...object.metadata.annotations, [closedToAnnotation]: 'web-rival@9' }),
        ...(router.read(object, arms, selector).closedTo ? { opened: { ...object, metadata: { ...object.metadata, annotations: { a: 'b' } } } } : {}),
      }
      for (const [what, seen] of Object.entries(changed)) expect(() => applyPatch(seen, patch), what).toThrow(PatchRefused)
    }))
  })

  test('a patch never tests the resource version, and survives foreign writers of metadata where there are annotations', () => {
    check(fc.property(any, share, ({ object, arms, selector }, wanted) => {
      const patch = router.patch(object, arms, selector, { canary: wanted })
      expect(patch.some(({ path }) => path.includes('resourceVersion'))).toBe(false)
      fc.pre(object.metadata.annotations !== undefined)
      const seen = { ...object, metadata: { ...object.metadata, resourceVersion: '99', labels: { their: 'label' }, annotations: { ...object.metadata.annotations, their: 'mark' } } }
      expect(applyPatch(seen, patch).spec).toEqual(router.write(object, arms, selector, { canary: wanted }).spec)
    }))
  })

  test('an object of any shape is a problem, never an exception', () => {
    const spec = fc.oneof(fc.jsonValue(), fc.record({ http: fc.jsonValue(), backends: fc.jsonValue(), rules: fc.jsonValue() }), fc.record({ rules: fc.array(fc.record({ name: fc.jsonValue(), matches: fc.jsonValue(), backendRefs: fc.jsonValue() })) }), fc.record({ http: fc.array(fc.record({ name: fc.jsonValue(), match: fc.jsonValue(), route: fc.jsonValue() })), backends: fc.array(fc.jsonValue()) }))
    check(fc.property(any, spec, ({ object, arms, selector }, odd) => {
      const broken = { ...object, spec: odd }
      expect(router.read(broken, arms, selector)).toMatchObject({ canary: 0, totals: [] })
      expect(router.read(broken, arms, selector).problems.length).toBeGreaterThan(0)
      expect(router.write(broken, arms, selector, { canary: 50 })).toBe(broken)
      // The mark is still set: it closes the route for every leader, whatever its shape.
      expect(router.patch(broken, arms, selector, { canary: 0, closedTo: { revision: 'web-abc', sequence: 3 } }).at(-1)).toMatchObject({ op: expect.stringMatching('add|replace') })
    }))
  })
})

/** The same object after somebody else has changed what identifies the route of this weight: its destination, or its name or match. */
function rival(object: any, weight: readonly (string | number)[]): Record<string, any> {
  if (weight.at(-1) === 'selector') return { revision: setAt(object, [...weight, 'sluice.dev/revision'], 'web-9'), wider: setAt(object, weight, { app: 'web' }) }
  const item = weight.slice(0, -1)
  const entry = at(object, item)
  if (entry.service) return { destination: setAt(object, [...item, 'service'], 'web-rival'), apex: setAt(object, ['spec', 'service'], 'rival') }
  const route = weight.slice(0, 3)
  if (weight[1] === 'rules') return rivalOfRule(object, route, item)
  const { name } = at(object, route)
  return {
    destination: setAt(object, [...item, 'destination', 'host'], 'rival'),
    subset: setAt(object, [...item, 'destination', 'subset'], 'rival'),
    inserted: setAt(object, route.slice(0, 2), at(object, route.slice(0, 2)).toSpliced(Number(route[2]), 0, { match: [{ port: 1 }], route: [{ destination: { host: 'rival' } }] })),
    ...(name === undefined ? { match: setAt(object, [...route, 'match'], [{ port: 4711 }]), name: setAt(object, [...route, 'name'], 'rival') } : { name: setAt(object, [...route, 'name'], 'rival-of-all') }),
  }
}

function rivalOfRule(object: any, rule: readonly (string | number)[], item: readonly (string | number)[]): Record<string, any> {
  const { name } = at(object, rule)
  return {
    destination: setAt(object, [...item, 'name'], 'rival'),
    kind: setAt(object, [...item, 'kind'], 'ServiceImport'),
    namespace: setAt(object, [...item, 'namespace'], 'rival'),
    port: setAt(object, [...item, 'port'], 4711),
    inserted: setAt(object, rule.slice(0, 2), at(object, rule.slice(0, 2)).toSpliced(Number(rule[2]), 0, { matches: [{ method: 'PUT' }], backendRefs: [{ name: 'rival' }] })),
    ...(name === undefined ? { matches: setAt(object, [...rule, 'matches'], [{ method: 'PUT' }]), name: setAt(object, [...rule, 'name'], 'rival') } : { name: setAt(object, [...rule, 'name'], 'rival-of-all') }),
  }
}
