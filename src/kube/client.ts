/** KubeApi over HTTP: paths, bodies and answers of the Kubernetes REST API. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions, Failure, KubeApi, ListPage, Result, Selection } from './api.ts'
import type { Connection } from './connection.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import { exchange, jsonPatchType, mergePatchType, type Answered, type Question, type Wait } from './exchange.ts'
import { apiVersionOf, groupPath, naming, queryString, resourcePath, typed, type Query } from './paths.ts'
import { watchStream } from './stream.ts'

/** Name under which the API server records who wrote which field. */
export const fieldManager = 'sluice'

const urgentTimeout = 4_000
const plainTimeout = 30_000
const listTimeout = 60_000

export interface ClientOptions {
  /** Waits between tries; default: real time. */
  readonly wait?: Wait
  /** Waits in ms before the tries after the first; default: a fifth of a second to three seconds. */
  readonly patience?: readonly number[]
  /** For spreading the ends of watches; default Math.random. */
  readonly random?: () => number
  /** Hears of each request that was sent; unset: nobody does. */
  readonly answered?: Answered
}

/** Talks to one API server. Every answer is a value; nothing here throws. There is no limit of requests per second: the server has its own, and says so with 429. */
export function kubeClient(connection: Connection, options: ClientOptions = {}): KubeApi {
  const wait: Wait = options.wait ?? ((ms) => sleep(ms))
  const ask = (question: Question): Promise<Result<unknown>> => exchange(connection, question, wait, options)
  const one = async (resource: Resource | undefined, question: Question): Promise<Result<KubeObject>> => objectOf(resource, question, await ask(question))
  return {
    get: (resource, namespace, name, subresource, call) =>
      one(subresource === 'scale' ? undefined : resource, plain('get', resource, resourcePath(resource, namespace, name, subresource), {}, `get ${naming(resource, namespace, name, subresource)}`, call)),
    async list(resource, selection, call) {
      const question = listing(resource, selection, call)
      return pageOf(resource, question, await ask(question))
    },
    create(resource, object, call) {
      const { namespace, name } = object.metadata
      const question = plain('create', resource, resourcePath(resource, namespace), { fieldManager }, `create ${naming(resource, namespace, name)}`, call)
      return one(resource, { ...question, body: typed(resource, object) })
    },
    patch(resource, namespace, name, patch, subresource, call) {
      const question = plain('patch', resource, resourcePath(resource, namespace, name, subresource), { fieldManager }, `patch ${naming(resource, namespace, name, subresource)}`, call)
      return one(subresource === 'scale' ? undefined : resource, { ...question, body: patch, contentType: Array.isArray(patch) ? jsonPatchType : mergePatchType })
    },
    replace(resource, object, subresource, call) {
      const { namespace, name } = object.metadata
      const question = plain('update', resource, resourcePath(resource, namespace, name, subresource), { fieldManager }, `replace ${naming(resource, namespace, name, subresource)}`, call)
      return one(subresource === 'scale' ? undefined : resource, { ...question, body: subresource === 'scale' ? object : typed(resource, object) })
    },
    async delete(resource, namespace, name, preconditions = {}, call) {
      const { propagationPolicy, ...conditions } = preconditions
      const question = plain('delete', resource, resourcePath(resource, namespace, name), {}, `delete ${naming(resource, namespace, name)}`, call)
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(Object.keys(conditions).length > 0 ? { preconditions: conditions } : {}), ...(propagationPolicy ? { propagationPolicy } : {}) }
      const answer = await ask({ ...question, body })
      return answer.ok ? { ...answer, value: undefined } : answer
    },
    watch: (resource, selection, signal) => watchStream(connection, resource, selection, signal, options.random ?? Math.random, options.answered),
    ...discovery(ask),
  }
}

