/** Wrong variants of right objects: each is refused by `validate` with field, value and remedy, and by a real API server where CEL can judge it. */
export interface Variant {
  readonly name: string
  /** What makes a right object wrong: values by path, undefined for none. */
  readonly changes: Readonly<Record<string, unknown>>
  /** Field of the problem. */
  readonly field: string
  /** What the message says beside the field: the value (where there is one) and the remedy. */
  readonly says: readonly string[]
  /** What the API server says. `condition`: it cannot judge this, so the controller says it. */
  readonly admission: readonly string[] | 'condition'
}

/** The right object, made wrong. */
export function broken(make: () => any, { changes }: Variant): any {
  const object = make()
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
    const last = keys.pop()!
    const inside = keys.reduce((inner, key) => (inner[key] ??= {}), object)
    if (value === undefined) delete inside[last]
    else inside[last] = value
  }
  return object
}

/** `field`: where it is not the first that is changed. `admission`: where the API server says it in other words. */
function wrong(name: string, changes: Variant['changes'], says: readonly string[], other: Partial<Variant> = {}): Variant {
  return { name, changes, field: Object.keys(changes)[0]!, says, admission: says, ...other }
}
/** A required field that is not there. */
const absent = (field: string, changes: Variant['changes'] = { [field]: undefined }) =>
  wrong(`no ${field}`, changes, ['is missing'], { field, admission: [field, 'Required'] })
/** A field that the schema does not know. `known`: one that it names instead. */
const unknown = (field: string, known: string) =>
  wrong(`unknown ${field}`, { [field]: {} }, ['is no field', known], { admission: [`unknown field "${field}"`] })
/** A word that is not in the list. */
const notListed = (field: string, value: string, known: readonly string[], more: Variant['changes'] = {}) =>
  wrong(`${field} ${value}`, { [field]: value, ...more }, [`"${value}"`, known.join(', ')], {
    admission: [field, `"${value}"`, known.map((word) => `"${word}"`).join(', ')],
  })
const spec = { field: 'spec' } as const

export const rollout = (): any => ({
  apiVersion: 'sluice.dev/v1alpha1',
  kind: 'Rollout',
  metadata: { name: 'checkout' },
  spec: {
    workloadRef: { kind: 'Deployment', name: 'checkout' },
    service: { port: 80 },
    traffic: { istio: { managed: {} } },
    steps: [{ weight: 5, hold: '2m' }, { weight: '25%', hold: '5m' }, { weight: 100 }],
    analysis: { checks: [{ name: 'success', successRate: { min: '99%' } }, { name: 'p99', latency: { percentile: 99, max: '500ms' } }] },
  },
})
export const backends = (): any => {
  const object = rollout()
  const { steps, analysis } = object.spec
  return {
    ...object,
    spec: {
      backends: { host: 'reviews', stable: { subset: 'v1' }, canary: { subset: 'v2' } },
      traffic: { istio: { virtualServiceRefs: [{ name: 'reviews' }], destinationRuleRef: { name: 'reviews' } } },
      steps,
      analysis,
    },
  }
}
export const request = (): any => ({
  apiVersion: 'sluice.dev/v1alpha1',
  kind: 'RolloutRequest',
  metadata: { name: 'checkout-1' },
  spec: { rolloutName: 'checkout', action: 'Promote', revision: 'checkout-abcdefghij', step: 1, reason: 'looks good', requestedBy: 'rita' },
})

const duration = 'write for example 90s, 5m or 1h30m'
const weight = 'write a whole percent from 0 to 100 such as 25, or a string with at most one decimal such as 0.5%'
const pods = 'write a count of pods such as 2, or a whole percent of the wanted count such as 50%'
const noWeight = (value: unknown) =>
  wrong(`weight ${value}`, { 'spec.steps[0].weight': value }, [JSON.stringify(value), weight], { admission: ['spec.steps[0].weight', weight] })
const noScale = (value: unknown) =>
  wrong(`scale ${value}`, { 'spec.steps[0].scale': value }, [JSON.stringify(value), pods], { admission: ['spec.steps[0].scale', pods] })
