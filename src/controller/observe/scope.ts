/** What every part of observe starts from: one rollout, its spec in numbers, and the objects that are found by name or label. */
import { revisionLabel, rolloutLabel } from '../../revision/marks.ts'
import { type DoorNames, doorNames } from '../../revision/naming.ts'
import type { Settings } from '../../rollout/decision.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import { type Plan, plan, type SpecProblem } from '../../rollout/plan.ts'
import type { RolloutSpec } from '../../rollout/schema.ts'
import type { World } from '../world.ts'

export type Door = 'stable' | 'canary' | 'own'
export const doors: readonly Door[] = ['stable', 'canary', 'own']

export interface Scope {
  readonly world: World
  readonly settings: Settings
  readonly rollout: KubeObject
  readonly namespace: string
  readonly name: string
  readonly spec: RolloutSpec
  readonly plan: Plan
  /** What is wrong with the spec as it stands; then `spec` is what could be saved of it. */
  readonly problems: readonly SpecProblem[]
  /** Names of the doors; in backends mode of Services that do not exist. */
  readonly names: DoorNames
  /** The Deployment of `workloadRef` (or of `backends.canary.workloadRef`). */
  readonly workload: KubeObject | undefined
  /** Deployments of ours, newest first; none in backends mode. */
  readonly revisions: readonly KubeObject[]
  /** Services of ours by door, and whatever else has one of their names. */
  readonly doors: Readonly<Partial<Record<Door, KubeObject>>>
  readonly foreign: Readonly<Partial<Record<Door, KubeObject>>>
}

export function scopeOf(world: World, rollout: KubeObject, settings: Settings): Scope {
  const { name, namespace = '' } = rollout.metadata
  const { spec, planned, problems } = readSpec(rollout, settings)
  const names = doorNames(planned.name)
  const found = planned.mode === 'Revisions' ? servicesOf(world, namespace, name, names) : { doors: {}, foreign: {} }
  return {
    world, settings, rollout, namespace, name, spec, plan: planned, problems, names, ...found,
    workload: planned.workload === undefined ? undefined : world.get('Deployment', namespace, planned.workload),
    revisions: planned.mode === 'Revisions' ? revisionsOf(world, namespace, name) : [],
  }
}

/** Whether an object is ours for this rollout. */
export function isOurs(object: KubeObject, rollout: string): boolean {
  return object.metadata.labels?.[rolloutLabel] === rollout
}

/** Unix ms of an RFC 3339 time; 0 where it is absent. */
export function timeOf(text: string | undefined): number {
  return text === undefined ? 0 : Date.parse(text)
}

/** A spec that cannot be planned is reduced to what leads to its objects, so that a running journey can still be lowered and aborted. */
function readSpec(rollout: KubeObject, settings: Settings): { spec: RolloutSpec; planned: Plan; problems: readonly SpecProblem[] } {
  const spec = (rollout.spec ?? {}) as RolloutSpec
  const { name } = rollout.metadata
  const result = plan(spec, name, settings)
  if (result.ok) return { spec, planned: result.plan, problems: [] }
  const { workloadRef, backends, service, traffic, replicas, deletionPolicy } = spec
  const attempts: RolloutSpec[] = [{ workloadRef, backends, service, traffic, replicas, deletionPolicy }, { workloadRef, backends, service, traffic }, { workloadRef, backends, traffic }, { workloadRef, backends }, {}]
    .map((part) => ({ ...part, steps: [{ weight: 100 }] }))
  for (const attempt of attempts) {
    const reduced = plan(attempt, name, settings)
    if (reduced.ok) return { spec: attempt, planned: reduced.plan, problems: result.problems }
  }
  const bare = plan({ workloadRef: { kind: 'Deployment', name }, steps: [{ weight: 100 }], traffic: { istio: { managed: {} } }, service: { port: 80 } }, name, settings)
  if (!bare.ok) throw new Error(`a bare spec must be valid, but ${bare.problems.map((problem) => `${problem.field}: ${problem.message}`).join('; ')}`)
  return { spec: { steps: [{ weight: 100 }] }, planned: bare.plan, problems: result.problems }
}

function servicesOf(world: World, namespace: string, rollout: string, names: DoorNames): Pick<Scope, 'doors' | 'foreign'> {
  const found = doors.flatMap((door) => {
    const service = world.get('Service', namespace, names[door])
    return service ? [[door, service] as const] : []
  })
  return {
    doors: Object.fromEntries(found.filter(([, service]) => isOurs(service, rollout))),
    foreign: Object.fromEntries(found.filter(([, service]) => !isOurs(service, rollout))),
  }
}

function revisionsOf(world: World, namespace: string, rollout: string): readonly KubeObject[] {
  const ours = world.list('Deployment', namespace, { [rolloutLabel]: rollout }).filter((deployment) => deployment.metadata.labels?.[revisionLabel] !== undefined)
  return ours.toSorted((a, b) => timeOf(b.metadata.creationTimestamp) - timeOf(a.metadata.creationTimestamp) || (a.metadata.name < b.metadata.name ? -1 : 1))
}
