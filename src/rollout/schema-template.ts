/** MetricTemplate: a query of one's own; and `prometheus` of a check: which template, with which arguments, and what its value may be. */
import { z } from 'zod'
import { placeholders, readTemplate } from '../analysis/template.ts'
import { ruled, text, type Rule } from './rule.ts'
import { name, objectName } from './scalars.ts'

const list = Object.entries(placeholders).map(([word, meaning]) => `\`{{${word}}}\`: ${meaning}`).join('; ')
export const templateSpec = z.strictObject({
  // Placeholders are beyond CEL: the controller and `sluice lint` judge them.
  query: z.string().min(1).max(4096).superRefine((query, context) => {
    const read = readTemplate(query)
    if (!read.ok) context.addIssue({ code: 'custom', message: read.problem })
  }).describe(
    'PromQL that answers one number. Placeholders stand between the double quotes of a label matcher, where each value is escaped for `=` or `=~`. '
    + `${list}; \`{{args.<name>}}\`: what the check gives under that name.`,
  ),
  unit: z.string().min(1).max(16).optional().describe('What its number is in, shown behind values and bounds: `ms`, `%`, `jobs`. Default: nothing.'),
})
export type TemplateSpec = z.infer<typeof templateSpec>

/** `0.95`, `250`, `-3`. */
const number = text('^-?[0-9]{1,15}([.][0-9]{1,9})?$', 26, 'is no number: write digits without a unit, for example 0.95 or 250; the unit is that of the template')

interface Bounds { min?: string | undefined; max?: string | undefined }
const bounds: readonly Rule<Bounds>[] = [
  {
    cel: 'has(self.min) || has(self.max)',
    message: 'a value needs a bound: give min, max, or both',
    holds: ({ min, max }) => min !== undefined || max !== undefined,
  },
  {
    cel: '!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)',
    message: 'min is above max, so that no value would pass: exchange them',
    holds: ({ min, max }) => min === undefined || max === undefined || !(Number(min) > Number(max)),
  },
]
export const prometheusCheck = ruled(
  z.strictObject({
    templateRef: z.strictObject({
      name: objectName.describe('Name of the MetricTemplate.'),
      namespace: name.optional().describe(
        'Its namespace. Default: that of the Rollout. Another one must grant it, by the annotation `sluice.dev/allow-from: <namespace of the Rollout>` on the template.',
      ),
    }).describe('The query. Its namespace must be one whose templates the administrator honours (`--allow-templates`).'),
    args: z.record(z.string(), z.string().max(253)).refine((args) => Object.keys(args).length <= 16, 'too many arguments: give at most 16').meta({ maxProperties: 16 }).optional().describe(
      'Values of the `{{args.<name>}}` of the query, by name: all of them, and no others.',
    ),
    min: number.optional().describe('The value must be at least this.'),
    max: number.optional().describe('The value must be at most this.'),
  }),
  ...bounds,
)
export type PrometheusCheck = z.infer<typeof prometheusCheck>
