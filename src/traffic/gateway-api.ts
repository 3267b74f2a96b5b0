/** Router for the Gateway API's HTTPRoute and GRPCRoute: the weights of two Services among the backendRefs of its rules. Pure. */
import type { KubeObject } from '../rollout/objects.ts'
import { listOf, same } from './json.ts'
import { nothingToShare, problem, type Cell, type Edit, type Place, type Problem } from './layout.ts'
import { routerOf } from './lens.ts'
import { matchLabel } from './match-label.ts'
import type { Arms, Destination, RouteReading, Router, Selector, SplitChange } from './router.ts'

/** HTTPRoute and GRPCRoute of any served version of gateway.networking.k8s.io. Labels of unnamed rules are their matches. */
export const gatewayAPI: Router = routerOf({ places, canaryOnly, redirects })

interface Rule {
  readonly index: number
  readonly rule: any
  readonly refs: readonly any[]
}
type Outcome = { readonly place: Place } | { readonly problem: Problem }

/** What the API allows for one backendRef. */
const greatest = 1_000_000

function rulesOf(object: KubeObject): readonly Rule[] {
  return listOf(object.spec?.rules).map((rule, index) => ({ index, rule, refs: listOf(rule?.backendRefs) }))
}
function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? 'default'
}
function called(object: KubeObject): string {
  return `${object.kind} ${namespaceOf(object)}/${object.metadata.name}`
}

/** Labels of the rules that a selector means, as claims compare them: those it names (an index becomes the label of its rule), else those with both arms. */
export function ruleLabels(object: KubeObject | undefined, arms: Arms | undefined, selector: Selector): readonly string[] {
  if (!object) return selector.routes ?? []
  const all = rulesOf(object)
  if (selector.routes) return selector.routes.map((name) => labelOf(selected(all, name)) ?? name)
  return arms ? leadingTo(all, arms, object).map(({ rule }) => matchLabel(rule, 'matches')) : []
}
function labelOf(rule: Rule | undefined): string | undefined {
  return rule && matchLabel(rule.rule, 'matches')
}

/** A rule by its name, else by its index written as a number: `"0"` is the first one. */
function selected(all: readonly Rule[], name: string): Rule | undefined {
  return all.find(({ rule }) => rule?.name === name) ?? (/^\d{1,2}$/.test(name) ? all[Number(name)] : undefined)
}

/** Where the weights of two arms are, by rule; the rule's index is the third part of each path, the backendRef's the fifth. */
export function places(object: KubeObject, arms: Arms, selector: Selector): { places: readonly Place[]; problems: readonly Problem[] } {
  const none = (reason: string, message: string): { places: []; problems: Problem[] } => ({ places: [], problems: [problem(reason, message)] })
  const subset = arms.stable.subset ?? arms.canary.subset
  if (subset) return none('SubsetsNotKnown', `backends name subset ${subset}, and ${called(object)} leads to Services only: give each backend a service`)
  if (arms.stable.host === arms.canary.host) return none('ArmsEqual', `stable and canary are both ${arms.stable.service}: name two Services`)
  const all = rulesOf(object)
  const { routes } = selector
  const missing = (routes ?? []).filter((name) => !selected(all, name)).map((name) => notFound(object, name, all))
  const chosen = routes
    ? [...new Set(routes.flatMap((name) => selected(all, name) ?? []))]
    : leadingTo(all, arms, object)
  const outcomes = chosen.map((rule) => placeOf(object, rule, arms))
  const lacking = chosen.length === 0 && missing.length === 0 ? [lacksDoors(object, all.findLast(({ refs }) => refs.length > 0), arms)] : []
  return {
    places: outcomes.flatMap((outcome) => ('place' in outcome ? [outcome.place] : [])),
    problems: [...missing, ...lacking, ...outcomes.flatMap((outcome) => ('problem' in outcome ? [outcome.problem] : []))],
  }
}

