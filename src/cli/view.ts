/** The picture of one rollout, from its object to lines of text. Pure: the time comes in, nothing is read. */
import { createColors } from 'picocolors'
import type { CheckStatus, Outcome, Phase, RolloutSpec, RolloutStatus } from '../rollout/schema.ts'
import { placesOf } from '../traffic/index.ts'
import { clean, count, elapsed, lastJourney, percent, span, versions } from './words.ts'

export interface RolloutObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string; readonly generation?: number; readonly creationTimestamp?: string }
  readonly spec: RolloutSpec
  readonly status?: RolloutStatus
}
export interface ViewOptions {
  /** Width of the terminal in characters; lines are cut or wrapped to it. Unset: 100. */
  readonly columns?: number
  /** ANSI colours. Unset: none. */
  readonly color?: boolean
  /** Pods of each side, where somebody has counted them. */
  readonly pods?: Pods
  /** Former values of checks by name, oldest first, for the small curves. */
  readonly curves?: Readonly<Record<string, readonly number[]>>
}
export interface Pods {
  readonly stable?: { readonly ready: number; readonly wanted: number }
  readonly canary?: { readonly ready: number; readonly wanted: number }
}
type Colors = ReturnType<typeof createColors>
interface Scene {
  readonly name: string
  readonly spec: RolloutSpec
  readonly status: RolloutStatus
  readonly now: number
  readonly columns: number
  readonly c: Colors
  readonly options: ViewOptions
}
const indent = '  '
const labelWidth = 9

/** The rollout as lines without line ends, for a person who asks what is happening and what to type. `now` is Unix ms. */
export function renderRollout(rollout: RolloutObject, now: number, options: ViewOptions = {}): string[] {
  const c = createColors(options.color ?? false)
  const columns = Math.max(30, options.columns ?? 100)
  const { name, namespace } = rollout.metadata
  const title = c.bold(namespace === undefined ? name : `${name} (${namespace})`)
  if (rollout.status === undefined) {
    return [...flow([title, c.yellow('NEW')], '   ', '', columns), ...labelled('now', 'no controller has looked at it yet: is `sluice controller` running?', columns)]
  }
  const scene: Scene = { name, spec: rollout.spec, status: rollout.status, now, columns, c, options }
  return [
    ...header(title, scene),
    ...labelled('now', clean(scene.status.message), columns),
    ...steps(scene),
    ...traffic(scene),
    ...checks(scene),
    ...hooks(scene),
    ...pods(scene),
    ...outcome(scene),
    ...next(scene),
  ]
}

function header(title: string, scene: Scene): string[] {
  const { status, now, c } = scene
  const journey = underWay(status)
  const names = versions(status.stable, status.canary)
  const parts = [title, badge(scene)]
  if (journey === undefined && names.stable !== undefined) parts.push(names.stable)
  if (journey !== undefined) parts.push([names.stable ?? 'nothing', names.canary ?? '?'].join(' → '))
  const started = elapsed(journey?.startedAt, now)
  if (started !== undefined) parts.push(c.dim(`${span(started)} ago`))
  return flow(parts, '   ', '', scene.columns)
}
const badges: Partial<Record<Phase, string>> = { RolledBack: 'ROLLED BACK', AwaitingApproval: 'APPROVAL' }
function badge({ status, spec, c }: Scene): string {
  const { phase } = status
  const journey = underWay(status)
  if (journey !== undefined && (phase === 'Shifting' || phase === 'Holding' || phase === 'Scaling') && journey.direction === 'Out') {
    return c.bold(c.cyan(`STEP ${journey.step.index + 1}/${spec.steps.length}`)) + (isPaused({ status, spec }) ? c.yellow(' PAUSED') : '')
  }
  const text = badges[phase] ?? phase.toUpperCase()
  if (phase === 'Idle' || phase === 'Observing') return c.green(text)
  if (phase === 'RolledBack' || phase === 'Closing' || phase === 'Blocked') return c.bold(c.red(text))
  return c.bold(c.yellow(text))
}

