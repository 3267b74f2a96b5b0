/** A Rollout's spec with every default filled in and every unit parsed. `plan(spec, name, settings)` is the only way from spec to numbers. */
import { createHash } from 'node:crypto'
import type { Telemetry } from '../analysis/reading.ts'
import { parseDuration } from './duration.ts'
import { parseLatency, parsePercent, parseScale, parseWeight } from './quantity.ts'
import type { RolloutSpec } from './schema.ts'
import { defaultSource } from './sources.ts'
import { problemsOf } from './validate.ts'

export interface Plan {
  readonly mode: 'Revisions' | 'Backends'
  /** `<name>` of doors and routes: service.name, default workloadRef.name; Backends: the rollout's name. */
  readonly name: string
  /** Deployment in the rollout's namespace: workloadRef, or backends.canary.workloadRef. */
  readonly workload?: string
  readonly replicas?: number
  readonly steps: readonly PlannedStep[]
  /** Undefined: nobody says whose series tell of the requests, and nothing is asked. */
  readonly telemetry: Telemetry | undefined
  /** Name of the metric source that is asked. */
  readonly source: string
  /** How often that source scrapes. */
  readonly scrapeIntervalMs: number
  readonly intervalMs: number
  readonly checks: readonly PlannedCheck[]
  readonly noData: Patience
  readonly sourceError: Patience
  readonly windows: readonly ReleaseWindow[]
  readonly dependsOn: readonly string[]
  readonly progressDeadlineMs: number
  readonly onFailure: 'Rollback' | 'Hold'
  readonly retainStableMs: number
  readonly revisionHistoryLimit: number
  readonly deletionPolicy: 'Restore' | 'Orphan'
  readonly paused: boolean
  /** Digest of backends, traffic, steps, analysis: a change in the middle of a journey is an edit of the journey. */
  readonly inputsHash: string
}
export interface PlannedStep {
  readonly index: number
  readonly name?: string
  /** Percent, 0..100. */
  readonly weight: number
  readonly holdMs: number
  readonly scale?: { readonly pods: number } | { readonly percent: number }
  readonly approval?: 'Before' | 'After'
}
export interface PlannedCheck {
  readonly name: string
  readonly measure:
    | { readonly kind: 'SuccessRate'; /** fraction, 0.995 */ readonly min: number }
    | { readonly kind: 'Latency'; readonly percentile: number; readonly maxMs: number }
  /** For people: `99.5%`, `500ms`. */
  readonly bound: string
  /** Share of requests that may be bad: 1 − min, or 1 − percentile/100. */
  readonly allowedBad: number
  readonly failureLimit: number
  readonly minRequests: number
  readonly onFailure: 'Rollback' | 'Hold' | 'Report'
}
export interface Patience {
  readonly action: 'Hold' | 'Fail' | 'Pass'
  readonly deadlineMs: number
}
export interface ReleaseWindow {
  readonly cron: string
  readonly durationMs: number
  readonly timeZone: string
}
/** One thing wrong with a spec: where, what is there, and what to write instead. */
export interface SpecProblem {
  /** `spec.steps[1].weight` */
  readonly field: string
  readonly value: unknown
  readonly message: string
}

/** What unset fields mean. Durations in milliseconds; what depends on the scrape interval is said in scrapes. */
export const defaults = {
  intervalScrapes: 2,
  /** A step without `hold` lasts as long as its evidence needs: four scrapes inside the window, and one for the series to be born. */
  holdScrapes: 5,
  failureLimit: 1,
  minRequests: 30,
  noData: { action: 'Hold', deadlineMs: 15 * 60_000 },
  sourceError: { action: 'Hold', deadlineMs: 5 * 60_000 },
  progressDeadlineMs: 10 * 60_000,
  onFailure: 'Rollback',
  retainStableMs: 30 * 60_000,
  revisionHistoryLimit: 3,
  deletionPolicy: 'Restore',
  timeZone: 'Etc/UTC',
} as const

/** What a plan rests on beside the spec. */
export interface PlanSettings {
  /** How often the source `default` scrapes; assumed of a source that nobody knows, too. */
  readonly scrapeIntervalMs: number
  /** The metric sources by name. Unset: nobody knows which there are. */
  readonly sources?: Readonly<Record<string, { readonly scrapeIntervalMs: number }>>
}

export type Planned = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly problems: readonly SpecProblem[] }

/**
 * The spec of the Rollout `name` in numbers, or everything that is wrong with it. The defaults of `analysis.interval` (two scrapes) and of a step's
 * `hold` (five) follow the metric source.
 */
