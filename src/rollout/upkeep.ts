import { done, type Step, waitFor } from './procedure.ts'

/** Our own objects of one sort stand as they should: mirrored policies, ports of doors, fields of a managed route. */
export const kept = (what: 'Policy' | 'Door' | 'Route'): Step => (pass) => {
  const open = pass.seen.upkeep.filter((entry) => entry.what === what)
  return open.length === 0 ? done : waitFor(`${open[0]!.key} to be written`, ...open.map(({ key }) => ({ type: 'Upkeep', key }) as const))
}
