/** Just enough OpenAPI v3 for `kubectl apply` and `create` to leave validation to the server: which paths can be patched with `fieldValidation`. No schemas. */
import { apiVersionOf } from './resources.ts'
import type { Store } from './store.ts'

/** The answer to /openapi/v3 and below; undefined: another path, or nothing of that group and version is served. */
export function openapi(store: Store, path: string): object | undefined {
  const versions = new Set(store.definitions().flatMap((definition) => definition.versions.map((version) => rootOf(definition.group, version.name))))
  if (path === '/openapi/v3') return { paths: Object.fromEntries([...versions].map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}` }])) }
  const root = path.startsWith('/openapi/v3/') ? path.slice('/openapi/v3/'.length) : ''
  if (!versions.has(root)) return undefined
  return { openapi: '3.0.0', info: { title: 'Sluice sandbox', version: 'unversioned' }, paths: paths(store, root), components: { schemas: {} } }
}

const rootOf = (group: string, version: string): string => `${group ? 'apis' : 'api'}/${apiVersionOf(group, version)}`

function paths(store: Store, root: string): object {
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } }))
  const found: Record<string, object> = {}
  for (const { group, versions, plural, kind, namespaced } of store.definitions()) {
    const version = versions.find((candidate) => rootOf(group, candidate.name) === root)
    if (!version) continue
    const operation = { parameters, responses: {}, 'x-kubernetes-action': 'patch', 'x-kubernetes-group-version-kind': { group, version: version.name, kind } }
    found[`/${root}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`] = { patch: operation }
  }
  return found
}
