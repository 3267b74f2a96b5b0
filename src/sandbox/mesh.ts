/** Linkerd's SMI adaptor: copies each TrafficSplit into the dstOverrides of the apex' ServiceProfile, and empties them when the split is deleted. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../rollout/objects.ts'
import { fromKey, keyFor, loop } from './loop.ts'
import type { Store } from './store.ts'

const splits = 'trafficsplits.split.smi-spec.io'
const profiles = 'serviceprofiles.linkerd.io'
const manager = 'smi-adaptor'
/** A split with this annotation is left alone by the adaptor. */
const skip = 'smi.linkerd.io/skip'

/** Runs while both kinds are served; authorities end in `.svc.<clusterDomain>`. */
export function runSmiAdaptor(store: Store, clusterDomain: string): { close(): void } {
  const work = loop(store, (key) => {
    if (store.serves(splits) && store.serves(profiles)) mirror(store, key, clusterDomain)
  })
  const touched = (split: KubeObject): void => work.wake(keyFor(split.metadata.namespace, split.spec?.service ?? split.metadata.name))
  const watch = store.watchAll((id, change) => {
    if (id !== splits) return
    touched(change.object)
    if (change.previous && change.previous.spec?.service !== change.object.spec?.service) touched(change.previous)
  })
  return {
    close: () => {
      watch.close()
      work.close()
    },
  }
}

function mirror(store: Store, key: string, domain: string): void {
  const { namespace, name: apex } = fromKey(key)
  const authority = (service: string): string => `${service}.${namespace}.svc.${domain}`
  const split = store.list(splits, { namespace }).find((candidate) => candidate.spec?.service === apex)
  if (split?.metadata.annotations && skip in split.metadata.annotations) return
  const overrides = (split?.spec.backends ?? []).map((backend: { service: string; weight: number | string }) => ({
    authority: authority(backend.service),
    weight: String(backend.weight),
  }))
  const existing = store.get(profiles, namespace, authority(apex))
  if (!existing) {
    if (!split) return
    const metadata = { name: authority(apex), namespace }
    store.create(profiles, { apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', metadata, spec: { dstOverrides: overrides } }, { manager })
    return
  }
  if (isDeepStrictEqual(existing.spec?.dstOverrides ?? [], overrides)) return
  store.update(profiles, namespace, authority(apex), (profile) => ({ ...profile, spec: { ...profile.spec, dstOverrides: overrides } }), { manager })
}
