/** What lint finds: each resource of Sluice by itself, and against the objects that are given beside it, by the code with which the controller looks at a cluster. Pure. */
import { readTemplate } from '../analysis/template.ts'
import { observe, type Observation } from '../controller/observe.ts'
import type { Position } from '../configuration/positions.ts'
import type { Kind, World } from '../controller/world.ts'
import { hostNeedsAllowance } from '../notify/address.ts'
import { defaults } from '../rollout/defaults.ts'
import { formatDuration } from '../rollout/duration.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { Plan, PlanSettings } from '../rollout/plan.ts'
import { validate } from '../rollout/validate.ts'
import type { Given } from './lint-files.ts'
import { nearest } from './nearest.ts'
import { isWatched, worldOf } from './world.ts'

export interface Finding extends Position {
  readonly file: string
  /** Error: it does not work. Warning: it works, and hardly as meant. Note: worth knowing. */
  readonly severity: 'Error' | 'Warning' | 'Note'
  /** One CamelCase word, as conditions have it. */
  readonly rule: string
  /** `Rollout shop/checkout` */
  readonly object: string
  readonly message: string
}
export interface LintSettings extends PlanSettings {
  readonly clusterDomain: string
}
type Seen = Extract<Observation, { state: 'Seen' }>
/** One Rollout that can be planned. */
export interface Linted {
  readonly given: Given
  readonly plan: Plan
}

/** Everything there is to say about these objects, and the Rollouts that are valid. */
export function findings(all: readonly Given[], settings: LintSettings): { readonly findings: readonly Finding[]; readonly rollouts: readonly Linted[] } {
  const ours = all.filter(given => given.object.apiVersion.startsWith('sluice.dev/'))
  const found: Finding[] = [...repeated(ours)]
  const rollouts: Linted[] = []
  const usable = all.filter(given => isWatched(given.object) && isWhole(given, found))
  const worlds = worldsOf(usable)
  for (const given of ours) {
    const problems = shape(given)
    found.push(...problems)
    if (given.object.kind === 'MetricTemplate' && problems.length === 0) found.push(...fixedWindow(given))
    if (given.object.kind !== 'Rollout') continue
    const world = worlds(folder(given))
    const { namespace, name } = given.object.metadata
    const observation = observe(world, `${namespace}/${name}`, { templateNamespaces: ['*'], ...settings, propagationDelayMs: 0, identity: 'lint' }, new Map(), 0)
    if (observation.state !== 'Seen' || world.get('Rollout', namespace!, name) !== given.object) continue
    const beside = besides({ given, all, world, ...observation })
    // Of an invalid spec only that is judged which does not rest on what is wrong.
    if (problems.length > 0) found.push(...beside.filter(({ rule }) => ['WorkloadMissing', 'HPATargetsWorkload', 'ReplicasContested'].includes(rule)))
    else {
      rollouts.push({ given, plan: observation.plan })
      found.push(...steps(given, observation.plan), ...hooks(given, observation.plan, settings), ...beside)
    }
  }
  return { findings: found, rollouts }
}

/** What stands together: everything but folders in which an object of this one stands again, as those of another cluster or overlay do. */
function worldsOf(usable: readonly Given[]): (of: string) => World {
  const folders = new Map([...Map.groupBy(usable, folder)].map(([name, all]) => [name, { all, objects: new Set(all.map(({ object }) => called(object))) }]))
  const worlds = new Map<string, World>()
  return of => {
    const known = worlds.get(of)
    if (known) return known
    const own = folders.get(of)?.objects ?? new Set<string>()
    const others = [...folders].filter(([name, { objects }]) => name === of || ![...own].some(one => objects.has(one)))
    const world = worldOf(others.flatMap(([, { all }]) => all.map(({ object }) => object)))
    worlds.set(of, world)
    return world
  }
}
const folder = ({ file }: Given): string => (file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '.')

