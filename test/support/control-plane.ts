/** A real control plane for tests: etcd, kube-apiserver and kube-controller-manager from the folder KUBEBUILDER_ASSETS, on free ports, gone afterwards. */
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Agent, fetch } from 'undici'
import { freePort, makeNest, until, type Nest, type Part } from './process.ts'

export type PartName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager'
export interface KubectlAnswer {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}
export interface ApiAnswer {
  readonly status: number
  /** Parsed JSON, or the text where it is none. */
  readonly body: any
}
export interface ApiStream {
  readonly status: number
  readonly lines: AsyncIterable<string>
}

/** Where a control plane is: plain data, so that it can be handed from vitest's global setup to the workers. */
export interface ControlPlaneAddress {
  readonly kubeconfig: string
  readonly url: string
  /** Bearer token of the user `admin` in system:masters. */
  readonly token: string
  readonly ca: string
  readonly dir: string
  readonly assets: string
  readonly pids: Readonly<Partial<Record<PartName, number>>>
  readonly auditLog?: string
}
export interface ControlPlane extends ControlPlaneAddress {
  /** Runs kubectl as admin and blocks this process until it ends. Namespace `default` unless `-n` is given. */
  kubectl(args: readonly string[], stdin?: string): KubectlAnswer
  /** The same without blocking: for tests whose models run in this process. */
  kubectlAsync(args: readonly string[], stdin?: string): Promise<KubectlAnswer>
  /** One request as admin, or with another token. An array is sent as JSON patch, an object with PATCH as merge patch, a string as YAML server-side apply. */
  request(method: string, path: string, body?: unknown, options?: { token?: string; contentType?: string }): Promise<ApiAnswer>
  /** A watch: lines of JSON until the server or the signal ends it. */
  stream(path: string, signal: AbortSignal): Promise<ApiStream>
  /** Faults: SIGSTOP, SIGCONT, SIGKILL of one part. */
  signal(part: PartName, signal: NodeJS.Signals): void
  /** Ends all parts and removes the directory. On a shared control plane only this handle's connections are closed. */
  stop(): Promise<void>
}
/** A control plane that this process has started itself. */
export interface OwnControlPlane extends ControlPlane {
  /** SIGKILL and a new process with the same flags, port and data; waits until the API server is ready. */
  restart(part: PartName): Promise<void>
}
export interface ControlPlaneOptions {
  /** Makes ReplicaSets, Pods, EndpointSlices and collects garbage. Default true. */
  readonly controllerManager?: boolean
  readonly apiserverFlags?: readonly string[]
  /** Writes every request as one JSON line (level Metadata, stage ResponseComplete) to `auditLog`. Default false. */
  readonly auditLog?: boolean
}

/** One line that says why tests on a real control plane are skipped, or undefined when they can run. */
export function controlPlaneMissing(): string | undefined {
  const assets = process.env.KUBEBUILDER_ASSETS
  if (!assets) return 'skipped: KUBEBUILDER_ASSETS is not set (a folder with etcd, kube-apiserver, kube-controller-manager and kubectl)'
  const missing = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'].filter((name) => !existsSync(join(assets, name)))
  return missing.length === 0 ? undefined : `skipped: KUBEBUILDER_ASSETS=${assets} holds no ${missing.join(', ')}`
}

/** One line that says why tests that need a mesh's resource kinds are skipped, or undefined. */
export function crdsMissing(): string | undefined {
  const folder = process.env.SLUICE_TEST_CRDS
  if (!folder) return 'skipped: SLUICE_TEST_CRDS is not set (a folder with the CRDs of Istio, SMI, Linkerd …)'
  return existsSync(folder) ? undefined : `skipped: SLUICE_TEST_CRDS=${folder} does not exist`
}

