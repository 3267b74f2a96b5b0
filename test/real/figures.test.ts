/** What the controller costs the API server, counted in the audit log of a real one: nothing at rest, few writes in a journey. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { applyCrds, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { sleep } from '../support/process.ts'
import { stageMissing, startStage, type Stage } from '../support/stage.ts'

const missing = stageMissing()
interface Request {
  readonly verb: string
  readonly userAgent: string
  readonly requestURI: string
  readonly requestReceivedTimestamp: string
  readonly objectRef?: { readonly resource: string; readonly subresource?: string; readonly namespace?: string }
}

describe.skipIf(missing)(`figures ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let stage: Stage
  beforeAll(async () => {
    plane = await startControlPlane({ auditLog: true })
    await applyCrds(plane)
    stage = await startStage(plane, { dataPlane: 'Istio' })
  })
  afterAll(async () => {
    await stage?.stop()
    await plane?.stop()
  })
  /** Requests of the controller since a time, without its lease and its watches (a watch that is opened anew counts as a watch). */
  const requests = (since: number): Request[] =>
    readFileSync(plane.auditLog!, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Request)
      .filter(({ userAgent, requestReceivedTimestamp }) => userAgent.startsWith('sluice/') && Date.parse(requestReceivedTimestamp) >= since)
      .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.resource !== 'leases')
  const writes = (all: readonly Request[]): Request[] => all.filter(({ verb }) => verb !== 'get' && verb !== 'list')
  const told = (all: readonly Request[]): string[] => all.map(({ verb, objectRef, requestURI }) => `${verb} ${objectRef?.resource ?? requestURI}${objectRef?.subresource ? `/${objectRef.subresource}` : ''}`)

  test('nothing at rest; in a journey at most five writes a step, and fourteen for start, flip and end', { timeout: 300_000 }, async () => {
    const scene = await stage.scene('figures')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    const steps = [10, 50, 100].map((weight) => ({ weight, hold: '4s' }))
    await scene.rollout('shop', {
      workloadRef: { kind: 'Deployment', name: 'shop' }, service: { port: 80 }, traffic: { istio: { managed: {} } }, steps, retainStable: '2s',
      analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
    })
    await scene.reach('shop', 'idle', (now) => now.phase === 'Idle')
    await sleep(65_000) // what only moves is written within a minute of the end
    const rest = Date.now()
    await sleep(60_000)
    // Kinds that are not served are looked for once in a while, for the process and not for a rollout: discovery has no objectRef.
    expect(told(requests(rest).filter(({ objectRef }) => objectRef !== undefined))).toEqual([])
    const start = Date.now()
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    await sleep(15_000)
    traffic.stop()
    const made = writes(requests(start)).filter(({ objectRef }) => objectRef?.resource !== 'events')
    console.log(`${made.length} writes in a journey of ${steps.length} steps: ${JSON.stringify(Object.groupBy(told(made), (one) => one), (_, value) => (Array.isArray(value) ? value.length : value))}`)
    expect(made.length).toBeLessThanOrEqual(5 * steps.length + 14 + 2)
    expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
  })
})
