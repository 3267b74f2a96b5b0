/** From the answer of Prometheus to counts. Whatever is not a clean vector of counts is an Error that names what came instead. */
import { countLabel, windowsOf } from './queries.ts'
import { statusLabels } from './series.ts'
import { dataPlanes } from './telemetry.ts'
import type { Answer, ArmCounts, Counts, Measure, Question } from './reading.ts'

interface Bucket {
  /** Upper bound in ms; Infinity for the last one. */
  readonly le: number
  /** Requests at or below it, cumulative. */
  readonly count: number
}
interface Element {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}
class Malformed extends Error {}

/**
 * Counts of both arms from `data` of `/api/v1/query`, as it was parsed from JSON.
 * An empty vector is zero requests; anything but a vector of finite counts is Error.
 */
export function countsAnswer(question: Question, data: unknown): Answer {
  try {
    return counted(question, data)
  } catch (error) {
    if (error instanceof Malformed) return { state: 'Error', reason: `the source answered ${error.message}` }
    throw error
  }
}

function counted(question: Question, data: unknown): Answer {
  const elements = new Map<string, Element[]>()
  for (const element of vector(data)) {
    const name = element.labels[countLabel] ?? ''
    elements.set(name, [...(elements.get(name) ?? []), element])
  }
  const answer = { state: 'Counts' as const, canary: armCounts(question, 'canary', elements), stable: armCounts(question, 'stable', elements) }
  const stranger = elements.keys().next()
  if (!stranger.done) throw new Malformed(`a series with ${countLabel}="${stranger.value}" that was not asked for`)
  return answer
}

/** Takes what it reads out of `counted`. */
function armCounts(question: Question, arm: string, counted: Map<string, Element[]>): ArmCounts {
  const take = (window: string, what: string): readonly Element[] => {
    const elements = counted.get(`${arm}.${window}.${what}`) ?? []
    counted.delete(`${arm}.${window}.${what}`)
    return elements
  }
  const read = (window: string): { counts: Counts; buckets: readonly Bucket[] } => {
    const buckets = question.measure.kind === 'Latency' ? bucketsOf(take(window, 'bucket'), question.telemetry === undefined ? 1 : dataPlanes[question.telemetry].leMs) : []
    const arrived =
      question.measure.kind === 'Latency'
        ? slower(buckets, question.measure.aboveMs)
        : byStatus(take(window, 'status'), { total: one(take(window, 'total')), bad: one(take(window, 'bad')) })
    // Who was never answered waited longer than any bound: an unreachable version fails its latency check too.
    const lost = one(take(window, 'lost'))
    const total = Math.round(arrived.total + lost)
    return { counts: { total, bad: Math.min(Math.round(arrived.bad + lost), total) }, buckets }
  }
  const slow = read('slow')
  const fast = windowsOf(question).some(({ name }) => name === 'fast') ? read('fast') : slow
  const percentileMs = percentileOf(slow.buckets, question.measure)
  return { fast: fast.counts, slow: slow.counts, ...(percentileMs === undefined ? {} : { percentileMs }) }
}

function one(elements: readonly Element[]): number {
  if (elements.length > 1) throw new Malformed(`${elements.length} series with ${countLabel}="${elements[0]!.labels[countLabel]}" where one was asked for`)
  return elements[0]?.value ?? 0
}

/** An HTTP status, or a class of them such as `5xx`. */
const anyStatus = /^[1-5]([0-9][0-9]|xx|XX)$/

/** Added to `others`. The first label that holds a status says it; an element without any says nothing: it counts neither as answered well nor as failed. */
function byStatus(elements: readonly Element[], others: Counts): Counts {
  let { total, bad } = others
  const seen = new Set<string>()
  for (const { labels, value } of elements) {
    const told = statusLabels.map((label) => labels[label] ?? '')
    const key = JSON.stringify(told)
    if (seen.has(key)) throw new Malformed(`${labels[countLabel]} twice for ${statusLabels.join(', ')} ${key}`)
    seen.add(key)
    const status = told.find((text) => anyStatus.test(text))
    if (status === undefined) continue
    total += value
    if (status.startsWith('5')) bad += value
  }
  return { total, bad }
}

