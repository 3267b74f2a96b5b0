/** What a decision wants done, in the words of the domain. controller/act turns each into one write with the precondition of what the pass saw. */
export type Action =
  /** Take traffic from a revision: one JSON patch of weights and `closed-to`. `canaryDoor` is the door's new percent (0, or 100 on the way back). */
  | { readonly type: 'Lower'; readonly route: string; readonly canaryDoor: number; readonly closedTo: { readonly revision: string; readonly sequence: number }; readonly redirect: boolean }
  /** Move the split otherwise. `reopen`: also remove `closed-to`. `restore`: put redirected canary-only routes back. */
  | { readonly type: 'SetSplit'; readonly route: string; readonly canaryDoor: number; readonly reopen: boolean; readonly restore: boolean }
  | { readonly type: 'CreateRoute'; readonly route: string; readonly canaryDoor: number }
  | { readonly type: 'DeleteRoute'; readonly route: string }
  /** Create the door or change its selector. `to` is a revision, or `Workload` for the user's matchLabels. `own` is our Service `<name>`. */
  | { readonly type: 'TurnDoor'; readonly door: 'stable' | 'canary' | 'own'; readonly to: string }
  | { readonly type: 'DeleteDoor'; readonly door: 'stable' | 'canary' | 'own' }
  | { readonly type: 'CreateRevision'; readonly revision: string; readonly replicas: number }
  | { readonly type: 'Scale'; readonly revision: string; readonly replicas: number }
  | { readonly type: 'DeleteRevision'; readonly revision: string }
  /** The user's Deployment, through /scale. */
  | { readonly type: 'ScaleWorkload'; readonly replicas: number }
  /** spec.replicas of the Rollout. */
  | { readonly type: 'WriteReplicas'; readonly replicas: number }
  | { readonly type: 'SetFinalizer'; readonly present: boolean }
  | { readonly type: 'Upkeep'; readonly key: string }
  | { readonly type: 'AnswerRequest'; readonly name: string; readonly uid: string; readonly state: 'Accepted' | 'Refused'; readonly message: string }
  | { readonly type: 'DeleteRequest'; readonly name: string; readonly uid: string }
