/**
 * Properties draw the same cases in every run, so that what is merged is judged by its own change. Other cases are drawn by `npm run fuzz`
 * (FC_SEED=random, more of them), whose finds become tests of their own.
 */
import fc from 'fast-check'

const seed = process.env['FC_SEED'] ?? '20261129'
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) })
