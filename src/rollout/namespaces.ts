/** Namespaces as an administrator lists them. Pure. */

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** What is wrong with an entry of `--allow-templates`; undefined where nothing is. */
export function templateNamespaceProblem(entry: string): string | undefined {
  return entry === '*' || label.test(entry) ? undefined : 'write the name of one namespace, or * for all of them'
}

/** Whether MetricTemplates of this namespace are honoured. */
export function honoursTemplates(list: readonly string[] = [], namespace: string): boolean {
  return list.includes('*') || list.includes(namespace)
}
