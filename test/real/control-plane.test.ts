import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { controlPlaneMissing, makeNamespace, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { sharedControlPlane } from '../support/shared.ts'
import { until } from '../support/process.ts'

const missing = controlPlaneMissing()

describe.skipIf(missing)(`the shared control plane ${missing ?? ''}`, () => {
  let plane: ControlPlane
  beforeAll(() => {
    plane = sharedControlPlane()!
  })
  afterAll(() => plane?.stop())

  test('answers kubectl and plain requests as admin', async () => {
    expect(plane.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).toMatchObject({ status: 0, stdout: 'admin' })
    expect(await plane.request('GET', '/api/v1/namespaces/absent')).toMatchObject({ status: 404, body: { reason: 'NotFound' } })
  })

  test('has a controller manager: a Deployment gets a ReplicaSet and a pending Pod', async () => {
    const namespace = await makeNamespace(plane, 'cp')
    const made = await plane.kubectlAsync(['-n', namespace, 'create', 'deployment', 'web', '--image=web:1'])
    expect(made.stderr).toBe('')
    const pods = await until('a pod', async () => {
      const { body } = await plane.request('GET', `/api/v1/namespaces/${namespace}/pods`)
      return body.items.length > 0 && body.items
    })
    expect(pods[0].status.phase).toBe('Pending')
    await plane.request('DELETE', `/api/v1/namespaces/${namespace}`)
  })
})

describe.skipIf(missing)('a control plane of its own', () => {
  test('counts every request by user in the audit log and leaves nothing behind', async () => {
    const plane = await startControlPlane({ controllerManager: false, auditLog: true })
    const { readFileSync, existsSync } = await import('node:fs')
    try {
      await plane.request('GET', '/api/v1/namespaces/absent')
      const events = readFileSync(plane.auditLog!, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
      expect(events.filter((event) => event.objectRef?.name === 'absent' && event.user.username === 'admin')).toHaveLength(1)
    } finally {
      await plane.stop()
    }
    expect(existsSync(plane.dir)).toBe(false)
    expect(() => process.kill(plane.pids['kube-apiserver']!, 0)).toThrow()
  })
})
