/** Quantities with units, as people write them in a spec, in numbers. Each reader answers undefined for what it does not understand. */

/** `99.5%`, at most four decimals, from 0 to 100: the pattern of the CRDs. */
export const percentPattern = '^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?)%$'
/** `25%` or `0.5%`, at most one decimal: what a route of total 1000 can still express. */
export const weightPattern = '^(100|[0-9]{1,2}(\\.[0-9])?)%$'
/** `50%`, whole percent of the wanted count. */
export const scalePattern = '^(100|[0-9]{1,2})%$'
/** `500ms`, `0.5s`. */
export const latencyPattern = '^[0-9]{1,6}(\\.[0-9]{1,3})?(ms|s)$'

const percent = new RegExp(percentPattern)
const weight = new RegExp(weightPattern)
const scale = new RegExp(scalePattern)
const latency = new RegExp(latencyPattern)

/** `99.5%` → 99.5. */
export function parsePercent(text: string): number | undefined {
  return percent.test(text) ? Number(text.slice(0, -1)) : undefined
}

/** An integer percent or a string with `%`, as percent from 0 to 100: 25 → 25, `0.5%` → 0.5. */
export function parseWeight(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= 100 ? value : undefined
  return weight.test(value) ? Number(value.slice(0, -1)) : undefined
}

/** Pods as a count (1 and more), or percent of the wanted count. */
export function parseScale(value: number | string): { readonly pods: number } | { readonly percent: number } | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 1 ? { pods: value } : undefined
  const percent = scale.test(value) ? Number(value.slice(0, -1)) : 0
  return percent >= 1 ? { percent } : undefined
}

/** `500ms` or `0.5s` in milliseconds, above 0. */
export function parseLatency(text: string): number | undefined {
  if (!latency.test(text)) return undefined
  const value = text.endsWith('ms') ? Number(text.slice(0, -2)) : Math.round(Number(text.slice(0, -1)) * 1_000_000) / 1000
  return value > 0 ? value : undefined
}
