/** Where a resource lives on an API server. */
import type { Subresource } from './api.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** `/api/v1` or `/apis/<group>/<version>`. */
export function groupPath(group: string, version: string): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`
}

/** Path of a collection, of one object, or of its subresource. `namespace` undefined: all namespaces, or a cluster-wide resource. */
export function resourcePath(resource: Resource, namespace: string | undefined, name?: string, subresource?: Subresource): string {
  const parts = [groupPath(resource.group, resource.version)]
  if (resource.namespaced && namespace) parts.push('namespaces', encodeURIComponent(namespace))
  parts.push(resource.plural)
  if (name !== undefined) parts.push(encodeURIComponent(name))
  if (subresource !== undefined) parts.push(subresource)
  return parts.join('/')
}

/** `?a=b`, or nothing. Undefined values are left out. */
export function queryString(query: Query): string {
  const given = Object.entries(query).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined && entry[1] !== '')
  return given.length === 0 ? '' : `?${given.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')}`
}

/** `deployments "shop/cart"`, with the group where it is not a built-in's, for messages. */
export function naming(resource: Resource, namespace: string | undefined, name?: string, subresource?: Subresource): string {
  const group = resource.group.includes('.') && !resource.group.endsWith('.k8s.io') ? `.${resource.group}` : ''
  const where = name === undefined ? (namespace === undefined ? '' : ` in namespace "${namespace}"`) : ` "${namespace === undefined ? '' : `${namespace}/`}${name}"`
  return `${resource.plural}${group}${subresource === undefined ? '' : `/${subresource}`}${where}`
}

/** API version as written in objects: `v1`, `apps/v1`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/** Lists of built-in kinds and metadata-only answers leave the type out or name another: it is the resource's. */
export function typed(resource: Resource, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(resource)
  return object.apiVersion === apiVersion && object.kind === resource.kind ? object : { ...object, apiVersion, kind: resource.kind }
}
