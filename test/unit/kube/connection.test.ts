import { writeFileSync } from 'node:fs'
import { join, dirname } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { kubeClient } from '../../../src/kube/client.ts'
import { loadConnection } from '../../../src/kube/connection.ts'
import { deployment, deployments, json, kubeconfigText, scripted, status, type Scripted } from './server.ts'

let server: Scripted
afterEach(() => server?.close())
const answering = (): Promise<Scripted> => scripted((_, response) => json(response, 200, deployment('cart')))

describe('connections are kept', () => {
  test('500 requests one after the other use two connections at most, 500 at once eight', async () => {
    server = await answering()
    const api = kubeClient(await server.connect())
    for (let i = 0; i < 500; i++) expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ ok: true })
    expect(server.sockets.size).toBeLessThanOrEqual(2)
    await Promise.all(Array.from({ length: 500 }, () => api.get(deployments, 'shop', 'cart')))
    expect(server.received).toHaveLength(1000)
    expect(server.sockets.size).toBeLessThanOrEqual(8)
  })

  test('an urgent request waits behind nothing, though every plain connection is stuck', async () => {
    server = await scripted(({ headers }, response) => (headers.accept === 'application/json' && server.received.length > 8 ? json(response, 200, deployment('cart')) : undefined))
    const connection = await server.connect()
    const api = kubeClient(connection)
    const stuck = Array.from({ length: 20 }, () => api.get(deployments, 'shop', 'cart', undefined, { timeoutMs: 5_000 }))
    while (server.received.length < 8) await new Promise((next) => setTimeout(next, 5))
    expect(await api.get(deployments, 'shop', 'cart', undefined, { urgent: true })).toMatchObject({ ok: true })
    await connection.close()
    expect((await Promise.all(stuck)).every((answer) => !answer.ok)).toBe(true)
  })
})

test('the time limit holds while a request waits for a connection', async () => {
  server = await scripted(() => undefined)
  const connection = await server.connect()
  const api = kubeClient(connection)
  const answered: string[] = []
  const stuck = Array.from({ length: 8 }, () => api.patch(deployments, 'shop', 'cart', []).then(() => answered.push('stuck')))
  while (server.received.length < 8) await new Promise((next) => setTimeout(next, 5))
  expect(await api.patch(deployments, 'shop', 'cart', [], undefined, { timeoutMs: 50 })).toMatchObject({ ok: false, reason: 'Timeout' })
  expect(answered).toEqual([])
  await connection.close()
  await Promise.all(stuck)
  expect(server.received).toHaveLength(8)
})

test('urgent requests do not wait for each other either', async () => {
  server = await scripted(() => undefined)
  const connection = await server.connect()
  const api = kubeClient(connection)
  const urgent = Array.from({ length: 20 }, () => api.patch(deployments, 'shop', 'cart', [], undefined, { urgent: true, timeoutMs: 10_000 }))
  await expect.poll(() => server.received.length).toBe(20)
  await connection.close()
  await Promise.all(urgent)
})

