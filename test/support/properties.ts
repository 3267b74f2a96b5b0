/**
 * Properties draw the same cases in every run, so that what is merged is judged by its own change. Other cases are drawn by `npm run fuzz`
 * (FC_SEED=random, more of them), whose finds become tests of their own.
 */
import fc from 'fast-check'

const seed = process.env['FC_SEED'] ?? '20261129'
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) })

/** How many cases a property draws that usually draws so many, and how long it may take, in ms. */
export const drawn = (usual: number): { readonly numRuns: number; readonly timeoutMs: number } => {
  const numRuns = Number(process.env['FC_RUNS'] ?? usual)
  return { numRuns, timeoutMs: 120_000 * Math.max(1, numRuns / usual) }
}
