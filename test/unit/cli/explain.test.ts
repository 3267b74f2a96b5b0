import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, test } from 'vitest'
import { renderExplanation } from '../../../src/cli/explain.ts'
import { renderHistory, type Entry } from '../../../src/cli/history.ts'
import { cliStage, type CliStage } from './stage.ts'
import { at, now, rollout } from './view.test-data.ts'

const journey = (change: Partial<Entry> = {}): Entry => ({
  namespace: 'shop', rollout: 'checkout', revision: 'checkout-bbbbbbbbbb', from: 'checkout-aaaaaaaaaa', images: ['shop/checkout:v1.9.0'], outcome: 'Promoted', reason: 'Promoted',
  startedAt: at(4000), endedAt: at(400), requests: { served: 12_000, lost: 3 }, ...change,
})

describe('history', () => {
  const all = [journey({ revision: 'checkout-cccccccccc', from: 'checkout-bbbbbbbbbb', images: ['shop/checkout:v1.10.0'], outcome: 'RolledBack', reason: 'CheckFailed', endedAt: at(60), startedAt: at(130) }), journey()]
  test('one line each, with the names that people use', () => {
    expect(renderHistory(all, now)).toEqual([
      'ENDED      NEW      FROM        OUTCOME     TOOK   SERVED  LOST        REASON',
      '1m ago     v1.10.0  v1.9.0      RolledBack  1m10s  12,000  3 (0.03%)   CheckFailed'.replace('(0.03%)   ', '(0.03%)  '),
      '6m40s ago  v1.9.0   aaaaaaaaaa  Promoted    1h     12,000  3 (0.03%)  Promoted',
    ].map(line => line.replace('LOST        ', 'LOST       ')))
  })
  test('narrow terminals cut lines', () => {
    for (const line of renderHistory(all, now, { columns: 40, names: true })) expect(line.length).toBeLessThanOrEqual(40)
  })
})

describe('explain', () => {
  const explained = renderExplanation(rollout({
    decisions: [{ at: at(372), decision: 'Waiting', why: 'checkout-bbbbbbbbbb is neither stable nor failed' }, { at: at(128), decision: 'Holding', why: 'seen at 25%' }],
    checks: [{ name: 'success-rate', verdict: 'Fail', value: '98.10%', bound: '99%', total: 1200, bad: 23, failures: 1, since: at(30), at: at(10), message: '23 of 1200 requests failed in the last 60s' }],
    requests: [{ uid: 'u', name: 'n', action: 'Pause', answer: 'Accepted', message: 'paused', by: 'olga', verified: true, at: at(50) }, { uid: 'v', name: 'm', action: 'Resume', answer: 'Refused', message: 'it is not paused', at: at(40) }],
    conditions: [{ type: 'Ready', status: 'True', reason: 'Holding', message: 'm', lastTransitionTime: at(9) }, { type: 'TrafficNotMoving', status: 'True', reason: 'NoRequestsSeen', message: '1 of 900 requests reached the canary', lastTransitionTime: at(9) }],
    hooks: [{ name: 'gate', when: 'BeforeRaise', moment: 'raise/2', id: 'hook_u_9_gate', since: at(60), state: 'Refused', message: 'not now', at: at(59) }],
    resets: [at(20)],
  }), now).join('\n')
  test('hooks with their last word and the identity of the call', () => {
    expect(explained).toContain('gate  BeforeRaise: Refused since 59s ago, not now; asked 1m ago as hook_u_9_gate')
  })
  test('decisions with when and why', () => {
    expect(explained).toContain('  10:03:48 6m12s ago  Waiting: checkout-bbbbbbbbbb is neither stable nor failed\n  10:07:52 2m08s ago  Holding: seen at 25%')
  })
  test('inputs: the step, what was seen, checks in numbers, people, conditions', () => {
    expect(explained).toContain('2 of 4, weight 25%, hold 5m; entered 2m20s ago')
    expect(explained).toContain('25% wanted, 25% seen in the mesh 2m08s ago; the hold counts from there')
    expect(explained.replaceAll(/\s+/g, ' ')).toContain('success-rate Fail since 30s ago: 98.10% against 99%, 23 bad of 1,200 requests (30 needed); 1 bad in a row, Rollback at 2; 23 of 1200 requests failed')
    expect(explained).toContain('Pause by olga: Accepted, paused')
    expect(explained).toContain('Resume by somebody (unverified): Refused')
    expect(explained).toContain('TrafficNotMoving  1 of 900 requests')
    expect(explained).not.toContain('Ready')
    expect(explained).toContain('a GitOps tool set the weights back 1 time')
  })
  test('narrow terminals wrap between words, and a terminal is never written to by a message', () => {
    const lines = renderExplanation(rollout({ message: 'a \u001b[2J very long message '.repeat(9) }), now, { columns: 44 })
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(44)
    expect(lines.join('')).not.toContain('\u001b')
  })
})

