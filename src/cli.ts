/** The command line: verbs and flags. What a verb does is imported when it is asked for, so that --help is there at once. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { fileURLToPath } from 'node:url'
import packageJson from '../package.json' with { type: 'json' }
import type { Shell } from './cli/completion-scripts.ts'
import type { DoctorFlags } from './cli/doctor.ts'
import { CliFailure, exitCodes, type Io } from './cli/io.ts'
import type { LintFlags } from './cli/lint.ts'
import { controllerConfig, controllerDefaults, type ControllerFlags } from './config.ts'
import { parseDuration } from './rollout/duration.ts'
import type { RequestAction } from './rollout/schema.ts'

export interface Surroundings {
  readonly io: Io
  /** Names this process where --identity does not. */
  readonly identity: string
}

/** Runs one command and resolves to its exit code. Errors become one line on standard error. */
export async function run(argv: readonly string[], { io, identity }: Surroundings): Promise<number> {
  let code: number = exitCodes.done
  const program = build(io, identity, async work => void (code = await work()))
  try {
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(verbFirst(argv), { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode
    if (!(error instanceof CliFailure)) throw error
    io.stderr.write(`sluice: ${error.message}\n`)
    return error.exitCode
  }
}

/** Which cluster and namespace may stand before the verb too, as kubectl's users write it. */
function verbFirst(argv: readonly string[]): readonly string[] {
  let at = 0
  while (/^(-n|--namespace|--kubeconfig|--context)$/.test(argv[at] ?? '')) at += 2
  while (/^(-n|--namespace=|--kubeconfig=|--context=)./.test(argv[at] ?? '')) at += 1
  return at < argv.length ? [...argv.slice(at), ...argv.slice(0, at)] : argv
}

type Run = (work: () => Promise<number>) => Promise<void>

function build(io: Io, identity: string, doing: Run): Command {
  const program = new Command('sluice')
    .commandsGroup('Look:')
    .description('Progressive delivery for Kubernetes: a little traffic at a time, and back by itself when users are hurt.')
    .version(packageJson.version, '-V, --version')
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: text => io.stdout.write(text), writeErr: text => io.stderr.write(text.replace(/^error: /, 'sluice: ')), getOutHelpWidth: () => io.stdout.columns() ?? 100, getErrHelpWidth: () => io.stderr.columns() ?? 100, getOutHasColors: () => io.color, getErrHasColors: () => io.color })
  looking(program, io, doing)
  program.commandsGroup('Steer:')
  steering(program, io, doing)
  notifying(program, io, doing)
  program.commandsGroup('Run:')
  running(program, io, identity, doing)
  return program
}

/** The flags that every verb takes. */
function onCluster(command: Command): Command {
  return command
    .addOption(new Option('-n, --namespace <name>', "namespace of the rollout (default: the context's)"))
    .option('--kubeconfig <file>', 'kubeconfig to use (default: KUBECONFIG, then ~/.kube/config, then the service account)')
    .option('--context <name>', 'context of the kubeconfig (default: the current one)')
}

function looking(program: Command, io: Io, doing: Run): void {
  onCluster(program.command('get').description('show one rollout, or all of a namespace').argument('[rollout]', 'name of one; all of the namespace without it'))
    .option('-A, --all-namespaces', 'all rollouts of the cluster')
    .option('-w, --watch', 'go on showing; with a name until its journey ends')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['wide', 'json', 'yaml']))
    .action((name: string | undefined, flags: object) => doing(async () => (await import('./cli/get.ts')).get(name, flags, io)))
  onCluster(program.command('history').description('the last journeys: how they ended, why, and the requests that they cost').argument('[rollout]', 'name of one; all of the namespace without it'))
    .option('-A, --all-namespaces', 'all rollouts of the cluster')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['wide', 'json', 'yaml']))
    .action((name: string | undefined, flags: object) => doing(async () => (await import('./cli/history.ts')).history(name, flags, io)))
  onCluster(program.command('explain').description('why it did what it did: the last decisions, and what the next one rests on').argument('<rollout>'))
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['json', 'yaml']))
    .action((name: string, flags: object) => doing(async () => (await import('./cli/explain.ts')).explain(name, flags, io)))
  onCluster(program.command('wait').description('wait until what the Deployment says now is promoted; exit code 0 promoted, 2 rolled back, 3 waits for a person, 4 timed out').argument('<rollout>'))
    .option('-t, --timeout <duration>', 'how long to wait', duration, 30 * 60_000)
    .option('-q, --quiet', 'say nothing while waiting')
    .action((name: string, flags: { timeout: number }) => doing(async () => (await import('./cli/wait.ts')).wait(name, flags, io)))
  checking(program, io, doing)
  program.command('version').description('show the version').action(() => doing(async () => {
    io.stdout.write(`sluice ${packageJson.version} (Node ${process.versions.node})\n`)
    return exitCodes.done
  }))
}

