/** Meters as Prometheus scrapes them, through prom-client. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { definitions, type CounterName, type HistogramName, type MeterName, type Meters, type Sample } from './meters.ts'

export interface Exposition {
  readonly contentType: string
  /** All metrics in the text format of Prometheus, gauges as they are now. */
  text(): Promise<string>
}
export interface RegistryOptions {
  /** Also CPU, memory, garbage collection and event loop of the process: `process_*` and `nodejs_*`. */
  readonly process?: boolean
}
type Labels = Readonly<Record<string, string>>

/** New meters, all at nothing. */
export function registry(options: RegistryOptions = {}): { readonly meters: Meters; readonly exposition: Exposition } {
  const register = new Registry()
  if (options.process === true) collectDefaultMetrics({ register })
  const made = new Map<MeterName, Counter | Gauge | Histogram>()
  for (const [name, { help, type, labels, ...rest }] of Object.entries(definitions)) {
    const config = { name, help, labelNames: [...labels], registers: [register] }
    const meter = type === 'Counter' ? new Counter(config) : type === 'Gauge' ? new Gauge(config) : new Histogram({ ...config, ...('buckets' in rest ? { buckets: [...rest.buckets] } : {}) })
    made.set(name as MeterName, meter)
  }
  const counter = (name: CounterName) => made.get(name) as Counter
  const gauge = (name: MeterName) => made.get(name) as Gauge
  const gauges = [...made.values()].filter(meter => meter instanceof Gauge)
  /** The counters' series of each Rollout, to be dropped with it. */
  const series = new Map<string, Map<string, () => void>>()
  const readers = new Set<() => Iterable<Sample>>()

  const keep = (name: CounterName, labels: Labels): void => {
    const { rollout_namespace: namespace, rollout } = labels
    if (namespace === undefined || rollout === undefined) return
    const key = `${namespace}/${rollout}`
    let own = series.get(key)
    if (own === undefined) series.set(key, (own = new Map()))
    const one = `${name} ${Object.values(labels).join(' ')}`
    if (!own.has(one)) own.set(one, () => counter(name).remove({ ...labels }))
  }
  const readAll = (): void => {
    for (const one of gauges) {
      one.reset()
      // One without labels would stay, as 0; what nobody tells of has no series.
      one.remove({})
    }
    for (const reader of readers) for (const { name, labels, value } of reader()) gauge(name).set(labels, value)
  }
  return {
    meters: {
      count(name, labels, by = 1) {
        keep(name, labels)
        counter(name).inc({ ...labels }, by)
      },
      observe: (name: HistogramName, labels: Labels, seconds) => (made.get(name) as Histogram).observe({ ...labels }, Math.max(0, seconds)),
      read(reader) {
        readers.add(reader)
        return () => void readers.delete(reader)
      },
      forget(namespace, rollout) {
        const key = `${namespace}/${rollout}`
        for (const drop of series.get(key)?.values() ?? []) drop()
        series.delete(key)
      },
    },
    exposition: {
      contentType: register.contentType,
      text() {
        readAll()
        return register.metrics()
      },
    },
  }
}
