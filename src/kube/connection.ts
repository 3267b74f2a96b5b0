/** The way to one API server: kubeconfig, credentials, and the HTTP connections that are kept. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve as resolvePath } from 'node:path'
import type { Dispatcher } from 'undici'
import { Agent, ProxyAgent } from 'undici'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { firstLine, withoutSecrets } from './errors.ts'

/**
 * Connections are kept apart by what they carry, so that nothing waits behind what is slower than itself.
 * Urgent: lowering and the lease, one connection for each request under way. Bulk: watches and lists. Plain: the rest, at most eight.
 */
export type Lane = 'Urgent' | 'Bulk' | 'Plain'
/** What a request needs besides its path. */
export interface Access {
  readonly dispatcher: Dispatcher
  readonly headers: Headers
}
type Headers = Readonly<Record<string, string | string[]>>
/** One API server as one user. */
export interface Connection {
  /** Base URL without a slash at the end. */
  readonly server: string
  readonly context: string
  readonly user: string
  /** The context's namespace, `default` where it names none. */
  readonly namespace: string
  readonly userAgent: string
  /** Connections and authentication headers for one request. Rejects where a credential cannot be had (plugin, file). */
  access(lane: Lane): Promise<Access>
  /** Forgets what is known of the credentials, after a 401: token files and plugins are asked again. False: this was done just before. */
  renew(): boolean
  /** `close` was called: nothing is worth another try. */
  readonly closed: boolean
  /** Cuts all connections, requests under way included. */
  close(): Promise<void>
}
export interface ConnectionOptions {
  /** Path of a kubeconfig. Unset: KUBECONFIG, ~/.kube/config, then the service account of the pod. */
  readonly kubeconfig?: string
  /** Context of the kubeconfig. Unset: its current one. */
  readonly context?: string
}
/** There is nothing to connect to; `message` is one sentence that says what to do. */
export interface NoConnection {
  readonly ok: false
  readonly reason: 'NoKubeconfig' | 'BadKubeconfig' | 'NoContext' | 'NoServer'
  readonly message: string
}

type KubeConfig = import('@kubernetes/client-node').KubeConfig

/** Elapsed ms for which resolved credentials are used without asking files and plugins again. */
const credentialLifetime = 10_000

/** Reads the kubeconfig. Does not talk to the API server yet; exec plugins run with the first request. */
export async function loadConnection(options: ConnectionOptions = {}): Promise<{ readonly ok: true; readonly value: Connection } | NoConnection> {
  // Half a second and 85 MB: only those who talk to a cluster pay for it.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const load = (): KubeConfig => loadConfig(new KubeConfig(), options)
  if (options.kubeconfig !== undefined && !existsSync(options.kubeconfig)) {
    return { ok: false, reason: 'NoKubeconfig', message: `The kubeconfig ${options.kubeconfig} does not exist: name another with --kubeconfig, or set KUBECONFIG.` }
  }
  let config: KubeConfig
  try {
    config = load()
  } catch (error) {
    return unreadable(error, options)
  }
  const server = config.getCurrentCluster()?.server
  // What client-node falls back to where it finds nothing at all.
  if (options.kubeconfig === undefined && server === 'http://localhost:8080' && config.getCurrentContext() === 'loaded-context') {
    return { ok: false, reason: 'NoKubeconfig', message: 'No kubeconfig was found: name one with --kubeconfig, set KUBECONFIG, or run inside a cluster with a service account.' }
  }
  const problem = problemOf(config, server)
  return problem ?? { ok: true, value: connectionOf(config, load) }
}

