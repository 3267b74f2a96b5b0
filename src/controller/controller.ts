/** The controller: caches and election always run; passes only while this process leads. */
import type { KubeApi } from '../kube/api.ts'
import { eventRecorder, type EventOutcome } from '../kube/events.ts'
import { startLease, type Lease } from '../kube/lease.ts'
import type { Settings } from '../rollout/decision.ts'
import type { HookAnswer, HookCall } from '../rollout/hooks/call.ts'
import { pointOf } from '../rollout/hooks/index.ts'
import type { PlanSettings } from '../rollout/plan.ts'
import type { Note } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { noMeters, type Meters } from '../telemetry/meters.ts'
import { startCaches, type Caches } from './caches.ts'
import { Fetcher, ofMetrics, type Source } from './fetch.ts'
import { gauges } from './gauges.ts'
import { goneRollouts, type Absences } from './gone.ts'
import { Metering } from './metering.ts'
import { notifying as putTogether, type NotifyOptions } from './notifying.ts'
import type { Sightings } from './observe/sightings.ts'
import { type Derive, Originals } from './originals.ts'
import { Queue } from './queue.ts'
import { hurry, reconcile } from './reconcile.ts'
import { timed } from './server-clock.ts'
import { split, surroundings } from './surroundings.ts'
import { Teller, type About } from './tell.ts'
import { keyOf, Wakes } from './wakes.ts'

export interface ControllerOptions {
  readonly api: KubeApi
  readonly clock: Clock
  readonly log: Log
  /** `identity` names this process in the lease, in status.writer and in events. */
  readonly settings: Settings
  readonly source: Source
  /** Only this namespace is watched; all of them where unset. */
  readonly namespace?: string
  /** Where the lease is. Unset: nobody else runs, and this process leads from the start. */
  readonly election?: { readonly namespace: string; readonly name: string }
  /** In [0, 1), for jitter. */
  readonly random: () => number
  /** Unset: nothing is measured. */
  readonly meters?: Meters
  /** How the digest of a Secret is made, so that nobody guesses from it. Unset: slowly. */
  readonly derive?: Derive
  /** How messages are sent and hooks are called. Unset: to public addresses only. */
  readonly notify?: NotifyOptions
}
export interface Controller {
  /** Passes run here, as far as is known. */
  readonly leading: boolean
  /** Who leads, as last read. */
  readonly leader: string | undefined
  /** Why it could not work yet, one sentence each: a kind without its first complete list. Empty on a standby that is complete. */
  unready(): readonly string[]
  /** Every plan rests on these from now on; all Rollouts are looked at again, and messages that could not be sent are tried again. */
  reconfigure(settings: PlanSettings): void
  /** Ends the running passes, gives the lease back, ends every watch. */
  stop(): Promise<void>
}
/** How often it is looked for Rollouts that are gone, in ms. */
const sweepEvery = 15_000
const slots = { Closing: 64, People: 8, Rest: 16 }