describe('authentication', () => {
  const authorization = async (user: object): Promise<string | undefined> => {
    server = await answering()
    await kubeClient(await server.connect(user)).get(deployments, 'shop', 'cart')
    return server.received[0]?.headers.authorization
  }
  test('token', async () => expect(await authorization({ token: 'abc' })).toBe('Bearer abc'))
  test('basic', async () => expect(await authorization({ username: 'u', password: 'p' })).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`))
  test('exec plugin, which is told what it is asked for', async () => {
    const script = `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$(echo "$KUBERNETES_EXEC_INFO" | grep -o 'ExecCredential')'"}}'`
    expect(await authorization({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script], interactiveMode: 'Never' } })).toBe('Bearer ExecCredential')
  })
  test('a plugin that is not there', async () => {
    server = await answering()
    const api = kubeClient(await server.connect({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'no-such-plugin' } }))
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ reason: 'Forbidden', message: expect.stringContaining('plugin `no-such-plugin` of the kubeconfig is not installed') })
  })
  test('impersonation, with groups', async () => {
    await authorization({ token: 'abc', as: 'rita', 'as-groups': ['oncall', 'dev'] })
    expect(server.received[0]?.headers).toMatchObject({ 'impersonate-user': 'rita', 'impersonate-group': 'oncall, dev' })
  })
  test('a plugin that fails is a failure in one sentence, without a token it may have printed', async () => {
    server = await answering()
    const api = kubeClient(await server.connect({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', 'echo "session expired, token=s3cr3t run login" >&2; exit 1'] } }))
    const answer = await api.get(deployments, 'shop', 'cart')
    expect(answer).toMatchObject({ ok: false, reason: 'Forbidden' })
    expect(answer).toMatchObject({ message: 'get deployments "shop/cart": no credentials for user "olga": session expired, token=… run login' })
  })
  test('a token file is read again after a 401, and the request repeated once', async () => {
    let valid = 'Bearer stale'
    server = await scripted(({ headers }, response) => (headers.authorization === valid ? json(response, 200, deployment('cart')) : json(response, 401, status(401, 'Unauthorized'))))
    const tokenFile = join(dirname(server.kubeconfig()), 'token')
    writeFileSync(tokenFile, 'stale\n')
    const api = kubeClient(await server.connect({ tokenFile }))
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ ok: true })
    writeFileSync(tokenFile, 'fresh\n')
    valid = 'Bearer fresh'
    expect(await api.get(deployments, 'shop', 'cart')).toMatchObject({ ok: true })
    expect(server.received).toHaveLength(3)
  })
  test('credentials that stay refused say so and name no token', async () => {
    server = await scripted((_, response) => json(response, 401, status(401, 'Unauthorized', 'Unauthorized')))
    const answer = await kubeClient(await server.connect({ token: 'sesame' })).get(deployments, 'shop', 'cart')
    expect(answer).toMatchObject({ ok: false, reason: 'Forbidden', status: 401 })
    expect(JSON.stringify(answer)).toContain('log in again')
    expect(JSON.stringify(answer)).not.toContain('sesame')
  })
})

describe('what is missing is said in one sentence', () => {
  const load = async (text: string, context?: string) => {
    server = await answering()
    const path = server.kubeconfig()
    writeFileSync(path, text)
    return loadConnection({ kubeconfig: path, ...(context ? { context } : {}) })
  }
  test('no such file', async () => expect(await loadConnection({ kubeconfig: '/nonexistent/config' })).toMatchObject({ ok: false, reason: 'NoKubeconfig', message: expect.stringContaining('/nonexistent/config') }))
  test('not YAML', async () => expect(await load('{')).toMatchObject({ ok: false, reason: 'BadKubeconfig' }))
  test('empty', async () => expect(await load('{}')).toMatchObject({ ok: false, reason: 'NoContext' }))
  test('unknown context', async () => {
    expect(await load(kubeconfigText('http://127.0.0.1:1', {}), 'prod')).toMatchObject({ ok: false, reason: 'NoContext', message: 'The kubeconfig has no context "prod": choose one with --context: test.' })
  })
  test('plain http without leave', async () => {
    expect(await load(kubeconfigText('http://127.0.0.1:1', {}, { 'insecure-skip-tls-verify': false }))).toMatchObject({ ok: false, reason: 'NoServer', message: expect.stringContaining('insecure-skip-tls-verify') })
  })
  test('no server', async () => {
    const config = JSON.parse(kubeconfigText('', {}))
    delete config.clusters[0].cluster.server
    expect(await load(JSON.stringify(config))).toMatchObject({ ok: false, reason: 'BadKubeconfig', message: expect.stringContaining('server') })
  })
  test('nobody listens', async () => {
    const loaded = await load(kubeconfigText('http://127.0.0.1:1', { token: 'x' }))
    if (!loaded.ok) throw new Error(loaded.message)
    const answer = await kubeClient(loaded.value, { wait: async () => undefined }).get(deployments, 'shop', 'cart')
    expect(answer).toMatchObject({ ok: false, reason: 'Unavailable', message: expect.stringMatching(/refuses connections: is the cluster running/) })
  })
})
