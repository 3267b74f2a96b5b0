/** From the text of a configuration file to what it says, or everything that is wrong with it, each with its line. Pure. */
import { LineCounter, parseDocument } from 'yaml'
import type { SpecProblem } from '../rollout/plan.ts'
import { problemsIn, shown } from '../rollout/validate.ts'
import { firstLine, locate, type Position } from './positions.ts'
import { apiVersion, configuration, kind, type Configuration } from './schema.ts'

/** One thing that is wrong, and where. */
export interface ConfigurationProblem extends Position {
  readonly message: string
}
export type ReadConfiguration =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly problems: readonly ConfigurationProblem[] }

const longest = 1024 * 1024

/** Reads YAML or JSON. No message holds a value that could be a secret. */
export function readConfiguration(text: string): ReadConfiguration {
  if (text.length > longest) return wrong([{ line: 1, column: 1, message: `the file is longer than ${longest} characters: is it the right one?` }])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true })
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  if (document.errors.length > 0) return wrong(document.errors.map((error) => ({ ...at(error.pos[0]), message: firstLine(error.message) })))
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    return wrong([{ line: 1, column: 1, message: firstLine(error instanceof Error ? error.message : String(error)) }])
  }
  if (value === null) return wrong([{ line: 1, column: 1, message: `the file is empty: it begins with apiVersion: ${apiVersion} and kind: ${kind}` }])
  const problems = problemsIn(configuration, value)
  if (problems.length === 0) return { ok: true, configuration: value as Configuration }
  return wrong(problems.map((problem) => {
    const key = problem.message.includes(' is no field')
    return { ...at(locate(document.contents, problem.field, key) ?? 0), message: discreet(problem) }
  }))
}
const wrong = (problems: readonly ConfigurationProblem[]): ReadConfiguration => ({ ok: false, problems })

/** Without the value where somebody may have put a secret. */
function discreet({ field, value, message }: SpecProblem): string {
  return /\b(auth|headers|url)\b/.test(field) ? message.replace(`: ${shown(value)} `, ': this ') : message
}

/** `sluice.yaml:3:5: sources[0].url: …` */
export function told(path: string, { line, column, message }: ConfigurationProblem): string {
  return `${path}:${line}:${column}: ${message}`
}
