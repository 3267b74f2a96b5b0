/** What a provider tells the controller beside its router: which objects `spec.traffic` means, what ours has to look like, whether they are in force. Pure. */
import type { KubeObject, OwnerReference } from '../rollout/objects.ts'
import type { Telemetry } from '../analysis/telemetry.ts'
import type { RolloutSpec } from '../rollout/schema.ts'
import type { Problem } from './layout.ts'
import type { Arms, Router, Selector } from './router.ts'

export type Traffic = NonNullable<RolloutSpec['traffic']>
export type RouteKind = 'VirtualService' | 'TrafficSplit' | 'HTTPRoute' | 'GRPCRoute' | 'Service'

/** One route object that the spec leads to, whether it exists or not. */
export interface RoutePlace {
  readonly kind: RouteKind
  readonly namespace: string
  readonly name: string
  readonly managed: boolean
  /** canaryOnlyRoutes is RedirectOnRollback. */
  readonly redirects: boolean
  /** Names of its routes as the spec gives them; undefined: every one with both sides. */
  readonly routes?: readonly string[]
}

/** What a managed route is made of. */
export interface ManagedRoute {
  readonly kind: RouteKind
  /** `<group>/<served version>` */
  readonly apiVersion: string
  readonly name: string
  readonly namespace: string
  readonly clusterDomain: string
  /** A Service of the doors' name, annotations, ports and affinity. */
  readonly service: KubeObject
  readonly arms: Arms
  /** Sum of the weights: 100 or 1000 (`managedTotal`). */
  readonly total: number
  /** The canary arm's share in percent. */
  readonly canary: number
  /** Whose series are read: some need the object to be written in a way that they tell its sides apart. */
  readonly telemetry: Telemetry | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly ownerReferences: readonly OwnerReference[]
}
export type Managed = { readonly object: KubeObject } | { readonly problems: readonly Problem[] }

/** Whether the data plane has taken an object over as it is now. */
export interface Uptake {
  readonly followed: boolean
  /** What it is waited for, where it has not; a sentence. */
  readonly awaiting?: string
  /** Why it never will. */
  readonly problems: readonly Problem[]
}
/** The other object by which a mesh tells of its uptake; undefined where it does not exist, NotServed where the kind is not. */
export type Find = (kind: 'ServiceProfile', namespace: string, name: string) => KubeObject | 'NotServed' | undefined

/** What else an uptake is told by. */
export interface Look {
  readonly find: Find
  /** Ready endpoints of a Service that are of what it selects, those of anything else, and how many pods of what it selects are ready. */
  readonly endpoints: (service: KubeObject) => { readonly ready: number; readonly others: number; readonly expected: number }
}

/** Names in the order of the rules, and why requests of a rule cannot be told apart. */
export interface Clusters {
  readonly stable: readonly string[]
  readonly canary: readonly string[]
  readonly problems: readonly Problem[]
}

export interface Provider {
  readonly router: Router
  /** The field that carries the weights, in the words of fieldsV1. */
  readonly field: string
  /** What brings its kinds into a cluster, for messages. */
  readonly needs: string
  /** Managed places first. `own`: namespace of the Rollout and name of what it owns. */
  readonly places: (traffic: Traffic, own: { readonly namespace: string; readonly name: string }) => readonly RoutePlace[]
  readonly managed: (traffic: Traffic, wanted: ManagedRoute) => Managed
  /**
   * Its managed object is the Service `<name>` that callers name: the split is where that leads, so it turns with the split and not with the stable door,
   * is kept in step as a door, and stays when the Rollout goes. Left out: `<name>` leads to stable, beside the route.
   */
  readonly isOwnService?: true
  /** Left out where nothing can be asked. */
  readonly uptake?: (object: KubeObject, look: Look, clusterDomain: string) => Uptake
  /** What Envoy Gateway calls the two sides in its series, or why it does not tell them apart. Left out where it never serves. */
  readonly clusters?: (object: KubeObject, arms: Arms, selector: Selector) => Clusters
  /** The labels of the routes that a selector means, for claims; `object` is undefined where it does not exist. */
  readonly labels: (object: KubeObject | undefined, arms: Arms | undefined, selector: Selector) => readonly string[]
}
