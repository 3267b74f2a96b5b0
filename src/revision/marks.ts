/** Everything that Sluice writes onto objects to find them again: label keys, annotation keys, the finalizer. */

/** On every object of ours, and on the pods of revisions: the name of the Rollout, in whose namespace the object lives. */
export const rolloutLabel = 'sluice.dev/rollout'
/** On revision Deployments and their pods: the name of the revision. */
export const revisionLabel = 'sluice.dev/revision'

/** On doors and revisions: `Restore` or `Orphan`, for the time when the Rollout itself is gone. */
export const deletionPolicyAnnotation = 'sluice.dev/deletion-policy'
/** On doors and revisions: JSON of what removal must know of a Rollout that no longer exists. */
export const rolloutSpecAnnotation = 'sluice.dev/rollout-spec'
/** On a new revision: digest of the template as it was sent, until the difference to what the API server stored is written down. */
export const sentAnnotation = 'sluice.dev/template-sent'
/** On a revision: JSON list of the differences that mutating webhooks made at its creation. */
export const injectedAnnotation = 'sluice.dev/injected'
/** On a revision: JSON list of the ConfigMaps and Secrets that are tracked for it, each with the digest of its content and the name of its copy. */
export const trackedConfigAnnotation = 'sluice.dev/tracked-config'
/** On a revision whose copies are not all made: no pod of it may start yet. */
export const copiesPendingAnnotation = 'sluice.dev/copies-pending'
/** On a copy of a ConfigMap or Secret: the name of the original. */
export const copyOfAnnotation = 'sluice.dev/copy-of'
/** On a revision, copied from the workload: the commit it was built from. */
export const commitAnnotation = 'sluice.dev/commit'
/** On a user's traffic object: namespaces (comma separated) whose Rollouts may move its weights. */
export const allowFromAnnotation = 'sluice.dev/allow-from'
/** On a Rollout while its journey carries traffic. */
export const trafficFinalizer = 'sluice.dev/traffic'
