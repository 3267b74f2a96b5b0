/** Configuration files as they stand in Git: by themselves, or in a ConfigMap. Pure. */
import { isMap, isPair, isScalar, LineCounter, parseAllDocuments, type Document, type Scalar } from 'yaml'
import type { Position } from './positions.ts'
import { readConfiguration, type ReadConfiguration } from './read.ts'

/** What a text holds: one configuration, or each one in the `data` of ConfigMaps. Undefined: a ConfigMap without any. */
export function configurationsIn(text: string): ReadConfiguration | undefined {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true })
  const maps = Array.isArray(documents) ? documents.filter((document) => document.errors.length === 0 && kindOf(document) === 'ConfigMap') : []
  if (maps.length === 0) return readConfiguration(text)
  const found = maps.flatMap((document) => entriesOf(document)).filter(({ value }) => /^kind:\s*["']?Configuration\b/m.test(String(value)))
  if (found.length === 0) return undefined
  const read = found.map((scalar) => ({ scalar, read: readConfiguration(String(scalar.value)) }))
  const problems = read.flatMap(({ scalar, read: one }) => (one.ok ? [] : one.problems.map((problem) => ({ ...problem, ...placed(scalar, problem, lines, text) }))))
  return problems.length > 0 ? { ok: false, problems } : read[0]!.read
}

const kindOf = (document: Document.Parsed): unknown => (isMap(document.contents) ? document.contents.get('kind') : undefined)
function entriesOf(document: Document.Parsed): readonly Scalar[] {
  const data: unknown = document.get('data')
  return isMap(data) ? data.items.flatMap((item) => (isPair(item) && isScalar(item.value) && typeof item.value.value === 'string' ? [item.value] : [])) : []
}
/** Of a block (`|`) the lines follow its head, and are indented alike; what is quoted has its place at its beginning. */
function placed(scalar: Scalar, { line, column }: Position, lines: LineCounter, text: string): Position {
  const [start = 0] = scalar.range ?? []
  const head = lines.linePos(start)
  if (scalar.type !== 'BLOCK_LITERAL') return { line: head.line, column: head.col }
  const indent = /^ */.exec(text.split('\n')[head.line] ?? '')?.[0].length ?? 0
  return { line: head.line + line, column: column + indent }
}
