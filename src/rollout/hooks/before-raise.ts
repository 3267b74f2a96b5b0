import type { Gate } from './point.ts'

export const beforeRaise = {
  when: 'BeforeRaise',
  kind: 'Gate',
  meaning: 'before each rise of the weight, the first one included, when hold, checks and approval have let it pass',
  before: ({ to, from, weight }) => to === 'Step' && weight > from,
} as const satisfies Gate
