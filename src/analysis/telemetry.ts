/** Whose series can be asked, by the name that `spec.analysis.telemetry` gives them. A new one is one file and one line here. */
import type { DataPlane } from './series.ts'
import { application } from './series-application.ts'
import { envoyGateway } from './series-envoy-gateway.ts'
import { istio } from './series-istio.ts'
import { linkerd } from './series-linkerd.ts'
import { linkerdRoute } from './series-linkerd-route.ts'
import { traefik } from './series-traefik.ts'

/** `Linkerd` tells by the workloads that answer, `LinkerdRoute` by the backends of routes. */
export const dataPlanes = {
  Istio: istio,
  Linkerd: linkerd,
  LinkerdRoute: linkerdRoute,
  EnvoyGateway: envoyGateway,
  Traefik: traefik,
  Application: application,
} as const satisfies Readonly<Record<string, DataPlane>>
export type Telemetry = keyof typeof dataPlanes

export const telemetries = Object.keys(dataPlanes) as [Telemetry, ...Telemetry[]]
