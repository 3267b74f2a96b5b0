/** Hooks in a pass: what was answered, what is asked next, and what keeps the journey from going on. Only raises come here; lowering asks nobody. */
import { formatDuration, iso, ms } from '../duration.ts'
import { currentStep, hold, inJourney, journey, type Pass, wake } from '../pass.ts'
import type { PlannedHook } from '../plan.ts'
import type { HookStatus } from '../schema.ts'
import { lastAnswer, type HookReading } from './call.ts'
import { pointOf } from './index.ts'
import { isCurrent, isSettled, momentOf, momentOfStep } from './moment.ts'
import type { Move } from './point.ts'

/** Takes every answer into the status. Runs first in a pass. */
export function hookAnswers(pass: Pass): void {
  pass.next.hooks = entries(pass).map((entry) => {
    const reading = lastAnswer(pass.seen, entry.id)
    return reading === undefined || isSettled(entry) ? entry : answered(entry, reading)
  })
}
const entries = (pass: Pass): HookStatus[] => pass.next.hooks ?? []
const states = { Agreed: 'Agreed', Refused: 'Refused', Later: 'Awaited', Error: 'Error' } as const
function answered(entry: HookStatus, { answer, answeredAt }: HookReading): HookStatus {
  const state = states[answer.state]
  const message = answer.message.slice(0, 512)
  if (entry.state === state && entry.message === message) return entry
  // An error that changes its words is no shorter one.
  const same = entry.state === state && entry.at !== undefined
  return { ...entry, state, message, at: same ? entry.at! : iso(answeredAt) }
}

/** Forgets calls about what is over, and those of hooks that the spec no longer names. Runs last. */
export function keepHooks(pass: Pass): void {
  const known = (name: string): boolean => pass.problems.length > 0 || pass.plan.hooks.some((hook) => hook.name === name)
  const kept = entries(pass).filter(({ name, moment }) => known(name) && isCurrent(moment, pass.next, pass.plan))
  if (kept.length > 0) pass.next.hooks = kept
  else delete pass.next.hooks
}

/** What keeps the journey from this move, as a sentence; undefined: every hook has agreed. Those that were not asked about it are asked now. */
export function hooksBefore(pass: Pass, move: Move, promoted: boolean): string | undefined {
  const moment = momentOf(move, pass.next.canary?.revision)
  return awaited(pass, moment, promoted, (hook) => {
    const point = pointOf(hook.when)
    return point.kind === 'Gate' && point.before(move)
  })
}
/** The same for hooks that accompany the step under way. */
export function hooksDuring(pass: Pass, promoted: boolean): string | undefined {
  return awaited(pass, momentOfStep(journey(pass)), promoted, accompanies(pass))
}
const accompanies = (pass: Pass) => (hook: PlannedHook): boolean => {
  const point = pointOf(hook.when)
  return point.kind === 'Evidence' && point.during(currentStep(pass))
}

/** From when the hold of this step counts, Unix ms: its split was seen, and the load that it is measured under was on. */
export function holdBegins(pass: Pass): number {
  const { weight } = journey(pass)
  const moment = momentOfStep(journey(pass))
  const agreed = entries(pass).filter((entry) => entry.moment === moment && entry.state === 'Agreed').map(({ at }) => ms(at))
  return Math.max(ms(weight.seenAt), ...agreed)
}
/** When the last hook has agreed to the raise that is being made ready, Unix ms; `Waiting`: one has not yet; undefined: none was asked. */
export function raiseAgreed(pass: Pass): number | 'Waiting' | undefined {
  const moment = `raise/${journey(pass).step.index}`
  const asked = entries(pass).filter((entry) => entry.moment === moment)
  if (asked.length === 0) return undefined
  return asked.every(({ state }) => state === 'Agreed') ? Math.max(...asked.map(({ at }) => ms(at))) : 'Waiting'
}

/** A test of this step that has failed, and what that does. */
export function hookFails(pass: Pass): { readonly hook: PlannedHook; readonly message: string } | undefined {
  const refused = entries(pass).filter((entry) => entry.state === 'Refused' && isSettled(entry) && isCurrent(entry.moment, pass.next, pass.plan))
  for (const action of ['Rollback', 'Hold'] as const) {
    for (const entry of refused) {
      const hook = pass.plan.hooks.find(({ name }) => name === entry.name)
      if (hook?.onFailure === action) return { hook, message: `hook ${hook.name} of ${hook.host} refuses: ${entry.message ?? ''}` }
    }
  }
  return undefined
}

