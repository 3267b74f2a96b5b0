/** Hosts as Istio's objects write them. Pure. */
import type { Destination } from './router.ts'

/**
 * A host in full: short ones (`reviews`) belong to the namespace of the object that names them, `reviews.shop` and `reviews.shop.svc` to the cluster's domain.
 * Anything else (`reviews.example.com`, `*.example.com`, an address) is full already.
 */
export function fullHost(host: string, namespace: string, clusterDomain: string): string {
  const parts = host.toLowerCase().split('.')
  if (parts[0] === '*' || parts.some((part) => part === '')) return host.toLowerCase()
  if (parts.length === 1) return `${parts[0]}.${namespace}.svc.${clusterDomain}`
  if (parts.length === 2) return `${parts[0]}.${parts[1]}.svc.${clusterDomain}`
  if (parts.length === 3 && parts[2] === 'svc') return `${parts[0]}.${parts[1]}.svc.${clusterDomain}`
  return parts.join('.')
}

/** `web.shop.svc.cluster.local` of a Service. */
export function serviceHost(service: string, namespace: string, clusterDomain: string): string {
  return `${service}.${namespace}.svc.${clusterDomain}`
}

/** Whether a route's destination (`{host, subset, port}`) is this arm. The port does not count. */
export function leadsTo(destination: any, arm: Destination, namespace: string, clusterDomain: string): boolean {
  if (typeof destination?.host !== 'string') return false
  return fullHost(destination.host, namespace, clusterDomain) === arm.host.toLowerCase() && (destination.subset || undefined) === (arm.subset || undefined)
}

/** A host as a person would write it in an object of this namespace. */
export function writtenHost(arm: Destination, namespace: string): string {
  return arm.namespace === namespace ? arm.service : arm.host
}
