/** A router is a lens over one kind of traffic object: it reads a split and writes one, and nothing else changes. Pure. */
import type { JsonPatchOp, KubeObject } from '../rollout/objects.ts'

/** One side of the split as routes name it. */
export interface Destination {
  readonly namespace: string
  readonly service: string
  /** `<service>.<namespace>.svc.<cluster domain>` */
  readonly host: string
  readonly subset?: string
  /** What its Service selects by now; undefined where that is not known, or a backend. */
  readonly selector?: Readonly<Record<string, string>>
}
export interface Arms {
  readonly stable: Destination
  readonly canary: Destination
}
export interface Selector {
  /** Http routes by name; undefined: every one in which both arms are destinations. */
  readonly routes?: readonly string[]
  readonly clusterDomain: string
  /** Canary-only routes as status keeps them: only with these can `read` tell a redirected route from one that led to stable all along. */
  readonly originals?: readonly { readonly name: string; readonly original: string }[]
}
export interface Split {
  /** The canary door's share in percent, 0..100. */
  readonly canary: number
}
export interface RouteReading {
  /** Greatest share of its http routes, as the object expresses it. Managed and user's alike. */
  readonly canary: number
  readonly uneven: boolean
  /** Sum of the two arms' weights, one for each http route that was read. */
  readonly totals: readonly number[]
  readonly closedTo?: { readonly revision: string; readonly sequence: number }
  /** Single-destination routes that lead to the canary whatever the weight. `original` is JSON of the destination to put back. */
  readonly canaryOnly: readonly { readonly name: string; readonly original: string; readonly redirected: boolean }[]
  /** Why no split can be read or written here: route name unknown, an arm missing, a weight that is no number … Sentences with field, value and remedy. */
  readonly problems: readonly { readonly reason: string; readonly message: string }[]
}
export interface SplitChange extends Split {
  /** Set the annotation, remove it, or leave it as it is. */
  readonly closedTo?: { readonly revision: string; readonly sequence: number } | 'Remove'
  /** Canary-only routes: lead them to stable, or put the originals back. */
  readonly canaryOnly?: { readonly redirect: true } | { readonly restore: readonly { readonly name: string; readonly original: string }[] }
}
export interface Router {
  read(object: KubeObject, arms: Arms, selector: Selector): RouteReading
  /** The object with that split. Laws: read(write(o,s)) = s up to rounding; write(write(o,s),s) = write(o,s); write(o, read(o)) = o. */
  write(object: KubeObject, arms: Arms, selector: Selector, split: Split): KubeObject
  /**
   * The same as one JSON patch, with a `test` on everything that it replaces (name, destinations, weights, closed-to), never on resourceVersion.
   * `test … null` stands for absent, as Kubernetes applies it. Empty when nothing changes.
   */
  patch(object: KubeObject, arms: Arms, selector: Selector, change: SplitChange): readonly JsonPatchOp[]
  /** Our own object brought in step with the wanted one, the split as it stands in `present`; tests what it replaces. Empty when in step. */
  upkeep(present: KubeObject, wanted: KubeObject, arms: Arms, selector: Selector): readonly JsonPatchOp[]
  /** The share in percent that this object will express for a wanted one: rounded down, never to 0 for a wanted weight above 0. `total`: sum of its arms. */
  rounded(wanted: number, total: number): number
}
/** `sluice.dev/closed-to: <revision>@<sequence>` */
export const closedToAnnotation = 'sluice.dev/closed-to'
