/** Metric sources as the configuration has them. */
import { credentials } from '../metrics/credentials.ts'
import { prometheusSource, type MetricSource } from '../metrics/prometheus.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { EffectiveSource } from './effective.ts'

/** Makes sources, and makes none anew that is configured as before: it keeps its connections, and what it knows of failures. */
export function sourceMaker(clock: Pick<Clock, 'monotonic'>, log: Log): (wanted: readonly EffectiveSource[]) => readonly MetricSource[] {
  let made: ReadonlyMap<string, MetricSource> = new Map()
  return (wanted) => {
    made = new Map(wanted.map((source) => {
      // Windows are the affair of plans: another scrape interval makes no other source.
      const identity = JSON.stringify({ ...source, scrapeIntervalMs: 0 })
      return [identity, made.get(identity) ?? make(source, clock, log)]
    }))
    return [...made.values()]
  }
}

function make({ name, url, timeoutMs, maxInFlight, headers, auth, tls }: EffectiveSource, clock: Pick<Clock, 'monotonic'>, log: Log): MetricSource {
  return prometheusSource({
    name, url, timeoutMs, maxInFlight, ...(headers === undefined ? {} : { headers }),
    ...(auth === undefined && tls === undefined ? {} : { credentials: credentials({ auth, tls }) }),
    onWarning: (warning) => log.warn({ source: name }, `Prometheus warns: ${warning}`),
  }, clock)
}
