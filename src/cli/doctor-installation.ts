/** Whether Sluice itself is there and fits: CRDs, a controller that leads, the admission policy, versions. */
import packageJson from '../../package.json' with { type: 'json' }
import { requestPolicy } from '../controller/observe/requests.ts'
import type { Failure, KubeApi } from '../kube/api.ts'
import { leaseResource } from '../kube/lease.ts'
import { definitions, group, type StructuralSchema } from '../rollout/crd.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import { configuration } from './doctor-config.ts'
import { span } from './words.ts'
import type { Finding } from './doctor-finding.ts'
import { listAll, served } from './doctor-look.ts'

/** What could not be looked at. */
export interface Unread {
  readonly what: string
  /** This person may not; else `message` says what went wrong. */
  readonly forbidden: boolean
  readonly message: string
}
export interface Installation {
  readonly findings: readonly Finding[]
  /** What is well, for people: `controller: sluice-system/abc leads, renewed 1s ago`. */
  readonly well: readonly string[]
  readonly unread: readonly Unread[]
  /** What plans of the one controller that leads rest on; undefined: nobody knows, or there are several. */
  readonly settings?: PlanSettings
}
const nothing: Installation = { findings: [], well: [], unread: [] }
const crdResource: Resource = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions', kind: 'CustomResourceDefinition', namespaced: false }
const deployments: Resource = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespaced: true }
const policies: Resource = { group: 'admissionregistration.k8s.io', version: 'v1', plural: 'validatingadmissionpolicies', kind: 'ValidatingAdmissionPolicy', namespaced: false }
const bindings: Resource = { ...policies, plural: 'validatingadmissionpolicybindings', kind: 'ValidatingAdmissionPolicyBinding' }

/** Looks at everything that is installed once. `now` is Unix ms, used where the API server does not tell its time. `leaseNamespace`: where the lease is looked for if not everywhere. */
export async function installation(api: KubeApi, now: number, leaseNamespace: string): Promise<Installation> {
  const parts = await Promise.all([kubernetes(api), crds(api), controller(api, now, leaseNamespace), policy(api)])
  const { settings } = parts[2]
  return { ...(settings === undefined ? {} : { settings }), findings: parts.flatMap(part => part.findings), well: parts.flatMap(part => part.well), unread: parts.flatMap(part => part.unread) }
}
/** A failure as something that could not be looked at. */
export function unread(what: string, { reason, message }: Failure): Unread {
  return { what, forbidden: reason === 'Forbidden', message }
}
function problem(rule: string, object: string, what: string, why: string, where: string, lines: readonly string[] = []): Installation {
  return { ...nothing, findings: [{ severity: 'Problem', rule, object, what, why, remedies: [{ where, lines }] }] }
}

async function kubernetes(api: KubeApi): Promise<Installation> {
  const [found, versions] = await Promise.all([served(api, policies.group, policies.plural, ['v1']), api.groupVersions(policies.group)])
  if (!found.ok) return { ...nothing, unread: [unread('the version of Kubernetes', found)] }
  // A server without that group is none of Kubernetes, but an embedded one.
  if (found.value !== undefined || (versions.ok && versions.value.length === 0)) return nothing
  return problem('KubernetesTooOld', 'Kubernetes', 'it does not serve ValidatingAdmissionPolicy in v1', 'that came with 1.30, the oldest version that Sluice runs on', 'Upgrade the cluster to 1.30 or newer')
}