/** Starts a control plane; ready in about four seconds. Throws with the last log lines of the part that failed. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<OwnControlPlane> {
  const missing = controlPlaneMissing()
  if (missing) throw new Error(missing)
  const nest = makeNest('control-plane')
  try {
    const address = await startParts(nest, options)
    const plane = connect(address)
    const current = (name: PartName) => nest.parts.findLast((part) => part.name === name)
    return {
      ...plane,
      signal: (name, signal) => void current(name)?.child.kill(signal),
      async restart(name) {
        const old = current(name)
        if (!old) throw new Error(`${name} was not started`)
        old.child.kill('SIGKILL')
        await old.exited
        nest.start(name, old.program, old.args)
        await until('the API server to be ready', async () => (await plane.request('GET', '/readyz').catch(() => undefined))?.status === 200)
      },
      async stop() {
        await plane.stop()
        await nest.stop()
      },
    }
  } catch (error) {
    await nest.stop()
    throw error
  }
}

async function startParts(nest: Nest, options: ControlPlaneOptions): Promise<ControlPlaneAddress> {
  const { dir } = nest
  const assets = resolve(process.env.KUBEBUILDER_ASSETS ?? '')
  const [etcdPort, port] = [await freePort(), await freePort()]
  const token = randomBytes(16).toString('hex')
  writeFileSync(join(dir, 'tokens.csv'), `${token},admin,1,system:masters\n`)
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } })
  writeFileSync(join(dir, 'sa.key'), keys.privateKey, { mode: 0o600 })
  writeFileSync(join(dir, 'sa.pub'), keys.publicKey)
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  const etcd = nest.start('etcd', join(assets, 'etcd'), [
    '--data-dir', 'etcd', '--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl,
    '--listen-peer-urls', 'http://127.0.0.1:0', '--unsafe-no-fsync', '--log-level', 'warn',
  ])
  const apiserver = nest.start('kube-apiserver', join(assets, 'kube-apiserver'), [
    '--etcd-servers', etcdUrl, '--secure-port', String(port), '--bind-address', '127.0.0.1', '--cert-dir', 'certs',
    '--authorization-mode', 'RBAC', '--token-auth-file', 'tokens.csv',
    '--service-account-key-file', 'sa.pub', '--service-account-signing-key-file', 'sa.key', '--service-account-issuer', 'https://kubernetes.default.svc',
    '--service-cluster-ip-range', '10.96.0.0/16', '--allow-privileged', ...(options.auditLog ? auditFlags(dir) : []), ...(options.apiserverFlags ?? []),
  ])
  const url = `https://127.0.0.1:${port}`
  await until('the API server to have a certificate', () => alive(etcd, apiserver) && existsSync(join(dir, 'certs', 'apiserver.crt')), { hint: () => apiserver.tail() })
  const ca = readFileSync(join(dir, 'certs', 'apiserver.crt'), 'utf8')
  const kubeconfig = writeKubeconfig(dir, url, token)
  const address = {
    kubeconfig, url, token, ca, dir, assets, pids: { etcd: etcd.pid, 'kube-apiserver': apiserver.pid },
    ...(options.auditLog ? { auditLog: join(dir, 'audit.jsonl') } : {}),
  }
  const plane = connect(address)
  const answers = async (path: string) => (await plane.request('GET', path).catch(() => undefined))?.status === 200
  await until('the API server to be ready', async () => alive(etcd, apiserver) && (await answers('/readyz')), { hint: () => apiserver.tail() })
  if (options.controllerManager === false) {
    await until('the namespace default', () => answers('/api/v1/namespaces/default'))
    await plane.stop()
    return address
  }
  const manager = nest.start('kube-controller-manager', join(assets, 'kube-controller-manager'), [
    // The one node is a model and renews no lease: its pods must not be taken for lost.
    '--controllers', '*,-node-lifecycle-controller', '--kubeconfig', kubeconfig, '--leader-elect=false', '--secure-port', '0', '--service-account-private-key-file', 'sa.key',
    '--use-service-account-credentials=false', '--kube-api-qps', '200', '--kube-api-burst', '400',
  ])
  await until('the controller manager', async () => alive(manager) && (await answers('/api/v1/namespaces/default/serviceaccounts/default')), { hint: () => manager.tail() })
  await plane.stop()
  return { ...address, pids: { ...address.pids, 'kube-controller-manager': manager.pid } }
}

function alive(...parts: readonly Part[]): true {
  for (const part of parts) if (part.child.exitCode !== null || part.child.signalCode !== null) throw new Error(`${part.name} ended\n${part.tail()}`)
  return true
}

function auditFlags(dir: string): string[] {
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived', 'ResponseStarted'], rules: [{ level: 'Metadata' }] }
  writeFileSync(join(dir, 'audit-policy.json'), JSON.stringify(policy))
  return ['--audit-policy-file', 'audit-policy.json', '--audit-log-path', join(dir, 'audit.jsonl'), '--audit-log-mode', 'blocking']
}

/** Writes a kubeconfig beside the control plane's own, for a service account's token for example, and returns its path. */
export function kubeconfigFor(plane: ControlPlaneAddress, name: string, token: string, url = plane.url): string {
  return writeKubeconfig(plane.dir, url, token, `${name}.kubeconfig`)
}

