/** One action, one write, with the precondition of what its pass saw. Everything that goes wrong is an answer. */
import type { Action } from '../rollout/actions.ts'
import type { KubeApi } from '../kube/api.ts'
import { deleteDoor, turnDoor } from './act/doors.ts'
import { answerRequest, deleteRequest, setFinalizer, writeReplicas } from './act/rollout.ts'
import { createRevision, deleteRevision, scaleRevision, scaleWorkload } from './act/revisions.ts'
import { createRoute, deleteRoute, lower, setSplit } from './act/routes.ts'
import { upkeep } from './act/upkeep.ts'
import { type ActContext, type ActResult, Writer } from './act/writer.ts'
import type { Raw } from './observe.ts'

export type { ActContext, ActResult } from './act/writer.ts'

/**
 * Does one action. TestFailed, Conflict, NotFound and AlreadyExists mean that the world is no longer what the pass saw: look again. Only Lower
 * reads again and retries by itself, and goes over connections of its own.
 */
export function act(api: KubeApi, raw: Raw, action: Action, context: ActContext): Promise<ActResult> {
  const writer = new Writer(api, raw.scope.world, context)
  switch (action.type) {
    case 'Lower': return lower(writer, raw, action)
    case 'SetSplit': return setSplit(writer, raw, action)
    case 'CreateRoute': return createRoute(writer, raw, action)
    case 'DeleteRoute': return deleteRoute(writer, raw, action)
    case 'TurnDoor': return turnDoor(writer, raw, action)
    case 'DeleteDoor': return deleteDoor(writer, raw, action)
    case 'CreateRevision': return createRevision(writer, raw, action)
    case 'Scale': return scaleRevision(writer, raw, action)
    case 'DeleteRevision': return deleteRevision(writer, raw, action)
    case 'ScaleWorkload': return scaleWorkload(writer, raw, action)
    case 'WriteReplicas': return writeReplicas(writer, raw, action)
    case 'SetFinalizer': return setFinalizer(writer, raw, action)
    case 'Upkeep': return upkeep(writer, raw, action)
    case 'AnswerRequest': return answerRequest(writer, raw, action)
    case 'DeleteRequest': return deleteRequest(writer, action, raw)
  }
}
