/** `sluice config check`: a configuration file before the controller reads it. Exit code 0 right, 1 problems, 2 usage. */
import { readFileSync } from 'node:fs'
import { effective, type Effective } from '../configuration/effective.ts'
import { configurationsIn } from '../configuration/manifest.ts'
import { told, type ReadConfiguration } from '../configuration/read.ts'
import type { Configuration } from '../configuration/schema.ts'
import { formatDuration } from '../rollout/duration.ts'
import { CliFailure, exitCodes, type Io } from './io.ts'

/** The configuration of a file or, for `-`, of standard input; a ConfigMap that holds one will do. Throws CliFailure (2) where there is none to read. */
export function configurationOf(path: string): ReadConfiguration {
  let text: string
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CliFailure(`${path}: ${code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a directory: name the file in it' : `cannot be read (${code ?? String(error)})`}`, 2)
  }
  const read = configurationsIn(text)
  if (read === undefined) throw new CliFailure(`${path}: the ConfigMap holds no configuration file: one has kind: Configuration in one of its data`, 2)
  return read
}
/** The same for commands to which a wrong one is of no use. Throws CliFailure (2) with every problem. */
export function rightConfigurationOf(path: string): Configuration {
  const read = configurationOf(path)
  if (!read.ok) throw new CliFailure(read.problems.map((problem) => told(path, problem)).join('\nsluice: '), 2)
  return read.configuration
}

/** Prints every problem, or what the file says. */
export function check(path: string, io: Io): number {
  const read = configurationOf(path)
  if (!read.ok) {
    for (const problem of read.problems) io.stdout.write(`${told(path, problem)}\n`)
    return exitCodes.failed
  }
  const merged = effective({ allowedHosts: [] }, read.configuration)
  if (!merged.ok) throw new Error(merged.problems.join('; '))
  for (const line of summary(merged.effective)) io.stdout.write(`${line}\n`)
  return exitCodes.done
}
function summary({ sources, allowedHosts, clusterName, defaults }: Effective): string[] {
  const of = sources.map(({ name, url, scrapeIntervalMs, auth, tls }) => {
    const proof = auth === undefined ? [] : [Object.keys(auth)[0] === 'basic' ? 'basic authentication' : Object.keys(auth)[0] === 'header' ? `header ${auth.header?.name}` : 'bearer token']
    const shown = [`every ${formatDuration(scrapeIntervalMs)}`, ...proof, ...(tls?.certFile === undefined ? [] : ['client certificate']), ...(tls?.insecureSkipVerify ? ['any certificate of it is taken'] : [])]
    return `source ${name}: ${url}, ${shown.join(', ')}`
  })
  return [
    ...(of.length === 0 ? ['no sources: the one of --prometheus, if any'] : of),
    ...(allowedHosts.length === 0 ? [] : [`allowed hosts: ${allowedHosts.join(', ')}`]),
    ...(clusterName === undefined ? [] : [`cluster: ${clusterName}`]),
    ...(defaults === undefined ? [] : [`defaults: ${leaves(defaults).join(', ')}`]),
  ]
}
/** `analysis.minRequests 100` */
function leaves(value: object, path = ''): string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const at = path === '' ? key : `${path}.${key}`
    return typeof inner === 'object' && inner !== null ? leaves(inner, at) : [`${at} ${String(inner)}`]
  })
}
