/** The contract: what Sluice relies on in an API server. The same cases run against the embedded cluster and against the real thing. */
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { clientOf, eventually } from './client.ts'
import type { Client, ServerUnderTest } from './client.ts'
import { gadgetCrd, gadgetsIn } from './gadget.ts'
import { objectCases } from './object-cases.ts'
import { patchCases } from './patch-cases.ts'
import { subresourceCases } from './subresource-cases.ts'
import { watchCases } from './watch-cases.ts'
import { workloadCases } from './workload-cases.ts'

/** What a case works with. */
export interface Ground {
  readonly client: Client
  /** A namespace of this test alone. */
  readonly namespace: string
}

/** Defines the suite for one server; `start` is called once. */
export function apiContract(name: string, start: () => Promise<{ readonly server: ServerUnderTest; stop(): Promise<void> }>): void {
  describe(name, () => {
    let running: { readonly server: ServerUnderTest; stop(): Promise<void> }
    const ground = {} as { client: Client; namespace: string }
    let count = 0
    beforeAll(async () => {
      running = await start()
      ground.client = clientOf(running.server)
      await ground.client.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', gadgetCrd)
      await eventually(async () => expect((await ground.client.request('GET', gadgetsIn('default'))).status).toBe(200))
    }, 60_000)
    afterAll(async () => {
      if (!running) return
      await ground.client.request('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.contract.sluice.dev')
      await ground.client.close()
      await running.stop()
    })
    beforeEach(async () => {
      ground.namespace = `contract-${Date.now().toString(36)}-${++count}`
      expect((await ground.client.request('POST', '/api/v1/namespaces', { metadata: { name: ground.namespace } })).status).toBe(201)
      return async () => void (await ground.client.request('DELETE', `/api/v1/namespaces/${ground.namespace}`))
    })
    describe('objects', () => objectCases(ground))
    describe('patches', () => patchCases(ground))
    describe('status and scale', () => subresourceCases(ground))
    describe('lists and watches', () => watchCases(ground))
    describe('workloads and owners', () => workloadCases(ground))
  })
}
