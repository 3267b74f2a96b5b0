/** Which hosts a message may be sent to: public addresses; private, loopback, link-local and cluster ones only where the administrator names the host. */
import { BlockList, isIP } from 'node:net'

export interface AddressRules {
  /** As `--allow-host` has them: `host`, `host:port`, `*.domain` or `*.domain:port`; a host is a name or an IP address, IPv6 in brackets. */
  readonly allowedHosts: readonly string[]
  /** Host of the API server: its addresses are refused wherever they lie. */
  readonly apiServer?: string
  /** DNS domain of the cluster. */
  readonly clusterDomain: string
}
export interface Address {
  readonly address: string
  readonly family: 4 | 6
}
/** Every address of a name. Rejects as `dns.lookup` does. */
export type Resolve = (host: string) => Promise<readonly Address[]>
/** Where to connect, resolved and judged once: a second answer of the DNS changes nothing. */
export type Judged =
  | { readonly ok: true; readonly addresses: readonly Address[] }
  | { readonly ok: false; readonly reason: 'URLInvalid' | 'HostNotAllowed' | 'HostUnknown'; readonly message: string }

/** What is wrong with an entry of `--allow-host`; undefined where nothing is. */
export function allowedHostProblem(entry: string): string | undefined {
  if (parsed(entry) !== undefined) return undefined
  return 'write a host or an address, with a port where only that one is meant: hooks.example.com, 127.0.0.1:8080, [::1]:8080 or *.example.com'
}

/** Judges the host of `url` by its name and by all of its addresses, since the DNS may answer with any of them. */
export async function judge(url: URL, rules: AddressRules, resolve: Resolve): Promise<Judged> {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refused('URLInvalid', `the URL begins with ${url.protocol}//; write https://`)
  if (url.username !== '' || url.password !== '') return refused('URLInvalid', 'the URL has a user or password in it; take them out')
  const host = hostOf(url)
  const allowed = isAllowed(url, rules.allowedHosts)
  if (!allowed && url.protocol === 'http:') return notAllowed(url, 'would be called without TLS')
  if (!allowed && isIP(host) === 0 && isClusterName(host, rules.clusterDomain)) return notAllowed(url, 'is a name inside the cluster')
  let addresses: readonly Address[]
  try {
    addresses = isIP(host) === 0 ? await resolve(host) : [{ address: host, family: isIP(host) as 4 | 6 }]
  } catch (error) {
    return unknown(host, (error as NodeJS.ErrnoException).code)
  }
  if (addresses.length === 0) return unknown(host, undefined)
  if (allowed) return { ok: true, addresses }
  const inside = addresses.find(({ address }) => !isPublic(address))
  // The address itself is not told: whoever writes a channel need not learn what a name of the cluster's DNS leads to.
  if (inside) return notAllowed(url, 'is a private, loopback or link-local address')
  if (await isApiServer(host, addresses, rules.apiServer, resolve)) return notAllowed(url, 'is the API server')
  return { ok: true, addresses }
}

/** What of a URL can be said without asking the DNS: why it is not called unless the administrator allows its host, and the flag that allows it. */
export function hostNeedsAllowance(url: URL, clusterDomain: string): { readonly why: string; readonly flag: string } | undefined {
  const host = hostOf(url)
  const flag = `--allow-host ${isIP(host) === 6 ? url.hostname : host}:${portOf(url)}`
  if (isIP(host) !== 0 && !isPublic(host)) return { why: 'is a private, loopback or link-local address', flag }
  if (isIP(host) === 0 && isClusterName(host, clusterDomain)) return { why: 'is a name inside the cluster', flag }
  return url.protocol === 'http:' ? { why: 'would be called without TLS', flag } : undefined
}

function refused(reason: 'URLInvalid' | 'HostNotAllowed' | 'HostUnknown', message: string): Judged {
  return { ok: false, reason, message }
}
function notAllowed(url: URL, why: string): Judged {
  const host = isIP(hostOf(url)) === 6 ? url.hostname : hostOf(url)
  return refused('HostNotAllowed', `${url.host} ${why}: an administrator can allow it with --allow-host ${host}:${portOf(url)}, or in allowedHosts of the configuration file`)
}
function unknown(host: string, code: string | undefined): Judged {
  return refused('HostUnknown', `${host} has no address${code === undefined ? '' : ` (${code})`}: correct the host, or look at the DNS of the controller`)
}

async function isApiServer(host: string, addresses: readonly Address[], apiServer: string | undefined, resolve: Resolve): Promise<boolean> {
  if (apiServer === undefined) return false
  const bare = bareHost(apiServer)
  if (bare === host) return true
  const known = isIP(bare) === 0 ? await resolve(bare).catch(() => []) : [{ address: bare }]
  return known.some(({ address }) => addresses.some((one) => one.address === address))
}

/** Names that only a resolver inside the cluster, or on this machine, answers. */
function isClusterName(host: string, clusterDomain: string): boolean {
  return !host.includes('.') || ['localhost', 'local', 'svc', 'internal', clusterDomain].some((domain) => host === domain || host.endsWith(`.${domain}`))
}

/** Without brackets and without the dot at the end of an absolute name. */
function hostOf(url: URL): string {
  return bareHost(url.hostname)
}
function bareHost(host: string): string {
  return host.replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase()
}
function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80')
}

function isAllowed(url: URL, entries: readonly string[]): boolean {
  const host = hostOf(url)
  return entries.some((entry) => {
    const allowed = parsed(entry)
    if (allowed === undefined || (allowed.port !== undefined && allowed.port !== portOf(url))) return false
    return allowed.host.startsWith('*.') ? host.endsWith(allowed.host.slice(1)) : host === allowed.host
  })
}
function parsed(entry: string): { readonly host: string; readonly port?: string } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?)(?::([0-9]{1,5}))?$/i.exec(entry)
  if (match === null) return undefined
  const [, host = '', port] = match
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) return undefined
  // Through URL, so that every way to write an address comes out alike.
  const plain = URL.parse(`http://${host.replace(/^\*\./, '')}`)
  if (plain === null) return undefined
  return { host: `${host.startsWith('*.') ? '*.' : ''}${hostOf(plain)}`, ...(port === undefined ? {} : { port: String(Number(port)) }) }
}

/** Everything that is not the public internet: IANA's special-purpose registries, and the address of Azure's own platform. */
const special = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24],
  ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
  ['168.63.129.16', 32],
] as const) special.addSubnet(net, bits, 'ipv4')
const global = new BlockList()
global.addSubnet('2000::', 3, 'ipv6')
/** Inside the global range, and yet a way to somewhere else: Teredo, documentation, 6to4. */
const tunnels = new BlockList()
for (const [net, bits] of [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]] as const) tunnels.addSubnet(net, bits, 'ipv6')

/** Whether an IP address is one of the public internet. Addresses that carry an IPv4 address inside (mapped, NAT64, 6to4) are not. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  return family === 6 && global.check(address, 'ipv6') && !tunnels.check(address, 'ipv6')
}
