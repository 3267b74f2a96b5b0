/** Manifests as lint reads them: files and directories, several documents each, every value with its line and column. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml'
import { firstLine, locate, offsetOf, type Position } from '../configuration/positions.ts'
import type { KubeObject } from '../rollout/objects.ts'
import { CliFailure } from './io.ts'

/** A Kubernetes object of a file. */
export interface Given {
  readonly file: string
  readonly object: KubeObject
  /** Where a field stands, as `spec.steps[1].weight`; of one that is absent, the deepest part of its path that is there. `of`: the name of the field in place of its value. */
  at(field: string, of?: 'Key'): Position
  /** Plain words that kubectl takes for true or false, since it reads YAML 1.1. */
  readonly booleans: readonly { readonly word: string; readonly position: Position }[]
}
/** Why a file, or a document of it, cannot be read. */
export interface Unreadable {
  readonly file: string
  readonly position: Position
  readonly message: string
}
export interface Files {
  readonly files: readonly string[]
  readonly given: readonly Given[]
  readonly unreadable: readonly Unreadable[]
  /** Files found in directories that are no YAML (templates of charts, say) and do not speak of sluice.dev. */
  readonly passedOver: readonly string[]
}

/** Reads files, directories with all below them, and standard input (`-`). `namespace` is that of objects which name none. Throws CliFailure (2) where a path cannot be read. */
export function readFiles(paths: readonly string[], namespace: string): Files {
  const found = paths.flatMap(path => (path === '-' ? [{ file: '-', named: true }] : below(path, true)))
  const given: Given[] = []
  const unreadable: Unreadable[] = []
  const passedOver: string[] = []
  for (const { file, named } of found) {
    const text = textOf(file)
    const read = parse(file, text, namespace)
    if (read.unreadable.length > 0 && !named && !text.includes('sluice.dev/')) passedOver.push(file)
    else unreadable.push(...read.unreadable)
    given.push(...read.given)
  }
  return { files: found.map(({ file }) => file), given, unreadable, passedOver }
}

interface Found {
  readonly file: string
  /** By the person, and not found in a directory. */
  readonly named: boolean
}
function below(path: string, named: boolean): Found[] {
  try {
    if (!statSync(path).isDirectory()) return named || /\.(ya?ml|json)$/.test(path) ? [{ file: path, named }] : []
    const inside = readdirSync(path).filter(name => !name.startsWith('.') && name !== 'node_modules').toSorted()
    return inside.flatMap(name => below(join(path, name), false))
  } catch (error) {
    throw unreadablePath(path, error)
  }
}
function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw unreadablePath(file, error)
  }
}
function unreadablePath(path: string, error: unknown): CliFailure {
  const { code } = error as { code?: string }
  return new CliFailure(`${path}: ${code === 'ENOENT' ? 'no such file or directory' : code === 'EACCES' ? 'may not be read' : `cannot be read (${code ?? String(error)})`}`, 2)
}

function parse(file: string, text: string, namespace: string): Pick<Files, 'given' | 'unreadable'> {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, merge: true })
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const given: Given[] = []
  const unreadable: Unreadable[] = []
  for (const document of Array.isArray(documents) ? documents : []) {
    const [broken] = document.errors
    if (broken) {
      // Those that follow are mostly of its making.
      unreadable.push({ file, position: place(broken.pos[0]), message: firstLine(broken.message) })
      continue
    }
    try {
      given.push(...objectsOf(file, document, namespace, place))
    } catch (error) {
      unreadable.push({ file, position: place(document.range[0]), message: firstLine(error instanceof Error ? error.message : String(error)) })
    }
  }
  return { given, unreadable }
}

function objectsOf(file: string, document: Document.Parsed, namespace: string, place: (offset: number) => Position): Given[] {
  const whole: unknown = document.toJS({ maxAliasCount: 100 })
  const list = (whole as { kind?: unknown; items?: unknown[] } | null)?.kind === 'List' ? (whole as { items?: unknown[] }).items : undefined
  const entries = Array.isArray(list) ? list.map((value, index) => ({ value, path: ['items', index] as const })) : [{ value: whole, path: [] }]
  return entries.flatMap(({ value, path }) => {
    if (!isObject(value)) return []
    const root = path.length === 0 ? document.contents : (document.getIn(path, true) as Node | undefined)
    const object = { ...value, metadata: { ...value.metadata, namespace: value.metadata.namespace ?? namespace, uid: `${file}:${place(offsetOf(root) ?? 0).line}` } }
    return [{ file, object, at: (field, of) => place(locate(root, field, of === 'Key') ?? 0), booleans: booleansOf(root, place) } satisfies Given]
  })
}
function isObject(value: unknown): value is KubeObject {
  const { apiVersion, kind, metadata } = (value ?? {}) as Record<string, any>
  return typeof apiVersion === 'string' && typeof kind === 'string' && typeof metadata === 'object' && metadata !== null
}

function booleansOf(root: Node | null | undefined, place: (offset: number) => Position): Given['booleans'] {
  const found: { word: string; position: Position }[] = []
  if (root) {
    visit(root, {
      Scalar: (_, { value, type, range }) => {
        if (type === 'PLAIN' && typeof value === 'string' && /^(y|n|yes|no|on|off)$/i.test(value)) found.push({ word: value, position: place(range?.[0] ?? 0) })
      },
    })
  }
  return found
}
