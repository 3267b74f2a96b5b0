/** What doctor says about one thing that is wrong. */

export interface Remedy {
  /** Where the lines belong, or what to do, as a sentence without a full stop: `In Git, in the manifest of VirtualService shop/cart, add`. */
  readonly where: string
  /** Lines to commit or commands to type, exactly; none where the sentence says all. */
  readonly lines: readonly string[]
}
export interface Finding {
  /** Problem: somebody should act. Note: a fact to know; alone it is nothing to fail for. */
  readonly severity: 'Problem' | 'Note'
  /** One CamelCase word, as conditions have it. */
  readonly rule: string
  /** `VirtualService shop/cart`, or what of the installation. */
  readonly object: string
  readonly what: string
  readonly why: string
  /** Any one of them is enough; the first is recommended. */
  readonly remedies: readonly Remedy[]
}
