/** What is published of the configuration file: its reference page and a JSON schema for editors. */
import { z } from 'zod'
import { structural } from '../rollout/crd.ts'
import { objects } from '../rollout/reference.ts'
import { configuration } from './schema.ts'

/** docs/config-reference.md. */
export function configurationReference(): string {
  return `${[intro, ...objects('Configuration', structural(configuration))].join('\n\n')}\n`
}
const intro = `# The configuration file, field by field

<!-- Generated from src/configuration/schema.ts by \`npm run generate\`. Do not edit. -->

How it is used, mounted and changed stands in [configuration](config.md); a JSON schema for editors is [config.schema.json](config.schema.json). Durations are
written as \`500ms\`, \`15s\`, \`1h30m\`. Fields with \`*\` are required, unknown ones are refused.`

/** docs/config.schema.json: JSON Schema, draft 2020-12. */
export function configurationSchema(): string {
  const schema = z.toJSONSchema(configuration, { target: 'draft-2020-12', io: 'input', override: ({ jsonSchema }) => translated(jsonSchema as Record<string, unknown>) })
  return `${JSON.stringify({ title: 'Configuration of the Sluice controller', ...schema }, undefined, 2)}\n`
}

/** What the chart takes of it (`config` of its values), in one line: JSON Schema, draft 7, without descriptions. */
export function chartSchema(): string {
  const { sources, templateNamespaces, defaults } = configuration.shape
  const wanted = z.strictObject({ sources, templateNamespaces, defaults })
  const { $schema: _, ...schema } = z.toJSONSchema(wanted, {
    target: 'draft-7', io: 'input', override: ({ jsonSchema }) => {
      translated(jsonSchema as Record<string, unknown>)
      delete jsonSchema.description
    },
  })
  // A list of nothing is how values say that there are none.
  const { sources: list } = (schema.properties ?? {}) as Record<string, { minItems?: number }>
  delete list?.minItems
  return JSON.stringify(schema)
}

/** Rules that are written for the API server, as far as JSON Schema has words for them. */
function translated(schema: Record<string, unknown>): void {
  for (const { rule } of (schema['x-kubernetes-validations'] ?? []) as readonly { readonly rule: string }[]) {
    const pattern = /^self\.matches\('(.*)'\)$/.exec(rule)?.[1]
    if (pattern !== undefined && schema['pattern'] === undefined) schema['pattern'] = pattern.replaceAll('\\\'', '\'').replaceAll('\\\\', '\\')
    if (/^\[has\(.*size\(\) == 1$/.test(rule)) schema['oneOf'] = [...rule.matchAll(/has\(self\.(\w+)\)/g)].map(([, key]) => ({ required: [key] }))
  }
  for (const key of Object.keys(schema)) if (key.startsWith('x-kubernetes-')) delete schema[key]
}
