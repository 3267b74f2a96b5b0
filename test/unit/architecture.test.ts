/** The rooms of the source tree and the direction of their imports, as docs/architecture.md describes them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

const root = resolve(import.meta.dirname, '../..')
const source = join(root, 'src')

/** Which rooms a room may import besides itself. A room that is not in this table is a mistake. */
const pure = ['rollout', 'analysis']
const shapes = ['traffic', 'revision', ...pure]
const adapters = ['kube', 'metrics', 'notify']
const below: Readonly<Record<string, readonly string[]>> = {
  analysis: [],
  rollout: ['analysis'],
  revision: pure,
  traffic: pure,
  telemetry: pure,
  kube: ['telemetry', ...shapes],
  metrics: ['telemetry', ...shapes],
  notify: ['telemetry', ...shapes],
  sandbox: ['telemetry', ...adapters, ...shapes],
  configuration: ['telemetry', ...adapters, ...shapes],
  controller: ['telemetry', ...adapters, ...shapes],
  server: ['controller', 'configuration', 'telemetry', ...adapters, ...shapes],
  cli: ['controller', 'configuration', 'telemetry', ...adapters, ...shapes],
}
/** The composition roots in src/ itself. */
const roots = ['main.ts', 'cli.ts', 'config.ts']
const mayImportSandbox = /^cli\/(demo|simulate)/
const pureRooms = ['rollout', 'analysis', 'traffic', 'revision']

interface Node {
  readonly type: string
  readonly [field: string]: any
}
interface SourceFile {
  /** Path under src/ with forward slashes. */
  readonly path: string
  readonly room: string
  readonly nodes: readonly Node[]
  /** Paths under src/ of what it imports, types included. */
  readonly imports: readonly string[]
}

const files: readonly SourceFile[] = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(path.replaceAll('\\', '/')))

function read(path: string): SourceFile {
  const nodes: Node[] = []
  walk(parseAst(readFileSync(join(source, path), 'utf8'), { lang: 'ts' }) as unknown as Node, nodes)
  const specifiers = nodes.flatMap((node) => (typeof node.source?.value === 'string' && /^(Import|Export)/.test(node.type) ? [node.source.value as string] : []))
  const imports = specifiers.filter((specifier) => specifier.startsWith('.')).map((specifier) => relative(source, resolve(dirname(join(source, path)), specifier)).replaceAll('\\', '/'))
  return { path, room: roomOf(path), nodes, imports }
}

function walk(node: Node, into: Node[]): void {
  into.push(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (child && typeof child === 'object' && typeof child.type === 'string') walk(child, into)
  }
}

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path
}

/** What in this tree asks for the time, the network, a timer, the process or a die. */
function impurities(nodes: readonly Node[]): string[] {
  const globals = ['fetch', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'process', 'performance', 'crypto', 'console', 'globalThis']
  const called = (node: Node, object: string, property: string) => node.type === 'MemberExpression' && node.object.name === object && node.property.name === property
  return nodes.flatMap((node) => {
    if (called(node, 'Date', 'now')) return ['Date.now']
    if (called(node, 'Math', 'random')) return ['Math.random']
    if (node.type === 'NewExpression' && node.callee.name === 'Date' && node.arguments.length === 0) return ['new Date()']
    if (node.type === 'CallExpression' && globals.includes(node.callee.name)) return [`${node.callee.name}()`]
    if (node.type === 'MemberExpression' && globals.includes(node.object.name)) return [`${node.object.name}.${node.property.name}`]
    if (node.type === 'ImportDeclaration' && /^(node:)?(fs|net|http|https|timers|child_process|process|worker_threads|dns|tls|os|perf_hooks)/.test(node.source.value)) return [`import ${node.source.value}`]
    return []
  })
}

describe('the rooms', () => {
  test('every file lies in a room of the table, or is a composition root', () => {
    expect(files.length).toBeGreaterThan(20)
    expect(files.filter(({ path, room }) => !(room in below) && !roots.includes(path)).map(({ path }) => path)).toEqual([])
  })

  test('imports go down only, and adapters never import each other', () => {
    const wrong = files.flatMap(({ path, room, imports }) =>
      imports.flatMap((target) => {
        const to = roomOf(target)
        if (target.startsWith('..') || to === room || roots.includes(path)) return []
        // Nobody imports a root: the table names none.
        if (to === 'sandbox' && mayImportSandbox.test(path)) return []
        return below[room]?.includes(to) ? [] : [`${path} imports ${target}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('only the demo and the simulation know the embedded cluster', () => {
    const wrong = files.filter(({ path, room, imports }) => room !== 'sandbox' && !mayImportSandbox.test(path) && imports.some((target) => roomOf(target) === 'sandbox'))
    expect(wrong.map(({ path }) => path)).toEqual([])
  })

  test('the pure rooms know no clock, network, timer, process or die', () => {
    const wrong = files.filter(({ room }) => pureRooms.includes(room)).flatMap(({ path, nodes }) => impurities(nodes).map((what) => `${path}: ${what}`))
    expect(wrong).toEqual([])
  })

  test('only main.ts, cli.ts and config.ts read the environment', () => {
    const reads = (nodes: readonly Node[]) => nodes.some((node) => node.type === 'MemberExpression' && node.object.name === 'process' && node.property.name === 'env')
    expect(files.filter(({ path, nodes }) => !roots.includes(path) && reads(nodes)).map(({ path }) => path)).toEqual([])
  })

  test('no file is named for being useful', () => {
    expect(files.filter(({ path }) => /(^|[/-])(utils?|helpers?|managers?|misc|common)\b/.test(path)).map(({ path }) => path)).toEqual([])
  })

  test('the checks find what they look for', () => {
    const found = (code: string) => impurities(walkAll(code))
    expect(found('Date.now(); new Date(); Math.random(); fetch("x"); setTimeout(f, 1); process.cwd(); new Date(0)')).toEqual([
      'Date.now', 'new Date()', 'Math.random', 'fetch()', 'setTimeout()', 'process.cwd',
    ])
    expect(found('// Date.now()\nconst text = "fetch()"; export const now = (at: number) => new Date(at)')).toEqual([])
  })
})

function walkAll(code: string): Node[] {
  const nodes: Node[] = []
  walk(parseAst(code, { lang: 'ts' }) as unknown as Node, nodes)
  return nodes
}

describe('the repository', () => {
  const listed = (() => {
    try {
      return execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n').filter(Boolean)
    } catch {
      return []
    }
  })()

  // Links may lead to directories, whose files are listed themselves.
  const regular = (path: string): boolean => existsSync(path) && statSync(path).isFile() && statSync(path).size < 2_000_000
  test.skipIf(listed.length === 0)('names no registry host and no path of one machine', () => {
    // Put together here, so that this file does not name them itself.
    const hosts = [['registry', 'npmjs', 'org'].join('\\.'), ['artif', 'actory'].join(''), ['registry', 'yarnpkg', 'com'].join('\\.')]
    const pattern = new RegExp(`${hosts.join('|')}|(?<![\\w.])/(work|root|Users)/[\\w.]`)
    const wrong = listed
      .filter((path) => regular(join(root, path)))
      .flatMap((path) => {
        const lines = readFileSync(join(root, path), 'utf8').split('\n')
        return lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : []))
      })
    expect(wrong).toEqual([])
  })
})
