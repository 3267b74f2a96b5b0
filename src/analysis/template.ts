/**
 * PromQL with placeholders. A value can only come to stand where it cannot change the query: inside the double quotes of a label matcher, escaped as text or
 * as part of a regular expression, or, for the window, as a duration. Whatever else is asked for is refused when the template is read. Pure.
 */
import { podsPattern } from './series-application.ts'
import { quoted, regexEscaped } from './series.ts'

/** `Text`: a matcher of `=` or `!=`. `Regex`: of `=~` or `!~`. `Duration`: a length of time. */
type Place = 'Text' | 'Regex' | 'Duration'
type Part = string | { readonly name: string; readonly place: Place }
/** A template that was read and found safe. */
export interface QueryTemplate {
  readonly parts: readonly Part[]
  /** Names of the `{{args.…}}` in it. */
  readonly args: readonly string[]
  /** It says `{{window}}`. */
  readonly windowed: boolean
}
export type ReadTemplate = { readonly ok: true; readonly template: QueryTemplate } | { readonly ok: false; readonly problem: string }

/** What placeholders stand for. `Text` may stand in every matcher, several values and a `Pattern` only in a regular expression. */
export const placeholders = {
  namespace: 'namespace of the Deployments that are measured',
  rollout: 'name of the Rollout',
  revision: 'the Deployment of the version that is measured; with `backends`, of the canary; several only with `=~`',
  stable: 'the same of the version that it is measured against',
  pods: 'regular expression of the names of the pods of `revision`; only with `=~` and `!~`',
  stablePods: 'the same of `stable`',
  door: 'host of the Service through which the version that is measured gets its requests',
  window: 'since the split was seen and had time to propagate, at most an hour; only as a duration: `[{{window}}]`, `offset {{window}}`',
} as const
type Name = keyof typeof placeholders
const patterns: readonly string[] = ['pods', 'stablePods'] satisfies Name[]

export interface QueryValues {
  readonly namespace: string
  readonly rollout: string
  /** Names of Deployments. */
  readonly revision: readonly string[]
  readonly stable: readonly string[]
  /** Undefined where none is known. */
  readonly door: string | undefined
  readonly windowMs: number
  readonly args: Readonly<Record<string, string>>
}

class Refused extends Error {}
const placeholder = /\{\{\s*([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)?)\s*\}\}/y

/** Reads a template, or says what in it is not safe or not known. */
export function readTemplate(text: string): ReadTemplate {
  const reader = new Reader(text)
  try {
    reader.read()
  } catch (error) {
    if (error instanceof Refused) return { ok: false, problem: error.message }
    throw error
  }
  const named = reader.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.name]))
  const args = [...new Set(named.filter((name) => name.startsWith('args.')).map((name) => name.slice('args.'.length)))]
  return { ok: true, template: { parts: reader.parts, args, windowed: named.includes('window') } }
}

/** The query with its values, or why they cannot stand in it. */
export function filledQuery({ parts }: QueryTemplate, values: QueryValues): { readonly ok: true; readonly query: string } | { readonly ok: false; readonly reason: string } {
  const pieces: string[] = []
  for (const part of parts) {
    if (typeof part === 'string') {
      pieces.push(part)
      continue
    }
    const { name, place } = part
    if (place === 'Duration') {
      pieces.push(`${Math.max(1, Math.round(values.windowMs))}ms`)
      continue
    }
    const found = valuesOf(name, values)
    if (found.length === 0) return { ok: false, reason: `nothing is known that {{${name}}} of the query could stand for` }
    if (place === 'Text' && found.length > 1) return { ok: false, reason: `{{${name}}} of the query is ${found.length} Deployments: let the template match it with =~` }
    pieces.push(place === 'Text' ? inside(found[0]!) : inside(`(?:${found.map((value) => (patterns.includes(name) ? value : regexEscaped(value))).join('|')})`))
  }
  return { ok: true, query: pieces.join('') }
}

function valuesOf(name: string, { args, ...values }: QueryValues): readonly string[] {
  if (name.startsWith('args.')) {
    const key = name.slice('args.'.length)
    return Object.hasOwn(args, key) ? [args[key]!] : []
  }
  switch (name as Exclude<Name, 'window'>) {
    case 'namespace':
      return [values.namespace]
    case 'rollout':
      return [values.rollout]
    case 'revision':
      return values.revision
    case 'stable':
      return values.stable
    case 'pods':
      return values.revision.map(podsPattern)
    case 'stablePods':
      return values.stable.map(podsPattern)
    case 'door':
      return values.door === undefined ? [] : [values.door]
  }
}
/** As it stands between double quotes. */
const inside = (value: string): string => quoted(value).slice(1, -1)

/** Walks over a query as Prometheus' lexer does, as far as strings and comments go. */
class Reader {
  readonly parts: Part[] = []
  readonly #text: string
  #at = 0
  #from = 0
  /** The last characters before here that are neither space nor comment. */
  #before = ''

  constructor(text: string) {
    this.#text = text
  }

