/**
 * Drains the outbox of each Rollout into its channels: at least once, in order, outside of every pass. The outbox in the status is the only memory: a note
 * stays there until every channel that wants it has it, or has failed to take it for a day.
 */
import { messageOf, type Message } from '../notify/message.ts'
import type { Outcome } from '../notify/post.ts'
import { eventOf, type Note, type Notifications } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { Pace } from './notify-channel.ts'
import { Desk } from './notify-desk.ts'
import { remarkOf, shown, standing, type Remark, type Standing } from './notify-remarks.ts'
import type { Trouble } from './secrets.ts'
import type { About } from './tell.ts'

export interface NotifierOptions {
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1), for jitter. */
  readonly random: () => number
  readonly send: (namespace: string, channel: string, message: Message) => Promise<Outcome>
  /** Whether something could be sent, without sending. */
  readonly check: (namespace: string, channel: string) => Promise<Trouble | undefined>
  readonly pace: (namespace: string, channel: string) => Pace
  /** A pass of this Rollout has something new to read here. */
  readonly wake: (key: string) => void
  /** What messages call this cluster now. */
  readonly cluster?: () => string | undefined
}

/** A note that nobody took for so long, in ms, is given up. */
const patience = 24 * 3_600_000
/** So often a receiver may turn one note away before the next one is tried. */
const mostRefusals = 5
/** A channel that cannot work, and has nothing to send, is looked at again after so many ms. */
const checkEvery = 5 * 60_000

interface Box {
  readonly about: About
  outbox: readonly Note[]
  readonly lines: Map<string, Line>
  /** The condition that an earlier process has left; it stands until this one knows better. */
  inherited: Remark | undefined
  /** What the last pass could read, as JSON. */
  shown: string
}
/** One channel of one Rollout. */
interface Line {
  readonly channel: string
  readonly box: Box
  events: ReadonlySet<string> | undefined
  /** Ids in the outbox that this channel has, does not want, or is given up with. */
  readonly done: Set<string>
  under: Note | undefined
  refusals: number
  checked: boolean
  trouble: { readonly what: Trouble; readonly since: number } | undefined
  /** The last note that was given up, until one is delivered. */
  lost: string | undefined
  timer: { cancel(): void } | undefined
}

