/** Rules that zod and the API server both enforce: each is written once as CEL and once as TypeScript, side by side, with one message. */
import { z } from 'zod'

export interface Rule<T> {
  /** Common Expression Language over `self`: becomes `x-kubernetes-validations`. Must stay within the cost budget of Kubernetes 1.30. */
  readonly cel: string
  /** What is wrong and what to write instead. With `quote` it continues the value: `"5 minutes" is no duration: …`. */
  readonly message: string
  /** The value is a short string and stands before the message. */
  readonly quote?: boolean
  readonly holds: (value: T) => boolean
}

/** The schema with these rules, for zod and for the CRD alike. Once per schema: a second call would replace the CEL of the first. */
export function ruled<S extends z.ZodType>(schema: S, ...rules: readonly Rule<z.output<S>>[]): S {
  const checked = schema.superRefine((value, context) => {
    for (const { holds, quote, message } of rules) {
      if (!holds(value)) context.addIssue({ code: 'custom', message: quote ? `${JSON.stringify(value)} ${message}` : message })
    }
  })
  return checked.meta({ 'x-kubernetes-validations': rules.map(kubernetes) }) as S
}

function kubernetes(rule: Rule<never>): Record<string, string> {
  const message = { rule: rule.cel, message: rule.message }
  return rule.quote ? { ...message, messageExpression: `'"' + self + ${celString(`" ${rule.message}`)}` } : message
}

/** A text as a CEL string literal. */
export function celString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** A string of at most `length` characters that matches `pattern`, which JavaScript and RE2 read alike. */
export function text(pattern: string, length: number, message: string, ...more: readonly Rule<string>[]): z.ZodString {
  const expression = new RegExp(pattern)
  return ruled(z.string().max(length), { cel: `self.matches(${celString(pattern)})`, message, quote: true, holds: (value) => expression.test(value) }, ...more)
}

/** An integer or a string, as weights and counts are: `x-kubernetes-int-or-string`. */
export function intOrString(message: string, holds: (value: number | string) => boolean, cel?: string): z.ZodUnion<readonly [z.ZodNumber, z.ZodString]> {
  const union = z.union([z.number(), z.string()])
  const checked = union.superRefine((value, context) => {
    if (!holds(value)) context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} ${message}` })
  })
  return checked.meta({ 'x-kubernetes-int-or-string': true, ...(cel && { 'x-kubernetes-validations': [{ rule: cel, message }] }) }) as typeof union
}

/** Exactly one of these keys, as unions are written in Kubernetes. `holds` and CEL from the same list. */
export function exactlyOne<T extends object>(keys: readonly (keyof T & string)[], message: string): Rule<T> {
  return {
    cel: `[${keys.map((key) => `has(self.${key})`).join(', ')}].filter(given, given).size() == 1`,
    message,
    holds: (value) => keys.filter((key) => value[key] !== undefined).length === 1,
  }
}

/** A list whose entries have a name of their own: `x-kubernetes-list-type: map`, so that the API server refuses duplicates and merges entry by entry. */
export function named<T extends { name: string }>(entry: z.ZodType<T, T>, most: number): z.ZodArray<z.ZodType<T, T>> {
  const list = z.array(entry).min(1).max(most)
  const checked = list.superRefine((entries, context) => {
    entries.forEach(({ name }, index) => {
      if (entries.findIndex((other) => other.name === name) === index) return
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `${JSON.stringify(name)} is there already: names are unique, give another one` })
    })
  })
  return checked.meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
}