/** The rules in which both arms are backendRefs. */
function leadingTo(all: readonly Rule[], arms: Arms, object: KubeObject): readonly Rule[] {
  return all.filter(({ refs }) => [arms.stable, arms.canary].every((arm) => indexes(refs, arm, object).length > 0))
}

/** Which backendRefs are this Service. Other kinds, and Services of other namespaces, are foreign. */
function indexes(refs: readonly any[], arm: Destination, object: KubeObject): readonly number[] {
  return refs.flatMap((ref, index) => (isArm(ref, arm, object) ? [index] : []))
}
function isArm(ref: any, arm: Destination, object: KubeObject): boolean {
  const core = (ref?.group ?? '') === '' && (ref?.kind ?? 'Service') === 'Service'
  return core && ref?.name === arm.service && (ref.namespace ?? namespaceOf(object)) === arm.namespace
}

function placeOf(object: KubeObject, rule: Rule, arms: Arms): Outcome {
  const [stable, canary] = [indexes(rule.refs, arms.stable, object), indexes(rule.refs, arms.canary, object)]
  if (stable.length === 0 || canary.length === 0) return { problem: lacksDoors(object, rule, arms) }
  const where = `rule ${quoted(rule)} of ${called(object)}`
  for (const [indices, arm] of [[stable, arms.stable], [canary, arms.canary]] as const) {
    const repeated = `${where} names Service ${arm.service} ${indices.length} times: keep one of them`
    if (indices.length > 1) return { problem: problem('DestinationRepeated', repeated) }
  }
  const cells: Cell[] = []
  for (const index of [stable[0]!, canary[0]!]) {
    const { weight } = rule.refs[index]
    if (weight !== undefined && (!Number.isSafeInteger(weight) || weight < 0 || weight > greatest)) {
      const invalid = `${where} has weight ${JSON.stringify(weight)} at backendRef ${index}: write an integer from 0 to ${greatest}`
      return { problem: problem('WeightInvalid', invalid) }
    }
    cells.push({ path: [...pathOf(rule), 'backendRefs', index, 'weight'], value: weight, units: weight ?? 1, written: (units) => units })
  }
  const place = { label: matchLabel(rule.rule, 'matches'), identity: identityOf(rule, [stable[0]!, canary[0]!]), stable: cells[0]!, canary: cells[1]! }
  const total = place.stable.units + place.canary.units
  if (total === 0) return { problem: nothingToShare(where, arms.stable.service, arms.canary.service) }
  if (total <= greatest) return { place }
  const remedy = `one of them must be able to carry it all and the API allows ${greatest}: write smaller weights of the same ratio`
  const both = `${arms.stable.service} and ${arms.canary.service}`
  return { problem: problem('WeightNotExpressible', `${where} gives weights of ${total} together to ${both}; ${remedy}`) }
}

function pathOf(rule: Rule): readonly (string | number)[] {
  return ['spec', 'rules', rule.index]
}
/** A name as it stands; without one the matches. Of the backendRefs everything that makes them these Services, filters and weights aside. */
function identityOf(rule: Rule, refs: readonly number[]): Place['identity'] {
  const named = typeof rule.rule.name === 'string'
  return [
    { path: [...pathOf(rule), 'name'], value: rule.rule.name ?? null },
    ...(named ? [] : [{ path: [...pathOf(rule), 'matches'], value: rule.rule.matches ?? null }]),
    ...refs.flatMap((index) => ['group', 'kind', 'namespace', 'name', 'port'].map((field) => (
      { path: [...pathOf(rule), 'backendRefs', index, field], value: rule.refs[index][field] ?? null }
    ))),
  ]
}

function quoted(rule: Rule): string {
  return typeof rule.rule?.name === 'string' ? `"${rule.rule.name}"` : `#${rule.index} (${matchLabel(rule.rule, 'matches')})`
}
function notFound(object: KubeObject, name: string, all: readonly Rule[]): Problem {
  const names = all.flatMap(({ rule }) => (typeof rule?.name === 'string' ? [rule.name] : []))
  const known = `it has ${all.length} rules, ${names.length > 0 ? `of the names ${names.join(', ')}` : 'none of them named'}`
  const remedy = 'correct routeRefs[].rules (a name, or an index such as "0"), or leave it out to take every rule that names both sides'
  return problem('RouteNotFound', `${called(object)} has no rule "${name}" (${known}): ${remedy}`)
}