function steps(scene: Scene): string[] {
  const { spec, status, c } = scene
  const journey = status.journey
  // The steps of another tool are not known, and where ours would be stands in the message.
  if (journey === undefined || status.phase === 'Observing' || journey.direction === 'Back' || journey.ended?.outcome === 'Promoted') return []
  const failed = journey.closing !== undefined || journey.ended !== undefined
  const parts = spec.steps.map((step, i) => {
    const weight = percent(step.weight)
    if (i < journey.step.index || passedAll(status)) return c.green(`✔ ${weight}`)
    if (i > journey.step.index) return c.dim(`· ${weight}${step.approval === undefined ? '' : ' approval'}`)
    if (failed) return c.red(`✘ ${weight}`)
    return c.bold(`▶ ${weight} ${doing(scene, step.hold)}`.trimEnd())
  })
  return labelledParts('steps', parts, '   ', scene.columns)
}
function passedAll(status: RolloutStatus): boolean {
  return status.phase === 'Flipping'
}
/** What the current step is doing, in two or three words. */
function doing({ status, now }: Scene, hold: string | undefined): string {
  const since = elapsed(status.journey?.weight.seenAt ?? status.journey?.step.since, now)
  if (status.phase === 'Holding') return since === undefined || hold === undefined ? 'holding' : `holding ${span(since)} of ${hold}`
  if (status.phase === 'AwaitingApproval') return 'awaits approval'
  if (status.phase === 'Scaling') return 'waits for pods'
  if (status.phase === 'Shifting') return 'shifting'
  return ''
}

function traffic(scene: Scene): string[] {
  const { spec, status, now, columns, c } = scene
  const journey = status.journey
  if (status.stable === undefined && journey === undefined) return []
  const seen = shareOfCanary(status)
  const wide = columns >= 72 ? 20 : 10
  const filled = seen === 0 ? 0 : Math.min(wide, Math.max(1, Math.round((seen / 100) * wide)))
  const bar = c.green('█'.repeat(wide - filled)) + c.yellow('░'.repeat(filled))
  const parts = [`stable ${percent(100 - seen)} ${bar} canary ${percent(seen)}`]
  const wanted = underWay(status)?.weight.wanted
  if (wanted !== undefined && wanted !== seen) parts.push(c.yellow(`→ ${percent(wanted)}`))
  const age = elapsed(underWay(status)?.weight.seenAt, now)
  parts.push(c.dim([routeName(spec, scene.name), age === undefined ? undefined : `seen ${span(age)} ago`].filter(Boolean).join(', ')))
  return labelledParts('traffic', parts, '    ', columns)
}
/** The canary's share in percent as read back from the mesh; 0 where no journey is under way. Where somebody else lowered it and it is held there, that is what is wanted. */
export function shareOfCanary(status: RolloutStatus): number {
  const weight = underWay(status)?.weight
  const seen = weight?.seen ?? 0
  return (status.phase === 'Held' || status.phase === 'Observing') && weight !== undefined ? Math.min(seen, weight.wanted) : seen
}
function routeName(spec: RolloutSpec, rollout: string): string {
  const own = { namespace: '', name: spec.service?.name ?? spec.workloadRef?.name ?? rollout }
  const places = placesOf(spec.traffic, own)?.places ?? []
  return places.map(({ kind, namespace, name }) => `${kind}/${namespace === '' ? '' : `${namespace}/`}${name}`).join(', ')
}

