/** PromQL as the embedded Prometheus understands it: what Sluice's queries use, and a refusal with a reason for everything else. */

export interface Matcher {
  readonly label: string
  readonly op: '=' | '!=' | '=~' | '!~'
  readonly value: string
  readonly matches: (value: string) => boolean
}
export interface Selector {
  readonly kind: 'Selector'
  readonly matchers: readonly Matcher[]
  /** Present: a range vector. */
  readonly rangeMs?: number
  readonly offsetMs: number
}
export type BinaryOp = 'or' | 'and' | 'unless' | '==' | '!=' | '>' | '<' | '>=' | '<=' | '+' | '-' | '*' | '/'
export type Expression =
  | Selector
  | { readonly kind: 'Number'; readonly value: number }
  | { readonly kind: 'Text'; readonly value: string }
  | { readonly kind: 'Call'; readonly name: string; readonly args: readonly Expression[] }
  | {
      readonly kind: 'Aggregate'
      readonly name: 'sum' | 'count' | 'max' | 'min'
      readonly grouping: 'by' | 'without'
      readonly labels: readonly string[]
      readonly of: Expression
    }
  | { readonly kind: 'Binary'; readonly op: BinaryOp; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'Negation'; readonly of: Expression }

/** What cannot be parsed or is not modelled: HTTP 400 bad_data. */
export class BadQuery extends Error {}

