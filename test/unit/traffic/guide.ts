/** The objects that guides to Istio show, as their readers have them. */
import type { KubeObject } from '../../../src/rollout/objects.ts'
import type { Arms } from '../../../src/traffic/router.ts'

export const clusterDomain = 'cluster.local'
export function service(name: string, namespace = 'default', subset?: string): Arms['stable'] {
  return { namespace, service: name, host: `${name}.${namespace}.svc.${clusterDomain}`, ...(subset ? { subset } : {}) }
}
export const subsets: Arms = { stable: service('reviews', 'default', 'v1'), canary: service('reviews', 'default', 'v2') }
export const doors: Arms = { stable: service('cart-stable', 'shop'), canary: service('cart-canary', 'shop') }

/** First a route for mobile users, then one without a name with weights typed by hand. */
export const reviews: KubeObject = {
  apiVersion: 'networking.istio.io/v1beta1', kind: 'VirtualService', metadata: { name: 'reviews', namespace: 'default', resourceVersion: '41' },
  spec: {
    hosts: ['reviews'],
    http: [
      { match: [{ headers: { 'user-agent': { regex: '.*mobile.*' } } }], route: [{ destination: { host: 'reviews', subset: 'v2' } }] },
      { route: [{ destination: { host: 'reviews', subset: 'v1' }, weight: 80 }, { destination: { host: 'reviews', subset: 'v2' }, weight: 20 }] },
    ],
  },
}
export const reviewsRule: KubeObject = {
  apiVersion: 'networking.istio.io/v1beta1', kind: 'DestinationRule', metadata: { name: 'reviews', namespace: 'default' },
  spec: {
    host: 'reviews', trafficPolicy: { connectionPool: { tcp: { maxConnections: 100 }, http: { http2MaxRequests: 1000 } }, tls: { mode: 'ISTIO_MUTUAL' } },
    subsets: [{ name: 'v1', labels: { version: 'v1' } }, { name: 'v2', labels: { version: 'v2' } }],
  },
}
/** A VirtualService of one's own with the given http routes. */
export function virtualService(http: readonly unknown[], namespace = 'shop', spec: object = {}): KubeObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'cart', namespace }, spec: { hosts: ['cart'], http, ...spec } }
}
