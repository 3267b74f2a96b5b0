/** What a journey costs the API server, for each provider of traffic: writes per step, and for start, flip and end. */
import type { KubeObject } from '../src/rollout/objects.ts'
import type { RolloutSpec } from '../src/rollout/schema.ts'
import type { CallRecord } from '../src/sandbox/faults.ts'
import { namespaceOf, openField, specOf, writes, type Field } from './field.ts'
import { short, type Figure } from './table.ts'

const app = 'app-1'
const namespace = namespaceOf(app)
type Traffic = RolloutSpec['traffic']
const few = [20, 100]
const many = [5, 10, 20, 35, 50, 65, 80, 100]
const providers: Readonly<Record<string, { readonly traffic: Traffic; readonly prepare?: (field: Field) => void }>> = {
  'Istio, managed': { traffic: { istio: { managed: {} } } },
  'Istio, your VirtualService': { traffic: { istio: { virtualServiceRefs: [{ name: app }] } }, prepare: ownVirtualService },
  'Gateway API, managed': { traffic: { gatewayAPI: { managed: { parentRefs: [{ kind: 'Service', name: app, port: 80 }] } } }, prepare: acceptRoutes },
  'Gateway API, your HTTPRoute': { traffic: { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: app }] } }, prepare: ownHTTPRoute },
  'Linkerd, SMI': { traffic: { smi: {} } },
}

export async function journeys(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [name, { traffic, prepare }] of Object.entries(providers)) {
    const [short2, long8] = [await journey(few, traffic, prepare), await journey(many, traffic, prepare)]
    const perStep = (long8.made.length - short2.made.length) / (many.length - few.length)
    figures.push(
      { what: `${name}: writes per step`, value: short(perStep), target: '5' },
      { what: `${name}: writes for start, flip and end`, value: short(short2.made.length - few.length * perStep), target: '14' },
      { what: `${name}: reads in a journey of ${many.length} steps`, value: String(long8.reads) },
    )
  }
  const blueGreen = await journey([0, 100], { kubernetes: {} })
  figures.push({ what: 'Blue/green, of Services: writes of a whole journey (preview, switch)', value: String(blueGreen.made.length) })
  figures.push(await held())
  return figures
}

/** Writes of one journey with these steps, from the push until all is at rest again. Events are notes, not steps, and are left out. */
async function journey(weights: readonly number[], traffic: Traffic, prepare?: (field: Field) => void): Promise<{ readonly made: readonly CallRecord[]; readonly reads: number }> {
  const field = openField()
  prepare?.(field)
  const { analysis, ...spec } = specOf(app, traffic, weights)
  // A switch of Services has no mesh that would measure, and a Service of its own.
  if (traffic?.kubernetes === undefined) field.add(app, { ...spec, analysis })
  else field.add(app, { ...spec, service: { ...spec.service!, name: `${app}-live` } })
  await field.until([app], ({ phase }) => phase === 'Idle')
  await field.clock.advance(180_000)
  const mark = field.mark()
  field.push(app, 'app:v2')
  await field.until([app], ({ history }) => history[0]?.outcome === 'Promoted')
  await field.clock.advance(300_000)
  const calls = field.calls(mark)
  await field.close()
  const made = writes(calls)
  return { made, reads: calls.length - made.length }
}

/** Status writes in ten minutes of a hold in which only values move. */
async function held(): Promise<Figure> {
  const field = openField()
  const spec = specOf(app, { istio: { managed: {} } }, [20, 100])
  field.add(app, { ...spec, steps: [{ weight: 20, hold: '1h' }, { weight: 100, hold: '1m' }] })
  await field.until([app], ({ phase }) => phase === 'Idle')
  field.push(app, 'app:v2')
  await field.until([app], ({ phase }) => phase === 'Holding')
  await field.clock.advance(300_000)
  const mark = field.mark()
  for (let second = 0; second < 600; second++) {
    // A bad request more or less each second: the values of every answer differ.
    field.bad(second % 3)
    await field.clock.advance(1000)
  }
  const made = writes(field.calls(mark))
  await field.close()
  return { what: 'status writes per minute of a hold in which values move', value: short(made.length / 10), target: '1' }
}

function ownVirtualService({ cluster }: Field): void {
  const destination = (host: string, weight: number) => ({ destination: { host: `${host}.${namespace}.svc.cluster.local` }, weight })
  const route: KubeObject = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: app, namespace }, spec: { hosts: [app], http: [{ name: 'default', route: [destination(`${app}-stable`, 100), destination(`${app}-canary`, 0)] }] } }
  cluster.store.create('virtualservices.networking.istio.io', route, { manager: 'kubectl' })
}
function ownHTTPRoute(field: Field): void {
  const ref = (name: string, weight: number) => ({ name, port: 80, weight })
  const route: KubeObject = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: app, namespace }, spec: { parentRefs: [{ name: 'public' }], rules: [{ backendRefs: [ref(`${app}-stable`, 100), ref(`${app}-canary`, 0)] }] } }
  field.cluster.store.create('httproutes.gateway.networking.k8s.io', route, { manager: 'kubectl' })
  acceptRoutes(field)
}
/** The part that a mesh plays: it accepts every HTTPRoute a moment after it has changed. */
function acceptRoutes({ cluster, clock }: Field): void {
  const look = (): void => {
    for (const route of cluster.store.list('httproutes.gateway.networking.k8s.io', { namespace })) {
      const { generation = 0, name } = route.metadata
      if (route.status?.parents?.[0]?.conditions?.[0]?.observedGeneration === generation) continue
      const conditions = ['Accepted', 'ResolvedRefs'].map(type => ({ type, status: 'True', reason: type, message: '', observedGeneration: generation, lastTransitionTime: new Date(clock.now()).toISOString() }))
      const parents = (route.spec.parentRefs as object[]).map(parentRef => ({ parentRef, controllerName: 'linkerd.io/policy-controller', conditions }))
      cluster.store.update('httproutes.gateway.networking.k8s.io', namespace, name, one => ({ ...one, status: { parents } }), { manager: 'mesh', subresource: 'status' })
    }
    clock.setTimeout(look, 500)
  }
  look()
}
