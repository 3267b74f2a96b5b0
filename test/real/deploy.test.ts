/** The installation as people apply it: the same from kustomize and Helm, rights that suffice and do not exceed, upgrade, uninstall, and what is in the image. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { readConfiguration } from '../../src/configuration/read.ts'
import type { Configuration } from '../../src/configuration/schema.ts'
import { watched } from '../../src/controller/world.ts'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { RolloutSpec } from '../../src/rollout/schema.ts'
import { applyCrds, connect, controlPlaneMissing, kubeconfigFor, startControlPlane, type ControlPlane } from '../support/control-plane.ts'
import { startController } from '../support/controller.ts'
import { helm, helmMissing } from '../support/helm.ts'
import { applied, kustomized, objectsIn, tokenOf } from '../support/install.ts'
import { until } from '../support/process.ts'
import { stageMissing, startStage, type Scene, type Stage } from '../support/stage.ts'

const root = resolve(import.meta.dirname, '../..')
const chart = join(root, 'deploy/helm/sluice')
const system = 'sluice-system'
const account = (namespace: string) => `system:serviceaccount:${namespace}:sluice-controller`
const textOf = (path: string) => readFileSync(join(root, path), 'utf8')

/** kubectl without a cluster. */
const programs = () => connect({ kubeconfig: '', url: '', token: '', ca: '', dir: '', assets: process.env['KUBEBUILDER_ASSETS']!, pids: {} })

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}
/** `<group>/<plural>: <verb>` of every rule. */
const granted = (rules: readonly Rule[]): readonly string[] =>
  rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap((group) => resources.flatMap((plural) => verbs.map((verb) => `${group}/${plural}: ${verb}`))))

describe('rights of the controller', () => {
  const roles = objectsIn(textOf('deploy/base/access/roles-of-the-controller.yaml')) as readonly (KubeObject & { readonly rules: readonly Rule[] })[]
  const all = roles.flatMap(({ rules }) => granted(rules))

  test('to list and watch are those for what it watches, no more and no less', () => {
    const wanted = watched.flatMap(({ group, plural }) => ['list', 'watch'].map((verb) => `${group}/${plural}: ${verb}`))
    expect(all.filter((right) => /: (list|watch)$/.test(right)).toSorted()).toEqual(wanted.toSorted())
  })
  test('in one namespace need nothing that has none', () => {
    const clusterWide = watched.filter(({ namespaced }) => !namespaced).map(({ plural }) => plural)
    const of = (name: string) => roles.find(({ metadata }) => metadata.name === name)!.rules.flatMap(({ resources }) => resources)
    expect(of('sluice-controller').filter((plural) => clusterWide.includes(plural))).toEqual([])
    expect([...of('sluice-controller-cluster')].toSorted()).toEqual(clusterWide.toSorted())
  })
  test('reach no Secret, no right, no other person, and are never all of something', () => {
    expect(all.filter((right) => /\*|secrets|serviceaccounts|token|impersonate|escalate|bind|exec|rbac|nodes/.test(right.replace(/policybindings/, '')))).toEqual([])
    expect(roles.flatMap(({ rules }) => rules).filter((rule) => rule.apiGroups.includes('*'))).toEqual([])
  })
})

/** The configuration file of an installation, which must be right. */
function configured(objects: readonly KubeObject[]): Configuration {
  const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'sluice-controller')!
  const read = readConfiguration((map as KubeObject & { readonly data: Readonly<Record<string, string>> }).data['config.yaml']!)
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('; '))
  return read.configuration
}
/** What the container sees by path, each read-only. */
function mounts(pod: { readonly containers: readonly { readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[] }[]; readonly volumes: readonly { readonly name: string }[] }): Record<string, object> {
  return Object.fromEntries(pod.containers[0]!.volumeMounts.filter(({ readOnly }) => readOnly).map((mount) => {
    const { name: _, ...volume } = pod.volumes.find(({ name }) => name === mount.name)!
    return [mount.mountPath, volume]
  }))
}

