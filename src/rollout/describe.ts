import { type Pass, revisionNamed } from './pass.ts'

/** Images and commit of a revision, from the template where it is the template's, and what of its configuration is new where only that is. */
export function describe(pass: Pass, revision: string): { revision: string; images?: string[]; commit?: string; backend?: string; changedConfig?: string[] } {
  const { workload } = pass.seen
  const found = revisionNamed(pass.seen, revision)
  const source = found ?? (workload.state === 'Present' && workload.templateRevision === revision ? workload : undefined)
  const changed = workload.state === 'Present' && workload.templateRevision === revision ? workload.changedConfig : undefined
  return { revision, ...(changed ? { changedConfig: changed.slice(0, 8) } : {}), ...(source && source.images.length > 0 ? { images: [...source.images] } : {}), ...(source?.commit ? { commit: source.commit } : {}) }
}