async function crds(api: KubeApi): Promise<Installation> {
  const each = await Promise.all(definitions().map(async wanted => {
    const name = `${wanted.plural}.${group}`
    const found = await api.get(crdResource, undefined, name)
    if (found.ok) return compared(name, wanted, found.value)
    const apply = (): Installation => problem('CrdMissing', `CustomResourceDefinition ${name}`, 'it is not installed', `without it there is no ${wanted.kind}`, 'Apply the CRDs of this version', ['kubectl apply -f crds/'])
    if (found.reason === 'NotFound') return apply()
    // Who may not read CRDs may still see what is served.
    const there = found.reason === 'Forbidden' ? await served(api, group, wanted.plural, ['v1alpha1']) : found
    if (there.ok && there.value === undefined) return apply()
    return { ...nothing, unread: [unread(`CustomResourceDefinition ${name}`, found)] }
  }))
  const found = each.flatMap(part => part.findings)
  const unseen = each.flatMap(part => part.unread)
  return { findings: found, unread: unseen, well: found.length + unseen.length === 0 ? [`CRDs: those of ${packageJson.version}`] : [] }
}
function compared(name: string, wanted: { readonly spec: StructuralSchema; readonly status?: StructuralSchema }, crd: KubeObject): Installation {
  const object = `CustomResourceDefinition ${name}`
  const refusal = ((crd.status?.conditions ?? []) as { type: string; status: string; message?: string }[]).find(({ type, status }) => ['Established', 'NamesAccepted'].includes(type) && status === 'False')
  if (refusal) return problem('CrdRefused', object, `the API server says ${refusal.type} is False: ${refusal.message ?? ''}`, 'its resources cannot be used', 'Take the name from whoever has it, or correct the CRD', [`kubectl describe crd ${name}`])
  const there = crd.spec?.versions?.find((version: { name?: string }) => version.name === 'v1alpha1')?.schema?.openAPIV3Schema?.properties
  const [missing, unknown] = [fieldsMissing({ properties: { spec: wanted.spec, status: wanted.status } }, { properties: there ?? {} }), fieldsMissing({ properties: { spec: there?.spec, status: there?.status } }, { properties: { spec: wanted.spec, status: wanted.status } })]
  if (missing.length > 0) {
    return problem('CrdOutdated', object, `it does not know ${shown(missing)}, which ${packageJson.version} writes or reads`, 'the API server refuses or drops these fields: StatusRefused, or a setting without effect', 'Apply the CRDs of this version, before its controller', ['kubectl apply -f crds/'])
  }
  if (unknown.length > 0) return problem('CrdNewer', object, `it knows ${shown(unknown)}, which ${packageJson.version} does not`, 'this command line is older than what is installed, and may show less than there is', 'Use the command line of the installed version')
  return nothing
}
/** Paths of fields of the one schema that the other lacks, at most one for each branch. */
function fieldsMissing(wanted: StructuralSchema, there: StructuralSchema | undefined, path = ''): string[] {
  return Object.entries<StructuralSchema>(wanted['properties'] ?? {}).flatMap(([name, field]) => {
    if (field === undefined) return []
    const other: StructuralSchema | undefined = there?.['properties']?.[name]
    const at = path === '' ? name : `${path}.${name}`
    if (other === undefined) return [at]
    return field['items'] ? fieldsMissing(field['items'], other['items'], `${at}[]`) : fieldsMissing(field, other, at)
  })
}
const shown = (fields: readonly string[]): string => (fields.length <= 4 ? fields.join(', ') : `${fields.slice(0, 4).join(', ')} and ${fields.length - 4} more fields`)

