import type { Gate } from './point.ts'

export const beforePromotion = {
  when: 'BeforePromotion',
  kind: 'Gate',
  meaning: 'after the last step, when everything else has agreed',
  before: ({ to }) => to === 'Promotion',
} as const satisfies Gate
