import { type Pass, revisionNamed } from './pass.ts'

/** Images and commit of a revision, from the template where it is the template's. */
export function describe(pass: Pass, revision: string): { revision: string; images?: string[]; commit?: string; backend?: string } {
  const { workload } = pass.seen
  const found = revisionNamed(pass.seen, revision)
  const source = found ?? (workload.state === 'Present' && workload.templateRevision === revision ? workload : undefined)
  return { revision, ...(source && source.images.length > 0 ? { images: [...source.images] } : {}), ...(source?.commit ? { commit: source.commit } : {}) }
}
