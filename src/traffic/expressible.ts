/** Which steps a route of a given total can tell apart. Pure. */
import { problem, type Problem } from './layout.ts'
import { rounded } from './weights.ts'

/** Sum of a managed route's weights: 100, or 1000 where a step needs parts of a percent. */
export function managedTotal(weights: readonly number[]): 100 | 1000 {
  return weights.every((weight) => Number.isInteger(weight)) ? 100 : 1000
}

/** `WeightNotExpressible` for each two neighbouring steps (percent, in order) that become the same weight on a route whose two arms sum up to `total`. */
export function problemsOfSteps(weights: readonly number[], total: number): readonly Problem[] {
  return weights.slice(1).flatMap((weight, index) => {
    const before = weights[index]!
    if (weight === before || rounded(weight, total) !== rounded(before, total)) return []
    const both = `steps[${index}].weight ${percent(before)} and steps[${index + 1}].weight ${percent(weight)} are both ${percent(rounded(weight, total))}`
    const remedy = 'give its two destinations greater weights of the same ratio (for example 1000 and 0), or drop one of the steps'
    return [problem('WeightNotExpressible', `${both} on a route whose weights sum up to ${total}: ${remedy}`)]
  })
}

function percent(share: number): string {
  return `${Number(share.toFixed(3))}%`
}
