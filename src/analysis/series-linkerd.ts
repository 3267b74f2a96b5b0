/** Linkerd by the workloads that answer: what their own proxies count. */
import { counted, type DataPlane, doorOf, hasWorkload, is, oneOf, type Series } from './series.ts'

export const linkerd: DataPlane = {
  says: 'proxies of the pods',
  goesWith: 'Any',
  leMs: 1,
  leaves(arm, measure, shared) {
    if (!hasWorkload(arm)) return []
    // The kubelet's probes pass the proxy too: without this a canary that nobody calls would look like one that answers.
    const inbound = ['direction="inbound"', 'route_name!="probe"', is('namespace', arm.namespace), oneOf('deployment', arm.workloads)]
    const responses = (...more: string[]): Series => ({ metric: 'response_total', matchers: [...inbound, ...more] })
    const door = doorOf(arm)
    const sentTo = ({ namespace, service }: { namespace: string; service: string }): Series =>
      ({ metric: 'response_total', matchers: ['direction="outbound"', is('dst_namespace', namespace), is('dst_service', service)] })
    const total = measure === 'DoorRequests' && door && !shared ? sentTo(door) : responses()
    return counted(measure, [total], [responses('classification="failure"')], [{ metric: 'response_latency_ms_bucket', matchers: inbound }])
  },
}
