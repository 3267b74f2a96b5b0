/** A router is a lens over traffic objects: it reads a split and writes one, and nothing else changes. Pure. */
import type { JsonPatchOp, KubeObject } from '../kube/api.ts'

/** One side of the split as routes name it. */
export interface Destination {
  /** Namespace and name of the Service, and its fully qualified host. */
  readonly namespace: string
  readonly service: string
  readonly host: string
  readonly subset?: string
}
export interface Arms {
  readonly stable: Destination
  readonly canary: Destination
}
export interface Selector {
  /** Http routes by name; undefined: every one in which both arms are destinations. */
  readonly routes?: readonly string[]
  readonly clusterDomain: string
}
/** Canary door's share in percent (0..100). */
export interface Split {
  readonly canary: number
}
