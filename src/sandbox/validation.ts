/** What the API server refuses: names, labels, and the mistakes in built-in kinds that a controller can make. Worded as there. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../rollout/objects.ts'
import { matches } from './selectors.ts'
import { cause } from './status.ts'
import type { Cause } from './status.ts'

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
const qualifiedName = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character " +
  "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const labelValueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const annotationBytes = 256 * 1024

/** Everything wrong with name, labels and annotations. */
export function metadataCauses(object: KubeObject, id: string): Cause[] {
  const { name, labels, annotations } = object.metadata
  const causes = nameCauses(name, id)
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (!qualifiedName.test(key)) causes.push(cause.invalid('metadata.labels', key, 'name part must consist of alphanumeric characters'))
    if (typeof value !== 'string' || value.length > 63) causes.push(cause.invalid('metadata.labels', value, 'must be no more than 63 bytes'))
    else if (!labelValue.test(value)) causes.push(cause.invalid('metadata.labels', value, labelValueRule))
  }
  const size = Object.entries(annotations ?? {}).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)), 0)
  if (size > annotationBytes)
    causes.push({ reason: 'FieldValueTooLong', message: `Too long: may not be more than ${annotationBytes} bytes`, field: 'metadata.annotations' })
  return causes
}

function nameCauses(name: string | undefined, id: string): Cause[] {
  if (!name) return [cause.required('metadata.name', 'name or generateName is required')]
  const [pattern, rule, longest] = id === 'services' || id === 'namespaces' ? [label, labelRule, 63] : [subdomain, subdomainRule, 253]
  if (name.length > longest) return [cause.invalid('metadata.name', name, `must be no more than ${longest} bytes`)]
  return pattern.test(name) ? [] : [cause.invalid('metadata.name', name, rule)]
}

/** Causes for which a built-in object is refused; `before` is the stored one on update. */
export function builtInCauses(id: string, object: KubeObject, before: KubeObject | undefined): Cause[] {
  if (id === 'deployments.apps' || id === 'replicasets.apps') return workloadCauses(object, before)
  if (id === 'services') return serviceCauses(object, before)
  if (id === 'pods') return containerCauses(object.spec, 'spec')
  if (id === 'horizontalpodautoscalers.autoscaling' && !(object.spec?.maxReplicas > 0))
    return [cause.invalid('spec.maxReplicas', object.spec?.maxReplicas ?? 0, 'must be greater than 0')]
  if (id === 'events' && (object.involvedObject?.namespace ?? 'default') !== object.metadata.namespace)
    return [cause.invalid('involvedObject.namespace', object.involvedObject?.namespace ?? '', 'does not match event.namespace')]
  if (id === 'customresourcedefinitions.apiextensions.k8s.io') return crdCauses(object)
  return []
}

function workloadCauses(object: KubeObject, before: KubeObject | undefined): Cause[] {
  const { selector, template, replicas } = object.spec ?? {}
  const causes: Cause[] = []
  if (typeof replicas === 'number' && replicas < 0) causes.push(cause.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'))
  if (!selector) causes.push(cause.required('spec.selector'))
  const labels = template?.metadata?.labels ?? {}
  if (selector && !matches(selector, labels)) causes.push(cause.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
  causes.push(...containerCauses(template?.spec, 'spec.template.spec'))
  if (before && !isDeepStrictEqual(before.spec.selector, selector)) causes.push(cause.invalid('spec.selector', selector, 'field is immutable'))
  return causes
}

function containerCauses(spec: any, path: string): Cause[] {
  const containers: readonly any[] = spec?.containers ?? []
  if (containers.length === 0) return [cause.required(`${path}.containers`)]
  return containers.flatMap((container, index) => [
    ...(container.name ? [] : [cause.required(`${path}.containers[${index}].name`)]),
    ...(container.image ? [] : [cause.required(`${path}.containers[${index}].image`)]),
  ])
}

function serviceCauses(object: KubeObject, before: KubeObject | undefined): Cause[] {
  const spec = object.spec ?? {}
  const causes: Cause[] = []
  const ports: readonly any[] = spec.ports ?? []
  if (ports.length === 0 && spec.clusterIP !== 'None' && spec.type !== 'ExternalName') causes.push(cause.required('spec.ports'))
  for (const [index, port] of ports.entries()) {
    if (ports.length > 1 && !port.name) causes.push(cause.required(`spec.ports[${index}].name`))
    if (!(port.port >= 1 && port.port <= 65535)) causes.push(cause.invalid(`spec.ports[${index}].port`, port.port, 'must be between 1 and 65535, inclusive'))
  }
  const address = before?.spec.clusterIP
  if (address && address !== spec.clusterIP && spec.type !== 'ExternalName')
    causes.push(cause.invalid('spec.clusterIPs[0]', spec.clusterIP, 'may not change once set'))
  return causes
}

function crdCauses(object: KubeObject): Cause[] {
  const { names, group, versions } = object.spec ?? {}
  const causes: Cause[] = []
  for (const field of ['plural', 'kind']) if (!names?.[field]) causes.push(cause.required(`spec.names.${field}`))
  if (!group) causes.push(cause.required('spec.group'))
  if (object.metadata.name !== `${names?.plural}.${group}`)
    causes.push(cause.invalid('metadata.name', object.metadata.name, 'must be spec.names.plural+"."+spec.group'))
  if ((versions ?? []).filter((version: any) => version.storage).length !== 1)
    causes.push(cause.invalid('spec.versions', versions ?? [], 'must have exactly one version marked as storage version'))
  return causes
}
