/** The flags of `sluice demo`. Pure. */
import { scenarioNames, scenarios, type Scenario, type ScenarioName } from './scenarios.ts'

/** As they were typed. */
export interface DemoFlags {
  readonly scenario?: string
  readonly speed?: string
  readonly json?: boolean
  readonly keep?: boolean
  readonly logs?: boolean
}
export interface DemoOptions {
  readonly scenarios: readonly Scenario[]
  /** Simulated seconds per second. */
  readonly speed: number
  /** The same once the tour is over and the cluster stays. */
  readonly keepSpeed: number
  readonly json: boolean
  readonly keep: boolean
  readonly logs: boolean
}
/** What is run where nobody says which: a release that goes well, and one that is taken back. */
const tour: readonly ScenarioName[] = ['healthy', 'errors']
/** A minute in a second: the tour takes half a minute. */
export const defaultSpeed = 60
const fastest = 1000

type Checked = { readonly ok: true; readonly options: DemoOptions } | { readonly ok: false; readonly problems: readonly string[] }
/** The options, or everything that is wrong, one sentence each. */
export function demoOptions(flags: DemoFlags): Checked {
  const problems: string[] = []
  const names = wantedNames(flags.scenario)
  if (names === undefined) problems.push(`--scenario is "${flags.scenario}"; write one of ${scenarioNames.join(', ')}, or all`)
  const speed = flags.speed === undefined ? defaultSpeed : Number(flags.speed)
  if (!/^\d+(\.\d+)?$/.test(flags.speed ?? '1') || speed < 1 || speed > fastest) {
    problems.push(`--speed is "${flags.speed}"; write how many simulated seconds pass in a second, a number from 1 to ${fastest}`)
  }
  if (names === undefined || problems.length > 0) return { ok: false, problems }
  const { json = false, keep = false, logs = false } = flags
  return { ok: true, options: { scenarios: names.map(name => scenarios[name]), speed, keepSpeed: flags.speed === undefined ? 1 : speed, json, keep, logs } }
}

function wantedNames(wanted: string | undefined): readonly ScenarioName[] | undefined {
  if (wanted === undefined) return tour
  if (wanted === 'all') return scenarioNames
  return scenarioNames.filter(name => name === wanted).length === 1 ? [wanted as ScenarioName] : undefined
}
