/** What a won commit has made new, as counters. */
import { outcomes } from '../rollout/schema-status.ts'
import type { Note, RolloutStatus } from '../rollout/schema.ts'
import type { Meters } from '../telemetry/meters.ts'

export interface Told {
  readonly namespace: string
  readonly name: string
  /** Nothing was told of this Rollout in this process yet. */
  readonly first: boolean
  readonly before: RolloutStatus | undefined
  readonly after: RolloutStatus
  /** Made by this very commit; empty where nothing was committed. */
  readonly fresh: readonly Note[]
  /** Unix ms. */
  readonly now: number
}
const classes = [1, 5, 10, 25, 50, 75, 100]

export function told(meters: Meters, { namespace, name, first, before, after, fresh, now }: Told): void {
  const rollout = { rollout_namespace: namespace, rollout: name }
  if (first) {
    meters.count('sluice_journeys_started_total', rollout, 0)
    for (const outcome of outcomes) meters.count('sluice_journeys_ended_total', { ...rollout, outcome }, 0)
    for (const result of ['Served', 'Lost']) meters.count('sluice_journey_requests_total', { ...rollout, result }, 0)
  }
  for (const note of fresh) {
    meters.count('sluice_notes_total', { type: note.type })
    if (note.type === 'Started') meters.count('sluice_journeys_started_total', rollout)
    if (!isOutcome(note.type)) continue
    const outcome = note.type
    meters.count('sluice_journeys_ended_total', { ...rollout, outcome })
    meters.count('sluice_journeys_ended_by_reason_total', { outcome, reason: note.reason ?? '' })
    meters.count('sluice_journey_requests_total', { ...rollout, result: 'Served' }, note.requests?.served ?? 0)
    meters.count('sluice_journey_requests_total', { ...rollout, result: 'Lost' }, note.requests?.lost ?? 0)
    const { journey } = after
    if (journey?.ended !== undefined) meters.observe('sluice_journey_duration_seconds', { outcome }, seconds(journey.startedAt, Date.parse(journey.ended.at)))
  }
  if (after.sequence !== before?.sequence) weightLeft(meters, before, after, now)
}

/** A weight that was seen is no longer the one that is seen, or wanted. */
function weightLeft(meters: Meters, before: RolloutStatus | undefined, after: RolloutStatus, now: number): void {
  const was = before?.journey
  // Weights of another tool are none of ours.
  if (after.phase === 'Observing' || was === undefined || was.ended !== undefined || was.weight.seenAt === undefined || (was.weight.seen ?? 0) <= 0) return
  const is = after.journey
  const same = is !== undefined && is.id === was.id && is.ended === undefined && is.weight.seenAt === was.weight.seenAt
  if (same) return
  const upTo = classes.find(end => was.weight.seen! <= end) ?? 100
  meters.observe('sluice_weight_duration_seconds', { weight: String(upTo) }, seconds(was.weight.seenAt, now))
}
function isOutcome(type: string): type is (typeof outcomes)[number] {
  return (outcomes as readonly string[]).includes(type)
}
function seconds(since: string, until: number): number {
  return (until - Date.parse(since)) / 1000
}
