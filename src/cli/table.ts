/** Many rollouts, one line each. Pure. */
import { createColors } from 'picocolors'
import type { RolloutObject } from './view.ts'
import { shareOfCanary, underWay } from './view.ts'
import { clean, elapsed, percent, span, versions } from './words.ts'

export interface TableOptions {
  /** Width of the terminal; the message is cut to it, lines without one are not. Unset: nothing is cut. */
  readonly columns?: number
  readonly color?: boolean
  /** A first column with the namespace. */
  readonly namespaces?: boolean
  /** Also images and checks. */
  readonly wide?: boolean
  /** Without the line of headings. */
  readonly bare?: boolean
}
interface Row {
  readonly cells: readonly string[]
  readonly phase: string
}

/** A heading and one line for each rollout; only a heading where there is none. `now` is Unix ms. */
export function renderTable(rollouts: readonly RolloutObject[], now: number, options: TableOptions = {}): string[] {
  const c = createColors(options.color ?? false)
  const wide = options.wide ? ['CHECKS', 'IMAGES'] : []
  const headings = [...(options.namespaces ? ['NAMESPACE'] : []), 'NAME', 'PHASE', 'STEP', 'CANARY', 'STABLE', 'NEW', 'SINCE', ...wide, 'MESSAGE']
  const rows = rollouts.map(one => row(one, now, options))
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map(({ cells }) => cells[i]!.length)))
  const padded = (cells: readonly string[]) => cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i]! + 2)))
  const line = (cells: readonly string[]) => cut(padded(cells).join('').trimEnd(), options.columns)
  const paint = (phase: string) => (['RolledBack', 'Closing', 'Blocked'].includes(phase) ? c.red : phase === 'Idle' || phase === 'Observing' ? (text: string) => text : c.yellow)
  return [...(options.bare ? [] : [c.dim(line(headings))]), ...rows.map(({ cells, phase }) => paint(phase)(line(cells)))]
}

function row({ metadata, spec, status }: RolloutObject, now: number, options: TableOptions): Row {
  const lead = options.namespaces ? [metadata.namespace ?? ''] : []
  const nothing = options.wide ? ['-', '-'] : []
  if (status === undefined) return { phase: 'New', cells: [...lead, metadata.name, 'New', '-', '-', '-', '-', '-', ...nothing, 'not looked at yet'] }
  const journey = underWay(status)
  const names = versions(status.stable, status.canary)
  const since = elapsed(journey?.startedAt ?? status.journey?.ended?.at, now)
  const checks = status.checks.map(one => `${clean(one.name)}=${one.verdict}${one.value === undefined ? '' : `(${clean(one.value)})`}`).join(',')
  return {
    phase: status.phase,
    cells: [
      ...lead, metadata.name, status.phase,
      journey === undefined ? '-' : `${journey.step.index + 1}/${spec.steps.length}`,
      journey === undefined ? '-' : percent(shareOfCanary(status)),
      names.stable ?? '-', journey === undefined && status.phase !== 'Waiting' ? '-' : (names.canary ?? '-'),
      since === undefined ? '-' : span(since),
      ...(options.wide ? [checks || '-', clean((status.canary ?? status.stable)?.images?.join(',') ?? '-')] : []),
      clean(status.message),
    ],
  }
}

function cut(text: string, columns: number | undefined): string {
  return columns === undefined || text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`
}
