/** Flags and file as one: what is in force. Pure. */
import { urlProblem } from '../metrics/url.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import { parseDuration } from '../rollout/duration.ts'
import type { RolloutDefaults } from '../rollout/schema.ts'
import { defaultSource } from '../rollout/sources.ts'
import { sourceDefaults, type Configuration, type SourceConfiguration } from './schema.ts'

/** What flags of the controller say of the same things. */
export interface ConfigurationFlags {
  readonly prometheus?: string
  /** Of `prometheus`, in ms; 15 s where unset. */
  readonly scrapeIntervalMs?: number
  readonly allowedHosts: readonly string[]
  readonly clusterName?: string
  /** Unset: none are named. */
  readonly templateNamespaces?: readonly string[]
}
/** One metric source in numbers. */
export interface EffectiveSource extends Pick<SourceConfiguration, 'name' | 'url' | 'headers' | 'auth' | 'tls'> {
  readonly scrapeIntervalMs: number
  readonly timeoutMs: number
  readonly maxInFlight: number
}
export interface Effective {
  readonly sources: readonly EffectiveSource[]
  readonly allowedHosts: readonly string[]
  readonly clusterName?: string
  /** Of flags and file; empty: nobody said any. */
  readonly templateNamespaces: readonly string[]
  readonly defaults?: RolloutDefaults
}
export type Merged = { readonly ok: true; readonly effective: Effective } | { readonly ok: false; readonly problems: readonly string[] }

/** Each thing is said in one place only, so nobody has to know which would win; allowed hosts of both places add up. */
export function effective(flags: ConfigurationFlags, file: Configuration | undefined): Merged {
  const urls = flags.prometheus === undefined ? undefined : urlProblem(flags.prometheus)
  const problems = [...(urls === undefined ? [] : [`--prometheus: ${urls}`]), ...conflicts(flags, file)]
  if (problems.length > 0) return { ok: false, problems }
  const { prometheus, scrapeIntervalMs = parseDuration(sourceDefaults.scrapeInterval)! } = flags
  const ofFlags = prometheus === undefined ? [] : [{ ...inNumbers({ name: defaultSource, url: prometheus }), scrapeIntervalMs }]
  const clusterName = file?.clusterName ?? flags.clusterName
  return {
    ok: true,
    effective: {
      sources: [...ofFlags, ...(file?.sources ?? []).map(inNumbers)],
      allowedHosts: [...new Set([...flags.allowedHosts, ...(file?.allowedHosts ?? [])])],
      ...(clusterName === undefined ? {} : { clusterName }),
      templateNamespaces: [...new Set([...(flags.templateNamespaces ?? []), ...(file?.templateNamespaces ?? [])])],
      ...(file?.defaults === undefined ? {} : { defaults: file.defaults }),
    },
  }
}

function conflicts({ prometheus, scrapeIntervalMs, clusterName }: ConfigurationFlags, file: Configuration | undefined): string[] {
  if (file === undefined) return []
  const ownDefault = file.sources?.some(({ name }) => name === defaultSource) === true
  const found: string[] = []
  if (ownDefault && prometheus !== undefined) found.push(`--prometheus and a source named ${defaultSource} say both which one is the default: leave out --prometheus, or give the source another name`)
  else if (ownDefault && scrapeIntervalMs !== undefined) found.push(`--scrape-interval is that of --prometheus, and ${defaultSource} is a source of the file: write its scrapeInterval there, and leave the flag out`)
  if (clusterName !== undefined && file.clusterName !== undefined) found.push('--cluster-name and clusterName are both given: leave one of them out')
  return found
}

function inNumbers({ scrapeInterval, timeout, maxInFlight, ...source }: SourceConfiguration): EffectiveSource {
  const ms = (duration: string | undefined, otherwise: string) => parseDuration(duration ?? otherwise)!
  return {
    ...source,
    scrapeIntervalMs: ms(scrapeInterval, sourceDefaults.scrapeInterval),
    timeoutMs: ms(timeout, sourceDefaults.timeout),
    maxInFlight: maxInFlight ?? sourceDefaults.maxInFlight,
  }
}

/** What plans rest on. `own`: namespace of the controller, whose templates are honoured where no others are named; undefined where nobody knows it. */
export function planSettings({ sources, defaults, templateNamespaces }: Effective, own?: string): PlanSettings {
  const honoured = templateNamespaces.length > 0 ? templateNamespaces : own === undefined ? undefined : [own]
  const byName = Object.fromEntries(sources.map(({ name, scrapeIntervalMs }) => [name, { scrapeIntervalMs }]))
  return {
    scrapeIntervalMs: byName[defaultSource]?.scrapeIntervalMs ?? parseDuration(sourceDefaults.scrapeInterval)!,
    sources: byName,
    ...(honoured === undefined ? {} : { templateNamespaces: honoured }),
    ...(defaults === undefined ? {} : { defaults }),
  }
}
