import type { Report } from './point.ts'

export const afterOutcome = {
  when: 'AfterOutcome',
  kind: 'Report',
  meaning: 'told of the outcome, at least once; its answer decides nothing',
  of: ['Promoted', 'RolledBack', 'Superseded', 'Withdrawn'],
} as const satisfies Report
