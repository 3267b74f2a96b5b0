/** Linkerd's SMI adaptor: copies each TrafficSplit into the dstOverrides of the apex' ServiceProfile, and empties them when the split goes. */
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { follow } from './follow.ts'
import { sleep } from './process.ts'

export interface SmiAdaptor {
  stop(): Promise<void>
}

/** Starts the model. `delayMs`: how long a split takes to reach the profile, default 200. */
export async function startSmiAdaptor(plane: ControlPlane, delayMs = 200): Promise<SmiAdaptor> {
  const ending = new AbortController()
  let last: Promise<unknown> = Promise.resolve()
  const splits = follow(plane, '/apis/split.smi-spec.io/v1alpha1/trafficsplits', ending.signal, (key, now, before) => {
    last = last.then(async () => {
      await sleep(delayMs)
      for (let tries = 0; tries < 20 && !ending.signal.aborted; tries++) {
        if (await copy(plane, splits.objects.get(key), (now ?? before)!).catch(() => false)) return
        await sleep(200)
      }
    })
  })
  await splits.synced
  return {
    async stop() {
      ending.abort()
      await last
    },
  }
}

async function copy(plane: ControlPlane, split: KubeObject | undefined, known: KubeObject): Promise<boolean> {
  const namespace = known.metadata.namespace ?? ''
  const authority = (service: string) => `${service}.${namespace}.svc.cluster.local`
  const name = authority((split ?? known).spec.service)
  const collection = `/apis/linkerd.io/v1alpha2/namespaces/${namespace}/serviceprofiles`
  const found = await plane.request('GET', `${collection}/${name}`)
  const dstOverrides = split?.spec.backends.map((backend: any) => ({ authority: authority(backend.service), weight: backend.weight }))
  if (found.status === 404) {
    if (!dstOverrides) return true
    const profile = { apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', metadata: { name, namespace }, spec: { dstOverrides } }
    return (await plane.request('POST', collection, profile)).status === 201
  }
  if (found.status !== 200) return false
  if (found.body.metadata.annotations?.['smi.linkerd.io/skip'] !== undefined) return true
  const { dstOverrides: _, ...rest } = found.body.spec ?? {}
  const put = await plane.request('PUT', `${collection}/${name}`, { ...found.body, spec: dstOverrides ? { ...rest, dstOverrides } : rest })
  return put.status === 200
}
