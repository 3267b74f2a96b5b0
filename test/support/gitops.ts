/** Those who apply Git, each as it writes: who it says it is, what it compares, which patch it sends. kubectl and Helm are the real programs. */
import { isDeepStrictEqual } from 'node:util'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { helm } from './helm.ts'
import { sleep } from './process.ts'

/** What Git holds, without namespace. */
export type Git = readonly KubeObject[]
export interface Applier {
  /** Once over everything. How many objects were written or sent; what the API server refuses is thrown. */
  sync(git: Git): Promise<number>
}
export interface Place {
  readonly plane: ControlPlane
  readonly namespace: string
}
/** `ignoreDifferences` of an Application. */
export interface Ignored {
  readonly group: string
  readonly kind: string
  readonly jqPathExpressions?: readonly string[]
  readonly jsonPointers?: readonly string[]
}

const plurals: Readonly<Record<string, string>> = { Deployment: 'deployments', Service: 'services', VirtualService: 'virtualservices', HTTPRoute: 'httproutes', Rollout: 'rollouts', ConfigMap: 'configmaps' }
export function pathOf(namespace: string, { apiVersion, kind, metadata }: KubeObject): string {
  return `/${apiVersion!.includes('/') ? 'apis' : 'api'}/${apiVersion}/namespaces/${namespace}/${plurals[kind!]}/${metadata.name}`
}
const manifests = (git: Git): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: git })

/** `kubectl apply` as a person types it, or with the flags by which Argo CD calls the same code. */
export function kubectlApply({ plane, namespace }: Place, ...flags: readonly string[]): Applier {
  return {
    async sync(git) {
      const { status, stderr } = await plane.kubectlAsync(['-n', namespace, 'apply', ...flags, '-f', '-'], manifests(git))
      if (status !== 0) throw new Error(stderr)
      return git.length
    },
  }
}

/** kustomize-controller: a server-side dry-run of each object tells whether it drifted, and only then it is applied, with force. */
export function flux({ plane, namespace }: Place): Applier {
  const query = 'fieldManager=kustomize-controller&force=true'
  return {
    async sync(git) {
      let wrote = 0
      for (const object of git) {
        const path = pathOf(namespace, object)
        const live = await plane.request('GET', path)
        const mode = object.metadata.annotations?.['kustomize.toolkit.fluxcd.io/ssa']
        if (live.status === 200 && (mode === 'IfNotPresent' || mode === 'Ignore')) continue
        const wanted = await applied(plane, `${path}?${query}&dryRun=All`, object)
        if (live.status === 200 && isDeepStrictEqual(meaning(live.body), meaning(wanted))) continue
        await applied(plane, `${path}?${query}`, object)
        wrote += 1
      }
      return wrote
    },
  }
}
async function applied(plane: ControlPlane, path: string, object: KubeObject): Promise<unknown> {
  const answer = await plane.request('PATCH', path, JSON.stringify(object))
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body))
  return answer.body
}
/** What drift detection compares: everything but what the API server writes. */
function meaning(object: any): unknown {
  const { status: _, metadata: { managedFields: _1, resourceVersion: _2, generation: _3, creationTimestamp: _4, ...metadata }, ...rest } = structuredClone(object)
  return { ...rest, metadata }
}

