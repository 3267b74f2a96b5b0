/** Legacy discovery: /api, /apis, /apis/<group>, /apis/<group>/<version>, /version. */
import { apiVersionOf } from './resources.ts'
import type { Definition } from './resources.ts'
import type { Store } from './store.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** The answer to a discovery path; undefined: not one, or nothing of that group or version is served. */
export function discovery(store: Store, path: string): object | undefined {
  if (path === '/version')
    return {
      major: '1',
      minor: '36',
      gitVersion: 'v1.36.3-sluice-sandbox',
      gitCommit: '',
      gitTreeState: 'clean',
      buildDate: '1970-01-01T00:00:00Z',
      goVersion: '',
      compiler: '',
      platform: 'embedded',
    }
  if (path === '/api') return { kind: 'APIVersions', apiVersion: 'v1', versions: ['v1'], serverAddressByClientCIDRs: [] }
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups(store).map((name) => group(store, name)) }
  const parts = path.split('/').filter((part) => part !== '')
  if (parts[0] === 'api' && parts.length === 2) return resources(store, '', parts[1]!)
  if (parts[0] !== 'apis') return undefined
  if (parts.length === 2 && groups(store).includes(parts[1]!)) return { kind: 'APIGroup', apiVersion: 'v1', ...group(store, parts[1]!) }
  return parts.length === 3 ? resources(store, parts[1]!, parts[2]!) : undefined
}

const groups = (store: Store): string[] => [...new Set(store.definitions().map((definition) => definition.group))].filter((name) => name !== '')

function group(store: Store, name: string): { name: string; versions: object[]; preferredVersion: object } {
  const names = [
    ...new Set(
      store
        .definitions()
        .filter((definition) => definition.group === name)
        .flatMap((definition) => definition.versions.map((version) => version.name)),
    ),
  ]
  const versions = names.map((version) => ({ groupVersion: apiVersionOf(name, version), version }))
  return { name, versions, preferredVersion: versions[0]! }
}

function resources(store: Store, group: string, version: string): object | undefined {
  const served = store.definitions().filter((definition) => definition.group === group && definition.versions.some((candidate) => candidate.name === version))
  if (served.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(group, version),
    resources: served.flatMap((definition) => entries(definition, version)),
  }
}

function entries(definition: Definition, version: string): object[] {
  const { plural, kind, namespaced, shortNames, categories, singular } = definition
  const served = definition.versions.find((candidate) => candidate.name === version)!
  const sub = (name: string, extra: object): object => ({
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    kind,
    verbs: ['get', 'patch', 'update'],
    ...extra,
  })
  return [
    {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs,
      ...(shortNames.length > 0 && { shortNames }),
      ...(categories.length > 0 && { categories }),
    },
    ...(served.status ? [sub('status', {})] : []),
    ...(served.scale ? [sub('scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' })] : []),
  ]
}
