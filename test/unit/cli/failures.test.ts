/** Every command where the cluster cannot answer it: one sentence that says what to do, and the exit code. */
import { readFileSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { cliStage, type CliStage } from './stage.ts'

let stage: CliStage
beforeEach(async () => {
  stage = await cliStage()
  return () => stage.close()
})
const commands = [
  ['get'], ['get', 'checkout'], ['get', '-w'], ['get', 'checkout', '-w'], ['history'], ['history', 'checkout'], ['explain', 'checkout'], ['wait', 'checkout'],
  ['promote', 'checkout'], ['approve', 'checkout'], ['abort', 'checkout', '--reason', 'r'], ['retry', 'checkout'], ['pause', 'checkout'], ['resume', 'checkout'], ['rollback', 'checkout'],
  ['notify', 'test', 'releases'],
]
const troubles = [
  { name: 'without the CRDs', remedy: /kubectl apply -f crds\//, make: () => void ['rollouts.sluice.dev', 'notificationchannels.sluice.dev'].map(resource => stage.world.store.unregister(resource)) },
  { name: 'without rights', remedy: /ask whoever administers/, make: () => stage.world.faults.inject({ effect: { answer: 403, message: 'olga cannot do that' } }) },
  { name: 'with an expired token', remedy: /log in/, make: () => stage.world.faults.inject({ effect: { answer: 401, message: 'Unauthorized' } }) },
  { name: 'without a server', remedy: /is the cluster running/, make: () => writeFileSync(stage.kubeconfig, readFileSync(stage.kubeconfig, 'utf8').replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1')) },
] as const

describe.each(troubles)('$name', ({ remedy, make }) => {
  test.each(commands.map(argv => ({ argv, title: argv.join(' ') })))('$title', async ({ argv }) => {
    stage.put('checkout')
    make()
    expect(await stage.on(...argv)).toBe(1)
    expect(stage.err.trim().split('\n')).toHaveLength(1)
    expect(stage.err).toMatch(/^sluice: /)
    expect(stage.err).toMatch(remedy)
  })
})

// doctor looks at everything that it may: what is missing is its finding, and what it may not read is listed.
test.each(troubles.filter(({ name }) => /token|server/.test(name)))('doctor $name', async ({ remedy, make }) => {
  make()
  expect(await stage.on('doctor')).toBe(1)
  expect(stage.err.trim().split('\n')).toHaveLength(1)
  expect(stage.err).toMatch(remedy)
})
