/** The reference page docs/api.md, generated from the schema's descriptions. */
import { definitions, group, version, type StructuralSchema } from './crd.ts'

/** Markdown: one section for each resource, one table for each object in it. */
export function reference(): string {
  const sections = definitions().map(({ kind, plural, shortNames, description, spec, status }) =>
    [
      `## ${kind}`,
      `${description} \`kubectl get ${plural}.${group}\`${shortNames ? `, short \`${shortNames.join('`, `')}\`` : ''}.`,
      ...objects('spec', spec),
      ...(status ? objects('status', status) : []),
    ].join('\n\n'),
  )
  return `${[intro, ...sections].join('\n\n')}\n`
}

const intro = `# The resources of \`${group}/${version}\`

<!-- Generated from src/rollout/schema.ts by \`npm run generate\`. Do not edit. -->

Durations are written as \`90s\`, \`5m\`, \`1h30m\`; percentages with their sign (\`99.5%\`), latencies with their unit (\`500ms\`); weights as \`25\`
or \`0.5%\`. A field that is not listed here is refused by \`kubectl apply\` (which validates strictly by default). Fields with \`*\` are required.
The rules under a table are enforced by the API server.`

/** The table of one object with its rules, and after it those of the objects inside. `around`: rules of the list that it is an entry of. */
export function objects(path: string, schema: StructuralSchema, around: readonly string[] = []): string[] {
  const fields = Object.entries<StructuralSchema>(schema.properties ?? {})
  if (fields.length === 0) return []
  const rows = fields.map(([name, field]) => `| \`${name}\`${schema.required?.includes(name) ? ' *' : ''} | ${type(field)} | ${cell(field)} |`)
  const rules = [...messages(schema, fields), ...around].map((message) => `- ${message.replaceAll('<', '\\<')}`)
  const inner = fields.flatMap(([name, field]) => {
    return field.type === 'array' ? objects(`${path}.${name}[]`, field.items, messages(field, [])) : objects(`${path}.${name}`, field)
  })
  const table = ['| field | type | meaning |', '| --- | --- | --- |', ...rows].join('\n')
  return [`### \`${path}\``, table, ...(rules.length > 0 ? [rules.join('\n')] : []), ...inner]
}

/** Rules between fields; what a single field must look like stands in its own row. */
function messages(schema: StructuralSchema, fields: readonly [string, StructuralSchema][]): string[] {
  const own = fields.map(([name]) => `.${name}`)
  const rules: readonly { readonly message: string; readonly fieldPath?: string }[] = schema['x-kubernetes-validations'] ?? []
  return rules.filter(({ fieldPath }) => !own.includes(fieldPath ?? '')).map(({ message }) => message)
}

function type(field: StructuralSchema): string {
  if (field['x-kubernetes-int-or-string']) return 'integer or string'
  if (field.enum) return field.enum.map((value: string) => `\`${value}\``).join(', ')
  if (field.type === 'array') return `list of ${field.items.type === 'object' ? 'objects' : `${type(field.items)}s`}`
  if (field.additionalProperties) return `map of ${type(field.additionalProperties)}s`
  return field.type
}

function cell(field: StructuralSchema): string {
  const limits = [range(field), field.maxItems !== undefined && `at most ${field.maxItems}`, field.maxProperties !== undefined && `at most ${field.maxProperties}`].filter(Boolean)
  const text = [field.description, limits.length > 0 && `(${limits.join(', ')})`].filter(Boolean).join(' ')
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: StructuralSchema): string | undefined {
  const least = minimum === undefined ? undefined : `${exclusiveMinimum ? 'above' : 'from'} ${minimum}`
  const most = maximum === undefined ? undefined : `${exclusiveMaximum ? 'below' : 'to'} ${maximum}`
  return [least, most].filter((part) => part !== undefined).join(' ') || undefined
}
