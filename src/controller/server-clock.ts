/** How far the API server's clock is from ours: creation times are its, deadlines are counted by ours. */
import type { KubeApi, Result } from '../kube/api.ts'
import type { Clock } from '../telemetry/clock.ts'

/** The Date header has whole seconds and the answer takes a while: less than this is no difference, in ms. */
const blur = 3000

/** The same API, and the difference its answers show: API server's clock minus ours in ms, 0 while it is within the blur. */
export function timed(api: KubeApi, clock: Pick<Clock, 'now'>): { readonly api: KubeApi; readonly offset: () => number } {
  let difference = 0
  const noted = async <T>(answer: Promise<Result<T>>): Promise<Result<T>> => {
    const result = await answer
    if (result.ok && result.serverTime !== undefined) difference = result.serverTime + 500 - clock.now()
    return result
  }
  return {
    api: {
      ...api,
      get: (...all) => noted(api.get(...all)),
      list: (...all) => noted(api.list(...all)),
      create: (...all) => noted(api.create(...all)),
      patch: (...all) => noted(api.patch(...all)),
      replace: (...all) => noted(api.replace(...all)),
      delete: (...all) => noted(api.delete(...all)),
      watch: (...all) => api.watch(...all),
      groupVersions: group => api.groupVersions(group),
      resources: (group, version) => api.resources(group, version),
    },
    offset: () => (Math.abs(difference) < blur ? 0 : difference),
  }
}