export function plan(spec: RolloutSpec, name: string, settings: PlanSettings): Planned {
  const problems = problemsOf(spec)
  if (problems.length > 0) return { ok: false, problems }
  const source = defaultSource
  const scrapeIntervalMs = settings.sources?.[source]?.scrapeIntervalMs ?? settings.scrapeIntervalMs
  const onFailure = spec.onFailure ?? defaults.onFailure
  const workload = spec.workloadRef?.name ?? spec.backends?.canary.workloadRef?.name
  return {
    ok: true,
    plan: {
      mode: spec.workloadRef ? 'Revisions' : 'Backends',
      name: spec.workloadRef ? (spec.service?.name ?? spec.workloadRef.name) : name,
      ...(workload !== undefined && { workload }),
      ...(spec.replicas !== undefined && { replicas: spec.replicas }),
      steps: spec.steps.map((step, index) => plannedStep(step, index, scrapeIntervalMs)),
      telemetry: spec.analysis?.telemetry ?? telemetryOf(spec.traffic),
      source,
      scrapeIntervalMs,
      intervalMs: length(spec.analysis?.interval, defaults.intervalScrapes * scrapeIntervalMs),
      checks: (spec.analysis?.checks ?? []).map((check) => plannedCheck(check, spec.analysis!, onFailure)),
      noData: plannedPatience(spec.analysis?.noData, defaults.noData),
      sourceError: plannedPatience(spec.analysis?.sourceError, defaults.sourceError),
      windows: (spec.schedule?.windows ?? []).map(({ cron, duration, timeZone = defaults.timeZone }) => ({ cron, durationMs: length(duration, 0), timeZone })),
      dependsOn: (spec.dependsOn ?? []).map((other) => other.name),
      progressDeadlineMs: length(spec.progressDeadline, defaults.progressDeadlineMs),
      onFailure,
      retainStableMs: length(spec.retainStable, defaults.retainStableMs),
      revisionHistoryLimit: spec.revisionHistoryLimit ?? defaults.revisionHistoryLimit,
      deletionPolicy: spec.deletionPolicy ?? defaults.deletionPolicy,
      paused: spec.paused ?? false,
      inputsHash: digest({ backends: spec.backends, traffic: spec.traffic, steps: spec.steps, analysis: spec.analysis }),
    },
  }
}

/** Who moves the requests measures them too, where that is known. */
function telemetryOf(traffic: RolloutSpec['traffic']): Telemetry | undefined {
  if (traffic?.smi) return 'Linkerd'
  return traffic?.istio ? 'Istio' : undefined
}

function plannedStep(step: RolloutSpec['steps'][number], index: number, scrapeIntervalMs: number): PlannedStep {
  const scale = step.scale === undefined ? undefined : parseScale(step.scale)
  return {
    index,
    ...(step.name !== undefined && { name: step.name }),
    weight: parseWeight(step.weight)!,
    holdMs: length(step.hold, defaults.holdScrapes * scrapeIntervalMs),
    ...(scale && { scale }),
    ...(step.approval && { approval: step.approval }),
  }
}

type Analysis = NonNullable<RolloutSpec['analysis']>
function plannedCheck(check: Analysis['checks'][number], analysis: Analysis, onFailure: 'Rollback' | 'Hold'): PlannedCheck {
  const limits = {
    failureLimit: check.failureLimit ?? analysis.failureLimit ?? defaults.failureLimit,
    minRequests: check.minRequests ?? analysis.minRequests ?? defaults.minRequests,
    onFailure: check.onFailure ?? onFailure,
  }
  if (check.latency) {
    const { percentile, max } = check.latency
    return { name: check.name, measure: { kind: 'Latency', percentile, maxMs: parseLatency(max)! }, bound: max, allowedBad: share(100 - percentile), ...limits }
  }
  const { min } = check.successRate!
  const percent = parsePercent(min)!
  return { name: check.name, measure: { kind: 'SuccessRate', min: share(percent) }, bound: min, allowedBad: share(100 - percent), ...limits }
}

function plannedPatience(patience: Analysis['noData'], unset: Patience): Patience {
  return { action: patience?.action ?? unset.action, deadlineMs: length(patience?.deadline, unset.deadlineMs) }
}

/** Percent as a fraction, without the dust of binary fractions: 100 − 99.9 is 0.001 and not 0.00099999999999994. */
function share(percent: number): number {
  return Math.round(percent * 1e6) / 1e8
}

function length(duration: string | undefined, unset: number): number {
  return duration === undefined ? unset : parseDuration(duration)!
}

/** Sixteen hexadecimal digits over the value with its keys in order: the order in which somebody wrote the fields changes nothing. */
function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, field]) => field !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}
