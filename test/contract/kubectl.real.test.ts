/** The real kubectl against the embedded cluster: what people type in the demo. Skips where KUBEBUILDER_ASSETS names no kubectl. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SimulatedClock } from '../../src/sandbox/clock.ts'
import { embeddedCluster } from '../../src/sandbox/cluster.ts'
import type { EmbeddedCluster } from '../../src/sandbox/cluster.ts'
import { serve } from '../../src/sandbox/server.ts'
import type { SandboxServer } from '../../src/sandbox/server.ts'
import { eventually } from './client.ts'

const assets = process.env.KUBEBUILDER_ASSETS
const kubectl = assets ? join(assets, 'kubectl') : ''
const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "registry.example/web:1", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`
const rollout = `
apiVersion: sluice.dev/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  service: {port: 80}
  traffic: {istio: {managed: {}}}
  steps: [{weight: 5, hold: 2m}, {weight: 100, hold: 5m}]
`

describe.skipIf(!kubectl || !existsSync(kubectl))('kubectl against the embedded cluster', () => {
  let cluster: EmbeddedCluster
  let server: SandboxServer
  let clock: SimulatedClock
  let home: string
  const run = (args: string, stdin = ''): Promise<{ code: number; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const child = execFile(
        kubectl,
        args.split(' '),
        { env: { HOME: home, KUBECONFIG: join(home, 'kubeconfig') }, timeout: 30_000 },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
      )
      child.stdin!.end(stdin)
    })
  const ok = async (args: string, stdin?: string): Promise<string> => {
    const { code, stdout, stderr } = await run(args, stdin)
    expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' })
    return stdout
  }
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'sluice-kubectl-'))
    clock = new SimulatedClock()
    cluster = embeddedCluster({ clock })
    clock.run(10)
    server = await serve(cluster.store, cluster.faults)
    server.writeKubeconfig(join(home, 'kubeconfig'))
    await ok('apply -f -', manifest)
  })
  afterAll(async () => {
    await server?.close()
    cluster?.close()
    clock?.stop()
    if (home) rmSync(home, { recursive: true, force: true })
  })

  test('get prints the columns of the real server', async () => {
    await ok('wait deployment/web --for=condition=Available --timeout=20s')
    expect(await ok('get deployments')).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/)
    expect(await ok('get pods -o wide')).toMatch(
      /NAME +READY +STATUS +RESTARTS +AGE +IP +NODE[\s\S]*web-\w+-\w+ +1\/1 +Running +0 +\d+s +10\.244\.0\.\d+ +sandbox/,
    )
    expect(await ok('get svc,endpointslices')).toMatch(
      /service\/web +ClusterIP +10\.96[\s\S]*endpointslice.discovery.k8s.io\/web-\w+ +IPv4 +80 +10\.244\.0\.\d+,10\.244\.0\.\d+/,
    )
    expect(await ok('get deploy web -o jsonpath={.spec.template.spec.containers[0].image}')).toBe('registry.example/web:1')
    expect((await run('get deployment nope')).stderr).toContain('Error from server (NotFound): deployments.apps "nope" not found')
  })
  test('describe shows conditions and events', async () => {
    const text = await ok('describe deployment web')
    expect(text).toMatch(/Replicas: +2 desired \| 2 updated \| 2 total \| 2 available/)
    expect(text).toMatch(/Progressing +True +NewReplicaSetAvailable/)
    expect(text).toContain('ScalingReplicaSet')
    expect(await ok('describe pods --show-events=true')).toContain('Started container c')
  })
  test('apply again changes nothing, apply of a change rolls, and get -w sees it', async () => {
    expect(await ok('apply -f -', manifest)).toBe('deployment.apps/web unchanged\nservice/web unchanged\n')
    const watch = spawn(kubectl, ['get', 'deployment', 'web', '-w', '--output-watch-events'], { env: { HOME: home, KUBECONFIG: join(home, 'kubeconfig') } })
    let seen = ''
    watch.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    await eventually(async () => expect(seen).toMatch(/ADDED +web/))
    expect(await ok('apply -f -', manifest.replace('web:1', 'web:2'))).toContain('deployment.apps/web configured')
    expect(await ok('rollout status deployment/web --timeout=30s')).toContain('successfully rolled out')
    await eventually(async () => expect(seen).toMatch(/MODIFIED +web/))
    watch.kill()
    await eventually(async () =>
      expect(await ok('get pods -o jsonpath={.items[*].spec.containers[0].image}')).toBe('registry.example/web:2 registry.example/web:2'),
    )
  })
  test('scale, annotate, label, patch, set image', async () => {
    expect(await ok('scale deployment/web --replicas=3')).toBe('deployment.apps/web scaled\n')
    await ok('annotate deployment web note=1')
    await ok('label deployment web tier=front')
    await ok(
      'patch deployment web --type=json ' +
        '-p [{"op":"test","path":"/metadata/annotations/note","value":"1"},{"op":"replace","path":"/metadata/annotations/note","value":"2"}]',
    )
    expect((await run('patch deployment web --type=json -p [{"op":"test","path":"/metadata/annotations/note","value":"1"}]')).stderr).toContain(
      'the server rejected our request due to an error in our request',
    )
    await ok('set image deployment/web c=registry.example/web:3')
    const { metadata, spec } = cluster.store.get('deployments.apps', 'default', 'web')!
    expect([metadata.annotations!.note, metadata.labels!.tier, spec.replicas, spec.template.spec.containers[0].image]).toEqual([
      '2',
      'front',
      3,
      'registry.example/web:3',
    ])
    await ok('rollout restart deployment/web')
    expect(cluster.store.get('deployments.apps', 'default', 'web')!.spec.template.metadata.annotations).toHaveProperty(['kubectl.kubernetes.io/restartedAt'])
  })
  test('custom resources: short names, unknown fields, scale', async () => {
    expect(await ok('apply -f -', rollout)).toBe('rollout.sluice.dev/web created\n')
    expect((await run('apply -f -', rollout.replace('service:', 'nonsense: 1\n  service:'))).stderr).toContain('unknown field "spec.nonsense"')
    expect(await ok('get slr')).toMatch(/^NAME.*\nweb /)
    expect(await ok('scale slr/web --replicas=4')).toContain('scaled')
    expect(await ok('get crds -o name')).toContain('customresourcedefinition.apiextensions.k8s.io/virtualservices.networking.istio.io')
    expect(await ok('api-resources --api-group=sluice.dev -o name')).toBe('metrictemplates.sluice.dev\nnotificationchannels.sluice.dev\nrolloutrequests.sluice.dev\nrollouts.sluice.dev\n')
    expect(await ok('delete slr web')).toContain('deleted')
  })
  test('delete waits until the object is gone', async () => {
    expect(await ok('delete deployment web --timeout=20s')).toContain('deployment.apps "web" deleted')
    await eventually(async () => expect((await run('get pods')).stderr).toContain('No resources found'))
  })
})
