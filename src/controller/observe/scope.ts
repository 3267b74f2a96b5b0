/** What every part of observe starts from: one rollout, its spec in numbers, and the objects that are found by name or label. */
import { revisionLabel, rolloutLabel } from '../../revision/marks.ts'
import { type DoorNames, doorNames } from '../../revision/naming.ts'
import type { Settings } from '../../rollout/decision.ts'
import { inForce } from '../../rollout/defaults.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import { type Plan, plan, type PlanSettings, type SpecProblem } from '../../rollout/plan.ts'
import type { RolloutSpec, RolloutStatus } from '../../rollout/schema.ts'
import type { World } from '../world.ts'
import { type Contents, trackedSeen, type TrackedSeen } from './tracked.ts'

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
  /** ConfigMaps and Secrets that the template names and the spec tracks. */
  readonly tracked: readonly TrackedSeen[]
}

/** `contents`: what is known of tracked objects; left out, nothing is. */
export function scopeOf(world: World, rollout: KubeObject, settings: Settings, contents?: Contents): Scope {
  const { name, namespace = '' } = rollout.metadata
  const { spec, planned, problems } = readSpec(rollout, { ...settings, defaults: inForce(settings.defaults, statusOf(rollout)) })
  const names = doorNames(planned.name)
  const found = planned.mode === 'Revisions' ? servicesOf(world, namespace, name, names) : { doors: {}, foreign: {} }
  const workload = planned.workload === undefined ? undefined : world.get('Deployment', namespace, planned.workload)
  return {
    world, settings, rollout, namespace, name, spec, plan: planned, problems, names, ...found, workload,
    tracked: trackedSeen({ spec, workload, namespace }, contents),
    revisions: planned.mode === 'Revisions' ? revisionsOf(world, namespace, name) : [],
  }
}

/** A status without a sequence is none: nothing was ever decided on it. */
function statusOf({ status }: KubeObject): RolloutStatus | undefined {
  return typeof status?.sequence === 'number' ? status : undefined
}

/** Whether an object is ours for this rollout. */
export function isOurs(object: KubeObject, rollout: string): boolean {
  return object.metadata.labels?.[rolloutLabel] === rollout
}

/** Whether an object is of another Rollout that exists. What a gone one has left to the user is the user's. */
export function belongsToAnother({ world, namespace, name }: Scope, object: KubeObject | undefined): boolean {
  const label = object?.metadata.labels?.[rolloutLabel]
  return label !== undefined && label !== name && world.get('Rollout', namespace, label) !== undefined
}

/** Unix ms of an RFC 3339 time; 0 where it is absent. */
export function timeOf(text: string | undefined): number {
  return text === undefined ? 0 : Date.parse(text)
}

export interface ReadSpec {
  readonly spec: RolloutSpec
  readonly planned: Plan
  readonly problems: readonly SpecProblem[]
}
/** The spec and its plan. One that cannot be planned is reduced to what leads to its objects, so that a running journey can still be lowered and aborted. */
export function readSpec(rollout: KubeObject, settings: PlanSettings): ReadSpec {
  const { name } = rollout.metadata
  const spec: RolloutSpec = rollout.spec ?? {}
  const whole = plan(spec, name, settings)
  if (whole.ok) return { spec, planned: whole.plan, problems: [] }
  // Whatever else cannot be read: who only looks on never writes.
  const saved = (planned: Plan): Plan => ({ ...planned, observes: spec.mode === 'Observe' })
  for (const part of parts(spec)) {
    const reduced = plan(part, name, settings)
    if (reduced.ok) return { spec: part, planned: saved(reduced.plan), problems: whole.problems }
    // Without a readable provider no route is known; the plan needs one all the same.
    const bare = plan({ ...part, traffic: { istio: { managed: {} } } }, name, settings)
    if (bare.ok) return { spec: { ...part, traffic: undefined }, planned: saved(bare.plan), problems: whole.problems }
  }
  throw new Error(`the reduced spec of ${rollout.metadata.namespace}/${name} must be valid`)
}

/** What may be left of an invalid spec, the most first; the last is valid whatever the spec was. */
function parts(spec: RolloutSpec): readonly RolloutSpec[] {
  const { workloadRef, backends, service, traffic, replicas, deletionPolicy, analysis, trackedConfig } = spec
  const steps = [{ weight: 100 }]
  const none: RolloutSpec = { workloadRef: { kind: 'Deployment', name: 'none' }, steps }
  return [
    // Checks that can be read go on watching a journey under way.
    { workloadRef, backends, service, traffic, replicas, deletionPolicy, analysis, trackedConfig, steps: spec.steps },
    { workloadRef, backends, service, traffic, replicas, deletionPolicy, analysis, trackedConfig, steps },
    { workloadRef, backends, service, traffic, replicas, deletionPolicy, trackedConfig, steps },
    { workloadRef, backends, service, traffic, trackedConfig, steps },
    { workloadRef, backends, service, traffic, steps },
    { workloadRef, backends, traffic, steps },
    { workloadRef, service, steps },
    { workloadRef, steps },
    none,
  ]
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
  const labelled = world.list('Deployment', namespace, { [rolloutLabel]: rollout })
  const ours = labelled.filter((deployment) => deployment.metadata.labels?.[revisionLabel] !== undefined)
  return ours.toSorted((a, b) => timeOf(b.metadata.creationTimestamp) - timeOf(a.metadata.creationTimestamp) || (a.metadata.name < b.metadata.name ? -1 : 1))
}
