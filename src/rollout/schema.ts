/** The API of Sluice as one zod schema: the source of types, messages, `crds/*.yaml` and `docs/api.md`. Defaults live in plan.ts. */
import { z } from 'zod'

const name = z.string().min(1).max(63)
/** GEP-2257 duration, for example `90s`, `5m`, `1h30m`. */
const duration = z.string()
/** Percent with a unit, for example `99.5%`. */
const percent = z.string()
/** Share of traffic of the canary: an integer percent, or a string such as `0.5%`. */
const weight = z.union([z.int(), z.string()])

export const workloadRef = z.strictObject({ apiVersion: z.literal('apps/v1').optional(), kind: z.literal('Deployment'), name })
export const backend = z.strictObject({ service: name.optional(), subset: name.optional() })
export const canaryBackend = z.strictObject({ service: name.optional(), subset: name.optional(), workloadRef: workloadRef.optional() })
export const backends = z.strictObject({ host: z.string().optional(), stable: backend, canary: canaryBackend })
export const service = z.strictObject({
  name: z.string().max(56).optional(),
  port: z.int().min(1).max(65535).optional(),
  targetPort: z.union([z.int(), z.string()]).optional(),
  appProtocol: z.string().optional(),
})
export const managedIstio = z.strictObject({
  hosts: z.array(z.string()).optional(),
  gateways: z.array(z.string()).optional(),
  timeout: duration.optional(),
  retries: z.strictObject({ attempts: z.int().min(0), perTryTimeout: duration.optional() }).optional(),
  delegate: z.boolean().optional(),
})
export const virtualServiceRef = z.strictObject({
  name,
  namespace: name.optional(),
  routes: z.array(z.string()).optional(),
  canaryOnlyRoutes: z.enum(['Leave', 'RedirectOnRollback']).optional(),
})
export const istio = z.strictObject({
  managed: managedIstio.optional(),
  virtualServiceRefs: z.array(virtualServiceRef).optional(),
  destinationRuleRef: z.strictObject({ name, namespace: name.optional() }).optional(),
})
export const smi = z.strictObject({})
export const traffic = z.strictObject({ istio: istio.optional(), smi: smi.optional() })
export const step = z.strictObject({
  name: name.optional(),
  weight,
  hold: duration.optional(),
  /** Pods of the canary in this step: a count, or percent of the wanted count. */
  scale: z.union([z.int(), z.string()]).optional(),
  approval: z.enum(['Before', 'After']).optional(),
})
export const patience = z.strictObject({ action: z.enum(['Hold', 'Fail', 'Pass']).optional(), deadline: duration.optional() })
export const check = z.strictObject({
  name,
  successRate: z.strictObject({ min: percent }).optional(),
  latency: z.strictObject({ percentile: z.number(), max: z.string() }).optional(),
  failureLimit: z.int().min(0).optional(),
  minRequests: z.int().min(1).optional(),
  onFailure: z.enum(['Rollback', 'Hold', 'Report']).optional(),
})
export const analysis = z.strictObject({
  telemetry: z.enum(['Istio', 'Linkerd']).optional(),
  interval: duration.optional(),
  failureLimit: z.int().min(0).optional(),
  minRequests: z.int().min(1).optional(),
  noData: patience.optional(),
  sourceError: patience.optional(),
  checks: z.array(check),
})
export const window = z.strictObject({ cron: z.string(), duration, timeZone: z.string().optional() })
export const spec = z.strictObject({
  workloadRef: workloadRef.optional(),
  backends: backends.optional(),
  replicas: z.int().min(0).optional(),
  service: service.optional(),
  traffic: traffic.optional(),
  steps: z.array(step),
  analysis: analysis.optional(),
  schedule: z.strictObject({ windows: z.array(window) }).optional(),
  dependsOn: z.array(z.strictObject({ name })).optional(),
  progressDeadline: duration.optional(),
  onFailure: z.enum(['Rollback', 'Hold']).optional(),
  retainStable: duration.optional(),
  revisionHistoryLimit: z.int().min(0).optional(),
  deletionPolicy: z.enum(['Restore', 'Orphan']).optional(),
  paused: z.boolean().optional(),
})
export type RolloutSpec = z.infer<typeof spec>

export const phases = ['Blocked', 'Adopting', 'Idle', 'Waiting', 'Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Flipping', 'Closing', 'Draining', 'RolledBack', 'Held', 'Removing'] as const
export type Phase = (typeof phases)[number]
export const outcomes = ['Promoted', 'RolledBack', 'Superseded', 'Withdrawn'] as const
export type Outcome = (typeof outcomes)[number]
export const verdicts = ['Pass', 'Fail', 'NoData', 'Error'] as const

