/** A thousand Rollouts: at rest, noticed, and all failing at once. */
import { startCaches } from '../src/controller/caches.ts'
import { observe } from '../src/controller/observe.ts'
import type { Sightings } from '../src/controller/observe/sightings.ts'
import { decide } from '../src/rollout/decide.ts'
import { embeddedApi } from '../src/sandbox/client.ts'
import type { CallRecord } from '../src/sandbox/faults.ts'
import { namespaceOf, openField, settings, silent, specOf, writes, type Field } from './field.ts'
import { short, type Figure } from './table.ts'

const collect = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

export async function thousand(count: number): Promise<Figure[]> {
  const field = openField()
  const names = Array.from({ length: count }, (_, index) => `app-${index}`)
  for (const name of names) field.add(name, specOf(name, { istio: { managed: {} } }, [20, 100]))
  await field.until(names, ({ phase }) => phase === 'Idle')
  await field.clock.advance(180_000)
  const figures: Figure[] = []
  figures.push(...(await atRest(field, names)), ...(await passes(field, names, 'at rest')), ...(await memory(field, count)), ...(await scraped(field, 'at rest')))
  figures.push(...(await noticed(field, names)))
  for (const name of names) field.push(name, 'app:v2')
  await field.until(names, ({ phase, journey }) => phase === 'Holding' && (journey?.weight.seen ?? 0) === 20)
  figures.push(...(await passes(field, names, 'in a step')), ...(await scraped(field, 'in a step')))
  figures.push(...(await failing(field, names)))
  await field.close()
  return figures
}

async function atRest(field: Field, names: readonly string[]): Promise<Figure[]> {
  const mark = field.mark()
  await field.clock.advance(600_000)
  const calls = field.calls(mark)
  const each = (some: readonly CallRecord[]) => short(some.length / names.length / 10)
  return [
    { what: 'reads per Rollout and minute at rest', value: each(calls.filter(call => !writes([call]).length)), target: '0' },
    { what: 'writes per Rollout and minute at rest', value: each(writes(calls)), target: '0' },
  ]
}

/** CPU of observing and deciding, which is a pass without its writes. */
async function passes(field: Field, names: readonly string[], when: string): Promise<Figure[]> {
  const { clock, cluster } = field
  const caches = startCaches({ api: embeddedApi(cluster.store, cluster.faults, 'bench'), clock, log: silent, random: () => 0.5, changed: () => {}, stateChanged: () => {} })
  await clock.advance(2000)
  const memories = new Map<string, Sightings>(names.map(name => [name, new Map()]))
  const pass = (name: string): void => {
    const observed = observe(caches, `${namespaceOf(name)}/${name}`, settings, memories.get(name)!, clock.now(), {})
    if (observed.state !== 'Seen') throw new Error(`${name}: ${observed.state}`)
    decide(observed.seen, observed.plan, settings, clock.now(), observed.problems)
  }
  for (const name of names) pass(name)
  const began = process.cpuUsage()
  for (const name of names) pass(name)
  const { user, system } = process.cpuUsage(began)
  await caches.stop()
  return [{ what: `CPU of a pass ${when}, ms`, value: short((user + system) / 1000 / names.length), target: '5' }]
}

/** What one more set of caches with everything in it takes: the heap of a controller that waits. */
async function memory({ clock, cluster }: Field, count: number): Promise<Figure[]> {
  if (globalThis.gc === undefined) return []
  const before = collect()
  const caches = startCaches({ api: embeddedApi(cluster.store, cluster.faults, 'bench'), clock, log: silent, random: () => 0.5, changed: () => {}, stateChanged: () => {} })
  await clock.advance(2000)
  const mib = (collect() - before) / 1024 / 1024
  const known = caches.list('Rollout', undefined).length
  await caches.stop()
  if (known !== count) throw new Error(`${known} of ${count} Rollouts are known`)
  return [{ what: 'heap of the caches per 1,000 Rollouts at rest, MiB', value: short((mib * 1000) / count) }]
}

async function scraped(field: Field, when: string): Promise<Figure[]> {
  const began = process.cpuUsage()
  const text = await field.exposition.text()
  const { user, system } = process.cpuUsage(began)
  const series = text.split('\n').filter(line => line !== '' && !line.startsWith('#')).length
  return [{ what: `scrape of all of them ${when}: series, KiB, CPU ms`, value: `${series}, ${short(text.length / 1024)}, ${short((user + system) / 1000)}` }]
}

/** Real time from the push to the first commit, the timers of simulated time aside: everything that is waited for is computing. */
async function noticed(field: Field, names: readonly string[]): Promise<Figure[]> {
  const mark = field.mark()
  const name = names[Math.floor(names.length / 2)]!
  const simulated = field.clock.now()
  const began = performance.now()
  field.push(name, 'app:v1.1')
  const isCommit = (call: CallRecord) => call.name === name && call.subresource === 'status'
  while (!field.calls(mark).some(isCommit)) await field.clock.advance(1)
  return [
    { what: 'push to first commit: simulated ms, real ms', value: `${field.clock.now() - simulated}, ${short(performance.now() - began)}` },
    { what: 'writes before it', value: String(writes(field.calls(mark)).findIndex(isCommit)) },
  ]
}

/** All answers turn bad. What does each Rollout write first, and how late is the last one, in passes and in time? */
async function failing(field: Field, names: readonly string[]): Promise<Figure[]> {
  const before = await counters(field)
  const mark = field.mark()
  field.bad(500)
  const cpu = process.cpuUsage()
  await field.until(names, ({ journey }) => journey?.closing !== undefined)
  const { user, system } = process.cpuUsage(cpu)
  const made = writes(field.calls(mark))
  const first = new Map<string, CallRecord>()
  const lowered = new Map<string, number>()
  for (const call of made) {
    // A Rollout, its route and its doors begin with one name.
    if (!first.has(call.name) && call.resource === 'virtualservices.networking.istio.io') lowered.set(call.name, call.at)
    if (!first.has(call.name)) first.set(call.name, call)
  }
  // The first verdict that fails is written as such; the second one lowers. What counts is the pass that closes: nothing of it comes before the route.
  const order = names.filter(name => {
    const own = made.filter(call => call.name === name)
    const route = own.findIndex(call => call.resource === 'virtualservices.networking.istio.io')
    const closing = own.findIndex((call, index) => index > route && call.subresource === 'status')
    return route >= 0 && closing === route + 1
  })
  const after = await counters(field)
  const reactions = after.count - before.count
  return [
    { what: `${names.length} at once: lowered in the pass that saw the failing answer`, value: `${order.length} of ${names.length}`, target: 'all' },
    { what: 'answer to weight 0 in simulated time: how many within 1 ms', value: `${after.atOnce - before.atOnce} of ${reactions}`, target: 'all' },
    { what: 'lowerings that had to be repeated', value: String(after.repeated - before.repeated) },
    { what: 'CPU for all of it, embedded API server included, s', value: short((user + system) / 1e6) },
  ]
}
async function counters({ exposition }: Field): Promise<{ readonly count: number; readonly atOnce: number; readonly repeated: number }> {
  const text = await exposition.text()
  const of = (series: string) => Number(text.split('\n').find(line => line.startsWith(`${series} `))?.split(' ').at(-1) ?? 0)
  return {
    count: of('sluice_lowering_reaction_seconds_count'), atOnce: of('sluice_lowering_reaction_seconds_bucket{le="0.001"}'),
    repeated: of('sluice_actions_total{action="Lower",result="Stale"}') + of('sluice_actions_total{action="Lower",result="Failed"}'),
  }
}
