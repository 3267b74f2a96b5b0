/** The configuration of a controller as it stands in the cluster: its flags, and the ConfigMap that is mounted where --config leads. */
import { effective, planSettings, type ConfigurationFlags } from '../configuration/effective.ts'
import { readConfiguration, told } from '../configuration/read.ts'
import type { KubeApi } from '../kube/api.ts'
import { parseDuration } from '../rollout/duration.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import type { Finding } from './doctor-finding.ts'
import { unread, type Unread } from './doctor-installation.ts'

export interface ConfigurationLook {
  readonly findings: readonly Finding[]
  readonly well: readonly string[]
  readonly unread: readonly Unread[]
  /** What plans rest on there; undefined: it could not be read, or holds nothing that is right. */
  readonly settings?: PlanSettings
}
const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true }
const nothing = { findings: [], well: [], unread: [] }

/** Reads it for the Deployment of a controller. */
export async function configuration(api: KubeApi, deployment: KubeObject): Promise<ConfigurationLook> {
  const { namespace } = deployment.metadata
  const pod = deployment.spec?.template?.spec
  const args: readonly string[] = pod?.containers?.find((one: { name?: string }) => one.name === 'controller')?.args ?? []
  const path = flag(args, 'config').at(-1)
  if (path === undefined) return judged(flagsOf(args), undefined, namespace)
  const mounted = configMapAt(pod, path)
  // Something else than a ConfigMap holds it, which nobody can look into from here.
  if (mounted === undefined) return nothing
  const object = `ConfigMap ${namespace}/${mounted.name}`
  const found = await api.get(configMaps, namespace, mounted.name)
  if (!found.ok && found.reason !== 'NotFound') return { ...nothing, unread: [unread(`the configuration in ${object}`, found)] }
  const text: unknown = found.ok ? found.value['data']?.[mounted.key] : undefined
  if (typeof text !== 'string') return wrong('ConfigMissing', object, found.ok ? `it has no ${mounted.key}, which --config names` : 'it does not exist, and --config names a file of it', [])
  const read = readConfiguration(text)
  if (!read.ok) return wrong('ConfigInvalid', object, read.problems.map((problem) => told(mounted.key, problem)).join('; '), [`kubectl -n ${namespace} edit configmap ${mounted.name}`])
  return judged(flagsOf(args), { object, configuration: read.configuration }, namespace)
}

function judged(flags: ConfigurationFlags, file: { readonly object: string; readonly configuration: Parameters<typeof effective>[1] } | undefined, namespace: string | undefined): ConfigurationLook {
  const merged = effective(flags, file?.configuration)
  if (!merged.ok) return wrong('ConfigInvalid', file?.object ?? 'controller', merged.problems.join('; '), [])
  const names = merged.effective.sources.map(({ name }) => name)
  return { ...nothing, settings: planSettings(merged.effective, namespace), well: names.length === 0 ? [] : [`metric sources: ${names.join(', ')}`] }
}
function wrong(rule: string, object: string, what: string, lines: readonly string[]): ConfigurationLook {
  const why = 'the controller goes on with what it read before, and ends when it starts anew'
  return { ...nothing, findings: [{ severity: 'Problem', rule, object, what, why, remedies: [{ where: 'Correct it in Git; sluice config check says what is wrong before it is applied', lines }] }] }
}

/** Values of a flag, as `--name=value` or `--name value`. */
function flag(args: readonly string[], name: string): readonly string[] {
  return args.flatMap((arg, index) => (arg.startsWith(`--${name}=`) ? [arg.slice(name.length + 3)] : arg === `--${name}` && args[index + 1] !== undefined ? [args[index + 1]!] : []))
}
function flagsOf(args: readonly string[]): ConfigurationFlags {
  const [prometheus, scrapes, clusterName] = ['prometheus', 'scrape-interval', 'cluster-name'].map((name) => flag(args, name).at(-1))
  const scrapeIntervalMs = scrapes === undefined ? undefined : parseDuration(scrapes)
  return { ...(prometheus === undefined ? {} : { prometheus }), ...(scrapeIntervalMs === undefined ? {} : { scrapeIntervalMs }), ...(clusterName === undefined ? {} : { clusterName }), allowedHosts: flag(args, 'allow-host'), templateNamespaces: flag(args, 'allow-templates') }
}

interface PodSpec {
  readonly containers?: readonly { readonly name?: string; readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[] }[]
  readonly volumes?: readonly { readonly name: string; readonly configMap?: { readonly name?: string } }[]
}
/** The ConfigMap, and the key in it, behind a path of the controller. */
function configMapAt(pod: PodSpec | undefined, path: string): { readonly name: string; readonly key: string } | undefined {
  const mounts = pod?.containers?.find(({ name }) => name === 'controller')?.volumeMounts ?? []
  const mount = mounts.find(({ mountPath }) => path.startsWith(`${mountPath.replace(/\/$/, '')}/`))
  const name = pod?.volumes?.find((volume) => volume.name === mount?.name)?.configMap?.name
  return mount === undefined || name === undefined ? undefined : { name, key: path.slice(mount.mountPath.replace(/\/$/, '').length + 1) }
}
