/** What may come next on a command line: verbs and flags from the commands themselves, names from the cluster. */
import type { Command, Option } from 'commander'
import { channels, connect, rollouts, type ClusterFlags } from './connect.ts'
import { exitCodes, type Io } from './io.ts'
import type { Resource } from '../rollout/objects.ts'

export interface Candidate {
  readonly value: string
  readonly description?: string
}
/** Candidates as they stand in the commands, or a kind of name that must be looked up. */
export type Next = readonly Candidate[] | 'Rollouts' | 'Channels' | 'Namespaces' | 'Contexts' | 'Files'
export interface CompleteFlags {
  /** In the form that kubectl asks of a plugin's completion: a last line with what the shell is to do. */
  readonly kubectl?: boolean
}
/** Nobody waits longer than this for names, in ms. */
const patience = 2_000

/** Prints what may take the place of the last word, one in a line with its description behind a tab; `:files` where paths are meant. Never fails: without a cluster there are no names. */
export async function complete(program: Command, words: readonly string[], flags: CompleteFlags, io: Io): Promise<number> {
  const next = nextOf(program, words)
  const { start } = cut(words.at(-1) ?? '')
  const known = typeof next === 'string' ? await lookUp(next, clusterOf(program, words)) : next
  const fitting = known.filter(({ value }) => value.startsWith(start.typed)).map(({ value, description }) => `${start.before}${value}${description === undefined ? '' : `\t${description}`}`)
  const files = next === 'Files'
  const lines = flags.kubectl === true ? [...fitting, files ? ':0' : ':4'] : files ? [':files'] : fitting
  if (lines.length > 0) io.stdout.write(`${lines.join('\n')}\n`)
  return exitCodes.done
}

/** `--output=js` is the start `js` of a value that stands behind `--output=`. */
function cut(word: string): { readonly option?: string; readonly start: { readonly before: string; readonly typed: string } } {
  const [, option, typed] = /^(--[^=]+)=(.*)$/.exec(word) ?? []
  return option === undefined ? { start: { before: '', typed: word } } : { option, start: { before: `${option}=`, typed: typed! } }
}

/** What may take the place of the last of these words, which may be empty. Pure. */
export function nextOf(program: Command, words: readonly string[]): Next {
  const { command, places, awaiting } = walk(program, words.slice(0, -1))
  const word = words.at(-1) ?? ''
  const { option } = cut(word)
  if (awaiting) return valuesOf(awaiting)
  if (option !== undefined) return valuesOf(command.options.find(one => one.long === option))
  if (word.startsWith('-')) return [...command.options, ...helpOf(command)].filter(one => !one.hidden && one.long != null).map(({ long, description }) => ({ value: long!, description }))
  const verbs = command.commands.filter(one => !isHidden(one))
  if (verbs.length > 0) return verbs.map(one => ({ value: one.name(), description: firstClause(one.description()) }))
  const argument = command.registeredArguments[places] ?? command.registeredArguments.find(one => one.variadic)
  return byArgument[argument?.name() ?? ''] ?? (argument?.argChoices ?? []).map(value => ({ value }))
}
const byArgument: Readonly<Record<string, Next>> = { rollout: 'Rollouts', channel: 'Channels', file: 'Files' }
const helpOf = (command: Command): Option[] => command.createHelp().visibleOptions(command).filter(one => one.long === '--help')
// commander keeps `hidden` to itself, and shows what is not.
const isHidden = (command: Command): boolean => command.parent !== null && !command.parent.createHelp().visibleCommands(command.parent).includes(command)
const firstClause = (text: string): string => text.split(/[;:]/)[0]!

interface Walked {
  readonly command: Command
  /** How many arguments of the command are there already. */
  readonly places: number
  /** The option whose value comes next. */
  readonly awaiting?: Option
}
function walk(program: Command, words: readonly string[]): Walked {
  let command = program
  let places = 0
  let awaiting: Option | undefined
  for (const word of words) {
    if (awaiting) {
      awaiting = undefined
      continue
    }
    if (word.startsWith('-')) {
      const option = command.options.find(one => one.short === word || one.long === word)
      awaiting = option?.required === true || option?.optional === true ? option : undefined
      continue
    }
    const verb = command.commands.find(one => one.name() === word)
    if (verb) command = verb
    else places++
  }
  return { command, places, ...(awaiting ? { awaiting } : {}) }
}
function valuesOf(option: Option | undefined): Next {
  switch (option?.long) {
    case '--namespace':
    case '--leader-election-namespace':
      return 'Namespaces'
    case '--context':
      return 'Contexts'
    case '--kubeconfig':
    case '--config':
    case '--filename':
      return 'Files'
    default:
      return (option?.argChoices ?? []).map(value => ({ value }))
  }
}

/** The cluster that the words before name. */
function clusterOf(program: Command, words: readonly string[]): ClusterFlags {
  const { command } = walk(program, words.slice(0, -1))
  const value = (long: string): string | undefined => {
    const option = command.options.find(one => one.long === long)
    const index = words.findLastIndex((word, at) => at < words.length - 1 && (word === option?.short || word === long || word.startsWith(`${long}=`)))
    const word = words[index]
    if (word === undefined) return undefined
    return word.startsWith(`${long}=`) ? word.slice(long.length + 1) : index + 1 < words.length - 1 ? words[index + 1] : undefined
  }
  const [namespace, kubeconfig, context] = [value('--namespace'), value('--kubeconfig'), value('--context')]
  return { ...(namespace === undefined ? {} : { namespace }), ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) }
}

const namespaces: Resource = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false }
const resources = { Rollouts: rollouts, Channels: channels, Namespaces: namespaces }
async function lookUp(what: Exclude<Next, readonly Candidate[]>, flags: ClusterFlags): Promise<readonly Candidate[]> {
  if (what === 'Files') return []
  try {
    if (what === 'Contexts') return await contexts(flags)
    const cluster = await connect(flags)
    try {
      const resource = resources[what]
      const found = await cluster.api.list(resource, { ...(resource.namespaced ? { namespace: cluster.namespace } : {}), limit: 500 }, { timeoutMs: patience })
      if (!found.ok) return []
      return found.value.items.map(({ metadata, status }) => ({ value: metadata.name, ...(what === 'Rollouts' ? { description: String(status?.phase ?? 'New') } : {}) }))
    } finally {
      await cluster.close()
    }
  } catch {
    // Somebody presses Tab: an error message would land in the middle of their line.
    return []
  }
}
async function contexts({ kubeconfig }: ClusterFlags): Promise<readonly Candidate[]> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(kubeconfig)
  return config.getContexts().map(({ name, cluster }) => ({ value: name, description: cluster }))
}