const min = 'spec.analysis.checks[0].successRate.min'
const latency = 'spec.analysis.checks[1].latency'
const window = 'spec.schedule.windows[0]'
const services = { stable: { service: 'a' }, canary: { service: 'b' } }
const parents = { parentRefs: [{ name: 'public', namespace: 'edge' }] }
const measured = { 'spec.analysis.telemetry': 'Linkerd' }
const aHook = { name: 'load', when: 'DuringStep', url: 'https://load.test.svc/run' }
const hook = (changes: object) => ({ 'spec.hooks': [{ ...aHook, ...changes }] })
const windows = (changes: object) => ({ 'spec.schedule': { windows: [{ cron: '0 9 * * *', duration: '7h', ...changes }] } })

const check = 'spec.analysis.checks[0]'
const query = (prometheus: object): Variant['changes'] => ({ [`${check}.successRate`]: undefined, [`${check}.prometheus`]: prometheus })
export const wrongRollouts: readonly Variant[] = [
  unknown('spec.stpes', 'steps'),
  unknown('spec.steps[0].wieght', 'weight'),
  wrong('metadata without name', { 'metadata.name': undefined }, ['is missing'], { admission: ['name'] }),
  wrong('name of 64', { 'metadata.name': 'a'.repeat(64) }, ['63'], { admission: ['metadata.name is too long', '63'] }),

  absent('spec.workloadRef.name'),
  notListed('spec.workloadRef.kind', 'StatefulSet', ['Deployment']),
  wrong('workload in capitals', { 'spec.workloadRef.name': 'Checkout' }, ['"Checkout"', 'lower-case']),
  wrong('workload too long for doors', { 'spec.workloadRef.name': 'c'.repeat(57) }, ['set service.name'], spec),
  wrong('workload with a dot', { 'spec.workloadRef.name': 'check.out' }, ['set service.name'], spec),
  wrong('service too long for doors', { 'spec.service.name': 'c'.repeat(57) }, ['at most 56'], { admission: ['spec.service.name', '56'] }),
  wrong('bad port', { 'spec.service.port': 70_000 }, ['70000', '65535']),
  wrong('bad target port', { 'spec.service.targetPort': 'Not_A_Port' }, ['"Not_A_Port"', 'name of a container port'], {
    admission: ['spec.service.targetPort', 'name of a container port'],
  }),
  wrong('workloadRef and backends', { 'spec.backends': services }, ['exactly one of workloadRef', 'backends'], spec),
  wrong('neither workloadRef nor backends', { 'spec.workloadRef': undefined }, ['exactly one of workloadRef', 'backends'], spec),

  wrong('no traffic', { 'spec.traffic': undefined }, ['traffic is missing', 'istio'], spec),
  wrong('traffic of nobody', { 'spec.traffic': {} }, ['exactly one of istio, smi, gatewayAPI and kubernetes']),
  wrong('two unions', { 'spec.traffic.smi': {} }, ['exactly one of istio, smi, gatewayAPI and kubernetes'], { field: 'spec.traffic' }),
  unknown('spec.traffic.nginx', 'istio, smi, gatewayAPI'),
  wrong('istio without a route', { 'spec.traffic.istio': {} }, ['exactly one of managed']),
  wrong('istio with two kinds of routes', { 'spec.traffic.istio.virtualServiceRefs': [{ name: 'a' }] }, ['exactly one of managed'], {
    field: 'spec.traffic.istio',
  }),
  wrong('delegate with hosts', { 'spec.traffic.istio.managed': { delegate: true, hosts: ['a'] } }, ['no hosts and no gateways']),
  wrong('bad time-out', { 'spec.traffic.istio.managed.timeout': '3 s' }, ['"3 s"', duration]),
  wrong('bad host', { 'spec.traffic.istio.managed.hosts': ['http://cart'] }, ['"http://cart"', 'cart.example.com'], {
    field: 'spec.traffic.istio.managed.hosts[0]',
  }),
  wrong('a VirtualService twice', { 'spec.traffic.istio': { virtualServiceRefs: [{ name: 'a' }, { name: 'a' }] } }, ['named once'], {
    field: 'spec.traffic.istio.virtualServiceRefs',
  }),
  wrong('no VirtualService', { 'spec.traffic.istio': { virtualServiceRefs: [] } }, ['at least 1'], { field: 'spec.traffic.istio.virtualServiceRefs' }),
  wrong('gatewayAPI without a route', { 'spec.traffic': { gatewayAPI: {} }, ...measured }, ['exactly one of managed'], { field: 'spec.traffic.gatewayAPI' }),
  wrong('gatewayAPI with two kinds of routes', { 'spec.traffic': { gatewayAPI: { managed: parents, routeRefs: [{ kind: 'HTTPRoute', name: 'a' }] } }, ...measured }, [
    'exactly one of managed',
  ], { field: 'spec.traffic.gatewayAPI' }),
  wrong('a managed route without parents', { 'spec.traffic': { gatewayAPI: { managed: {} } }, ...measured }, ['is missing'], {
    field: 'spec.traffic.gatewayAPI.managed.parentRefs', admission: ['spec.traffic.gatewayAPI.managed.parentRefs', 'Required'],
  }),
  wrong('a route of no kind', { 'spec.traffic': { gatewayAPI: { routeRefs: [{ kind: 'TCPRoute', name: 'a' }] } }, ...measured }, ['"TCPRoute"', 'HTTPRoute, GRPCRoute'], {
    field: 'spec.traffic.gatewayAPI.routeRefs[0].kind', admission: ['"TCPRoute"', '"HTTPRoute", "GRPCRoute"'],
  }),
  wrong('a route twice', { 'spec.traffic': { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'a' }, { kind: 'HTTPRoute', name: 'a' }] } }, ...measured }, ['named once'], {
    field: 'spec.traffic.gatewayAPI.routeRefs',
  }),
  wrong('a parent of no kind', { 'spec.traffic': { gatewayAPI: { managed: { parentRefs: [{ kind: 'Server', name: 'a' }] } } }, ...measured }, ['"Server"', 'Gateway, Service'], {
    field: 'spec.traffic.gatewayAPI.managed.parentRefs[0].kind', admission: ['"Server"', '"Gateway", "Service"'],
  }),
  wrong('a parent twice', { 'spec.traffic': { gatewayAPI: { managed: { parentRefs: [...parents.parentRefs, ...parents.parentRefs] } } }, ...measured }, ['named twice', 'sectionName', 'remove one'], {
    field: 'spec.traffic.gatewayAPI.managed.parentRefs',
  }),
  wrong('a parent as a whole and one listener of it', { 'spec.traffic': { gatewayAPI: { managed: { parentRefs: [{ name: 'a' }, { name: 'a', sectionName: 'https' }] } } }, ...measured }, ['named twice'], {
    field: 'spec.traffic.gatewayAPI.managed.parentRefs',
  }),
  wrong('a rule of no name', { 'spec.traffic': { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'a', rules: ['my rule'] }] } }, ...measured }, ['"my rule"', 'is no name or index', 'such as "0"'], {
    field: 'spec.traffic.gatewayAPI.routeRefs[0].rules[0]',
  }),
  wrong('telemetry of another data plane', { 'spec.analysis.telemetry': 'Traefik' }, ['write Istio, Linkerd, Application'], spec),
  wrong('the Gateway API without telemetry', { 'spec.traffic': { gatewayAPI: { managed: parents } } }, ['analysis.telemetry is missing'], spec),
  wrong('Observe of versions that Sluice runs', { 'spec.mode': 'Observe' }, ['mode Observe belongs to backends', 'remove mode'], spec),
  wrong('a share of a Service', { 'spec.traffic': { kubernetes: {} }, ...measured }, ['steps[].weight is 0 or 100', 'write 0 for a preview and 100 for the switch'], spec),
  wrong('a share of a Service in percent', { 'spec.traffic': { kubernetes: {} }, 'spec.steps': [{ weight: '0%' }, { weight: '0.5%' }, { weight: 100 }], ...measured }, ['steps[].weight is 0 or 100'], spec),
  wrong('Services without telemetry', { 'spec.traffic': { kubernetes: {} }, 'spec.steps': [{ weight: 0 }, { weight: 100 }] }, ['analysis.telemetry is missing', 'Services measure nothing'], spec),
  wrong('Services with telemetry of routes', { 'spec.traffic': { kubernetes: {} }, 'spec.steps': [{ weight: 100 }], 'spec.analysis.telemetry': 'Traefik' }, ['write Istio, Linkerd, Application'], spec),
  wrong('Services with a field', { 'spec.traffic': { kubernetes: { activeService: 'a' } }, 'spec.steps': [{ weight: 100 }], ...measured }, ['is no field'], { field: 'spec.traffic.kubernetes.activeService', admission: ['unknown field "spec.traffic.kubernetes.activeService"'] }),
  wrong('a DestinationRule without subsets', { 'spec.traffic.istio.destinationRuleRef': { name: 'a' } }, ['belongs to backends with subsets'], spec),

  absent('spec.steps'),
  wrong('empty steps', { 'spec.steps': [] }, ['at least 1']),
  wrong('too many steps', { 'spec.steps': Array.from({ length: 21 }, () => ({ weight: 100 })) }, ['at most 20'], { admission: ['spec.steps', '20'] }),
  absent('spec.steps[0].weight'),
  ...[101, '100.5%', -1, '0.55%', '5', 'five'].map(noWeight),
  wrong('weight as a fraction', { 'spec.steps[0].weight': 0.5 }, ['0.5', weight], { admission: ['spec.steps[0].weight', 'integer'] }),
  wrong('weights that fall', { 'spec.steps[1].weight': '4.9%' }, ['weights never fall'], { field: 'spec.steps' }),
  wrong('last weight is not 100', { 'spec.steps[2].weight': 99 }, ['add {weight: 100}'], { field: 'spec.steps' }),
  wrong('two steps of one name', { 'spec.steps[0].name': 'a', 'spec.steps[1].name': 'a' }, ['unique'], { field: 'spec.steps' }),
  wrong('bad duration', { 'spec.steps[0].hold': '5 minutes' }, ['"5 minutes"', duration]),
  wrong('duration with a fraction', { 'spec.steps[0].hold': '1.5h' }, ['"1.5h"', duration]),
  wrong('duration without unit', { 'spec.steps[0].hold': 5 }, ['5', 'string'], { admission: ['spec.steps[0].hold', 'string'] }),
  ...[0, 'half', '50.5%', '0%'].map(noScale),
  wrong('scale too small for the weight', { 'spec.steps[1].scale': '10%' }, ['"10%"', 'at least 25%'], { admission: 'condition' }),
  notListed('spec.steps[0].approval', 'after', ['Before', 'After']),

  wrong('interval of nothing', { 'spec.analysis.interval': '0s' }, ['"0s"', 'at least 1s']),
  wrong('a source by its name alone', { 'spec.analysis.sourceRef': 'edge' }, ['write an object'], { admission: ['spec.analysis.sourceRef', 'must be of type object'] }),
  wrong('a source of no name', { 'spec.analysis.sourceRef': { name: 'Edge' } }, ['"Edge"', 'is no name'], { field: 'spec.analysis.sourceRef.name' }),
  wrong('no checks', { 'spec.analysis.checks': [] }, ['at least 1']),
  wrong('check without a question', { 'spec.analysis.checks[0].successRate': undefined }, ['successRate, latency or prometheus'], { field: 'spec.analysis.checks[0]' }),
  wrong('check with two questions', { 'spec.analysis.checks[0].latency': { percentile: 50, max: '1s' } }, ['successRate, latency or prometheus'], {
    field: 'spec.analysis.checks[0]',
  }),
  wrong('query without a bound', query({ templateRef: { name: 'lag' } }), ['give min, max, or both'], { field: `${check}.prometheus` }),
  wrong('query with bounds that leave nothing', query({ templateRef: { name: 'lag' }, min: '2', max: '1.5' }), ['min is above max'], { field: `${check}.prometheus` }),
  wrong('bound with a unit', query({ templateRef: { name: 'lag' }, max: '250ms' }), ['"250ms"', 'is no number'], { field: `${check}.prometheus.max` }),
  wrong('bound as a number', query({ templateRef: { name: 'lag' }, max: 250 }), ['250', 'string'], { field: `${check}.prometheus.max`, admission: [`${check}.prometheus.max`, 'string'] }),
  wrong('query of no template', query({ max: '1' }), ['is missing'], { field: `${check}.prometheus.templateRef`, admission: ['templateRef', 'Required'] }),
  wrong('arguments that are no text', query({ templateRef: { name: 'lag' }, args: { a: 1 }, max: '1' }), ['string'], { field: `${check}.prometheus.args.a`, admission: ['args.a', 'string'] }),
  wrong('too many arguments', query({ templateRef: { name: 'lag' }, args: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`a${i}`, 'x'])), max: '1' }), ['at most 16'], { field: `${check}.prometheus.args`, admission: ['args', '16'] }),
  wrong('query with minRequests', { ...query({ templateRef: { name: 'lag' }, max: '1' }), [`${check}.minRequests`]: 5 }, ['a query of your own has no counts'], { field: check }),
  absent('spec.analysis.checks[0].name'),
  wrong('two checks of one name', { 'spec.analysis.checks[1].name': 'success' }, ['"success"', 'unique'], {
    admission: ['spec.analysis.checks[1]', 'Duplicate', 'success'],
  }),
  wrong('percentage without its sign', { [min]: '99' }, ['"99"', '99.5%']),
  wrong('percentage as a number', { [min]: 99 }, ['99', 'string'], { admission: [min, 'string'] }),
  wrong('percentage over 100', { [min]: '101%' }, ['"101%"', '99.5%']),
  wrong('percentage that never fails', { [min]: '0%' }, ['"0%"', 'above 0%']),
  wrong('bad quantity', { [`${latency}.max`]: '500' }, ['"500"', '500ms']),
  wrong('latency of nothing', { [`${latency}.max`]: '0ms' }, ['"0ms"', 'above 0']),
  wrong('percentile of 100', { [`${latency}.percentile`]: 100 }, ['100', 'less than 100']),
  notListed('spec.analysis.checks[0].onFailure', 'Abort', ['Rollback', 'Hold', 'Report']),
  notListed('spec.analysis.noData.action', 'Rollback', ['Hold', 'Fail', 'Pass']),

  wrong('bad cron', windows({ cron: '0 9 * *' }), ['"0 9 * *"', '0 9 * * 1-5'], { field: `${window}.cron` }),
  wrong('cron out of range', windows({ cron: '0 25 * * *' }), ['"0 25 * * *"', '0 9 * * 1-5'], { field: `${window}.cron`, admission: 'condition' }),
  wrong('cron that never comes', windows({ cron: '0 0 31 2 *' }), ['"0 0 31 2 *"', '0 9 * * 1-5'], { field: `${window}.cron`, admission: 'condition' }),
  wrong('bad time zone', windows({ timeZone: 'Europe/Berlinn' }), ['"Europe/Berlinn"', 'Europe/Berlin or Etc/UTC'], {
    field: `${window}.timeZone`, admission: [`${window}.timeZone`, 'unknown time zone Europe/Berlinn', 'Europe/Berlin or Etc/UTC'],
  }),
  wrong('offset as time zone', windows({ timeZone: '+02:00' }), ['"+02:00"', 'Europe/Berlin'], { field: `${window}.timeZone` }),
  wrong('window of no length', windows({ duration: '0s' }), ['"0s"', 'at least 1s'], { field: `${window}.duration` }),
  wrong('depends on itself', { 'spec.dependsOn': [{ name: 'checkout' }] }, ['"checkout"', 'another'], {
    field: 'spec.dependsOn[0].name', admission: ['dependsOn names this Rollout'],
  }),
  notListed('spec.hooks[0].when', 'AfterStart', ['BeforeStart', 'BeforeRaise', 'DuringStep', 'BeforePromotion', 'AfterOutcome'], hook({ when: 'AfterStart' })),
  wrong('a hook without name', hook({ name: undefined }), ['is missing'], { field: 'spec.hooks[0].name', admission: ['spec.hooks[0].name', 'Required'] }),
  wrong('a hook without URL', hook({ url: undefined }), ['is missing'], { field: 'spec.hooks[0].url', admission: ['spec.hooks[0].url', 'Required'] }),
  wrong('two hooks of one name', { 'spec.hooks': [aHook, aHook] }, ['"load"', 'unique'], { field: 'spec.hooks[1].name', admission: ['spec.hooks[1]', 'Duplicate', 'load'] }),
  wrong('no hooks', { 'spec.hooks': [] }, ['at least 1']),
  wrong('a hook at no URL', hook({ url: 'load.test.svc/run' }), ['"load.test.svc/run"', 'write https://host/path'], { field: 'spec.hooks[0].url' }),
  wrong('a hook with a password in its URL', hook({ url: 'https://me:pw@load.test.svc/' }), ['without user and password'], { field: 'spec.hooks[0].url' }),
  wrong('a hook that takes too long', hook({ timeout: '5m' }), ['"5m"', 'from 1s to 60s', 'answers 425'], { field: 'spec.hooks[0].timeout' }),
  wrong('a hook that takes no time', hook({ timeout: '10ms' }), ['"10ms"', 'from 1s to 60s'], { field: 'spec.hooks[0].timeout' }),
  wrong('a time-out without unit', hook({ timeout: '10' }), ['"10"', 'write for example 10s'], { field: 'spec.hooks[0].timeout' }),
  wrong('a deadline of nothing', hook({ deadline: '0s' }), ['"0s"', 'at least 1s'], { field: 'spec.hooks[0].deadline' }),
  wrong('a deadline for a report', hook({ when: 'AfterOutcome', deadline: '5m' }), ['nothing waits', 'remove it'], { field: 'spec.hooks[0]' }),
  wrong('a failure of a gate', hook({ when: 'BeforeRaise', onFailure: 'Hold' }), ['onFailure belongs to DuringStep', 'remove it'], { field: 'spec.hooks[0]' }),
  wrong('a hook with a secret in capitals', hook({ secretRef: { name: 'Load', key: 'token' } }), ['"Load"', 'lower-case'], { field: 'spec.hooks[0].secretRef.name' }),
  wrong('metadata that is no text', hook({ metadata: { users: 200 } }), ['200', 'string'], { field: 'spec.hooks[0].metadata.users', admission: ['spec.hooks[0].metadata', 'string'] }),
  wrong('too much metadata', hook({ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, ''])) }), ['17 entries', 'at most 16'], {
    field: 'spec.hooks[0].metadata', admission: ['spec.hooks[0].metadata', '16'],
  }),
  notListed('spec.onFailure', 'Report', ['Rollback', 'Hold']),
  notListed('spec.trackedConfig[0].kind', 'Config', ['ConfigMap', 'Secret'], { 'spec.trackedConfig': [{ kind: 'Config' }] }),
  wrong('all Secrets tracked', { 'spec.trackedConfig': [{ kind: 'Secret' }] }, ['a Secret is tracked by its name'], { field: 'spec.trackedConfig[0]' }),
  wrong('one object tracked twice', { 'spec.trackedConfig': [{ kind: 'ConfigMap', name: 'app' }, { kind: 'ConfigMap', name: 'app' }] }, ['each object is named once']),
  wrong('all ConfigMaps tracked and one of them', { 'spec.trackedConfig': [{ kind: 'ConfigMap' }, { kind: 'ConfigMap', name: 'app' }] }, ['means all of them']),
  wrong('negative replicas', { 'spec.replicas': -1 }, ['-1', 'at least 0'], { admission: ['spec.replicas', '-1', 'greater than or equal to 0'] }),
  wrong('paused in words', { 'spec.paused': 'yes' }, ['"yes"', 'true or false'], { admission: ['spec.paused', 'boolean'] }),
]