export class Notifier {
  readonly #options: NotifierOptions
  readonly #boxes = new Map<string, Box>()
  readonly #desks = new Map<string, Desk>()

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  /** After a pass: what stands in the outbox, and who wants to hear of it. */
  tell(about: About, outbox: readonly Note[], notifications: Notifications, conditions: readonly Standing[] = []): void {
    let box = this.#boxes.get(about.uid)
    if (box === undefined) {
      if (notifications.length === 0) return
      const inherited = standing(conditions)
      this.#boxes.set(about.uid, (box = { about, outbox, lines: new Map(), inherited, shown: shown(inherited === undefined ? [] : [inherited]) }))
    }
    box.outbox = outbox
    for (const [channel, line] of box.lines) if (!notifications.some(({ channelRef }) => channelRef.name === channel)) this.#drop(line)
    for (const { channelRef, events } of notifications) {
      const line = box.lines.get(channelRef.name) ?? this.#line(box, channelRef.name)
      line.events = events === undefined ? undefined : new Set(events)
      const ids = new Set(outbox.map(note => note.id))
      for (const id of line.done) if (!ids.has(id)) line.done.delete(id)
      this.#pump(line)
    }
    if (shown(this.#remarks(box)) !== box.shown) this.#wake(box)
  }

  /** Whether every channel of the Rollout is done with this note. Where nothing was told yet, nobody is; `wanted`: whether its spec names a channel. */
  settled(uid: string, id: string, wanted: boolean): boolean {
    const box = this.#boxes.get(uid)
    if (box === undefined) return !wanted
    return [...box.lines.values()].every(line => line.done.has(id))
  }

  /** What a person should know about the channels of this Rollout. */
  remarks(uid: string, conditions: readonly Standing[]): readonly Remark[] {
    const box = this.#boxes.get(uid)
    if (box === undefined) return [standing(conditions)].filter(one => one !== undefined)
    const remarks = this.#remarks(box)
    box.shown = shown(remarks)
    return remarks
  }

  /** The channel was created, changed or deleted: whatever went wrong before is tried again at once. */
  changed(namespace: string, channel: string): void {
    this.#desks.get(`${namespace}/${channel}`)?.refresh()
    for (const box of this.#boxes.values()) {
      const line = box.about.namespace === namespace ? box.lines.get(channel) : undefined
      if (line !== undefined) this.#check(line)
    }
  }

  /** A Rollout that no longer exists tells nothing more. */
  forget(uid: string): void {
    for (const line of this.#boxes.get(uid)?.lines.values() ?? []) this.#drop(line)
    this.#boxes.delete(uid)
  }

  /** Forgets everything; what is under way is told again by the next leader. */
  stop(): void {
    for (const uid of [...this.#boxes.keys()]) this.forget(uid)
    for (const desk of this.#desks.values()) desk.stop()
    this.#desks.clear()
  }

  #line(box: Box, channel: string): Line {
    const line: Line = {
      channel, box, events: undefined, done: new Set(), under: undefined, refusals: 0, checked: false, trouble: undefined, lost: undefined, timer: undefined,
    }
    box.lines.set(channel, line)
    // A missing secret is found now, and not at night with the first message.
    this.#check(line)
    return line
  }
  #drop(line: Line): void {
    line.timer?.cancel()
    line.box.lines.delete(line.channel)
  }
  #alive(line: Line): boolean {
    return this.#boxes.get(line.box.about.uid) === line.box && line.box.lines.get(line.channel) === line
  }

  #check(line: Line): void {
    line.timer?.cancel()
    line.timer = undefined
    void this.#options.check(line.box.about.namespace, line.channel).then(trouble => {
      if (!this.#alive(line)) return
      line.checked = true
      if (trouble !== undefined) this.#troubled(line, trouble)
      else if (line.under === undefined) line.trouble = undefined
      if (trouble !== undefined && line.timer === undefined) line.timer = this.#options.clock.setTimeout(() => this.#check(line), checkEvery)
      this.#say(line.box)
    })
  }

  /** Hands the next note of this line to the desk of its channel, if none is there yet. */
  #pump(line: Line): void {
    if (line.under !== undefined || !this.#alive(line)) return
    const note = this.#next(line)
    if (note === undefined) return
    const { namespace } = line.box.about
    line.under = note
    this.#desk(namespace, line.channel).enter({
      run: () => (this.#alive(line) ? this.#try(line, note) : Promise.resolve({ done: true })),
    })
  }
  #next(line: Line): Note | undefined {
    for (const note of line.box.outbox) {
      if (line.done.has(note.id)) continue
      if (line.events !== undefined && !line.events.has(eventOf(note.type))) line.done.add(note.id)
      else return note
    }
    return undefined
  }
  #expired(note: Note): boolean {
    return this.#options.clock.now() - Date.parse(note.at) >= patience
  }

  async #try(line: Line, note: Note): Promise<{ readonly done: boolean; readonly retryAfterMs?: number }> {
    const { about } = line.box
    const { send } = this.#options
    const cluster = this.#options.cluster?.()
    const message = messageOf({ ...about, ...(cluster === undefined ? {} : { cluster }) }, note)
    const outcome = this.#expired(note) ? undefined : await send(about.namespace, line.channel, message)
    if (!this.#alive(line)) return { done: true }
    if (outcome?.state === 'Delivered') this.#delivered(line, note)
    else if (outcome === undefined) this.#giveUp(line, note, 'for a day')
    else if (outcome.state === 'Refused' && ++line.refusals >= mostRefusals) this.#giveUp(line, note, `${mostRefusals} times`)
    else this.#troubled(line, outcome)
    const done = line.done.has(note.id)
    if (done) {
      line.under = undefined
      line.refusals = 0
      // What comes next stands behind the other Rollouts of this channel.
      this.#pump(line)
    }
    this.#say(line.box)
    if (done || outcome === undefined || outcome.state === 'Delivered') return { done: true }
    return { done: false, ...(outcome.retryAfterMs === undefined ? {} : { retryAfterMs: outcome.retryAfterMs }) }
  }
  #delivered(line: Line, note: Note): void {
    line.done.add(note.id)
    line.trouble = undefined
    line.lost = undefined
    line.box.inherited = undefined
    const { name, namespace } = line.box.about
    this.#options.log.debug({ rollout: name, namespace, channel: line.channel, note: note.type, id: note.id }, 'a message was delivered')
  }
  #giveUp(line: Line, note: Note, how: string): void {
    line.done.add(note.id)
    line.lost = `${note.type} of ${note.at} was not taken ${how} and is given up`
    const { name, namespace } = line.box.about
    const fields = { rollout: name, namespace, channel: line.channel, note: note.type, id: note.id, reason: line.trouble?.what.reason }
    this.#options.log.warn(fields, `a message was not taken ${how} and is given up`)
  }
  #troubled(line: Line, what: Trouble): void {
    const { name, namespace } = line.box.about
    if (line.trouble?.what.reason !== what.reason)
      this.#options.log.warn({ rollout: name, namespace, channel: line.channel, reason: what.reason }, `messages are not delivered: ${what.message}`)
    line.trouble = { what, since: line.trouble?.since ?? this.#options.clock.now() }
  }

  /** Wakes the Rollout where a pass would read something new: a remark, or an outbox of which nothing is left to do. */
  #say(box: Box): void {
    const settled = box.outbox.length > 0 && box.outbox.every(note => [...box.lines.values()].every(line => line.done.has(note.id)))
    if (settled || shown(this.#remarks(box)) !== box.shown) this.#wake(box)
  }
  #wake({ about }: Box): void {
    this.#options.wake(`${about.namespace}/${about.name}`)
  }
  #remarks(box: Box): readonly Remark[] {
    const lines = [...box.lines.values()]
    const remarks = lines.flatMap(line => remarkOf(line, this.#options.clock.now()))
    if (remarks.length > 0 || box.inherited === undefined) return remarks
    const known = box.inherited.reason !== 'GaveUp' && lines.every(line => line.checked && line.under === undefined)
    if (known || lines.length === 0) box.inherited = undefined
    return box.inherited === undefined ? [] : [box.inherited]
  }

  #desk(namespace: string, channel: string): Desk {
    const key = `${namespace}/${channel}`
    let desk = this.#desks.get(key)
    if (desk === undefined) {
      const { clock, random, pace } = this.#options
      this.#desks.set(key, (desk = new Desk({ clock, random, pace: () => pace(namespace, channel) })))
    }
    return desk
  }
}
