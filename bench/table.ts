/** Figures as a table for people. */

export interface Figure {
  readonly what: string
  readonly value: string
  /** What it should be at most, where something was promised. */
  readonly target?: string
}
export function table(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map(({ what }) => what.length))
  const values = Math.max(...figures.map(({ value }) => value.length))
  return `${figures.map(({ what, value, target }) => `${what.padEnd(width)}  ${value.padStart(values)}${target === undefined ? '' : `  target ${target}`}`).join('\n')}\n`
}
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}
/** Up to three digits that matter. */
export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