export const wrongBackends: readonly Variant[] = [
  wrong('a backend of nothing', { 'spec.backends.stable': {} }, ['exactly one of the two']),
  wrong('a backend of both', { 'spec.backends.canary.service': 'reviews-v2' }, ['exactly one of the two'], { field: 'spec.backends.canary' }),
  wrong('a subset and a Service', { 'spec.backends.canary': { service: 'reviews-v2' } }, ['two Services or two subsets'], { field: 'spec.backends' }),
  wrong('subsets without host', { 'spec.backends.host': undefined }, ['give it with subsets'], { field: 'spec.backends' }),
  wrong('Services with host', { 'spec.backends': { host: 'reviews', ...services }, 'spec.traffic.istio.destinationRuleRef': undefined }, [
    'leave it out with Services',
  ]),
  wrong('one backend twice', { 'spec.backends.canary.subset': 'v1' }, ['name two different ones'], { field: 'spec.backends' }),
  absent('spec.backends.canary'),
  wrong('backends with a managed route', { 'spec.traffic': { istio: { managed: {} } } }, ['virtualServiceRefs'], spec),
  wrong('backends with a TrafficSplit', { 'spec.traffic': { smi: {} } }, ['virtualServiceRefs'], spec),
  wrong('backends with a managed HTTPRoute', { 'spec.traffic': { gatewayAPI: { managed: parents } }, 'spec.backends': services, ...measured }, ['routeRefs'], spec),
  wrong('backends without a mesh', { 'spec.traffic': { kubernetes: {} }, 'spec.steps': [{ weight: 100 }], ...measured }, ['virtualServiceRefs'], spec),
  wrong('subsets with the Gateway API', { 'spec.traffic': { gatewayAPI: { routeRefs: [{ kind: 'HTTPRoute', name: 'a' }] } }, ...measured }, ['subsets belong to traffic.istio'], spec),
  wrong('backends with a Service', { 'spec.service': { port: 80 } }, ['service belongs to workloadRef'], spec),
  wrong('a mode of no kind', { 'spec.mode': 'Watch' }, ['"Watch"', 'Release, Observe'], { admission: ['spec.mode', '"Watch"', '"Release", "Observe"'] }),
  wrong('backends with replicas', { 'spec.replicas': 3 }, ['replicas belongs to workloadRef'], spec),
  wrong('backends with history', { 'spec.revisionHistoryLimit': 3 }, ['revisionHistoryLimit belongs to workloadRef'], spec),
  wrong('backends with tracked configuration', { 'spec.trackedConfig': [{ kind: 'ConfigMap' }] }, ['trackedConfig belongs to workloadRef'], spec),
  wrong('backends with scale', { 'spec.steps[0].scale': 1 }, ['remove scale'], spec),
]

