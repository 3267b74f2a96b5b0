/** Evaluates PromQL at one time, with Prometheus' own rules for staleness, look-back, extrapolation and matching. */
import { anchored, BadQuery, parse, type BinaryOp, type Expression, type Matcher, type Selector } from './promql-parser.ts'

export type Labels = Readonly<Record<string, string>>
/** A value that marks the end of a series: its target no longer exposes it. */
export const stale: unique symbol = Symbol('stale')
export interface Point {
  /** Unix ms. */
  readonly t: number
  readonly v: number | typeof stale
}
export interface StoredSeries {
  /** Including `__name__`. */
  readonly labels: Labels
  /** In order of time. */
  readonly points: readonly Point[]
}
export interface Element {
  readonly labels: Labels
  readonly value: number
}
export type Value = { readonly type: 'vector'; readonly elements: readonly Element[] } | { readonly type: 'scalar'; readonly value: number }

/** What parses and is typed, and still has no answer: HTTP 422 execution. */
export class ExecutionError extends Error {}

const lookbackMs = 300_000

export interface Storage {
  /** Series that match all matchers. */
  select(matchers: readonly Matcher[]): Iterable<StoredSeries>
}

/** The value of a query at a time in Unix ms. Throws BadQuery or ExecutionError. */
export function evaluate(query: string, at: number, storage: Storage): Value {
  const value = evaluated(parse(query), { at, storage })
  if (value.type === 'text') throw new BadQuery('the embedded Prometheus does not model queries that are a string')
  return value
}

interface Context {
  readonly at: number
  readonly storage: Storage
}
type Inner = Value | { readonly type: 'text'; readonly value: string }

function evaluated(expression: Expression, context: Context): Inner {
  switch (expression.kind) {
    case 'Number':
      return { type: 'scalar', value: expression.value }
    case 'Text':
      return { type: 'text', value: expression.value }
    case 'Selector':
      return vector(instant(expression, context))
    case 'Call':
      return vector(called(expression.name, expression.args, context))
    case 'Aggregate':
      return vector(aggregated(expression, vectorOf(expression.of, context, expression.name)))
    case 'Binary':
      return binary(expression.op, evaluated(expression.left, context), evaluated(expression.right, context))
    case 'Negation':
      return binary('*', { type: 'scalar', value: -1 }, evaluated(expression.of, context))
  }
}

const vector = (elements: readonly Element[]): Value => ({ type: 'vector', elements })

function vectorOf(expression: Expression, context: Context, wantedBy: string): readonly Element[] {
  const value = evaluated(expression, context)
  if (value.type !== 'vector') throw new BadQuery(`parse error: expected type instant vector in ${wantedBy}, got ${value.type}`)
  return value.elements
}

function instant({ matchers, rangeMs, offsetMs }: Selector, { at, storage }: Context): Element[] {
  if (rangeMs !== undefined) throw new BadQuery('parse error: a range vector is only modelled as an argument of a function')
  const time = at - offsetMs
  const elements: Element[] = []
  for (const { labels, points } of storage.select(matchers)) {
    const point = points.findLast(({ t }) => t <= time)
    if (point !== undefined && point.v !== stale && point.t > time - lookbackMs) elements.push({ labels, value: point.v })
  }
  return elements
}

interface Range {
  readonly fromMs: number
  readonly toMs: number
  readonly points: readonly { readonly t: number; readonly v: number }[]
}

const overTime: Readonly<Record<string, (range: Range) => number | undefined>> = {
  increase: (range) => extrapolated(range),
  rate: (range) => {
    const increase = extrapolated(range)
    return increase === undefined ? undefined : increase / ((range.toMs - range.fromMs) / 1000)
  },
  max_over_time: ({ points }) => Math.max(...points.map(({ v }) => v)),
  min_over_time: ({ points }) => Math.min(...points.map(({ v }) => v)),
  last_over_time: ({ points }) => points.at(-1)!.v,
  count_over_time: ({ points }) => points.length,
  sum_over_time: ({ points }) => points.reduce((sum, { v }) => sum + v, 0),
  resets: ({ points }) => points.filter(({ v }, index) => index > 0 && v < points[index - 1]!.v).length,
}

