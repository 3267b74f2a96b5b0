/** A Rollout's spec with every default filled in and every unit parsed. `plan(spec, name, settings)` is the only way from spec to numbers. */

export interface Plan {
  readonly mode: 'Revisions' | 'Backends'
  /** `<name>` of doors and routes: service.name, default workloadRef.name; Backends: the rollout's name. */
  readonly name: string
  /** Deployment in the rollout's namespace: workloadRef, or backends.canary.workloadRef. */
  readonly workload?: string
  readonly replicas?: number
  readonly steps: readonly PlannedStep[]
  readonly telemetry: 'Istio' | 'Linkerd'
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
  readonly measure: { readonly kind: 'SuccessRate'; /** fraction, 0.995 */ readonly min: number } | { readonly kind: 'Latency'; readonly percentile: number; readonly maxMs: number }
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