const noKubectl = controlPlaneMissing()
test.skipIf(noKubectl)(`the overlay that docs/install.md shows ${noKubectl ?? ''}`, async () => {
  const shown = /```yaml\n(# kustomization\.yaml\n[\s\S]*?)```/.exec(textOf('docs/install.md'))![1]!
  const folder = mkdtempSync(join(tmpdir(), 'sluice-overlay-'))
  try {
    writeFileSync(join(folder, 'kustomization.yaml'), shown.replace('../sluice/deploy', relative(realpathSync(folder), join(root, 'deploy'))))
    const objects = await kustomized(programs(), folder)
    const pod = objects.find(({ kind }) => kind === 'Deployment')!.spec.template.spec
    expect(pod.containers[0].image).toBe(`registry.my-company.example/platform/sluice:${packageJson.version}`)
    const { sources, allowedHosts } = configured(objects)
    expect(sources).toEqual([{ name: 'default', url: 'https://prometheus.monitoring:9090', scrapeInterval: '30s', auth: { bearerTokenFile: '/etc/sluice/secrets/prometheus/token' } }])
    expect(allowedHosts).toEqual(['alerts.monitoring.svc:8080'])
    expect(mounts(pod)).toEqual({ '/etc/sluice/config': { configMap: { name: 'sluice-controller' } }, '/etc/sluice/secrets/prometheus': { secret: { secretName: 'prometheus' } } })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the CRDs of deploy/ are all CRDs', () => {
  expect(parse(textOf('crds/Kustomization')).resources).toEqual(readdirSync(join(root, 'crds')).filter((file) => file.endsWith('.yaml')).toSorted())
})

describe('versions', () => {
  test('are one and the same everywhere', () => {
    const { version, appVersion } = parse(textOf('deploy/helm/sluice/Chart.yaml'))
    const [image] = parse(textOf('deploy/base/controller/kustomization.yaml')).images
    const label = /image\.version="([^"]+)"/.exec(textOf('Dockerfile'))?.[1]
    expect([version, appVersion, image.newTag, label]).toEqual(Array.from({ length: 4 }, () => packageJson.version))
    expect(existsSync(join(root, `docs/releases/${packageJson.version}.md`))).toBe(true)
  })
})