/** What looks for mistakes, before and after they are applied. */
function checking(program: Command, io: Io, doing: Run): void {
  onCluster(program.command('doctor').description('what is wrong with the installation and its rollouts, and the lines to commit; exit code 0 nothing found, 1 findings').argument('[rollout]', 'name of one; all of the namespace without it'))
    .option('-A, --all-namespaces', 'all rollouts of the cluster')
    .option('--system-namespace <name>', 'namespace of the controller, where you may not look for it in all of them', 'sluice-system')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['json']))
    .action((name: string | undefined, flags: DoctorFlags) => doing(async () => (await import('./cli/doctor.ts')).doctor(name, flags, io)))
  usageIs2(program.command('lint').description('check manifests without a cluster, each by itself and against the others; exit code 0 clean, 1 problems, 2 usage'))
    .requiredOption('-f, --filename <path>', 'file, directory with all below it, or - for standard input; may be given again', (path: string, before: readonly string[] | undefined) => [...(before ?? []), path])
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('--traffic <rate>', 'requests that the service gets, as 20/s, 600/m or 50/h: says how long each step will take', traffic)
    .option('--config <file>', 'configuration file of the controller, or a ConfigMap that holds it: its sources, their scrape intervals, and its defaults')
    .addOption(scrapes('how often Prometheus scrapes the mesh; of the source default, where the configuration file has none'))
    .addOption(new Option('--propagation-delay <duration>', 'how long the mesh needs to spread a change to its proxies').argParser(anyDuration).default(parseDuration(controllerDefaults.propagationDelay), controllerDefaults.propagationDelay))
    .option('--cluster-domain <domain>', 'DNS domain of the cluster', controllerDefaults.clusterDomain)
    .option('--strict', 'warnings are problems too')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['json']))
    .action((flags: LintFlags) => doing(async () => (await import('./cli/lint.ts')).lint(flags, io)))
  const config = program.command('config').description('look at configuration files of the controller')
  usageIs2(config)
  usageIs2(config.command('check').description('check a configuration file without a cluster; exit code 0 right, 1 problems, 2 usage').argument('<file>', 'the file, a ConfigMap that holds it, or - for standard input'))
    .action((path: string) => doing(async () => (await import('./cli/config.ts')).check(path, io)))
  program.command('completion').description('the script that completes verbs, flags and the names of your rollouts when you press Tab; its first lines say how to install it')
    .addArgument(new Argument('<shell>', 'whose script').choices(['bash', 'zsh', 'fish']))
    .action((shell: Shell) => doing(async () => {
      io.stdout.write((await import('./cli/completion-scripts.ts')).completionScript(shell))
      return exitCodes.done
    }))
  program.command('complete', { hidden: true }).description('what may come next, for those scripts').argument('[words...]').option('--kubectl', 'in the form that kubectl asks of plugins')
    .action((words: string[], flags: object) => doing(async () => (await import('./cli/completion.ts')).complete(program, words.length === 0 ? [''] : words, flags, io)))
}
function scrapes(does: string): Option {
  return new Option('--scrape-interval <duration>', does).argParser(duration).default(parseDuration(controllerDefaults.scrapeInterval), controllerDefaults.scrapeInterval)
}
/** What was typed is wrong: 2, as 1 means that something was found. */
function usageIs2(command: Command): Command {
  return command.exitOverride(error => {
    throw error.exitCode === 0 ? error : new CommanderError(2, error.code, error.message)
  })
}

const verbs: readonly { readonly action: RequestAction; readonly does: string }[] = [
  { action: 'Promote', does: 'leave the present step now, in place of its hold, its approval and missing data; never in place of readiness or a failing check' },
  { action: 'Approve', does: 'give the approval that the present step waits for' },
  { action: 'Abort', does: 'take the new revision back at once' },
  { action: 'Retry', does: 'try a failed revision again' },
  { action: 'Pause', does: 'let no weight rise until it is resumed; checks and rollback go on' },
  { action: 'Resume', does: 'let a paused or held rollout go on' },
  { action: 'Rollback', does: 'go back to the revision before the last promotion' },
]
function steering(program: Command, io: Io, doing: Run): void {
  for (const { action, does } of verbs) {
    const command = onCluster(program.command(action.toLowerCase()).description(does).argument('<rollout>'))
    command.option('-r, --reason <text>', 'why, for the record and for those who are told')
    if (action === 'Promote') command.option('--full', 'pass over everything up to the promotion')
    command.action((name: string, flags: object) => doing(async () => (await import('./cli/request.ts')).request(action, name, flags, io)))
  }
}

