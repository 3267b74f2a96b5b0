/** Notes: facts worth telling, from the status before and after. Pure; a repeated pass tells nothing again. */
import { iso } from './duration.ts'
import { isSettled } from './hooks/moment.ts'
import { imageVersions } from './images.ts'
import { verdictOf } from './observing.ts'
import type { CheckStatus, HookStatus, Note, RolloutStatus } from './schema.ts'

type Draft = Omit<Note, 'id' | 'at'>

/** What happened between two statuses, in the order in which to tell it. `after` is the status that is about to be committed; ids follow from its sequence. */
export function notes(before: RolloutStatus | undefined, after: RolloutStatus, now: number): Note[] {
  const told = after.phase === 'Observing' ? observedNotes(before, after) : [...phaseNotes(before, after), ...checkNotes(before, after), ...hookNotes(before, after)]
  const drafts = [...told, ...conditionNotes(before, after), ...requestNotes(before, after)]
  return drafts.map((draft, index) => ({ id: `${after.sequence}-${index}`, at: iso(now), ...draft, message: draft.message.slice(0, 512) }))
}

function phaseNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const found: Draft[] = []
  const { journey } = after
  const earlier = before?.journey
  const base = common(after)
  if (journey && !journey.ended && journey.id !== earlier?.id && journey.direction === 'Out')
    found.push({ type: 'Started', severity: 'Normal', ...base, message: `${after.stable?.revision} → ${after.canary?.revision} starts${after.canary?.changedConfig ? `: ${after.canary.changedConfig.join(', ')} changed` : ''}` })
  if (journey?.weight.seenAt && !journey.ended && journey.weight.seenAt !== earlier?.weight.seenAt && after.phase === 'Holding')
    found.push({ type: 'StepReached', severity: 'Normal', ...base, weight: journey.weight.seen, message: `${after.canary?.revision} is seen at ${journey.weight.seen}%` })
  if (journey?.closing && !earlier?.closing) found.push(closingNote(after))
  if (journey?.closing && earlier?.id !== journey.id && !found.some((draft) => draft.type === 'Closing')) found.push(closingNote(after))
  if (journey?.ended && journey.ended.at !== earlier?.ended?.at) found.push(endNote(before, after))
  if (after.phase !== before?.phase) {
    if (after.phase === 'AwaitingApproval') found.push({ type: 'Waiting', severity: 'Normal', ...base, reason: 'Approval', message: after.message })
    if (after.phase === 'Waiting') found.push({ type: 'Waiting', severity: 'Normal', ...base, reason: 'Gate', message: after.message })
    if (after.phase === 'Held') found.push({ type: 'Held', severity: 'Warning', ...base, reason: journey?.held?.reason, message: after.message })
    if (after.phase === 'Idle' && (before === undefined || before.phase === 'Adopting' || before.phase === 'Blocked')) found.push({ type: 'Adopted', severity: 'Normal', revision: after.stable?.revision, message: `${after.stable?.revision} is stable` })
    if (after.phase === 'Removing') found.push({ type: 'Removing', severity: 'Normal', message: 'the Rollout was deleted; its traffic goes back to stable' })
  }
  return found
}
/** A release of another tool: that it is seen, what would have been done, and what came of it. */
function observedNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const { journey } = after
  const earlier = before?.journey?.id === journey?.id ? before?.journey : undefined
  if (!journey) return []
  const would = journey.observed?.would
  const base = common(after)
  const found: Draft[] = []
  if (!earlier && !journey.ended) {
    const by = journey.observed?.by
    found.push({ type: 'Observing', severity: 'Normal', ...base, weight: journey.weight.seen, message: `${after.canary?.revision} carries ${journey.weight.seen}%${by ? `, moved by ${by}` : ''}` })
  }
  if (would && would.at !== earlier?.observed?.would?.at) {
    const { reason, check, value, bound, weight } = would
    found.push({ type: would.outcome, severity: would.outcome === 'WouldPromote' ? 'Normal' : 'Warning', ...base, reason, check, value, bound, weight, message: verdictOf(after, journey) })
  }
  if (journey.ended && !earlier?.ended) found.push({ type: 'Observed', severity: 'Normal', ...base, reason: journey.ended.reason, requests: journey.requests, message: after.history[0]?.observed?.message ?? verdictOf(after, journey) })
  return found
}
const common = (status: RolloutStatus): Partial<Note> => ({
  journey: status.journey?.id,
  ...(status.canary ? { revision: status.canary.revision } : {}),
  ...(status.stable ? { from: status.stable.revision } : {}),
  ...progress(status),
})
/** What a reader far away needs beside the revisions: which version and commit, at which step, at what price so far. */
function progress({ stable, canary, journey }: Pick<RolloutStatus, 'stable' | 'canary' | 'journey'>): Partial<Note> {
  const { index, name, of } = journey?.step ?? {}
  return {
    ...(canary?.commit ? { commit: canary.commit } : {}),
    ...(canary ? imageVersions(stable, canary) : {}),
    ...(index !== undefined && journey?.direction === 'Out' ? { step: { index, ...(name ? { name } : {}), ...(of ? { of } : {}) } } : {}),
    ...(journey && journey.requests.served > 0 ? { requests: journey.requests } : {}),
  }
}

