/** The sentences of the demo. Pure. */
import type { RolloutStatus } from '../../rollout/schema.ts'
import type { RolloutObject } from '../view.ts'
import { clean, count, imageVersion, percent, span } from '../words.ts'
import type { Ended, Report } from './journey.ts'
import { app, namespace } from './objects.ts'
import type { DemoOptions } from './options.ts'
import { firstVersion, scenarioNames, type Scenario } from './scenarios.ts'

export function introduction({ speed }: DemoOptions): string[] {
  const time = speed === 60 ? 'a minute passes in a second' : speed === 1 ? 'time runs as on your watch' : `${speed} seconds pass in one`
  return [
    `Sluice releases new versions of ${app} in a cluster that lives in this process: an API over HTTP, models of pods and requests, `
    + `and the controller that you would run in production. Time is simulated: ${time}.`,
  ]
}
export const adopting = `${app} ${firstVersion} runs as a plain Deployment; a Rollout of a few lines takes it over without losing a request`
export function releasing(scenario: Scenario, index: number, total: number): string {
  return `${index + 1}/${total}  release ${scenario.version}, which ${scenario.story}`
}

/** The line in pieces of at most `columns` characters, further ones two more in where its text is; longer words stay whole. Unset: as it is. */
export function wrapped(line: string, columns: number | undefined): string[] {
  if (columns === undefined || line.length <= columns) return [line]
  const hang = ' '.repeat((/^ */.exec(line)?.[0].length ?? 0) + (line.startsWith(' ') ? 2 : 0))
  const words = line.trimStart().split(' ')
  const lines = [line.slice(0, line.length - line.trimStart().length) + words[0]]
  for (const word of words.slice(1)) {
    if (lines.at(-1)!.length + 1 + word.length <= columns) lines[lines.length - 1] += ` ${word}`
    else lines.push(hang + word)
  }
  return lines
}

/** `v1.9.0` in place of `checkout-lgjhre6leo`, where the status says what that is. */
export function withVersions(text: string, status: RolloutStatus | undefined): string {
  const known = [status?.stable, status?.canary, ...(status?.history ?? [])]
  return known.reduce((said, one) => {
    const version = imageVersion(one?.images?.[0])
    // Names of pods begin with it too, and stay.
    return one === undefined || version === undefined ? said : said.replaceAll(new RegExp(`${one.revision.replaceAll('.', '\\.')}(?![-\\w])`, 'g'), version)
  }, clean(text))
}

/** What the checks of this step say, as `success 100.00% ≥ 99%, p99 233ms ≤ 500ms`; empty where they say nothing. */
export function checksPassed({ spec, status }: RolloutObject): string {
  const passed = (status?.checks ?? []).filter(check => check.verdict === 'Pass' && check.value !== undefined)
  const sign = (name: string) => (spec.analysis?.checks.find(one => one.name === name)?.latency === undefined ? '≥' : '≤')
  return passed.map(check => `${check.name} ${check.value} ${sign(check.name)} ${check.bound}`).join(', ')
}

const did: Readonly<Record<string, string>> = { Promoted: 'was promoted', RolledBack: 'was rolled back', Held: 'is held, for a person to decide' }
/** How it ended, for a person. */
export function verdict(scenario: Scenario, { outcome, expected, reason, requests, seconds, steps }: Report): string[] {
  const right = outcome === expected
  const otherwise = right ? '' : `, but ${expected} was expected`
  const title = `${right ? '✔' : '✘'} ${scenario.version} ${did[outcome] ?? outcome} after ${span(seconds * 1000)}${otherwise}`
  const way = steps.map(({ weight, seconds: long }) => `${percent(weight)} for ${span(long * 1000)}`).join(', ')
  const price = `it served ${count(requests.served)} requests and lost ${count(requests.lost)}`
  return [title, `  because ${reason}`, way === '' ? '  it never had traffic' : `  traffic ${way}; ${price}`]
}
/** Held and RolledBack say why by themselves; a promotion by the checks of its last step. */
export function reasonFor(ended: Ended, passed: string): string {
  return ended.outcome === 'Promoted' ? `every step passed${passed === '' ? '' : `, at last with ${passed}`}` : ended.reason
}

export function nowhere(missed: number, sent: number): string {
  if (missed === 0) return `No request had nowhere to go: all ${count(sent)} found a pod, while versions came and went.`
  return `${count(missed)} of ${count(sent)} requests had nowhere to go, which must never happen.`
}

/** The line under the picture. */
export function clockLine(now: number, speed: number): string {
  return `  demo     ${new Date(now).toISOString().slice(11, 19)}, simulated at ${speed} seconds a second; Ctrl-C ends it`
}

/** What to try after the tour. */
export function tryNext({ keep, scenarios }: DemoOptions): string[] {
  const all = scenarios.length === scenarioNames.length
  return aligned('What to try next', [
    ...(all ? [] : [['npm start -- --scenario all', 'also slow, crashing and unmeasured'] as const]),
    ...(keep ? [] : [['npm start -- --keep', 'the cluster stays; steer it yourself']] as const),
    ['bin/sluice --help', 'the command line'],
    ['README.md', 'how it works, and the way onto a cluster of yours'],
    ['examples/README.md', 'Rollouts for Istio, Linkerd and your own routes'],
  ])
}
/** What to type while the cluster stays. */
export function staying(kubeconfig: string, { keepSpeed }: DemoOptions, image: string): string[] {
  const time = keepSpeed === 1 ? 'its time runs as on your watch now, --speed 60 keeps it fast' : `${keepSpeed} seconds pass in one`
  return [
    `The cluster stays until Ctrl-C; ${time}. In another terminal, in this directory:`,
    '',
    ...[
      [`export KUBECONFIG=${kubeconfig}`, ''],
      [`bin/sluice get ${app} --watch`, 'look on'],
      [`kubectl set image deployment/${app} ${app}=${image}:v2.0.0`, 'release; v2.0.0-errors, -slow or -crash behaves like that'],
      [`bin/sluice promote ${app}`, 'do not wait for the hold'],
      [`bin/sluice abort ${app} --reason "not today"`, 'take it back'],
      [`kubectl get rollouts,deployments,pods,virtualservices -n ${namespace}`, ''],
    ].flatMap(([command, why]) => [`  ${command}`, ...(why === '' ? [] : [`      ${why}`])]),
  ]
}

function aligned(title: string, rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([command]) => command.length))
  return [title, ...rows.map(([command, what]) => `  ${command.padEnd(width)}   ${what}`)]
}
