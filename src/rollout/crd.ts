/** The CustomResourceDefinitions, generated from the schema: structural, with CEL rules, printer columns and subresources. */
import { stringify } from 'yaml'
import { z } from 'zod'
import type { Rule } from './rule.ts'
import { channelSpec, channelStatus, requestSpec, requestStatus, spec, status, templateSpec } from './schema.ts'
import { immutable } from './spec-rules.ts'

export const group = 'sluice.dev'
export const version = 'v1alpha1'

/** A JSON schema as Kubernetes takes it. */
export type StructuralSchema = { readonly [key: string]: any }

interface Definition {
  readonly kind: string
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly description: string
  readonly spec: StructuralSchema
  /** Absent of a kind of which nobody says anything. */
  readonly status?: StructuralSchema
  readonly rules: readonly Pick<Rule<never>, 'cel' | 'message'>[]
  readonly columns: readonly { readonly name: string; readonly type: string; readonly jsonPath: string; readonly description?: string }[]
  readonly scale?: Readonly<Record<string, string>>
}

const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/** All resources, with their schemas as they stand in the CRDs. */
export function definitions(): Definition[] {
  const request = structural(requestSpec)
  return [
    {
      kind: 'Rollout',
      plural: 'rollouts',
      shortNames: ['slr'],
      description: 'Releases new versions of one service a little traffic at a time, and takes them back by itself when users are hurt.',
      spec: structural(spec),
      status: structural(status),
      rules: [
        { cel: 'size(self.metadata.name) <= 63', message: 'metadata.name is too long: at most 63 characters, for it becomes the value of a label' },
        {
          cel: '!has(self.spec.dependsOn) || !self.spec.dependsOn.exists(other, other.name == self.metadata.name)',
          message: 'spec.dependsOn names this Rollout: name another one, or remove it',
        },
      ],
      columns: [
        { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
        { name: 'Step', type: 'string', jsonPath: '.status.journey.step.of', description: 'Step of the journey.' },
        { name: 'Weight', type: 'number', jsonPath: '.status.journey.weight.seen', description: 'Percent of the canary, as read back from the mesh.' },
        { name: 'Stable', type: 'string', jsonPath: '.status.stable.revision' },
        { name: 'Canary', type: 'string', jsonPath: '.status.canary.revision' },
        { name: 'Message', type: 'string', jsonPath: '.status.message' },
        age,
      ],
      scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
    },
    {
      kind: 'RolloutRequest',
      plural: 'rolloutrequests',
      description: 'What a person asks of a Rollout, once: answered in its status, never changed, collected a day after its answer.',
      spec: { ...request, 'x-kubernetes-validations': [...request['x-kubernetes-validations'], immutable] },
      status: structural(requestStatus),
      rules: [],
      columns: [
        { name: 'Rollout', type: 'string', jsonPath: '.spec.rolloutName' },
        { name: 'Action', type: 'string', jsonPath: '.spec.action' },
        { name: 'Revision', type: 'string', jsonPath: '.spec.revision' },
        { name: 'By', type: 'string', jsonPath: '.spec.requestedBy' },
        { name: 'State', type: 'string', jsonPath: '.status.state' },
        { name: 'Message', type: 'string', jsonPath: '.status.message' },
        age,
      ],
    },
    {
      kind: 'NotificationChannel',
      plural: 'notificationchannels',
      description: 'Where Sluice sends messages about Rollouts of its namespace: Slack, or any receiver of signed webhooks.',
      spec: structural(channelSpec),
      status: structural(channelStatus),
      rules: [],
      columns: [
        { name: 'Test', type: 'string', jsonPath: '.status.test.state', description: 'The last test message.' },
        { name: 'Message', type: 'string', jsonPath: '.status.test.message' },
        age,
      ],
    },
    {
      kind: 'MetricTemplate',
      plural: 'metrictemplates',
      description: 'A query of your own that answers one number, for `prometheus` checks of Rollouts.',
      spec: structural(templateSpec),
      rules: [],
      columns: [{ name: 'Unit', type: 'string', jsonPath: '.spec.unit', description: 'What its number is in.' }, age],
    },
  ]
}

/** The files of `crds/`, each as `{file: 'rollouts.yaml', yaml}`. */
export function crds(): { readonly file: string; readonly yaml: string }[] {
  return definitions().map((definition) => {
    // YAML 1.1 is what kubectl reads: strings that it would take for something else are quoted.
    const yaml = stringify(crd(definition), { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })
    return { file: `${definition.plural}.yaml`, yaml: `# Generated from src/rollout/schema.ts by \`npm run generate\`. Do not edit.\n${yaml}` }
  })
}

function crd({ kind, plural, shortNames, description, columns, scale, ...schemas }: Definition): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), ...(shortNames && { shortNames }), categories: ['sluice'] },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: root(description, schemas) },
          ...(schemas.status && { subresources: { status: {}, ...(scale && { scale }) } }),
          additionalPrinterColumns: columns,
        },
      ],
    },
  }
}

function root(description: string, { spec, status, rules }: Pick<Definition, 'spec' | 'status' | 'rules'>): StructuralSchema {
  return {
    description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: `\`${group}/${version}\`.` },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { description: 'What is wanted.', ...spec },
      ...(status && { status: { description: "The controller's memory. Written by Sluice alone.", ...status } }),
    },
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules.map(({ cel, message }) => ({ rule: cel, message })) }),
  }
}

/** A zod schema as a structural schema. Throws on what Kubernetes could not take: a union that is no int-or-string. */
export function structural(schema: z.ZodType): StructuralSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' })
  return tidy(json)
}

const unbounded = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
function tidy(json: StructuralSchema): StructuralSchema {
  const { description, anyOf, oneOf, allOf, $ref, additionalProperties, propertyNames: _, type, properties, items, minimum, maximum, ...rest } = json
  const either = json['x-kubernetes-int-or-string'] ? [{ type: 'integer' }, { type: 'string' }] : undefined
  if (!either && (anyOf || oneOf || allOf || $ref)) throw new Error(`no structural schema: ${JSON.stringify(json).slice(0, 200)}`)
  return {
    ...(description && { description }),
    ...(either ? { anyOf: either } : { type }),
    ...(type === 'integer' && { format: 'int64' }),
    ...(minimum !== undefined && !unbounded.includes(minimum) && { minimum }),
    ...(maximum !== undefined && !unbounded.includes(maximum) && { maximum }),
    ...rest,
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, tidy(value as StructuralSchema)])) }),
    // A map; `false` stands for an object with nothing but its properties.
    ...(typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0 && { additionalProperties: tidy(additionalProperties) }),
    ...(items && { items: tidy(items) }),
    // Of an object with fields it only says that there are no others.
    ...(typeof additionalProperties === 'object' && !properties && { additionalProperties: tidy(additionalProperties) }),
  }
}