/** Argo CD with self-heal: what Git says and is not so live, the ignored fields left out, makes it sync everything, by `kubectl apply` as argocd-controller. */
export function argo(place: Place, mode: 'ThreeWay' | 'ServerSide', ignored: readonly Ignored[] = []): Applier {
  const flags = mode === 'ThreeWay' ? [] : ['--server-side', '--force-conflicts']
  const apply = kubectlApply(place, ...flags, '--field-manager=argocd-controller')
  return {
    async sync(git) {
      for (const object of git) {
        const live = await place.plane.request('GET', pathOf(place.namespace, object))
        if (live.status !== 200 || !holds(without(live.body as KubeObject, ignored), without(object, ignored))) return await apply.sync(git)
      }
      return 0
    },
  }
}
/** Everything of `wanted` is so in `live`; lists are compared entry by entry. */
function holds(live: any, wanted: any): boolean {
  if (Array.isArray(wanted)) return Array.isArray(live) && live.length === wanted.length && wanted.every((one, index) => holds(live[index], one))
  if (typeof wanted === 'object' && wanted !== null) return typeof live === 'object' && live !== null && Object.keys(wanted).every((key) => holds(live[key], wanted[key]))
  return live === wanted
}
function without(object: KubeObject, ignored: readonly Ignored[]): KubeObject {
  const copy = structuredClone(object)
  for (const { group, kind, jqPathExpressions = [], jsonPointers = [] } of ignored) {
    if (kind !== object.kind || (object.apiVersion!.includes('/') ? object.apiVersion!.split('/')[0] : '') !== group) continue
    for (const path of jqPathExpressions) remove(copy, path.slice(1).replaceAll('[]?', '.[]').split('.'))
    for (const pointer of jsonPointers) remove(copy, pointer.slice(1).split('/'))
  }
  return copy
}
function remove(at: any, [key, ...rest]: readonly string[]): void {
  if (at === undefined || at === null || key === undefined) return
  if (key === '[]') for (const one of at) remove(one, rest)
  else if (rest.length === 0) delete at[key]
  else remove(at[key], rest)
}

/** Helm, the program. `ThreeWay` is how Helm 3 upgrades: what the chart of the last release said, says now, and what is live. */
export function helmRelease({ plane, namespace }: Place, mode: 'ThreeWay' | 'ServerSide', ...flags: readonly string[]): Applier {
  let revision = 0
  return {
    async sync(git) {
      const chart = mkdtempSync(join(tmpdir(), 'sluice-chart-'))
      try {
        mkdirSync(join(chart, 'templates'))
        revision += 1
        writeFileSync(join(chart, 'Chart.yaml'), `apiVersion: v2\nname: shop\nversion: 0.0.${revision}\n`)
        git.forEach((object, index) => writeFileSync(join(chart, 'templates', `${index}.yaml`), JSON.stringify(object)))
        const serverSide = mode === 'ServerSide' ? ['--server-side=true'] : ['--server-side=false']
        const answer = await helm(['upgrade', '--install', 'shop', chart, '-n', namespace, '--take-ownership', ...serverSide, ...flags], plane.kubeconfig)
        if (answer.status !== 0) throw new Error(answer.stderr)
        return git.length
      } finally {
        rmSync(chart, { recursive: true, force: true })
      }
    },
  }
}

/**
 * How Flux and Helm 4 wait, by kstatus of kubernetes-sigs/cli-utils, for a custom resource: what is said about an older generation, or Reconciling, is under way; Stalled has
 * failed; Ready says the rest.
 */
export function kstatus({ metadata, status = {} }: KubeObject): 'InProgress' | 'Failed' | 'Current' {
  const { observedGeneration, conditions = [] } = status
  const holds = (type: string): string | undefined => conditions.find((one: any) => one.type === type)?.status
  if (observedGeneration !== undefined && observedGeneration !== metadata.generation) return 'InProgress'
  if (holds('Reconciling') === 'True') return 'InProgress'
  if (holds('Stalled') === 'True') return 'Failed'
  return holds('Ready') === undefined || holds('Ready') === 'True' ? 'Current' : 'InProgress'
}

/** Self-heal: syncs again and again until it is stopped, which returns how often something was written. What a sync throws, `stop` throws. */
export function keepSyncing(applier: Applier, git: Git, everyMs = 700): { stop(): Promise<number> } {
  const ending = new AbortController()
  const running = (async () => {
    let wrote = 0
    while (!ending.signal.aborted) {
      wrote += (await applier.sync(git)) > 0 ? 1 : 0
      await sleep(everyMs)
    }
    return wrote
  })()
  running.catch(() => undefined)
  return {
    stop() {
      ending.abort()
      return running
    },
  }
}
