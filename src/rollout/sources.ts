/** Metric sources as Rollouts name them. Pure. */

/** Name of the metric source of Rollouts that name none. */
export const defaultSource = 'default'

/** Reason of the blocker and the condition where no source has the name that a Rollout gives. */
export const sourceUnknownReason = 'SourceUnknown'

/** Why `name` cannot be asked, and what to do: `known` are the names of all sources of the controller. */
export function sourceUnknown(name: string, known: readonly string[]): string {
  const add = name === defaultSource ? 'start the controller with --prometheus URL, or add it to sources of its configuration file' : 'add it to sources of the configuration file of the controller'
  const others = known.toSorted()
  if (others.length === 0) return `no metric source ${name} is configured, nor any other: ${add}`
  return `no metric source ${name} is configured: name one of ${others.join(', ')} in analysis.sourceRef, or ${add}`
}
