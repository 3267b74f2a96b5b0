/** One spelling for equal JSON, and the digests made from it. */
import { createHash } from 'node:crypto'

/** The same value with keys sorted and null or undefined members left out. */
export function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalized)
  if (value === null || typeof value !== 'object') return value
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return Object.fromEntries(members.map(([key, member]) => [key, normalized(member)]))
}

/** JSON of `normalized(value)`: equal strings mean equal values. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(normalized(value)) ?? 'null'
}

/** sha256 of the canonical JSON in lower-case RFC 4648 base32 without padding, 52 characters. */
export function digest(value: unknown): string {
  return base32(createHash('sha256').update(canonicalJson(value)).digest())
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += alphabet[(held >>> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text
}
