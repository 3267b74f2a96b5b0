/** PromQL for questions: the series of their data plane, counted in whole requests. */
import type { Question } from './reading.ts'
import { statusLabels, type Leaf, type Series, type What } from './series.ts'
import { dataPlanes } from './telemetry.ts'

/** The label that tells the elements of one answer apart: `<arm>.<window>.<what>`, for example `canary.fast.bad`. */
export const countLabel = 'count'

/** Labels that elements keep; the others are summed up. */
const kept: Partial<Record<What, readonly string[]>> = { bucket: ['le'], status: statusLabels }

/** How far back a series is looked for before it counts as born inside the window: a failed scrape hides it from `x offset w` by its staleness marker. */
const bornLookback = '10m'
/** How old the sample may be that the rise inside the window is measured from; where there is none, from the first one inside. */
const baseLookback = '90s'

/** One query for all counts of a question, to be evaluated at `question.at`; undefined where its windows are empty or no arm names a workload. */
export function countsQuery(question: Question): string | undefined {
  const windows = windowsOf(question)
  const parts = (['stable', 'canary'] as const).flatMap((arm) =>
    leaves(question, arm).flatMap((leaf) =>
      windows.map(({ name, ms }) => {
        const counted = leaf.series.map((series) => increments(series, ms)).join(' or ')
        const labels = kept[leaf.what]
        return named(labels === undefined ? `sum(${counted})` : `sum by (${labels.join(', ')}) (${counted})`, `${arm}.${name}.${leaf.what}`)
      }),
    ),
  )
  return parts.length === 0 ? undefined : parts.join(' or ')
}

/** The windows that are asked: one where both are the same, so that a young split costs half. Lengths in ms. */
export function windowsOf(question: Pick<Question, 'fastMs' | 'slowMs'>): readonly { readonly name: 'fast' | 'slow'; readonly ms: number }[] {
  if (!(question.slowMs > 0)) return []
  const slow = { name: 'slow' as const, ms: question.slowMs }
  return question.fastMs > 0 && question.fastMs < question.slowMs ? [{ name: 'fast', ms: question.fastMs }, slow] : [slow]
}

function leaves(question: Question, name: 'stable' | 'canary'): readonly Leaf[] {
  const { measure, telemetry } = question
  if (telemetry === undefined || measure.kind === 'Query') return []
  const shared = question[name === 'stable' ? 'canary' : 'stable'].door === undefined
  return dataPlanes[telemetry].leaves(question[name], measure.kind, shared)
}

/**
 * How far each counter has risen inside the window, in whole requests:
 * born inside it, its whole value (the first failures of a new pod are there at its first scrape, and `increase()` misses them);
 * else last sample minus the last one before the window. Measured from the first one inside, a series that was there before would lose up to a scrape of
 * requests and one that is born with the first failure would not: a good version would look worse than it is;
 * `increase()` would extrapolate 3 to 4 in a window of four scrapes; it is asked after a restart, where differences are no counts.
 */
function increments(series: Series, windowMs: number): string {
  const selector = `${series.metric}{${series.matchers.join(',')}}`
  const window = `${selector}[${Math.round(windowMs)}ms]`
  const offset = `${Math.round(windowMs)}ms`
  return (
    `(max_over_time(${window}) unless last_over_time(${selector}[${bornLookback}] offset ${offset}))` +
    ` or (max_over_time(${window}) - last_over_time(${selector}[${baseLookback}] offset ${offset}) >= 0 unless resets(${window}) > 0)` +
    ` or (max_over_time(${window}) - min_over_time(${window}) unless resets(${window}) > 0)` +
    ` or increase(${window})`
  )
}

const named = (expression: string, name: string): string => `label_replace(${expression}, "${countLabel}", "${name}", "", "")`
