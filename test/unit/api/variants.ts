/** Wrong variants of right objects: each is refused by `validate` with field, value and remedy, and by a real API server where CEL can judge it. */
export interface Variant {
  readonly name: string
  /** Changes a right object into a wrong one. */
  readonly break: (object: any) => void
  /** Field of the problem. */
  readonly field: string
  /** What the message says beside the field: the value (where there is one) and the remedy. */
  readonly says: readonly string[]
  /** What the API server says. `condition`: it cannot judge this, so the controller says it. */
  readonly admission: readonly string[] | 'condition'
}

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
const both = (field: string, says: readonly string[], change: (object: any) => void, name: string, admission: Variant['admission'] = says): Variant => ({ name, break: change, field, says, admission })

export const wrongRollouts: readonly Variant[] = [
  both('spec.stpes', ['is no field', 'steps'], (o) => { o.spec.stpes = [] }, 'unknown field', ['unknown field "spec.stpes"']),
  both('spec.steps[0].wieght', ['is no field', 'weight'], (o) => { o.spec.steps[0].wieght = 5 }, 'unknown field in a list', ['unknown field "spec.steps[0].wieght"']),
  both('metadata.name', ['missing'], (o) => { delete o.metadata.name }, 'no name', ['name']),
  both('metadata.name', ['63'], (o) => { o.metadata.name = 'a'.repeat(64) }, 'name too long', ['metadata.name is too long', '63']),
  both('spec.workloadRef.name', ['missing'], (o) => { delete o.spec.workloadRef.name }, 'missing name of the workload', ['spec.workloadRef.name', 'Required']),
  both('spec.workloadRef.kind', ['"StatefulSet"', 'Deployment'], (o) => { o.spec.workloadRef.kind = 'StatefulSet' }, 'unknown kind', ['spec.workloadRef.kind', '"StatefulSet"', '"Deployment"']),
  both('spec.workloadRef.name', ['"Checkout"', 'lower-case'], (o) => { o.spec.workloadRef.name = 'Checkout' }, 'bad name'),
  both('spec', ['set service.name'], (o) => { o.spec.workloadRef.name = 'c'.repeat(57) }, 'name too long for doors'),
  both('spec', ['set service.name'], (o) => { o.spec.workloadRef.name = 'check.out' }, 'name that is no Service name'),
  both('spec.service.name', ['at most 56'], (o) => { o.spec.service.name = 'c'.repeat(57) }, 'service.name too long', ['spec.service.name', '56']),
  both('spec.service.port', ['70000', '65535'], (o) => { o.spec.service.port = 70_000 }, 'bad port'),
  both('spec.service.targetPort', ['"Not_A_Port"', 'name of a container port'], (o) => { o.spec.service.targetPort = 'Not_A_Port' }, 'bad target port', ['spec.service.targetPort', 'name of a container port']),
  both('spec', ['exactly one of workloadRef', 'backends'], (o) => { o.spec.backends = { stable: { service: 'a' }, canary: { service: 'b' } } }, 'workloadRef and backends'),
  both('spec', ['exactly one of workloadRef', 'backends'], (o) => { delete o.spec.workloadRef }, 'neither workloadRef nor backends'),
  both('spec', ['traffic is missing', 'istio'], (o) => { delete o.spec.traffic }, 'no traffic'),
  both('spec.traffic', ['exactly one of istio and smi'], (o) => { o.spec.traffic = {} }, 'traffic of nobody'),
  both('spec.traffic', ['exactly one of istio and smi'], (o) => { o.spec.traffic.smi = {} }, 'two unions'),
  both('spec.traffic.nginx', ['is no field', 'istio, smi'], (o) => { o.spec.traffic = { nginx: {} } }, 'unknown mesh', ['unknown field "spec.traffic.nginx"']),
  both('spec.traffic.istio', ['exactly one of managed'], (o) => { o.spec.traffic.istio = {} }, 'istio without a route'),
  both('spec.traffic.istio', ['exactly one of managed'], (o) => { o.spec.traffic.istio.virtualServiceRefs = [{ name: 'a' }] }, 'istio with two kinds of routes'),
  both('spec.traffic.istio.managed', ['no hosts and no gateways'], (o) => { o.spec.traffic.istio.managed = { delegate: true, hosts: ['a'] } }, 'delegate with hosts'),
  both('spec.traffic.istio.managed.timeout', ['"3 s"', duration], (o) => { o.spec.traffic.istio.managed.timeout = '3 s' }, 'bad time-out'),
  both('spec.traffic.istio.virtualServiceRefs', ['named once'], (o) => { o.spec.traffic = { istio: { virtualServiceRefs: [{ name: 'a' }, { name: 'a' }] } } }, 'a VirtualService twice'),
  both('spec.traffic.istio.virtualServiceRefs', ['at least 1'], (o) => { o.spec.traffic = { istio: { virtualServiceRefs: [] } } }, 'no VirtualService', ['spec.traffic.istio.virtualServiceRefs', 'at least 1']),
  both('spec', ['destinationRuleRef belongs to backends with subsets'], (o) => { o.spec.traffic.istio.destinationRuleRef = { name: 'a' } }, 'a DestinationRule without subsets'),
  both('spec.steps', ['missing'], (o) => { delete o.spec.steps }, 'no steps', ['spec.steps', 'Required']),
  both('spec.steps', ['at least 1'], (o) => { o.spec.steps = [] }, 'empty steps', ['spec.steps', 'at least 1']),
  both('spec.steps', ['at most 20'], (o) => { o.spec.steps = Array.from({ length: 21 }, () => ({ weight: 100 })) }, 'too many steps', ['spec.steps', '20']),
  both('spec.steps[0].weight', ['missing'], (o) => { delete o.spec.steps[0].weight }, 'step without weight', ['spec.steps[0].weight', 'Required']),
  both('spec.steps[0].weight', ['101', weight], (o) => { o.spec.steps[0].weight = 101 }, 'weight over 100', ['spec.steps[0].weight', weight]),
  both('spec.steps[0].weight', ['"100.5%"', weight], (o) => { o.spec.steps[0].weight = '100.5%' }, 'weight over 100 as a string', ['spec.steps[0].weight', weight]),
  both('spec.steps[0].weight', ['-1', weight], (o) => { o.spec.steps[0].weight = -1 }, 'weight below 0', ['spec.steps[0].weight', weight]),
  both('spec.steps[0].weight', ['0.5', weight], (o) => { o.spec.steps[0].weight = 0.5 }, 'weight as a fraction', ['spec.steps[0].weight', 'integer']),
  both('spec.steps[0].weight', ['"0.55%"', weight], (o) => { o.spec.steps[0].weight = '0.55%' }, 'weight with two decimals', ['spec.steps[0].weight', weight]),
  both('spec.steps[0].weight', ['"5"', weight], (o) => { o.spec.steps[0].weight = '5' }, 'weight without its sign', ['spec.steps[0].weight', weight]),
  both('spec.steps[0].weight', ['"five"', weight], (o) => { o.spec.steps[0].weight = 'five' }, 'weight in words', ['spec.steps[0].weight', weight]),
  both('spec.steps', ['weights never fall'], (o) => { o.spec.steps[1].weight = '4.9%' }, 'weights that fall'),
  both('spec.steps', ['add {weight: 100}'], (o) => { o.spec.steps.pop() }, 'last weight is not 100'),
  both('spec.steps', ['unique'], (o) => { o.spec.steps[0].name = o.spec.steps[1].name = 'a' }, 'two steps of one name'),
  both('spec.steps[0].hold', ['"5 minutes"', duration], (o) => { o.spec.steps[0].hold = '5 minutes' }, 'bad duration'),
  both('spec.steps[0].hold', ['"1.5h"', duration], (o) => { o.spec.steps[0].hold = '1.5h' }, 'duration with a fraction'),
  both('spec.steps[0].hold', ['5', 'string'], (o) => { o.spec.steps[0].hold = 5 }, 'duration without unit', ['spec.steps[0].hold', 'string']),
  both('spec.steps[0].scale', ['0', 'count of pods'], (o) => { o.spec.steps[0].scale = 0 }, 'scale of nothing', ['spec.steps[0].scale', 'count of pods']),
  both('spec.steps[0].scale', ['"half"', 'count of pods'], (o) => { o.spec.steps[0].scale = 'half' }, 'bad scale', ['spec.steps[0].scale', 'count of pods']),
  both('spec.steps[0].scale', ['"50.5%"', 'whole percent'], (o) => { o.spec.steps[0].scale = '50.5%' }, 'scale with a decimal', ['spec.steps[0].scale', 'whole percent']),
  both('spec.steps[1].scale', ['"10%"', 'at least 25%'], (o) => { o.spec.steps[1].scale = '10%' }, 'scale too small for the weight', 'condition'),
  both('spec.steps[0].approval', ['"after"', 'Before, After'], (o) => { o.spec.steps[0].approval = 'after' }, 'unknown approval', ['spec.steps[0].approval', '"after"', '"Before", "After"']),
  both('spec.analysis.interval', ['"0s"', 'at least 1s'], (o) => { o.spec.analysis.interval = '0s' }, 'interval of nothing'),
  both('spec.analysis.checks', ['at least 1'], (o) => { o.spec.analysis.checks = [] }, 'no checks', ['spec.analysis.checks', 'at least 1']),
  both('spec.analysis.checks[0]', ['successRate or latency'], (o) => { delete o.spec.analysis.checks[0].successRate }, 'check without a question'),
  both('spec.analysis.checks[0]', ['successRate or latency'], (o) => { o.spec.analysis.checks[0].latency = { percentile: 50, max: '1s' } }, 'check with two questions'),
  both('spec.analysis.checks[0].name', ['missing'], (o) => { delete o.spec.analysis.checks[0].name }, 'check without a name', ['spec.analysis.checks[0].name', 'Required']),
  both('spec.analysis.checks[1].name', ['"success"', 'unique'], (o) => { o.spec.analysis.checks[1].name = 'success' }, 'two checks of one name', ['spec.analysis.checks[1]', 'Duplicate', 'success']),
  both('spec.analysis.checks[0].successRate.min', ['"99"', '99.5%'], (o) => { o.spec.analysis.checks[0].successRate.min = '99' }, 'percentage without its sign'),
  both('spec.analysis.checks[0].successRate.min', ['99', 'string'], (o) => { o.spec.analysis.checks[0].successRate.min = 99 }, 'percentage as a number', ['spec.analysis.checks[0].successRate.min', 'string']),
  both('spec.analysis.checks[0].successRate.min', ['"101%"', '99.5%'], (o) => { o.spec.analysis.checks[0].successRate.min = '101%' }, 'percentage over 100'),
  both('spec.analysis.checks[0].successRate.min', ['"0%"', 'above 0%'], (o) => { o.spec.analysis.checks[0].successRate.min = '0%' }, 'percentage that never fails'),
  both('spec.analysis.checks[1].latency.max', ['"500"', '500ms'], (o) => { o.spec.analysis.checks[1].latency.max = '500' }, 'bad quantity'),
  both('spec.analysis.checks[1].latency.max', ['"0ms"', 'above 0'], (o) => { o.spec.analysis.checks[1].latency.max = '0ms' }, 'latency of nothing'),
  both('spec.analysis.checks[1].latency.percentile', ['100', 'less than 100'], (o) => { o.spec.analysis.checks[1].latency.percentile = 100 }, 'percentile of 100', ['spec.analysis.checks[1].latency.percentile', 'less than 100']),
  both('spec.analysis.checks[0].onFailure', ['"Abort"', 'Rollback, Hold, Report'], (o) => { o.spec.analysis.checks[0].onFailure = 'Abort' }, 'unknown action', ['spec.analysis.checks[0].onFailure', '"Abort"', '"Rollback", "Hold", "Report"']),
  both('spec.analysis.noData.action', ['"Rollback"', 'Hold, Fail, Pass'], (o) => { o.spec.analysis.noData = { action: 'Rollback' } }, 'unknown action without data', ['spec.analysis.noData.action', '"Rollback"', '"Hold", "Fail", "Pass"']),
  both('spec.schedule.windows[0].cron', ['"0 9 * *"', '0 9 * * 1-5'], (o) => { o.spec.schedule = { windows: [{ cron: '0 9 * *', duration: '7h' }] } }, 'bad cron'),
  both('spec.schedule.windows[0].cron', ['"0 25 * * *"', '0 9 * * 1-5'], (o) => { o.spec.schedule = { windows: [{ cron: '0 25 * * *', duration: '7h' }] } }, 'cron out of range', 'condition'),
  both('spec.schedule.windows[0].cron', ['"0 0 31 2 *"', '0 9 * * 1-5'], (o) => { o.spec.schedule = { windows: [{ cron: '0 0 31 2 *', duration: '7h' }] } }, 'cron that never comes', 'condition'),
  both('spec.schedule.windows[0].timeZone', ['"Europe/Berlinn"', 'Europe/Berlin'], (o) => { o.spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '7h', timeZone: 'Europe/Berlinn' }] } }, 'bad time zone', ['spec.schedule.windows[0].timeZone', 'unknown time zone Europe/Berlinn', 'for example Europe/Berlin']),
  both('spec.schedule.windows[0].timeZone', ['"+02:00"', 'Europe/Berlin'], (o) => { o.spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '7h', timeZone: '+02:00' }] } }, 'offset as time zone'),
  both('spec.schedule.windows[0].duration', ['"0s"', 'at least 1s'], (o) => { o.spec.schedule = { windows: [{ cron: '0 9 * * *', duration: '0s' }] } }, 'window of no length'),
  both('spec.dependsOn[0].name', ['"checkout"', 'another'], (o) => { o.spec.dependsOn = [{ name: 'checkout' }] }, 'depends on itself', ['dependsOn names this Rollout']),
  both('spec.onFailure', ['"Report"', 'Rollback, Hold'], (o) => { o.spec.onFailure = 'Report' }, 'a Rollout that only reports', ['spec.onFailure', '"Report"', '"Rollback", "Hold"']),
  both('spec.replicas', ['-1', 'at least 0'], (o) => { o.spec.replicas = -1 }, 'negative replicas', ['spec.replicas', '-1', 'greater than or equal to 0']),
  both('spec.paused', ['"yes"', 'true or false'], (o) => { o.spec.paused = 'yes' }, 'paused in words', ['spec.paused', 'boolean']),
]
export const wrongBackends: readonly Variant[] = [
  both('spec.backends.stable', ['exactly one of the two'], (o) => { o.spec.backends.stable = {} }, 'a backend of nothing'),
  both('spec.backends.canary', ['exactly one of the two'], (o) => { o.spec.backends.canary.service = 'reviews-v2' }, 'a backend of both'),
  both('spec.backends', ['two Services or two subsets'], (o) => { o.spec.backends.canary = { service: 'reviews-v2' } }, 'a subset and a Service'),
  both('spec.backends', ['give it with subsets'], (o) => { delete o.spec.backends.host }, 'subsets without host'),
  both('spec.backends', ['leave it out with Services'], (o) => { o.spec.backends = { host: 'reviews', stable: { service: 'a' }, canary: { service: 'b' } }; delete o.spec.traffic.istio.destinationRuleRef }, 'Services with host'),
  both('spec.backends', ['name two different ones'], (o) => { o.spec.backends.canary.subset = 'v1' }, 'one backend twice'),
  both('spec.backends.canary', ['missing'], (o) => { delete o.spec.backends.canary }, 'no canary', ['spec.backends.canary', 'Required']),
  both('spec', ['virtualServiceRefs'], (o) => { o.spec.traffic = { istio: { managed: {} } } }, 'backends with a managed route'),
  both('spec', ['virtualServiceRefs'], (o) => { o.spec.traffic = { smi: {} } }, 'backends with a TrafficSplit'),
  both('spec', ['service belongs to workloadRef'], (o) => { o.spec.service = { port: 80 } }, 'backends with a Service'),
  both('spec', ['replicas belongs to workloadRef'], (o) => { o.spec.replicas = 3 }, 'backends with replicas'),
  both('spec', ['revisionHistoryLimit belongs to workloadRef'], (o) => { o.spec.revisionHistoryLimit = 3 }, 'backends with history'),
  both('spec', ['remove scale'], (o) => { o.spec.steps[0].scale = 1 }, 'backends with scale'),
]
export const wrongRequests: readonly Variant[] = [
  both('spec.action', ['"Stop"', 'Abort'], (o) => { o.spec.action = 'Stop' }, 'unknown action', ['spec.action', '"Stop"', '"Abort"']),
  both('spec', ['revision is missing'], (o) => { delete o.spec.revision }, 'promote without revision'),
  both('spec', ['step belongs to Promote and Approve'], (o) => { o.spec.action = 'Abort' }, 'abort with a step'),
  both('spec.rolloutName', ['missing'], (o) => { delete o.spec.rolloutName }, 'no rollout', ['spec.rolloutName', 'Required']),
  both('spec.force', ['is no field', 'action'], (o) => { o.spec.force = true }, 'unknown field', ['unknown field "spec.force"']),
  both('spec.reason', ['at most 1024'], (o) => { o.spec.reason = 'a'.repeat(1025) }, 'reason too long', ['spec.reason', '1024']),
]
