/**
 * A data plane over the real API server: proxies that hear late, callers that send requests, and the series both expose. Requests are accounted for, not sent.
 * Every request must find a pod: whatever a controller does, `nowhere` has to stay empty.
 */
import { createServer } from 'node:http'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'
import { follow, type Followed } from './follow.ts'
import { countRequest, type Answer, type PodFacts } from './mesh-telemetry.ts'
import { meshKinds, routeIstio, routeLinkerd, type Arm, type Call, type MeshKind, type Routing } from './mesh-routes.ts'
import { SeriesStore } from './mesh-series.ts'
import { routeGatewayAPI } from './gateway-routes.ts'
import { freePort, sleep } from './process.ts'

/** GatewayAPI: a Gateway whose series are Traefik's, and a mesh whose series are Linkerd's outbound ones. */
export type DataPlane = 'Istio' | 'Linkerd' | 'GatewayAPI'
/** How pods answer. */
export interface Behaviour {
  /** 0..1. Default 0. */
  readonly errorRate?: number
  /** Middle of the latency; single requests differ by ±20 %. Default 20. */
  readonly latencyMs?: number
  /** Share of requests that take `slowMs` instead. */
  readonly slowRate?: number
  readonly slowMs?: number
  /** Errors are this gRPC status behind HTTP 200 instead of HTTP 500. */
  readonly grpcStatus?: number
  /** Nobody can connect: the pod never sees the request. */
  readonly unreachable?: boolean
}
export interface MeshOptions {
  readonly dataPlane: DataPlane
  /** The slowest proxy hears everything this much later; the others sooner. Default 300 ms. */
  readonly lagMs?: number
  /** Default 3. */
  readonly proxies?: number
}
export interface Tally {
  readonly namespace: string
  readonly workload: string
  readonly image: string
  /** The Service through which they came. */
  readonly service: string
  total: number
  bad: number
}
export interface Nowhere {
  readonly host: string
  readonly why: string
  count: number
  /** ISO times of the first and the last one. */
  readonly first: string
  last: string
}
export interface Traffic {
  /** Changes the rate. */
  perSecond(rate: number): void
  stop(): void
}
export interface Mesh {
  /** Prometheus' text format. */
  readonly metricsUrl: string
  /** `127.0.0.1:port`, for a scrape configuration. */
  readonly target: string
  /** Sends requests from now on. Their namespace is the caller's, and the one under which they are accounted for. */
  send(call: Call, perSecond: number): Traffic
  /** Pods that match answer like this from now on. The newest rule wins. */
  behave(match: (pod: PodFacts) => boolean, behaviour: Behaviour): void
  /** What was served, per workload and Service, since the start. */
  served(namespace: string): readonly Tally[]
  /** Requests whose destination was no pod: no route, no endpoint, or a pod that was gone. One entry per reason. Must stay empty. */
  nowhere(namespace: string): readonly Nowhere[]
  /** Share in percent of the requests of the next `ms` that pods with this image answer. */
  measure(namespace: string, image: string, ms?: number): Promise<number>
  /** Where a call would go now by what the slowest proxy knows. */
  routing(call: Call): Routing
  stop(): Promise<void>
}

const paths: Record<MeshKind, string> = {
  virtualservices: '/apis/networking.istio.io/v1/virtualservices',
  destinationrules: '/apis/networking.istio.io/v1/destinationrules',
  serviceprofiles: '/apis/linkerd.io/v1alpha2/serviceprofiles',
  httproutes: '/apis/gateway.networking.k8s.io/v1/httproutes',
  grpcroutes: '/apis/gateway.networking.k8s.io/v1/grpcroutes',
  services: '/api/v1/services',
  endpointslices: '/apis/discovery.k8s.io/v1/endpointslices',
}
const kindsOf: Record<DataPlane, readonly MeshKind[]> = {
  Istio: ['virtualservices', 'destinationrules', 'services', 'endpointslices'],
  Linkerd: ['serviceprofiles', 'services', 'endpointslices'],
  GatewayAPI: ['httproutes', 'grpcroutes', 'services', 'endpointslices'],
}

