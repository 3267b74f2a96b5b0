/**
 * Clients that send requests into the embedded cluster, pods that answer them well or badly, and the counters that their proxies expose.
 * Deterministic: the same seed and the same times give the same requests.
 */
import type { KubeObject } from '../rollout/objects.ts'
import type { Answers } from './answers.ts'
import { podKey, route, type Arm, type Call, type DataPlane, type Routing, type World } from './routing.ts'
import type { Exposed } from './series.ts'
import { Telemetry, type Outcome } from './telemetry.ts'

export interface Pod {
  /** `namespace/name` */
  readonly key: string
  readonly name: string
  readonly namespace: string
  /** The Deployment behind its ReplicaSet. */
  readonly workload: string
  readonly image: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
export interface TrafficOptions {
  readonly world: World
  readonly dataPlane: DataPlane
  /** How a pod answers now. Asked again whenever the world has changed, and after `answersChanged`. */
  readonly answers: (pod: Pod) => Answers
  /** Proxies act on an object this long after it has changed, in ms; 500 where unset. */
  readonly lagMs?: number
  readonly seed?: number
}
export interface Served {
  readonly namespace: string
  readonly workload: string
  readonly image: string
  /** The Service through which the route led. */
  readonly service: string
  /** Requests that it answered, the bad ones among them, and those that found it unreachable. */
  readonly total: number
  readonly bad: number
  readonly lost: number
}
export interface Sender {
  /** Requests per second from now on. */
  rate(perSecond: number): void
  stop(): void
}
export interface Traffic {
  /** Begins to send. */
  send(call: Call, perSecond: number): Sender
  /** Sends everything that is due until `now` (Unix ms). The world is read as it is at this call, so call it often: see `drive`. */
  advance(now: number): void
  /** The counters of all proxies, for the embedded Prometheus. */
  expose(): Iterable<Exposed>
  /** What every workload has answered since the start, per image and Service. */
  served(): readonly Served[]
  /** Requests that found no route, no ready pod, or a pod that was gone: whatever Sluice does, this stays 0. The first fifty as examples. */
  nowhere(): { readonly count: number; readonly examples: readonly { readonly at: number; readonly host: string; readonly why: string }[] }
  answersChanged(): void
}

interface Sending {
  readonly call: Call
  perSecond: number
  owed: number
  current: Routing
  readonly heard: { readonly at: number; readonly routing: Routing }[]
}

type Tally = { -readonly [key in keyof Served]: Served[key] }

/** A model that has sent nothing yet; `start` is Unix ms. */
export function trafficModel(options: TrafficOptions, start: number): Traffic {
  return new Model(options, start)
}

class Model implements Traffic {
  readonly #options: TrafficOptions
  readonly #random: () => number
  readonly #telemetry: Telemetry
  readonly #senders = new Set<Sending>()
  readonly #tallies = new Map<string, Tally>()
  readonly #examples: { at: number; host: string; why: string }[] = []
  #missed = 0
  #pods = new Map<string, Pod>()
  readonly #answers = new Map<string, Answers>()
  #version: number | undefined
  #now: number

  constructor(options: TrafficOptions, start: number) {
    this.#options = options
    this.#random = generator(options.seed ?? 1)
    this.#telemetry = new Telemetry(options.dataPlane)
    this.#now = start
  }

