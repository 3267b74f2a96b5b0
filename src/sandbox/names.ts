/** Random names and uids from a seed: the same run gives the same names. */

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

export class Names {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = generator(seed)
  }

  /** Lower-case letters and digits, as at the end of generated names. */
  suffix(length: number): string {
    return Array.from({ length }, () => alphabet[Math.floor(this.#random() * alphabet.length)]).join('')
  }

  /** A UUID of version 4. */
  uid(): string {
    const hex = Array.from({ length: 32 }, () => Math.floor(this.#random() * 16).toString(16)).join('')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}

/** Mulberry32: small, and good enough for names. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
