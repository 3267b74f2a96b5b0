/** Our own objects, brought in step with what they have to be. */
import { ownedBy, settledAnnotations } from '../../revision/deployment.ts'
import { memoryOf, sameShape, shapeOf } from '../../revision/door.ts'
import { sentAnnotation } from '../../revision/marks.ts'
import { sameRevision } from '../../revision/template.ts'
import { trackedAnnotation } from '../../revision/tracked.ts'
import type { Action } from '../../rollout/actions.ts'
import type { JsonPatchOp, KubeObject } from '../../rollout/objects.ts'
import { ownedPatch } from '../../traffic/owned.ts'
import { wantedShape } from '../observe/doors.ts'
import { managedPatch } from '../observe/managed.ts'
import type { Raw } from '../observe.ts'
import { doors, isOurs, type Scope } from '../observe/scope.ts'
import { wantedRecords } from '../observe/tracked.ts'
import { isOwned } from '../observe/workload.ts'
import { keepCopies } from './copies.ts'
import { type ActResult, done, refused, unchanged, unchangedSince, type Writer } from './writer.ts'

/** `Door/<door>`, `Policy/<name>`, `Route/<key>`, `Revision/<name>`, `Copies/<revision>`, as seen.upkeep lists them. */
export async function upkeep(writer: Writer, raw: Raw, { key }: Extract<Action, { type: 'Upkeep' }>): Promise<ActResult> {
  const [what, ...rest] = key.split('/')
  const name = rest.join('/')
  switch (what) {
    case 'Door': return await keepDoor(writer, raw.scope, name)
    case 'Policy': return await keepPolicy(writer, raw, name)
    case 'Route': return await keepRoute(writer, raw, name)
    case 'Revision': return await keepRevision(writer, raw.scope, name)
    case 'Copies': return await keepCopies(writer, raw.scope, name)
    default: return refused('Invalid', `upkeep of ${key} is unknown`)
  }
}

async function keepDoor(writer: Writer, scope: Scope, name: string): Promise<ActResult> {
  const door = doors.find((candidate) => candidate === name)
  const present = door && scope.doors[door]
  const shape = wantedShape(scope)
  if (!present || !shape || !scope.workload) return unchanged
  const { ports, sessionAffinity, sessionAffinityConfig } = shape
  const superfluous = sessionAffinityConfig === undefined && present.spec?.sessionAffinityConfig !== undefined
  const spec: readonly JsonPatchOp[] = sameShape(shapeOf(present), shape) ? [] : [
    { op: 'add', path: '/spec/ports', value: ports },
    { op: 'add', path: '/spec/sessionAffinity', value: sessionAffinity },
    ...(sessionAffinityConfig !== undefined ? [{ op: 'add' as const, path: '/spec/sessionAffinityConfig', value: sessionAffinityConfig }] : []),
    ...(superfluous ? [{ op: 'remove' as const, path: '/spec/sessionAffinityConfig' }] : []),
  ]
  return await write(writer, 'Service', present, [...spec, ...owned(present, scope.workload), ...annotated(present, memoryOf(scope.spec))])
}

async function keepPolicy(writer: Writer, { policies, scope }: Raw, name: string): Promise<ActResult> {
  const policy = policies.get(name)
  if (!policy) return unchanged
  const { wanted, present } = policy
  if (!present) return wanted ? done(await writer.create('DestinationRule', wanted)) : unchanged
  if (!isOurs(present, scope.name)) return refused('AlreadyExists', `DestinationRule ${name} is not ours: it is never changed`)
  if (!wanted) return await writer.delete('DestinationRule', present)
  return await sent(writer, 'DestinationRule', present, ownedPatch(present, wanted))
}

async function keepRoute(writer: Writer, raw: Raw, key: string): Promise<ActResult> {
  const route = raw.routes.get(key)
  return route?.object ? await sent(writer, route.kind, route.object, managedPatch(raw.scope, route)) : unchanged
}

/** Re-owns a revision, and writes down what webhooks made of it where nobody came to do so at its creation, and what is tracked for it. */
async function keepRevision(writer: Writer, scope: Scope, name: string): Promise<ActResult> {
  const present = scope.revisions.find((candidate) => candidate.metadata.name === name)
  const { workload } = scope
  if (!present || !workload) return unchanged
  const unsettled = present.metadata.annotations?.[sentAnnotation] !== undefined && sameRevision(workload, present)
  const settled = unsettled ? settledAnnotations(workload, present) : {}
  const annotations = annotated(present, { ...settled, ...trackedAnnotation(wantedRecords(scope, present)) })
  return await write(writer, 'Deployment', present, [...owned(present, workload), ...annotations])
}

/** Adds the owner; owners of the same name under an old uid go, since they would have the object collected. */
function owned(present: KubeObject, workload: KubeObject): readonly JsonPatchOp[] {
  if (isOwned(present, workload)) return []
  const owner = ownedBy(workload)
  const others = (present.metadata.ownerReferences ?? []).filter(({ kind, name }) => kind !== owner.kind || name !== owner.name)
  return [{ op: 'add', path: '/metadata/ownerReferences', value: [...others, owner] }]
}

/** Sets annotations; null removes one. */
function annotated(present: KubeObject, wanted: Readonly<Record<string, string | null>>): readonly JsonPatchOp[] {
  const before = present.metadata.annotations ?? {}
  const after = Object.fromEntries(Object.entries({ ...before, ...wanted }).filter(([, value]) => value !== null))
  const same = Object.entries(wanted).every(([key, value]) => (before[key] ?? null) === value)
  return same ? [] : [{ op: 'add', path: '/metadata/annotations', value: after }]
}

async function write(writer: Writer, kind: 'Service' | 'Deployment', present: KubeObject, changes: readonly JsonPatchOp[]): Promise<ActResult> {
  return changes.length === 0 ? unchanged : done(await writer.patch(kind, present, [...unchangedSince(present), ...changes]))
}
async function sent(writer: Writer, kind: Parameters<Writer['patch']>[0], present: KubeObject, patch: readonly JsonPatchOp[]): Promise<ActResult> {
  return patch.length === 0 ? unchanged : done(await writer.patch(kind, present, patch))
}
