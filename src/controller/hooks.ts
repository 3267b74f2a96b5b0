/** Hooks of Rollouts are called: asked outside of every pass, each host with places of its own, and told of outcomes as channels are told of notes. */
import { breaker, type Breaker } from '../metrics/breaker.ts'
import { gate } from '../metrics/gate.ts'
import { hookBody, judged, outcomeBody } from '../notify/hook.ts'
import type { Message } from '../notify/message.ts'
import { posting, type Call, type Letter, type Outcome, type Reply } from '../notify/post.ts'
import { signed } from '../notify/signing.ts'
import type { HookAnswer, HookCall } from '../rollout/hooks/call.ts'
import { pointOf } from '../rollout/hooks/index.ts'
import type { KubeObject } from '../rollout/objects.ts'
import { plannedHooks, type PlannedHook } from '../rollout/plan.ts'
import { hooks as schema, type Notifications } from '../rollout/schema.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Meters } from '../telemetry/meters.ts'
import { channelOf, hookOf } from './hook-name.ts'
import { failed, type Secrets, type Trouble } from './secrets.ts'
import type { World } from './world.ts'

export interface HooksOptions {
  readonly clock: Clock
  readonly random: () => number
  readonly secrets: Secrets
  readonly world: Pick<World, 'get'>
  readonly call: Call
  readonly meters: Pick<Meters, 'count'>
  /** What calls name this cluster. */
  readonly cluster?: () => string | undefined
}
/** Calls under way at once to one host, and over all hosts: one that hangs holds up nobody but those who wait for it. */
const placesOfHost = 4
const placesOfAll = 64
/** Hosts in trouble that are remembered. */
const mostRemembered = 1000
/** Where references to Secrets stand. */
const named = 'spec.hooks'

interface Host {
  readonly places: ReturnType<typeof gate>
  /** Who is under way or in line. */
  visitors: number
}

export class Hooks {
  readonly #options: HooksOptions
  readonly #hosts = new Map<string, Host>()
  /** By namespace and host: one namespace's short time-outs say nothing to another. */
  readonly #breakers = new Map<string, Breaker>()
  readonly #places = gate(placesOfAll)

  constructor(options: HooksOptions) {
    this.#options = options
  }

  /** One try of a call. Never rejects. */
  async ask(call: HookCall): Promise<HookAnswer> {
    const answer = await this.#ask(call)
    this.#options.meters.count('sluice_hook_calls_total', { result: answer.state })
    return answer
  }
  async #ask({ id, hook, facts }: HookCall): Promise<HookAnswer> {
    const ready = await this.#ready(facts.namespace, id, hook, hookBody(id, facts, this.#options.cluster?.()))
    if ('state' in ready) return { state: 'Error', message: ready.message }
    const url = URL.parse(hook.url)
    if (url === null) return { state: 'Error', message: 'the URL is not a URL; write it as https://host/path' }
    return judged(await this.#call(facts.namespace, url, ready), url)
  }

  /** Tells a hook of an outcome, once. `channel` is one of `subscriptions`. Never rejects. */
  async tell(namespace: string, channel: string, message: Message): Promise<Outcome> {
    const hook = this.#named(namespace, channel)
    if (hook === undefined) return failed('HookMissing', `there is no hook ${channel} any more: correct spec.hooks`)
    const ready = await this.#ready(namespace, message.id, hook, outcomeBody(hook, message))
    if ('state' in ready) return ready
    const outcome = await posting((letter) => this.#call(namespace, new URL(letter.url), letter))(ready)
    this.#options.meters.count('sluice_messages_total', { result: outcome.state })
    return outcome
  }
  /** Whether it could be told, without telling. */
  async check(namespace: string, channel: string): Promise<Trouble | undefined> {
    const hook = this.#named(namespace, channel)
    if (hook === undefined) return undefined
    const ready = await this.#ready(namespace, 'check', hook, '')
    return 'state' in ready ? ready : undefined
  }

  async #ready(namespace: string, id: string, { url, secretRef, timeoutMs }: PlannedHook, body: string): Promise<Letter | Trouble> {
    if (secretRef === undefined) return { url, body, headers: { 'webhook-id': id }, timeoutMs }
    const found = await this.#options.secrets.signingKeys(namespace, secretRef, named)
    if (found.state !== 'Keys') return found
    return { url, body, headers: signed(id, this.#options.clock.now(), body, found.keys), timeoutMs }
  }

  /** First in the line of its host, then of all: who hangs keeps the places of one host. */
  async #call(namespace: string, url: URL, letter: Letter): Promise<Reply> {
    const host = this.#hosts.get(url.host) ?? { places: gate(placesOfHost), visitors: 0 }
    this.#hosts.set(url.host, host)
    host.visitors++
    try {
      return await host.places(() => this.#guarded(`${namespace}/${url.host}`, letter))
    } finally {
      if (--host.visitors === 0) this.#hosts.delete(url.host)
    }
  }
  /** A host that has not answered five times in a row rests: those who stand in line hear at once that it does not answer. */
  async #guarded(key: string, letter: Letter): Promise<Reply> {
    const { clock, random, call } = this.#options
    if (this.#breakers.size > mostRemembered) this.#breakers.clear()
    const guard = this.#breakers.get(key) ?? breaker(() => clock.monotonic(), random)
    this.#breakers.set(key, guard)
    const entered = guard.enter()
    // Without the countdown, so that what is said, and written, stays the same.
    if ('refused' in entered) return { state: 'Busy', reason: 'Resting', message: guard.state().reason ?? entered.refused }
    const reply = await this.#places(() => call(letter))
    if (reply.state === 'Busy') entered.failed(reply.message)
    else {
      entered.worked()
      this.#breakers.delete(key)
    }
    return reply
  }

  #named(namespace: string, channel: string): PlannedHook | undefined {
    const { rollout, name } = hookOf(channel)
    return hooksOf(this.#options.world.get('Rollout', namespace, rollout)).find((hook) => hook.name === name)
  }
}

/** Also where the rest of the spec is invalid: an outcome is told all the same. */
function hooksOf(rollout: KubeObject | undefined): readonly PlannedHook[] {
  const found = schema.safeParse(rollout?.spec?.hooks ?? [])
  return found.success ? plannedHooks(found.data, 'Rollback') : []
}
/** Hooks that are told of notes, as channels are. */
export function subscriptions(rollout: KubeObject | undefined): Notifications {
  return hooksOf(rollout).flatMap(({ name, when }) => {
    const point = pointOf(when)
    if (point.kind !== 'Report') return []
    const events = [...point.of] as NonNullable<Notifications[number]['events']>
    return [{ channelRef: { name: channelOf(rollout!.metadata.name, name) }, events }]
  })
}
