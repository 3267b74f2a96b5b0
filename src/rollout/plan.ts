/** A Rollout's spec with every default filled in and every unit parsed. `plan(spec, name, settings)` is the only way from spec to numbers. */
import { createHash } from 'node:crypto'
import type { Telemetry } from '../analysis/telemetry.ts'
import { type Range, shownRange } from '../analysis/value.ts'
import { defaults, length, type Patience, patience, unset, type Unset } from './defaults.ts'
import { parseLatency, parsePercent, parseScale, parseWeight } from './quantity.ts'
import type { When } from './hooks/index.ts'
import type { RolloutDefaults, RolloutSpec } from './schema.ts'
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
  /** spec.mode is Observe: nothing is written but the status. */
  readonly observes: boolean
  readonly hooks: readonly PlannedHook[]
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
    | { readonly kind: 'Query'; /** Of the template; its namespace where it is not that of the Rollout. */ readonly ref: { readonly name: string; readonly namespace?: string }; readonly args: Readonly<Record<string, string>> }
  /** For people: `99.5%`, `500ms`. */
  readonly bound: string
  /** Share of requests that may be bad: 1 − min, or 1 − percentile/100. */
  readonly allowedBad: number
  /** Of a Query: what its value may be; it has no requests, so that `allowedBad` and `minRequests` are 0 and say nothing. */
  readonly range?: Range
  readonly failureLimit: number
  readonly minRequests: number
  readonly onFailure: 'Rollback' | 'Hold' | 'Report'
}
export interface PlannedHook {
  readonly name: string
  readonly when: When
  readonly url: string
  /** Of the URL, with its port where it has one: all of it that people are told. */
  readonly host: string
  readonly secretRef?: { readonly name: string; readonly key: string }
  readonly timeoutMs: number
  /** Unset: as long as it takes. */
  readonly deadlineMs?: number
  readonly onFailure: 'Rollback' | 'Hold' | 'Report'
  readonly metadata: Readonly<Record<string, string>>
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

/** What a plan rests on beside the spec. */
export interface PlanSettings {
  /** How often the source `default` scrapes; assumed of a source that nobody knows, too. */
  readonly scrapeIntervalMs: number
  /** The metric sources by name. Unset: nobody knows which there are. */
  readonly sources?: Readonly<Record<string, { readonly scrapeIntervalMs: number }>>
  /** What unset fields mean here. Unset: what is built in. */
  readonly defaults?: RolloutDefaults
  /** Namespaces whose MetricTemplates are honoured; `*` stands for all. Unset: none. */
  readonly templateNamespaces?: readonly string[]
}

export type Planned = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly problems: readonly SpecProblem[] }

/**
 * The spec of the Rollout `name` in numbers, or everything that is wrong with it. The defaults of `analysis.interval` (two scrapes) and of a step's
 * `hold` (five) follow the metric source.
 */
export function plan(spec: RolloutSpec, name: string, settings: PlanSettings): Planned {
  const problems = problemsOf(spec)
  if (problems.length > 0) return { ok: false, problems }
  const source = spec.analysis?.sourceRef?.name ?? defaultSource
  const scrapeIntervalMs = settings.sources?.[source]?.scrapeIntervalMs ?? settings.scrapeIntervalMs
  const otherwise = unset(settings.defaults, scrapeIntervalMs)
  const onFailure = spec.onFailure ?? otherwise.onFailure
  const workload = spec.workloadRef?.name ?? spec.backends?.canary.workloadRef?.name
  return {
    ok: true,
    plan: {
      mode: spec.workloadRef ? 'Revisions' : 'Backends',
      name: spec.workloadRef ? (spec.service?.name ?? spec.workloadRef.name) : name,
      ...(workload !== undefined && { workload }),
      ...(spec.replicas !== undefined && { replicas: spec.replicas }),
      steps: spec.steps.map((step, index) => plannedStep(step, index, otherwise.holdMs)),
      telemetry: spec.analysis?.telemetry ?? telemetryOf(spec.traffic),
      source,
      scrapeIntervalMs,
      intervalMs: length(spec.analysis?.interval, otherwise.intervalMs),
      checks: (spec.analysis?.checks ?? []).map((check) => plannedCheck(check, spec.analysis!, { ...otherwise, onFailure })),
      noData: patience(spec.analysis?.noData, otherwise.noData),
      sourceError: patience(spec.analysis?.sourceError, otherwise.sourceError),
      windows: (spec.schedule?.windows ?? []).map(({ cron, duration, timeZone = otherwise.timeZone }) => ({ cron, durationMs: length(duration, 0), timeZone })),
      dependsOn: (spec.dependsOn ?? []).map((other) => other.name),
      progressDeadlineMs: length(spec.progressDeadline, otherwise.progressDeadlineMs),
      onFailure,
      retainStableMs: length(spec.retainStable, otherwise.retainStableMs),
      revisionHistoryLimit: spec.revisionHistoryLimit ?? otherwise.revisionHistoryLimit,
      deletionPolicy: spec.deletionPolicy ?? otherwise.deletionPolicy,
      paused: spec.paused ?? false,
      observes: spec.mode === 'Observe',
      hooks: plannedHooks(spec.hooks ?? [], onFailure),
      inputsHash: digest({ backends: spec.backends, traffic: spec.traffic, steps: spec.steps, analysis: spec.analysis }),
    },
  }
}