describe('the image', () => {
  const lines = textOf('Dockerfile').replaceAll('\\\n', ' ').split('\n')
  const stages = lines.join('\n').split(/^FROM /m).slice(1)
  const last = stages.at(-1)!
  const lock = JSON.parse(textOf('package-lock.json')) as { readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean; readonly devOptional?: boolean; readonly version?: string }>> }
  const production = Object.entries(lock.packages).filter(([path, one]) => path !== '' && !one.dev && !one.optional && !one.devOptional)

  test('is made in stages, takes no development dependencies, and runs as nobody', () => {
    expect(stages.length).toBeGreaterThan(1)
    expect(stages[0]).toMatch(/npm ci [^\n]*--omit=dev/)
    expect(last).not.toMatch(/npm (ci|install)/)
    expect(last).toMatch(/^USER 65532:65532$/m)
    expect(last).toMatch(/^ENTRYPOINT \["node", "\/sluice\/src\/main\.ts"\]$/m)
    const { containers: [container], securityContext } = (objectsIn(textOf('deploy/base/controller/deployment.yaml'))[0]!).spec.template.spec
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } })
    expect(container.command).toBeUndefined()
  })

  /** What the image holds, laid out in a folder: files as COPY names them, and links to the production packages. */
  const laidOut = (): string => {
    const image = mkdtempSync(join(tmpdir(), 'sluice-image-'))
    const copied = last.split('\n').flatMap((line) => (/^COPY (?!--from)/.test(line) ? line.split(/\s+/).slice(1, -1) : []))
    const sent = textOf('.dockerignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    expect(copied.filter((path) => !sent.includes(path))).toEqual([])
    for (const path of copied) cpSync(join(root, path), join(image, path), { recursive: true })
    for (const [path] of production) {
      // Nested packages lie within the linked ones.
      if (path.includes('/node_modules/')) continue
      mkdirSync(dirname(join(image, path)), { recursive: true })
      symlinkSync(join(root, path), join(image, path))
    }
    writeFileSync(join(image, 'node_modules/.package-lock.json'), JSON.stringify({ packages: Object.fromEntries(production) }))
    return image
  }
  let image: string
  beforeAll(() => {
    image = laidOut()
  })
  afterAll(() => rmSync(image, { recursive: true, force: true }))

  test('holds what the program needs, and nothing has to be written', { timeout: 60_000 }, () => {
    const variables = last.split('\n').flatMap((line) => (line.startsWith('ENV ') ? line.slice(4).split(' ') : [])).map((pair) => pair.split('='))
    const env = { ...Object.fromEntries(variables), PATH: '/dev/null/none', HOME: '/dev/null/none', TMPDIR: '/dev/null/none' }
    // Links are not followed, so that nothing is found beside the copy.
    const run = (...args: readonly string[]) => spawnSync(process.execPath, ['--preserve-symlinks', join(image, 'src/main.ts'), ...args], { cwd: '/', env, encoding: 'utf8', timeout: 25_000 })
    expect(run('version')).toMatchObject({ status: 0, stdout: expect.stringContaining(packageJson.version), stderr: '' })
    // It has come past every import of the controller, and past its flags.
    const { args } = objectsIn(textOf('deploy/base/controller/deployment.yaml'))[0]!.spec.template.spec.containers[0] as { readonly args: readonly string[] }
    const [map] = objectsIn(textOf('deploy/base/controller/configuration.yaml')) as readonly (KubeObject & { readonly data: Readonly<Record<string, string>> })[]
    writeFileSync(join(image, 'config.yaml'), map!.data['config.yaml']!)
    const here = args.map((arg) => arg.replace('--config=/etc/sluice/config/', `--config=${image}/`))
    expect(here).not.toEqual(args)
    expect(run(...here, '--kubeconfig=/dev/null/config')).toMatchObject({ status: 1, stderr: 'sluice: The kubeconfig /dev/null/config does not exist: name another with --kubeconfig, or set KUBECONFIG.\n' })
  })

  test('lists all of its packages, and no other, in its SBOM', () => {
    const run = () => execFileSync(process.execPath, [join(root, 'deploy/sbom.mjs'), image], { encoding: 'utf8', env: { ...process.env, SOURCE_DATE_EPOCH: '1795392000' } })
    const sbom = JSON.parse(run()) as {
      readonly spdxVersion: string
      readonly packages: readonly { readonly SPDXID: string; readonly name: string; readonly versionInfo: string; readonly licenseDeclared: string }[]
      readonly relationships: readonly { readonly relatedSpdxElement: string }[]
    }
    expect(sbom).toMatchObject({ spdxVersion: 'SPDX-2.3', creationInfo: { created: '2026-11-23T00:00:00Z' } })
    const wanted = [`sluice@${packageJson.version}`, ...production.map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`)]
    expect(sbom.packages.map(({ name, versionInfo }) => `${name}@${versionInfo}`).toSorted()).toEqual(wanted.toSorted())
    // Each is there because something needs it.
    const needed = new Set(sbom.relationships.map(({ relatedSpdxElement }) => relatedSpdxElement))
    expect(sbom.packages.filter(({ SPDXID }) => !needed.has(SPDXID))).toEqual([])
    expect(sbom.packages.filter(({ licenseDeclared }) => licenseDeclared === 'NOASSERTION')).toEqual([])
    expect(run()).toBe(run())
  })
})

const noChart = helmMissing() ?? controlPlaneMissing()
describe.skipIf(noChart)(`the chart ${noChart ?? ''}`, () => {
  const rendered = async (namespace: string, ...sets: readonly string[]) => {
    const done = await helm(['template', 'sluice', chart, '-n', namespace, ...sets.flatMap((set) => ['--set', set])])
    if (done.status !== 0) throw new Error(done.stderr)
    return objectsIn(done.stdout)
  }
  const of = (objects: readonly KubeObject[], kind: string) => objects.filter((object) => object.kind === kind)
  /** Without what marks a Helm release, by kind and name. */
  const plain = (objects: readonly KubeObject[]) =>
    Object.fromEntries(objects.filter(({ kind }) => kind !== 'Namespace').map((object) => {
      const { labels, annotations, ...metadata } = object.metadata
      const own = Object.entries(labels ?? {}).filter(([key]) => !/managed-by|\/version|helm\.sh/.test(key))
      const notes = Object.entries(annotations ?? {}).filter(([key]) => !key.startsWith('helm.sh/'))
      return [`${object.kind}/${metadata.name}`, { ...object, metadata: { ...metadata, labels: Object.fromEntries(own), annotations: Object.fromEntries(notes) } }]
    }))

  test.for([
    { overlay: 'overlays/cluster', namespace: system, sets: [] },
    { overlay: 'overlays/namespace', namespace: 'shop', sets: ['scope=Namespace', 'crds.install=false', 'access.install=false'] },
    { overlay: 'overlays/network-policy', namespace: system, sets: ['networkPolicy.enabled=true'] },
    { overlay: 'overlays/service-monitor', namespace: system, sets: ['serviceMonitor.enabled=true', 'prometheusRule.enabled=true'] },
  ])('makes the same objects as deploy/$overlay', async ({ overlay, namespace, sets }) => {
    expect(plain(await rendered(namespace, ...sets))).toEqual(plain(await kustomized(programs(), overlay)))
  })

  test('passes its lint, keeps CRDs unless told otherwise, and takes values into the places they are for', async () => {
    expect(await helm(['lint', '--strict', chart])).toMatchObject({ status: 0 })
    const kept = (objects: readonly KubeObject[]) => of(objects, 'CustomResourceDefinition').map(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'])
    expect(new Set(kept(await rendered(system)))).toEqual(new Set(['keep']))
    const objects = await rendered(system, 'crds.keep=false', `image.digest=sha256:${'a'.repeat(64)}`, 'notifications.clusterName=east', 'notifications.allowedHosts={hook.tools,10.0.0.7:8080}', 'config.templateNamespaces={platform,*}', 'nodeSelector.zone=a', 'imagePullSecrets[0].name=pull')
    expect(new Set(kept(objects))).toEqual(new Set([undefined]))
    const { containers: [container], ...pod } = of(objects, 'Deployment')[0]!.spec.template.spec
    expect(container.image).toBe(`registry.example.com/sluice/sluice@sha256:${'a'.repeat(64)}`)
    expect(configured(objects)).toMatchObject({ clusterName: 'east', allowedHosts: ['hook.tools', '10.0.0.7:8080'], templateNamespaces: ['platform', '*'], sources: [{ name: 'default', url: 'http://prometheus.istio-system:9090', scrapeInterval: '15s' }] })
    expect(pod).toMatchObject({ nodeSelector: { zone: 'a' }, imagePullSecrets: [{ name: 'pull' }] })
  })

  test('takes sources, defaults and Secrets into the configuration file and its mounts', async () => {
    const source = ['config.sources[0].name=default', 'config.sources[0].url=https://mimir', 'config.sources[0].headers.X-Scope-OrgID=shop', 'config.sources[0].auth.basic.username=sluice', 'config.sources[0].auth.basic.passwordFile=/etc/sluice/secrets/mimir/password', 'config.sources[0].tls.caFile=/etc/sluice/secrets/mimir/ca.crt']
    const objects = await rendered(system, 'prometheus.url=', 'secretMounts[0]=mimir', 'config.defaults.analysis.minRequests=100', 'config.defaults.retainStable=1h', ...source)
    const auth = { basic: { username: 'sluice', passwordFile: '/etc/sluice/secrets/mimir/password' } }
    expect(configured(objects)).toEqual({
      apiVersion: 'sluice.dev/v1alpha1', kind: 'Configuration', defaults: { analysis: { minRequests: 100 }, retainStable: '1h' },
      sources: [{ name: 'default', url: 'https://mimir', headers: { 'X-Scope-OrgID': 'shop' }, auth, tls: { caFile: '/etc/sluice/secrets/mimir/ca.crt' } }],
    })
    expect(mounts(of(objects, 'Deployment')[0]!.spec.template.spec)).toMatchObject({ '/etc/sluice/secrets/mimir': { secret: { secretName: 'mimir' } } })
    expect(configured(await rendered(system, 'prometheus.url='))).toEqual({ apiVersion: 'sluice.dev/v1alpha1', kind: 'Configuration' })
    const twice = await helm(['template', 'sluice', chart, '--set', source.slice(0, 2).join(',')])
    expect([twice.status === 0, twice.stderr]).toEqual([false, expect.stringContaining('set prometheus.url to ')])
  })

  test.for([
    ['config.sources[0].nme=a', '/config/sources/0'], ['config.defaults.analysis.failureLimit=-1', 'failureLimit'], ['secretMounts[0]=a.b', '/secretMounts/0'],
    ['scope=Everywhere', '/scope'], ['replica=3', 'replica'], ['prometheus.url=prometheus:9090', '/prometheus/url'], ['logLevel=verbose', '/logLevel'],
    ['prometheus.scrapeInterval=15', '/prometheus/scrapeInterval'], ['image.digest=abc', '/image/digest'], ['networkPolicy.prometheusPort=99999', '/networkPolicy/prometheusPort'],
  ])('refuses the value %s', async ([set, field]) => {
    const done = await helm(['template', 'sluice', chart, '--set', set!])
    expect(done.status).not.toBe(0)
    expect(done.stderr).toContain(field)
  })
})

/** An earlier version of the same objects: a field and a column fewer in a CRD, another image, a right that is gone by now and one that is not there yet. */
function previous(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.filter(({ metadata }) => metadata.name !== 'controller.sluice.dev').map((object) => {
    const old: any = structuredClone(object)
    if (old.metadata.name === 'rollouts.sluice.dev') {
      const [version] = old.spec.versions
      version.additionalPrinterColumns.pop()
      delete version.schema.openAPIV3Schema.properties.spec.properties.retainStable
    }
    if (old.kind === 'Deployment') old.spec.template.spec.containers[0].image = 'registry.example.com/sluice/sluice:0.0.9'
    if (old.kind === 'ClusterRole' && old.metadata.name === 'sluice-controller') {
      old.rules = [...old.rules.map((rule: Rule) => (rule.resources.includes('configmaps') ? { ...rule, verbs: ['list', 'watch'] } : rule)), { apiGroups: [''], resources: ['secrets'], verbs: ['list'] }]
    }
    return old as KubeObject
  })
}

const spec = (change: Partial<RolloutSpec> = {}): RolloutSpec => ({
  workloadRef: { kind: 'Deployment', name: 'shop' }, service: { port: 80 }, traffic: { istio: { managed: {} } },
  steps: [{ weight: 20, hold: '4s' }, { weight: 100, hold: '4s' }],
  analysis: { interval: '1s', minRequests: 20, checks: [{ name: 'success', successRate: { min: '99%' } }] },
  ...change,
})

const missing = stageMissing()
describe.skipIf(missing)(`an installation, from the first day to the last ${missing ?? ''}`, () => {
  let plane: ControlPlane
  let stage: Stage
  const stops: (() => unknown)[] = []

  beforeAll(async () => {
    plane = await startControlPlane({ auditLog: true })
    await applyCrds(plane)
    await applied(plane, previous(await kustomized(plane, 'overlays/cluster')), ['--force-conflicts'])
    stage = await startStage(plane, { dataPlane: 'Istio', kubeconfig: await kubeconfigOf(system), flags: ['--leader-election-namespace', system] })
  })
  afterAll(async () => {
    for (const stop of stops) stop()
    await (stage ?? plane)?.stop()
  })

  const kubeconfigOf = async (namespace: string) => kubeconfigFor(plane, `controller-${namespace}`, await tokenOf(plane, namespace, 'sluice-controller'))
  /** What the controller of this namespace has asked the API server. */
  const asked = (namespace: string): readonly any[] =>
    readFileSync(plane.auditLog!, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)).filter(({ user }) => user.username === account(namespace))
  const refused = (namespace: string) => asked(namespace).filter(({ responseStatus }) => responseStatus?.code === 403).map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
  const kubectl = async (...args: readonly string[]) => {
    const done = await plane.kubectlAsync(args)
    if (done.status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr}`)
    return done.stdout
  }
  const adopted = async (change: Partial<RolloutSpec> = {}, prefix = 'shop'): Promise<Scene> => {
    const scene = await stage.scene(prefix)
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    stops.push(() => traffic.stop())
    await scene.rollout('shop', spec(change))
    await scene.reach('shop', 'adopted', (now) => now.phase === 'Idle' && now.stable?.images?.includes('shop:v1') === true)
    return scene
  }
  const idleAt = (image: string) => (now: { readonly phase: string; readonly stable?: { readonly images?: readonly string[] } }) => now.phase === 'Idle' && now.stable?.images?.includes(image) === true
  /** Everything that waits to be deleted, of every kind that can be listed. */
  const terminating = async (): Promise<readonly string[]> => {
    const kinds = (await kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n').filter((kind) => !kind.startsWith('events'))
    const lists = await kubectl('get', kinds.join(','), '-A', '--ignore-not-found', '-o', 'json')
    return (JSON.parse(lists).items as readonly KubeObject[]).filter(({ kind, metadata }) => kind !== 'Pod' && metadata.deletionTimestamp !== undefined).map(({ kind, metadata }) => `${kind}/${metadata.name}`)
  }
  let first: Scene

  test('the pods are admitted where only restricted ones are, and the Deployment gets two', async () => {
    stage.kubelet.adopt(system)
    await kubectl('-n', system, 'rollout', 'status', 'deployment/sluice-controller', '--timeout=60s')
    const budget = JSON.parse(await kubectl('-n', system, 'get', 'pdb', 'sluice-controller', '-o', 'json'))
    await until('the budget to know them', async () => JSON.parse(await kubectl('-n', system, 'get', 'pdb', 'sluice-controller', '-o', 'json')).status.currentHealthy === 2)
    expect(budget.spec.selector).toEqual(JSON.parse(await kubectl('-n', system, 'get', 'deployment', 'sluice-controller', '-o', 'json')).spec.selector)
  })

  test('an upgrade in the middle of a release: it goes on, without a request that finds no pod', async () => {
    first = await adopted({ steps: [{ weight: 20, hold: '12s' }, { weight: 100, hold: '4s' }] })
    await first.push('shop', 'shop:v2')
    await first.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    const current = await kustomized(plane, 'overlays/cluster')
    await applied(plane, current)
    await stage.controller.kill()
    await stage.controller.restart()
    expect(await first.outcome('shop', 'shop:v2')).toBe('Promoted')
    await first.reach('shop', 'idle', idleAt('shop:v2'))
    expect(stage.mesh.nowhere(first.namespace)).toEqual([])
    await kubectl('-n', system, 'rollout', 'status', 'deployment/sluice-controller', '--timeout=60s')
    const live = async (kind: string, name: string) => JSON.parse(await kubectl('get', kind, name, '-o', 'json'))
    const wanted = (kind: string, name: string): any => current.find((object) => object.kind === kind && object.metadata.name === name)
    expect((await live('clusterrole', 'sluice-controller')).rules).toEqual(wanted('ClusterRole', 'sluice-controller').rules)
    const [version] = (await live('crd', 'rollouts.sluice.dev')).spec.versions
    expect(version.additionalPrinterColumns).toHaveLength(wanted('CustomResourceDefinition', 'rollouts.sluice.dev').spec.versions[0].additionalPrinterColumns.length)
    expect(version.schema.openAPIV3Schema.properties.spec.properties).toHaveProperty('retainStable')
  })

  test('with exactly these rights a release is promoted and one taken back, and nothing was refused', async () => {
    stage.mesh.behave((pod) => pod.namespace === first.namespace && pod.image === 'shop:v3', { errorRate: 0.5 })
    await first.push('shop', 'shop:v3')
    expect(await first.outcome('shop', 'shop:v3')).toBe('RolledBack')
    await first.push('shop', 'shop:v4')
    expect(await first.outcome('shop', 'shop:v4')).toBe('Promoted')
    await first.reach('shop', 'idle', idleAt('shop:v4'))
    expect(asked(system).length).toBeGreaterThan(50)
    expect(refused(system)).toEqual([])
    expect(stage.controller.logs().filter((line) => /forbidden/i.test(JSON.stringify(line)))).toEqual([])
    expect(asked(system).filter(({ objectRef }) => objectRef?.resource === 'secrets')).toEqual([])
  })

  test('the API server holds the controller to its own objects, whatever its code does', async () => {
    const scene = await stage.scene('foreign')
    await scene.deploy('theirs', 'theirs:v1', { replicas: 1 })
    const token = await tokenOf(plane, system, 'sluice-controller')
    const as = (method: string, path: string, body?: unknown) => plane.request(method, path, body, { token })
    const deployment = `/apis/apps/v1/namespaces/${scene.namespace}/deployments/theirs`
    const service = `/api/v1/namespaces/${scene.namespace}/services/theirs`
    const istio = `networking.istio.io/v1/destinationrules`
    await scene.apply(istio, { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'theirs' }, spec: { host: 'theirs' } })
    await scene.apply(istio.replace('destinationrules', 'virtualservices'), { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'theirs' }, spec: { hosts: ['theirs'], http: [{ route: [{ destination: { host: 'theirs' } }] }] } })
    const [rule, route] = ['destinationrules', 'virtualservices'].map((plural) => `/apis/networking.istio.io/v1/namespaces/${scene.namespace}/${plural}/theirs`)
    for (const path of [deployment, service, rule!, route!]) {
      const deleted = await as('DELETE', path)
      expect([deleted.status, deleted.body.message]).toEqual([403, expect.stringContaining('deletes only objects that bear the label sluice.dev/rollout')])
    }
    for (const [path, patch] of [[deployment, { spec: { replicas: 0 } }], [deployment, { spec: { minReadySeconds: 3 } }], [service, { spec: { selector: { app: 'other' } } }], [rule!, { spec: { host: 'other' } }]] as const) {
      expect((await as('PATCH', path, patch)).status).toBe(403)
    }
    expect((await as('PATCH', `${deployment}/scale`, { spec: { replicas: 2 } })).status).toBe(200)
    // Weights, and giving back the ownership of what was written.
    expect((await as('PATCH', route!, { metadata: { annotations: { 'sluice.dev/closed-to': 'a@1' } } })).status).toBe(200)
    expect((await as('PATCH', deployment, { metadata: { managedFields: [{}] } })).status).toBe(200)
    for (const path of [`/api/v1/namespaces/${scene.namespace}/secrets`, '/api/v1/secrets', `/api/v1/namespaces/${scene.namespace}/secrets/any`]) expect((await as('GET', path)).status).toBe(403)
    const secret = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'c' }] } }
    expect((await as('POST', `/api/v1/namespaces/${scene.namespace}/pods`, secret)).status).toBe(403)
    // Others are not held to anything.
    expect((await plane.request('DELETE', service)).status).toBe(200)
  })

  test('uninstalled: what was put back and what was left both serve, and nothing stays Terminating', { timeout: 300_000 }, async () => {
    const left = await adopted({}, 'left')
    await left.push('shop', 'shop:v2')
    await left.reach('shop', 'idle', idleAt('shop:v2'))
    // In the middle of a release, with the finalizer that a journey has.
    await first.rollout('shop', spec({ steps: [{ weight: 20, hold: '10m' }, { weight: 100 }] }))
    await first.push('shop', 'shop:v5')
    await first.reach('shop', 'holding', ({ phase }) => phase === 'Holding')
    await first.push('shop', 'shop:v4')
    await first.remove('sluice.dev/v1alpha1/rollouts', 'shop')
    await until('the Deployment to serve again', async () => {
      const { spec: { replicas }, status } = (await first.get(`/apis/apps/v1/namespaces/${first.namespace}/deployments/shop`))!
      const revisions = await plane.request('GET', `/apis/apps/v1/namespaces/${first.namespace}/deployments?labelSelector=sluice.dev/revision`)
      return replicas === 2 && status?.readyReplicas === 2 && revisions.body.items.length === 0
    }, { timeoutMs: 180_000, hint: () => plane.kubectl(['-n', first.namespace, 'get', 'deploy,svc,virtualservices', '-o', 'wide']).stdout })
    await kubectl('delete', '--ignore-not-found', '--wait=true', '--timeout=90s', '-k', join(root, 'deploy/overlays/cluster'))
    await stage.controller.kill()
    // The Namespace goes last, with its pods.
    await until('nothing to be Terminating', async () => (await terminating()).length === 0, { timeoutMs: 90_000, hint: terminating })
    expect((await plane.request('GET', '/apis/sluice.dev')).status).toBe(404)
    const remains = await kubectl('get', 'clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,crd', '-o', 'name')
    expect(remains.split('\n').filter((name) => name.includes('sluice'))).toEqual([])
    expect(await stage.mesh.measure(first.namespace, 'shop:v4')).toBe(100)
    expect(await stage.mesh.measure(left.namespace, 'shop:v2')).toBe(100)
    expect([...stage.mesh.nowhere(first.namespace), ...stage.mesh.nowhere(left.namespace)]).toEqual([])
  })

  test('one for a single namespace works with rights in that namespace alone', { timeout: 240_000 }, async () => {
    await applied(plane, await kustomized(plane, 'overlays/shared'))
    const scene = await stage.scene('one')
    const other = await stage.scene('other')
    const objects = (await kustomized(plane, 'overlays/namespace')).map((object) => JSON.parse(JSON.stringify(object).replaceAll('"shop"', JSON.stringify(scene.namespace))) as KubeObject)
    expect(objects.filter(({ kind }) => /^Cluster|^Custom|Policy/.test(kind))).toEqual([])
    await applied(plane, objects)
    const controller = await startController(plane, { kubeconfig: await kubeconfigOf(scene.namespace), prometheusUrl: stage.prometheus.url, scrapeInterval: '500ms', flags: ['--namespace', scene.namespace] })
    try {
      await scene.deploy('shop', 'shop:v1')
      await other.deploy('shop', 'shop:v1')
      const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
      stops.push(() => traffic.stop())
      for (const one of [scene, other]) await one.rollout('shop', spec())
      await scene.reach('shop', 'adopted', idleAt('shop:v1'))
      await scene.push('shop', 'shop:v2')
      expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
      expect(await other.status('shop')).toBeUndefined()
      expect(new Set(refused(scene.namespace).map((what) => what.split(' ')[1]))).toEqual(new Set(watched.filter(({ namespaced }) => !namespaced).map(({ plural }) => plural)))
      expect(asked(scene.namespace).filter(({ objectRef, responseStatus }) => objectRef?.namespace !== undefined && objectRef.namespace !== scene.namespace && responseStatus.code < 400)).toEqual([])
    } finally {
      await controller.stop()
    }
    await kubectl('delete', '--wait=true', '-k', join(root, 'deploy/overlays/shared'))
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(100)
  })

  test.skipIf(helmMissing())(`the chart: installed, upgraded, uninstalled; CRDs and Rollouts stay ${helmMissing() ?? ''}`, { timeout: 240_000 }, async () => {
    const old = join(plane.dir, 'old-chart')
    cpSync(chart, old, { recursive: true, dereference: true })
    writeFileSync(join(old, 'Chart.yaml'), stringify({ ...parse(readFileSync(join(old, 'Chart.yaml'), 'utf8')), version: '0.0.9', appVersion: '0.0.9' }))
    for (const file of ['crds/rollouts.yaml', 'access/roles-of-the-controller.yaml']) {
      const path = join(old, 'files', file)
      writeFileSync(path, previous(objectsIn(readFileSync(path, 'utf8'))).map((object) => stringify(object)).join('---\n'))
    }
    rmSync(join(old, 'files/access/controller-policy.yaml'))
    const release = async (...args: readonly string[]) => {
      const done = await helm([...args, '-n', system], plane.kubeconfig)
      if (done.status !== 0) throw new Error(`helm ${args.join(' ')}: ${done.stderr}`)
      return done.stdout
    }
    expect(await release('install', 'sluice', old, '--create-namespace')).toContain('The image registry.example.com/sluice/sluice does not exist')
    const scene = await stage.scene('helm')
    const controller = await startController(plane, { kubeconfig: await kubeconfigOf(system), prometheusUrl: stage.prometheus.url, scrapeInterval: '500ms', flags: ['--leader-election-namespace', system] })
    stops.push(() => controller.stop())
    await scene.deploy('shop', 'shop:v1')
    const traffic = stage.mesh.send({ namespace: scene.namespace, host: 'shop' }, 100)
    stops.push(() => traffic.stop())
    await scene.rollout('shop', spec())
    await scene.reach('shop', 'adopted', idleAt('shop:v1'))
    await release('upgrade', 'sluice', chart)
    await scene.push('shop', 'shop:v2')
    expect(await scene.outcome('shop', 'shop:v2')).toBe('Promoted')
    await scene.reach('shop', 'idle', idleAt('shop:v2'))
    expect((JSON.parse(await kubectl('get', 'crd', 'rollouts.sluice.dev', '-o', 'json'))).spec.versions[0].schema.openAPIV3Schema.properties.spec.properties).toHaveProperty('retainStable')
    expect(await kubectl('get', 'validatingadmissionpolicy', 'controller.sluice.dev', '-o', 'name')).not.toBe('')
    expect(await kubectl('-n', system, 'get', 'deployment', 'sluice-controller', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe(`registry.example.com/sluice/sluice:${packageJson.version}`)
    await controller.stop()
    await release('uninstall', 'sluice')
    expect(await scene.status('shop')).toMatchObject({ phase: 'Idle' })
    await until('nothing to be Terminating', async () => (await terminating()).length === 0, { timeoutMs: 60_000, hint: terminating })
    await kubectl('delete', '--wait=true', '-k', join(root, 'crds'))
    expect(await terminating()).toEqual([])
    expect(await stage.mesh.measure(scene.namespace, 'shop:v2')).toBe(100)
    expect(stage.mesh.nowhere(scene.namespace)).toEqual([])
  })
})
