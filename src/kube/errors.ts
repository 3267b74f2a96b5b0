/** What an API server or the network answered, as `Failure` values with one sentence for people. */
import type { Failure, FailureReason } from './api.ts'

/** What was asked, for the sentence: `patch virtualservices "shop/cart"`. */
export interface Asked {
  readonly what: string
  /** A JSON patch: only there does a 422 without causes mean that a test did not hold. */
  readonly jsonPatch?: boolean
  /** The API server's address, for sentences about the connection. */
  readonly server: string
  /** The kubeconfig user, for sentences about credentials. */
  readonly user: string
}

interface StatusBody {
  readonly message?: unknown
  readonly reason?: unknown
  readonly details?: { readonly causes?: unknown; readonly retryAfterSeconds?: unknown }
}

/** The failure behind an HTTP answer of 300 and above. `body` is the parsed Status object, or text where it was none. */
export function answerFailure(status: number, body: unknown, retryAfter: string | undefined, asked: Asked): Failure {
  const said: StatusBody = typeof body === 'object' && body !== null ? (body as StatusBody) : {}
  const causes = causesOf(said)
  const retryAfterMs = retryAfterOf(retryAfter, said)
  return {
    ok: false,
    reason: reasonOf(status, said, causes.length > 0, asked),
    message: sentence(status, said, body, asked),
    status,
    ...(causes.length > 0 ? { causes } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

function reasonOf(status: number, said: StatusBody, hasCauses: boolean, asked: Asked): FailureReason {
  if (status === 404) return 'NotFound'
  if (status === 409) return said.reason === 'AlreadyExists' ? 'AlreadyExists' : 'Conflict'
  if (status === 410) return 'Expired'
  if (status === 422) return asked.jsonPatch && !hasCauses ? 'TestFailed' : 'Invalid'
  if (status === 401 || status === 403) return 'Forbidden'
  if (status === 429) return 'Throttled'
  if (status === 504 || said.reason === 'Timeout') return 'Timeout'
  return status >= 500 ? 'Unavailable' : 'Invalid'
}

function sentence(status: number, said: StatusBody, body: unknown, asked: Asked): string {
  if (status === 401) {
    return `${asked.what}: the API server ${asked.server} does not accept the credentials of user "${asked.user}" (401): they are wrong or have expired, log in again.`
  }
  const text = typeof said.message === 'string' && said.message !== '' ? said.message : `HTTP ${status}${typeof body === 'string' && body.trim() !== '' ? `, ${firstLine(body)}` : ''}`
  return `${asked.what}: ${withoutSecrets(text)}`
}

function causesOf(said: StatusBody): { field?: string; message: string; reason?: string }[] {
  const causes = said.details?.causes
  if (!Array.isArray(causes)) return []
  return causes.map((cause: { field?: unknown; message?: unknown; reason?: unknown }) => ({
    ...(typeof cause?.field === 'string' ? { field: cause.field } : {}),
    message: typeof cause?.message === 'string' ? cause.message : '',
    ...(typeof cause?.reason === 'string' ? { reason: cause.reason } : {}),
  }))
}

/** Retry-After in seconds or as an HTTP date is only sent in seconds by Kubernetes; `details.retryAfterSeconds` says the same. */
function retryAfterOf(header: string | undefined, said: StatusBody): number | undefined {
  const seconds = header !== undefined && /^\d+$/.test(header.trim()) ? Number(header) : said.details?.retryAfterSeconds
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : header !== undefined && header.trim() === '0' ? 0 : undefined
}

const tlsCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO)/
const explained: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections: is the cluster running, and is it the right context?',
  ENOTFOUND: 'has a name that cannot be resolved: check `server` in the kubeconfig.',
  EAI_AGAIN: 'has a name that cannot be resolved just now: check the DNS of this machine.',
  EHOSTUNREACH: 'cannot be reached from here: check the network or VPN.',
  ENETUNREACH: 'cannot be reached from here: check the network or VPN.',
  UND_ERR_CONNECT_TIMEOUT: 'does not answer: check the network or VPN.',
}

/** The failure behind an exception of the HTTP client: refused, cut, timed out, or not trusted. */
export function networkFailure(error: unknown, asked: Asked): Failure {
  const { code, name } = root(error)
  if (name === 'TimeoutError' || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return { ok: false, reason: 'Timeout', message: `${asked.what}: no answer from the API server ${asked.server} in time.` }
  }
  if (tlsCodes.test(code)) {
    const cure = 'check `certificate-authority` and `server` in the kubeconfig.'
    return { ok: false, reason: 'Unavailable', message: `${asked.what}: the certificate of the API server ${asked.server} is not trusted (${code}): ${cure}` }
  }
  const known = explained[code]
  if (known) return { ok: false, reason: 'Unavailable', message: `${asked.what}: the API server ${asked.server} ${known}` }
  return { ok: false, reason: 'Unavailable', message: `${asked.what}: the connection to the API server ${asked.server} was cut (${code || name || 'unknown error'}).` }
}

/** The API server could not be asked at all: no kubeconfig entry, a credential plugin that failed, a file that cannot be read. */
export function credentialFailure(error: unknown, asked: Asked): Failure {
  const { code, message } = root(error)
  const plugin = code === 'ENOENT' ? /^spawn (\S+)/.exec(message)?.[1] : undefined
  const why = plugin ? `the credential plugin \`${plugin}\` of the kubeconfig is not installed or not in PATH.` : withoutSecrets(firstLine(message))
  return { ok: false, reason: 'Forbidden', message: `${asked.what}: no credentials for user "${asked.user}": ${why}` }
}

/** The innermost cause that carries a code. */
function root(error: unknown): { code: string; name: string; message: string } {
  const seen: { code: string; name: string; message: string }[] = []
  for (let at = error as any, depth = 0; at !== undefined && at !== null && depth < 5; at = at.cause ?? at.errors?.[0], depth++) {
    seen.push({ code: typeof at.code === 'string' ? at.code : '', name: typeof at.name === 'string' ? at.name : '', message: typeof at.message === 'string' ? at.message : String(at) })
  }
  return seen.findLast((one) => one.code !== '' && one.code !== 'UND_ERR') ?? seen[0] ?? { code: '', name: '', message: 'unknown error' }
}

/** A credential plugin's or a server's words may quote a token: whatever looks like one is left out. */
export function withoutSecrets(text: string): string {
  return text.replace(/\b(bearer|basic)\s+\S+/gi, '$1 …').replace(/\beyJ[\w-]+(\.[\w-]*)*/g, '…').replace(/((?:token|secret|password)["']?\s*[:=]\s*["']?)[^\s"',}]+/gi, '$1…')
}

export function firstLine(text: string): string {
  return (text.split('\n').find((line) => line.trim() !== '') ?? '').trim().slice(0, 300)
}