function closingNote(after: RolloutStatus): Draft {
  const closing = after.journey!.closing!
  const check = after.checks.find((candidate) => candidate.name === closing.check)
  return {
    type: 'Closing',
    severity: closing.outcome === 'RolledBack' ? 'Warning' : 'Normal',
    ...common(after),
    reason: closing.reason,
    ...(closing.check ? { check: closing.check } : {}),
    ...(check ? { value: check.value, bound: check.bound } : {}),
    ...(closing.requestedBy ? { by: closing.requestedBy } : {}),
    weight: after.journey!.weight.seen ?? 0,
    message: `${after.canary?.revision} loses its traffic: ${closing.message}`,
  }
}
function endNote(before: RolloutStatus | undefined, after: RolloutStatus): Draft {
  const journey = after.journey!
  const { outcome, reason } = journey.ended!
  const entry = after.history.find((one) => one.endedAt === journey.ended!.at)
  const cost = `${journey.requests.served} requests served, ${journey.requests.lost} lost`
  const check = before?.checks.find((candidate) => candidate.name === journey.closing?.check)
  const failed = outcome === 'RolledBack' ? `: ${journey.closing?.message ?? reason}` : ''
  return {
    type: outcome,
    severity: outcome === 'RolledBack' ? 'Warning' : 'Normal',
    journey: journey.id,
    reason,
    revision: entry?.revision ?? before?.canary?.revision,
    ...(entry?.from ? { from: entry.from } : {}),
    ...progress({ stable: before?.stable, canary: before?.canary ?? after.canary, journey }),
    requests: journey.requests,
    ...(journey.closing?.check ? { check: journey.closing.check } : {}),
    ...(check ? { value: check.value, bound: check.bound } : {}),
    ...(journey.closing?.requestedBy ? { by: journey.closing.requestedBy } : {}),
    message: `${entry?.revision ?? after.canary?.revision ?? 'the canary'} ${words[outcome]}${failed} (${cost})`,
  }
}
const words: Readonly<Record<string, string>> = { Promoted: 'is promoted', RolledBack: 'is rolled back', Superseded: 'gives way to a newer revision', Withdrawn: 'is withdrawn' }

/** The first failing evaluation is told before it counts as an end. */
function checkNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const started = (check: CheckStatus): boolean => check.verdict === 'Fail' && before?.checks.find((old) => old.name === check.name)?.verdict !== 'Fail'
  return after.checks.filter(started).map((check) => ({
    type: 'CheckFailing',
    severity: 'Warning',
    ...common(after),
    check: check.name,
    value: check.value,
    bound: check.bound,
    weight: after.journey?.weight.seen,
    message: `${check.name} ${check.value ?? ''} misses ${check.bound}: ${check.message ?? ''}`,
  }))
}
/** A hook that refuses is told once, whatever it goes on saying. */
function hookNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const fresh = ({ id, state }: HookStatus): boolean => state === 'Refused' && before?.hooks?.find((old) => old.id === id)?.state !== 'Refused'
  return (after.hooks ?? []).filter(fresh).map(({ name, when, message }) => ({
    // What has failed in a step and yet lets it go on is a failing check that is only reported.
    ...(isSettled({ state: 'Refused', when }) ? { type: 'CheckFailing', severity: 'Warning' as const, check: name } : { type: 'Waiting', severity: 'Normal' as const }),
    ...common(after), weight: after.journey?.weight.seen, reason: 'Hook', message: `hook ${name} (${when}) refuses: ${message ?? ''}`,
  }))
}
const told = new Set(['HookFailing', 'Stalled', 'StableBroken', 'ReplicasContested', 'TrafficNotMoving', 'UnroutedCallersReachCanary', 'CanaryOnlyRouteExposed', 'StableNotRestartable', 'TrackedConfigMissing', 'TrackedConfigUnreadable', 'RestSplitDiffers', 'BackendsNotSwapped'])
function conditionNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const fresh = after.conditions.filter((condition) => {
    const old = before?.conditions.find((candidate) => candidate.type === condition.type)
    return told.has(condition.type) && condition.status === 'True' && (old?.status !== 'True' || old.reason !== condition.reason)
  })
  return fresh.map((condition) => ({ type: condition.type, severity: 'Warning', reason: condition.reason, message: condition.message }))
}
function requestNotes(before: RolloutStatus | undefined, after: RolloutStatus): Draft[] {
  const known = new Set(before?.requests.map((request) => request.uid))
  return after.requests
    .filter((request) => !known.has(request.uid))
    .map((request) => ({
      type: request.answer === 'Accepted' ? `${request.action}Accepted` : `${request.action}Refused`,
      severity: 'Normal',
      ...(request.by ? { by: request.by } : {}),
      ...(after.canary ? { revision: after.canary.revision } : {}),
      message: `${request.action} by ${request.by ?? 'somebody'}${request.verified ? '' : ' (unverified)'}: ${request.message}`,
    }))
}

/** Puts new notes into the outbox. On overflow the oldest notes of a journey merge into one; the last of a journey is never dropped. */
export function posted(outbox: readonly Note[], added: readonly Note[], delivered: ReadonlySet<string>): Note[] {
  const all = [...outbox.filter((note) => !delivered.has(note.id)), ...added]
  while (all.length > 20) {
    const index = all.findIndex((note, at) => all.slice(at + 1).some((later) => later.journey === note.journey))
    all.splice(index === -1 ? 0 : index, 1)
  }
  return all
}