/** Starts to watch at once, and to work as soon as it leads and has seen everything. */
export function startController(options: ControllerOptions): Controller {
  const { clock, log, random, meters = noMeters } = options
  let settings = options.settings
  const metering = new Metering({ meters, clock })
  const { api, offset } = timed(metering.api(options.api), clock)
  const wakes = new Wakes()
  const sightings = new Map<string, Sightings>()
  const uids = new Map<string, string>()
  const absences: Absences = new Map()
  let gone: ReadonlySet<string> = new Set()
  let sweeping: { cancel(): void } | undefined
  let leading = false
  let lease: Lease | undefined

  const queue: Queue = new Queue({
    clock, random, slots,
    run: (key, lane) => metering.pass(lane, () => reconcile(key, lane, around)),
    hurry: key => hurry(key, around),
    onBug: (key, error) => log.error({ ...named(key), err: error }, 'a pass threw: this is a bug of Sluice, please report it with this line'),
    onFlood: key => log.warn(named(key), 'its objects change again and again, so it is looked at more slowly: does another controller write the same fields?'),
  })
  const fetcher = new Fetcher({ clock, ...ofMetrics, source: metering.source(options.source), wake: key => leading && queue.add(key, 'Closing') })
  const originals = new Originals({ api, clock, random, derive: options.derive, wake: key => leading && queue.add(key, 'Rest') })
  const teller = new Teller({ clock, log, publish: publisher(api, options, meters) })
  const caches: Caches = startCaches({
    api, clock, log, random, namespace: options.namespace,
    changed(kind, change) {
      if (kind === 'Rollout') uids.set(keyOf(change.object), change.object.metadata.uid ?? '')
      if (kind === 'Rollout' && change.type === 'Deleted') metering.gone(...split(keyOf(change.object)))
      const woken = wakes.of(kind, change)
      if (!leading) return
      if (kind === 'NotificationChannel') notifying.changed(change)
      if (kind === 'ConfigMap') originals.changed(change)
      metering.changed(kind, change, woken, (namespace, name) => caches.get('Rollout', namespace, name))
      for (const { key, lane } of woken) queue.add(key, lane)
    },
    stateChanged: () => everything(),
  })
  const notifying = putTogether({ ...options.notify, meters, api, clock, log, random, world: caches, clusterDomain: settings.clusterDomain, wake: key => leading && queue.add(key, 'Rest') })
  const hooks = new Fetcher<HookCall, HookAnswer>({
    // Each host has places of its own where calls are made.
    clock, source: notifying.hooks, line: () => 'hooks', atOnce: Infinity, broken: error => ({ state: 'Error', message: String(error) }),
    // A test that has failed takes traffic away; gates only give more.
    wake: (key, { hook }) => leading && queue.add(key, pointOf(hook.when).kind === 'Evidence' ? 'Closing' : 'Rest'),
  })
  const mayRaise = () => leading && (lease === undefined || lease.mayRaise())
  const ownSurroundings = surroundings({ api, clock, log, settings: () => settings, caches, fetcher, hooks, teller, notifying, originals, mayRaise, clockOffsetMs: offset, sightings, isGone: key => gone.has(key), forget })
  const around = metering.around(ownSurroundings, fetcher)
  const unread = meters.read(() => gauges({ world: caches, queue, metering, leading: () => leading }))

  function everything(): void {
    if (!leading || caches.problems().length > 0) return
    for (const rollout of caches.list('Rollout', undefined)) queue.add(keyOf(rollout), 'Rest')
  }
  /** Rollouts that were deleted while nobody looked, and the objects they left. */
  function sweep(): void {
    sweeping?.cancel()
    sweeping = undefined
    if (!leading) return
    gone = new Set(goneRollouts(caches, absences, clock.now()).due)
    for (const key of gone) queue.add(key, 'Rest')
    sweeping = clock.setTimeout(sweep, sweepEvery)
  }
  function forget(key: string): void {
    sightings.delete(key)
    fetcher.forget(key)
    originals.forget(key)
    hooks.forget(key)
    const uid = uids.get(key)
    uids.delete(key)
    if (uid === undefined) return
    teller.forget(uid)
    notifying.forget(uid)
  }
  let turn = Promise.resolve()
  function started(): void {
    leading = true
    metering.leads('Leading')
    log.info({ identity: settings.identity }, 'leading')
    turn = turn.then(() => {
      if (!leading) return
      queue.start()
      everything()
      notifying.start()
      sweep()
    })
  }
  function stopped(reason: string): void {
    leading = false
    metering.leads('Standby')
    log.warn({ identity: settings.identity, reason }, `no longer leading: ${reason}`)
    sweeping?.cancel()
    absences.clear()
    fetcher.stop()
    originals.stop()
    hooks.stop()
    teller.stop()
    notifying.stop()
    // A new lead begins with what is there then.
    sightings.clear()
    turn = turn.then(() => queue.stop())
  }
  if (options.election === undefined) started()
  else {
    const onProblem = (message: string) => {
      meters.count('sluice_lease_problems_total', {})
      log.warn({ identity: settings.identity }, `lease: ${message}`)
    }
    lease = startLease({ api: options.api, clock, random, ...options.election, identity: settings.identity, started, stopped, onProblem })
  }
  return {
    get leading() {
      return leading
    },
    get leader() {
      return lease === undefined ? settings.identity : lease.holder
    },
    unready: () => caches.problems(),
    reconfigure(planning) {
      // What is no longer said is no longer so: nothing of the planning before stays.
      const { identity, propagationDelayMs, clusterDomain } = options.settings
      settings = { identity, propagationDelayMs, clusterDomain, ...planning }
      if (leading) notifying.reconfigured()
      everything()
    },
    async stop() {
      // The passes end first, so that the next leader finds nothing half done.
      await queue.stop()
      if (lease === undefined) stopped('stopped')
      else await lease.stop()
      await turn
      await caches.stop()
      unread()
    },
  }
}

/** A key as log lines name it. */
function named(key: string): { readonly rollout: string; readonly namespace: string } {
  const [namespace, rollout] = split(key)
  return { rollout, namespace }
}

function publisher(api: KubeApi, { clock, settings, log }: ControllerOptions, meters: Meters): (about: About, note: Note) => Promise<EventOutcome> {
  const recorder = eventRecorder({ api, clock, component: 'sluice', instance: settings.identity, log })
  return async (about, note) => {
    // A step reached stands in the status and in the log; as an event it would be one more write for each step.
    if (note.type === 'StepReached') return 'Delivered'
    const result = await recorder.record({
      name: `${about.name}.${about.uid}.${note.id}`,
      regarding: { apiVersion: 'sluice.dev/v1alpha1', kind: 'Rollout', metadata: about },
      type: note.severity, reason: note.type, message: note.message, at: Date.parse(note.at),
    })
    meters.count('sluice_events_total', { result })
    return result
  }
}