describe('on a cluster', () => {
  let stage: CliStage
  beforeEach(async () => {
    stage = await cliStage()
    return () => stage.close()
  })
  test('history of all, of one, as data, and of nobody', async () => {
    const { namespace: _, rollout: __, ...record } = journey()
    stage.put('checkout', { history: [record] })
    stage.put('cart', { history: [{ ...record, endedAt: at(10) }] })
    stage.put('fresh', {})
    expect(await stage.on('history')).toBe(0)
    expect(stage.out.split('\n').map(line => line.split(/\s+/)[0])).toEqual(['NAME', 'cart', 'checkout', ''])
    expect(await stage.on('history', 'checkout', '-o', 'json')).toBe(0)
    expect(JSON.parse(stage.out)).toMatchObject([{ rollout: 'checkout', namespace: 'shop', outcome: 'Promoted' }])
    expect(await stage.on('history', 'fresh')).toBe(0)
    expect([stage.out, stage.err]).toEqual(['', 'fresh has no journey behind it yet; `sluice get fresh` shows what is under way.\n'])
    expect(await stage.on('history', '-n', 'default')).toBe(0)
    expect(stage.err).toContain('There are no rollouts in namespace default')
  })
  test('explain as text and as data, and of one that nobody has looked at', async () => {
    stage.put('checkout', { decisions: [{ at: at(9), decision: 'Held', why: 'no data' }] })
    stage.put('fresh', null)
    expect(await stage.on('explain', 'checkout')).toBe(0)
    expect(stage.out).toContain('Held: no data')
    expect(await stage.on('explain', 'checkout', '-o', 'yaml')).toBe(0)
    expect(stage.out).toContain('decision: Held')
    expect(await stage.on('explain', 'fresh')).toBe(0)
    expect(stage.out).toContain('no controller has looked at it yet')
  })

  const commands = [
    ['get'], ['get', 'checkout'], ['get', '-w'], ['get', 'checkout', '-w'], ['history'], ['history', 'checkout'], ['explain', 'checkout'], ['wait', 'checkout'], ['doctor'], ['doctor', 'checkout'],
    ['promote', 'checkout'], ['approve', 'checkout'], ['abort', 'checkout'], ['retry', 'checkout'], ['pause', 'checkout'], ['resume', 'checkout'], ['rollback', 'checkout'],
  ]
  const fails = async (argv: readonly string[], kubeconfig: string, text: string | RegExp): Promise<void> => {
    expect(await stage.sluice(...argv, '--kubeconfig', kubeconfig)).toBe(1)
    expect(stage.err).toMatch(text)
    expect(stage.err.trim().split('\n')).toHaveLength(1)
    expect(stage.out).toBe('')
  }
  describe('every command says what is wrong in one sentence', () => {
    test.each(commands.filter(([verb]) => verb !== 'doctor'))('%s %s %s without the CRDs', async (...argv) => {
      stage.world.store.delete('customresourcedefinitions.apiextensions.k8s.io', '', 'rollouts.sluice.dev')
      await fails(argv.filter(Boolean), stage.kubeconfig, 'install Sluice first: kubectl apply -f crds/')
    })
    test.each(commands)('%s %s %s without rights', async (...argv) => {
      stage.world.faults.inject({ resource: 'rollouts.sluice.dev', effect: { answer: 403, message: 'olga cannot read rollouts' } })
      await fails(argv.filter(Boolean), stage.kubeconfig, /olga cannot read rollouts.*ask whoever administers/)
    })
    test.each(commands)('%s %s %s without a server', async (...argv) => {
      const path = join(stage.directory, 'dead')
      writeFileSync(path, deadConfig('http://127.0.0.1:1'))
      await fails(argv.filter(Boolean), path, 'refuses connections: is the cluster running')
    })
    test.each(commands)('%s %s %s with a token that has expired', async (...argv) => {
      const server = createServer((_, response) => response.writeHead(401, { 'content-type': 'application/json' }).end('{"kind":"Status","message":"Unauthorized"}'))
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const path = join(stage.directory, 'expired')
      writeFileSync(path, deadConfig(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
      await fails(argv.filter(Boolean), path, 'they are wrong or have expired, log in again')
      server.closeAllConnections()
      server.close()
    })
  })
})
const deadConfig = (url: string): string => `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "${url}", insecure-skip-tls-verify: true}}]
users: [{name: a, user: {token: old}}]
contexts: [{name: a, context: {cluster: a, user: a, namespace: shop}}]
current-context: a
`
