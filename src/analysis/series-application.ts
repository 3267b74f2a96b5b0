/**
 * An application's own histogram, as its instrumentation exposes it on each pod. What never arrived at a pod is not in it: an application knows nothing of
 * requests that did not reach it.
 */
import { type DataPlane, hasWorkload, is, quoted, regexEscaped, type Series } from './series.ts'

/** What ReplicaSets and pods are numbered with. */
const sign = '[bcdfghjklmnpqrstvwxz2456789]'
/** Characters that are left before the five random ones at the end of a pod's name. */
const longestBase = 58
const longestHash = 10

/** Names of the pods of a Deployment, `<name>-<hash of the ReplicaSet>-<five random signs>`, as an anchored regular expression. Long names are cut by Kubernetes. */
export function podsPattern(workload: string): string {
  const base = `${workload}-`
  const room = longestBase - base.length
  const hash = room > longestHash ? `${sign}{1,${longestHash}}-` : room > 1 ? `(${sign}{${room}}|${sign}{1,${room - 1}}-)` : room === 1 ? sign : ''
  return `${regexEscaped(base.slice(0, longestBase))}${hash}${sign}{5}`
}

/** Paths that the kubelet or a scrape asks for: without this a version that nobody calls would look like one that answers. */
const probes = '/?(metrics|ping|(.*/)?(health[yz]?|live(z|ness)?|read(yz?|iness)|startupz?))/?'
const places = ['path', 'route', 'handler', 'endpoint', 'uri']

export const application: DataPlane = {
  says: 'the application itself, by its histogram `http_request_duration_seconds`',
  goesWith: 'Any',
  leMs: 1000,
  leaves(arm, measure) {
    if (!hasWorkload(arm)) return []
    const pods = arm.workloads.filter((workload) => workload !== '').map(podsPattern).join('|')
    const shared = [is('namespace', arm.namespace), `pod=~${quoted(pods)}`, ...places.map((label) => `${label}!~${quoted(probes)}`)]
    const select = (metric: string): readonly Series[] => [{ metric: `http_request_duration_seconds_${metric}`, matchers: shared }]
    if (measure === 'Latency') return [{ what: 'bucket', series: select('bucket') }]
    return [{ what: measure === 'DoorRequests' ? 'total' : 'status', series: select('count') }]
  },
}
