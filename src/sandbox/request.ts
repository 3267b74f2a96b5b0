/** A request to the API server as data: which kind, object and subresource its path means, and what its query and body say. */
import type { KubeObject } from '../rollout/objects.ts'
import type { Verb } from './faults.ts'
import { apiVersionOf, idOf } from './resources.ts'
import type { Definition, ServedVersion } from './resources.ts'
import { badRequest, cause, failure, invalid, methodNotAllowed, unknownPath, unsupportedMediaType } from './status.ts'
import { jsonPatch, mergePatch, strategicPatch } from './patch.ts'
import type { Store } from './store.ts'

export interface Call {
  readonly method: string
  /** Path with query. */
  readonly url: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}
/** Where a path leads. `name` is empty for collections. */
export interface Target {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace: string | undefined
  readonly name: string
  readonly subresource: string | undefined
}
export interface Served extends Target {
  readonly definition: Definition
  readonly served: ServedVersion
}

/** Reads `/api/v1/…` and `/apis/<group>/<version>/…`; undefined where a path names no resource. */
export function targetOf(path: string): Target | undefined {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent)
  const [group, version, rest] = parts[0] === 'api' ? ['', parts[1], parts.slice(2)] : [parts[1] ?? '', parts[2], parts.slice(3)]
  if ((parts[0] !== 'api' && parts[0] !== 'apis') || version === undefined || rest.length === 0) return undefined
  const inside = rest[0] === 'namespaces' && rest.length > 2 && !(group === '' && (rest[2] === 'status' || rest[2] === 'finalize') && rest.length === 3)
  const [plural, name = '', subresource, ...more] = inside ? rest.slice(2) : rest
  if (more.length > 0) return undefined
  return { group, version, plural: plural!, namespace: inside ? rest[1] : undefined, name, subresource }
}

/** The verb of authorization and of the call log. */
export function verbOf(method: string, target: Target, watch: boolean): Verb {
  if (method === 'GET') return watch ? 'watch' : target.name ? 'get' : 'list'
  if (method === 'DELETE') return target.name ? 'delete' : 'deletecollection'
  const verb = ({ POST: 'create', PUT: 'update', PATCH: 'patch' } as const)[method as 'POST']
  if (!verb) throw methodNotAllowed()
  return verb
}

/** The served kind of a target; throws 404 and 405 like the real server. */
export function resolve(store: Store, target: Target): Served {
  const found = store.find(target.group, target.version, target.plural)
  if (!found) throw unknownPath()
  const { definition, version: served } = found
  if (target.namespace !== undefined && !definition.namespaced) throw unknownPath()
  if (target.name && definition.namespaced && target.namespace === undefined) throw unknownPath()
  if (target.subresource === 'status' ? !served.status : target.subresource === 'scale' ? !served.scale : target.subresource !== undefined) throw unknownPath()
  return { ...target, definition, served }
}

export const resourceId = (target: Target): string => idOf(target.group, target.plural)

/** The object of a POST or PUT. Kind and apiVersion may be absent for built-in kinds; where they are there they must fit. */
export function decoded(call: Call, served: Served): KubeObject {
  const { kind } = served.definition
  const type = call.headers['content-type'] ?? ''
  if (type.includes('protobuf') || type.includes('cbor')) throw unsupportedMediaType(['application/json', 'application/yaml'])
  let object: any
  try {
    object = JSON.parse(call.body)
  } catch (error) {
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; ` +
        `json parse error: ${(error as Error).message} (${call.body.slice(0, 30)})`,
    )
  }
  if (served.definition.custom && !object?.kind)
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): Object 'Kind' is missing in '${call.body}' (${call.body.slice(0, 30)} ...)`,
    )
  const apiVersion = apiVersionOf(served.group, served.version)
  if ((object.kind && object.kind !== kind) || (object.apiVersion && object.apiVersion !== apiVersion))
    throw badRequest(`${object.kind} in version "${object.apiVersion}" cannot be handled as a ${kind}: the URL is of ${apiVersion}`)
  const metadata = { ...object.metadata }
  if (metadata.namespace && metadata.namespace !== served.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  if (served.name && metadata.name && metadata.name !== served.name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${served.name})`)
  const absent = served.definition.alias?.required.filter((field) => !object[field]) ?? []
  if (absent.length > 0)
    throw invalid(
      served.definition,
      metadata.name ?? '',
      absent.slice(0, 1).map((field) => cause.required(field)),
    )
  if (served.name && !metadata.name) throw badRequest('name must be provided')
  return { ...object, apiVersion, kind, metadata: served.definition.namespaced ? { ...metadata, namespace: served.namespace } : metadata }
}

/** What a PATCH makes of an object. Throws 400, 415, 422. */
export function patcher(call: Call, served: Served): (object: KubeObject) => KubeObject {
  const type = (call.headers['content-type'] ?? '').split(';')[0]!.trim()
  const accepted = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(served.definition.custom ? [] : ['application/strategic-merge-patch+json']),
  ]
  if (!accepted.includes(type))
    throw type.includes('patch') ? unsupportedMediaType(accepted) : failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
  let patch: any
  try {
    patch = JSON.parse(call.body)
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`)
  }
  const isList = Array.isArray(patch)
  if (type === accepted[0] && !isList) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp')
  if (type !== accepted[0] && (isList || typeof patch !== 'object' || patch === null))
    throw badRequest('error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}')
  return (object) => {
    const result = type === accepted[0] ? jsonPatch(object, patch) : type === accepted[1] ? mergePatch(object, patch) : strategicPatch(object, patch)
    if (typeof result !== 'object' || result === null || typeof result.metadata !== 'object') throw badRequest('the patched object has no metadata')
    if (result.metadata.name !== object.metadata.name)
      throw badRequest(`the name of the object (${result.metadata.name}) does not match the name on the URL (${object.metadata.name})`)
    if (result.metadata.namespace !== object.metadata.namespace)
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    return result
  }
}
