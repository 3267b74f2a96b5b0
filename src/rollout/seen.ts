/** What one pass has seen of the world, in the words of the domain. Built by controller/observe from caches; plain data. Times are Unix ms. */
import type { ArmSeries, Reading } from '../analysis/reading.ts'
import type { QueryTemplate } from '../analysis/template.ts'
import type { HookReading } from './hooks/call.ts'
import type { RequestSpec, RolloutSpec, RolloutStatus } from './schema.ts'

export interface Seen {
  readonly rollout: {
    readonly name: string
    readonly namespace: string
    readonly uid: string
    readonly generation: number
    readonly createdAt: number
    /** metadata.deletionTimestamp is set. */
    readonly deleting: boolean
    readonly hasFinalizer: boolean
    readonly namespaceTerminating: boolean
  }
  readonly spec: RolloutSpec
  /** Absent: never written, or erased. */
  readonly status: RolloutStatus | undefined
  /** Status was written by a newer Sluice: only lower and abort. */
  readonly statusFromFuture: boolean
  readonly workload: WorkloadSeen
  /** Revisions mode: our Deployments, newest first. Backends mode: the two arms (name = revision name as in `backends`). */
  readonly revisions: readonly RevisionSeen[]
  /** Backends mode only: which revision name each arm has now. */
  readonly backends?: { readonly stable: string; readonly canary: string; /** backend identity without template hash */ readonly stableBackend: string; readonly canaryBackend: string; readonly hasCanaryTemplate: boolean; /** Set in a journey whose arms the spec no longer names: these are its arms, and this is what the spec names now. */ readonly wanted?: { readonly stableBackend: string; readonly canaryBackend: string }; /** What the data plane calls the arms. */ readonly stableSeries: ArmSeries; readonly canarySeries: ArmSeries }
  readonly doors: { readonly stable: DoorSeen; readonly canary: DoorSeen; readonly own: DoorSeen }
  readonly routes: readonly RouteSeen[]
  readonly requests: readonly RequestSeen[]
  /** Oldest first; the last dozen of each question, so that failures in a row add up even where the status cannot be written. */
  readonly readings: readonly Reading[]
  /** The queries of the `prometheus` checks, one for each; absent where there are none. */
  readonly templates?: readonly TemplateSeen[]
  /** Answers of hooks, oldest first for each call. */
  readonly hookAnswers?: readonly HookReading[]
  /** Ids of notes that were delivered since the outbox was written. */
  readonly delivered?: readonly string[]
  /** API server's clock minus ours, ms. */
  readonly clockOffsetMs?: number
  readonly dependencies: readonly { readonly name: string; readonly state: 'Settled' | 'Busy' | 'Missing'; readonly message: string }[]
  readonly blockers: readonly Blocker[]
  /** Facts that become conditions of their own: UnroutedCallersReachCanary, CanaryOnlyRouteExposed, StableNotRestartable … */
  readonly remarks: readonly { readonly type: string; readonly reason: string; readonly message: string }[]
  /** Our own objects that are absent or out of step (ports of doors, mirrored DestinationRules, fields of a managed route other than weights, copies of configuration). */
  readonly upkeep: readonly { readonly key: string; readonly what: 'Door' | 'Policy' | 'Route' | 'Revision' | 'Copies' }[]
  /** For each of `watchpoints(seen)`: since when its value is what it is, as far as this process has seen. */
  readonly since: Readonly<Record<string, number>>
}
export type WorkloadSeen =
  | {
      readonly state: 'Present'
      readonly generation: number
      /** The revision that the template, with its tracked configuration, is: an existing one that is equal, else the name it will get. */
      readonly templateRevision: string
      readonly images: readonly string[]
      readonly commit?: string
      /** Tracked objects, as `ConfigMap app`, by whose content alone it differs from stable. */
      readonly changedConfig?: readonly string[]
      /** Some tracked object is gone or cannot be read: what a new pod of the template would read is not known. */
      readonly configUnknown?: boolean
      readonly replicas: number
      readonly ready: number
      /** Field manager that last wrote spec.replicas, and whether it is a GitOps tool. `byDefault`: a whole manifest left it at 1, as the API server does where the manifest has no count. */
      readonly replicasWriter?: { readonly manager: string; readonly gitOps: boolean; readonly byDefault?: boolean; readonly at?: number }
    }
  | { readonly state: 'Missing' }
  /** Backends mode without canary.workloadRef. */
  | { readonly state: 'None' }
