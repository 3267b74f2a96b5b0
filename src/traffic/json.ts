/** JSON values as patches and comparisons need them. Pure. */

export type Path = readonly (string | number)[]

/** A path as JSON pointer (RFC 6901): `['metadata', 'annotations', 'sluice.dev/closed-to']` is `/metadata/annotations/sluice.dev~1closed-to`. */
export function pointer(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** One text for equal values: keys in order, fields that are undefined left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item ?? null)).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value).filter(([, field]) => field !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}

/** Equal as JSON: the order of keys and fields that are undefined do not count. */
export function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b)
}

/** A copy of `value` with `to` at the path; everything beside the path is shared with the original. */
export function setAt<T>(value: T, path: Path, to: unknown): T {
  const [key, ...rest] = path
  if (key === undefined) return to as T
  const inner = (value as Record<string | number, unknown>)[key]
  const next = rest.length === 0 ? to : setAt(inner, rest, to)
  if (Array.isArray(value)) return value.with(Number(key), next) as T
  return { ...value, [key]: next }
}

/** The list, or an empty one where a malformed object has something else. */
export function listOf(value: unknown): readonly any[] {
  return Array.isArray(value) ? value : []
}
