import type { Gate } from './point.ts'

export const beforeStart = {
  when: 'BeforeStart',
  kind: 'Gate',
  meaning: 'in Waiting, once windows, dependencies and approval have agreed: the journey starts when it agrees',
  before: ({ to }) => to === 'Start',
} as const satisfies Gate