function called(name: string, args: readonly Expression[], context: Context): readonly Element[] {
  const fold = Object.hasOwn(overTime, name) ? overTime[name] : undefined
  if (fold !== undefined) {
    const [selector] = args
    if (args.length !== 1 || selector?.kind !== 'Selector' || selector.rangeMs === undefined)
      throw new BadQuery(`parse error: expected one argument of type range vector in call to ${name}`)
    return folded(selector, fold, context, name === 'last_over_time')
  }
  if (name === 'label_replace') return labelReplaced(args, context)
  throw new BadQuery(`the embedded Prometheus does not model the function ${name}`)
}

function folded(selector: Selector, fold: (range: Range) => number | undefined, { at, storage }: Context, keepName: boolean): readonly Element[] {
  const toMs = at - selector.offsetMs
  const fromMs = toMs - selector.rangeMs!
  const elements: Element[] = []
  for (const { labels, points } of storage.select(selector.matchers)) {
    const inside = points.flatMap(({ t, v }) => (t >= fromMs && t <= toMs && v !== stale ? [{ t, v }] : []))
    const value = inside.length === 0 ? undefined : fold({ fromMs, toMs, points: inside })
    if (value !== undefined) elements.push({ labels: keepName ? labels : nameless(labels), value })
  }
  return unique(elements)
}

/** As Prometheus' increase(): through resets, and extrapolated to the window's ends where samples come near them, but never below zero. */
function extrapolated({ fromMs, toMs, points }: Range): number | undefined {
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined || points.length < 2) return undefined
  let increase = last.v - first.v
  points.forEach(({ v }, index) => {
    const before = points[index - 1]
    if (before !== undefined && v < before.v) increase += before.v
  })
  const sampledMs = last.t - first.t
  const averageMs = sampledMs / (points.length - 1)
  const toZeroMs = increase > 0 && first.v >= 0 ? sampledMs * (first.v / increase) : Infinity
  const beforeMs = Math.min(first.t - fromMs, toZeroMs)
  const afterMs = toMs - last.t
  const near = (gapMs: number): number => (gapMs < averageMs * 1.1 ? gapMs : averageMs / 2)
  return (increase * (sampledMs + near(beforeMs) + near(afterMs))) / sampledMs
}

function labelReplaced(args: readonly Expression[], context: Context): readonly Element[] {
  const texts = args.slice(1).map((arg) => (arg.kind === 'Text' ? arg.value : undefined))
  const [target, replacement, source, pattern] = texts
  if (args.length !== 5 || target === undefined || replacement === undefined || source === undefined || pattern === undefined)
    throw new BadQuery('parse error: expected a vector and four strings in call to label_replace')
  if (!/^[a-z_][a-z0-9_]*$/i.test(target)) throw new ExecutionError(`invalid destination label name in label_replace(): ${target}`)
  const regex = anchored(pattern)
  return unique(
    vectorOf(args[0]!, context, 'call to label_replace').map(({ labels, value }) => {
      const match = regex.exec(labels[source] ?? '')
      if (match === null) return { labels, value }
      const text = replacement.replace(/\$(?:\{(\w+)\}|(\w+)|(\$))/g, (_all, braced?: string, plain?: string, dollar?: string) => {
        if (dollar !== undefined) return '$'
        const group = braced ?? plain ?? ''
        return (/^\d+$/.test(group) ? match[Number(group)] : match.groups?.[group]) ?? ''
      })
      const { [target]: _replaced, ...others } = labels
      return { labels: text === '' ? others : { ...others, [target]: text }, value }
    }),
  )
}

