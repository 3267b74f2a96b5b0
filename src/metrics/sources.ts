/** The metric sources of this process by name. They can be exchanged while it runs: answers under way still come from those that were asked. */
import type { Answer, Question } from '../analysis/reading.ts'
import { sourceUnknown } from '../rollout/sources.ts'
import type { MetricSource } from './prometheus.ts'

export class Sources {
  #byName: ReadonlyMap<string, MetricSource>

  constructor(sources: readonly MetricSource[]) {
    this.#byName = byName(sources)
  }

  /** All sources there are now, in the order in which they were given. */
  get all(): readonly MetricSource[] {
    return [...this.#byName.values()]
  }
  /** The source of this name; undefined: there is none. */
  get(name: string): MetricSource | undefined {
    return this.#byName.get(name)
  }
  /** From now on these are asked. */
  replace(sources: readonly MetricSource[]): void {
    this.#byName = byName(sources)
  }
  /** The answer of the source that the question names. Never rejects; a name that nobody has is an Error with the names that there are. */
  ask(question: Question): Promise<Answer> {
    const source = this.get(question.source)
    if (source !== undefined) return source.ask(question)
    return Promise.resolve({ state: 'Error', reason: sourceUnknown(question.source, [...this.#byName.keys()]) })
  }
}

function byName(sources: readonly MetricSource[]): ReadonlyMap<string, MetricSource> {
  return new Map(sources.map((source) => [source.name, source]))
}