/** The lease tells who leads, and whether it lives. */
async function controller(api: KubeApi, now: number, leaseNamespace: string): Promise<Installation> {
  const everywhere = await listAll(api, leaseResource, { fieldSelector: 'metadata.name=sluice' })
  const found = !everywhere.ok && everywhere.reason === 'Forbidden' ? await listAll(api, leaseResource, { namespace: leaseNamespace, fieldSelector: 'metadata.name=sluice' }) : everywhere
  if (!found.ok) return { ...nothing, unread: [unread('the lease of the controller', found)] }
  const start = (what: string, why: string): Installation => problem('NoController', 'controller', what, why, 'Install it, or look at why its pods do not run', [`kubectl get pods -A -l app.kubernetes.io/name=sluice`])
  if (found.value.length === 0) return start('there is no lease named sluice, so no controller has ever led here', 'nothing is released and nothing is taken back')
  const leases = found.value.map(lease => state(lease, found.serverTime ?? now))
  const alive = leases.filter(one => one.alive)
  if (alive.length === 0) {
    const [last] = leases.toSorted((a, b) => a.ageMs - b.ageMs)
    const who = last!.holder === undefined ? 'nobody holds it' : `${last!.holder} renewed it ${span(last!.ageMs)} ago, and it is valid for ${span(last!.validMs)}`
    return start(`no controller leads: of lease ${last!.namespace}/sluice ${who}`, 'until one leads no weight rises, and a release under way stands still; nothing watches it')
  }
  const each = await Promise.all(alive.map(one => installed(api, one.namespace)))
  const only = each.length === 1 ? each[0]!.settings : undefined
  const well = alive.flatMap((one, index) => [`controller: ${one.holder} leads in ${one.namespace}, renewed ${span(one.ageMs)} ago`, ...each[index]!.well])
  return { findings: each.flatMap(one => one.findings), unread: each.flatMap(one => one.unread), well, ...(only === undefined ? {} : { settings: only }) }
}
function state({ metadata, spec }: KubeObject, now: number): { namespace: string; holder: string | undefined; ageMs: number; validMs: number; alive: boolean } {
  const holder: string | undefined = spec?.holderIdentity || undefined
  const ageMs = Math.max(0, now - (Date.parse(spec?.renewTime ?? '') || 0))
  const validMs = (spec?.leaseDurationSeconds ?? 15) * 1000
  return { namespace: metadata.namespace ?? '', holder, ageMs, validMs, alive: holder !== undefined && ageMs <= validMs }
}
/** What its Deployment says; one that runs otherwise says nothing. */
async function installed(api: KubeApi, namespace: string): Promise<Installation> {
  const found = await listAll(api, deployments, { namespace, labelSelector: 'app.kubernetes.io/name=sluice,app.kubernetes.io/component=controller' })
  const deployment = found.ok ? found.value[0] : undefined
  if (deployment === undefined) return nothing
  const configured = await configuration(api, deployment)
  return { ...configured, findings: [...versionProblem(deployment).findings, ...configured.findings] }
}
/** The controller's image against this command line; one without a readable tag says nothing. */
function versionProblem(deployment: KubeObject): Installation {
  const image: unknown = deployment.spec?.template?.spec?.containers?.find((one: { name?: string }) => one.name === 'controller')?.image
  const tag = typeof image === 'string' ? /:v?(\d+\.\d+\.\d+)(?:@|$)/.exec(image)?.[1] : undefined
  if (tag === undefined || tag === packageJson.version) return nothing
  return problem('VersionsDiffer', 'controller', `it is ${tag}, this command line ${packageJson.version}`, 'one of the two may show or write what the other does not know', 'Use the same version of both')
}

/** Without the policy nobody proves who asked. */
async function policy(api: KubeApi): Promise<Installation> {
  const install = ['kubectl apply -f deploy/base/access/request-policy.yaml']
  const why = 'anybody who may create a RolloutRequest may promote, and in any name: requests are shown as unverified'
  const [found, bound] = await Promise.all([api.get(policies, undefined, requestPolicy), listAll(api, bindings, {})])
  if (!found.ok && found.reason !== 'NotFound') return { ...nothing, unread: [unread('the admission policy of requests', found)] }
  if (!found.ok) return problem('RequestsUnverified', `ValidatingAdmissionPolicy ${requestPolicy}`, 'it is not installed', why, 'Install it', install)
  if (!bound.ok) return { ...nothing, unread: [unread('the bindings of the admission policy of requests', bound)] }
  const denies = bound.value.some(({ spec }) => spec?.policyName === requestPolicy && spec.validationActions?.includes('Deny'))
  if (!denies) return problem('RequestsUnverified', `ValidatingAdmissionPolicyBinding ${requestPolicy}`, 'no binding with validationActions [Deny] puts the policy in force', why, 'Install it', install)
  return { ...nothing, well: ['requests: their authors are verified'] }
}
