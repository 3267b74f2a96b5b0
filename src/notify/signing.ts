/** Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, one signature for each secret, so that a receiver can change over at its own time. */
import { createHmac } from 'node:crypto'

const prefix = 'whsec_'
/** Bytes of a key, as the standard asks for. */
const [shortest, longest] = [24, 64]

/** The key in a secret written as `whsec_<base64>`, or one sentence on what is wrong with it that does not repeat it. */
export function signingKey(secret: string): { readonly ok: true; readonly key: Buffer } | { readonly ok: false; readonly message: string } {
  const text = secret.trim()
  const remedy = 'make one with: echo "whsec_$(openssl rand -base64 32)"'
  if (!text.startsWith(prefix)) return { ok: false, message: `is no signing secret, for it does not begin with ${prefix}; ${remedy}` }
  const encoded = text.slice(prefix.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return { ok: false, message: `is no signing secret, for what follows ${prefix} is no base64; ${remedy}` }
  const key = Buffer.from(encoded, 'base64')
  const { length } = key
  if (length < shortest || length > longest) return { ok: false, message: `has a key of ${length} bytes, and ${shortest} to ${longest} are allowed; ${remedy}` }
  return { ok: true, key }
}

/** The three headers of a message. `id` stays the same through all tries; `at` (Unix ms) is the time of this one. */
export function signed(id: string, at: number, body: string, keys: readonly Buffer[]): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000))
  const signatures = keys.map((key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