const time = z.string() // RFC 3339
const condition = z.object({ type: z.string(), status: z.enum(['True', 'False', 'Unknown']), reason: z.string(), message: z.string(), lastTransitionTime: time, observedGeneration: z.int().optional() })
const revisionStatus = z.object({
  revision: z.string(),
  /** Backends mode: the backend without its template hash. */
  backend: z.string().optional(),
  images: z.array(z.string()).optional(),
  commit: z.string().optional(),
})
export const checkStatus = z.object({
  name: z.string(),
  verdict: z.enum(verdicts),
  /** For people: `99.71%`, `212ms`. */
  value: z.string().optional(),
  bound: z.string(),
  total: z.number().optional(),
  bad: z.number().optional(),
  message: z.string().optional(),
  /** Failing evaluations in a row that count, and where the last counted one stood. */
  failures: z.int(),
  countedAt: time.optional(),
  countedBad: z.number().optional(),
  /** Since when the verdict is what it is. */
  since: time,
  at: time,
})
export type CheckStatus = z.infer<typeof checkStatus>
export const journeyStatus = z.object({
  id: z.string(),
  /** The sequence at which the journey was committed; a `closed-to` annotation of an older one closes nothing. */
  since: z.int(),
  startedAt: time,
  /** Out: towards the canary. Back: the way back to `previous` after a promotion. */
  direction: z.enum(['Out', 'Back']),
  baseReplicas: z.int(),
  inputsHash: z.string(),
  step: z.object({ index: z.int(), name: z.string().optional(), since: time }),
  weight: z.object({ wanted: z.number(), seen: z.number().optional(), seenAt: time.optional(), measured: z.number().optional() }),
  readyAtRaise: z.int().optional(),
  approvedStep: z.int().optional(),
  promotedStep: z.int().optional(),
  /** Why a Held journey is held. */
  held: z.object({ reason: z.string(), message: z.string(), at: time }).optional(),
  /** Why the journey is being closed, from the first pass that wanted it. */
  closing: z.object({ outcome: z.enum(outcomes), reason: z.string(), message: z.string(), at: time, check: z.string().optional(), requestedBy: z.string().optional() }).optional(),
  /** Set when the journey has ended; it stays until the next one starts. */
  ended: z.object({ outcome: z.enum(outcomes), reason: z.string(), at: time }).optional(),
  requests: z.object({ served: z.number(), lost: z.number() }),
})
export type JourneyStatus = z.infer<typeof journeyStatus>
export const note = z.object({
  id: z.string(),
  type: z.string(),
  at: time,
  severity: z.enum(['Normal', 'Warning']),
  message: z.string(),
  journey: z.string().optional(),
  reason: z.string().optional(),
  check: z.string().optional(),
  value: z.string().optional(),
  bound: z.string().optional(),
  weight: z.number().optional(),
  revision: z.string().optional(),
  from: z.string().optional(),
  by: z.string().optional(),
})
export type Note = z.infer<typeof note>
export const status = z.object({
  schema: z.int(),
  sequence: z.int(),
  observedGeneration: z.int(),
  observedWorkloadGeneration: z.int().optional(),
  phase: z.enum(phases),
  message: z.string(),
  conditions: z.array(condition),
  replicas: z.int().optional(),
  selector: z.string().optional(),
  stable: revisionStatus.optional(),
  canary: revisionStatus.optional(),
  previous: z.object({ revision: z.string(), images: z.array(z.string()).optional(), commit: z.string().optional(), warmUntil: time }).optional(),
  failed: z.array(z.object({ revision: z.string(), reason: z.string(), message: z.string(), at: time })),
  journey: journeyStatus.optional(),
  checks: z.array(checkStatus),
  /** A person's pause by request; `spec.paused` is the other way. */
  paused: z.object({ at: time, by: z.string().optional() }).optional(),
  redirected: z.array(z.object({ route: z.string(), name: z.string(), original: z.string() })),
  resets: z.array(time),
  requests: z.array(z.object({ uid: z.string(), name: z.string(), action: z.string(), answer: z.enum(['Accepted', 'Refused']), message: z.string(), by: z.string().optional(), verified: z.boolean().optional(), at: time })),
  decisions: z.array(z.object({ at: time, decision: z.string(), why: z.string() })),
  history: z.array(z.object({ revision: z.string(), from: z.string().optional(), images: z.array(z.string()).optional(), commit: z.string().optional(), outcome: z.enum(outcomes), reason: z.string(), startedAt: time, endedAt: time, requests: z.object({ served: z.number(), lost: z.number() }) })),
  outbox: z.array(note),
  writer: z.string(),
})
export type RolloutStatus = z.infer<typeof status>
export type Condition = z.infer<typeof condition>

export const requestActions = ['Promote', 'Abort', 'Approve', 'Retry', 'Pause', 'Resume', 'Rollback'] as const
export type RequestAction = (typeof requestActions)[number]
export const requestSpec = z.strictObject({
  rolloutName: name,
  action: z.enum(requestActions),
  /** Required but for Abort and Pause: the revision that the person saw. */
  revision: z.string().optional(),
  /** The step a Promote or Approve is meant for, by index from 0; `-1` (promote --full) means the last. */
  step: z.int().optional(),
  reason: z.string().optional(),
  requestedBy: z.string().optional(),
})
export const requestStatus = z.object({ state: z.enum(['Accepted', 'Refused']), message: z.string(), at: time, verified: z.boolean().optional() })
export type RequestSpec = z.infer<typeof requestSpec>
export type RequestStatus = z.infer<typeof requestStatus>
