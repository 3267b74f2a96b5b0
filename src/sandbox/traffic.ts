/** Clients that send requests into the embedded cluster, pods that answer them well or badly, and the counters that their proxies expose. Deterministic: the same seed and the same times give the same requests. */
import type { KubeObject } from '../rollout/objects.ts'
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
/** How a pod answers. */
export interface Answers {
  /** Share of requests that fail, 0..1; 0 where absent. */
  readonly errorRate?: number
  /** Median in ms; 20 where absent. */
  readonly latencyMs?: number
  /** 99th percentile in ms; three times the median where absent. Lognormal in between. */
  readonly p99Ms?: number
  /** Failures are this gRPC status behind HTTP 200, instead of HTTP 500. */
  readonly grpcStatus?: number
  /** No connection to it comes about, though it is ready. */
  readonly unreachable?: boolean
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

/** A model that has sent nothing yet; `start` is Unix ms. */
export function trafficModel(options: TrafficOptions, start: number): Traffic {
  const { world, dataPlane } = options
  const lagMs = options.lagMs ?? 500
  const random = generator(options.seed ?? 1)
  const telemetry = new Telemetry(dataPlane)
  const senders = new Set<Sending>()
  const tallies = new Map<string, { -readonly [key in keyof Served]: Served[key] }>()
  const examples: { at: number; host: string; why: string }[] = []
  let missed = 0
  let pods = new Map<string, Pod>()
  let answersOf = new Map<string, Answers>()
  let version: number | undefined
  let now = start

  const refresh = (): void => {
    if (world.version() === version) return
    version = world.version()
    pods = new Map(world.list('pods').map((object) => [podKey(object), podOf(object)]))
    answersOf = new Map()
    telemetry.keep((key) => pods.has(key))
    for (const sender of senders) sender.heard.push({ at: now, routing: route(world, dataPlane, sender.call) })
  }
  const miss = (call: Call, why: string): void => {
    missed++
    if (examples.length < 50) examples.push({ at: now, host: call.host, why })
  }
  const tally = (pod: Pod, arm: Arm) => {
    const key = `${pod.namespace}/${pod.workload} ${pod.image} ${arm.host}`
    const known = tallies.get(key) ?? { namespace: pod.namespace, workload: pod.workload, image: pod.image, service: arm.service, total: 0, bad: 0, lost: 0 }
    tallies.set(key, known)
    return known
  }
  const request = ({ call, current }: Sending): void => {
    if ('nowhere' in current) {
      miss(call, current.nowhere)
      return telemetry.count(call, undefined, undefined, { flag: 'NR' })
    }
    const arm = chosen(current.arms, random())
    const key = arm.pods[Math.floor(random() * arm.pods.length)]
    const pod = key === undefined ? undefined : pods.get(key)
    if (pod === undefined) {
      miss(call, key === undefined ? `no ready pod behind ${arm.host}` : `pod ${key} behind ${arm.host} was gone`)
      return telemetry.count(call, arm, undefined, { flag: arm.flag ?? 'UF' })
    }
    let answers = answersOf.get(pod.key)
    if (answers === undefined) answersOf.set(pod.key, (answers = options.answers(pod)))
    const outcome = answered(answers, random)
    const counted = tally(pod, arm)
    if (outcome.flag !== undefined) counted.lost++
    else {
      counted.total++
      if (outcome.bad) counted.bad++
    }
    telemetry.count(call, arm, pod, outcome)
  }
  return {
    send(call, perSecond) {
      const sender: Sending = { call, perSecond, owed: 0, current: route(world, dataPlane, call), heard: [] }
      senders.add(sender)
      return { rate: (next) => void (sender.perSecond = next), stop: () => void senders.delete(sender) }
    },
    advance(to) {
      const elapsedMs = Math.max(0, to - now)
      now = Math.max(now, to)
      refresh()
      for (const sender of senders) {
        while (sender.heard[0] !== undefined && sender.heard[0].at + lagMs <= now) sender.current = sender.heard.shift()!.routing
        sender.owed += (sender.perSecond * elapsedMs) / 1000
        for (; sender.owed >= 1; sender.owed--) request(sender)
      }
    },
    expose: () => telemetry.exposed(),
    served: () => [...tallies.values()].map((counted) => ({ ...counted })),
    nowhere: () => ({ count: missed, examples }),
    answersChanged: () => void answersOf.clear(),
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

/** The annotation by which a pod template of the embedded cluster says how its pods answer: JSON of Answers. */
export const answersAnnotation = 'sandbox.sluice.dev/answers'

const known: Readonly<Record<keyof Answers, 'number' | 'boolean'>> = { errorRate: 'number', latencyMs: 'number', p99Ms: 'number', grpcStatus: 'number', unreachable: 'boolean' }

/** What the annotation says; undefined where there is none, an Error where it cannot be understood. */
export function annotatedAnswers(pod: Pick<Pod, 'annotations'>): Answers | Error | undefined {
  const text = pod.annotations[answersAnnotation]
  if (text === undefined) return undefined
  const wrong = (why: string): Error => new Error(`annotation ${answersAnnotation}: ${text.slice(0, 80)} ${why}; write for example {"errorRate":0.2,"latencyMs":80}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return wrong('is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('is no JSON object')
  for (const [key, entry] of Object.entries(value)) {
    const type = Object.hasOwn(known, key) ? known[key as keyof Answers] : undefined
    if (type === undefined) return wrong(`has the unknown field ${key} (known are ${Object.keys(known).join(', ')})`)
    if (typeof entry !== type || (typeof entry === 'number' && entry < 0)) return wrong(`needs a ${type}${type === 'number' ? ' of at least 0' : ''} for ${key}`)
  }
  return value as Answers
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