function notifying(program: Command, io: Io, doing: Run): void {
  onCluster(program.command('notify').description('let the controller send a test message through a NotificationChannel, and say what came of it'))
    .addArgument(new Argument('<action>', 'what to do').choices(['test']))
    .argument('<channel>')
    .action((_action: string, channel: string, flags: object) => doing(async () => (await import('./cli/notify.ts')).test(channel, flags, io)))
}

function running(program: Command, io: Io, identity: string, doing: Run): void {
  const defaults = controllerDefaults
  touring(program, io, doing)
  program.command('controller').description('run the controller')
    .option('--kubeconfig <file>', 'kubeconfig to use (default: KUBECONFIG, then ~/.kube/config, then the service account)')
    .option('--context <name>', 'context of the kubeconfig (default: the current one)')
    .option('-n, --namespace <name>', 'look after this namespace only (default: all)')
    .option('--config <file>', 'configuration file: metric sources, allowed hosts, defaults of Rollouts; read again when it changes')
    .option('--prometheus <url>', 'the Prometheus that answers checks, such as http://prometheus.monitoring:9090: the metric source default')
    .option('--scrape-interval <duration>', `how often that Prometheus scrapes the mesh (default: "${defaults.scrapeInterval}")`)
    .option('--propagation-delay <duration>', 'how long the mesh needs to spread a change to its proxies', defaults.propagationDelay)
    .option('--cluster-domain <domain>', 'DNS domain of the cluster', defaults.clusterDomain)
    .option('--no-leader-elect', 'do not take the lease: only where no second instance can ever run')
    .option('--cluster-name <name>', 'what messages call this cluster (default: nothing)')
    .option('--allow-host <host[:port]>', 'a private, loopback or cluster host that messages may be sent to; may be given more than once', (host: string, before: readonly string[] = []) => [...before, host])
    .option('--allow-templates <namespace>', "a namespace whose MetricTemplates are honoured, * for all; may be given more than once (default: the controller's own)", (one: string, before: readonly string[] = []) => [...before, one])
    .option('--leader-election-namespace <name>', "namespace of the lease `sluice` (default: the pod's)")
    .option('--identity <name>', 'name of this instance in lease, status and events (default: host name and a random part)')
    .option('--health-port <port>', 'port of /healthz and /readyz; 0 for none', defaults.healthPort)
    .option('--metrics-port <port>', 'port of /metrics, for Prometheus; 0 for none', defaults.metricsPort)
    .option('--log-level <level>', 'debug, info, warn or error', defaults.logLevel)
    .action((flags: ControllerFlags) => doing(async () => {
      const checked = controllerConfig(flags, identity)
      if (!checked.ok) throw new CliFailure(checked.problems.join('\nsluice: '))
      const [{ runController }, { serveHealth }, { serveMetrics }] = await Promise.all([import('./cli/controller.ts'), import('./server/health.ts'), import('./server/metrics.ts')])
      return runController(checked.config, { serveHealth, serveMetrics }, io)
    }))
  program.command('generate', { hidden: true }).description('write crds/ and docs/api.md from the schema').action(() => doing(async () => {
    const { run: generate } = await import('./cli/generate.ts')
    for (const path of generate(root)) io.stdout.write(`${path}\n`)
    return exitCodes.done
  }))
}
function touring(program: Command, io: Io, doing: Run): void {
  usageIs2(program.command('demo')).description('releases in an embedded cluster, in simulated time: one goes well, one is taken back; exit code 0 where every outcome was the expected one')
    .option('--scenario <name>', 'healthy, errors, slow, crash, nodata or all (default: healthy, then errors)')
    .option('--speed <n>', 'simulated seconds per second, from 1 to 1000 (default: 60)')
    .option('--json', 'one object per journey on standard output and nothing else; its seconds are simulated')
    .option('--keep', 'the cluster stays until Ctrl-C, at speed 1 or the one given; says how to reach it')
    .option('--logs', "the controller's log lines on standard error")
    .showHelpAfterError('sluice: demo takes --scenario, --speed, --json, --keep and --logs; sluice demo --help says more')
    .action((flags: object) => doing(async () => (await import('./cli/demo.ts')).demo(flags, io)))
}
/** The directory of the project, in which crds/ and docs/ are. */
const root = fileURLToPath(new URL('..', import.meta.url))

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('Write a duration such as 90s, 30m or 1h30m.')
  return ms
}
function anyDuration(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new InvalidArgumentError('Write a duration such as 10s, 500ms or 0s.')
  return ms
}
/** Requests a second. */
function traffic(text: string): number {
  const [, count = '0', unit = 's'] = /^(\d+(?:\.\d+)?)\/(s|m|h)$/.exec(text) ?? []
  const perSecond = Number(count) / { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h']
  if (!(perSecond > 0)) throw new InvalidArgumentError('Write requests per second, minute or hour, such as 20/s, 600/m or 50/h.')
  return perSecond
}