const called = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.namespace}/${metadata.name}`
function finding(given: Given, severity: Finding['severity'], rule: string, message: string, field = 'metadata.name', of?: 'Key'): Finding {
  return { file: given.file, ...given.at(field, of), severity, rule, object: called(given.object), message }
}

/** The schema's rules, and words that kubectl reads otherwise than this. */
function shape(given: Given): Finding[] {
  const problems = validate(given.object).map(({ field, message }) => finding(given, 'Error', 'InvalidSpec', message, field, message.includes(' is no field') ? 'Key' : undefined))
  const words = given.booleans.map(({ word, position }): Finding => ({
    ...finding(given, 'Error', 'ReadAsBoolean', `${word} is read by kubectl as ${/^(y|yes|on)$/i.test(word) ? 'true' : 'false'}: put it in quotes`), ...position,
  }))
  return [...problems, ...words]
}

/** A query that looks back a time of its own may see what was before the split. */
function fixedWindow(given: Given): Finding[] {
  const read = readTemplate(given.object.spec.query as string)
  if (!read.ok || read.template.windowed || !/\[\s*\d/.test(given.object.spec.query as string)) return []
  return [finding(given, 'Note', 'WindowFixed', 'spec.query: it looks back a fixed time, which may reach to before the split: write [{{window}}], which is the time since then', 'spec.query')]
}

function repeated(ours: readonly Given[]): Finding[] {
  const byName = Map.groupBy(ours.filter(({ object }) => typeof object.metadata.name === 'string'), given => `${folder(given)} ${called(given.object)}`)
  return [...byName.values()].flatMap(([first, ...others]) => others.map(given =>
    finding(given, 'Error', 'NameRepeated', `${called(given.object)} stands in ${first!.file} line ${first!.at('metadata.name').line} already: rename one, or remove it`)))
}

/** What is read of an object beside our own must be there; what is not is said, and the object left out. */
function isWhole(given: Given, found: Finding[]): boolean {
  const { kind, metadata, spec } = given.object
  if (typeof metadata.name !== 'string') return false
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
  if (kind !== 'Deployment' || (isObject(spec?.template?.spec) && Array.isArray(spec.template.spec.containers) && isObject(spec?.selector))) return true
  found.push(finding(given, 'Error', 'WorkloadIncomplete', `${called(given.object)} needs spec.selector and spec.template.spec.containers`))
  return false
}

function steps(given: Given, { steps, checks, noData, scrapeIntervalMs }: Plan): Finding[] {
  const least = defaults.holdScrapes * scrapeIntervalMs
  const short = checks.length === 0 ? [] : steps.filter(step => step.weight > 0 && step.holdMs < least).map(step => {
    const message = `spec.steps[${step.index}].hold: ${formatDuration(step.holdMs)} is shorter than five scrapes of ${formatDuration(scrapeIntervalMs)}, which its evidence needs: the step lasts ${formatDuration(least)} or more all the same`
    return finding(given, 'Warning', 'HoldTooShort', message, `spec.steps[${step.index}].hold`)
  })
  const none = checks.length > 0 ? [] : [finding(given, 'Note', 'NoChecks', 'spec.analysis is missing: releases rest on readiness, holds and approvals alone', 'spec')]
  const passes = noData.action === 'Pass' && checks.length > 0 ? [finding(given, 'Warning', 'NoDataPasses', `spec.analysis.noData: without requests a version passes after ${formatDuration(noData.deadlineMs)}, whatever it does to the first ones`, 'spec.analysis.noData')] : []
  return [...short, ...none, ...passes]
}

/** Whom the administrator must allow, and who cannot tell by whom it is called. */
function hooks(given: Given, plan: Plan, { clusterDomain }: LintSettings): Finding[] {
  return plan.hooks.flatMap(({ name, url, host, secretRef }, index) => {
    const parsed = URL.parse(url)
    const inside = parsed && hostNeedsAllowance(parsed, clusterDomain)
    const allow = inside ? [finding(given, 'Note', 'HookHostToAllow', `spec.hooks[${index}].url: ${host} ${inside.why}, so the controller must be started with ${inside.flag}`, `spec.hooks[${index}].url`)] : []
    const unsigned = secretRef ? [] : [finding(given, 'Note', 'HookUnsigned', `spec.hooks[${index}]: without secretRef ${name} cannot tell that it is Sluice who calls`, `spec.hooks[${index}].name`)]
    return [...allow, ...unsigned]
  })
}

interface Beside extends Seen {
  readonly given: Given
  readonly all: readonly Given[]
  readonly world: World
}
/** What the controller would say with these objects in its caches. Of a kind of which none is given, nothing is known to be missing. */
function besides(beside: Beside): Finding[] {
  const { given, seen, plan } = beside
  const some = (kind: Kind): boolean => beside.world.list(kind, undefined).length > 0
  const known: Readonly<Record<string, () => boolean>> = {
    ServiceMissing: () => seen.workload.state === 'Present',
    BackendMissing: () => some('Service'),
    SubsetMissing: () => some('DestinationRule'),
    BackendWithoutWorkload: () => some('Deployment'),
    MeshNotServed: () => false,
    TemplateMissing: () => some('MetricTemplate'),
    // Said of the template itself.
    TemplateInvalid: () => false,
  }
  const blockers = seen.blockers.filter(({ reason }) => known[reason]?.() ?? true).map(({ reason, message }) => at(beside, 'Error', reason, message))
  const routes = seen.routes.flatMap(({ key, state, managed, reason = 'RouteRefused', message = `${key} cannot be used` }) => {
    if (state === 'Present' || (state === 'Missing' && (managed || !some(key.split('/')[0] as Kind)))) return []
    return [at(beside, 'Error', reason, message, key)]
  })
  const remarks = seen.remarks.filter(({ reason }) => known[reason]?.() ?? true).map(({ type, message }) => at(beside, type === 'UnroutedCallersReachCanary' ? 'Note' : 'Warning', type, message))
  const dependencies = seen.dependencies.filter(({ state }) => state === 'Missing' && beside.world.list('Rollout', given.object.metadata.namespace).length > 1)
    .map(({ name, message }) => finding(given, 'Warning', 'DependencyMissing', message, `spec.dependsOn[${plan.dependsOn.indexOf(name)}].name`))
  return once([...workload(beside), ...blockers, ...routes, ...remarks, ...dependencies, ...replicas(beside), ...secrets(beside)])
}
const givenOf = (all: readonly Given[], object: KubeObject | undefined): Given | undefined => object && all.find(given => given.object === object)
function once(all: readonly Finding[]): Finding[] {
  return all.filter((one, index) => all.findIndex(other => other.rule === one.rule && other.message === one.message) === index)
}

/** Where somebody would mend it: in the object that is meant where it is given, else in the field of the Rollout that leads there. */
function at({ given, all, plan, world }: Beside, severity: Finding['severity'], rule: string, message: string, key?: string): Finding {
  const field = fields[rule] ?? (key === undefined ? 'metadata.name' : 'spec.traffic')
  if (rule === 'HPATargetsWorkload') {
    const scalers = [...world.list('HorizontalPodAutoscaler', given.object.metadata.namespace), ...world.list('ScaledObject', given.object.metadata.namespace)]
    const scaler = givenOf(all, scalers.find(({ spec }) => spec?.scaleTargetRef?.name === plan.workload && (spec.scaleTargetRef.kind ?? 'Deployment') === 'Deployment'))
    if (scaler) return finding(scaler, severity, rule, message, 'spec.scaleTargetRef')
  }
  const [kind, namespace, name] = (key?.split('/') ?? []) as [Kind?, string?, string?]
  const route = rule === 'RouteNotFound' || kind === undefined ? undefined : givenOf(all, world.get(kind, namespace!, name!))
  return route ? finding(route, severity, rule, message, 'spec') : finding(given, severity, rule, message, field)
}
const fields: Readonly<Record<string, string>> = {
  ServiceMissing: 'spec.service', PortMissing: 'spec.service.port', NameTaken: 'spec.service.name', HostTaken: 'spec.traffic', TargetClaimed: 'spec',
  BackendMissing: 'spec.backends', SubsetMissing: 'spec.backends', BackendWithoutWorkload: 'spec.backends', SelectorNotPlain: 'spec.workloadRef',
  TemplateMissing: 'spec.analysis', TemplateArguments: 'spec.analysis', TemplateNotGranted: 'spec.analysis', TemplateNotAllowed: 'spec.analysis',
  SourceUnknown: 'spec.analysis.sourceRef', NotGranted: 'spec.traffic', WeightNotExpressible: 'spec.steps', CanaryOnlyRouteExposed: 'spec.traffic', UnroutedCallersReachCanary: 'spec.service',
  TrackedConfigUnused: 'spec.trackedConfig',
}

function workload({ given, seen, plan, world }: Beside): Finding[] {
  const { namespace } = given.object.metadata
  const names = world.list('Deployment', namespace).map(({ metadata }) => metadata.name)
  if (seen.workload.state !== 'Missing' || names.length === 0 || plan.workload === undefined) return []
  const field = plan.mode === 'Revisions' ? 'spec.workloadRef.name' : 'spec.backends.canary.workloadRef.name'
  const near = nearest(plan.workload, names)
  const remedy = near === undefined ? `there are ${names.slice(0, 5).join(', ')}` : `did you mean ${near}?`
  return [finding(given, 'Error', 'WorkloadMissing', `${field}: no Deployment ${plan.workload} of namespace ${namespace} is among the files: ${remedy}`, field)]
}

/** A tracked Secret is read and copied by Roles alone; one among the files is taken for bound. */
function secrets({ given, all, seen }: Beside): Finding[] {
  const { namespace } = given.object.metadata
  const rules: Record<string, string[] | undefined>[] = all.filter(({ object }) => object.kind === 'Role' && object.metadata.namespace === namespace).flatMap(({ object }) => (Array.isArray(object['rules']) ? object['rules'] : []))
  const grants = (verb: string, name?: string): boolean => rules.some(({ resources = [], verbs = [], resourceNames }) =>
    resources.includes('secrets') && verbs.includes(verb) && (name === undefined ? resourceNames === undefined : resourceNames?.includes(name) ?? false))
  return (seen.spec.trackedConfig ?? []).flatMap(({ kind, name }, index) => {
    if (kind !== 'Secret' || name === undefined || (grants('get', name) && grants('create'))) return []
    const message = `Secret ${name} is tracked, and no Role among the files lets the controller get it and create Secrets: docs/security.md has the commands, unless they were typed already`
    return [finding(given, 'Note', 'SecretNeedsRole', message, `spec.trackedConfig[${index}]`)]
  })
}

/** Counts in Git that something else keeps. */
function replicas({ given, all, plan, world }: Beside): Finding[] {
  if (plan.mode !== 'Revisions') return []
  const { namespace, name } = given.object.metadata
  const deployment = givenOf(all, world.get('Deployment', namespace!, plan.workload!))
  const count: unknown = deployment?.object.spec?.replicas
  const contested = deployment === undefined || count === undefined || count === 0 ? [] : [finding(deployment, 'Warning', 'ReplicasContested',
    `spec.replicas is in Git: each apply starts ${String(count)} pods that serve nobody, since versions of ${plan.workload} run as Deployments of their own; remove the line, and set spec.replicas of Rollout ${name} where no autoscaler scales it`, 'spec.replicas')]
  const scaler = [...world.list('HorizontalPodAutoscaler', namespace), ...world.list('ScaledObject', namespace)].find(({ spec }) => spec?.scaleTargetRef?.kind === 'Rollout' && spec.scaleTargetRef.name === name && String(spec.scaleTargetRef.apiVersion).startsWith('sluice.dev/'))
  const both = scaler === undefined || plan.replicas === undefined ? [] : [finding(given, 'Warning', 'ReplicasAutoscaled',
    `spec.replicas: ${scaler.kind} ${scaler.metadata.name} scales this Rollout, and each apply sets it back to ${plan.replicas}; remove the line`, 'spec.replicas')]
  return [...contested, ...both]
}
