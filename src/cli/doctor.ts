/** `sluice doctor`: what is wrong with an installation and its Rollouts, why it matters, and the lines that mend it. Exit code 0 nothing found, 1 findings. */
import { createColors } from 'picocolors'
import type { KubeObject } from '../rollout/objects.ts'
import { listRollouts, readRollout, refused, rollouts as rolloutResource, withCluster, type Cluster, type ClusterFlags } from './connect.ts'
import type { Finding } from './doctor-finding.ts'
import type { Applications } from './doctor-gitops.ts'
import { installation, unread as unreadOf, type Installation } from './doctor-installation.ts'
import { listAll, lookAround, served } from './doctor-look.ts'
import { rolloutFindings } from './doctor-rollouts.ts'
import { exitCodes, type Io } from './io.ts'
import { worldOf } from './world.ts'
import { wrapped } from './wrap.ts'
import { clean } from './words.ts'

export interface DoctorFlags extends ClusterFlags {
  readonly allNamespaces?: boolean
  /** Where the lease of the controller is, for people who may not look everywhere. */
  readonly systemNamespace: string
  readonly output?: 'json'
}
export interface Diagnosis extends Omit<Installation, 'settings'> {
  readonly rollouts: number
}

/** Looks at the installation and at one Rollout, those of a namespace, or all. */
export function doctor(name: string | undefined, flags: DoctorFlags, io: Io): Promise<number> {
  return withCluster(flags, async cluster => {
    const diagnosis = await diagnose(cluster, name, flags, io.clock.now())
    if (flags.output === 'json') io.stdout.write(`${JSON.stringify(diagnosis, undefined, 2)}\n`)
    else io.stdout.write(`${renderDiagnosis(diagnosis, { columns: io.stdout.columns(), color: io.color }).join('\n')}\n`)
    return diagnosis.findings.some(({ severity }) => severity === 'Problem') ? exitCodes.failed : exitCodes.done
  })
}

async function diagnose(cluster: Cluster, name: string | undefined, flags: DoctorFlags, now: number): Promise<Diagnosis> {
  const namespace = flags.allNamespaces === true ? undefined : cluster.namespace
  // Without a server, a valid token or rights there is one thing to say, and not ten.
  const probe = await cluster.api.list(rolloutResource, { namespace, limit: 1 })
  if (!probe.ok && probe.reason !== 'NotFound') throw refused(probe)
  const { settings: planning, ...installed } = await installation(cluster.api, now, flags.systemNamespace)
  if (!probe.ok) return { ...installed, rollouts: 0 }
  const rollouts = (name === undefined ? await listRollouts(cluster, namespace) : [await readRollout(cluster, name)]) as unknown as readonly KubeObject[]
  const look = await lookAround(cluster.api, namespace)
  const applications = await argoApplications(cluster)
  const world = worldOf(look.objects, look.known)
  // The policy is judged by itself, above.
  const unread = look.unread.filter(({ kind }) => !kind.startsWith('ValidatingAdmissionPolicy'))
  const findings = rollouts.flatMap(rollout => rolloutFindings(rollout, { world, applications, whole: unread.length === 0, now, ...(planning === undefined ? {} : { planning }) }))
  return {
    findings: [...installed.findings, ...findings], rollouts: rollouts.length,
    well: [...installed.well, `rollouts: ${rollouts.length} ${name === undefined ? (namespace === undefined ? 'in all namespaces' : `in ${namespace}`) : ''}`.trim()],
    unread: [...installed.unread, ...unread.map(({ kind, failure }) => unreadOf(kind, failure))],
  }
}
/** Applications of Argo CD, which may hold the recipe already; undefined where there are none to read. */
async function argoApplications({ api }: Cluster): Promise<Applications> {
  const found = await served(api, 'argoproj.io', 'applications', ['v1alpha1'])
  if (!found.ok || found.value === undefined) return undefined
  const listed = await listAll(api, found.value, {})
  return listed.ok ? listed.value : undefined
}

export interface DiagnosisOptions {
  /** Width of the terminal; unset: 100. Lines to commit are never broken. */
  readonly columns?: number
  readonly color?: boolean
}
/** What was found, problems first, each with its lines; then what is well. */
export function renderDiagnosis({ findings, well, unread }: Diagnosis, options: DiagnosisOptions = {}): string[] {
  const c = createColors(options.color ?? false)
  const columns = Math.max(30, options.columns ?? 100)
  const one = (finding: Finding): string[] => [
    `${finding.severity === 'Problem' ? c.red('✘') : c.yellow('●')} ${c.bold(finding.object)}   ${finding.rule}`,
    ...wrapped('', clean(finding.what), 2, columns),
    ...wrapped('why', clean(finding.why), 7, columns, c.dim),
    ...finding.remedies.flatMap(({ where, lines }, index) => [...wrapped(index === 0 ? 'do' : '', `${clean(where)}${lines.length > 0 ? ':' : ''}`, 7, columns, c.dim), ...lines.map(line => `         ${c.cyan(clean(line))}`)]),
    '',
  ]
  const problems = findings.filter(({ severity }) => severity === 'Problem')
  const notes = findings.filter(({ severity }) => severity === 'Note')
  const count = problems.length === 0 ? c.green('nothing found that needs anybody') : c.red(`${problems.length} finding${problems.length === 1 ? '' : 's'}`)
  return [
    ...[...problems, ...notes].flatMap(one),
    ...unlooked(unread).flatMap(text => wrapped('', clean(text), 2, columns).map((line, index) => (index === 0 ? `${c.yellow('?')}${line.slice(1)}` : line))),
    ...well.map(text => `${c.green('✔')} ${clean(text)}`),
    `${count}${notes.length === 0 ? '' : `, ${notes.length} to know of`}`,
  ]
}
/** One sentence for all that this person may not read, one for each other failure. */
function unlooked(unread: Diagnosis['unread']): string[] {
  const forbidden = unread.filter(one => one.forbidden).map(({ what }) => what)
  const others = unread.filter(one => !one.forbidden).map(({ what, message }) => `not looked at: ${what}: ${message}`)
  return forbidden.length === 0 ? others : [`not looked at, since you may not read it: ${forbidden.join(', ')}`, ...others]
}
