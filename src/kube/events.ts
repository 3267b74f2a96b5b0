/**
 * Kubernetes events for people: `kubectl describe` shows them.
 * Core v1 and not events.k8s.io/v1, which is stored as the same object: every reader (describe, Argo CD, exporters) knows its times and count, and field selectors on involvedObject work everywhere.
 */
import type { KubeApi } from './api.ts'
import type { Clock } from './clock.ts'
import type { Log } from '../telemetry/log.ts'
import type { KubeObject, Resource } from '../rollout/objects.ts'

export const eventResource: Resource = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true }

export interface EventNote {
  /** The event's name, the same for every repeat of this note, so that a repeat is known as delivered. Brought into the form of an object's name if it is not. */
  readonly name: string
  /** The object it is about; `kubectl describe` finds it by uid. */
  readonly regarding: { readonly apiVersion: string; readonly kind: string; readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string } }
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, at most 128 characters. */
  readonly reason: string
  /** Cut to 1024 bytes. */
  readonly message: string
  /** When it happened, Unix ms. Default now. */
  readonly at?: number
}
/** Delivered: it is there, now or since an earlier try. Refused: repeating will not help. Failed: worth another try later. */
export type EventOutcome = 'Delivered' | 'Refused' | 'Failed'
export interface EventRecorder {
  /** Never rejects. Failed at once where too many are waiting. */
  record(note: EventNote): Promise<EventOutcome>
}
export interface EventRecorderOptions {
  readonly api: KubeApi
  readonly clock: Pick<Clock, 'now'>
  /** Who reports, as `sluice`. */
  readonly component: string
  /** Which instance of it, as the pod's name. */
  readonly instance: string
  readonly log: Pick<Log, 'warn'>
  /** Requests at a time. Default 4. */
  readonly concurrency?: number
  /** Notes that may wait. Default 256. */
  readonly capacity?: number
}

/** Events are one create each, in the order of `record`, few at a time. */
export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const concurrency = options.concurrency ?? 4
  const capacity = options.capacity ?? 256
  const waiting: (() => void)[] = []
  let running = 0
  let forbiddenSaid = false

  const turn = async (): Promise<boolean> => {
    if (running < concurrency) {
      running++
      return true
    }
    if (waiting.length >= capacity) return false
    await new Promise<void>((go) => waiting.push(go))
    return true
  }
  const done = (): void => {
    const next = waiting.shift()
    // The place is handed on, so that nobody who comes meanwhile takes it.
    if (next) next()
    else running--
  }
  const send = async (note: EventNote): Promise<EventOutcome> => {
    const answer = await options.api.create(eventResource, eventObject(note, options))
    if (answer.ok || answer.reason === 'AlreadyExists') return 'Delivered'
    if (answer.reason === 'Forbidden' && answer.status !== 401) {
      if (!forbiddenSaid) options.log.warn({ reason: answer.reason }, `Events cannot be written: ${answer.message} Grant create on events, or ignore this: it is said only once.`)
      forbiddenSaid = true
      return 'Refused'
    }
    if (answer.reason === 'Invalid' || answer.reason === 'NotFound' || answer.reason === 'TestFailed') {
      options.log.warn({ reason: answer.reason, event: note.name }, `An event was refused: ${answer.message}`)
      return 'Refused'
    }
    return 'Failed'
  }
  return {
    async record(note) {
      if (!(await turn())) return 'Failed'
      try {
        return await send(note)
      } catch {
        return 'Failed'
      } finally {
        done()
      }
    },
  }
}

function eventObject(note: EventNote, options: EventRecorderOptions): KubeObject {
  const { metadata, apiVersion, kind } = note.regarding
  const namespace = metadata.namespace ?? 'default'
  const time = new Date(note.at ?? options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: eventName(note.name), namespace },
    involvedObject: { apiVersion, kind, name: metadata.name, ...(metadata.namespace ? { namespace: metadata.namespace } : {}), ...(metadata.uid ? { uid: metadata.uid } : {}) },
    type: note.type,
    reason: note.reason.slice(0, 128),
    message: cut(note.message, 1024),
    source: { component: options.component, host: options.instance },
    reportingComponent: options.component,
    reportingInstance: options.instance,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}

/** A DNS subdomain of at most 253 characters; equal names stay equal. */
export function eventName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9.-]+/g, '-').replace(/\.[.-]+|-+\./g, '.').slice(-253).replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
}

/** Cut at a whole character; the end says so. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text
  let kept = ''
  let size = Buffer.byteLength('…')
  for (const character of text) {
    size += Buffer.byteLength(character)
    if (size > bytes) break
    kept += character
  }
  return `${kept}…`
}