export interface RevisionSeen {
  readonly name: string
  readonly createdAt: number
  readonly images: readonly string[]
  readonly commit?: string
  /** spec.replicas. */
  readonly replicas: number
  readonly ready: number
  /** Every replica updated and available, observedGeneration current. */
  readonly complete: boolean
  /** A pod that will not get ready by waiting: CrashLoopBackOff, ImagePullBackOff, CreateContainerConfigError, Unschedulable, quota … */
  readonly trouble?: { readonly reason: string; readonly message: string; readonly crash: boolean }
  /** Its copies of configuration are not made yet: it must not have pods. */
  readonly pending?: boolean
  /** Generation and availability of the workload that rolls it, for backends. */
  readonly terminating: boolean
}
export interface DoorSeen {
  /**
   * Taken: an object of that name without our label. Theirs: the user's own Service `<name>`, never edited. Route: our Service `<name>`, there or not, is
   * the route itself (no mesh), so its selector is the split and it is turned as such.
   */
  readonly state: 'Present' | 'Absent' | 'Taken' | 'Theirs' | 'Route'
  /** Revision it selects, or `Workload` for the user's own matchLabels. */
  readonly leadsTo?: string
  /** Ready endpoints that belong to what it leads to; ready endpoints of anything else. */
  readonly ready: number
  readonly others: number
}
export interface RouteSeen {
  /** `VirtualService/<namespace>/<name>`. */
  readonly key: string
  readonly managed: boolean
  readonly state: 'Present' | 'Missing' | 'Refused'
  /** For Refused (no grant, LacksDoors, foreign owner …) and for people; of a Present one that is not mirrored the message says what is waited for. */
  readonly reason?: string
  readonly message?: string
  /** Share of the canary door in percent, rounded as the object can express; the greatest of its http routes. */
  readonly canaryDoor: number
  /** Its http routes differ among themselves. */
  readonly uneven: boolean
  readonly closedTo?: { readonly revision: string; readonly sequence: number }
  /** Weight totals of its http routes: what can be expressed. A managed route may take 1000. */
  readonly totals: readonly number[]
  readonly lastWriter?: { readonly manager: string; readonly ours: boolean; readonly gitOps: boolean }
  /** The mesh has taken the split over (SMI: the ServiceProfile equals it); true where nothing can be asked. */
  readonly mirrored: boolean
  /** What Envoy Gateway calls the two sides of its rules; absent where that is not measured. */
  readonly clusters?: { readonly stable: readonly string[]; readonly canary: readonly string[] }
  /** RedirectOnRollback: canary-only routes as they stand, for status.redirected. */
  readonly canaryOnly: readonly { readonly name: string; readonly original: string; readonly redirected: boolean }[]
}
export interface RequestSeen {
  readonly uid: string
  readonly name: string
  readonly createdAt: number
  readonly spec: RequestSpec
  readonly answeredAt?: number
  readonly verified: boolean
}
export interface Blocker {
  readonly reason: string
  readonly message: string
  /** Adoption: only before adoption. Raise: no raise while it lasts. */
  readonly stops: 'Adoption' | 'Raise'
  /** Kubernetes `Stalled` is True. */
  readonly stalled: boolean
}
/** The MetricTemplate of one check. */
export type TemplateSeen =
  | {
      readonly check: string
      readonly state: 'Ready'
      /** `<namespace>/<name>` */
      readonly name: string
      readonly query: QueryTemplate
      readonly unit: string
      /** Digest of its text: another one is another question. */
      readonly stamp: string
    }
  /** Missing, wrong, or not allowed: nothing is asked, nothing is raised, and nothing is taken back for it. */
  | { readonly check: string; readonly state: 'Refused'; readonly reason: string; readonly message: string }