function aggregated({ name, grouping, labels: names }: Extract<Expression, { kind: 'Aggregate' }>, elements: readonly Element[]): readonly Element[] {
  const groups = new Map<string, { readonly labels: Labels; readonly values: number[] }>()
  for (const { labels, value } of elements) {
    const kept = Object.fromEntries(
      Object.entries(labels).filter(([label]) => (grouping === 'by' ? names.includes(label) : label !== '__name__' && !names.includes(label))),
    )
    const key = signature(kept)
    const group = groups.get(key) ?? { labels: kept, values: [] }
    group.values.push(value)
    groups.set(key, group)
  }
  const fold = {
    sum: (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0),
    count: (values: readonly number[]) => values.length,
    max: (values: readonly number[]) => Math.max(...values),
    min: (values: readonly number[]) => Math.min(...values),
  }[name]
  return [...groups.values()].map(({ labels, values }) => ({ labels, value: fold(values) }))
}

type Arithmetic = '+' | '-' | '*' | '/'
const arithmetic: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
}
const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
}

function binary(op: BinaryOp, left: Inner, right: Inner): Value {
  if (left.type === 'text' || right.type === 'text') throw new BadQuery('parse error: binary expression must contain only scalar and instant vector types')
  if (op === 'or' || op === 'and' || op === 'unless') {
    if (left.type === 'scalar' || right.type === 'scalar')
      throw new BadQuery(`parse error: set operator ${JSON.stringify(op)} not allowed in binary scalar expression`)
    return vector(setOperation(op, left.elements, right.elements))
  }
  const compare = comparisons[op]
  const compute = arithmetic[op as Arithmetic] as ((a: number, b: number) => number) | undefined
  if (left.type === 'scalar' && right.type === 'scalar') {
    if (compute === undefined)
      throw new BadQuery('parse error: comparisons between scalars must use BOOL modifier, which the embedded Prometheus does not model')
    return { type: 'scalar', value: compute(left.value, right.value) }
  }
  /** `shown` is the value that a comparison keeps. */
  const one = (labels: Labels, a: number, b: number, shown: number): Element[] =>
    compare === undefined ? [{ labels: nameless(labels), value: compute!(a, b) }] : compare(a, b) ? [{ labels, value: shown }] : []
  if (left.type === 'scalar' && right.type === 'vector')
    return vector(unique(right.elements.flatMap(({ labels, value }) => one(labels, left.value, value, value))))
  if (left.type === 'scalar') throw new BadQuery('parse error: two scalars')
  if (right.type === 'scalar') return vector(unique(left.elements.flatMap(({ labels, value }) => one(labels, value, right.value, value))))
  const others = bySignature(right.elements, 'right')
  bySignature(left.elements, 'left')
  return vector(
    left.elements.flatMap(({ labels, value }) => {
      const other = others.get(signature(nameless(labels)))
      return other === undefined ? [] : one(labels, value, other.value, value)
    }),
  )
}

function setOperation(op: 'or' | 'and' | 'unless', left: readonly Element[], right: readonly Element[]): readonly Element[] {
  const key = ({ labels }: Element): string => signature(nameless(labels))
  if (op === 'or') {
    const known = new Set(left.map(key))
    return [...left, ...right.filter((element) => !known.has(key(element)))]
  }
  const known = new Set(right.map(key))
  return left.filter((element) => known.has(key(element)) === (op === 'and'))
}

function bySignature(elements: readonly Element[], side: string): ReadonlyMap<string, Element> {
  const found = new Map(elements.map((element) => [signature(nameless(element.labels)), element]))
  if (found.size < elements.length) throw new ExecutionError(`found duplicate series for the match group on the ${side} hand-side of the operation`)
  return found
}

function unique(elements: readonly Element[]): readonly Element[] {
  if (new Set(elements.map(({ labels }) => signature(labels))).size < elements.length)
    throw new ExecutionError('vector cannot contain metrics with the same labelset')
  return elements
}

function nameless(labels: Labels): Labels {
  const { __name__: _name, ...others } = labels
  return others
}

/** One text for one set of labels, whatever their order. */
export function signature(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}