function checks(scene: Scene): string[] {
  const { status, spec, c, columns, options } = scene
  if (status.checks.length === 0 || underWay(status) === undefined) return []
  const rows = status.checks.map(check => {
    const wanted = spec.analysis?.checks.find(one => one.name === check.name)
    const limit = (wanted?.failureLimit ?? spec.analysis?.failureLimit ?? 1) + 1
    return { check, cells: [clean(check.name), comparison(check, boundOf(wanted)), curve(options.curves?.[check.name])], tail: `${tally(check, wanted?.latency !== undefined)}${check.failures} bad of ${limit}` }
  })
  const width = (i: number) => Math.max(...rows.map(row => row.cells[i]!.length))
  const widths = [width(0), width(1), width(2)]
  return rows.flatMap(({ check, cells, tail }, i) => {
    const padded = cells.map((cell, k) => cell.padEnd(widths[k]!))
    const text = [padded[0], paint(c, check)(padded[1]!), ...(widths[2] === 0 ? [] : [padded[2]]), c.dim(tail)].join('   ')
    const why = check.message === undefined || check.verdict === 'Pass' ? [] : [clean(check.message)]
    const label = i === 0 ? 'checks' : ''
    return [...labelledParts(label, [cut(text, columns - indent.length - labelWidth)], ' ', columns), ...why.flatMap(line => labelled('', line, columns))]
  })
}
type Check = NonNullable<RolloutSpec['analysis']>['checks'][number]
/** Between a value and its bound where it holds, and where it does not. */
type Signs = readonly [holds: string, fails: string]
function boundOf(wanted: Check | undefined): Signs {
  const { min, max } = wanted?.prometheus ?? {}
  if (min !== undefined && max !== undefined) return ['within', 'beyond']
  return wanted?.latency !== undefined || max !== undefined ? ['≤', '>'] : ['≥', '<']
}
function comparison(check: CheckStatus, [holds, fails]: Signs): string {
  const bound = clean(check.bound)
  if (check.verdict === 'NoData') return `no data, ${holds} ${bound}`
  if (check.verdict === 'Error') return `unknown, ${holds} ${bound}`
  return `${clean(check.value ?? '?')} ${check.verdict === 'Fail' ? fails : holds} ${bound}`
}
function tally(check: CheckStatus, upper: boolean): string {
  return check.total === undefined ? '' : `${count(check.total)} requests, ${count(check.bad ?? 0)} ${upper ? 'slow' : 'failed'}, `
}
function paint(c: Colors, check: CheckStatus): (text: string) => string {
  return check.verdict === 'Pass' ? c.green : check.verdict === 'Fail' ? c.red : c.yellow
}
const bars = '▁▂▃▄▅▆▇█'
function curve(values: readonly number[] | undefined): string {
  if (values === undefined || values.length < 2) return ''
  const low = Math.min(...values)
  const range = Math.max(...values) - low
  return values.slice(-10).map(v => bars[range === 0 ? 1 : Math.round(((v - low) / range) * (bars.length - 1))]).join('')
}

/** Calls of this moment: who has agreed, and who is waited for. */
function hooks({ status, spec, now, columns, c }: Scene): string[] {
  return (status.hooks ?? []).flatMap((entry, index) => {
    const words = { Agreed: 'agreed', Refused: 'refuses', Error: 'does not answer', Awaited: entry.message === undefined ? 'asked' : 'puts it off' }[entry.state]
    const color = { Agreed: c.green, Refused: c.red, Error: c.yellow, Awaited: c.yellow }[entry.state]
    const age = elapsed(entry.at ?? entry.since, now)
    const said = entry.state === 'Agreed' || entry.message === undefined ? '' : `: ${clean(entry.message)}`
    const host = hostOf(spec, entry.name)
    const text = `${clean(entry.name)}   ${entry.when}${host === undefined ? '' : ` at ${host}`}   ${words}${age === undefined ? '' : ` since ${span(age)}`}${said}`
    return labelledParts(index === 0 ? 'hooks' : '', color(text).split(' '), ' ', columns)
  })
}
/** All of a hook's URL that is shown. */
export function hostOf(spec: RolloutSpec, name: string): string | undefined {
  const url = spec.hooks?.find(hook => hook.name === name)?.url
  return url === undefined ? undefined : URL.parse(url)?.host
}

function pods({ options, columns, c, status }: Scene): string[] {
  const side = (name: string, one: { ready: number; wanted: number } | undefined) =>
    one === undefined ? [] : [`${name} ${one.ready < one.wanted ? c.yellow(`${one.ready}/${one.wanted}`) : `${one.ready}/${one.wanted}`}`]
  const parts = [...side('stable', options.pods?.stable), ...(underWay(status) === undefined ? [] : side('canary', options.pods?.canary))]
  return parts.length === 0 ? [] : labelledParts('pods', parts, '   ', columns)
}

/** How the last journey ended and what it cost, once none is under way. */
function outcome(scene: Scene): string[] {
  const { status, now, columns } = scene
  if (underWay(status) !== undefined) return []
  const last = lastJourney(status)
  if (last === undefined) return []
  const name = versions(undefined, last).canary ?? last.revision
  const took = span(Math.max(0, Date.parse(last.endedAt) - Date.parse(last.startedAt)))
  const ago = elapsed(last.endedAt, now)
  const price = last.requests.served > 0 ? `; it served ${count(last.requests.served)} requests and lost ${count(last.requests.lost)}` : ''
  if (last.observed !== undefined) return labelled('last', `${name}, ${span(ago ?? 0)} ago: Sluice ${clean(last.observed.message)}`, columns)
  const text = `${name} ${outcomeWords[last.outcome]} after ${took}${last.reason === '' || last.outcome === 'Promoted' ? '' : ` (${clean(last.reason)})`}${price}, ${span(ago ?? 0)} ago`
  return labelled('last', text, columns)
}
const outcomeWords: Readonly<Record<Outcome, string>> = {
  Promoted: 'promoted', RolledBack: 'rolled back', Superseded: 'superseded', Withdrawn: 'withdrawn',
  WouldPromote: 'observed', WouldRollBack: 'observed', WouldHold: 'observed', Undecided: 'observed',
}