const blank = /(?:\s|#[^\n]*)*/y
const token = new RegExp(
  [
    /(?<text>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|`[^`]*`)/,
    /(?<duration>(?:\d+(?:ms|[smhdwy]))+)/,
    /(?<number>\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)/,
    /(?<word>[a-z_:][a-z0-9_:]*)/,
    /(?<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}[\],@])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'iy',
)

interface Token {
  readonly type: 'text' | 'duration' | 'number' | 'word' | 'sign' | 'end'
  readonly text: string
  readonly at: number
}

function tokens(query: string): Token[] {
  const found: Token[] = []
  let at = 0
  for (;;) {
    blank.lastIndex = at
    blank.exec(query)
    at = token.lastIndex = blank.lastIndex
    if (at === query.length) break
    const match = token.exec(query)
    if (match === null) throw new BadQuery(`parse error: unexpected ${JSON.stringify(query.slice(at, at + 20))} at position ${at + 1}`)
    const [type, text] = Object.entries(match.groups!).find(([, part]) => part !== undefined) as [Token['type'], string]
    found.push({ type, text, at })
    at = token.lastIndex
  }
  return [...found, { type: 'end', text: '', at: query.length }]
}

/** From weakest to strongest binding. */
const levels: readonly (readonly BinaryOp[])[] = [['or'], ['and', 'unless'], ['==', '!=', '>', '<', '>=', '<='], ['+', '-'], ['*', '/']]
const aggregations = ['sum', 'count', 'max', 'min'] as const
const unknownWords = new Set(['on', 'ignoring', 'group_left', 'group_right', 'bool', 'atan2'])

/** The query as a tree. Throws BadQuery. */
export function parse(query: string): Expression {
  const parser = new Parser(tokens(query))
  const expression = parser.binary(0)
  parser.end()
  return expression
}

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0
  constructor(list: readonly Token[]) {
    this.#tokens = list
  }

  binary(level: number): Expression {
    const ops = levels[level]
    if (ops === undefined) return this.#unary()
    let left = this.binary(level + 1)
    for (let op = this.#operator(ops); op !== undefined; op = this.#operator(ops)) {
      const modifier = this.#peek()
      if (modifier.type === 'word' && unknownWords.has(modifier.text.toLowerCase())) throw this.#unmodelled(modifier.text)
      left = { kind: 'Binary', op, left, right: this.binary(level + 1) }
    }
    return left
  }

  end(): void {
    const { type, text } = this.#peek()
    if (type === 'sign' && /[%^@]/.test(text)) throw this.#unmodelled(text)
    if (type !== 'end') throw this.#unexpected()
  }

  #operator(ops: readonly BinaryOp[]): BinaryOp | undefined {
    const { text, type } = this.#peek()
    const op = ops.find((one) => one === (type === 'word' ? text.toLowerCase() : text))
    if (op !== undefined && type !== 'text') this.#next++
    return type === 'text' ? undefined : op
  }

  #unary(): Expression {
    if (this.#take('-')) return { kind: 'Negation', of: this.#unary() }
    if (this.#take('+')) return this.#unary()
    return this.#postfix(this.#primary())
  }

  #primary(): Expression {
    const { type, text } = this.#peek()
    if (type === 'number') return (this.#next++, { kind: 'Number', value: Number(text) })
    if (type === 'text') return { kind: 'Text', value: this.#text() }
    if (this.#take('(')) {
      const inner = this.binary(0)
      this.#expect(')')
      return inner
    }
    if (text === '{') return { kind: 'Selector', matchers: this.#matchers(undefined), offsetMs: 0 }
    if (type !== 'word') throw this.#unexpected()
    this.#next++
    const lower = text.toLowerCase()
    if (lower === 'inf' || lower === 'nan') return { kind: 'Number', value: lower === 'inf' ? Infinity : NaN }
    const aggregation = aggregations.find((name) => name === lower)
    if (aggregation !== undefined && /^(\(|by|without)$/i.test(this.#peek().text)) return this.#aggregate(aggregation)
    if (this.#take('(')) return { kind: 'Call', name: text, args: this.#arguments() }
    return { kind: 'Selector', matchers: this.#matchers(text), offsetMs: 0 }
  }

  #postfix(expression: Expression): Expression {
    let result = expression
    for (;;) {
      if (this.#take('[')) {
        if (result.kind !== 'Selector' || result.rangeMs !== undefined) throw new BadQuery('parse error: a range is only modelled right after a selector')
        result = { ...result, rangeMs: this.#duration() }
        if (result.rangeMs === 0) throw new BadQuery('parse error: duration must be greater than 0')
        this.#expect(']')
      } else if (this.#peek().type === 'word' && this.#peek().text.toLowerCase() === 'offset') {
        this.#next++
        if (result.kind !== 'Selector') throw new BadQuery('parse error: offset is only modelled right after a selector')
        const back = this.#take('-') ? -1 : 1
        result = { ...result, offsetMs: back * this.#duration() }
      } else return result
    }
  }

  #aggregate(name: 'sum' | 'count' | 'max' | 'min'): Expression {
    let grouping = this.#grouping()
    this.#expect('(')
    const of = this.binary(0)
    this.#expect(')')
    grouping ??= this.#grouping()
    return { kind: 'Aggregate', name, grouping: grouping?.grouping ?? 'by', labels: grouping?.labels ?? [], of }
  }

  #grouping(): { grouping: 'by' | 'without'; labels: string[] } | undefined {
    const { type, text } = this.#peek()
    const grouping = text.toLowerCase()
    if (type !== 'word' || (grouping !== 'by' && grouping !== 'without')) return undefined
    this.#next++
    this.#expect('(')
    const labels: string[] = []
    while (!this.#take(')')) {
      labels.push(this.#word())
      if (!this.#take(',') && this.#peek().text !== ')') throw this.#unexpected()
    }
    return { grouping, labels }
  }

  #arguments(): Expression[] {
    const args: Expression[] = []
    while (!this.#take(')')) {
      args.push(this.binary(0))
      if (!this.#take(',') && this.#peek().text !== ')') throw this.#unexpected()
    }
    return args
  }

  #matchers(name: string | undefined): Matcher[] {
    const matchers = name === undefined ? [] : [matcher('__name__', '=', name)]
    if (this.#take('{')) {
      while (!this.#take('}')) {
        const label = this.#word()
        const op = this.#peek().text
        if (op !== '=' && op !== '!=' && op !== '=~' && op !== '!~') throw this.#unexpected()
        this.#next++
        matchers.push(matcher(label, op, this.#text()))
        if (!this.#take(',') && this.#peek().text !== '}') throw this.#unexpected()
      }
    }
    if (matchers.every(({ matches }) => matches(''))) throw new BadQuery('parse error: vector selector must contain at least one non-empty matcher')
    return matchers
  }

  #duration(): number {
    const { type, text } = this.#peek()
    if (type !== 'duration') throw this.#unexpected()
    this.#next++
    const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 }
    return [...text.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0)
  }

  #text(): string {
    const { type, text } = this.#peek()
    if (type !== 'text') throw this.#unexpected()
    this.#next++
    return text.startsWith('`') ? text.slice(1, -1) : unescaped(text.slice(1, -1))
  }

  #word(): string {
    const { type, text } = this.#peek()
    if (type !== 'word') throw this.#unexpected()
    this.#next++
    return text
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }
  #take(sign: string): boolean {
    const { type, text } = this.#peek()
    if (type !== 'sign' || text !== sign) return false
    this.#next++
    return true
  }
  #expect(sign: string): void {
    if (!this.#take(sign)) throw this.#unexpected()
  }
  #unexpected(): BadQuery {
    const { type, text, at } = this.#peek()
    return new BadQuery(`parse error: unexpected ${type === 'end' ? 'end of input' : JSON.stringify(text)} at position ${at + 1}`)
  }
  #unmodelled(what: string): BadQuery {
    return new BadQuery(`the embedded Prometheus does not model ${what}`)
  }
}

function matcher(label: string, op: Matcher['op'], value: string): Matcher {
  if (op === '=' || op === '!=') return { label, op, value, matches: (text) => (text === value) === (op === '=') }
  const regex = anchored(value)
  return { label, op, value, matches: (text) => regex.test(text) === (op === '=~') }
}

/** A regular expression that must match the whole text, as Prometheus' all do. Throws BadQuery. */
export function anchored(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`)
  } catch {
    throw new BadQuery(`parse error: ${JSON.stringify(pattern)} is no regular expression`)
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' }

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-f]{4}|x[0-9a-f]{2}|[^])/gi, (_all, escape: string) => {
    if (escape.length > 1) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    const plain = escapes[escape] ?? (/[\\"']/.test(escape) ? escape : undefined)
    if (plain === undefined) throw new BadQuery(`parse error: unknown escape sequence \\${escape}`)
    return plain
  })
}