  read(): void {
    while (this.#at < this.#text.length) {
      const sign = this.#text[this.#at]!
      if (sign === '#') this.#at += /[\r\n]|$/.exec(this.#text.slice(this.#at))!.index
      else if (sign === '"') this.#quoted()
      else if (sign === "'" || sign === '`') this.#otherString(sign)
      else if (this.#text.startsWith('{{', this.#at)) this.#duration()
      else {
        if (sign.trim() !== '') this.#before = `${this.#before}${sign}`.slice(-8)
        else if (/\w$/.test(this.#before)) this.#before += ' '
        this.#at++
      }
    }
    this.#flush(this.#at)
  }

  #duration(): void {
    const { name, end } = this.#placeholder()
    if (name !== 'window') throw new Refused(`{{${name}}} stands outside of a string: write it between the double quotes of a label matcher, as namespace="{{namespace}}"`)
    if (!/([[:]|\boffset ?)$/.test(this.#before)) throw new Refused('{{window}} is a duration: write it as [{{window}}] or after offset')
    this.#put(name, 'Duration', end)
    this.#before = 'window'
  }

  #quoted(): void {
    const place = /[!=]~$/.test(this.#before) ? 'Regex' : /(^|[^=<>])=$/.test(this.#before) ? 'Text' : undefined
    // What stands before a placeholder in this string, as the regular expression has it.
    let before = ''
    let escapes = ''
    this.#at++
    for (;;) {
      const sign = this.#text[this.#at]
      if (sign === undefined || sign === '\n') throw new Refused('a string in double quotes does not end')
      if (sign === '"') break
      if (sign === '\\') {
        const escaped = this.#text[this.#at + 1] ?? ''
        if (!'\\"nrt'.includes(escaped)) escapes ||= `\\${escaped}`
        before += escaped
        this.#at += 2
      } else if (this.#text.startsWith('{{', this.#at)) {
        const { name, end } = this.#placeholder()
        if (name === 'window') throw new Refused('{{window}} is a duration and stands in a string: write it as [{{window}}] or after offset')
        if (place === undefined) throw new Refused(`{{${name}}} stands in a string that no label is compared with: write it in a matcher, as namespace="{{namespace}}"`)
        if (place === 'Text' && patterns.includes(name)) throw new Refused(`{{${name}}} is a regular expression: match it with =~`)
        if (place === 'Regex') wholeIn(before, name)
        if (escapes !== '') throw new Refused(`${escapes} stands before {{${name}}} in its string: only \\\\, \\", \\n, \\r and \\t are understood there`)
        this.#put(name, place, end)
        before += 'x'
      } else {
        before += sign
        this.#at++
      }
    }
    this.#at++
    this.#before = '"'
  }

  /** Prometheus' other strings: nothing can be put into them. */
  #otherString(quote: string): void {
    const from = this.#at++
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote) this.#at += quote === "'" && this.#text[this.#at] === '\\' ? 2 : 1
    if (this.#at >= this.#text.length) throw new Refused(`a string in ${quote} does not end`)
    this.#at++
    if (/\{\{\s*[A-Za-z]/.test(this.#text.slice(from, this.#at))) throw new Refused(`a placeholder stands in a string in ${quote}: write that string in double quotes`)
    this.#before = '"'
  }

  #placeholder(): { readonly name: string; readonly end: number } {
    placeholder.lastIndex = this.#at
    const name = placeholder.exec(this.#text)?.[1]
    const known = `known are ${Object.keys(placeholders).join(', ')} and args.<name>`
    if (name === undefined) throw new Refused(`${this.#text.slice(this.#at, this.#at + 30).split('\n')[0]} is no placeholder: write {{name}}; ${known}`)
    if (!Object.hasOwn(placeholders, name) && !name.startsWith('args.')) throw new Refused(`{{${name}}} is not known: ${known}`)
    return { name, end: placeholder.lastIndex }
  }
  #put(name: string, place: Place, end: number): void {
    this.#flush(this.#at)
    this.parts.push({ name, place })
    this.#at = end
    this.#from = end
  }
  #flush(to: number): void {
    if (to > this.#from) this.parts.push(this.#text.slice(this.#from, to))
    this.#from = to
  }
}

function endOf(text: string, sign: string, from: number): number {
  const end = text.indexOf(sign, from)
  return end < 0 ? text.length : end
}

/** A value is put in as a group of its own; there are places where that would not be one. */
function wholeIn(before: string, name: string): void {
  const refuse = (where: string): never => {
    throw new Refused(`{{${name}}} stands ${where} of a regular expression: let it stand for itself there`)
  }
  let inClass = false
  for (let at = 0; at < before.length; at++) {
    const sign = before[at]!
    if (sign === '\\') {
      if (at === before.length - 1) refuse('behind a backslash')
      if (before[at + 1] === 'Q') refuse('behind \\Q')
      at++
    } else if (inClass) {
      // POSIX names stand in brackets of their own.
      if (sign === '[' && before[at + 1] === ':') at = endOf(before, ':]', at) + 1
      else inClass = sign !== ']'
    } else if (sign === '[') {
      inClass = true
      if (before[at + 1] === '^') at++
      if (before[at + 1] === ']') at++
    }
  }
  if (inClass) refuse('in a class of characters')
  if (/\(\?[^:)>]*$/.test(before)) refuse('in the head of a group')
  if (/\{[^}]*$/.test(before.replaceAll(/\\./g, ''))) refuse('in a count of repetitions')
}
