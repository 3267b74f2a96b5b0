/** A query that answers one number: from the answer of Prometheus to it, and from it to a verdict. Pure. */
import type { Answer, Reading } from './reading.ts'
import type { Evaluation, Memory } from './verdict.ts'
import { scrapesToPass } from './windows.ts'

/** What a value may be, in the unit of its query; at least one of the two. */
export interface Range {
  readonly min?: number
  readonly max?: number
}

/** The one number from `data` of `/api/v1/query`, as it was parsed from JSON. No series, or NaN, is Empty; anything but one number is Error. */
export function valueAnswer(data: unknown): Answer {
  const { resultType, result } = (data ?? {}) as { resultType?: unknown; result?: unknown }
  if (resultType === 'scalar' && Array.isArray(result)) return numbered(result)
  if (resultType !== 'vector' || !Array.isArray(result))
    return refused(`a ${typeof resultType === 'string' ? resultType : 'result without type'} where one number is needed: let the query answer an instant vector of one series`)
  if (result.length > 1) return refused(`${result.length} series where one number is needed: aggregate them, for example with sum(…)`)
  const [series] = result as readonly { value?: unknown; histogram?: unknown }[]
  if (series === undefined) return { state: 'Empty', reason: 'the query answered no series' }
  if (series?.histogram !== undefined) return refused('a native histogram where one number is needed: use histogram_quantile(…)')
  return numbered(series?.value)
}

function numbered(sample: unknown): Answer {
  const text: unknown = Array.isArray(sample) ? sample[1] : undefined
  if (typeof text !== 'string' || text.trim() === '') return refused('a sample without a value')
  const value = infinities[text] ?? Number(text)
  if (!Number.isNaN(value)) return { state: 'Value', value }
  return text === 'NaN' ? { state: 'Empty', reason: 'the query answered NaN, as 0/0 is' } : refused(`${JSON.stringify(text.slice(0, 40))}, which is no number`)
}
const infinities: Readonly<Record<string, number>> = { '+Inf': Infinity, '-Inf': -Infinity }
const refused = (what: string): Answer => ({ state: 'Error', reason: `the source answered ${what}` })

/**
 * A verdict on a value. It says nothing of how many requests it rests on, so there is none before four scrapes lie behind the split. An infinity fails the bound
 * that it is beyond: requests that take longer than the last bucket, or failures without a success. It never passes: the same +Inf is what a division by zero makes.
 */
export function evaluateValue({ question, answer }: Reading, range: Range, memory: Memory, scrapeIntervalMs: number): Evaluation {
  const unit = question.measure.kind === 'Query' ? question.measure.unit : ''
  const nothing = (verdict: 'NoData' | 'Error', message: string, more: Partial<Evaluation> = {}): Evaluation => ({ verdict, message, counts: false, memory, ...more })
  if (answer.state === 'Error') return nothing('Error', answer.reason)
  if (answer.state !== 'Value') return nothing('NoData', answer.state === 'Empty' ? answer.reason : 'counts were answered where a value was asked for')
  const { value } = answer
  const shown = { value: shownValue(value, unit, range) }
  const scrapedAt = question.at - question.slowMs + scrapesToPass * scrapeIntervalMs
  if (question.at < scrapedAt)
    return nothing('NoData', `fewer than ${scrapesToPass} scrapes since the split was seen, expected at ${new Date(scrapedAt).toISOString()}`, { ...shown, expectedAt: scrapedAt })
  const bound = shownRange(range, unit)
  if (beyond(value, range)) {
    // Two answers over the same samples are one failure.
    const counts = memory.countedAt === undefined || question.at - memory.countedAt >= scrapeIntervalMs
    return { verdict: 'Fail', ...shown, message: `the query answered ${shown.value}; the bound is ${bound}`, counts, memory: counts ? { countedAt: question.at } : memory }
  }
  if (!Number.isFinite(value)) return nothing('Error', `the query answered ${shown.value}, which no bound is beyond: a division by zero?`)
  return { verdict: 'Pass', ...shown, message: `the query answered ${shown.value}`, counts: false, memory }
}

const beyond = (value: number, { min = -Infinity, max = Infinity }: Range): boolean => value < min || value > max

/** `250ms`, `0.95`, `0.2 to 0.9`. */
export function shownRange({ min, max }: Range, unit: string): string {
  return [min, max].filter((bound) => bound !== undefined).map((bound) => withUnit(String(bound), unit)).join(' to ')
}

/** At most six digits, more where fewer would show a value that fails as one that does not. */
function shownValue(value: number, unit: string, range: Range): string {
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const short = Number(value.toPrecision(6))
  return withUnit(String(beyond(short, range) === beyond(value, range) ? short : value), unit)
}
/** Signs stand at the number, words beside it. */
const withUnit = (text: string, unit: string): string => (unit.length > 2 ? `${text} ${unit}` : `${text}${unit}`)
