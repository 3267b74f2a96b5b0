/** Linkerd by the SMI extension as a provider: one TrafficSplit of ours, in force when the ServiceProfile equals it. Pure. */
import type { Provider } from './provider.ts'
import { managedTrafficSplit, profileFollows, serviceProfileName, smi, splitIgnored } from './smi.ts'

export const smiProvider: Provider = {
  router: smi,
  field: 'f:spec/f:backends',
  needs: 'the SMI extension (linkerd-smi) with its CRDs',
  places: (traffic, own) => (traffic.smi ? [{ kind: 'TrafficSplit', ...own, managed: true, redirects: false }] : []),
  managed: (_, wanted) => ({ object: managedTrafficSplit(wanted) }),
  uptake(split, { find }, clusterDomain) {
    const { namespace = '', name } = split.metadata
    const profile = find('ServiceProfile', namespace, serviceProfileName(split, clusterDomain))
    if (profile === 'NotServed') return { followed: true, problems: [] }
    const ignored = splitIgnored(profile)
    const followed = profileFollows(profile, split, clusterDomain)
    const awaiting = `ServiceProfile ${namespace}/${serviceProfileName(split, clusterDomain)} to show the split of TrafficSplit ${namespace}/${name}: Linkerd's SMI adaptor writes it, does it run?`
    return { followed, ...(followed ? {} : { awaiting }), problems: ignored ? [ignored] : [] }
  },
  labels: () => [],
}