function awaited(pass: Pass, moment: string, promoted: boolean, concerns: (hook: PlannedHook) => boolean): string | undefined {
  const hooks = pass.plan.hooks.filter(concerns)
  for (const hook of hooks) asked(pass, hook, moment)
  for (const hook of hooks) {
    const entry = asked(pass, hook, moment)
    if (isSettled(entry) || (promoted && passedOver(pass, hook, entry))) continue
    const late = overdue(pass, hook, entry)
    const sentence = `${sentenceOf(hook, entry)}${promoted && entry.state === 'Refused' ? '; a promote does not pass over a refusal' : ''}`
    if (late && inJourney(pass.next)) hold(pass, 'HookDeadline', `${sentence}; its deadline of ${formatDuration(hook.deadlineMs!)} is over`)
    return sentence
  }
  return undefined
}
/** The call of this hook about this moment; made where there is none. */
function asked(pass: Pass, { name, when }: PlannedHook, moment: string): HookStatus {
  const known = entries(pass).find((entry) => entry.name === name && entry.moment === moment)
  if (known) return known
  const { rollout } = pass.seen
  const made: HookStatus = { name, when, moment, id: `hook_${rollout.uid}_${pass.next.sequence}_${name}`, since: iso(pass.now), state: 'Awaited' }
  pass.next.hooks = [...entries(pass), made]
  return made
}

/** Beside its time-out, ms: a call may have stood in line. */
const grace = 5000
/** A person's promote takes the place of an answer that does not come, never of a refusal: so each hook is heard once. */
function passedOver(pass: Pass, hook: PlannedHook, entry: HookStatus): boolean {
  if (entry.state === 'Refused') return false
  if (entry.at !== undefined) return true
  const heard = ms(entry.since) + hook.timeoutMs + grace
  wake(pass, heard)
  return pass.now >= heard
}
function overdue(pass: Pass, { deadlineMs }: PlannedHook, entry: HookStatus): boolean {
  if (deadlineMs === undefined) return false
  const deadline = ms(entry.since) + deadlineMs
  wake(pass, deadline)
  return pass.now >= deadline
}

/** Which hook of which host is awaited, since when, and what it said last. */
function sentenceOf(hook: PlannedHook, { state, since, at, message }: HookStatus): string {
  const who = `hook ${hook.name} of ${hook.host} to agree (${hook.when}), asked since ${seconds(since)}`
  if (state === 'Refused') return `${who}; it refuses since ${seconds(at!)}: ${message}`
  if (state === 'Error') return `${who}; no answer since ${seconds(at!)}: ${message}`
  return `${who}; ${message === undefined ? 'no answer yet' : `it puts it off: ${message}`}`
}
/** Times for people need no fractions. */
const seconds = (time: string): string => time.replace(/[.]\d+Z$/, 'Z')

/** People are told of a hook that has not answered for so long, ms. */
const quietFor = 5 * 60_000
interface Fact {
  readonly type: 'HookAwaited' | 'HookFailing'
  readonly reason: string
  readonly message: string
}
/** What conditions say of hooks: who is awaited, and who has kept the release waiting for so long that somebody should look. */
export function hookFacts(pass: Pass): Fact[] {
  const open = entries(pass).filter((entry) => !isSettled(entry) && isCurrent(entry.moment, pass.next, pass.plan))
  return open.flatMap((entry): Fact[] => {
    const hook = pass.plan.hooks.find(({ name }) => name === entry.name)
    if (hook === undefined) return []
    const message = `waiting for ${sentenceOf(hook, entry)}`
    const awaiting: Fact = { type: 'HookAwaited', reason: entry.state === 'Awaited' ? 'Asked' : entry.state, message }
    const silent = entry.state === 'Error' && overAt(pass, ms(entry.at) + quietFor)
    const late = hook.deadlineMs !== undefined && overAt(pass, ms(entry.since) + hook.deadlineMs)
    if (!silent && !late) return [awaiting]
    if (!late) return [awaiting, { type: 'HookFailing', reason: 'NoAnswer', message }]
    return [awaiting, { type: 'HookFailing', reason: 'DeadlineExceeded', message: `${message}; its deadline of ${formatDuration(hook.deadlineMs!)} is over` }]
  })
}
function overAt(pass: Pass, at: number): boolean {
  wake(pass, at)
  return pass.now >= at
}
