/** `sluice get`: one rollout as a picture, many as a table, either as data, and live with -w. */
import type { KubeObject } from '../rollout/objects.ts'
import { deployments, inOrder, listRollouts, readRollout, rollouts, withCluster, type Cluster, type ClusterFlags } from './connect.ts'
import { follow } from './follow.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'
import { renderTable } from './table.ts'
import { drawCurves, renderRollout, underWay, type Pods, type RolloutObject } from './view.ts'

export interface GetFlags extends ClusterFlags {
  readonly allNamespaces?: boolean
  readonly watch?: boolean
  readonly output?: 'wide' | 'json' | 'yaml'
}

/** Prints, and with `--watch` goes on printing: a single rollout until its journey ends, a table until Ctrl-C. Returns the exit code. */
export function get(name: string | undefined, flags: GetFlags, io: Io): Promise<number> {
  const data = flags.output === 'json' || flags.output === 'yaml'
  if (name !== undefined && flags.allNamespaces === true) {
    throw new CliFailure('a name and --all-namespaces exclude each other; use -n to say where the rollout is')
  }
  if (data && flags.watch === true) {
    const instead = `kubectl get rollouts.sluice.dev -w -o ${flags.output}`
    throw new CliFailure(`--watch shows a picture or a table, not ${flags.output}; leave out one of the two, or use ${instead}`)
  }
  return withCluster(flags, async cluster => {
    if (name !== undefined) return flags.watch === true ? await watchOne(cluster, name, io) : await showOne(cluster, name, flags, io)
    return flags.watch === true ? await watchAll(cluster, flags, io) : await showAll(cluster, flags, io)
  })
}

async function showOne(cluster: Cluster, name: string, flags: GetFlags, io: Io): Promise<number> {
  const rollout = await readRollout(cluster, name)
  if (flags.output === 'json' || flags.output === 'yaml') return await print(rollout, flags.output, io)
  if (flags.output === 'wide') return lines(io, renderTable([rollout], io.clock.now(), { wide: true, color: io.color }))
  const found = await cluster.api.list(deployments, { namespace: cluster.namespace, labelSelector: `sluice.dev/rollout=${name}` })
  const pods = found.ok ? podsOf(rollout, found.value.items) : undefined
  return lines(io, renderRollout(rollout, io.clock.now(), { columns: io.stdout.columns(), color: io.color, pods }))
}

async function showAll(cluster: Cluster, flags: GetFlags, io: Io): Promise<number> {
  const namespace = flags.allNamespaces === true ? undefined : cluster.namespace
  const found = await listRollouts(cluster, namespace)
  if (flags.output === 'json' || flags.output === 'yaml') return await print({ apiVersion: 'v1', kind: 'List', items: found }, flags.output, io)
  if (found.length === 0) {
    const nowhere = `There are no rollouts in namespace ${namespace}; \`sluice get -A\` lists all of the cluster.\n`
    io.stderr.write(namespace === undefined ? 'There are no rollouts in this cluster.\n' : nowhere)
    return exitCodes.done
  }
  const wide = flags.output === 'wide'
  const options = { namespaces: flags.allNamespaces, wide, color: io.color, columns: wide ? undefined : io.stdout.columns() }
  return lines(io, renderTable(found, io.clock.now(), options))
}

function lines(io: Io, text: readonly string[]): number {
  io.stdout.write(`${text.join('\n')}\n`)
  return exitCodes.done
}
async function print(value: unknown, form: 'json' | 'yaml', io: Io): Promise<number> {
  if (form === 'json') io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
  else io.stdout.write((await import('yaml')).stringify(value))
  return exitCodes.done
}

