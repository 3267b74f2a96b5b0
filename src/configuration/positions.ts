/** Where a field stands in a YAML text. */
import { isMap, isPair, isScalar, isSeq, type Node, type Pair } from 'yaml'

/** Of a value or key, both from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** `spec.steps[1].weight` → spec, steps, 1, weight. */
function pathOf(field: string): readonly (string | number)[] {
  return [...field.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name]) => (index === undefined ? name! : Number(index)))
}

/** The offset of the value of `field` (`spec.steps[1].weight`), or of its key; where it is absent, of the deepest part of its path that is there. */
export function locate(root: Node | null | undefined, field: string, wantsKey: boolean): number | undefined {
  const path = pathOf(field)
  let node: unknown = root
  let offset = offsetOf(root)
  for (const [depth, part] of path.entries()) {
    if (isSeq(node) && typeof part === 'number') node = node.items[part]
    else if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(item => isPair(item) && keyOf(item) === String(part))
      if (pair === undefined) return offset
      const isLast = depth === path.length - 1
      offset = offsetOf(pair.key) ?? offset
      if (isLast && !wantsKey && isScalar(pair.value)) return offsetOf(pair.value) ?? offset
      node = pair.value
      continue
    } else return offset
    if (node === undefined) return offset
    offset = offsetOf(node) ?? offset
  }
  return offset
}
function keyOf({ key }: Pair): string {
  return String(isScalar(key) ? key.value : key)
}
/** Where a node begins; undefined: it was in no text. */
export function offsetOf(node: unknown): number | undefined {
  return (node as { range?: readonly [number, ...number[]] | null } | null | undefined)?.range?.[0]
}

/** Of a message of the parser what is not its position: that is told beside it. */
export const firstLine = (text: string): string => text.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '')
