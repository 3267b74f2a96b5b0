/** Readings, of metric sources and of hooks, as one more cache: questions are asked when they are due, answers are kept and wake the rollout. Nothing here runs inside a pass. */
import type { Answer, Question } from '../analysis/reading.ts'
import type { Clock } from '../telemetry/clock.ts'
import { alarm } from './alarm.ts'

/** What is asked: by an identity, from a moment (Unix ms) on. */
export interface Due {
  readonly id: string
  readonly at: number
}
/** An answer to a question, and when it came, Unix ms. */
export interface Got<Q, A> {
  readonly question: Q
  readonly answer: A
  readonly answeredAt: number
}
/** Whoever can answer questions, for example metrics/sources. Never rejects, and bounds its own time. */
export interface Source<Q = Question, A = Answer> {
  ask(question: Q): Promise<A>
}
export interface FetcherOptions<Q, A> {
  readonly clock: Clock
  readonly source: Source<Q, A>
  /** With whom a question stands in line. */
  readonly line: (question: Q) => string
  /** The answer that a bug of the source is. */
  readonly broken: (error: unknown) => A
  /** Questions of one line under way at once, over all rollouts; the rest wait in order. Unset: 16. */
  readonly atOnce?: number
  /** An answer came in: have a look. */
  readonly wake: (key: string, question: Q) => void
}

interface Wanted<Q, A> {
  question: Q
  /** Answered ones, oldest first. */
  readings: Got<Q, A>[]
  timer?: { cancel(): void }
  /** The question that waits for its turn or its answer. */
  asking?: Q
}
type Wants<Q, A> = Map<string, Wanted<Q, A>>
/** One line: a source that hangs holds up none of the others. */
interface Lane {
  readonly turns: (() => Promise<void>)[]
  free: number
}

/** How metric sources are asked. */
export const ofMetrics: Pick<FetcherOptions<Question, Answer>, 'line' | 'broken'> = {
  // Queries of one's own wait among themselves: they may be slow, and the others shall not be for it.
  line: ({ source, measure }) => (measure.kind === 'Query' ? `${source} queries` : source),
  broken: error => ({ state: 'Error', reason: String(error) }),
}

/** Answers kept for each question. */
const kept = 12

/** Keeps the last answers to each question of each rollout. */
export class Fetcher<Q extends Due = Question, A = Answer> {
  readonly #options: FetcherOptions<Q, A>
  readonly #rollouts = new Map<string, Wants<Q, A>>()
  readonly #lanes = new Map<string, Lane>()

  constructor(options: FetcherOptions<Q, A>) {
    this.#options = options
  }

  /** The last answers to what this rollout asks, oldest first for each question: failures in a row add up even where no status can be written. */
  readings(key: string): readonly Got<Q, A>[] {
    return [...(this.#rollouts.get(key)?.values() ?? [])].flatMap(wanted => wanted.readings)
  }

  /** What this rollout asks from now on: new questions are asked when due, those no longer named are forgotten with their readings. */
  update(key: string, questions: readonly Q[]): void {
    const before = this.#rollouts.get(key)
    if (questions.length === 0 && before === undefined) return
    const asked = new Set(questions.map(question => question.id))
    for (const [id, wanted] of before ?? []) if (!asked.has(id)) wanted.timer?.cancel()
    if (questions.length === 0) return void this.#rollouts.delete(key)
    const after: Wants<Q, A> = new Map()
    for (const question of questions) {
      const wanted = before?.get(question.id) ?? ({ question, readings: [] } as Wanted<Q, A>)
      // A pass at the very moment at which the former question is due must not push it out.
      if (question.at > wanted.question.at && wanted.question.at <= this.#options.clock.now()) this.#schedule(key, wanted)
      wanted.question = question
      after.set(question.id, wanted)
    }
    this.#rollouts.set(key, after)
    for (const wanted of after.values()) this.#schedule(key, wanted)
  }

  /** Forgets a rollout. */
  forget(key: string): void {
    this.update(key, [])
  }

  /** Forgets everything; answers under way are dropped. */
  stop(): void {
    for (const key of this.#rollouts.keys()) this.forget(key)
    for (const lane of this.#lanes.values()) lane.turns.length = 0
  }

  #schedule(key: string, wanted: Wanted<Q, A>): void {
    wanted.timer?.cancel()
    wanted.timer = undefined
    const { question } = wanted
    const answered = (wanted.readings.at(-1)?.question.at ?? -Infinity) >= question.at
    if (answered || wanted.asking !== undefined) return
    const { clock } = this.#options
    if (question.at <= clock.now()) return this.#take(key, wanted)
    wanted.timer = alarm(clock, question.at, () => {
      wanted.timer = undefined
      this.#take(key, wanted)
    })
  }

  #take(key: string, wanted: Wanted<Q, A>): void {
    wanted.asking = wanted.question
    const lane = this.#lane(this.#options.line(wanted.question))
    lane.turns.push(() => this.#ask(key, wanted))
    this.#next(lane)
  }
  #lane(line: string): Lane {
    let lane = this.#lanes.get(line)
    if (lane === undefined) this.#lanes.set(line, (lane = { turns: [], free: this.#options.atOnce ?? 16 }))
    return lane
  }
  #next(lane: Lane): void {
    while (lane.free > 0) {
      const turn = lane.turns.shift()
      if (turn === undefined) return
      lane.free--
      void turn().finally(() => {
        lane.free++
        this.#next(lane)
      })
    }
  }

  async #ask(key: string, wanted: Wanted<Q, A>): Promise<void> {
    if (!this.#isWanted(key, wanted)) return
    // While it waited for its turn, its window may have moved on.
    const question = wanted.question.at <= this.#options.clock.now() ? wanted.question : wanted.asking!
    wanted.asking = question
    const answer = await this.#options.source.ask(question).catch(this.#options.broken)
    wanted.asking = undefined
    if (!this.#isWanted(key, wanted)) return
    wanted.readings = [...wanted.readings, { question, answer, answeredAt: this.#options.clock.now() }].slice(-kept)
    this.#schedule(key, wanted)
    this.#options.wake(key, question)
  }
  #isWanted(key: string, wanted: Wanted<Q, A>): boolean {
    return this.#rollouts.get(key)?.get(wanted.question.id) === wanted
  }
}
