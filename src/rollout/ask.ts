/** What the metric source must be asked now: only for revisions that hold traffic, and for what was promoted a short while ago. Pure. */
import type { ArmSeries, Measure, Question } from '../analysis/reading.ts'
import { spread } from '../analysis/spread.ts'
import { filledQuery } from '../analysis/template.ts'
import { windows } from '../analysis/windows.ts'
import type { Settings } from './decision.ts'
import { ms } from './duration.ts'
import { type Phase, type RolloutStatus } from './schema.ts'
import { quietCheck } from './procedure.ts'
import type { Plan, PlannedCheck } from './plan.ts'
import type { Seen } from './seen.ts'

const asking: readonly Phase[] = ['Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Flipping', 'Held', 'Observing']

/** Id of a check's question: it changes with the revision, with the start of the evidence, and with the text of its template. */
export function questionId({ templates }: Pick<Seen, 'templates'>, status: RolloutStatus, check: string): string {
  const current = status.journey
  const since = current?.ended?.at ?? current?.weight.seenAt
  const template = templates?.find((candidate) => candidate.check === check)
  return `${current?.id}/${since}/${check}${template?.state === 'Ready' ? `/${template.stamp}` : ''}`
}

/** The questions of this rollout, each with the time at which it is due; an empty list at idle. */
export function ask(seen: Seen, plan: Plan, settings: Settings, now: number): readonly Question[] {
  const { status } = seen
  if (!status?.journey) return []
  const closing = quietQuestion(seen, status, plan, settings, now)
  const subject = subjectOf(seen, status, plan, settings, now)
  if (!subject) return closing
  const since = ms(status.journey.ended?.at ?? status.journey.weight.seenAt)
  const checks = plan.checks.flatMap((check): Question[] => {
    const id = questionId(seen, status, check.name)
    const at = due(seen, id, since, plan.intervalMs, now)
    const { fastMs, slowMs } = windows(at, since, plan.scrapeIntervalMs, plan.intervalMs)
    if (slowMs <= 0) return []
    const measure = measureOf(seen, check, subject, slowMs)
    if (!measure || (!plan.telemetry && measure.kind !== 'Query')) return []
    return [{ id, check: check.name, source: plan.source, telemetry: plan.telemetry, measure, ...subject, at, fastMs, slowMs }]
  })
  return [...checks, ...closing]
}

/** What is measured; undefined where its template is not there or not allowed. */
function measureOf({ rollout, templates }: Seen, { name, measure }: PlannedCheck, { stable, canary }: Subject, windowMs: number): Measure | undefined {
  if (measure.kind === 'SuccessRate') return { kind: 'SuccessRate' }
  if (measure.kind === 'Latency') return { kind: 'Latency', percentile: measure.percentile, aboveMs: measure.maxMs }
  const template = templates?.find((candidate) => candidate.check === name)
  if (template?.state !== 'Ready') return undefined
  const values = { namespace: canary.namespace, rollout: rollout.name, revision: canary.workloads, stable: stable.workloads, door: canary.door, windowMs, args: measure.args }
  return { kind: 'Query', template: template.name, query: filledQuery(template.query, values), unit: template.unit }
}