/**
 * Sorted by bound and made monotone: after restarts the estimates of neighbouring buckets may cross by a request.
 * Equal bounds that are written differently (`500`, `500.0`) are added.
 */
function bucketsOf(elements: readonly Element[], leMs: number): readonly Bucket[] {
  const byBound = new Map<number, { count: number; readonly spellings: Set<string> }>()
  for (const { labels, value } of elements) {
    const spelling = labels['le'] ?? ''
    const le = spelling === '+Inf' ? Infinity : Number(spelling) * leMs
    if (spelling === '' || Number.isNaN(le)) throw new Malformed(`a bucket with le="${spelling}", which is no number`)
    const bucket = byBound.get(le) ?? { count: 0, spellings: new Set() }
    if (bucket.spellings.has(spelling)) throw new Malformed(`the bucket le="${spelling}" twice`)
    bucket.spellings.add(spelling)
    bucket.count += value
    byBound.set(le, bucket)
  }
  if (byBound.size > 0 && !byBound.has(Infinity)) throw new Malformed('buckets without le="+Inf"')
  let highest = 0
  return [...byBound].sort(([a], [b]) => a - b).map(([le, { count }]) => ({ le, count: (highest = Math.max(highest, count)) }))
}

/** Requests slower than the bound. Inside a bucket they are taken as spread evenly over it; above the highest finite bucket nothing can be told. */
function slower(buckets: readonly Bucket[], aboveMs: number): Counts {
  const last = buckets.at(-1)
  if (last === undefined) return { total: 0, bad: 0 }
  const above = buckets.findIndex(({ le }) => le >= aboveMs)
  const upper = buckets[above]!
  const lower = above > 0 ? buckets[above - 1]! : { le: 0, count: 0 }
  if (upper.le === Infinity)
    throw new Malformed(`buckets up to ${lower.le}ms only, so requests slower than ${aboveMs}ms cannot be told; choose a max of at most ${lower.le}ms`)
  const within = lower.count + ((upper.count - lower.count) * (aboveMs - lower.le)) / (upper.le - lower.le)
  return { total: last.count, bad: last.count - within }
}

/** As Prometheus' histogram_quantile: linear inside a bucket, the highest finite bound where the percentile lies above it. */
function percentileOf(buckets: readonly Bucket[], measure: Measure): number | undefined {
  const total = buckets.at(-1)?.count ?? 0
  if (measure.kind !== 'Latency' || total === 0) return undefined
  const rank = (total * measure.percentile) / 100
  const index = buckets.findIndex(({ count }) => count >= rank)
  const upper = buckets[index]!
  const lower = index > 0 ? buckets[index - 1]! : { le: 0, count: 0 }
  if (upper.le === Infinity) return lower.le
  if (upper.count === lower.count) return upper.le
  return lower.le + ((upper.le - lower.le) * (rank - lower.count)) / (upper.count - lower.count)
}

function vector(data: unknown): readonly Element[] {
  const { resultType, result } = record(data, 'no data')
  if (resultType !== 'vector') throw new Malformed(`a ${typeof resultType === 'string' ? resultType : 'result without type'} where a vector was asked for`)
  if (!Array.isArray(result)) throw new Malformed('a vector without a list')
  return result.map(element)
}

function element(raw: unknown): Element {
  const { metric, value, histogram } = record(raw, 'a series that is no object')
  const labels = Object.fromEntries(Object.entries(record(metric, 'a series without labels')).map(([name, text]) => [name, String(text)]))
  const shown = labels[countLabel] ?? labels['__name__'] ?? '{}'
  if (histogram !== undefined) throw new Malformed(`a native histogram for ${shown}, where a count was asked for`)
  const text: unknown = Array.isArray(value) ? value[1] : undefined
  if (typeof text !== 'string' || text.trim() === '') throw new Malformed(`a series without value for ${shown}`)
  const count = Number(text)
  if (!Number.isFinite(count) || count < 0) throw new Malformed(`${text.slice(0, 40)} for ${shown}, which is no count of requests`)
  return { labels, value: count }
}

function record(value: unknown, otherwise: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Malformed(otherwise)
  return value as Readonly<Record<string, unknown>>
}
