import { renderExplanation } from '../../../src/cli/explain.ts'
import { renderHistory } from '../../../src/cli/history.ts'
import { describe, expect, test } from 'vitest'
import type { RolloutStatus } from '../../../src/rollout/schema.ts'
import { drawCurves, renderRollout } from '../../../src/cli/view.ts'
import { imageVersion, span, versions } from '../../../src/cli/words.ts'

import { at, now, rollout, status } from './view.test-data.ts'

const checks: RolloutStatus['checks'] = [
  { name: 'success-rate', verdict: 'Pass', value: '99.71%', bound: '99%', total: 12043, bad: 35, failures: 0, since: at(60), at: at(4) },
  { name: 'latency-p99', verdict: 'Fail', value: '812ms', bound: '500ms', total: 12043, bad: 400, failures: 1, message: 'p99 is 812ms, allowed are 500ms', since: at(60), at: at(4) },
]

describe('the picture of a rollout', () => {
  test('in the middle of a journey', () => {
    expect(renderRollout(rollout({ checks }), now, { columns: 120, pods: { stable: { ready: 5, wanted: 5 }, canary: { ready: 1, wanted: 2 } }, curves: { 'success-rate': [99, 99.5, 99.9] } })).toEqual([
      'checkout (shop)   STEP 2/4   v1.8.2 → v1.9.0   6m12s ago',
      '  now      Holding at 25%: 2m52s more, then approval for 50%.',
      '  steps    ✔ 5%   ▶ 25% holding 2m08s of 5m   · 50% approval   · 100%',
      '  traffic  stable 75% ███████████████░░░░░ canary 25%    VirtualService/checkout, seen 2m08s ago',
      '  checks   success-rate   99.71% ≥ 99%    ▁▅█   12,043 requests, 35 failed, 0 bad of 2',
      '           latency-p99    812ms > 500ms         12,043 requests, 400 slow, 1 bad of 2',
      '           p99 is 812ms, allowed are 500ms',
      '  pods     stable 5/5   canary 1/2',
      '  next     sluice promote checkout · sluice abort checkout --reason …',
    ])
  })
  test('queries of one’s own stand between their bounds, without requests', () => {
    const shown = (prometheus: object, check: object) => {
      const own = rollout({ checks: [{ name: 'lag', verdict: 'Pass', value: '12s', bound: '30s', failures: 0, since: at(60), at: at(4), ...check } as RolloutStatus['checks'][number]] })
      own.spec.analysis = { checks: [{ name: 'lag', prometheus: { templateRef: { name: 'lag' }, ...prometheus } }] }
      return renderRollout(own, now, { columns: 120 }).find(line => line.includes('lag'))?.trim()
    }
    expect(shown({ max: '30' }, {})).toBe('checks   lag   12s ≤ 30s   0 bad of 2')
    expect(shown({ max: '30' }, { verdict: 'Fail', value: '40s' })).toBe('checks   lag   40s > 30s   0 bad of 2')
    expect(shown({ min: '30' }, { verdict: 'Fail' })).toBe('checks   lag   12s < 30s   0 bad of 2')
    expect(shown({ min: '5', max: '30' }, { bound: '5s to 30s' })).toBe('checks   lag   12s within 5s to 30s   0 bad of 2')
    expect(shown({ min: '5', max: '30' }, { bound: '5s to 30s', verdict: 'Fail', value: '2s' })).toBe('checks   lag   2s beyond 5s to 30s   0 bad of 2')
    expect(shown({ max: '30' }, { verdict: 'NoData' })).toBe('checks   lag   no data, ≤ 30s   0 bad of 2')
  })
  test('hooks that agree, refuse, put off and do not answer, of whom only the host is shown', () => {
    const one = rollout({ hooks: [
      { name: 'load', when: 'DuringStep', moment: 'm', id: 'a', since: at(120), state: 'Agreed', at: at(119) },
      { name: 'gate', when: 'BeforeRaise', moment: 'm', id: 'b', since: at(60), state: 'Refused', message: 'not \u001b[31mnow', at: at(59) },
      { name: 'slow', when: 'BeforeRaise', moment: 'm', id: 'c', since: at(60), state: 'Awaited' },
      { name: 'down', when: 'BeforeRaise', moment: 'm', id: 'd', since: at(60), state: 'Error', message: 'gate.test refuses connections', at: at(30) },
    ] })
    const urls = { load: 'https://load.test:8443/run?token=hidden', gate: 'https://gate.test/x', slow: 'https://slow.test/', down: 'https://gate.test/' }
    const spec = { ...one.spec, hooks: Object.entries(urls).map(([name, url]) => ({ name, when: 'BeforeRaise' as const, url })) }
    const lines = renderRollout({ ...one, spec }, now, { columns: 120 })
    expect(lines.filter(line => / at \S+\.test/.test(line))).toEqual([
      '  hooks    load   DuringStep at load.test:8443   agreed since 1m59s',
      '           gate   BeforeRaise at gate.test   refuses since 59s: not  [31mnow',
      '           slow   BeforeRaise at slow.test   asked since 1m',
      '           down   BeforeRaise at gate.test   does not answer since 30s: gate.test refuses connections',
    ])
    expect(lines.join()).not.toContain('hidden')
  })
  test('at rest it says how the last journey ended and what it cost', () => {
    const lines = renderRollout(rollout({
      phase: 'RolledBack', message: 'v1.9.0 was rolled back.', canary: undefined,
      journey: { ...status().journey!, ended: { outcome: 'RolledBack', reason: 'CheckFailed', at: at(60) } },
      history: [{ revision: 'checkout-bbbbbbbbbb', from: 'checkout-aaaaaaaaaa', images: ['shop/checkout:v1.9.0'], outcome: 'RolledBack', reason: 'CheckFailed', startedAt: at(372), endedAt: at(60), requests: { served: 9800, lost: 120 } }],
    }), now, { columns: 120 })
    expect(lines[0]).toBe('checkout (shop)   ROLLED BACK   v1.8.2')
    expect(lines).toContain('  steps    ✔ 5%   ✘ 25%   · 50% approval   · 100%')
    expect(lines).toContain('  last     v1.9.0 rolled back after 5m12s (CheckFailed); it served 9,800 requests and lost 120, 1m ago')
    expect(lines).toContain('  next     sluice retry checkout')
    expect(lines.some(line => line.includes('stable 100%') && line.includes('canary 0%'))).toBe(true)
  })
  test('held where somebody else lowered it, it shows the share of now', () => {
    const lines = renderRollout(rollout({ phase: 'Held', journey: { ...status().journey!, weight: { wanted: 0, seen: 25, seenAt: at(128) } } }), now, { columns: 120 })
    expect(lines).toContain('  traffic  stable 100% ████████████████████ canary 0%    VirtualService/checkout, seen 2m08s ago')
  })
  test('a release of another tool shows no steps and no commands, and what became of the last one', () => {
    const message = 'would have rolled checkout-bbbbbbbbbb back at 14:02 UTC at 5% (success 92.10% misses 99%), 9,800 requests earlier, 784 of them lost; flagger took its traffic away'
    const watching = rollout({ phase: 'Observing', message: 'observing: checkout carries 25%, moved by flagger', canary: { revision: 'checkout-bbbbbbbbbb' } })
    const lines = renderRollout(watching, now, { columns: 120 })
    expect(lines[0]).toContain('OBSERVING')
    expect(lines.some((line) => line.startsWith('  steps') || line.startsWith('  next'))).toBe(false)
    expect(lines.some((line) => line.includes('canary 25%'))).toBe(true)
    const entry = { revision: 'checkout-bbbbbbbbbb', outcome: 'WouldRollBack' as const, reason: 'CheckFailed', startedAt: at(372), endedAt: at(60), requests: { served: 10_400, lost: 800 }, observed: { message } }
    const over = rollout({ phase: 'Observing', message: 'observing', journey: { ...status().journey!, ended: { outcome: 'WouldRollBack', reason: 'CheckFailed', at: at(60) } }, history: [entry] })
    expect(renderRollout(over, now, { columns: 300 })).toContain(`  last     bbbbbbbbbb, 1m ago: Sluice ${message}`)
    expect(renderHistory([{ ...entry, namespace: 'shop', rollout: 'checkout' }], now).join('\n')).toContain(message)
    expect(renderExplanation(watching, now).join('\n')).toContain('25% seen in the mesh, moved by somebody')
  })
  test.each([30, 40, 60, 80, 200])('no line is wider than %i columns, with and without colour', columns => {
    for (const color of [false, true]) {
      const lines = renderRollout(rollout({ checks, message: 'x'.repeat(300) }), now, { columns, color, pods: { stable: { ready: 5, wanted: 5 } } })
      // eslint-disable-next-line no-control-regex
      for (const line of lines) expect(line.replace(/\u001b\[[0-9;]*m/g, '').length).toBeLessThanOrEqual(columns)
    }
  })
  test('colour only where it is asked for, and no control characters from the cluster', () => {
    const lines = renderRollout(rollout({ message: 'a\u001b[2Jb\nc' }), now).join('')
    expect(lines).not.toContain('\u001b')
    expect(renderRollout(rollout(), now, { color: true }).join('')).toContain('\u001b[')
  })
  test('a rollout without status says that nobody looks at it', () => {
    const lines = renderRollout({ ...rollout(), status: undefined }, now)
    expect(lines.join('\n')).toContain('is `sluice controller` running?')
  })
  test.each([
    ['AwaitingApproval', 'sluice approve checkout · sluice abort checkout --reason …'],
    ['Held', 'sluice resume checkout · sluice abort checkout --reason …'],
    ['RolledBack', 'sluice retry checkout'],
  ] as const)('in %s the next command is named', (phase, text) => {
    expect(renderRollout(rollout({ phase }), now).at(-1)).toBe(`  next     ${text}`)
  })
  test('paused offers resume', () => {
    const paused = { ...rollout(), spec: { ...rollout().spec, paused: true } }
    expect(renderRollout(paused, now).at(-1)).toBe('  next     sluice resume checkout · sluice abort checkout --reason …')
  })
  test('a curve does not count one evaluation twice', () => {
    const curves: Record<string, number[]> = {}
    const first = status({ checks })
    drawCurves(curves, undefined, first)
    drawCurves(curves, first, first)
    expect(curves['success-rate']).toEqual([99.71])
  })
})

describe('words', () => {
  test.each([[0, '0s'], [59_999, '59s'], [60_400, '1m'], [3_900_000, '1h05m'], [90_000_000, '1d01h'], [-5, '0s']])('%i ms is %s', (ms, text) => expect(span(ms)).toBe(text))
  test.each([
    ['a/b:v1', 'v1'], ['reg:5000/b', 'latest'], ['reg:5000/b:2', '2'], ['b@sha256:0123456789abcdef', '01234567'],
  ])('version of %s', (image, text) => expect(imageVersion(image)).toBe(text))
  test('versions that share a tag are told apart by commit or name', () => {
    expect(versions({ revision: 'a-x1', images: ['i:v1'] }, { revision: 'a-y2', images: ['i:v1'] })).toEqual({ stable: 'x1', canary: 'y2' })
    expect(versions({ revision: 'a-x1', images: ['i:v1'], commit: 'abcdef0123' }, { revision: 'a-y2', images: ['i:v1'], commit: '99999999aa' })).toEqual({ stable: 'abcdef01', canary: '99999999' })
    expect(versions({ images: ['p:1', 'i:v1'] }, { images: ['p:1', 'i:v2'] })).toEqual({ stable: 'v1', canary: 'v2' })
  })
})
