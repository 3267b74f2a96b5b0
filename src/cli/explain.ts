/** `sluice explain`: why a rollout did what it did. The decision log, and what the next decision rests on. */
import { createColors } from 'picocolors'
import { unset } from '../rollout/defaults.ts'
import type { RolloutStatus } from '../rollout/schema.ts'
import { wrapped } from './wrap.ts'
import { readRollout, withCluster, type ClusterFlags } from './connect.ts'
import { exitCodes, type Io } from './io.ts'
import { hostOf, underWay, type RolloutObject } from './view.ts'
import { clean, count, elapsed, lastJourney, percent, span, versions } from './words.ts'

export interface ExplainFlags extends ClusterFlags {
  readonly output?: 'json' | 'yaml'
}
/** Prints the last decisions, oldest first, and what the next one rests on. */
export function explain(name: string, flags: ExplainFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const rollout = await readRollout(cluster, name)
    if (flags.output === 'json') io.stdout.write(`${JSON.stringify(facts(rollout), undefined, 2)}\n`)
    else if (flags.output === 'yaml') io.stdout.write((await import('yaml')).stringify(facts(rollout)))
    else io.stdout.write(`${renderExplanation(rollout, io.clock.now(), { columns: io.stdout.columns(), color: io.color }).join('\n')}\n`)
    return exitCodes.done
  })
}

/** The same as data: what of the status decisions rest on. */
export function facts({ metadata, spec, status }: RolloutObject): object {
  const { phase, message, decisions = [], journey, stable, canary, previous, checks = [], hooks = [], failed = [], requests = [], resets = [], approved, promoted, paused, conditions = [] } = status ?? {}
  return {
    name: metadata.name, namespace: metadata.namespace, phase, message, decisions,
    inputs: { steps: spec.steps, onFailure: spec.onFailure ?? unset(journey?.defaults, 0).onFailure, paused, approved, promoted, stable, canary, previous, failed, journey, checks, hooks, requests, resets, conditions: conditions.filter(isFact) },
  }
}

export interface ExplainOptions {
  /** Width of the terminal; unset: 100. */
  readonly columns?: number
  readonly color?: boolean
}
/** The explanation as lines. `now` is Unix ms. */
export function renderExplanation(rollout: RolloutObject, now: number, options: ExplainOptions = {}): string[] {
  const c = createColors(options.color ?? false)
  const columns = Math.max(30, options.columns ?? 100)
  const { metadata: { name, namespace }, status } = rollout
  const title = c.bold(namespace === undefined ? name : `${name} (${namespace})`)
  if (status === undefined) return [title, '', ...wrapped('', 'no controller has looked at it yet, so nothing was decided: is `sluice controller` running? `sluice doctor` looks.', 2, columns)]
  const section = (heading: string, rows: readonly (readonly [string, string])[]): string[] => {
    if (rows.length === 0) return []
    const width = Math.min(30, Math.max(...rows.map(([label]) => label.length))) + 2
    return ['', c.bold(heading), ...rows.flatMap(([label, text]) => wrapped(label, clean(text), width + 2, columns, c.dim))]
  }
  return [
    `${title}   ${status.phase}`,
    ...wrapped('', clean(status.message), 2, columns),
    ...section('What was decided, and why', decisions(status, now)),
    ...section('What it rests on', inputs(rollout, status, now)),
    ...section('Checks', checks(rollout, status, now)),
    ...section('Hooks', hooks(rollout, status, now)),
    ...section('What people asked', status.requests.map(one => [when(one.at, now), `${one.action} by ${one.by ?? 'somebody'}${one.verified === true ? '' : ' (unverified)'}: ${one.answer}, ${one.message}`])),
    ...section('What else is known', status.conditions.filter(isFact).map(one => [one.type, one.message])),
  ]
}

type Row = readonly [string, string]
function when(at: string, now: number): string {
  const ago = elapsed(at, now)
  return ago === undefined ? at : `${at.slice(11, 19)} ${span(ago)} ago`
}
function decisions(status: RolloutStatus, now: number): Row[] {
  return status.decisions.map(({ at, decision, why }) => [when(at, now), `${decision}: ${why}`])
}

