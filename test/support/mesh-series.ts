/** The series that data planes expose, in Prometheus' text format: counters and histograms with the labels that Istio and Linkerd give them. */
type Labels = Readonly<Record<string, string>>
interface Series {
  readonly labels: Labels
  /** The pod whose proxy exposes it; the series ends with the pod. Undefined: a caller's proxy, which stays. */
  readonly pod: string | undefined
  value: number
  sum: number
  readonly buckets: number[]
}
export const istioBuckets = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000]
const decades = [1, 10, 100, 1_000, 10_000]
export const linkerdBuckets = decades.flatMap((unit) => (unit === 1 ? [1, 2, 3, 4, 5] : [1, 2, 3, 4, 5].map((times) => times * unit)))

export class SeriesStore {
  readonly #counters = new Map<string, Map<string, Series>>()
  readonly #histograms = new Map<string, { bounds: readonly number[]; series: Map<string, Series> }>()

  count(name: string, labels: Labels, pod: string | undefined): void {
    entry(this.#counters, name, () => new Map<string, Series>(), (all) => seriesOf(all, labels, pod, 0).value++)
  }

  observe(name: string, bounds: readonly number[], labels: Labels, pod: string | undefined, value: number): void {
    entry(this.#histograms, name, () => ({ bounds, series: new Map<string, Series>() }), ({ series }) => {
      const one = seriesOf(series, labels, pod, bounds.length)
      one.value++
      one.sum += value
      const index = bounds.findIndex((bound) => value <= bound)
      if (index >= 0) one.buckets[index] = (one.buckets[index] ?? 0) + 1
    })
  }

  /** Forgets what the proxy of a pod exposed: the next scrape no longer has it, as when a pod ends. */
  forgetPod(pod: string): void {
    for (const all of [...this.#counters.values(), ...[...this.#histograms.values()].map(({ series }) => series)]) {
      for (const [key, series] of all) if (series.pod === pod) all.delete(key)
    }
  }

  text(): string {
    const lines: string[] = []
    for (const [name, all] of this.#counters) {
      lines.push(`# TYPE ${name} counter`)
      for (const { labels, value } of all.values()) lines.push(`${name}${written(labels)} ${value}`)
    }
    for (const [name, { bounds, series }] of this.#histograms) {
      lines.push(`# TYPE ${name} histogram`)
      for (const one of series.values()) {
        let sum = 0
        bounds.forEach((bound, index) => lines.push(`${name}_bucket${written({ ...one.labels, le: String(bound) })} ${(sum += one.buckets[index] ?? 0)}`))
        lines.push(`${name}_bucket${written({ ...one.labels, le: '+Inf' })} ${one.value}`, `${name}_sum${written(one.labels)} ${one.sum}`, `${name}_count${written(one.labels)} ${one.value}`)
      }
    }
    return `${lines.join('\n')}\n`
  }
}

function entry<T>(map: Map<string, T>, key: string, make: () => T, use: (value: T) => void): void {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  use(value)
}

function seriesOf(all: Map<string, Series>, labels: Labels, pod: string | undefined, buckets: number): Series {
  const key = written(labels)
  let series = all.get(key)
  if (!series) all.set(key, (series = { labels, pod, value: 0, sum: 0, buckets: Array.from({ length: buckets }, () => 0) }))
  return series
}

function written(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
  return `{${pairs.join(',')}}`
}
