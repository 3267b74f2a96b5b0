/** `sluice history`: the last journeys, how they ended and what they cost. */
import { createColors } from 'picocolors'
import type { RolloutStatus } from '../rollout/schema.ts'
import { inColumns } from './columns.ts'
import { listRollouts, readRollout, withCluster, type ClusterFlags } from './connect.ts'
import { exitCodes, type Io } from './io.ts'
import type { RolloutObject } from './view.ts'
import { clean, count, elapsed, percent, span, versions } from './words.ts'

export interface HistoryFlags extends ClusterFlags {
  readonly allNamespaces?: boolean
  readonly output?: 'wide' | 'json' | 'yaml'
}
type Journey = RolloutStatus['history'][number]
/** One journey with the rollout whose it was. */
export interface Entry extends Journey {
  readonly namespace: string
  readonly rollout: string
}

/** Prints the journeys of one rollout, or of all of a namespace, the newest first. Those that are over: one under way is what `sluice get` shows. */
export function history(name: string | undefined, flags: HistoryFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const all = flags.allNamespaces === true
    const rollouts = name === undefined ? await listRollouts(cluster, all ? undefined : cluster.namespace) : [await readRollout(cluster, name)]
    const entries = entriesOf(rollouts)
    if (flags.output === 'json') io.stdout.write(`${JSON.stringify(entries, undefined, 2)}\n`)
    else if (flags.output === 'yaml') io.stdout.write((await import('yaml')).stringify(entries))
    else if (entries.length === 0) io.stderr.write(`${nothing(name, all, cluster.namespace, rollouts.length)}\n`)
    else io.stdout.write(`${renderHistory(entries, io.clock.now(), { names: name === undefined, namespaces: all, wide: flags.output === 'wide', color: io.color, columns: flags.output === 'wide' ? undefined : io.stdout.columns() }).join('\n')}\n`)
    return exitCodes.done
  })
}
function nothing(name: string | undefined, all: boolean, namespace: string, rollouts: number): string {
  const where = all ? 'in this cluster' : `in namespace ${namespace}`
  if (name !== undefined) return `${name} has no journey behind it yet; \`sluice get ${name}\` shows what is under way.`
  return rollouts === 0 ? `There are no rollouts ${where}${all ? '' : '; `sluice history -A` looks in all of the cluster'}.` : `No rollout ${where} has a journey behind it yet.`
}

/** All journeys that are over, the newest first. */
export function entriesOf(rollouts: readonly RolloutObject[]): readonly Entry[] {
  const all = rollouts.flatMap(({ metadata, status }) => (status?.history ?? []).map(one => ({ namespace: metadata.namespace ?? '', rollout: metadata.name, ...one })))
  return all.toSorted((a, b) => (a.endedAt < b.endedAt ? 1 : a.endedAt > b.endedAt ? -1 : 0))
}

export interface HistoryOptions {
  readonly names?: boolean
  readonly namespaces?: boolean
  readonly wide?: boolean
  readonly color?: boolean
  readonly columns?: number
}
/** A heading and a line for each journey. `now` is Unix ms. */
export function renderHistory(entries: readonly Entry[], now: number, options: HistoryOptions = {}): string[] {
  const c = createColors(options.color ?? false)
  const headings = [...(options.namespaces ? ['NAMESPACE'] : []), ...(options.names ? ['NAME'] : []), 'ENDED', 'NEW', 'FROM', 'OUTCOME', 'TOOK', 'SERVED', 'LOST', ...(options.wide ? ['REVISION', 'COMMIT', 'STARTED', 'IMAGES'] : []), 'REASON']
  const [head, ...lines] = inColumns([headings, ...entries.map(entry => cells(entry, entries, now, options))], options.columns)
  const paint = ({ outcome }: Entry): ((text: string) => string) => (outcome === 'RolledBack' || outcome === 'WouldRollBack' ? c.red : outcome === 'Promoted' || outcome === 'WouldPromote' ? text => text : c.yellow)
  return [c.dim(head!), ...lines.map((line, index) => paint(entries[index]!)(line))]
}
function cells(entry: Entry, entries: readonly Entry[], now: number, options: HistoryOptions): string[] {
  const names = versions(fromOf(entry, entries), entry)
  const { served, lost } = entry.requests
  const share = served > 0 && lost > 0 ? ` (${percent((100 * lost) / served)})` : ''
  return [
    ...(options.namespaces ? [entry.namespace] : []), ...(options.names ? [entry.rollout] : []),
    `${span(elapsed(entry.endedAt, now) ?? 0)} ago`, names.canary ?? entry.revision, names.stable ?? '-', entry.outcome,
    span(Math.max(0, Date.parse(entry.endedAt) - Date.parse(entry.startedAt))), count(served), `${count(lost)}${share}`,
    ...(options.wide ? [entry.revision, clean(entry.commit ?? '-').slice(0, 12), entry.startedAt, clean(entry.images?.join(',') ?? '-')] : []),
    entry.observed === undefined ? clean(entry.reason) || '-' : clean(entry.observed.message),
  ]
}
/** What is known of the revision that was stable: its own journey tells its images. */
function fromOf({ from, rollout, namespace }: Entry, entries: readonly Entry[]): { revision: string; images?: readonly string[]; commit?: string } | undefined {
  if (from === undefined) return undefined
  return entries.find(one => one.revision === from && one.rollout === rollout && one.namespace === namespace) ?? { revision: from }
}
