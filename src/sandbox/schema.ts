/** Structural schemas of CRDs: defaults, pruning of unknown fields, and the validations that are no CEL rules, worded as the real server words them. */
import { isDeepStrictEqual } from 'node:util'
import type { Cause } from './status.ts'

type Schema = any

const isMap = (value: unknown): value is Record<string, any> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A copy without fields that the schema does not know; their paths go to `unknown`. Metadata, apiVersion and kind of the root stay. */
export function prune(value: any, schema: Schema, unknown: string[] = [], path = '', root = true): any {
  if (!schema || (schema['x-kubernetes-preserve-unknown-fields'] && !schema.properties)) return value
  if (Array.isArray(value)) return schema.items ? value.map((item, index) => prune(item, schema.items, unknown, `${path}[${index}]`, false)) : value
  if (!isMap(value)) return value
  const result: Record<string, any> = {}
  for (const [key, field] of Object.entries(value)) {
    const here = path ? `${path}.${key}` : key
    if (root && ['metadata', 'apiVersion', 'kind'].includes(key)) result[key] = field
    else if (schema.properties && key in schema.properties) result[key] = prune(field, schema.properties[key], unknown, here, false)
    else if (isMap(schema.additionalProperties)) result[key] = prune(field, schema.additionalProperties, unknown, here, false)
    else if (schema.additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields']) result[key] = field
    else if (!schema.type && !schema.properties) result[key] = field
    else unknown.push(here)
  }
  return result
}

/** A copy with the schema's defaults where a field is absent. */
export function withDefaults(value: any, schema: Schema): any {
  if (!schema) return value
  if (Array.isArray(value)) return schema.items ? value.map((item) => withDefaults(item, schema.items)) : value
  if (!isMap(value)) return value
  const result: Record<string, any> = { ...value }
  for (const [key, property] of Object.entries<Schema>(schema.properties ?? {})) {
    if (result[key] === undefined && property.default !== undefined) result[key] = structuredClone(property.default)
    if (result[key] !== undefined) result[key] = withDefaults(result[key], property)
  }
  if (isMap(schema.additionalProperties))
    for (const key of Object.keys(result)) if (!schema.properties?.[key]) result[key] = withDefaults(result[key], schema.additionalProperties)
  return result
}

const typeOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'array'
      : typeof value === 'number'
        ? Number.isInteger(value)
          ? 'integer'
          : 'number'
        : typeof value === 'boolean'
          ? 'boolean'
          : typeof value

/** Everything that is wrong with a value, in the order of the real server: by path, types first. */
export function validate(value: any, schema: Schema, path = ''): Cause[] {
  if (!schema || path === 'metadata') return []
  if (value === null && schema.nullable) return []
  const wrong = wrongType(value, schema, path)
  if (wrong) return schema.enum ? [wrong, ...enumeration(value, schema, path)] : [wrong]
  return [...children(value, schema, path), ...scalar(value, schema, path), ...enumeration(value, schema, path)]
}

function wrongType(value: any, schema: Schema, path: string): Cause | undefined {
  const actual = typeOf(value)
  const wanted: string | undefined = schema['x-kubernetes-int-or-string'] ? undefined : schema.type
  if (schema['x-kubernetes-int-or-string'] && actual !== 'integer' && actual !== 'string')
    return { reason: 'FieldValueTypeInvalid', message: `Invalid value: "${actual}": ${path} in body must be of type integer,string: "${actual}"`, field: path }
  if (!wanted || actual === wanted || (wanted === 'number' && actual === 'integer')) return undefined
  return { reason: 'FieldValueTypeInvalid', message: `Invalid value: "${actual}": ${path} in body must be of type ${wanted}: "${actual}"`, field: path }
}

function children(value: any, schema: Schema, path: string): Cause[] {
  if (Array.isArray(value)) {
    const causes = schema.items ? value.flatMap((item, index) => validate(item, schema.items, `${path}[${index}]`)) : []
    if (schema.maxItems !== undefined && value.length > schema.maxItems)
      causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${value.length}: must have at most ${schema.maxItems} items`, field: path })
    if (schema.minItems !== undefined && value.length < schema.minItems)
      causes.push(bound(path, value.length, `${path} in body should have at least ${schema.minItems} items`))
    return [...causes, ...duplicates(value, schema, path)]
  }
  if (!isMap(value)) return []
  const causes: Cause[] = []
  const below = (key: string): string => (path ? `${path}.${key}` : key)
  for (const key of schema.required ?? [])
    if (value[key] === undefined) causes.push({ reason: 'FieldValueRequired', message: 'Required value', field: below(key) })
  for (const key of Object.keys(value).sort()) {
    const property = schema.properties?.[key] ?? (isMap(schema.additionalProperties) ? schema.additionalProperties : undefined)
    if (property) causes.push(...validate(value[key], property, below(key)))
  }
  const count = Object.keys(value).length
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${schema.maxProperties} items`, field: path })
  if (schema.minProperties !== undefined && count < schema.minProperties)
    causes.push(bound(path, count, `${path} in body should have at least ${schema.minProperties} properties`))
  return causes
}

function duplicates(list: readonly any[], schema: Schema, path: string): Cause[] {
  const keys: readonly string[] | undefined = schema['x-kubernetes-list-type'] === 'map' ? schema['x-kubernetes-list-map-keys'] : undefined
  if (!keys && schema['x-kubernetes-list-type'] !== 'set') return []
  const identity = (item: any): any => (keys ? Object.fromEntries(keys.map((key) => [key, item?.[key]])) : item)
  return list.flatMap((item, index) => {
    const twice = list.findIndex((other) => isDeepStrictEqual(identity(other), identity(item))) < index
    return twice ? [{ reason: 'FieldValueDuplicate', message: `Duplicate value: ${JSON.stringify(identity(item))}`, field: `${path}[${index}]` }] : []
  })
}

const bound = (path: string, value: unknown, sentence: string): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value)}: ${sentence}`,
  field: path,
})

function scalar(value: any, schema: Schema, path: string): Cause[] {
  const causes: Cause[] = []
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && (schema.exclusiveMinimum ? value <= schema.minimum : value < schema.minimum))
      causes.push(bound(path, value, `${path} in body should be greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${schema.minimum}`))
    if (schema.maximum !== undefined && (schema.exclusiveMaximum ? value >= schema.maximum : value > schema.maximum))
      causes.push(bound(path, value, `${path} in body should be less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${schema.maximum}`))
  }
  if (typeof value === 'string') {
    // Counted in code points, as there.
    const length = Array.from(value).length
    if (schema.maxLength !== undefined && length > schema.maxLength)
      causes.push({ reason: 'FieldValueTooLong', message: `Too long: may not be more than ${schema.maxLength} bytes`, field: path })
    if (schema.minLength !== undefined && length < schema.minLength)
      causes.push(bound(path, value, `${path} in body should be at least ${schema.minLength} chars long`))
    if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value))
      causes.push(bound(path, value, `${path} in body should match '${schema.pattern}'`))
  }
  return causes
}

function enumeration(value: any, schema: Schema, path: string): Cause[] {
  if (!schema.enum || schema.enum.some((allowed: unknown) => isDeepStrictEqual(allowed, value))) return []
  const values = schema.enum.map((allowed: unknown) => JSON.stringify(allowed)).join(', ')
  return [{ reason: 'FieldValueNotSupported', message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`, field: path }]
}
