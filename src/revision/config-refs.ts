/** Where a pod spec can name a ConfigMap or a Secret. A test compares the table with the OpenAPI of a real API server. */

export type ConfigKind = 'ConfigMap' | 'Secret'
/** An object by what the API calls it: `ConfigMap` `app-config`, in the namespace of the workload. */
export interface ConfigName {
  readonly kind: ConfigKind
  readonly name: string
}
/** One place that names an object. */
export interface ConfigRef extends ConfigName {
  /** Pods start without it. */
  readonly optional: boolean
}

const inContainers = ['containers', 'initContainers', 'ephemeralContainers'].flatMap((list): [ConfigKind, string][] => [
  ['ConfigMap', `${list}[].envFrom[].configMapRef.name`],
  ['Secret', `${list}[].envFrom[].secretRef.name`],
  ['ConfigMap', `${list}[].env[].valueFrom.configMapKeyRef.name`],
  ['Secret', `${list}[].env[].valueFrom.secretKeyRef.name`],
])
/** Each place from the pod spec on; `[]` is every entry of a list. */
export const configPlaces: readonly (readonly [ConfigKind, string])[] = [
  ['ConfigMap', 'volumes[].configMap.name'],
  ['ConfigMap', 'volumes[].projected.sources[].configMap.name'],
  ['Secret', 'volumes[].secret.secretName'],
  ['Secret', 'volumes[].projected.sources[].secret.name'],
  ['Secret', 'volumes[].azureFile.secretName'],
  ['Secret', 'volumes[].csi.nodePublishSecretRef.name'],
  ...['cephfs', 'cinder', 'flexVolume', 'iscsi', 'rbd', 'scaleIO', 'storageos'].map((driver): [ConfigKind, string] => ['Secret', `volumes[].${driver}.secretRef.name`]),
  ...inContainers,
  ['Secret', 'imagePullSecrets[].name'],
]

/** Every object that a pod template names, once each; optional where every place that names it says so. */
export function configRefs(template: unknown): readonly ConfigRef[] {
  const found = new Map<string, ConfigRef>()
  visit(template, (ref) => {
    const id = configId(ref)
    found.set(id, { ...ref, optional: ref.optional && (found.get(id)?.optional ?? true) })
    return ref.name
  })
  return [...found.values()]
}

/** The template with other names: `rename` answers the name to write, and the same one to leave it. The given template is not changed. */
export function renamedConfig<T>(template: T, rename: (ref: ConfigName) => string): T {
  const copy = structuredClone(template)
  visit(copy, rename)
  return copy
}

/** `ConfigMap/app-config`. */
export function configId({ kind, name }: ConfigName): string {
  return `${kind}/${name}`
}

function visit(template: unknown, rename: (ref: ConfigRef) => string): void {
  for (const [kind, path] of configPlaces) descend((template as { spec?: unknown } | undefined)?.spec, path.split('.'), (holder, key) => {
    const name: unknown = holder[key]
    if (typeof name !== 'string' || name === '') return
    const next = rename({ kind, name, optional: holder['optional'] === true })
    if (next !== name) holder[key] = next
  })
}
function descend(value: any, [head, ...rest]: readonly string[], found: (holder: any, key: string) => void): void {
  if (head === undefined || typeof value !== 'object' || value === null) return
  if (rest.length === 0) return found(value, head)
  if (!head.endsWith('[]')) return descend(value[head], rest, found)
  const list: unknown = value[head.slice(0, -2)]
  if (Array.isArray(list)) for (const entry of list) descend(entry, rest, found)
}