/** The state that the next decision is made from. */
function inputs({ spec, metadata }: RolloutObject, status: RolloutStatus, now: number): Row[] {
  const journey = underWay(status)
  const names = versions(status.stable, status.canary)
  const rows: (Row | undefined)[] = [
    status.stable && ['stable', called(status.stable, names.stable)],
    status.canary && ['canary', called(status.canary, names.canary)],
    status.previous && ['previous', `${status.previous.revision}, its pods are kept until ${status.previous.warmUntil.replace(/\.\d+Z$/, 'Z')}: until then sluice rollback ${metadata.name} takes seconds`],
    journey && [status.phase === 'Observing' ? 'step of ours' : 'step', `${journey.step.index + 1} of ${spec.steps.length}, ${stepText(spec.steps[journey.step.index])}; entered ${ago(journey.step.since, now)}`],
    journey && status.phase === 'Observing' ? ['observed', observed(journey, now)] : journey && ['weight', `${percent(journey.weight.wanted)} wanted, ${journey.weight.seen === undefined ? 'not seen yet' : `${percent(journey.weight.seen)} seen in the mesh`}${journey.weight.seenAt === undefined ? '' : ` ${ago(journey.weight.seenAt, now)}; the hold counts from there`}${journey.weight.measured === undefined ? '' : `, ${percent(journey.weight.measured)} of the requests measured`}`],
    journey?.held && ['held', `${journey.held.reason}, ${ago(journey.held.at, now)}: ${journey.held.message}`],
    journey?.closing && ['closing', `${journey.closing.reason}, ${ago(journey.closing.at, now)}: ${journey.closing.message}`],
    spec.paused === true ? ['paused', 'spec.paused is true'] : status.paused && ['paused', `by ${status.paused.by ?? 'somebody'}, ${ago(status.paused.at, now)}`],
    status.approved && ['approved', `${status.approved.revision} up to ${status.approved.step < 0 ? 'the start of the journey' : `step ${status.approved.step + 1}`}`],
    status.promoted && ['promoted', `${status.promoted.revision} by a person, up to ${status.promoted.step < 0 ? 'the end' : `step ${status.promoted.step + 1}`}`],
    ...status.failed.map((one): Row => ['failed', `${one.revision}, ${ago(one.at, now)}: ${one.message}; it waits for sluice retry ${metadata.name}`]),
    ...(status.resets.length === 0 ? [] : [['resets', `a GitOps tool set the weights back ${status.resets.length} time${status.resets.length === 1 ? '' : 's'}, last ${ago(status.resets.at(-1)!, now)}; sluice doctor names the lines to commit`] as Row]),
    last(status, now),
  ]
  return rows.filter(row => row !== undefined)
}
function observed({ observed: seen, weight, requests }: NonNullable<RolloutStatus['journey']>, now: number): string {
  const by = `moved by ${seen?.by ?? 'somebody'}`
  const would = seen?.would && `; Sluice decided ${seen.would.outcome} ${ago(seen.would.at, now)} at ${percent(seen.would.weight)}, after ${count(seen.would.requests.served)} requests: ${seen.would.message}`
  return `${percent(weight.wanted)} seen in the mesh, ${by}; ${count(requests.served)} requests served, ${count(requests.lost)} lost${would ?? ''}`
}
const ago = (at: string, now: number): string => `${span(elapsed(at, now) ?? 0)} ago`
function called({ revision, commit }: { revision: string; commit?: string }, version: string | undefined): string {
  return `${revision}${version === undefined ? '' : ` (${version})`}${commit === undefined ? '' : `, commit ${commit.slice(0, 12)}`}`
}
function stepText(step: RolloutObject['spec']['steps'][number] | undefined): string {
  if (step === undefined) return 'which the spec no longer has'
  return `weight ${percent(step.weight)}, ${step.hold === undefined ? 'hold of five scrapes' : `hold ${step.hold}`}${step.approval === undefined ? '' : `, approval ${step.approval}`}`
}
function last(status: RolloutStatus, now: number): Row | undefined {
  const journey = underWay(status) === undefined ? lastJourney(status) : undefined
  return journey && ['last journey', `${journey.revision} ${journey.outcome} ${ago(journey.endedAt, now)} (${journey.reason}); ${count(journey.requests.served)} requests served, ${count(journey.requests.lost)} lost`]
}

function checks({ spec }: RolloutObject, status: RolloutStatus, now: number): Row[] {
  // Of the administrator's defaults those are known by which the journey is judged.
  const given = unset(status.journey?.defaults, 0)
  return status.checks.map(check => {
    const wanted = spec.analysis?.checks.find(one => one.name === check.name)
    const limit = wanted?.failureLimit ?? spec.analysis?.failureLimit ?? given.failureLimit
    const least = wanted?.minRequests ?? spec.analysis?.minRequests ?? given.minRequests
    const sample = check.total === undefined ? '' : `, ${count(check.bad ?? 0)} bad of ${count(check.total)} requests (${least} needed)`
    const action = wanted?.onFailure ?? spec.onFailure ?? given.onFailure
    const failing = check.failures === 0 ? '' : `; ${check.failures} bad in a row, ${action} at ${limit + 1}`
    return [check.name, `${check.verdict} since ${ago(check.since, now)}: ${check.value ?? 'no value'} against ${check.bound}${sample}${failing}${check.message === undefined ? '' : `; ${check.message}`}; last asked ${ago(check.at, now)}`]
  })
}

function hooks({ spec }: RolloutObject, status: RolloutStatus, now: number): Row[] {
  return (status.hooks ?? []).map(({ name, when, state, message, since, at, id }) => {
    const host = hostOf(spec, name)
    return [name, `${when}${host === undefined ? '' : ` at ${host}`}: ${state}${at === undefined ? '' : ` since ${ago(at, now)}`}${message === undefined ? '' : `, ${message}`}; asked ${ago(since, now)} as ${id}`]
  })
}

const standing = ['Ready', 'Reconciling', 'Promoted']
/** A condition that says more than phase and message do. */
export function isFact({ type, status }: RolloutStatus['conditions'][number]): boolean {
  return status === 'True' && !standing.includes(type)
}
