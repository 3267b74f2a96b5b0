/** Rollouts that no longer exist, but whose revisions and doors do: who they are, and what removal has to know of them. */
import { deletionPolicyAnnotation, revisionLabel, rolloutLabel, rolloutSpecAnnotation } from '../revision/marks.ts'
import type { Settings } from '../rollout/decision.ts'
import { iso } from '../rollout/duration.ts'
import type { KubeObject } from '../rollout/objects.ts'
import type { RolloutSpec } from '../rollout/schema.ts'
import { type Observation, observeRollout } from './observe.ts'
import type { Sightings } from './observe/sightings.ts'
import type { Contents } from './observe/tracked.ts'
import type { World } from './world.ts'

/** By key (`namespace/name`): Unix ms since when a Rollout with remnants has been absent from a complete list. */
export type Absences = Map<string, number>

/** A Rollout is gone when it was absent this long, ms: one that is replaced, or restored from a backup, comes back sooner. */
export const absentMs = 60_000

/**
 * Keys of the Rollouts that are gone and left something to put back, and when the next absence may have become one (Unix ms). A kind that is not
 * served, or not listed completely, says nothing about absence, and what was counted before starts anew.
 */
export function goneRollouts(world: World, absences: Absences, now: number): { readonly due: readonly string[]; readonly wakeAt?: number } {
  const known = world.state('Rollout') === 'Synced' && world.state('Deployment') === 'Synced' && world.state('Service') === 'Synced'
  const absent = known ? remnants(world) : new Set<string>()
  for (const key of absences.keys()) if (!absent.has(key)) absences.delete(key)
  for (const key of absent) absences.set(key, Math.min(absences.get(key) ?? now, now))
  const due = [...absences].filter(([, since]) => now >= since + absentMs).map(([key]) => key)
  const waiting = [...absences.values()].filter((since) => now < since + absentMs)
  return { due, ...(waiting.length > 0 ? { wakeAt: Math.min(...waiting) + absentMs } : {}) }
}

/** What is left of a gone Rollout as if it were being deleted, with the spec that its doors or revisions remember. Gone: nothing is left, or it came back. */
export function observeGone(world: World, key: string, settings: Settings, memory: Sightings, now: number, contents?: Contents): Observation {
  const [namespace = '', name = ''] = key.split('/')
  if (world.state('Rollout') !== 'Synced') return { state: 'Syncing', kinds: ['Rollout'] }
  if (world.get('Rollout', namespace, name)) return { state: 'Gone' }
  const left = [...world.list('Service', namespace, { [rolloutLabel]: name }), ...world.list('Deployment', namespace, { [rolloutLabel]: name })]
  const spec = remembered(left)
  if (!spec) return { state: 'Gone' }
  const rollout: KubeObject = {
    apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: { name, namespace, uid: '', deletionTimestamp: iso(now) }, spec,
  }
  return observeRollout(world, rollout, settings, memory, now, contents ? { contents } : {})
}

/** Keys of absent Rollouts of which a revision, or a door that leads to one, is left. Doors that lead to the user's own pods stay for good. */
function remnants(world: World): ReadonlySet<string> {
  const revisions = world.list('Deployment', undefined).filter(({ metadata }) => metadata.labels?.[revisionLabel] !== undefined)
  const doors = world.list('Service', undefined).filter(({ spec }) => spec?.selector?.[revisionLabel] !== undefined)
  const keys = new Set<string>()
  for (const { metadata } of [...revisions, ...doors]) {
    const name = metadata.labels?.[rolloutLabel]
    if (name !== undefined && !world.get('Rollout', metadata.namespace ?? '', name)) keys.add(`${metadata.namespace}/${name}`)
  }
  return keys
}

/** The newest memory wins: doors are kept in step, revisions only carry what was true at their creation. */
function remembered(left: readonly KubeObject[]): RolloutSpec | undefined {
  const steps = [{ weight: 100 }]
  const policy = left.map(({ metadata }) => metadata.annotations?.[deletionPolicyAnnotation]).find((value) => value === 'Restore' || value === 'Orphan')
  for (const { metadata } of left) {
    const spec = parsed(metadata.annotations?.[rolloutSpecAnnotation])
    if (spec) return { ...spec, steps, ...(policy ? { deletionPolicy: policy as 'Restore' | 'Orphan' } : {}) }
  }
  // Without any memory the owner of a revision still says whose it is; then no route of the user is known, and none is touched.
  const owner = left.flatMap(({ metadata }) => metadata.ownerReferences ?? []).find(({ kind }) => kind === 'Deployment')
  return owner && { workloadRef: { kind: 'Deployment', name: owner.name }, steps, ...(policy ? { deletionPolicy: policy as 'Restore' | 'Orphan' } : {}) }
}

function parsed(text: string | undefined): Partial<RolloutSpec> | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'workloadRef' in value ? (value as Partial<RolloutSpec>) : undefined
  } catch {
    return undefined
  }
}
