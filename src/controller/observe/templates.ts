/** The MetricTemplates that `prometheus` checks name: found, valid, granted, and of a namespace whose templates the administrator honours. */
import { readTemplate } from '../../analysis/template.ts'
import { honoursTemplates } from '../../rollout/namespaces.ts'
import { digest, type Plan, type PlannedCheck } from '../../rollout/plan.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { TemplateSpec } from '../../rollout/schema.ts'
import type { Blocker, Seen, TemplateSeen } from '../../rollout/seen.ts'
import { validate } from '../../rollout/validate.ts'
import { allowFromAnnotation } from '../../revision/marks.ts'
import { granted } from './grant.ts'
import type { Scope } from './scope.ts'

type QueryMeasure = Extract<PlannedCheck['measure'], { kind: 'Query' }>

/** One for each check with a query of its own. */
export function templatesSeen(scope: Scope): readonly TemplateSeen[] {
  return scope.plan.checks.flatMap(({ name, measure }) => (measure.kind === 'Query' ? [{ check: name, ...templateSeen(scope, measure) }] : []))
}

/** The texts of templates are inputs of a journey as its checks are: an edit begins the evidence anew. */
export function withTemplates(plan: Plan, templates: readonly TemplateSeen[]): Plan {
  if (templates.length === 0) return plan
  const texts = templates.map((template) => (template.state === 'Ready' ? template.stamp : template.reason))
  return { ...plan, inputsHash: digest([plan.inputsHash, ...texts]) }
}

type Refused = Extract<TemplateSeen, { state: 'Refused' }>
function refusedOf(plan: Plan, templates: readonly TemplateSeen[], reports: boolean): readonly Refused[] {
  const reporting = new Set(plan.checks.filter(({ onFailure }) => onFailure === 'Report').map(({ name }) => name))
  return templates.flatMap((template) => (template.state === 'Refused' && reporting.has(template.check) === reports ? [template] : []))
}
const told = ({ check, message }: Refused): string => `check ${check}: ${message}`

/** Without its templates no version is given traffic: nobody would look at it. */
export function templateBlockers(plan: Plan, templates: readonly TemplateSeen[]): readonly Blocker[] {
  return refusedOf(plan, templates, false).map((refused) => ({ reason: refused.reason, message: told(refused), stops: 'Raise', stalled: true }))
}

/** A check that only reports stops nothing where it cannot be asked either. */
export function templateRemarks(plan: Plan, templates: readonly TemplateSeen[]): Seen['remarks'] {
  return refusedOf(plan, templates, true).map((refused) => ({ type: 'CheckNotAsked', reason: refused.reason, message: told(refused) }))
}

type Found = TemplateSeen extends infer One ? (One extends TemplateSeen ? Omit<One, 'check'> : never) : never
function templateSeen(scope: Scope, { ref, args }: QueryMeasure): Found {
  const { world } = scope
  const namespace = ref.namespace ?? scope.namespace
  const name = `${namespace}/${ref.name}`
  const refused = (reason: string, message: string): Found => ({ state: 'Refused', reason, message })
  if (world.state('MetricTemplate') === 'NotServed')
    return refused('TemplateMissing', 'the controller finds no metrictemplates.sluice.dev: apply crds/, and give it the right to list them')
  // Whether it exists is told to nobody who may not use it.
  if (!honoursTemplates(scope.settings.templateNamespaces, namespace))
    return refused('TemplateNotAllowed', `MetricTemplates of namespace ${namespace} are not honoured: ask the administrator for --allow-templates ${namespace}, or name a template of a namespace that is`)
  const object = world.get('MetricTemplate', namespace, ref.name)
  if (object === undefined) return refused('TemplateMissing', `there is no MetricTemplate ${name}: create it, or correct templateRef`)
  if (!granted(world, scope.namespace, object)) {
    const message = `MetricTemplate ${name} does not allow Rollouts of namespace ${scope.namespace}: annotate it with ${allowFromAnnotation}: ${scope.namespace}`
    return refused('TemplateNotGranted', message)
  }
  const read = readOnce(object)
  if (typeof read === 'string') return refused('TemplateInvalid', `MetricTemplate ${name}: ${read}`)
  const wrong = argumentsProblem(read.query.args, Object.keys(args), name)
  if (wrong) return refused('TemplateArguments', wrong)
  return { state: 'Ready', name, ...read }
}

type Read = Pick<Extract<TemplateSeen, { state: 'Ready' }>, 'query' | 'unit' | 'stamp'>
const reads = new WeakMap<KubeObject, Read | string>()
/** What a template says, or what is wrong with it. Objects of caches never change: each is read once, for all Rollouts that name it. */
function readOnce(object: KubeObject): Read | string {
  const known = reads.get(object)
  if (known !== undefined) return known
  const found = readObject(object)
  reads.set(object, found)
  return found
}
function readObject({ apiVersion, kind, metadata: { name, namespace }, spec }: KubeObject): Read | string {
  const [problem] = validate({ apiVersion, kind, metadata: { name }, spec })
  if (problem) return problem.message
  const { query, unit = '' } = spec as TemplateSpec
  const read = readTemplate(query)
  return read.ok ? { query: read.template, unit, stamp: digest([namespace, name, query, unit]) } : `spec.query: ${read.problem}`
}

function argumentsProblem(wanted: readonly string[], given: readonly string[], name: string): string | undefined {
  const missing = wanted.filter((one) => !given.includes(one))
  if (missing.length > 0) return `MetricTemplate ${name} needs ${missing.join(', ')}: give prometheus.args.${missing[0]}`
  const strange = given.filter((one) => !wanted.includes(one))
  if (strange.length === 0) return undefined
  return `MetricTemplate ${name} has no {{args.${strange[0]}}}: remove prometheus.args.${strange[0]}, it has ${wanted.length === 0 ? 'none' : wanted.join(', ')}`
}