const methods = { get: 'GET', list: 'GET', create: 'POST', patch: 'PATCH', update: 'PUT', delete: 'DELETE' } as const
/** `resource` undefined: the question is what is served. */
function plain(verb: keyof typeof methods, resource: Resource | undefined, path: string, query: Query, what: string, call: CallOptions = {}): Question {
  const named = { verb, resource: resource === undefined ? 'discovery' : naming(resource, undefined) }
  return { ...named, method: methods[verb], path: `${path}${queryString(query)}`, what, lane: call.urgent ? 'Urgent' : 'Plain', timeoutMs: call.timeoutMs ?? (call.urgent ? urgentTimeout : plainTimeout) }
}

function listing(resource: Resource, selection: Parameters<KubeApi['list']>[1], call: CallOptions = {}): Question {
  const { namespace, limit, continue: next, resourceVersion, resourceVersionMatch } = selection
  const query = { ...selectors(selection), limit, continue: next, resourceVersion, resourceVersionMatch }
  const question = plain('list', resource, resourcePath(resource, namespace), query, `list ${naming(resource, namespace)}`, call)
  return {
    ...question,
    lane: call.urgent ? 'Urgent' : 'Bulk',
    timeoutMs: call.timeoutMs ?? (call.urgent ? urgentTimeout : listTimeout),
    ...(selection.metadataOnly ? { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json' } : {}),
  }
}

/** Selectors as query parameters. */
export function selectors(selection: Selection): Query {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector }
}

function unexpected(question: Question, missing: string): Failure {
  return { ok: false, reason: 'Unavailable', message: `${question.what}: the answer has no ${missing}: is the server really a Kubernetes API server?` }
}

function objectOf(resource: Resource | undefined, question: Question, answer: Result<unknown>): Result<KubeObject> {
  if (!answer.ok) return answer
  const object = answer.value as KubeObject
  if (typeof object?.metadata !== 'object' || object.metadata === null) return unexpected(question, 'metadata')
  return { ...answer, value: resource ? typed(resource, object) : object }
}

function pageOf(resource: Resource, question: Question, answer: Result<unknown>): Result<ListPage> {
  if (!answer.ok) return answer
  const list = answer.value as { metadata?: { resourceVersion?: string; continue?: string }; items?: KubeObject[] | null }
  if (typeof list?.metadata !== 'object' || list.items === undefined) return unexpected(question, 'items')
  const items = (list.items ?? []).map((item) => typed(resource, item))
  const next = list.metadata.continue
  return { ...answer, value: { items, resourceVersion: list.metadata.resourceVersion ?? '', ...(next ? { continue: next } : {}) } }
}

function discovery(ask: (question: Question) => Promise<Result<unknown>>): Pick<KubeApi, 'groupVersions' | 'resources'> {
  return {
    async groupVersions(group) {
      const what = `list the versions of API group "${group}"`
      const answer = await ask(plain('get', undefined, group === '' ? '/api' : `/apis/${group}`, {}, what))
      if (!answer.ok) return answer.reason === 'NotFound' ? { ok: true, value: [] } : answer
      return { ...answer, value: versionsOf(answer.value as GroupAnswer) }
    },
    async resources(group, version) {
      const path = groupPath(group, version)
      const answer = await ask(plain('get', undefined, path, {}, `list the resources of ${apiVersionOf({ group, version } as Resource)}`))
      if (!answer.ok) return answer.reason === 'NotFound' ? { ok: true, value: [] } : answer
      const listed = (answer.value as { resources?: { name: string; kind: string; namespaced: boolean }[] }).resources ?? []
      const whole = listed.filter(({ name }) => !name.includes('/'))
      return { ...answer, value: whole.map(({ name, kind, namespaced }) => ({ group, version, plural: name, kind, namespaced })) }
    },
  }
}

interface GroupAnswer {
  /** Of the core group: plain names. Of others: objects. */
  readonly versions?: readonly (string | { readonly version: string })[]
  readonly preferredVersion?: { readonly version?: string }
}

function versionsOf(answer: GroupAnswer): readonly string[] {
  const served = (answer.versions ?? []).map((one) => (typeof one === 'string' ? one : one.version))
  const preferred = answer.preferredVersion?.version
  return preferred !== undefined && served.includes(preferred) ? [preferred, ...served.filter((one) => one !== preferred)] : served
}
