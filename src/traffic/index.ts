/** The providers by the name that `spec.traffic` gives them. A new mesh is one file and one line here. */
import { gatewayAPIProvider } from './gateway-api-provider.ts'
import { istioProvider } from './istio-provider.ts'
import { kubernetesProvider } from './kubernetes.ts'
import type { Provider, RoutePlace, Traffic } from './provider.ts'
import { smiProvider } from './smi-provider.ts'

export const providers = {
  gatewayAPI: gatewayAPIProvider,
  istio: istioProvider,
  kubernetes: kubernetesProvider,
  smi: smiProvider,
} as const satisfies Readonly<Record<string, Provider>>
export type ProviderName = keyof typeof providers

/** The provider of that name, or a sentence that lists the known ones. An unknown name is never taken for another. */
export function providerNamed(name: string): { readonly provider: Provider } | { readonly problem: string } {
  if (Object.hasOwn(providers, name)) return { provider: providers[name as ProviderName] }
  return { problem: `spec.traffic.${name} is unknown: write one of ${Object.keys(providers).join(', ')}` }
}

/** The provider that this spec names and its route objects, managed ones first; undefined where it names none. */
export function placesOf(
  traffic: Traffic | undefined, own: { readonly namespace: string; readonly name: string },
): { readonly provider: Provider; readonly places: readonly RoutePlace[] } | undefined {
  const name = (Object.keys(providers) as ProviderName[]).find((known) => traffic?.[known] !== undefined)
  return name && traffic && { provider: providers[name], places: providers[name].places(traffic, own) }
}

export type { Provider, RouteKind, RoutePlace, Traffic } from './provider.ts'
