import { expect, test } from 'vitest'
import { serveHealth } from '../../../src/server/health.ts'

test('says what is wrong, and nothing else is served', async () => {
  let unready = ['Rollout: no complete list yet']
  const server = await serveHealth({ port: 0, host: '127.0.0.1', sick: () => [], unready: () => unready })
  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
    return [answer.status, await answer.text()]
  }
  expect(await ask('/healthz')).toEqual([200, 'ok\n'])
  expect(await ask('/readyz')).toEqual([503, 'Rollout: no complete list yet\n'])
  unready = []
  expect(await ask('/readyz?verbose')).toEqual([200, 'ok\n'])
  expect((await ask('/metrics'))[0]).toBe(404)
  expect((await ask('/healthz', 'POST'))[0]).toBe(405)
  await server.close()
  await expect(ask('/healthz')).rejects.toThrow()
})
test('a port that is taken is an error', async () => {
  const first = await serveHealth({ port: 0, host: '127.0.0.1', sick: () => [], unready: () => [] })
  await expect(serveHealth({ port: first.port, host: '127.0.0.1', sick: () => [], unready: () => [] })).rejects.toThrow('EADDRINUSE')
  await first.close()
})
