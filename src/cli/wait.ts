/** `sluice wait`: for scripts and pipelines. Exit code 0 promoted, 2 rolled back, 3 waits for a person, 4 timed out, 1 anything else. */
import type { RolloutSpec, RolloutStatus } from '../rollout/schema.ts'
import { deployments, readRollout, refused, rollouts, withCluster, type Cluster, type ClusterFlags } from './connect.ts'
import { follow } from './follow.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'
import { underWay, type RolloutObject } from './view.ts'
import { clean, span, versions } from './words.ts'

export interface WaitFlags extends ClusterFlags {
  /** ms. */
  readonly timeout: number
  /** Nothing is written while waiting. */
  readonly quiet?: boolean
}
/** Where a release stands for somebody who waits for it. */
export type Standing = { readonly state: 'Pending' | 'Promoted' | 'RolledBack' | 'NeedsPerson'; readonly message: string }

/** Waits until what the Deployment says now is promoted, or will not be without a person. */
export function wait(name: string, flags: WaitFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const first = await readRollout(cluster, name)
    if (first.spec.mode === 'Observe') throw new CliFailure(`rollout ${name} only observes (spec.mode: Observe): another tool releases, so there is no promotion of Sluice to wait for; \`sluice history ${name}\` shows what it has seen`)
    const generation = await workloadGeneration(cluster, first.spec)
    let standing = standingOf(first, generation)
    let said = ''
    let gone = false
    const following = follow(cluster, io, rollouts, { namespace: cluster.namespace, fieldSelector: `metadata.name=${name}` }, objects => {
      const rollout = [...objects.values()][0] as unknown as RolloutObject | undefined
      gone = rollout === undefined
      if (rollout === undefined) return following.stop()
      standing = standingOf(rollout, generation)
      if (standing.state !== 'Pending') return following.stop()
      if (flags.quiet !== true && standing.message !== said) io.stderr.write(`${name}: ${standing.message}\n`)
      said = standing.message
    })
    let late = false
    const timer = io.clock.setTimeout(() => {
      late = true
      following.stop()
    }, flags.timeout)
    await following.ended
    timer.cancel()
    if (gone) throw new CliFailure(`rollout ${name} was deleted while it was waited for`)
    if (io.stopped.aborted) return exitCodes.interrupted
    if (standing.state === 'Pending') {
      io.stderr.write(`sluice: ${name} is not promoted after ${span(flags.timeout)}: ${standing.message}\n`)
      return late ? exitCodes.timedOut : exitCodes.failed
    }
    io.stdout.write(`${name}: ${standing.message}\n`)
    return { Promoted: exitCodes.done, RolledBack: exitCodes.rolledBack, NeedsPerson: exitCodes.needsPerson }[standing.state]
  })
}

/** The generation of the Deployment whose release is waited for; 0 where there is none. */
async function workloadGeneration(cluster: Cluster, spec: RolloutSpec): Promise<number> {
  const name = spec.workloadRef?.name ?? spec.backends?.canary.workloadRef?.name
  if (name === undefined) return 0
  const answer = await cluster.api.get(deployments, cluster.namespace, name)
  if (!answer.ok && answer.reason !== 'NotFound') throw refused(answer)
  return answer.ok ? (answer.value.metadata.generation ?? 0) : 0
}

/** How the rollout stands with regard to a generation of its Deployment: what was decided before it was seen says nothing. */
export function standingOf({ metadata, spec, status }: RolloutObject, generation: number): Standing {
  if (status === undefined) return { state: 'Pending', message: 'no controller has looked at it yet' }
  const notSeen = `generation ${generation} of the Deployment was not seen by the controller yet`
  if ((status.observedWorkloadGeneration ?? 0) < generation) return { state: 'Pending', message: notSeen }
  if (status.observedGeneration < (metadata.generation ?? 0)) return { state: 'Pending', message: 'the newest spec was not seen by the controller yet' }
  const message = clean(status.message)
  const stable = versions(status.stable, undefined).stable ?? status.stable?.revision
  if (status.phase === 'Idle') return { state: 'Promoted', message: `${stable} serves all requests` }
  if (status.phase === 'RolledBack') return { state: 'RolledBack', message: `rolled back to ${stable}: ${message}` }
  return { state: needsPerson(status, spec) ? 'NeedsPerson' : 'Pending', message }
}
/** Nothing will move by itself any more. */
function needsPerson(status: RolloutStatus, spec: RolloutSpec): boolean {
  const { phase } = status
  if (phase === 'AwaitingApproval' || phase === 'Held') return true
  if (status.conditions.some(one => one.type === 'Stalled' && one.status === 'True') && phase === 'Blocked') return true
  if (phase === 'Waiting' && spec.steps[0]?.approval === 'Before' && status.approved?.revision !== status.canary?.revision) return true
  const paused = spec.paused === true || status.paused !== undefined
  return paused && (phase === 'Waiting' || (underWay(status) !== undefined && phase !== 'Closing' && phase !== 'Draining' && phase !== 'Flipping'))
}
