import { expect, it } from 'vitest'
import { endOf, Shares } from '../../../src/cli/demo/journey.ts'
import { demoOptions } from '../../../src/cli/demo/options.ts'
import { answersOf, crashes, scenarios } from '../../../src/cli/demo/scenarios.ts'
import { verdict, withVersions, wrapped } from '../../../src/cli/demo/text.ts'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'

const at = (second: number) => new Date(Date.UTC(2026, 0, 5) + second * 1000).toISOString()
const status = (journey: object, more: object = {}) => {
  const whole = { id: 'j2', startedAt: at(0), requests: { served: 9, lost: 1 }, ...journey }
  return { phase: 'Holding', decisions: [], history: [], journey: whole, ...more } as unknown as RolloutStatus
}

it('knows how long each share lasted, the last one until the decision', () => {
  const shares = new Shares()
  shares.add(status({ weight: { wanted: 5 } }))
  for (const [seen, second] of [[5, 10], [5, 10], [25, 140]] as const) shares.add(status({ weight: { wanted: 25, seen, seenAt: at(second) } }))
  expect(shares.until(Date.parse(at(200)))).toEqual([{ weight: 5, seconds: 130 }, { weight: 25, seconds: 60 }])
})

it('sees the end of this journey only, and takes Held for one', () => {
  const closing = { outcome: 'RolledBack', reason: 'CheckFailed', message: 'success 80% misses 99%', at: at(60) }
  const ended = { ended: { outcome: 'RolledBack', reason: 'CheckFailed', at: at(90) }, closing }
  expect(endOf(status(ended), 'j2')).toBeUndefined()
  expect(endOf(status({}), 'j1')).toBeUndefined()
  expect(endOf(status(ended), 'j1')).toMatchObject({ outcome: 'RolledBack', reason: closing.message })
  expect(endOf(status(ended), 'j1')).toMatchObject({ decidedAt: Date.parse(at(60)), endedAt: Date.parse(at(90)) })
  const held = { held: { reason: 'NoData', message: 'no data for 15m', at: at(900) } }
  expect(endOf(status(held, { phase: 'Held' }), 'j1')).toMatchObject({ outcome: 'Held', reason: 'no data for 15m' })
})

it('says what was expected where it came otherwise', () => {
  const numbers = { steps: [{ weight: 100, seconds: 60 }], requests: { served: 1200, lost: 150 }, seconds: 65 }
  const report = { scenario: 'errors', outcome: 'Promoted', expected: 'RolledBack', reason: 'every step passed', ...numbers } as const
  expect(verdict(scenarios.errors, report)).toEqual([
    '✘ v1.10.0 was promoted after 1m05s, but RolledBack was expected',
    '  because every step passed',
    '  traffic 100% for 1m; it served 1,200 requests and lost 150',
  ])
  expect(verdict(scenarios.errors, { ...report, steps: [] }).at(-1)).toBe('  it never had traffic')
})

it('puts versions for revisions, but not into names of pods', () => {
  const revision = (name: string, tag: string) => ({ revision: `checkout-${name}`, images: [`shop/checkout:${tag}`] })
  const known = { stable: revision('aaaa', 'v1'), canary: revision('bbbb', 'v2'), history: [] } as unknown as RolloutStatus
  expect(withVersions('checkout-aaaa → checkout-bbbb: pod checkout-bbbb-x1, checkout-bbbb', known)).toBe('v1 → v2: pod checkout-bbbb-x1, v2')
})

it('wraps at words and keeps the indentation', () => {
  expect(wrapped('  because one two three', 14)).toEqual(['  because one', '    two three'])
  expect(wrapped('one two', undefined)).toEqual(['one two'])
})

it('tries images that people make up by the end of their tag', () => {
  expect(answersOf('shop/checkout:v2.0.0-errors').errorRate).toBeGreaterThan(0)
  expect(answersOf('shop/checkout:v2.0.0').errorRate).toBeUndefined()
  expect(crashes('registry:5000/shop/checkout:v9-crash')).toBe(true)
  expect(crashes('shop/checkout:v1.9.0')).toBe(false)
})

it('tours one good and one bad release where nobody says what; a kept cluster runs as the watch does', () => {
  const tour = demoOptions({ keep: true })
  expect(tour).toMatchObject({ ok: true, options: { speed: 60, keepSpeed: 1, keep: true, json: false } })
  expect(tour.ok && tour.options.scenarios.map(({ name }) => name)).toEqual(['healthy', 'errors'])
  expect(demoOptions({ speed: '120' })).toMatchObject({ options: { speed: 120, keepSpeed: 120 } })
})
