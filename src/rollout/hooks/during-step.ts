import type { Evidence } from './point.ts'

export const duringStep = {
  when: 'DuringStep',
  kind: 'Evidence',
  meaning: 'in each step, once its split is seen, as a load test or a test of the new version: the hold counts from when it agrees, and a refusal is a failing check',
  during: () => true,
} as const satisfies Evidence
