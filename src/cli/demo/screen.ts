/** Where the demo shows what happens: a live picture on a terminal, plain lines elsewhere, or JSON lines and nothing else. */
import { createColors } from 'picocolors'
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { Io } from '../io.ts'
import { drawCurves, renderRollout, type RolloutObject } from '../view.ts'
import { span } from '../words.ts'
import { podsOf } from '../get.ts'
import type { Report } from './journey.ts'
import { clockLine, withVersions, wrapped } from './text.ts'
import type { Look } from './user.ts'

export interface DemoScreen {
  /** Lines that stay. `look` is that of the first one which is not empty. */
  say(lines: readonly string[], look?: 'Heading' | 'Good' | 'Bad'): void
  /** The shop has changed. `begun` is the simulated Unix ms at which the present scene began. */
  look(look: Look, begun: number): void
  /** The scene is over: the picture, if there is one, stays where it is. */
  rest(): void
  report(report: Report): void
}
/** A picture is drawn anew that often, in ms. */
const frame = 100

/** One object per journey on standard output. */
export function jsonScreen(io: Io): DemoScreen {
  return { say: () => {}, look: () => {}, rest: () => {}, report: report => io.stdout.write(`${JSON.stringify(report)}\n`) }
}

/** One line for each decision, each check that begins to fail and each step that has passed. */
export function plainScreen(io: Io): DemoScreen {
  let told = new Set<string>()
  let before: RolloutStatus | undefined
  const c = createColors(io.color)
  return {
    say: lines => io.stdout.write(`${lines.flatMap(line => wrapped(line, io.stdout.columns())).join('\n')}\n`),
    report: () => {},
    rest: () => void (told = new Set()),
    look({ rollout }, begun) {
      const status = rollout?.status
      if (rollout === undefined || status === undefined) return
      const line = (at: string, what: string, why: string, paint: (text: string) => string = text => text) => {
        if (Date.parse(at) < begun || told.has(`${at} ${what}`)) return
        told.add(`${at} ${what}`)
        io.stdout.write(`${span(Date.parse(at) - begun).padStart(9)}  ${paint(what.padEnd(11))} ${withVersions(why, status)}\n`)
      }
      for (const check of status.checks) {
        const was = before?.checks.find(one => one.name === check.name)?.verdict
        if (check.verdict !== 'Fail' || was === 'Fail') continue
        line(check.since, 'Failing', `${check.name} ${check.value} misses ${check.bound}: ${check.message ?? ''}`, c.red)
      }
      for (const { at, decision, why } of status.decisions) {
        line(at, decision, why + aside(decision, rollout), decision === 'Closing' || decision === 'RolledBack' ? c.red : undefined)
      }
      before = status
    },
  }
}

/** How long it is held. */
function aside(decision: string, rollout: RolloutObject): string {
  const hold = rollout.spec.steps[rollout.status?.journey?.step.index ?? 0]?.hold
  return decision !== 'Holding' || hold === undefined ? '' : ` and held for ${hold}`
}

/** The picture of `sluice get --watch`, drawn anew several times a second on simulated time. */
export async function liveScreen(io: Io, terminal: NodeJS.WriteStream, clock: { now(): number; readonly speed: number }): Promise<DemoScreen> {
  const { createLogUpdate } = await import('log-update')
  const update = createLogUpdate(terminal)
  const c = createColors(io.color)
  let last: Look | undefined
  let before: RolloutStatus | undefined
  let curves: Record<string, number[]> = {}
  let timer: { cancel(): void } | undefined
  const draw = (more: readonly string[]): void => {
    const { rollout, workloads } = last!
    if (rollout === undefined) return
    const lines = renderRollout(rollout, clock.now(), { columns: io.stdout.columns(), color: io.color, curves, pods: podsOf(rollout, workloads) })
    update([...lines, ...more].slice(0, Math.max(1, (io.stdout.rows() ?? 24) - 1)).join('\n'))
  }
  const again = (): void => {
    draw([c.dim(clockLine(clock.now(), clock.speed).slice(0, io.stdout.columns()))])
    timer = io.clock.setTimeout(again, frame)
  }
  return {
    say(lines, look) {
      const paint = look === 'Heading' ? c.bold : look === 'Good' ? c.green : look === 'Bad' ? c.red : (text: string) => text
      const first = lines.findIndex(line => line !== '')
      io.stdout.write(`${lines.flatMap((line, index) => wrapped(line, io.stdout.columns()).map(index === first ? paint : one => one)).join('\n')}\n`)
    },
    report: () => {},
    look(look) {
      last = look
      const status = look.rollout?.status
      if (status?.journey?.id !== before?.journey?.id) curves = {}
      if (status !== undefined) drawCurves(curves, before, status)
      before = status
      if (timer === undefined) again()
    },
    rest() {
      timer?.cancel()
      timer = undefined
      if (last !== undefined) draw([])
      update.done()
      last = undefined
    },
  }
}