/** A picture that is drawn anew on a terminal; elsewhere lines that are added whenever something happened. */
async function watchOne(cluster: Cluster, name: string, io: Io): Promise<number> {
  await readRollout(cluster, name)
  const curves: Record<string, number[]> = {}
  let rollout: RolloutObject | undefined
  let workloads: readonly KubeObject[] = []
  let begun = false
  let last = ''
  const drawing = await drawer(io)
  const draw = (): void => {
    if (rollout === undefined) return
    const options = { pods: podsOf(rollout, workloads), curves, color: io.color }
    if (drawing !== undefined) return drawing.draw(renderRollout(rollout, io.clock.now(), { ...options, columns: io.stdout.columns() }))
    const status = rollout.status
    const verdicts = status?.checks.map(one => one.verdict)
    const state = JSON.stringify([status?.phase, status?.journey?.step.index, status?.journey?.weight.seen, verdicts, status?.message])
    if (state === last) return
    last = state
    io.stdout.write(`${renderRollout(rollout, io.clock.now(), { ...options, columns: io.stdout.columns() ?? 160 }).join('\n')}\n`)
  }
  const selection = { namespace: cluster.namespace, fieldSelector: `metadata.name=${name}` }
  const one = follow(cluster, io, rollouts, selection, objects => {
    const next = [...objects.values()][0] as unknown as RolloutObject | undefined
    if (next === undefined) {
      io.stderr.write(`rollout ${name} was deleted\n`)
      return one.stop()
    }
    if (next.status !== undefined) drawCurves(curves, rollout?.status, next.status)
    rollout = next
    draw()
    const going = next.status !== undefined && (underWay(next.status) !== undefined || next.status.phase === 'Waiting')
    if (begun && !going) one.stop()
    begun ||= going
  })
  const theirs = follow(cluster, io, deployments, { namespace: cluster.namespace, labelSelector: `sluice.dev/rollout=${name}` }, objects => {
    workloads = [...objects.values()]
    draw()
  })
  // Pods are an extra: without the right to list Deployments the picture lacks one line.
  theirs.ended.catch(() => {})
  const ticking = drawing === undefined ? undefined : every(io, 1000, draw)
  try {
    await one.ended
  } finally {
    ticking?.cancel()
    theirs.stop()
    drawing?.done()
  }
  return io.stopped.aborted ? exitCodes.interrupted : exitCodes.done
}

async function watchAll(cluster: Cluster, flags: GetFlags, io: Io): Promise<number> {
  const namespace = flags.allNamespaces === true ? undefined : cluster.namespace
  const options = { namespaces: flags.allNamespaces, wide: flags.output === 'wide', color: io.color }
  let all: readonly RolloutObject[] = []
  let before = new Map<string, string>()
  const drawing = await drawer(io)
  const draw = (): void => {
    const now = io.clock.now()
    if (drawing !== undefined) return drawing.draw(renderTable(all, now, { ...options, columns: io.stdout.columns() }))
    const nameOf = (one: RolloutObject) => `${one.metadata.namespace}/${one.metadata.name}`
    const after = new Map(all.map(one => [nameOf(one), JSON.stringify([one.status?.phase, one.status?.journey?.weight, one.status?.message])]))
    const changed = all.filter(one => before.get(nameOf(one)) !== after.get(nameOf(one)))
    if (changed.length > 0) lines(io, renderTable(changed, now, { ...options, bare: before.size > 0 }))
    before = after
  }
  const following = follow(cluster, io, rollouts, { namespace }, objects => {
    all = inOrder([...objects.values()])
    draw()
  })
  const ticking = drawing === undefined ? undefined : every(io, 1000, draw)
  try {
    await following.ended
  } finally {
    ticking?.cancel()
    drawing?.done()
  }
  return exitCodes.interrupted
}

interface Drawing {
  draw(lines: readonly string[]): void
  /** Leaves the last picture where it is. */
  done(): void
}
async function drawer(io: Io): Promise<Drawing | undefined> {
  if (io.stdout.terminal === undefined) return undefined
  const { createLogUpdate } = await import('log-update')
  const { terminal } = io.stdout
  let update = createLogUpdate(terminal)
  let width = terminal.columns
  return {
    draw(all) {
      if (terminal.columns !== width) {
        // The terminal has broken the last picture's lines anew, so that nobody knows how many they are: begin on an empty screen.
        update.done()
        terminal.write('\u001b[2J\u001b[H')
        update = createLogUpdate(terminal)
        width = terminal.columns
      }
      const rows = (io.stdout.rows() ?? 24) - 1
      update(all.slice(0, rows).join('\n'))
    },
    done: () => update.done(),
  }
}
function every(io: Io, ms: number, work: () => void): { cancel(): void } {
  let timer = io.clock.setTimeout(function again() {
    work()
    timer = io.clock.setTimeout(again, ms)
  }, ms)
  return { cancel: () => timer.cancel() }
}

/** Ready and wanted pods of both sides, from the Deployments of the revisions. */
export function podsOf({ status }: RolloutObject, workloads: readonly KubeObject[]): Pods {
  const side = (revision: string | undefined) => {
    const workload = workloads.find(one => one.metadata.name === revision)
    return workload === undefined ? undefined : { ready: Number(workload.status?.readyReplicas ?? 0), wanted: Number(workload.spec?.replicas ?? 1) }
  }
  return { stable: side(status?.stable?.revision), canary: side(status?.canary?.revision) }
}
