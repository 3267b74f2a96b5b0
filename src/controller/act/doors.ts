/** Doors as Services. */
import { memoryOf, doorSelector, doorService } from '../../revision/door.ts'
import type { Action } from '../../rollout/actions.ts'
import { wantedShape } from '../observe/doors.ts'
import type { Raw } from '../observe.ts'
import { isOurs } from '../observe/scope.ts'
import { type ActResult, done, refused, unchanged, unchangedSince, type Writer } from './writer.ts'

/** Creates the door, or changes its selector if nothing of it has changed since it was seen. */
export async function turnDoor(writer: Writer, { scope }: Raw, { door, to }: Extract<Action, { type: 'TurnDoor' }>): Promise<ActResult> {
  const name = scope.names[door]
  const { workload } = scope
  if (scope.foreign[door]) return refused('AlreadyExists', `Service ${name} in ${scope.namespace} is not ours: it is never changed`)
  if (!workload) return refused('NotFound', `Deployment ${scope.plan.workload} does not exist, so no labels are known for ${name}`)
  const selector = doorSelector(workload, to)
  const present = scope.doors[door]
  if (present) {
    return done(await writer.patch('Service', present, [
      ...unchangedSince(present),
      { op: 'test', path: '/spec/selector', value: present.spec?.selector ?? null },
      { op: 'add', path: '/spec/selector', value: selector },
    ]))
  }
  const shape = wantedShape(scope)
  if (!shape) return refused('Invalid', `no port is known for Service ${name}: set spec.service.port`)
  return done(await writer.create('Service', doorService({ name, rollout: scope.name, workload, shape, selector, annotations: memoryOf(scope.spec) })))
}

/** The door, and before it the policy that speaks for it alone. */
export async function deleteDoor(writer: Writer, { scope, policies }: Raw, { door }: Extract<Action, { type: 'DeleteDoor' }>): Promise<ActResult> {
  const present = scope.doors[door]
  if (!present) return unchanged
  const policy = policies.get(present.metadata.name)?.present
  const first = policy && isOurs(policy, scope.name) ? await writer.delete('DestinationRule', policy) : unchanged
  return first.ok ? await writer.delete('Service', present) : first
}
