/** The configuration file with real parts: a Prometheus behind TLS and a login, and a running controller whose file changes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { credentials, type CredentialFiles } from '../../src/metrics/credentials.ts'
import { prometheusSource } from '../../src/metrics/prometheus.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { certificates, opensslMissing, type Pair } from '../support/certificates.ts'
import { freePort, makeNest, until, type Nest } from '../support/process.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { stageMissing, startStage, type Stage } from '../support/stage.ts'
import { question } from '../unit/analysis/question.ts'

const missing = stageMissing() ?? opensslMissing()
/** bcrypt of `test`, as Prometheus' own documentation has it. */
const hash = '$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay'
const spec: RolloutSpec = {
  workloadRef: { kind: 'Deployment', name: 'shop' }, service: { port: 80 }, traffic: { istio: { managed: {} } },
  steps: [{ weight: 20, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: { sourceRef: { name: 'secure' }, interval: '1s', checks: [{ name: 'success', successRate: { min: '99%' } }] },
  progressDeadline: '60s', retainStable: '4s',
}

describe.skipIf(missing)(`the configuration file ${missing ?? ''}`, () => {
  let folder: string
  let nest: Nest
  let stage: Stage
  let ca: Pair
  let url: string
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const configure = (more: object) => file('config.yaml', stringify({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Configuration', ...more }))
  const source = () => ({ name: 'secure', url, scrapeInterval: '500ms', auth: { basic: { username: 'sluice', passwordFile: join(folder, 'password') } }, tls: { caFile: ca.cert } })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
    const made = certificates(folder)
    ca = made.authority('ca')
    const server = made.signed(ca, 'prometheus', '127.0.0.1')
    stage = await startStage(sharedControlPlane()!, { dataPlane: 'Istio', flags: ['--config', configure({ defaults: { analysis: { minRequests: 20 } } })] })
    nest = makeNest('secure')
    writeFileSync(join(nest.dir, 'prometheus.yml'), JSON.stringify({
      global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, scrape_configs: [{ job_name: 'mesh', honor_labels: true, static_configs: [{ targets: [stage.mesh.target] }] }],
    }))
    writeFileSync(join(nest.dir, 'web.yml'), stringify({ tls_server_config: { cert_file: server.cert, key_file: server.key }, basic_auth_users: { sluice: hash } }))
    const port = await freePort()
    url = `https://127.0.0.1:${port}`
    nest.start('prometheus', 'prometheus', ['--config.file=prometheus.yml', '--web.config.file=web.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'])
  }, 60_000)
  afterAll(async () => {
    await stage?.stop()
    await nest?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('a Prometheus with TLS and a login answers who has both, and says what is missing', async () => {
    const answerOf = async (files: CredentialFiles) => {
      const answer = await prometheusSource({ name: 'secure', url, credentials: credentials(files) }, { monotonic: () => 0 }).ask(question({ at: Date.now() }))
      return answer.state === 'Error' ? answer.reason : answer.state
    }
    const { auth, tls } = source()
    file('password', 'test\n')
    await until('Prometheus to be ready', async () => (await answerOf({ auth, tls })) === 'Counts')
    expect(await answerOf({ auth })).toContain('signed by nobody that is trusted')
    expect(await answerOf({ tls })).toBe('Prometheus secure: HTTP 401; check the credentials of the source')
    file('password', 'wrong')
    expect(await answerOf({ auth, tls })).toBe('Prometheus secure: HTTP 401; check the credentials of the source')
  }, 60_000)

  test('a source that comes with a change of the file, and a password that is mended, need no restart', async () => {
    const scene = await stage.scene('config')
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    const split = scene.watchSplit('networking.istio.io/v1/virtualservices', 'shop')
    await scene.rollout('shop', spec)
    await scene.reach('shop', 'adopted', ({ phase }) => phase === 'Idle')
    await scene.push('shop', 'shop:v2')
    const stalled = await scene.reach('shop', 'to miss its source', ({ conditions }) => conditions.some(({ type, reason }) => type === 'Stalled' && reason === 'SourceUnknown'))
    expect(stalled.conditions.find(({ type }) => type === 'Stalled')?.message).toContain('no metric source secure is configured: name one of default')
    expect(split.seen.filter((share) => share > 0)).toEqual([])
    // A mistake on the way changes nothing.
    configure({ sources: [{ ...source(), tls: 'ca' }] })
    const logged = (level: string, words: string) => until(words, () => stage.controller.logs().some((line) => line.level === level && line.message.includes(words)), { timeoutMs: 20_000 })
    await logged('error', 'the configuration file is wrong, and the one before stays in force')
    file('password', 'wrong')
    configure({ sources: [source()], defaults: { analysis: { minRequests: 20 } } })
    await logged('info', 'source secure was added')
    await scene.reach('shop', 'an answer that the password is wrong', ({ checks }) => checks.some(({ verdict, message }) => verdict === 'Error' && message?.includes('HTTP 401') === true))
    expect(split.seen.filter((share) => share > 0)).toEqual([20])
    file('password', 'test\n')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    expect(stage.controller.logs().some((line) => JSON.stringify(line).includes('wrong"') && JSON.stringify(line).includes('Basic'))).toBe(false)
    expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
    split.stop()
    traffic.stop()
  }, 120_000)
})
