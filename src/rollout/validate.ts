/** What is wrong with an object, each as field, value and remedy. The same rules as the API server's, and those that it cannot judge. */
import { z } from 'zod'
import type { SpecProblem } from './plan.ts'
import { objectName, shortObjectName } from './scalars.ts'
import { channelSpec, requestSpec, spec as rolloutSpec, templateSpec } from './schema.ts'
import { scaleProblem } from './spec-rules.ts'

const apiVersion = 'sluice.dev/v1alpha1'
const whole = (kind: string, name: z.ZodString, spec: z.ZodType) =>
  z.strictObject({ apiVersion: z.literal(apiVersion), kind: z.literal(kind), metadata: z.looseObject({ name }), spec, status: z.unknown().optional() })
const kinds: Readonly<Record<string, z.ZodType>> = {
  Rollout: whole('Rollout', shortObjectName, rolloutSpec),
  RolloutRequest: whole('RolloutRequest', objectName, requestSpec),
  NotificationChannel: whole('NotificationChannel', objectName, channelSpec),
  MetricTemplate: whole('MetricTemplate', objectName, templateSpec),
}
type Spec = z.infer<typeof rolloutSpec>

/** Everything wrong with a Rollout's `spec`, whatever its shape. Empty: `plan` succeeds. Rules between fields are judged once each field is right by itself. */
export function problemsOf(spec: unknown): SpecProblem[] {
  const problems = problemsIn(rolloutSpec, spec, ['spec'])
  return problems.length > 0 ? problems : scaleProblems(spec as Spec)
}

/** Everything wrong with a whole `Rollout`, `RolloutRequest`, `NotificationChannel` or `MetricTemplate`, as YAML or JSON has it: unknown kinds are a problem too. */
export function validate(object: unknown): SpecProblem[] {
  const kind = valueAt(object, ['kind'])
  const schema = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
  if (!schema) return [problem('kind', kind, `${shown(kind)} is no kind of ${apiVersion}: write one of ${Object.keys(kinds).join(', ')}`)]
  const problems = problemsIn(schema, object)
  if (problems.length > 0 || kind !== 'Rollout') return problems
  const { metadata, spec } = object as { metadata: { name: string }; spec: Spec }
  const itself = (spec.dependsOn ?? []).findIndex((other) => other.name === metadata.name)
  const { name } = metadata
  const circle = itself < 0 ? [] : [problem(`spec.dependsOn[${itself}].name`, name, `${shown(name)} is this Rollout: name another one, or remove it`)]
  return [...circle, ...scaleProblems(spec)]
}

function scaleProblems(spec: Spec): SpecProblem[] {
  return spec.steps.flatMap((step, index) => {
    const wrong = scaleProblem(step)
    return wrong === undefined ? [] : [problem(`spec.steps[${index}].scale`, step.scale, wrong)]
  })
}

type Path = readonly PropertyKey[]
/** Everything wrong with `value`, each as field, value and remedy; `at` is the path of the value itself. */
export function problemsIn(schema: z.ZodType, value: unknown, at: Path = []): SpecProblem[] {
  const parsed = schema.safeParse(value)
  if (parsed.success) return []
  const found = parsed.error.issues.flatMap((issue) => told(issue, valueAt(value, issue.path), [...at, ...issue.path], schema))
  // Two rules of one field often say the same.
  return found.filter((one, index) => found.findIndex((other) => other.field === one.field) === index)
}

function told(issue: z.core.$ZodIssue, value: unknown, path: Path, schema: z.ZodType): SpecProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = `known here: ${fieldsAt(schema, issue.path).join(', ') || 'none'}`
    return issue.keys.map((key) => problem(fieldName([...path, key]), valueAt(value, [key]), `is no field: remove it or correct its name, ${known}`))
  }
  return [problem(fieldName(path), value, value === undefined && issue.code !== 'custom' ? 'is missing: give it' : remedy(issue, value))]
}

function remedy(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'custom':
      return issue.message
    case 'invalid_type':
      return `${shown(value)} has the wrong type: write ${types[issue.expected] ?? issue.expected}`
    case 'invalid_union':
      return `${shown(value)} has the wrong type: write a number or a string`
    case 'invalid_value':
      return `${shown(value)} is not known: write ${issue.values.length === 1 ? '' : 'one of '}${issue.values.join(', ')}`
    case 'too_big':
      return `${shown(value)} is too ${unit(issue) ? 'long' : 'much'}: ${issue.inclusive ? 'at most' : 'write less than'} ${issue.maximum}${unit(issue)}`
    case 'too_small':
      return `${shown(value)} is too ${unit(issue) ? 'short' : 'little'}: ${issue.inclusive ? 'at least' : 'write more than'} ${issue.minimum}${unit(issue)}`
    default:
      return `${shown(value)} is not understood: ${issue.message}`
  }
}
const types: Readonly<Record<string, string>> = {
  string: 'a string', number: 'a number', int: 'a whole number', boolean: 'true or false', array: 'a list', object: 'an object',
}
const unit = ({ origin }: { origin: string }) => (origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '')

function problem(field: string, value: unknown, message: string): SpecProblem {
  return { field, value, message: `${field}: ${message}` }
}

/** `spec.steps[1].weight`. */
function fieldName(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`)).join('')
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined), value)
}

/** A value in a message: short, whatever somebody has put there. */
export function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

function fieldsAt(schema: z.ZodType, path: Path): string[] {
  const inner = path.reduce<z.ZodType>((outer, key) => {
    const bare = unwrapped(outer)
    if (bare instanceof z.ZodArray) return bare.element as z.ZodType
    return bare instanceof z.ZodObject ? (bare.shape[String(key)] as z.ZodType) : bare
  }, schema)
  const object = unwrapped(inner)
  return object instanceof z.ZodObject ? Object.keys(object.shape) : []
}
function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap() as z.ZodType) : schema
}
