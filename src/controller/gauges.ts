/** How it is now, as numbers: read from caches at each scrape, so that what is gone has no series. */
import packageJson from '../../package.json' with { type: 'json' }
import type { KubeObject } from '../rollout/objects.ts'
import type { RolloutSpec, RolloutStatus } from '../rollout/schema.ts'
import type { Sample } from '../telemetry/meters.ts'
import type { Metering } from './metering.ts'
import type { Queue } from './queue.ts'
import { split } from './surroundings.ts'
import { watched, type World } from './world.ts'

export interface GaugesOptions {
  readonly world: World
  readonly queue: Pick<Queue, 'depth'>
  readonly metering: Pick<Metering, 'failing' | 'heard'>
  readonly leading: () => boolean
}

/** Of Rollouts only the leader tells: two processes would say everything twice. */
export function* gauges({ world, queue, metering, leading }: GaugesOptions): Generator<Sample> {
  const leads = leading()
  yield { name: 'sluice_build_info', labels: { version: packageJson.version }, value: 1 }
  yield { name: 'sluice_leader', labels: {}, value: leads ? 1 : 0 }
  for (const [lane, value] of Object.entries(queue.depth())) yield { name: 'sluice_queue_depth', labels: { lane }, value }
  for (const { kind } of watched) {
    const state = world.state(kind)
    if (state === 'NotServed') continue
    yield { name: 'sluice_cache_synced', labels: { kind }, value: state === 'Synced' ? 1 : 0 }
    yield { name: 'sluice_cache_objects', labels: { kind }, value: world.list(kind, undefined).length }
    const heard = metering.heard.get(kind)
    if (heard !== undefined) yield { name: 'sluice_watch_heard_timestamp_seconds', labels: { kind }, value: heard / 1000 }
  }
  if (!leads) return
  let notes = 0
  for (const rollout of world.list('Rollout', undefined)) {
    notes += (rollout.status?.outbox as readonly unknown[] | undefined)?.length ?? 0
    yield* ofRollout(rollout)
  }
  yield { name: 'sluice_outbox_notes', labels: {}, value: notes }
  for (const key of metering.failing) {
    const [namespace, name] = split(key)
    yield { name: 'sluice_rollout_lowering_failing', labels: { rollout_namespace: namespace, rollout: name }, value: 1 }
  }
}

function* ofRollout({ metadata, spec, status: written }: KubeObject): Generator<Sample> {
  const status = written as Partial<RolloutStatus> | undefined
  if (status?.phase === undefined) return
  const labels = { rollout_namespace: metadata.namespace ?? '', rollout: metadata.name }
  yield { name: 'sluice_rollout_phase', labels: { ...labels, phase: status.phase }, value: 1 }
  for (const { type, reason, status: holds } of status.conditions ?? []) {
    if (holds === 'True') yield { name: 'sluice_rollout_condition', labels: { ...labels, type, reason }, value: 1 }
  }
  const oldest = Math.min(...(status.outbox ?? []).map(note => Date.parse(note.at)))
  if (Number.isFinite(oldest)) yield { name: 'sluice_rollout_outbox_oldest_timestamp_seconds', labels, value: oldest / 1000 }
  const [last] = status.history ?? []
  if (last !== undefined) {
    yield { name: 'sluice_rollout_last_end_info', labels: { ...labels, outcome: last.outcome, reason: last.reason }, value: 1 }
    yield { name: 'sluice_rollout_last_end_timestamp_seconds', labels, value: Date.parse(last.endedAt) / 1000 }
  }
  yield* ofJourney(labels, status, spec as Partial<RolloutSpec> | undefined)
}

type Labels = { readonly rollout_namespace: string; readonly rollout: string }
function* ofJourney(labels: Labels, { journey, checks = [] }: Partial<RolloutStatus>, spec: Partial<RolloutSpec> | undefined): Generator<Sample> {
  if (journey !== undefined) {
    yield { name: 'sluice_rollout_journey_requests', labels: { ...labels, result: 'Served' }, value: journey.requests.served }
    yield { name: 'sluice_rollout_journey_requests', labels: { ...labels, result: 'Lost' }, value: journey.requests.lost }
  }
  for (const { name: check, verdict, total, bad, failures } of checks) {
    yield { name: 'sluice_rollout_check_verdict', labels: { ...labels, check, verdict }, value: 1 }
    yield { name: 'sluice_rollout_check_failures', labels: { ...labels, check }, value: failures }
    if (total !== undefined) yield { name: 'sluice_rollout_check_requests', labels: { ...labels, check, of: 'All' }, value: total }
    if (bad !== undefined) yield { name: 'sluice_rollout_check_requests', labels: { ...labels, check, of: 'Bad' }, value: bad }
  }
  if (journey === undefined || journey.ended !== undefined) return
  // Once it closes nothing is wanted, and the status says no more what is seen: `sluice_rollout_lowering_failing` does.
  const { wanted, seen, measured, seenAt }: Partial<typeof journey.weight> = journey.closing === undefined ? journey.weight : { wanted: 0 }
  for (const [of, percent] of [['Wanted', wanted], ['Seen', seen], ['Measured', measured]] as const) {
    if (percent !== undefined) yield { name: 'sluice_rollout_weight_ratio', labels: { ...labels, of }, value: percent / 100 }
  }
  if (seenAt !== undefined) yield { name: 'sluice_rollout_weight_seen_timestamp_seconds', labels, value: Date.parse(seenAt) / 1000 }
  if (journey.direction !== 'Out') return
  yield { name: 'sluice_rollout_step', labels: { ...labels, of: 'Present' }, value: journey.step.index + 1 }
  if (spec?.steps !== undefined) yield { name: 'sluice_rollout_step', labels: { ...labels, of: 'All' }, value: spec.steps.length }
}