/** One proxy: its own copy of the objects, each change applied `lagMs` after the API server told it. */
class Proxy {
  readonly view = Object.fromEntries(meshKinds.map((kind) => [kind, new Map<string, KubeObject>()])) as Record<MeshKind, Map<string, KubeObject>>
  readonly #pending: { due: number; kind: MeshKind; key: string; object: KubeObject | undefined }[] = []
  readonly #routings = new Map<Call, Routing>()
  readonly lagMs: number
  constructor(lagMs: number) {
    this.lagMs = lagMs
  }
  hear(kind: MeshKind, key: string, object: KubeObject | undefined, at: number): void {
    this.#pending.push({ due: at + this.lagMs, kind, key, object })
  }
  /** In the order heard: a proxy never knows the second change without the first. */
  catchUp(at: number): void {
    let applied = 0
    for (const { due, kind, key, object } of this.#pending) {
      if (due > at) break
      applied++
      if (object) this.view[kind].set(key, object)
      else this.view[kind].delete(key)
    }
    if (applied === 0) return
    this.#pending.splice(0, applied)
    this.#routings.clear()
  }
  routing(call: Call, make: () => Routing): Routing {
    let routing = this.#routings.get(call)
    if (!routing) this.#routings.set(call, (routing = make()))
    return routing
  }
}

interface Sender {
  readonly call: Call
  rate: number
  owed: number
  turn: number
  /** Smooth weighted round robin: exact shares, no dice. */
  readonly credit: Map<string, number>
}