/** The problem of a rule without one of the arms, with the lines that mend it. */
function lacksDoors(object: KubeObject, rule: Rule | undefined, arms: Arms): Problem {
  const both = `${arms.stable.service} and ${arms.canary.service}`
  const port = rule?.refs[0]?.port ?? '<port of the Service>'
  const written = (arm: Destination, weight: number): string => {
    const namespace = arm.namespace === namespaceOf(object) ? '' : `, namespace: ${arm.namespace}`
    return `{name: ${arm.service}${namespace}, port: ${port}, weight: ${weight}}`
  }
  const lines = `backendRefs: [${written(arms.stable, 100)}, ${written(arms.canary, 0)}]`
  if (!rule) return problem('RouteLacksDoors', `${called(object)} has no rule that leads to ${both}: commit one with ${lines}`)
  const remedy = `commit, in place of the backendRef that leads to the workload, ${lines}`
  return problem('RouteLacksDoors', `rule ${quoted(rule)} of ${called(object)} does not lead to both ${both}: ${remedy}`)
}

interface CanaryOnly {
  readonly rule: Rule
  readonly name: string
  /** JSON of the backendRef that leads to the canary, also where the rule now leads to stable. */
  readonly original: string
  readonly redirected: boolean
}
/** Rules with the canary as their only backendRef, and those that lead to stable exactly as redirecting one of `originals` leaves it. */
function canaryOnlyRules(object: KubeObject, arms: Arms, selector: Selector, originals: Selector['originals'] = []): readonly CanaryOnly[] {
  const kept = [...originals]
  const all = rulesOf(object)
  const split = new Set((selector.routes ?? []).map((name) => selected(all, name)))
  const found: CanaryOnly[] = []
  for (const rule of all) {
    const [ref] = rule.refs
    if (rule.refs.length !== 1 || split.has(rule) || !ref || ref.weight === 0) continue
    const name = matchLabel(rule.rule, 'matches')
    if (isArm(ref, arms.canary, object)) {
      found.push({ rule, name, original: JSON.stringify(ref), redirected: false })
      continue
    }
    const at = kept.findIndex((entry) => entry.name === name && same(redirected(parsed(entry.original), arms, object), ref))
    if (at >= 0) found.push({ rule, name, original: kept.splice(at, 1)[0]!.original, redirected: true })
  }
  return found
}

function canaryOnly(object: KubeObject, arms: Arms, selector: Selector): RouteReading['canaryOnly'] {
  return canaryOnlyRules(object, arms, selector, selector.originals).map(({ name, original, redirected }) => ({ name, original, redirected }))
}

function redirects(object: KubeObject, arms: Arms, selector: Selector, change: NonNullable<SplitChange['canaryOnly']>): readonly Edit[] {
  const restore = 'restore' in change
  const rules = canaryOnlyRules(object, arms, selector, restore ? change.restore : []).filter(({ redirected }) => redirected === restore)
  return rules.map(({ rule, original }) => ({
    identity: identityOf(rule, []),
    path: [...pathOf(rule), 'backendRefs', 0],
    from: rule.refs[0],
    to: restore ? parsed(original) : redirected(parsed(original), arms, object),
  }))
}

/** The canary's backendRef led to stable: its port, weight and filters stay. */
function redirected(ref: any, arms: Arms, object: KubeObject): any {
  if (typeof ref?.name !== 'string') return undefined
  const { namespace: _, ...rest } = ref
  return { ...rest, name: arms.stable.service, ...(arms.stable.namespace === namespaceOf(object) ? {} : { namespace: arms.stable.namespace }) }
}
function parsed(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