  send(call: Call, perSecond: number): Sender {
    const sender: Sending = { call, perSecond, owed: 0, current: this.#routing(call), heard: [] }
    this.#senders.add(sender)
    return { rate: (next) => void (sender.perSecond = next), stop: () => void this.#senders.delete(sender) }
  }

  advance(to: number): void {
    const elapsedMs = Math.max(0, to - this.#now)
    this.#now = Math.max(this.#now, to)
    this.#refresh()
    const heardBefore = this.#now - (this.#options.lagMs ?? 500)
    for (const sender of this.#senders) {
      while (sender.heard[0] !== undefined && sender.heard[0].at <= heardBefore) sender.current = sender.heard.shift()!.routing
      sender.owed += (sender.perSecond * elapsedMs) / 1000
      for (; sender.owed >= 1; sender.owed--) this.#request(sender)
    }
  }

  expose(): Iterable<Exposed> {
    return this.#telemetry.exposed()
  }

  served(): readonly Served[] {
    return [...this.#tallies.values()].map((tally) => ({ ...tally }))
  }

  nowhere(): ReturnType<Traffic['nowhere']> {
    return { count: this.#missed, examples: this.#examples }
  }

  answersChanged(): void {
    this.#answers.clear()
  }

  #routing(call: Call): Routing {
    return route(this.#options.world, this.#options.dataPlane, call)
  }

  #refresh(): void {
    const { world } = this.#options
    if (world.version() === this.#version) return
    this.#version = world.version()
    this.#pods = new Map(world.list('pods').map((object) => [podKey(object), podOf(object)]))
    this.#answers.clear()
    this.#telemetry.keep((key) => this.#pods.has(key))
    for (const sender of this.#senders) sender.heard.push({ at: this.#now, routing: this.#routing(sender.call) })
  }

  #request({ call, current }: Sending): void {
    if ('nowhere' in current) return this.#miss(call, current.nowhere, undefined, 'NR')
    const arm = chosen(current.arms, this.#random())
    const key = arm.pods[Math.floor(this.#random() * arm.pods.length)]
    if (key === undefined) return this.#miss(call, `no ready pod behind ${arm.host}`, arm, arm.flag ?? 'UH')
    const pod = this.#pods.get(key)
    if (pod === undefined) return this.#miss(call, `pod ${key} behind ${arm.host} was gone`, arm, 'UF')
    const outcome = answered(this.#answersOf(pod), this.#random)
    const tally = this.#tally(pod, arm)
    if (outcome.flag !== undefined) tally.lost++
    else {
      tally.total++
      if (outcome.bad) tally.bad++
    }
    this.#telemetry.count(call, arm, pod, outcome)
  }

  #miss(call: Call, why: string, arm: Arm | undefined, flag: 'NR' | 'NC' | 'UH' | 'UF'): void {
    this.#missed++
    if (this.#examples.length < 50) this.#examples.push({ at: this.#now, host: call.host, why })
    this.#telemetry.count(call, arm, undefined, { flag })
  }

  #answersOf(pod: Pod): Answers {
    const known = this.#answers.get(pod.key) ?? this.#options.answers(pod)
    this.#answers.set(pod.key, known)
    return known
  }

  #tally(pod: Pod, arm: Arm): Tally {
    const key = `${pod.namespace}/${pod.workload} ${pod.image} ${arm.host}`
    const known = this.#tallies.get(key) ?? {
      namespace: pod.namespace,
      workload: pod.workload,
      image: pod.image,
      service: arm.service,
      total: 0,
      bad: 0,
      lost: 0,
    }
    this.#tallies.set(key, known)
    return known
  }
}

/** Advances the model every `tickMs` of the clock, 250 where unset, until the returned function is called. */
export function drive(traffic: Traffic, clock: { now(): number; setTimeout(callback: () => void, ms: number): { cancel(): void } }, tickMs = 250): () => void {
  let timer: { cancel(): void }
  const tick = (): void => {
    traffic.advance(clock.now())
    timer = clock.setTimeout(tick, tickMs)
  }
  tick()
  return () => timer.cancel()
}

function chosen(arms: readonly Arm[], draw: number): Arm {
  let left = draw * arms.reduce((sum, { weight }) => sum + weight, 0)
  return arms.find(({ weight }) => (left -= weight) < 0) ?? arms.at(-1)!
}

/** z of the 99th percentile of a normal distribution. */
const z99 = 2.3263

function answered(answers: Answers, random: () => number): Outcome {
  if (answers.unreachable === true) return { flag: 'UF' }
  const bad = random() < (answers.errorRate ?? 0)
  const median = answers.latencyMs ?? 20
  const sigma = Math.log(Math.max(1, (answers.p99Ms ?? 3 * median) / median)) / z99
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return { bad, latencyMs: median * Math.exp(sigma * normal), ...(answers.grpcStatus === undefined ? {} : { grpcStatus: bad ? answers.grpcStatus : 0 }) }
}

function podOf(object: KubeObject): Pod {
  const { name, namespace = '', labels = {}, annotations = {}, ownerReferences = [] } = object.metadata
  const owner = ownerReferences.find(({ controller }) => controller === true)?.name ?? name
  const hash = labels['pod-template-hash']
  const workload = hash !== undefined && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner
  return { key: podKey(object), name, namespace, workload, image: object.spec?.containers?.[0]?.image ?? '', labels, annotations }
}

/** mulberry32: small, seeded, even enough for traffic. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