function writeKubeconfig(dir: string, url: string, token: string, file = 'admin.kubeconfig'): string {
  const path = join(dir, file)
  const config = {
    apiVersion: 'v1', kind: 'Config', 'current-context': 'envtest',
    clusters: [{ name: 'envtest', cluster: { server: url, 'certificate-authority': join(dir, 'certs', 'apiserver.crt') } }],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'envtest', context: { cluster: 'envtest', user: 'user', namespace: 'default' } }],
  }
  writeFileSync(path, JSON.stringify(config, null, 1), { mode: 0o600 })
  return path
}

/** A handle on a control plane that runs already. */
export function connect(address: ControlPlaneAddress): ControlPlane {
  const agent = new Agent({ connect: { ca: address.ca }, connections: 64, bodyTimeout: 0, headersTimeout: 60_000 })
  const kubectl = join(address.assets, 'kubectl')
  const env = { ...process.env, KUBECONFIG: address.kubeconfig }
  const closing = new AbortController()
  return {
    ...address,
    kubectl(args, stdin) {
      const run = spawnSync(kubectl, args, { env, input: stdin ?? '', encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
      return { status: run.status ?? 1, stdout: run.stdout, stderr: run.stderr }
    },
    kubectlAsync: (args, stdin) =>
      new Promise((answer) => {
        const child = spawn(kubectl, args, { env })
        let [stdout, stderr] = ['', '']
        child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
        child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
        child.stdin.on('error', () => undefined)
        child.stdin.end(stdin ?? '')
        child.once('error', (error) => answer({ status: 1, stdout, stderr: `${stderr}${String(error)}` }))
        child.once('close', (code) => answer({ status: code ?? 1, stdout, stderr }))
      }),
    async request(method, path, body, options = {}) {
      const contentType = options.contentType ?? defaultContentType(method, body)
      const response = await fetch(`${address.url}${path}`, {
        method, dispatcher: agent, signal: closing.signal,
        headers: { authorization: `Bearer ${options.token ?? address.token}`, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': contentType }) },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      return { status: response.status, body: parsed(await response.text()) }
    },
    async stream(path, signal) {
      const response = await fetch(`${address.url}${path}`, {
        dispatcher: agent, signal: AbortSignal.any([signal, closing.signal]), headers: { authorization: `Bearer ${address.token}`, accept: 'application/json' },
      })
      return { status: response.status, lines: lines(response.body ?? []) }
    },
    signal(part, signal) {
      const pid = address.pids[part]
      if (pid === undefined) throw new Error(`${part} was not started`)
      process.kill(pid, signal)
    },
    async stop() {
      closing.abort()
      await agent.destroy()
    },
  }
}

function defaultContentType(method: string, body: unknown): string {
  if (method !== 'PATCH') return 'application/json'
  if (typeof body === 'string') return 'application/apply-patch+yaml'
  return Array.isArray(body) ? 'application/json-patch+json' : 'application/merge-patch+json'
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function* lines(body: AsyncIterable<Uint8Array> | Iterable<never>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const parts = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) if (line) yield line
  }
}

/** Applies Sluice's own CRDs (crds/) and those of the meshes (SLUICE_TEST_CRDS, where set) server-side and waits until all are established. */
export async function applyCrds(plane: ControlPlane, only?: (file: string) => boolean): Promise<void> {
  const own = resolve(import.meta.dirname, '../../crds')
  const folders = [own, process.env.SLUICE_TEST_CRDS ? resolve(process.env.SLUICE_TEST_CRDS) : undefined]
  const files = folders.flatMap((folder) => (folder && existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.yaml')).map((file) => join(folder, file)) : []))
  const wanted = files.filter((file) => file.startsWith(own) || (only?.(file) ?? true))
  if (wanted.length === 0) return
  const applied = await plane.kubectlAsync(['apply', '--server-side', '--validate=false', '--force-conflicts', ...wanted.flatMap((file) => ['-f', file])])
  if (applied.status !== 0) throw new Error(`CRDs: ${applied.stderr}`)
  const waited = await plane.kubectlAsync(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
  if (waited.status !== 0) throw new Error(`CRDs: ${waited.stderr}`)
}

/** Makes a namespace with a name of its own (`<prefix>-<random>`) and waits for its default service account. */
export async function makeNamespace(plane: ControlPlane, prefix: string): Promise<string> {
  const name = `${prefix}-${randomBytes(3).toString('hex')}`
  const made = await plane.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  if (made.status !== 201) throw new Error(`namespace ${name}: ${JSON.stringify(made.body)}`)
  return name
}