function next(scene: Scene): string[] {
  const commands = nextCommands(scene)
  if (commands.length === 0) return []
  return labelledParts('next', commands.map(one => scene.c.cyan(`sluice ${one}`)), ' · ', scene.columns)
}
/** What a person can usefully type now. */
function nextCommands({ name, status, spec, now }: Scene): string[] {
  const { phase } = status
  const abort = `abort ${name} --reason …`
  if (isPaused({ status, spec }) && !settled(phase)) return [`resume ${name}`, abort]
  if (phase === 'AwaitingApproval') return [`approve ${name}`, abort]
  if (phase === 'Waiting') return status.canary === undefined ? [] : [spec.steps[0]?.approval === 'Before' ? `approve ${name}` : `promote ${name}`, abort]
  if (phase === 'Scaling' || phase === 'Shifting' || phase === 'Holding') return [`promote ${name}`, abort]
  if (phase === 'Held') return [`resume ${name}`, abort]
  if (phase === 'RolledBack') return [`retry ${name}`]
  if (phase === 'Idle' && status.previous !== undefined && Date.parse(status.previous.warmUntil) > now) return [`rollback ${name} --reason …`]
  return []
}
function settled(phase: Phase): boolean {
  return phase === 'Idle' || phase === 'RolledBack' || phase === 'Blocked' || phase === 'Observing'
}
function isPaused({ status, spec }: { readonly status: RolloutStatus; readonly spec: RolloutSpec }): boolean {
  return spec.paused === true || status.paused !== undefined
}
/** The journey that has not ended; undefined at rest. */
export function underWay(status: RolloutStatus): RolloutStatus['journey'] {
  return status.journey?.ended === undefined ? status.journey : undefined
}

/** Adds the values of this status to the curves, oldest first, at most ten for each check. A repeated evaluation adds nothing. */
export function drawCurves(curves: Record<string, number[]>, before: RolloutStatus | undefined, status: RolloutStatus): void {
  for (const check of status.checks) {
    const value = check.value === undefined ? Number.NaN : Number.parseFloat(check.value)
    if (Number.isNaN(value) || before?.checks.find(one => one.name === check.name)?.at === check.at) continue
    curves[check.name] = [...(curves[check.name] ?? []), value].slice(-10)
  }
}

function visible(text: string): number {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*m/g, '').length
}
function cut(text: string, width: number): string {
  if (visible(text) <= width) return text
  // eslint-disable-next-line no-control-regex
  const pieces = text.split(/(\u001b\[[0-9;]*m)/)
  let left = width - 1
  return pieces.map((piece, i) => (i % 2 === 1 ? piece : take(piece))).join('')
  function take(piece: string): string {
    if (left < 0) return ''
    const kept = piece.slice(0, left)
    const over = piece.length > left
    left = over ? -1 : left - piece.length
    return over ? `${kept}…` : kept
  }
}
/** Joins parts into lines of at most `columns`; a part is never broken but cut. Further lines start with `hang`. */
function flow(parts: readonly string[], gap: string, hang: string, columns: number, first = ''): string[] {
  const lines: string[] = []
  let line = first
  let empty = true
  for (const part of parts) {
    if (!empty && visible(line) + gap.length + visible(part) > columns) {
      lines.push(line)
      line = hang
      empty = true
    }
    line = empty ? line + part : line + gap + part
    empty = false
  }
  return [...lines, line].map(one => cut(one, columns))
}
function labelledParts(label: string, parts: readonly string[], gap: string, columns: number): string[] {
  return flow(parts, gap, ' '.repeat(indent.length + labelWidth), columns, indent + label.padEnd(labelWidth))
}
function labelled(label: string, text: string, columns: number): string[] {
  return labelledParts(label, text.split(/\s+/), ' ', columns)
}
