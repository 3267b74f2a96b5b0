/** What tells one rule of a route from the others. Pure. */
import { createHash } from 'node:crypto'
import { canonical, listOf } from './json.ts'

/** The name of a rule, or else its match (field `field`). Long ones are cut and end in a digest, since status keeps them. */
export function matchLabel(rule: any, field: 'match' | 'matches'): string {
  if (typeof rule?.name === 'string' && rule.name !== '') return rule.name
  if (listOf(rule?.[field]).length === 0) return 'without a name or match'
  const match = canonical(rule[field])
  return match.length <= 160 ? `match ${match}` : `match ${match.slice(0, 140)}… ${createHash('sha256').update(match).digest('hex').slice(0, 12)}`
}
