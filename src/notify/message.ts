/** One note as a message that can be understood without opening anything else. Pure; text is still raw here, each channel escapes it in its own way. */
import type { Note } from '../rollout/schema.ts'

/** The Rollout that a note is about. */
export interface Subject {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** What the administrator calls this cluster. */
  readonly cluster?: string
}
export interface Message {
  /** The same through all tries and all channels: what a receiver deduplicates by. */
  readonly id: string
  readonly subject: Subject
  readonly note: Note
  /** What happened, in a few words: `checkout was rolled back`. */
  readonly title: string
  readonly facts: readonly Fact[]
  /** What a person would type next. */
  readonly next: readonly Command[]
}
export interface Fact {
  readonly label: 'Where' | 'Version' | 'Commit' | 'Step' | 'Reason' | 'Requests' | 'By'
  readonly value: string
}
export interface Command {
  readonly command: string
  /** What it does, as in `to try it again`. */
  readonly purpose: string
}

/** The message of a note. */
export function messageOf(subject: Subject, note: Note): Message {
  const title = `${subject.name} ${titles[note.type] ?? titleOf(note)}`
  return { id: `msg_${subject.uid}_${note.id}`, subject, note, title, facts: facts(subject, note), next: commands(subject, note) }
}

const titles: Readonly<Record<string, string>> = {
  Adopted: 'is looked after by Sluice',
  Started: 'is being released',
  StepReached: 'has reached a step',
  Waiting: 'waits',
  CheckFailing: 'fails a check',
  Held: 'is held and needs a person',
  Closing: 'is taken back',
  Promoted: 'was promoted',
  RolledBack: 'was rolled back',
  Superseded: 'gave way to a newer version',
  Withdrawn: 'was withdrawn',
  Observing: 'is being released by another tool',
  WouldPromote: 'would have been promoted',
  WouldRollBack: 'would have been rolled back',
  WouldHold: 'would have been held',
  Observed: 'was released by another tool',
  Removing: 'is given back, for its Rollout was deleted',
  Test: 'sends a test message: nothing happened',
}
function titleOf(note: Note): string {
  const answered = /^([A-Z][a-z]+)(Accepted|Refused)$/.exec(note.type)
  return answered === null ? `has a problem: ${note.type}` : `was asked to ${answered[1]!.toLowerCase()}: ${answered[2]!.toLowerCase()}`
}

function facts(subject: Subject, note: Note): Fact[] {
  const all: { readonly label: Fact['label']; readonly value: string | undefined }[] = [
    { label: 'Where', value: [subject.cluster, subject.namespace, subject.name].filter((part) => part !== undefined).join('/') },
    { label: 'Version', value: versions(note) },
    { label: 'Commit', value: note.commit },
    { label: 'Step', value: step(note) },
    { label: 'Reason', value: reason(note) },
    { label: 'Requests', value: note.requests && `${count(note.requests.served)} served by the new version, ${count(note.requests.lost)} lost` },
    { label: 'By', value: note.by },
  ]
  return all.flatMap(({ label, value }) => (value ? [{ label, value }] : []))
}

/** What people call both revisions: the tags of their images where these differ, and the names of the revisions. */
function versions({ revision, from, version, fromVersion }: Note): string | undefined {
  if (revision === undefined) return undefined
  const named = (name: string, tag: string | undefined) => (tag === undefined || version === fromVersion ? name : `${tag} (${name})`)
  return from === undefined ? named(revision, version) : `${named(from, fromVersion)} → ${named(revision, version)}`
}
function step({ step: at, weight }: Note): string | undefined {
  const place = at && [at.of, at.name].filter((part) => part !== undefined).join(' ')
  const share = weight === undefined ? undefined : `${weight}% of the traffic`
  return [place, share].filter((part) => part).join(', ') || undefined
}
function reason({ reason: word, check, value, bound }: Note): string | undefined {
  if (check === undefined) return word
  return `${[word, 'check', check].filter((part) => part !== undefined).join(' ')}: ${value ?? 'no value'}${bound === undefined ? '' : `, bound ${bound}`}`
}
function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',')
}

const wayOn: Readonly<Record<string, readonly (readonly [verb: string, purpose: string])[]>> = {
  Started: [['abort', 'to take it back at once']],
  StepReached: [['abort', 'to take it back at once']],
  CheckFailing: [['abort', 'to take it back at once, without waiting for the verdict']],
  Held: [['resume', 'to go on'], ['promote', 'to leave the step'], ['abort', 'to take it back']],
  Promoted: [['rollback', 'to go back to the version before']],
  RolledBack: [['retry', 'to try it again']],
}
function commands({ namespace, name }: Subject, note: Note): Command[] {
  if (note.type === 'Test') return []
  const approval = note.type === 'Waiting' && note.reason === 'Approval'
  const verbs = approval ? ([['approve', 'to let it go on'], ['abort', 'to take it back']] as const) : (wayOn[note.type] ?? [])
  return [...verbs, ['get', 'to look at it'] as const].map(([verb, purpose]) => ({ command: `sluice ${verb} ${name} -n ${namespace}`, purpose }))
}

/** Text without control characters and without those that turn the direction of writing: nobody shall hide what a message says. */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, ' ')
}
