/** The routers by the name that `spec.traffic` gives them. A new mesh is one file and one line here. */
import { gatewayAPI } from './gateway-api.ts'
import { istio } from './istio.ts'
import type { Router } from './router.ts'
import { smi } from './smi.ts'

export const routers = {
  gatewayAPI,
  istio,
  smi,
} as const satisfies Readonly<Record<string, Router>>
export type RouterName = keyof typeof routers

/** The router of that name, or a sentence that lists the known ones. An unknown name is never taken for another. */
export function routerNamed(name: string): { readonly router: Router } | { readonly problem: string } {
  if (Object.hasOwn(routers, name)) return { router: routers[name as RouterName] }
  return { problem: `spec.traffic.${name} is unknown: write one of ${Object.keys(routers).join(', ')}` }
}
