/** `sluice lint`: manifests before they are applied, without a cluster. Exit code 0 clean, 1 problems, 2 usage. */
import { createColors } from 'picocolors'
import { effective, planSettings } from '../configuration/effective.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import { defaultSource } from '../rollout/sources.ts'
import { inColumns } from './columns.ts'
import { rightConfigurationOf } from './config.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'
import { readFiles, type Files } from './lint-files.ts'
import { paceOf, type StepPace } from './lint-pace.ts'
import { findings, type Finding, type Linted } from './lint-rules.ts'
import { percent, span } from './words.ts'

export interface LintFlags {
  /** Files, directories, `-` for standard input. */
  readonly filename: readonly string[]
  /** Of objects that name none. */
  readonly namespace: string
  /** Requests a second; unset: nothing is estimated. */
  readonly traffic?: number
  /** Configuration file of the controller. */
  readonly config?: string
  /** Of the source `default`, where the configuration has none; ms. */
  readonly scrapeInterval: number
  /** ms. */
  readonly propagationDelay: number
  readonly clusterDomain: string
  readonly output?: 'json'
  /** Warnings are problems too. */
  readonly strict?: boolean
}
interface Estimate {
  readonly rollout: string
  readonly file: string
  readonly steps: readonly StepPace[]
}

/** Lints. Throws CliFailure (2) where there is nothing to lint. */
export function lint(flags: LintFlags, io: Io): number {
  const files = readFiles(flags.filename, flags.namespace)
  const ours = files.given.filter(({ object }) => object.apiVersion.startsWith('sluice.dev/'))
  const found = findings(files.given, { clusterDomain: flags.clusterDomain, ...planning(flags) })
  const unreadable = files.unreadable.map(({ file, position, message }): Finding => ({ file, ...position, severity: 'Error', rule: 'NotYaml', object: '', message }))
  const all = [...unreadable, ...found.findings]
  if (ours.length === 0 && all.length === 0) throw new CliFailure(`no resource of sluice.dev is in ${flags.filename.join(', ')}: name files or directories that hold one`, 2)
  const estimates = flags.traffic === undefined ? [] : found.rollouts.map(one => estimate(one, flags, flags.traffic!))
  const slow = estimates.flatMap(({ steps }, index) => tooSlow(found.rollouts[index]!, steps))
  const everything = [...all, ...slow].toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column)
  if (flags.output === 'json') io.stdout.write(`${JSON.stringify({ files: files.files.length, findings: everything, ...(flags.traffic === undefined ? {} : { estimates }) }, undefined, 2)}\n`)
  else print(everything, estimates, files, ours.length, flags, io)
  return everything.some(one => isProblem(one, flags)) ? exitCodes.failed : exitCodes.done
}
/** What plans rest on. A source `default` that is not in the file may be that of --prometheus. */
function planning({ config, scrapeInterval }: LintFlags): PlanSettings {
  if (config === undefined) return { scrapeIntervalMs: scrapeInterval }
  const merged = effective({ allowedHosts: [] }, rightConfigurationOf(config))
  if (!merged.ok) throw new CliFailure(merged.problems.join('\nsluice: '), 2)
  const settings = planSettings(merged.effective)
  if (settings.sources?.[defaultSource] !== undefined) return settings
  return { ...settings, scrapeIntervalMs: scrapeInterval, sources: { [defaultSource]: { scrapeIntervalMs: scrapeInterval }, ...settings.sources } }
}
const isProblem = ({ severity }: Finding, { strict }: LintFlags): boolean => severity === 'Error' || (strict === true && severity === 'Warning')

function estimate({ given, plan }: Linted, flags: LintFlags, perSecond: number): Estimate {
  const { namespace, name } = given.object.metadata
  return { rollout: `${namespace}/${name}`, file: given.file, steps: paceOf(plan, { perSecond, propagationDelayMs: flags.propagationDelay }) }
}
/** Steps that this traffic never lets pass. */
function tooSlow({ given, plan }: Linted, steps: readonly StepPace[]): Finding[] {
  return steps.filter(({ lastsMs }) => lastsMs === undefined).map(({ index, weight, because }) => ({
    file: given.file, ...given.at(`spec.steps[${index}].weight`), severity: 'Warning', rule: 'TrafficTooLow', object: `Rollout ${given.object.metadata.namespace}/${given.object.metadata.name}`,
    message: `spec.steps[${index}].weight: at ${weight}% ${because}; begin with a greater weight, or lower minRequests (${Math.max(...plan.checks.map(check => check.minRequests))})`,
  }))
}

function print(all: readonly Finding[], estimates: readonly Estimate[], files: Files, resources: number, flags: LintFlags, io: Io): void {
  const c = createColors(io.color)
  const paint = { Error: c.red, Warning: c.yellow, Note: c.dim }
  for (const { file, line, column, severity, message } of all) io.stdout.write(`${c.bold(`${file}:${line}:${column}:`)} ${paint[severity](`${severity.toLowerCase()}:`)} ${message}\n`)
  for (const one of estimates) {
    io.stdout.write(`${all.length > 0 || one !== estimates[0] ? '\n' : ''}${c.bold(`Rollout ${one.rollout}`)} at ${rate(flags.traffic!)} (${one.file})\n`)
    const [head, ...rows] = inColumns([['  STEP', 'WEIGHT', 'HOLD', 'CANARY GETS', 'EVIDENCE', 'LASTS', 'BECAUSE OF'], ...one.steps.map(row)])
    io.stdout.write(`${[c.dim(head!), ...rows, `  ${total(one.steps)}`].join('\n')}\n`)
  }
  const count = (severity: Finding['severity'], word: string): string[] => {
    const { length } = all.filter(finding => finding.severity === severity)
    return length === 0 ? [] : [`${length} ${word}${length === 1 ? '' : 's'}`]
  }
  const counts = [...count('Error', 'error'), ...count('Warning', 'warning'), ...count('Note', 'note')]
  const over = files.passedOver.length === 0 ? '' : `; ${files.passedOver.length} ${files.passedOver.length === 1 ? 'file that is' : 'files that are'} no YAML passed over`
  const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`
  io.stderr.write(`${plural(resources, 'resource')} of sluice.dev in ${plural(files.files.length, 'file')}: ${counts.join(', ') || 'nothing to complain about'}${over}\n`)
}
function row({ index, weight, holdMs, perSecond, evidenceMs, lastsMs, because, approval }: StepPace): string[] {
  const approved = approval === undefined ? '' : `, and an approval ${approval.toLowerCase()} it`
  return [`  ${index + 1}`, percent(weight), span(holdMs), rate(perSecond), evidenceMs === undefined ? 'never' : evidenceMs === 0 ? '-' : span(evidenceMs), lastsMs === undefined ? 'never' : span(lastsMs), `${because}${approved}`]
}
function total(steps: readonly StepPace[]): string {
  const stuck = steps.find(({ lastsMs }) => lastsMs === undefined)
  if (stuck !== undefined) return `does not get past step ${stuck.index + 1}`
  const waits = steps.some(({ approval }) => approval !== undefined) ? ' and the approvals' : ''
  return `all together ${span(steps.reduce((sum, { lastsMs }) => sum + lastsMs!, 0))}, beside the start of pods${waits}`
}
function rate(perSecond: number): string {
  const shown = (value: number): string => String(Number(value.toPrecision(3)))
  if (perSecond >= 1 || perSecond === 0) return `${shown(perSecond)}/s`
  return perSecond * 60 >= 1 ? `${shown(perSecond * 60)}/m` : `${shown(perSecond * 3600)}/h`
}
