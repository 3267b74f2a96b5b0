/** The data planes by the name that `spec.analysis.telemetry` gives them. A new one is one file and one line here, and its name in reading.ts. */
import type { Telemetry } from './reading.ts'
import type { DataPlane } from './series.ts'
import { envoyGateway } from './series-envoy-gateway.ts'
import { istio } from './series-istio.ts'
import { linkerd } from './series-linkerd.ts'
import { linkerdRoute } from './series-linkerd-route.ts'
import { traefik } from './series-traefik.ts'

export const dataPlanes: Readonly<Record<Telemetry, DataPlane>> = {
  Istio: istio,
  Linkerd: linkerd,
  LinkerdRoute: linkerdRoute,
  EnvoyGateway: envoyGateway,
  Traefik: traefik,
}
