/** What is wrong with a spec, each as field, value and remedy. */
import { spec as specSchema } from './schema.ts'
import type { SpecProblem } from './plan.ts'

/** Everything wrong with a Rollout's `spec`, whatever its shape. Empty: `plan` succeeds. */
export function problemsOf(spec: unknown): SpecProblem[] {
  const parsed = specSchema.safeParse(spec)
  return parsed.success ? [] : parsed.error.issues.map((issue) => ({ field: ['spec', ...issue.path].join('.'), value: undefined, message: issue.message }))
}
