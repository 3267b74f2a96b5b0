/** `sluice notify test CHANNEL`: the controller sends a test message, from where and with what it would send a real one, and the answer is printed. */
import { randomBytes } from 'node:crypto'
import type { ChannelStatus } from '../rollout/schema.ts'
import { channels, refused, withCluster, type Cluster, type ClusterFlags } from './connect.ts'
import { follow } from './follow.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'
import { clean } from './words.ts'

const annotation = 'sluice.dev/test'
/** A receiver has ten seconds, and the controller tries once. */
const patience = 20_000

/** Returns 0 where the receiver took the message; throws CliFailure with what to change where it did not. */
export function test(name: string, flags: ClusterFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const id = `${io.clock.now()}-${randomBytes(4).toString('hex')}`
    const asked = await cluster.api.patch(channels, cluster.namespace, name, { metadata: { annotations: { [annotation]: id } } })
    if (!asked.ok) throw asked.reason === 'NotFound' ? await missing(cluster, name) : refused(asked)
    const answer = await answerTo(cluster, io, name, id)
    if (answer === undefined) {
      if (io.stopped.aborted) return exitCodes.interrupted
      const seconds = patience / 1000
      throw new CliFailure(`nobody has tested channel ${name} within ${seconds} seconds; is the controller running, and may it patch notificationchannels/status?`)
    }
    if (answer.state === 'Failed') throw new CliFailure(`channel ${name}: ${clean(answer.message)}`)
    io.stdout.write(`${name}: a test message was sent, and ${clean(answer.message)}\n`)
    return exitCodes.done
  })
}

async function answerTo(cluster: Cluster, io: Io, name: string, id: string): Promise<ChannelStatus['test']> {
  let answer: ChannelStatus['test']
  const following = follow(cluster, io, channels, { namespace: cluster.namespace, fieldSelector: `metadata.name=${name}` }, objects => {
    const test = ([...objects.values()][0]?.status as ChannelStatus | undefined)?.test
    if (test?.id !== id) return
    answer = test
    following.stop()
  })
  const timer = io.clock.setTimeout(() => following.stop(), patience)
  await following.ended
  timer.cancel()
  return answer
}

async function missing(cluster: Cluster, name: string): Promise<CliFailure> {
  const there = await cluster.api.list(channels, { namespace: cluster.namespace })
  if (!there.ok) return new CliFailure('this cluster does not know notificationchannels.sluice.dev; apply the CRDs first: kubectl apply -f crds/')
  const names = there.value.items.map(one => one.metadata.name).slice(0, 10)
  const others = names.length > 0 ? `there are ${names.join(', ')}` : 'there is none at all: use -n for another namespace'
  return new CliFailure(`there is no NotificationChannel "${name}" in namespace ${cluster.namespace}; ${others}`)
}
