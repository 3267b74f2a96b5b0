/** Telling people: log lines at once, Kubernetes events from the outbox of the status, at least once, never inside a pass. */
import { iso } from '../rollout/duration.ts'
import type { Note, RolloutStatus } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log, LogFields } from '../telemetry/log.ts'
import type { EventOutcome } from '../kube/events.ts'
import type { Alert } from './reconcile.ts'

/** The Rollout that a note is about. */
export interface About {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}
export interface TellerOptions {
  readonly clock: Clock
  readonly log: Log
  /** Creates the Kubernetes event of a note under a name that follows from the note's id; one that exists already counts as delivered. Never rejects. */
  readonly publish: (about: About, note: Note) => Promise<EventOutcome>
}
/** What was in the outbox before this process began and is older than this, in ms, is not made an event any more: it was told, or is no news. */
const tooOld = 3_600_000
const firstPause = 1000
const longestPause = 60_000
/** Repeated at most this often, for example while a broken API server refuses every write. */
const alertEvery = 60_000

interface Box {
  about: About
  /** Ids that were delivered and still stand in the outbox. */
  readonly delivered: Set<string>
  readonly underWay: Map<string, Delivery>
}
interface Delivery {
  timer?: { cancel(): void }
}

/** Delivers notes; remembers what was delivered until the outbox no longer names it. */
export class Teller {
  readonly #options: TellerOptions
  readonly #boxes = new Map<string, Box>()
  readonly #alerted = new Map<string, number>()
  readonly #began: number

  constructor(options: TellerOptions) {
    this.#options = options
    this.#began = options.clock.now()
  }

  /** After a pass: `fresh` were made by this very commit and become log lines; the whole outbox becomes events. */
  tell(about: About, status: RolloutStatus | undefined, fresh: readonly Note[]): void {
    for (const note of fresh) this.#line(about, note)
    const outbox = status?.outbox ?? []
    const box = this.#box(about)
    const ids = new Set(outbox.map(note => note.id))
    for (const id of box.delivered) if (!ids.has(id)) box.delivered.delete(id)
    for (const note of outbox) {
      if (box.delivered.has(note.id) || box.underWay.has(note.id)) continue
      if (Date.parse(note.at) < this.#began - tooOld) box.delivered.add(note.id)
      else this.#deliver(box, note, firstPause)
    }
  }

  /** Ids in the outbox that need not stand there any longer. */
  delivered(uid: string): readonly string[] {
    return [...(this.#boxes.get(uid)?.delivered ?? [])]
  }

  /** A line, and an event, about what no status could say. At most once a minute for the same trouble of the same rollout. */
  alert(about: About, what: Alert): void {
    const now = this.#options.clock.now()
    const text = alertText(what)
    const key = `${about.uid} ${what.type} ${text.subject}`
    if (now - (this.#alerted.get(key) ?? -Infinity) < alertEvery) return
    for (const [known, at] of this.#alerted) if (now - at >= alertEvery) this.#alerted.delete(known)
    this.#alerted.set(key, now)
    const fields = { rollout: about.name, namespace: about.namespace, note: what.type, ...text.fields }
    this.#options.log[what.type === 'WriteFailed' || what.type === 'RevisionKept' ? 'warn' : 'error'](fields, text.message)
    const minute = Math.floor(now / alertEvery)
    const id = `${what.type}-${text.subject}-${minute}`
    const note: Note = { id, type: what.type, at: iso(now), severity: 'Warning', message: text.message }
    void this.#options.publish(about, note)
  }

  /** Forgets a rollout that no longer exists; what it had left to tell is told no more. */
  forget(uid: string): void {
    for (const delivery of this.#boxes.get(uid)?.underWay.values() ?? []) delivery.timer?.cancel()
    this.#boxes.delete(uid)
  }

  /** Forgets everything. The outbox in the status remains for the next leader. */
  stop(): void {
    for (const uid of this.#boxes.keys()) this.forget(uid)
  }

  #box(about: About): Box {
    let box = this.#boxes.get(about.uid)
    if (box === undefined) this.#boxes.set(about.uid, (box = { about, delivered: new Set(), underWay: new Map() }))
    return box
  }

  #deliver(box: Box, note: Note, pause: number): void {
    const delivery: Delivery = {}
    box.underWay.set(note.id, delivery)
    void this.#options.publish(box.about, note).then(outcome => {
      if (box.underWay.get(note.id) !== delivery || this.#boxes.get(box.about.uid) !== box) return
      if (outcome === 'Failed') {
        delivery.timer = this.#options.clock.setTimeout(() => this.#deliver(box, note, Math.min(pause * 2, longestPause)), pause)
        return
      }
      // What was refused will be refused again: a namespace that is being deleted, a missing right.
      box.underWay.delete(note.id)
      box.delivered.add(note.id)
    })
  }

  #line(about: About, note: Note): void {
    const { type, reason, check, value, bound, weight, revision, from, commit, by, journey } = note
    const fields = { rollout: about.name, namespace: about.namespace, note: type, reason, check, value, bound, weight, revision, from, commit, by, journey }
    this.#options.log[note.severity === 'Warning' ? 'warn' : 'info'](present(fields), note.message)
  }
}

function present(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function alertText(what: Alert): { readonly subject: string; readonly message: string; readonly fields: LogFields } {
  switch (what.type) {
    case 'LoweringFailed':
      return {
        subject: what.route, fields: { route: what.route, reason: what.failure.reason },
        message: `traffic could not be taken away in ${what.route}: ${what.failure.message}; it is tried again until it works`,
      }
    case 'StatusRefused':
      return {
        subject: 'status', fields: { reason: what.type },
        message: `the API server refused the status: ${what.message}; nothing is raised until it takes it, lowering works`,
      }
    case 'StatusUnwritable':
      return { subject: 'status', fields: { reason: what.failure.reason }, message: `the status could not be written: ${what.failure.message}` }
    case 'RevisionKept':
      return { subject: 'removal', fields: {}, message: what.message }
    case 'WriteFailed':
      return {
        subject: what.action.type, fields: { action: what.action.type, reason: what.failure.reason },
        message: `${what.action.type} did not succeed: ${what.failure.message}`,
      }
  }
}
