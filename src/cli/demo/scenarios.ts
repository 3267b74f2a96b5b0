/** What the demo releases, how it behaves, and what has to come of it. Pure. */
import type { Answers } from '../../sandbox/answers.ts'

export const scenarioNames = ['healthy', 'errors', 'slow', 'crash', 'nodata'] as const
export type ScenarioName = (typeof scenarioNames)[number]
export type Outcome = 'Promoted' | 'RolledBack' | 'Held'
export interface Scenario {
  readonly name: ScenarioName
  /** Tag of the image that is released. */
  readonly version: string
  /** What is wrong with it, after "v1.9.0 ". */
  readonly story: string
  readonly expected: Outcome
  /** Simulated minutes that it takes, roughly. */
  readonly minutes: number
  /** Nobody sends a request while it runs. */
  readonly silent?: boolean
}
export const firstVersion = 'v1.8.2'
export const repository = 'registry.example.com/shop/checkout'

export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  healthy: { name: 'healthy', version: 'v1.9.0', story: 'works', expected: 'Promoted', minutes: 24 },
  errors: { name: 'errors', version: 'v1.10.0', story: 'fails one request in eight', expected: 'RolledBack', minutes: 3 },
  slow: { name: 'slow', version: 'v1.11.0', story: 'answers one request in eight too late', expected: 'RolledBack', minutes: 3 },
  crash: { name: 'crash', version: 'v1.12.0', story: 'crashes when it starts', expected: 'RolledBack', minutes: 3 },
  nodata: { name: 'nodata', version: 'v1.13.0', story: 'is released while nobody sends a request', expected: 'Held', minutes: 16, silent: true },
}

/** What pods of an image do: one of the scenarios by its version, or by the end of its tag (`v2.0.0-errors`), as people may try it. */
function troubleOf(image: string): ScenarioName | undefined {
  const tag = image.slice(image.lastIndexOf(':') + 1)
  return scenarioNames.find(name => tag === scenarios[name].version || tag.endsWith(`-${name}`))
}
/** How its pods answer. */
export function answersOf(image: string): Answers {
  const trouble = troubleOf(image)
  if (trouble === 'errors') return { errorRate: 0.125, latencyMs: 40, p99Ms: 210 }
  if (trouble === 'slow') return { latencyMs: 180, p99Ms: 1400 }
  return { latencyMs: 40, p99Ms: 210 }
}
/** It dies a second after each start, and never gets ready. */
export function crashes(image: string): boolean {
  return troubleOf(image) === 'crash'
}