export async function startMesh(plane: ControlPlane, options: MeshOptions): Promise<Mesh> {
  const ending = new AbortController()
  const lagMs = options.lagMs ?? 300
  const count = options.proxies ?? 3
  const proxies = Array.from({ length: count }, (_, index) => new Proxy((lagMs * (index + 1)) / count))
  const followed: Followed[] = kindsOf[options.dataPlane].map((kind) =>
    follow(plane, paths[kind], ending.signal, (key, object) => {
      for (const proxy of proxies) proxy.hear(kind, key, object, performance.now())
    }),
  )
  const store = new SeriesStore()
  const pods = follow(plane, '/api/v1/pods', ending.signal, (key, now) => {
    if (!now) {
      store.forgetPod(key)
      facts.delete(key)
    }
  })
  const facts = new Map<string, PodFacts>()
  const factsOf = (key: string): PodFacts | undefined => {
    const pod = pods.objects.get(key)
    if (!pod) return undefined
    let known = facts.get(key)
    if (known?.uid !== pod.metadata.uid) facts.set(key, (known = describePod(key, pod)))
    return known
  }
  const rules: { match: (pod: PodFacts) => boolean; behaviour: Behaviour }[] = []
  const senders = new Set<Sender>()
  const tallies = new Map<string, Tally>()
  const lost = new Map<string, Nowhere[]>()
  const dice = { error: new Map<string, number>(), slow: new Map<string, number>(), spread: 0 }

  const miss = (call: Call, why: string) => {
    const entries = lost.get(call.namespace) ?? []
    lost.set(call.namespace, entries)
    const at = new Date().toISOString()
    const same = entries.find((entry) => entry.why === why && entry.host === call.host)
    if (!same) return void entries.push({ host: call.host, why, count: 1, first: at, last: at })
    same.count++
    same.last = at
  }
  const labelsOf = (key: string) => factsOf(key)?.labels ?? {}
  const routingOf = (proxy: Proxy, call: Call) =>
    proxy.routing(call, () => {
      if (options.dataPlane === 'GatewayAPI') return routeGatewayAPI(proxy.view, call)
      return options.dataPlane === 'Istio' ? routeIstio(proxy.view, call, labelsOf) : routeLinkerd(proxy.view, call)
    })

  const request = (sender: Sender) => {
    const { call } = sender
    const proxy = proxies[sender.turn++ % proxies.length]!
    const routing = routingOf(proxy, call)
    if ('external' in routing) return
    if ('nowhere' in routing) {
      miss(call, routing.nowhere)
      return countRequest(store, options.dataPlane, call, undefined, undefined, { flag: 'NR', latencyMs: 0, bad: true })
    }
    const arm = choose(routing.arms, sender.credit)
    const key = arm.pods[sender.turn % arm.pods.length]
    if (key === undefined) {
      miss(call, arm.why ?? 'no endpoint')
      return countRequest(store, options.dataPlane, call, arm, undefined, { flag: arm.flag ?? 'UH', latencyMs: 0, bad: true })
    }
    const pod = factsOf(key)
    if (!pod) {
      miss(call, `pod ${key} behind ${arm.service} was gone`)
      return countRequest(store, options.dataPlane, call, arm, undefined, { flag: 'UF', latencyMs: 0, bad: true })
    }
    const behaviour = rules.findLast(({ match }) => match(pod))?.behaviour ?? {}
    const answer = answerOf(behaviour, key, dice, crashed(pods.objects.get(key)))
    countRequest(store, options.dataPlane, call, arm, pod, answer)
    const name = `${call.namespace}|${pod.workload}|${pod.image}|${arm.service}`
    const tally = tallies.get(name) ?? { namespace: call.namespace, workload: pod.workload, image: pod.image, service: arm.service, total: 0, bad: 0 }
    tallies.set(name, tally)
    tally.total++
    if (answer.bad) tally.bad++
  }

  let before = performance.now()
  const tick = () => {
    const at = performance.now()
    for (const proxy of proxies) proxy.catchUp(at)
    for (const sender of senders) {
      sender.owed += (sender.rate * (at - before)) / 1000
      while (sender.owed >= 1) {
        sender.owed -= 1
        request(sender)
      }
    }
    before = at
  }
  const port = await freePort()
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(store.text())
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  await Promise.all([...followed, pods].map(({ synced }) => synced))
  await sleep(lagMs)
  before = performance.now()
  const timer = setInterval(tick, 25)
  const served = (namespace: string) => [...tallies.values()].filter((tally) => tally.namespace === namespace)
  return {
    metricsUrl: `http://127.0.0.1:${port}/metrics`,
    target: `127.0.0.1:${port}`,
    send(call, perSecond) {
      const sender: Sender = { call, rate: perSecond, owed: 0, turn: 0, credit: new Map() }
      senders.add(sender)
      return { perSecond: (rate) => void (sender.rate = rate), stop: () => void senders.delete(sender) }
    },
    behave: (match, behaviour) => void rules.push({ match, behaviour }),
    served,
    nowhere: (namespace) => lost.get(namespace) ?? [],
    async measure(namespace, image, ms = 1_000) {
      const sum = () => served(namespace).reduce((sums, tally) => ({ all: sums.all + tally.total, those: sums.those + (tally.image === image ? tally.total : 0) }), { all: 0, those: 0 })
      // What was written before this call is known to all proxies from here on.
      await sleep(lagMs + 50)
      const start = sum()
      await sleep(ms)
      const end = sum()
      return end.all === start.all ? Number.NaN : (100 * (end.those - start.those)) / (end.all - start.all)
    },
    routing: (call) => routingOf(proxies.at(-1)!, { ...call }),
    async stop() {
      clearInterval(timer)
      ending.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function choose(arms: readonly Arm[], credit: Map<string, number>): Arm {
  const total = arms.reduce((sum, arm) => sum + arm.weight, 0)
  let best: Arm | undefined
  let bestKey = ''
  for (const arm of arms) {
    const key = `${arm.namespace}/${arm.service}/${arm.subset ?? ''}`
    const now = (credit.get(key) ?? 0) + arm.weight / total
    credit.set(key, now)
    if (!best || now > credit.get(bestKey)!) [best, bestKey] = [arm, key]
  }
  credit.set(bestKey, credit.get(bestKey)! - 1)
  return best!
}

/** Shares without dice: of n asks, round(n × rate) say yes, spread evenly. */
function due(account: Map<string, number>, key: string, rate: number): boolean {
  const owed = (account.get(key) ?? 0.5) + rate
  account.set(key, owed >= 1 ? owed - 1 : owed)
  return owed >= 1
}

function answerOf(behaviour: Behaviour, pod: string, dice: { error: Map<string, number>; slow: Map<string, number>; spread: number }, dead: boolean): Answer {
  if (behaviour.unreachable || dead) return { flag: 'UF', latencyMs: 0, bad: true }
  const bad = due(dice.error, pod, behaviour.errorRate ?? 0)
  const slow = due(dice.slow, pod, behaviour.slowRate ?? 0)
  dice.spread = (dice.spread + 0.618_034) % 1
  const latencyMs = (slow ? (behaviour.slowMs ?? 1_000) : (behaviour.latencyMs ?? 20)) * (0.8 + 0.4 * dice.spread)
  return { flag: '-', latencyMs, bad, ...(behaviour.grpcStatus === undefined ? {} : { grpcStatus: bad ? behaviour.grpcStatus : 0 }) }
}

function describePod(key: string, pod: KubeObject): PodFacts {
  const labels = pod.metadata.labels ?? {}
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.name ?? pod.metadata.name
  const hash = labels['pod-template-hash']
  const workload = hash && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner
  return { key, uid: pod.metadata.uid ?? '', name: pod.metadata.name, namespace: pod.metadata.namespace ?? '', workload, image: pod.spec.containers[0].image, labels }
}

function crashed(pod: KubeObject | undefined): boolean {
  return pod?.status?.containerStatuses?.some((container: any) => container.state?.waiting?.reason === 'CrashLoopBackOff') ?? false
}
