/** Settings of `sluice controller`, from flags; every value is checked and a wrong one is named with what to write instead. */
import type { ControllerConfig } from './cli/controller.ts'
import { allowedHostProblem } from './notify/address.ts'
import { parseDuration } from './rollout/duration.ts'
import { templateNamespaceProblem } from './rollout/namespaces.ts'
import type { LogLevel } from './telemetry/log.ts'

/** The flags as they were typed. */
export interface ControllerFlags {
  readonly kubeconfig?: string
  readonly context?: string
  readonly namespace?: string
  readonly prometheus?: string
  readonly config?: string
  /** Unset: nobody typed it. */
  readonly scrapeInterval?: string
  readonly propagationDelay: string
  readonly clusterDomain: string
  readonly leaderElect: boolean
  readonly leaderElectionNamespace?: string
  readonly identity?: string
  readonly healthPort: string
  readonly metricsPort: string
  readonly logLevel: string
  readonly allowHost?: readonly string[]
  readonly allowTemplates?: readonly string[]
  readonly clusterName?: string
}
/** Defaults of flags, as they are shown by --help. */
export const controllerDefaults = {
  scrapeInterval: '15s', propagationDelay: '10s', clusterDomain: 'cluster.local', healthPort: '8081', metricsPort: '8080', logLevel: 'info',
} as const

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const levels: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies readonly LogLevel[]

/** The configuration, or everything that is wrong with it, one sentence each. `fallbackIdentity` names this process where --identity does not. */
export function controllerConfig(flags: ControllerFlags, fallbackIdentity: string): { readonly ok: true; readonly config: ControllerConfig } | { readonly ok: false; readonly problems: readonly string[] } {
  const problems: string[] = []
  const check = (good: boolean, flag: string, value: string, remedy: string): void => void (good || problems.push(`${flag} is "${value}"; ${remedy}`))
  const duration = (flag: string, text: string, least: number): number => {
    const ms = parseDuration(text)
    check(ms !== undefined && ms >= least, flag, text, `write a duration${least > 0 ? ' above 0' : ''} such as 15s, 500ms or 1m30s`)
    return ms ?? 0
  }
  const scrapeIntervalMs = flags.scrapeInterval === undefined ? undefined : duration('--scrape-interval', flags.scrapeInterval, 1)
  const propagationDelayMs = duration('--propagation-delay', flags.propagationDelay, 0)
  check(flags.clusterDomain.split('.').every(part => label.test(part)), '--cluster-domain', flags.clusterDomain, 'write the DNS domain of the cluster, such as cluster.local')
  for (const [flag, value] of [['--namespace', flags.namespace], ['--leader-election-namespace', flags.leaderElectionNamespace]] as const) {
    if (value !== undefined) check(label.test(value), flag, value, 'write the name of one namespace')
  }
  for (const [flag, value] of [['--health-port', flags.healthPort], ['--metrics-port', flags.metricsPort]] as const) {
    check(/^[0-9]{1,5}$/.test(value) && Number(value) <= 65_535, flag, value, 'write a port from 1 to 65535, or 0 for none')
  }
  check(Number(flags.metricsPort) === 0 || Number(flags.metricsPort) !== Number(flags.healthPort), '--metrics-port', flags.metricsPort, 'that is --health-port already: write another one, or 0 for none')
  check(levels.includes(flags.logLevel), '--log-level', flags.logLevel, `write one of ${levels.join(', ')}`)
  if (flags.identity !== undefined) check(/^[A-Za-z0-9]([-._A-Za-z0-9]{0,126}[A-Za-z0-9])?$/.test(flags.identity), '--identity', flags.identity, 'write a name of letters, digits, dots, dashes and underscores that no other instance has')
  for (const host of flags.allowHost ?? []) check(allowedHostProblem(host) === undefined, '--allow-host', host, allowedHostProblem(host) ?? '')
  for (const one of flags.allowTemplates ?? []) check(templateNamespaceProblem(one) === undefined, '--allow-templates', one, templateNamespaceProblem(one) ?? '')
  if (flags.clusterName !== undefined) check(/^[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$/.test(flags.clusterName), '--cluster-name', flags.clusterName, 'write at most 63 letters, digits, dots, dashes and underscores')
  if (problems.length > 0) return { ok: false, problems }
  const { kubeconfig, context, namespace, config: configFile, prometheus, clusterDomain, leaderElect, leaderElectionNamespace, allowHost: allowedHosts = [], allowTemplates: templateNamespaces = [], clusterName } = flags
  const identity = flags.identity ?? fallbackIdentity
  return { ok: true, config: { kubeconfig, context, namespace, configFile, flags: { prometheus, scrapeIntervalMs, allowedHosts, templateNamespaces, clusterName }, propagationDelayMs, clusterDomain, leaderElect, leaderElectionNamespace, identity, healthPort: Number(flags.healthPort), metricsPort: Number(flags.metricsPort), logLevel: flags.logLevel as LogLevel } }
}

/** Whether a screen shows colours: https://no-color.org, and terminals that say they cannot. */
export function wantsColor(terminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false
  if ((environment['FORCE_COLOR'] ?? '0') !== '0') return true
  return terminal && environment['TERM'] !== 'dumb'
}
