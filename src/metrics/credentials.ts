/** Credentials of a metric source, read from files for each question, so that rotated ones are used at once. Their values leave this file in headers and connections only. */
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { createSecureContext } from 'node:tls'

/** Where they stand; every path is that of a mounted Secret or ConfigMap. */
export interface CredentialFiles {
  readonly auth?: {
    readonly bearerTokenFile?: string
    readonly basic?: { readonly username: string; readonly passwordFile: string }
    readonly header?: { readonly name: string; readonly valueFile: string }
  }
  readonly tls?: {
    readonly caFile?: string
    readonly certFile?: string
    readonly keyFile?: string
    readonly serverName?: string
    readonly insecureSkipVerify?: boolean
  }
}
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  /** For https; undefined: nothing of it differs from Node's own. */
  readonly agent?: Agent
}
/** The credentials now, or why there are none, naming file and remedy. Never rejects. */
export type ReadCredentials = () => Promise<{ readonly ok: true; readonly value: Credentials } | { readonly ok: false; readonly reason: string }>

/** A reader that keeps connections for as long as the files say the same. `read` throws as `readFile` does. */
export function credentials({ auth, tls }: CredentialFiles, read: (path: string) => Promise<string> = (path) => readFile(path, 'utf8')): ReadCredentials {
  const agentOf = tls === undefined ? undefined : agents(tls)
  return async () => {
    try {
      const headers = await headersOf(auth, read)
      if (tls === undefined || agentOf === undefined) return { ok: true, value: { headers } }
      const pem = async (path: string | undefined) => (path === undefined ? undefined : await read(path))
      const [ca, cert, key] = await Promise.all([pem(tls.caFile), pem(tls.certFile), pem(tls.keyFile)])
      return { ok: true, value: { headers, agent: agentOf({ ca, cert, key }) } }
    } catch (error) {
      return { ok: false, reason: reasonOf(error) }
    }
  }
}

class Unusable extends Error {}
function reasonOf(error: unknown): string {
  if (error instanceof Unusable) return error.message
  const { code, path } = error as NodeJS.ErrnoException
  const why = code === 'ENOENT' ? 'does not exist: mount the Secret, or correct the path' : code === 'EACCES' ? 'may not be read by the controller' : `cannot be read (${code ?? 'unknown error'})`
  return `the file ${path ?? 'of its credentials'} ${why}`
}

async function headersOf(auth: CredentialFiles['auth'], read: (path: string) => Promise<string>): Promise<Record<string, string>> {
  const secret = async (path: string): Promise<string> => {
    const text = (await read(path)).replace(/\r?\n$/, '')
    // What a header cannot carry would be an exception of the HTTP client, with the value in it.
    if (text === '' || !/^[\x20-\x7e]*$/.test(text)) throw new Unusable(`the file ${path} ${text === '' ? 'is empty' : 'holds more than one line, or characters that no header may have'}: write the secret and nothing else`)
    return text
  }
  if (auth?.bearerTokenFile !== undefined) return { Authorization: `Bearer ${await secret(auth.bearerTokenFile)}` }
  if (auth?.header !== undefined) return { [auth.header.name]: await secret(auth.header.valueFile) }
  if (auth?.basic === undefined) return {}
  const password = (await read(auth.basic.passwordFile)).replace(/\r?\n$/, '')
  return { Authorization: `Basic ${Buffer.from(`${auth.basic.username}:${password}`).toString('base64')}` }
}

interface Pem {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}
/** One agent for as long as the PEM texts stay what they are. */
function agents(tls: NonNullable<CredentialFiles['tls']>): (pem: Pem) => Agent {
  let current: { readonly pem: Pem; readonly agent: Agent } | undefined
  return (pem) => {
    if (current?.pem.ca === pem.ca && current?.pem.cert === pem.cert && current?.pem.key === pem.key && current !== undefined) return current.agent
    usable(tls, pem)
    retire(current?.agent)
    const agent = new Agent({
      ...pem, keepAlive: true, rejectUnauthorized: tls.insecureSkipVerify !== true,
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    })
    current = { pem, agent }
    return agent
  }
}
/** Says which file is no PEM, before a connection fails without saying so. */
function usable({ caFile, certFile, keyFile }: NonNullable<CredentialFiles['tls']>, { ca, cert, key }: Pem): void {
  const attempt = (what: string, options: Pem, remedy: string): void => {
    try {
      createSecureContext(options)
    } catch {
      throw new Unusable(`${what} cannot be used: ${remedy}`)
    }
  }
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) throw new Unusable(`the file ${caFile} holds no certificate: write PEM, which begins with -----BEGIN CERTIFICATE-----`)
  if (ca !== undefined) attempt(`the file ${caFile}`, { ca }, 'write PEM certificates')
  if (cert !== undefined && key !== undefined) attempt(`the files ${certFile} and ${keyFile}`, { cert, key }, 'write a PEM certificate and its own key, without a passphrase')
}
/** Questions under way end on their connections; those that idle are closed now. */
function retire(agent: Agent | undefined): void {
  if (agent === undefined) return
  ;(agent as Agent & { keepAlive: boolean }).keepAlive = false
  for (const socket of Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])) socket.destroy()
}
