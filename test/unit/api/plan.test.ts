import { describe, expect, it } from 'vitest'
import { plan, type Plan } from '../../../src/rollout/plan.ts'
import { backends, rollout } from './variants.ts'

const settings = { scrapeIntervalMs: 15_000 }
function planned(spec: any, name = 'checkout'): Plan {
  const answer = plan(spec, name, settings)
  if (!answer.ok) throw new Error(answer.problems.map(({ message }) => message).join('\n'))
  return answer.plan
}

describe('plan', () => {
  it('fills in every default', () => {
    const { spec } = rollout()
    delete spec.analysis
    spec.steps = [{ weight: 100 }]
    const { inputsHash, ...rest } = planned(spec)
    expect(inputsHash).toMatch(/^[0-9a-f]{16}$/)
    expect(rest).toEqual({
      mode: 'Revisions', name: 'checkout', workload: 'checkout', steps: [{ index: 0, weight: 100, holdMs: 75_000 }], telemetry: 'Istio', source: 'default', scrapeIntervalMs: 15_000, intervalMs: 30_000,
      checks: [], hooks: [],
      noData: { action: 'Hold', deadlineMs: 900_000 }, sourceError: { action: 'Hold', deadlineMs: 300_000 }, windows: [], dependsOn: [],
      progressDeadlineMs: 600_000,
      onFailure: 'Rollback', retainStableMs: 1_800_000, revisionHistoryLimit: 3, deletionPolicy: 'Restore', paused: false, observes: false,
    })
  })
  it('takes every field as it is written', () => {
    const { spec } = rollout()
    Object.assign(spec, {
      replicas: 0, progressDeadline: '1h', onFailure: 'Hold', retainStable: '0s', revisionHistoryLimit: 0, deletionPolicy: 'Orphan', paused: true,
      dependsOn: [{ name: 'pricing' }],
      schedule: { windows: [{ cron: '0 9 * * 1-5', duration: '7h', timeZone: 'Europe/Berlin' }, { cron: '0 9 * * *', duration: '90m' }] },
      steps: [{ name: 'smoke', weight: 0, hold: '1m', scale: 1 }, { weight: '0.5%', scale: '50%', approval: 'Before' }, { weight: '100%', hold: '0s',
      approval: 'After' }],
    })
    spec.service.name = 'shop'
    spec.analysis = {
      telemetry: 'Linkerd', interval: '20s', failureLimit: 3, minRequests: 7, noData: { action: 'Pass' }, sourceError: { deadline: '2m' },
      checks: [{ name: 'success', successRate: { min: '99.9%' } }, { name: 'p99', latency: { percentile: 99.9, max: '0.25s' }, failureLimit: 0,
      minRequests: 100, onFailure: 'Report' }],
    }
    expect(planned(spec)).toMatchObject({
      name: 'shop', workload: 'checkout', replicas: 0, progressDeadlineMs: 3_600_000, onFailure: 'Hold', retainStableMs: 0, revisionHistoryLimit: 0,
      deletionPolicy: 'Orphan', paused: true, dependsOn: ['pricing'],
      windows: [{ cron: '0 9 * * 1-5', durationMs: 25_200_000, timeZone: 'Europe/Berlin' }, { cron: '0 9 * * *', durationMs: 5_400_000, timeZone: 'Etc/UTC' }],
      steps: [
        { index: 0, name: 'smoke', weight: 0, holdMs: 60_000, scale: { pods: 1 } },
        { index: 1, weight: 0.5, holdMs: 75_000, scale: { percent: 50 }, approval: 'Before' },
        { index: 2, weight: 100, holdMs: 0, approval: 'After' },
      ],
      telemetry: 'Linkerd', intervalMs: 20_000, noData: { action: 'Pass', deadlineMs: 900_000 }, sourceError: { action: 'Hold', deadlineMs: 120_000 },
      checks: [
        { name: 'success', measure: { kind: 'SuccessRate', min: 0.999 }, bound: '99.9%', allowedBad: 0.001, failureLimit: 3, minRequests: 7,
        onFailure: 'Hold' },
        { name: 'p99', measure: { kind: 'Latency', percentile: 99.9, maxMs: 250 }, bound: '0.25s', allowedBad: 0.001, failureLimit: 0, minRequests: 100,
        onFailure: 'Report' },
      ],
    })
  })
  it('reads backends', () => {
    const { spec } = backends()
    expect(planned(spec, 'reviews')).toMatchObject({ mode: 'Backends', name: 'reviews' })
    expect(planned(spec, 'reviews')).not.toHaveProperty('workload')
    spec.backends.canary.workloadRef = { kind: 'Deployment', name: 'reviews-v2' }
    expect(planned(spec, 'reviews')).toMatchObject({ name: 'reviews', workload: 'reviews-v2' })
  })
  it('measures Linkerd where SMI moves the requests', () => {
    const { spec } = rollout()
    spec.traffic = { smi: {} }
    expect(planned(spec).telemetry).toBe('Linkerd')
    spec.traffic = { gatewayAPI: { managed: { parentRefs: [{ name: 'public' }] } } }
    delete spec.analysis
    expect(planned(spec).telemetry).toBeUndefined()
  })
  it('answers with what is wrong', () => {
    const { spec } = rollout()
    spec.steps[0].hold = '5 minutes'
    expect(plan(spec, 'checkout', settings)).toEqual({
      ok: false, problems: [{ field: 'spec.steps[0].hold', value: '5 minutes',
      message: 'spec.steps[0].hold: "5 minutes" is no duration: write for example 90s, 5m or 1h30m' }],
    })
  })

  it('asks the source that is named, in its own rhythm; one that nobody knows in that of the default', () => {
    const { spec } = rollout()
    delete spec.steps[0].hold
    const known = { scrapeIntervalMs: 15_000, sources: { default: { scrapeIntervalMs: 15_000 }, edge: { scrapeIntervalMs: 5000 } } }
    const of = (name?: string) => {
      spec.analysis.sourceRef = name === undefined ? undefined : { name }
      const result = plan(spec, 'checkout', known)
      return result.ok ? [result.plan.source, result.plan.scrapeIntervalMs, result.plan.intervalMs, result.plan.steps[0]!.holdMs] : result.problems
    }
    expect(of()).toEqual(['default', 15_000, 30_000, 75_000])
    expect(of('edge')).toEqual(['edge', 5000, 10_000, 25_000])
    expect(of('edgy')).toEqual(['edgy', 15_000, 30_000, 75_000])
  })
  it('lets the administrator say what unset fields mean, each by itself, and none that is set', () => {
    const { spec } = rollout()
    spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '1h' }] }
    spec.analysis.noData = { action: 'Pass' }
    const given = {
      analysis: { interval: '10s', failureLimit: 4, minRequests: 9, noData: { action: 'Fail' as const, deadline: '1m' }, sourceError: { deadline: '2m' } },
      progressDeadline: '3m', onFailure: 'Hold' as const, schedule: { timeZone: 'Europe/Berlin' }, retainStable: '4m', revisionHistoryLimit: 9, deletionPolicy: 'Orphan' as const,
    }
    const result = plan(spec, 'checkout', { ...settings, defaults: given })
    expect(result.ok && result.plan).toMatchObject({
      intervalMs: 10_000, noData: { action: 'Pass', deadlineMs: 60_000 }, sourceError: { action: 'Hold', deadlineMs: 120_000 }, windows: [{ timeZone: 'Europe/Berlin' }],
      progressDeadlineMs: 180_000, onFailure: 'Hold', retainStableMs: 240_000, revisionHistoryLimit: 9, deletionPolicy: 'Orphan',
      checks: [{ failureLimit: 4, minRequests: 9, onFailure: 'Hold' }, { failureLimit: 4, minRequests: 9, onFailure: 'Hold' }],
    })
    Object.assign(spec, { onFailure: 'Rollback', retainStable: '1m', deletionPolicy: 'Restore' })
    Object.assign(spec.analysis, { failureLimit: 0 })
    const set = plan(spec, 'checkout', { ...settings, defaults: given })
    expect(set.ok && set.plan).toMatchObject({ onFailure: 'Rollback', retainStableMs: 60_000, deletionPolicy: 'Restore', checks: [{ failureLimit: 0, onFailure: 'Rollback' }, {}] })
    // It is the same spec: a journey is not begun anew.
    expect(set.ok && set.plan.inputsHash).toBe(planned(spec).inputsHash)
  })

  describe('inputsHash', () => {
    const hash = (change: (spec: any) => void = () => undefined) => {
      const { spec } = rollout()
      change(spec)
      return planned(spec).inputsHash
    }
    it('is the same from one release of Sluice to the next', () => expect(hash()).toBe('9307e1ebb4322658'))
    it('does not look at the order of fields', () => {
      expect(hash((spec) => { spec.steps[0] = { hold: spec.steps[0].hold, weight: spec.steps[0].weight } })).toBe(hash())
    })
    it.each<[string, (spec: any) => void]>([
      ['replicas', (spec) => { spec.replicas = 9 }],
      ['paused', (spec) => { spec.paused = true }],
      ['retainStable', (spec) => { spec.retainStable = '1h' }],
      ['schedule', (spec) => { spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '1h' }] } }],
    ])('does not look at %s', (_, change) => expect(hash(change)).toBe(hash()))
    it.each<[string, (spec: any) => void]>([
      ['steps', (spec) => { spec.steps[0].weight = 6 }],
      ['the order of steps', (spec) => { spec.steps = [spec.steps[0], spec.steps[0], spec.steps[2]] }],
      ['analysis', (spec) => { spec.analysis.failureLimit = 2 }],
      ['traffic', (spec) => { spec.traffic = { smi: {} } }],
    ])('looks at %s', (_, change) => expect(hash(change)).not.toBe(hash()))
  })
})
