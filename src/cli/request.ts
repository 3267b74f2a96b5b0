/** The verbs of people: each makes one RolloutRequest for what the person sees, waits for the answer and prints it. */
import { randomBytes } from 'node:crypto'
import type { KubeObject } from '../rollout/objects.ts'
import type { RequestAction, RequestSpec, RequestStatus, RolloutStatus } from '../rollout/schema.ts'
import { readRollout, refused, requests, whoAmI, withCluster, type Cluster, type ClusterFlags } from './connect.ts'
import { follow } from './follow.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'
import { underWay, type RolloutObject } from './view.ts'
import { clean } from './words.ts'

export interface RequestFlags extends ClusterFlags {
  readonly reason?: string
  /** Promote only: the last step is meant. */
  readonly full?: boolean
}
/** The controller looks at requests at once; after this many ms nobody seems to. */
const patience = 10_000

/** Asks, and returns 0 where it was accepted, 1 where it was refused or nobody answered. */
export function request(action: RequestAction, name: string, flags: RequestFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const [rollout, by] = await Promise.all([readRollout(cluster, name), whoAmI(cluster)])
    const said = { ...(flags.reason === undefined ? {} : { reason: flags.reason }), ...(by === undefined ? {} : { requestedBy: by }) }
    const spec: RequestSpec = { rolloutName: name, action, ...meant(action, rollout, flags.full === true), ...said }
    const made = await make(cluster, rollout, spec)
    const answer = await answerTo(cluster, io, made)
    if (answer === undefined) {
      if (io.stopped.aborted) return exitCodes.interrupted
      const takeBack = `kubectl delete rolloutrequests.sluice.dev ${made.metadata.name} -n ${cluster.namespace}`
      const nobody = `nobody answered request ${made.metadata.name} within ${patience / 1000} seconds; is the controller running?`
      const until = action === 'Abort' ? 'as long as this release is under way' : 'within ten minutes'
      throw new CliFailure(`${nobody} It is still acted on ${until}: ${takeBack} takes it back`)
    }
    if (answer.state === 'Refused') throw new CliFailure(`${name}: ${action.toLowerCase()} was refused: ${clean(answer.message)}`)
    io.stdout.write(`${name}: ${clean(answer.message)}\n`)
    return exitCodes.done
  })
}

/**
 * What the person means, from what is there to see: so that a click never hits a revision or a step that came in between. Throws where there is nothing
 * to ask for.
 */
export function meant(action: RequestAction, { metadata, status }: RolloutObject, full: boolean): Pick<RequestSpec, 'revision' | 'step'> {
  const { name } = metadata
  if (action === 'Pause') return {}
  if (status === undefined) {
    if (action === 'Abort') return {}
    throw new CliFailure(`${name} was not looked at by a controller yet, so there is nothing to ${action.toLowerCase()}; is \`sluice controller\` running?`)
  }
  const canary = status.canary?.revision
  const journey = underWay(status)
  switch (action) {
    case 'Abort':
      return canary === undefined ? {} : { revision: canary }
    case 'Promote':
      return { revision: orNothing(canary, action, name, status), ...(full ? { step: -1 } : journey === undefined ? {} : { step: journey.step.index }) }
    case 'Approve':
      return { revision: orNothing(canary, action, name, status), ...(journey === undefined ? {} : { step: journey.step.index }) }
    case 'Resume':
      return { revision: orNothing(canary ?? status.stable?.revision, action, name, status) }
    case 'Retry':
      return { revision: orNothing(journey === undefined ? (status.failed[0]?.revision ?? canary) : canary, action, name, status) }
    case 'Rollback':
      return { revision: orNothing(status.stable?.revision, action, name, status) }
  }
}
function orNothing(revision: string | undefined, action: RequestAction, name: string, status: RolloutStatus): string {
  if (revision !== undefined) return revision
  throw new CliFailure(`${name} has nothing to ${action.toLowerCase()}: it is ${status.phase} (${clean(status.message)})`)
}

async function make(cluster: Cluster, rollout: RolloutObject, spec: RequestSpec): Promise<KubeObject> {
  // A suffix of our own, and not generateName: a create whose answer was lost can be repeated without asking twice.
  const name = `${spec.rolloutName}-${spec.action.toLowerCase()}-${randomBytes(5).toString('hex').slice(0, 6)}`
  const owner = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', name: spec.rolloutName }
  const { uid } = rollout.metadata
  const object: KubeObject = {
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'RolloutRequest',
    metadata: {
      name, namespace: cluster.namespace,
      // It goes with its rollout.
      ...(uid === undefined ? {} : { ownerReferences: [{ ...owner, uid }] }),
    },
    spec,
  }
  for (let left = 2; ; left--) {
    const made = await cluster.api.create(requests, object)
    if (made.ok) return made.value
    if (made.reason === 'AlreadyExists') return object
    if (left === 0 || (made.reason !== 'Timeout' && made.reason !== 'Unavailable')) throw refused(made)
  }
}

async function answerTo(cluster: Cluster, io: Io, made: KubeObject): Promise<RequestStatus | undefined> {
  let answer: RequestStatus | undefined
  const following = follow(cluster, io, requests, { namespace: cluster.namespace, fieldSelector: `metadata.name=${made.metadata.name}` }, objects => {
    const status = [...objects.values()][0]?.status as RequestStatus | undefined
    if (status?.state === undefined) return
    answer = status
    following.stop()
  })
  const timer = io.clock.setTimeout(() => following.stop(), patience)
  await following.ended
  timer.cancel()
  return answer
}
