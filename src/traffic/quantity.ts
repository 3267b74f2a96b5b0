/** Kubernetes quantities, as far as weights are written as such: `900m`, `1`, `0.5`, `1e2`. Pure. */

const factors: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
}
const pattern = /^([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i))?$/

/** A quantity in thousandths, rounded up as Kubernetes' MilliValue does; undefined where it is no number, below 0, or too great to be exact. */
export function milli(quantity: unknown): number | undefined {
  const match = pattern.exec(typeof quantity === 'number' ? String(quantity) : typeof quantity === 'string' ? quantity : '')
  if (!match) return undefined
  const value = Number(`${match[1]}${match[2] ?? ''}`) * factors[match[3] ?? '']! * 1000
  const units = Math.ceil(value - value * 1e-12 - 1e-9)
  return units >= 0 && Number.isSafeInteger(units) ? Math.abs(units) : undefined
}

/** Thousandths as a quantity in its shortest form: 900 is `900m`, 5000 is `5`. */
export function quantity(units: number): string {
  return units % 1000 === 0 ? String(units / 1000) : `${units}m`
}