function loadConfig(config: KubeConfig, options: ConnectionOptions): KubeConfig {
  if (options.kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(options.kubeconfig)
  if (options.context !== undefined) config.setCurrentContext(options.context)
  completeUser(config, options)
  return config
}

/** What client-node 2.0.1 leaves out: exec plugins are not told what they are asked for, and `tokenFile` and `as-groups` are not read. */
function completeUser(config: KubeConfig, options: ConnectionOptions): void {
  const user = config.getCurrentUser() as any
  if (!user) return
  if (user.exec) {
    const info = JSON.stringify({ apiVersion: user.exec.apiVersion, kind: 'ExecCredential', spec: { interactive: false } })
    user.exec = { ...user.exec, env: [...(user.exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value: info }] }
  }
  if (options.kubeconfig === undefined) return
  const raw = parse(readFileSync(options.kubeconfig, 'utf8')) as { users?: { name?: string; user?: { tokenFile?: string; 'as-groups'?: string[] } }[] }
  const written = raw?.users?.find((one) => one.name === user.name)?.user
  if (written?.tokenFile && !user.token && !user.authProvider) user.authProvider = { name: 'tokenFile', config: { tokenFile: resolvePath(dirname(options.kubeconfig), written.tokenFile) } }
  if (written?.['as-groups']) user.impersonateGroups = written['as-groups']
}

function unreadable(error: unknown, options: ConnectionOptions): NoConnection {
  const said = error instanceof Error ? error.message : String(error)
  if ((error as { code?: string })?.code === 'ENOENT') {
    return { ok: false, reason: 'NoKubeconfig', message: `A file that the kubeconfig needs does not exist: ${firstLine(said)}.` }
  }
  const which = options.kubeconfig ?? 'of KUBECONFIG or ~/.kube/config'
  return { ok: false, reason: 'BadKubeconfig', message: `The kubeconfig ${which} cannot be read: ${withoutSecrets(firstLine(said))}; name another with --kubeconfig, or set KUBECONFIG.` }
}

function problemOf(config: KubeConfig, server: string | undefined): NoConnection | undefined {
  const contexts = config.getContexts().map(({ name }) => name)
  const current = config.getCurrentContext()
  const choose = `choose one with --context: ${contexts.join(', ') || 'it has none'}.`
  if (!current) return { ok: false, reason: 'NoContext', message: `The kubeconfig has no current context: ${choose}` }
  if (!contexts.includes(current)) return { ok: false, reason: 'NoContext', message: `The kubeconfig has no context "${current}": ${choose}` }
  if (!server) return { ok: false, reason: 'NoServer', message: `The kubeconfig's context "${current}" names a cluster without a server: add clusters[].cluster.server.` }
  if (!URL.canParse(server)) return { ok: false, reason: 'NoServer', message: `The kubeconfig's server "${server}" is not a URL: write https://host:port.` }
  const cluster = config.getCurrentCluster()
  if (server.startsWith('http:') && !cluster?.skipTLSVerify) {
    return { ok: false, reason: 'NoServer', message: `The kubeconfig's server ${server} is plain http: use https, or allow it with insecure-skip-tls-verify: true.` }
  }
  if (cluster?.proxyUrl?.startsWith('socks')) {
    return { ok: false, reason: 'NoServer', message: `The kubeconfig's proxy-url ${new URL(cluster.proxyUrl).host} is a SOCKS proxy, which Sluice does not speak: use an http proxy.` }
  }
  return undefined
}

/** What client-node resolves. */
interface Secrets {
  readonly headers: Headers
  readonly tls: Readonly<Record<string, unknown>>
  /** Digest of `tls`: connections are shared while it stays the same. */
  readonly identity: string
}

async function resolve(config: KubeConfig): Promise<Secrets> {
  const options: any = {}
  await config.applyToHTTPSOptions(options)
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim()
  if (typeof options.auth === 'string') headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`
  const groups = (config.getCurrentUser() as { impersonateGroups?: string[] } | null)?.impersonateGroups
  if (groups) headers['impersonate-group'] = groups
  const { ca, cert, key, pfx, passphrase, servername } = options
  const rejectUnauthorized = config.getCurrentCluster()?.skipTLSVerify ? false : options.rejectUnauthorized
  const tls = Object.fromEntries(Object.entries({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined && value !== null))
  return { headers, tls, identity: createHash('sha256').update(JSON.stringify(tls)).digest('hex') }
}

function connectionOf(first: KubeConfig, reload: () => KubeConfig): Connection {
  let config = first
  let resolved: { readonly at: number; readonly secrets: Promise<Secrets> } | undefined
  let renewedAt = -Infinity
  let closed = false
  const pools = poolsOf(first.getCurrentCluster()?.proxyUrl)

  const secrets = (): Promise<Secrets> => {
    const now = performance.now()
    if (resolved && now - resolved.at < credentialLifetime) return resolved.secrets
    const asked = { at: now, secrets: resolve(config) }
    resolved = asked
    asked.secrets.catch(() => {
      if (resolved === asked) resolved = undefined
    })
    return asked.secrets
  }
  return {
    server: (first.getCurrentCluster()?.server ?? '').replace(/\/+$/, ''),
    context: first.getCurrentContext(),
    user: first.getCurrentUser()?.name ?? '',
    namespace: first.getContextObject(first.getCurrentContext())?.namespace ?? 'default',
    userAgent: `sluice/${packageJson.version}`,
    async access(lane) {
      const known = await secrets()
      return { dispatcher: pools.of(lane, known), headers: known.headers }
    },
    renew() {
      if (performance.now() - renewedAt < credentialLifetime) return false
      renewedAt = performance.now()
      try {
        config = reload()
      } catch {
        // The file may be half written just now: the credentials at hand stay in use.
        return false
      }
      resolved = undefined
      return true
    },
    get closed() {
      return closed
    },
    close: () => {
      closed = true
      return pools.close()
    },
  }
}

/** One pool per TLS identity and lane. A renewed client certificate gets new pools; the old ones end when their requests have. */
function poolsOf(proxy: string | undefined): { of(lane: Lane, secrets: Secrets): Dispatcher; close(): Promise<void> } {
  let identity = ''
  let lanes = new Map<Lane, Dispatcher>()
  const ending = new Set<Dispatcher>()
  return {
    of(lane, { tls, identity: current }) {
      if (current !== identity) {
        for (const pool of lanes.values()) retire(pool, ending)
        lanes = new Map()
        identity = current
      }
      const kept = lanes.get(lane) ?? poolOf(lane, tls, proxy)
      lanes.set(lane, kept)
      return kept
    },
    async close() {
      await Promise.all([...lanes.values(), ...ending].map((pool) => pool.destroy()))
    },
  }
}

function retire(pool: Dispatcher, ending: Set<Dispatcher>): void {
  ending.add(pool)
  void pool.close().catch(() => undefined).then(() => ending.delete(pool))
}

function poolOf(lane: Lane, tls: Secrets['tls'], proxy: string | undefined): Dispatcher {
  // HTTP/1.1, because with HTTP/2 a stuck connection would hold lowering, lease and watches together.
  const options = { connections: lane === 'Plain' ? 8 : null, pipelining: 1, allowH2: false, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 }
  const connect = { ...tls, allowH2: false, timeout: 4_000, keepAlive: true, keepAliveInitialDelay: 15_000 }
  if (proxy) return new ProxyAgent({ ...options, uri: proxy, requestTls: connect })
  return new Agent({ ...options, connect })
}