export const template = (): any => ({
  apiVersion: 'sluice.dev/v1alpha1', kind: 'MetricTemplate', metadata: { name: 'lag' },
  spec: { query: 'max(lag_seconds{namespace="{{namespace}}",pod=~"{{pods}}",queue="{{args.queue}}"})', unit: 's' },
})
export const wrongTemplates: readonly Variant[] = [
  absent('spec.query'),
  wrong('no query at all', { 'spec.query': '' }, ['at least 1'], { admission: ['spec.query'] }),
  wrong('endless query', { 'spec.query': 'x'.repeat(4097) }, ['at most 4096'], { admission: ['spec.query', '4096'] }),
  wrong('unknown placeholder', { 'spec.query': 'x{a="{{target}}"}' }, ['{{target}} is not known', 'namespace, rollout'], { admission: 'condition' }),
  wrong('placeholder outside of a string', { 'spec.query': 'x{{{args.a}}}' }, ['is no placeholder'], { admission: 'condition' }),
  wrong('long unit', { 'spec.unit': 'requests per minute' }, ['at most 16'], { admission: ['spec.unit', '16'] }),
  unknown('spec.provider', 'query'),
]
export const wrongRequests: readonly Variant[] = [
  wrong('unknown action', { 'spec.action': 'Stop' }, ['"Stop"', 'Abort'], { admission: ['spec.action', '"Stop"', '"Abort"'] }),
  wrong('promote without revision', { 'spec.revision': undefined }, ['revision is missing'], spec),
  wrong('abort with a step', { 'spec.action': 'Abort' }, ['step belongs to Promote and Approve'], spec),
  absent('spec.rolloutName'),
  unknown('spec.force', 'action'),
  wrong('reason too long', { 'spec.reason': 'a'.repeat(1025) }, ['at most 1024'], { admission: ['spec.reason', '1024'] }),
]