/** Who moves the requests measures them too, where that is known. */
function telemetryOf(traffic: RolloutSpec['traffic']): Telemetry | undefined {
  if (traffic?.smi) return 'Linkerd'
  return traffic?.istio ? 'Istio' : undefined
}

function plannedStep(step: RolloutSpec['steps'][number], index: number, holdMs: number): PlannedStep {
  const scale = step.scale === undefined ? undefined : parseScale(step.scale)
  return {
    index,
    ...(step.name !== undefined && { name: step.name }),
    weight: parseWeight(step.weight)!,
    holdMs: length(step.hold, holdMs),
    ...(scale && { scale }),
    ...(step.approval && { approval: step.approval }),
  }
}

type Hooks = NonNullable<RolloutSpec['hooks']>
/** Hooks with their defaults filled in; `onFailure` is that of the Rollout. */
export function plannedHooks(hooks: Hooks, onFailure: 'Rollback' | 'Hold'): PlannedHook[] {
  return hooks.map((hook) => plannedHook(hook, onFailure))
}
function plannedHook(hook: Hooks[number], onFailure: 'Rollback' | 'Hold'): PlannedHook {
  const { name, when, url, secretRef, metadata = {} } = hook
  return {
    name, when, url, metadata,
    host: URL.parse(url)?.host ?? url,
    ...(secretRef && { secretRef }),
    timeoutMs: length(hook.timeout, defaults.hookTimeoutMs),
    ...(hook.deadline !== undefined && { deadlineMs: length(hook.deadline, 0) }),
    onFailure: hook.onFailure ?? onFailure,
  }
}

type Analysis = NonNullable<RolloutSpec['analysis']>
function plannedCheck(check: Analysis['checks'][number], analysis: Analysis, otherwise: Pick<Unset, 'failureLimit' | 'minRequests' | 'onFailure'>): PlannedCheck {
  const limits = {
    failureLimit: check.failureLimit ?? analysis.failureLimit ?? otherwise.failureLimit,
    minRequests: check.minRequests ?? analysis.minRequests ?? otherwise.minRequests,
    onFailure: check.onFailure ?? otherwise.onFailure,
  }
  if (check.latency) {
    const { percentile, max } = check.latency
    return { name: check.name, measure: { kind: 'Latency', percentile, maxMs: parseLatency(max)! }, bound: max, allowedBad: share(100 - percentile), ...limits }
  }
  if (check.prometheus) {
    const { templateRef: ref, args = {}, min, max } = check.prometheus
    const range = { ...(min !== undefined && { min: Number(min) }), ...(max !== undefined && { max: Number(max) }) }
    return { name: check.name, measure: { kind: 'Query', ref, args }, bound: shownRange(range, ''), allowedBad: 0, range, ...limits, minRequests: 0 }
  }
  const { min } = check.successRate!
  const percent = parsePercent(min)!
  return { name: check.name, measure: { kind: 'SuccessRate', min: share(percent) }, bound: min, allowedBad: share(100 - percent), ...limits }
}

/** Percent as a fraction, without the dust of binary fractions: 100 − 99.9 is 0.001 and not 0.00099999999999994. */
function share(percent: number): number {
  return Math.round(percent * 1e6) / 1e8
}

/** Sixteen hexadecimal digits over the value with its keys in order: the order in which somebody wrote the fields changes nothing. */
export function digest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, field]) => field !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}
