/** Label and field selectors as query parameters, and `LabelSelector` objects. */
import type { KubeObject } from '../rollout/objects.ts'
import { badRequest } from './status.ts'

/** Says whether an object is selected. */
export type Predicate = (object: KubeObject) => boolean
type Labels = Readonly<Record<string, string>>

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Throws 400 where it cannot be read. */
export function labelSelector(text: string): Predicate {
  const tests = split(text).map(requirement)
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}))
}

function split(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const character of text) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += character
  }
  if (depth > 0) throw badRequest(`unable to parse requirement: found '', expected: ',' or ')'`)
  return [...parts, part].map((item) => item.trim()).filter((item) => item !== '')
}

function requirement(text: string): (labels: Labels) => boolean {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text)
  if (set) {
    const values = set[3]!.split(',').map((value) => value.trim())
    return set[2] === 'in'
      ? (labels) => set[1]! in labels && values.includes(labels[set[1]!]!)
      : (labels) => !(set[1]! in labels) || !values.includes(labels[set[1]!]!)
  }
  const compare = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(text)
  if (compare) {
    const [, key, operator, value] = compare as unknown as [string, string, string, string]
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value
  }
  const exists = /^(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)$/.exec(text)
  if (exists) return exists[1] ? (labels) => !(exists[2]! in labels) : (labels) => exists[2]! in labels
  throw badRequest(`unable to parse requirement: found '${text}', expected: '=', '!=', '==', 'in', notin'`)
}

/** A `LabelSelector` of a Deployment or ReplicaSet: matchLabels and matchExpressions. An absent selector selects nothing. */
export function matches(
  selector: { matchLabels?: Labels; matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[] } | undefined,
  labels: Labels,
): boolean {
  if (!selector) return false
  if (!Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)) return false
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    if (operator === 'In') return key in labels && values.includes(labels[key]!)
    if (operator === 'NotIn') return !(key in labels) || !values.includes(labels[key]!)
    return operator === 'Exists' ? key in labels : !(key in labels)
  })
}

/** A `LabelSelector` as text, the form of `status.selector` of a Scale. */
export function selectorText(
  selector: { matchLabels?: Labels; matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[] } = {},
): string {
  const labels = Object.entries(selector.matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) =>
    operator === 'Exists' ? key : operator === 'DoesNotExist' ? `!${key}` : `${key} ${operator.toLowerCase()} (${values.join(',')})`,
  )
  return [...labels, ...expressions].join(',')
}

const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  pods: ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'status.phase', 'status.podIP', 'status.nominatedNodeName'],
  events: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  namespaces: ['status.phase', 'name'],
  services: ['spec.clusterIP', 'spec.type'],
  'replicasets.apps': ['status.replicas'],
}

/** `metadata.name=x,metadata.namespace!=y` and the few fields each built-in kind offers. Throws 400 for another field. */
export function fieldSelector(text: string, resource: string): Predicate {
  const tests = text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const parsed = /^([^=!]+)(==|=|!=)(.*)$/.exec(part)
      if (!parsed) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`)
      const [, field, operator, value] = parsed as unknown as [string, string, string, string]
      const known = ['metadata.name', 'metadata.namespace', ...(fieldsOf[resource] ?? [])]
      if (!known.includes(field)) throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`)
      return (object: KubeObject) => (valueAt(object, field) === value) === (operator !== '!=')
    })
  return (object) => tests.every((test) => test(object))
}

function valueAt(object: KubeObject, field: string): string {
  if (field === 'source') return object.source?.component ?? ''
  if (field === 'name') return object.metadata.name
  let at: any = object
  for (const part of field.split('.')) at = at?.[part]
  return at === undefined || at === null ? '' : String(at)
}
