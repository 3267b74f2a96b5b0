import type { ArmCounts, Counts, Question, Reading } from '../../../src/analysis/reading.ts'

export const at = Date.UTC(2026, 0, 1, 12)

export const question = (more: Partial<Question> = {}): Question => ({
  id: 'success@web-2',
  check: 'success',
  source: 'default',
  telemetry: 'Istio',
  measure: { kind: 'SuccessRate' },
  stable: { namespace: 'shop', workloads: ['web-1'], door: 'web-stable.shop.svc.cluster.local' },
  canary: { namespace: 'shop', workloads: ['web-2'], door: 'web-canary.shop.svc.cluster.local' },
  at,
  fastMs: 60_000,
  slowMs: 300_000,
  ...more,
})

export const counts = (total: number, bad = 0): Counts => ({ total, bad })

/** A reading of the canary; stable has ten times as many requests and no bad ones. */
export const reading = (slow: Counts, fast: Counts = slow, more: Partial<Question> = {}, percentileMs?: number): Reading => {
  const canary: ArmCounts = { fast, slow, ...(percentileMs === undefined ? {} : { percentileMs }) }
  const stable: ArmCounts = { fast: counts(fast.total * 9), slow: counts(slow.total * 9) }
  return { question: question(more), answer: { state: 'Counts', canary, stable }, answeredAt: at + 20 }
}
