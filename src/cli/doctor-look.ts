/** One look at a cluster: every kind that the controller watches, as far as this person may read it. */
import { watched, type Kind, type Watched } from '../controller/world.ts'
import type { Failure, KubeApi, Result } from '../kube/api.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'
import type { KindKnown } from './world.ts'

export interface Look {
  readonly objects: readonly KubeObject[]
  readonly known: ReadonlyMap<Kind, KindKnown>
  /** Kinds that are served and could not be read. */
  readonly unread: readonly { readonly kind: Kind; readonly failure: Failure }[]
}
/** What a pass needs only under way: pods and their like are many, and nothing here is judged by them. */
const passedOver: readonly Kind[] = ['Pod', 'EndpointSlice', 'RolloutRequest', 'ConfigMap', 'Namespace']
/** Kinds of which there are many, and of which only those beside a Rollout count. */
const besideRollouts: readonly Kind[] = ['Deployment', 'Service', 'HorizontalPodAutoscaler', 'ScaledObject']

/** Lists everything, in `namespace` or (undefined) in all of the cluster; routes and Rollouts in all of it where that is allowed, since they take hosts and targets from each other. */
export async function lookAround(api: KubeApi, namespace: string | undefined): Promise<Look> {
  const each = await Promise.all(watched.map(async watch => ({ watch, ...(await lookAt(api, watch, namespace)) })))
  return {
    objects: each.flatMap(({ objects }) => objects),
    known: new Map(each.map(({ watch, known }) => [watch.kind, known])),
    unread: each.flatMap(({ watch, failure }) => (failure === undefined ? [] : [{ kind: watch.kind, failure }])),
  }
}

interface Looked {
  readonly objects: readonly KubeObject[]
  readonly known: KindKnown
  readonly failure?: Failure
}
async function lookAt(api: KubeApi, watch: Watched, namespace: string | undefined): Promise<Looked> {
  const notServed: Looked = { objects: [], known: { state: 'NotServed' } }
  if (passedOver.includes(watch.kind)) return notServed
  const found = await served(api, watch.group, watch.plural, watch.versions)
  if (!found.ok) return { ...notServed, failure: found }
  if (found.value === undefined) return notServed
  const wide = !watch.namespaced || !besideRollouts.includes(watch.kind) ? undefined : namespace
  const { labelSelector } = watch
  const selection = labelSelector === undefined ? {} : { labelSelector }
  const first = await listAll(api, found.value, { namespace: wide, ...selection })
  const listed = !first.ok && first.reason === 'Forbidden' && watch.namespaced && wide === undefined && namespace !== undefined ? await listAll(api, found.value, { namespace, ...selection }) : first
  // Lists leave out what kind their items are.
  const { group, version, kind } = found.value
  const typed = (object: KubeObject): KubeObject => ({ ...object, apiVersion: object.apiVersion ?? (group === '' ? version : `${group}/${version}`), kind: object.kind ?? kind })
  return listed.ok ? { objects: listed.value.map(typed), known: { resource: found.value } } : { ...notServed, failure: listed }
}

/** The best of these versions that is served and has this resource; undefined where none is. */
export async function served(api: KubeApi, group: string, plural: string, versions: readonly string[]): Promise<Result<Resource | undefined>> {
  const known: Result<readonly string[]> = group === '' ? { ok: true, value: ['v1'] } : await api.groupVersions(group)
  if (!known.ok) return known
  for (const version of versions.filter(one => known.value.includes(one))) {
    const resources = await api.resources(group, version)
    if (!resources.ok) return resources
    const resource = resources.value.find(one => one.plural === plural)
    if (resource) return { ok: true, value: resource }
  }
  return { ok: true, value: undefined }
}

/** All pages of a list. */
export async function listAll(api: KubeApi, resource: Resource, selection: Parameters<KubeApi['list']>[1]): Promise<Result<readonly KubeObject[]>> {
  const found: KubeObject[] = []
  for (let next: string | undefined; ;) {
    const page = await api.list(resource, { ...selection, limit: 500, ...(next === undefined ? {} : { continue: next }) })
    if (!page.ok) return page
    found.push(...page.value.items)
    next = page.value.continue
    if (next === undefined) return { ok: true, value: found, ...(page.serverTime === undefined ? {} : { serverTime: page.serverTime }) }
  }
}
