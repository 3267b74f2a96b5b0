/** Weights, and the route object that is ours. */
import type { Action } from '../../rollout/actions.ts'
import type { KubeObject } from '../../rollout/objects.ts'
import type { CallOptions, Failure } from '../../kube/api.ts'
import { managedTotal } from '../../traffic/expressible.ts'
import type { SplitChange } from '../../traffic/router.ts'
import { managedPatch, wantedRoute } from '../observe/managed.ts'
import type { Raw } from '../observe.ts'
import type { Route } from '../observe/routes.ts'
import { isOurs } from '../observe/scope.ts'
import { type ActResult, done, refused, unchanged, type Writer } from './writer.ts'

type Of<T extends Action['type']> = Extract<Action, { type: T }>

/** A lowering that meets a changed object, or no answer, is tried this often before the next pass takes over. */
const tries = 8
const urgent: CallOptions = { urgent: true, timeoutMs: 4_000 }
const again: readonly Failure['reason'][] = ['TestFailed', 'Conflict', 'Timeout', 'Unavailable', 'Throttled']

/**
 * Takes traffic away and marks the route as closed in one patch; needs no permission, neither commit nor grant. What changed meanwhile is read again
 * and patched as it is now, unless a later decision has marked it.
 */
export async function lower(writer: Writer, raw: Raw, action: Of<'Lower'>): Promise<ActResult> {
  const route = raw.routes.get(action.route)
  let object = route?.object
  if (!route || !object) return refused('NotFound', `${action.route} does not exist, so it sends nothing`)
  const change: SplitChange = { canary: action.canaryDoor, closedTo: action.closedTo, ...(action.redirect ? { canaryOnly: { redirect: true } } : {}) }
  let failure: Failure = refused('TestFailed', '')
  for (let attempt = 0; attempt < tries; attempt++) {
    const patch = route.router.patch(object, route.arms, route.selector, change)
    if (patch.length === 0) return attempt === 0 ? unchanged : { ok: true, wrote: true }
    const answer = await writer.patch(route.kind, object, patch, urgent)
    if (answer.ok) return afterRoute(writer, route, answer.value)
    failure = answer
    if (!again.includes(answer.reason)) return answer
    const fresh = await writer.get(route.kind, object, urgent)
    if (!fresh.ok && fresh.reason === 'NotFound') return fresh
    if (fresh.ok && isLater(route, fresh.value, action.closedTo.sequence)) return refused('TestFailed', `${action.route} was marked by a later decision`)
    if (fresh.ok) object = fresh.value
  }
  return failure
}

/** One patch with a test on everything it replaces. A managed route that cannot express the steps yet gets its finer total first, with the split as it is. */
export async function setSplit(writer: Writer, raw: Raw, action: Of<'SetSplit'>): Promise<ActResult> {
  const route = raw.routes.get(action.route)
  if (!route?.object) return refused('NotFound', `${action.route} does not exist`)
  // Less for the canary door waits for nothing, neither for other writes nor for a finer total.
  const lowers = action.canaryDoor < route.router.read(route.object, route.arms, route.selector).canary - 0.05
  if (!lowers && route.managed && isTooCoarse(raw, route, route.object)) {
    const finer = managedPatch(raw.scope, route)
    if (finer.length > 0) return done(await writer.patch(route.kind, route.object, finer))
  }
  const originals = route.selector.originals ?? []
  const patch = route.router.patch(route.object, route.arms, route.selector, {
    canary: action.canaryDoor,
    ...(action.reopen ? { closedTo: 'Remove' as const } : {}),
    ...(action.restore && originals.length > 0 ? { canaryOnly: { restore: originals } } : {}),
  })
  if (patch.length === 0) return unchanged
  const answer = await writer.patch(route.kind, route.object, patch, lowers ? urgent : undefined)
  return answer.ok ? afterRoute(writer, route, answer.value) : answer
}

export async function createRoute(writer: Writer, raw: Raw, action: Of<'CreateRoute'>): Promise<ActResult> {
  const route = raw.routes.get(action.route)
  if (!route?.managed) return refused('Invalid', `${action.route} is not ours to create`)
  if (route.object) return refused('AlreadyExists', `${action.route} exists`)
  const wanted = wantedRoute(raw.scope, route, action.canaryDoor)
  if ('problems' in wanted) return refused('Invalid', wanted.problems.map((problem) => problem.message).join('; '))
  return done(await writer.create(route.kind, wanted.object))
}

export async function deleteRoute(writer: Writer, raw: Raw, action: Of<'DeleteRoute'>): Promise<ActResult> {
  const route = raw.routes.get(action.route)
  if (!route?.object) return unchanged
  if (!route.managed || !isOurs(route.object, raw.scope.name)) return refused('Invalid', `${action.route} is not ours to delete`)
  return await writer.delete(route.kind, route.object)
}

/** Of a route that is not ours we own nothing for longer than the write. */
function afterRoute(writer: Writer, route: Route, written: KubeObject): ActResult {
  return { ok: true, wrote: true, ...(route.managed ? {} : { afterwards: writer.disowning(route.kind, written) }) }
}

function isTooCoarse(raw: Raw, route: Route, object: KubeObject): boolean {
  const { totals } = route.router.read(object, route.arms, route.selector)
  return Math.min(...totals) < managedTotal(raw.scope.plan.steps.map((step) => step.weight))
}

function isLater(route: Route, object: KubeObject, sequence: number): boolean {
  const mark = route.router.read(object, route.arms, route.selector).closedTo
  return mark !== undefined && mark.sequence > sequence
}
