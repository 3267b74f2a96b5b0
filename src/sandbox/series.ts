/** Samples in memory, as a Prometheus would have scraped them. */
import type { Matcher } from './promql-parser.ts'
import { signature, stale, type Labels, type Point, type Storage, type StoredSeries } from './promql.ts'

/** One series as a target exposes it now. `labels` includes `__name__`; the same object from scrape to scrape is found faster. */
export interface Exposed {
  readonly labels: Labels
  readonly value: number
}

interface Stored extends StoredSeries {
  readonly points: Point[]
  lastScrape: number
}

/** A bounded store: points older than `retentionMs` go, and series without points with them. */
export class SeriesMemory implements Storage {
  readonly #retentionMs: number
  readonly #byLabels = new Map<string, Stored>()
  readonly #byObject = new WeakMap<Labels, Stored>()
  readonly #byName = new Map<string, Set<Stored>>()
  #scrapes = 0

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs
  }

  /** Number of series, those that have ended and are still remembered included. */
  get size(): number {
    return this.#byLabels.size
  }

  /** Takes everything that is exposed at `at` (Unix ms, never going back). Series that the last scrape had and this one has not are marked as ended. */
  scrape(at: number, exposed: Iterable<Exposed>): void {
    const scrape = ++this.#scrapes
    for (const { labels, value } of exposed) {
      const series = this.#seriesOf(labels)
      series.lastScrape = scrape
      series.points.push({ t: at, v: value })
    }
    for (const [key, series] of this.#byLabels) {
      if (series.lastScrape === scrape - 1) series.points.push({ t: at, v: stale })
      this.#forget(key, series, at - this.#retentionMs)
    }
  }

  /** Adds samples as they are, without marking anything as ended: for histories that were not scraped. */
  append(at: number, samples: Iterable<Exposed>): void {
    for (const { labels, value } of samples) this.#seriesOf(labels).points.push({ t: at, v: value })
  }

  /** A scrape that failed: everything is marked as ended until the next one that works. */
  miss(at: number): void {
    this.scrape(at, [])
  }

  *select(matchers: readonly Matcher[]): Iterable<StoredSeries> {
    const name = matchers.find(({ label, op }) => label === '__name__' && op === '=')?.value
    for (const series of name === undefined ? this.#byLabels.values() : (this.#byName.get(name) ?? [])) {
      if (matchers.every(({ label, matches }) => matches(series.labels[label] ?? ''))) yield series
    }
  }

  #seriesOf(labels: Labels): Stored {
    const known = this.#byObject.get(labels)
    if (known !== undefined && known.points.length > 0) return known
    // An empty label is no label.
    const full = Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''))
    const key = signature(full)
    let series = this.#byLabels.get(key)
    if (series === undefined) {
      series = { labels: full, points: [], lastScrape: 0 }
      this.#byLabels.set(key, series)
      const name = full['__name__'] ?? ''
      this.#byName.set(name, (this.#byName.get(name) ?? new Set()).add(series))
    }
    this.#byObject.set(labels, series)
    return series
  }

  #forget(key: string, series: Stored, before: number): void {
    let old = 0
    while (old < series.points.length && series.points[old]!.t < before) old++
    if (old > 0) series.points.splice(0, old)
    if (series.points.length > 0) return
    this.#byLabels.delete(key)
    const name = series.labels['__name__'] ?? ''
    this.#byName.get(name)?.delete(series)
    if (this.#byName.get(name)?.size === 0) this.#byName.delete(name)
  }
}
