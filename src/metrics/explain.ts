/** What went wrong with a question, in one sentence for people: no credentials, no page of HTML, no stack. */

export interface Failed {
  readonly ok: false
  readonly reason: string
  /** The source itself answered that it cannot evaluate this question: no reason to leave it alone. */
  readonly answered: boolean
}
interface Limits {
  readonly timeoutMs: number
  readonly maxBytes: number
  /** It was asked by https. */
  readonly secure: boolean
  /** The body of an answer with HTTP 200 that is none of Prometheus. */
  readonly body?: unknown
}

/** From what the HTTP client or the driver threw. */
export function explain(error: unknown, limits: Limits): Failed {
  const { response, code, message } = (error ?? {}) as { response?: HttpResponse; code?: string; message?: string }
  if (response !== undefined && response !== null) return explainResponse(response)
  if (limits.body !== undefined)
    return down(`HTTP 200 with ${described(limits.body)} instead of an answer of Prometheus; check the URL and whether a login page stands before it`)
  if (code === 'ERR_CANCELED' || code === 'ECONNABORTED' || code === 'ETIMEDOUT') return down(`no answer within ${limits.timeoutMs}ms`)
  if (message?.includes('maxContentLength')) return { ...down(`an answer of more than ${limits.maxBytes} bytes`), answered: true }
  const trust = trusts[code ?? ''] ?? handshakeReason(code ?? '', message ?? '')
  if (trust !== undefined) return down(`no connection: ${trust}`)
  // Some servers hang up in the place of an alert.
  if (code === 'ECONNRESET' && limits.secure) return down(`no connection: ${networkReason(error)}; where it wants a client certificate, look at tls.certFile and tls.keyFile of the source`)
  return down(`no connection: ${networkReason(error)}`)
}

const untrusted = 'its certificate is signed by nobody that is trusted; name the authority in tls.caFile of the source'
const wantsCertificate = 'it does not take the client certificate, or wants one; look at tls.certFile and tls.keyFile of the source'
const noTls = 'it does not speak TLS there; write http://, or correct the port'
/** What Node calls the failures of TLS, in words and with a remedy. */
const trusts: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted, SELF_SIGNED_CERT_IN_CHAIN: untrusted, UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted, CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: 'its certificate has expired', CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name; correct the URL, or set tls.serverName of the source',
}
/** In words of OpenSSL, which the code does not tell apart. */
function handshakeReason(code: string, message: string): string | undefined {
  if (code !== 'EPROTO' && !code.startsWith('ERR_SSL_')) return undefined
  if (/wrong version number|packet length too long|http request/i.test(message)) return noTls
  return /alert.*(certificate|unknown ca|decrypt error)|certificate required/i.test(message) ? wantsCertificate : undefined
}

interface HttpResponse {
  readonly status: number
  readonly data?: unknown
  readonly headers?: Readonly<Record<string, unknown>>
}

function explainResponse({ status, data, headers }: HttpResponse): Failed {
  if (status >= 300 && status < 400)
    return down(`HTTP ${status} redirects to ${originOf(headers?.['location'])}; redirects are not followed, give the final URL`)
  if (status === 401 || status === 403) return down(`HTTP ${status}; check the credentials of the source`)
  const error = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)['error'] : undefined
  if (typeof error === 'string') return { ok: false, reason: `HTTP ${status}: ${clean(error)}`, answered: status === 400 || status === 422 }
  return down(`HTTP ${status} with ${described(data)}`)
}

const down = (reason: string): Failed => ({ ok: false, reason, answered: false })

function described(body: unknown): string {
  if (typeof body !== 'string') return body === null || body === undefined ? 'an empty body' : 'JSON that is none of Prometheus'
  if (body.trim() === '') return 'an empty body'
  return /^\s*<(!doctype|html|head|body|\?xml)/i.test(body) ? 'an HTML page' : 'text that is no JSON'
}

function originOf(location: unknown): string {
  const url = typeof location === 'string' ? URL.parse(location) : null
  return url === null ? 'another path' : url.origin
}

/** Node's error code and address; an AggregateError (both IP families refused) has its own in `errors`. */
function networkReason(error: unknown): string {
  const { message, code, cause } = (error ?? {}) as { message?: string; code?: string; cause?: { errors?: readonly { message?: string }[]; message?: string } }
  const first = message || cause?.errors?.[0]?.message || cause?.message || code
  return first === undefined || first === '' ? 'unknown reason' : clean(first)
}

/** One line, at most 300 characters, and no userinfo of URLs. */
const clean = (text: string): string =>
  text
    .replace(/\/\/[^/@\s]*@/g, '//')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300)