interface Subject {
  readonly stable: ArmSeries
  readonly canary: ArmSeries
}
/** Whom the checks are about: the canary against stable; after a promotion what was promoted. */
function subjectOf(seen: Seen, status: RolloutStatus, plan: Plan, settings: Settings, now: number): Subject | undefined {
  const { journey } = status
  if (!journey || !status.stable) return undefined
  if (journey.ended) {
    if (journey.ended.outcome !== 'Promoted' || !status.previous || now >= ms(status.previous.warmUntil)) return undefined
    if (seen.backends) return backendSeries(seen, seen.backends)
    return reached(seen, plan, settings, { stable: series(seen, plan, settings, status.previous.revision), canary: series(seen, plan, settings, status.stable.revision, 'stable') })
  }
  if (!asking.includes(status.phase) || !journey.weight.seenAt || !status.canary || !(journey.weight.seen! > 0)) return undefined
  if (seen.backends) return backendSeries(seen, seen.backends)
  const turned = seen.doors.stable.leadsTo === status.canary.revision && seen.routes.every((route) => route.canaryDoor === 0)
  return reached(seen, plan, settings, {
    stable: series(seen, plan, settings, status.stable.revision, turned ? undefined : 'stable'),
    canary: series(seen, plan, settings, status.canary.revision, turned ? 'stable' : 'canary'),
  })
}
/** Without a mesh nobody comes through a door: all call the Service `<name>`, and what never arrived was for the canary, since that is asked about while it leads there. */
function reached(seen: Seen, plan: Plan, settings: Settings, subject: Subject): Subject {
  if (seen.doors.own.state !== 'Route') return subject
  const { door: _, ...stable } = subject.stable
  return { stable, canary: { ...subject.canary, door: `${plan.name}.${seen.rollout.namespace}.svc.${settings.clusterDomain}` } }
}
const series = (seen: Seen, plan: Plan, settings: Settings, revision: string, door?: 'stable' | 'canary'): ArmSeries => ({
  namespace: seen.rollout.namespace,
  workloads: [revision],
  ...(door ? { door: `${plan.name}-${door}.${seen.rollout.namespace}.svc.${settings.clusterDomain}`, ...clusters(seen, door) } : {}),
})
function backendSeries(seen: Seen, backends: NonNullable<Seen['backends']>): { stable: ArmSeries; canary: ArmSeries } {
  return { stable: { ...backends.stableSeries, ...clusters(seen, 'stable') }, canary: { ...backends.canarySeries, ...clusters(seen, 'canary') } }
}
function clusters(seen: Seen, door: 'stable' | 'canary'): Pick<ArmSeries, 'clusters'> {
  const names = seen.routes.flatMap((route) => route.clusters?.[door] ?? [])
  return names.length > 0 ? { clusters: names } : {}
}

/** Before a closed door turns or its pods go: has it served anything in the last two scrapes? */
function quietQuestion(seen: Seen, status: RolloutStatus, plan: Plan, settings: Settings, now: number): readonly Question[] {
  const flipping = status.phase === 'Flipping'
  if (!(flipping || status.phase === 'Closing') || !status.canary || !status.stable || plan.checks.length === 0 || !plan.telemetry) return []
  const closed = flipping ? status.stable.revision : status.canary.revision
  const other = flipping ? status.canary.revision : status.stable.revision
  const id = `${status.journey?.id}/${status.phase}/${quietCheck}`
  const since = seen.since['split'] ?? now
  const at = due(seen, id, since, plan.scrapeIntervalMs, now)
  const closedDoor = flipping ? 'stable' : 'canary'
  const ofBackends = seen.backends && backendSeries(seen, seen.backends)
  const { canary, stable } = ofBackends ?? reached(seen, plan, settings, {
    canary: series(seen, plan, settings, closed, closedDoor), stable: series(seen, plan, settings, other, flipping ? 'canary' : 'stable'),
  })
  const windowMs = 2 * plan.scrapeIntervalMs
  return [{ id, check: quietCheck, source: plan.source, telemetry: plan.telemetry, measure: { kind: 'DoorRequests' }, canary, stable, at, fastMs: windowMs, slowMs: windowMs }]
}

/** When this question is due: once an interval from its own offset; the last slot that has come, or the next one where that has been answered. */
function due(seen: Seen, id: string, since: number, interval: number, now: number): number {
  const first = since + (spread(id, interval) || interval)
  if (now < first) return first
  const slot = first + Math.floor((now - first) / interval) * interval
  return seen.readings.some(({ question }) => question.id === id && question.at >= slot) ? slot + interval : slot
}
