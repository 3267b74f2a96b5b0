/** The API of Sluice as one zod schema: the source of types, messages, `crds/*.yaml` and `docs/api.md`. Defaults live in plan.ts, their description here. */
import { z } from 'zod'
import { dataPlanes, telemetries } from '../analysis/telemetry.ts'
import { exactlyOne, named, ruled } from './rule.ts'
import * as scalar from './scalars.ts'
import { notifications } from './schema-channel.ts'
import { patience } from './schema-defaults.ts'
import { prometheusCheck } from './schema-template.ts'
import { hooks } from './schema-hooks.ts'
import {
  backendsRules, managedRules, parentRefsRules, requestRules, routeRefsRules, specRules, stepsRules, trackedConfigRules, trackedRules, virtualServiceRefsRules,
} from './spec-rules.ts'

export * from './schema-channel.ts'
export * from './schema-defaults.ts'
export * from './schema-hooks.ts'
export * from './schema-status.ts'
export * from './schema-template.ts'

const { name, duration, positiveDuration, objectName, serviceName, host } = scalar
const count = (least: number, most: number) => z.int().min(least).max(most)

export const workloadRef = z.strictObject({
  apiVersion: z.literal('apps/v1').optional().describe('API version of the workload. Default `apps/v1`.'),
  kind: z.literal('Deployment').describe('Kind of the workload.'),
  name: scalar.shortObjectName.describe('Name of the Deployment, in the namespace of the Rollout.'),
})
const arm = {
  service: serviceName.optional().describe('A Service whose pods are this side of the split. Routes name it as destination.'),
  subset: name.optional().describe('A subset of `host`, as a DestinationRule defines it.'),
}
const oneArm = exactlyOne<{ service?: string; subset?: string }>(['service', 'subset'],
  'a backend is either a service or a subset of host: give exactly one of the two')
export const backend = ruled(z.strictObject(arm), oneArm)
export const canaryBackend = ruled(
  z.strictObject({
    ...arm,
    workloadRef: workloadRef.optional().describe(
      'The Deployment behind the canary. With it, a change of its pod template while the canary carries no traffic starts a journey, and '
        + 'readiness means that its rollout is complete. Without it only a new backend starts one.',
    ),
  }),
  oneArm,
)
export const backends = ruled(
  z.strictObject({
    host: host.optional().describe(
      'The host of which `stable` and `canary` are subsets, as the routes name it. Required with subsets; not used with Services.',
    ),
    stable: backend.describe('The proven side.'),
    canary: canaryBackend.describe('The side that is tried. A journey starts when it changes to a backend that was neither side.'),
  }),
  ...backendsRules,
)
export const service = z.strictObject({
  name: scalar.doorName.optional().describe(
    'Name of the Service that clients call; `<name>-stable` and `<name>-canary` stand beside it. Default: the name of the workload. Where it '
    + 'does not exist Sluice makes it; where it exists it is never edited.',
  ),
  port: count(1, 65535).optional().describe('Port of the Service. Needed where the Service does not exist yet; where it does, its own ports are used.'),
  targetPort: scalar.targetPort.optional().describe('Port of the container, by number or name. Default: `port`.'),
  appProtocol: z.string().min(1).max(63).optional().describe(
    'Protocol of the port, for example `http`, `http2`, `grpc`. Default: none, and the port is named `http`.',
  ),
})
export const managedIstio = ruled(
  z.strictObject({
    hosts: z.array(scalar.anyHost).min(1).max(16).optional().describe('Hosts of the VirtualService. Default: the fully qualified name of the Service.'),
    gateways: z.array(scalar.gateway).min(1).max(16).optional().describe('Gateways of the VirtualService; `mesh` stands for the sidecars. Default `[mesh]`.'),
    timeout: scalar.timeout.optional().describe('Time-out of a request. Default: none.'),
    retries: z
      .strictObject({
        attempts: count(0, 100).describe('How often a failed request is tried again.'),
        perTryTimeout: scalar.timeout.optional().describe('Time-out of one attempt. Default: the time-out of the request.'),
      })
      .optional()
      .describe('Retries of failed requests. Default: what the mesh does by itself.'),
    delegate: z.boolean().optional().describe(
      'Makes a delegate VirtualService, without hosts and gateways, to which your own refers: then nothing is shared between Git and Sluice. '
      + 'Default `false`.',
    ),
  }),
  ...managedRules,
)
export const virtualServiceRef = z.strictObject({
  name: objectName.describe('Name of the VirtualService.'),
  namespace: name.optional().describe(
    'Its namespace. Default: that of the Rollout. Another one must grant it, by the annotation `sluice.dev/allow-from: <namespace of the '
    + 'Rollout>` on the VirtualService or a ReferenceGrant.',
  ),
  routes: z.array(z.string().min(1).max(253)).min(1).max(32).optional().describe(
    'Names of the http routes to split. Default: every http route in which both sides are destinations; such routes need no name.',
  ),
  canaryOnlyRoutes: z.enum(['Leave', 'RedirectOnRollback']).optional().describe(
    'What happens on a rollback to routes that lead somebody to the canary whatever the weight: `Leave` them and say so in a condition '
      + '(default), or `RedirectOnRollback` to stable until the next journey.',
  ),
})
export const istio = ruled(
  z.strictObject({
    managed: managedIstio.optional().describe('Sluice makes and owns the VirtualService `<name>`.'),
    virtualServiceRefs: ruled(z.array(virtualServiceRef).min(1).max(8), ...virtualServiceRefsRules).optional().describe(
      'Your own VirtualServices, in which Sluice changes the weights of the two sides and nothing else.',
    ),
    destinationRuleRef: z
      .strictObject({
        name: objectName.describe('Name of the DestinationRule.'),
        namespace: name.optional().describe('Its namespace. Default: that of the Rollout.'),
      })
      .optional()
      .describe('The DestinationRule that defines the two subsets. Default: the one for `backends.host`. Only with subsets.'),
  }),
  exactlyOne(['managed', 'virtualServiceRefs'],
    'give exactly one of managed (Sluice makes the VirtualService) and virtualServiceRefs (it changes weights in yours)'),
)
export const smi = z.strictObject({})
export const kubernetes = z.strictObject({})
const otherNamespace = (object: string) =>
  'Its namespace. Default: that of the Rollout. Another one must grant it, by the annotation `sluice.dev/allow-from: <namespace of the Rollout>` '
  + `on the ${object} or a ReferenceGrant.`
const routeKind = z.enum(['HTTPRoute', 'GRPCRoute'])
export const parentRef = z.strictObject({
  kind: z.enum(['Gateway', 'Service']).optional().describe('`Gateway`, or `Service` for the callers in a mesh that serves the Gateway API. Default `Gateway`.'),
  name: objectName.describe('Name of the Gateway or Service.'),
  namespace: name.optional().describe('Its namespace. Default: that of the Rollout.'),
  sectionName: objectName.optional().describe('A listener of the Gateway. Default: all that take the route.'),
  port: count(1, 65535).optional().describe('A port of the Gateway or Service. Needed of a Service with several ports. Default: all.'),
})
export const managedGatewayAPI = z.strictObject({
  kind: routeKind.optional().describe('Kind of the route that Sluice makes. Default `HTTPRoute`.'),
  parentRefs: ruled(z.array(parentRef).min(1).max(8), ...parentRefsRules).describe('The Gateways or Services that shall serve the route. Each must accept it before any weight rises.'),
  hostnames: z.array(scalar.anyHost).min(1).max(16).optional().describe('Hostnames of the route. Default: none, so that every host of the parents is taken.'),
})
export const routeRef = z.strictObject({
  kind: routeKind.describe('Kind of the route.'),
  name: objectName.describe('Name of the route.'),
  namespace: name.optional().describe(otherNamespace('route')),
  rules: z.array(scalar.ruleName).min(1).max(16).optional().describe(
    'Rules to split, each by its name or by its index, the first one being `"0"`. Default: every rule in which both sides are backendRefs.',
  ),
  canaryOnlyRoutes: z.enum(['Leave', 'RedirectOnRollback']).optional().describe(
    'What happens on a rollback to rules that lead somebody to the canary whatever the weight: `Leave` them and say so in a condition '
      + '(default), or `RedirectOnRollback` to stable until the next journey.',
  ),
})
export const gatewayAPI = ruled(
  z.strictObject({
    managed: managedGatewayAPI.optional().describe(
      'Sluice makes and owns the route `<name>`. It goes with the Rollout: callers in a mesh then reach the Service as it is, '
      + 'those of a Gateway need a route of your own.',
    ),
    routeRefs: ruled(z.array(routeRef).min(1).max(8), ...routeRefsRules).optional().describe(
      'Your own routes, in which Sluice changes the weights of the two sides and nothing else.',
    ),
  }),
  exactlyOne(['managed', 'routeRefs'], 'give exactly one of managed (Sluice makes the route) and routeRefs (it changes weights in yours)'),
)
export const traffic = ruled(
  z.strictObject({
    istio: istio.optional().describe('Istio: VirtualServices.'),
    smi: smi.optional().describe(
      'Linkerd, by the SMI extension: Sluice makes and owns the TrafficSplit `<name>` with the Service `<name>` as its apex. Write `smi: {}`.',
    ),
    gatewayAPI: gatewayAPI.optional().describe(
      'The Gateway API: HTTPRoutes and GRPCRoutes of a Gateway, whoever implements it, or of a Service in a mesh (Linkerd, waypoints of Istio).',
    ),
    kubernetes: kubernetes.optional().describe(
      'No mesh, blue/green: Sluice makes and owns the Service `<name>`, which leads to one version at a time. Steps have weight 0 (a preview behind '
      + '`<name>-canary`) or 100 (the switch). Write `kubernetes: {}`.',
    ),
  }),
  exactlyOne(['istio', 'smi', 'gatewayAPI', 'kubernetes'], 'exactly one of istio, smi, gatewayAPI and kubernetes says who moves the requests'),
)
export const step = z.strictObject({
  name: name.optional().describe('Name for people, requests and notifications; unique among the steps.'),
  weight: scalar.weight.describe(
    'Share of traffic of the canary in percent: a whole number, or a string with at most one decimal such as `0.5%`. Never less than that of '
    + 'the step before; the last one is 100.',
  ),
  hold: duration.optional().describe(
    'How long the step lasts at least, from when the split was seen in the mesh and had time to propagate. Default: five scrapes of the metric '
    + 'source, which is what its evidence needs.',
  ),
  scale: scalar.scale.optional().describe(
    'Pods of the canary in this step, as a count or as percent of the wanted count, where that is more than its share needs. Percent below the '
    + 'weight is refused. Default: the share of the wanted count, at least one pod.',
  ),
  approval: z.enum(['Before', 'After']).optional().describe('A person must approve `Before` this step begins, or `After` its hold. Default: nobody needs to.'),
}).meta({ 'x-kubernetes-validations': scalar.stepRules })
export const check = ruled(
  z.strictObject({
    name: name.describe('Name of the check; unique.'),
    successRate: z.strictObject({ min: scalar.percent.describe('At least this share of requests must succeed, for example `99.5%`.') }).optional().describe(
      'Share of requests that did not fail: answered without 5xx or a failing gRPC status, and having arrived.',
    ),
    latency: z
      .strictObject({
        percentile: z.number().gt(0).lt(100).describe('Percentile, for example `99` or `99.9`.'),
        max: scalar.latency.describe('It must be at most this, for example `500ms` or `0.5s`. Best a bucket of the histogram of the mesh.'),
      })
      .optional()
      .describe('A percentile of the duration of requests.'),
    prometheus: prometheusCheck.optional().describe(
      'A query of your own, from a MetricTemplate: its value must keep within `min` and `max`. It has no counts: `minRequests` does not apply, nor do two windows.',
    ),
    failureLimit: count(0, 100).optional().describe('Failed evaluations in a row that are tolerated. Default: `analysis.failureLimit`.'),
    minRequests: count(1, 1_000_000).optional().describe('Requests below which the check says nothing. Default: `analysis.minRequests`.'),
    onFailure: z.enum(['Rollback', 'Hold', 'Report']).optional().describe(
      'What a failing verdict does: take the canary back, hold the journey, or only say so. Default: `onFailure` of the Rollout.',
    ),
  }),
  exactlyOne<{ successRate?: unknown; latency?: unknown; prometheus?: unknown }>(['successRate', 'latency', 'prometheus'],
    'a check asks exactly one question: successRate, latency or prometheus'),
  {
    cel: '!(has(self.prometheus) && has(self.minRequests))',
    message: 'minRequests belongs to successRate and latency: a query of your own has no counts; remove it',
    holds: (one: { prometheus?: unknown; minRequests?: unknown }) => one.prometheus === undefined || one.minRequests === undefined,
  },
)
export const analysis = z.strictObject({
  telemetry: z.enum(telemetries).optional().describe(
    `Whose metrics are read: ${telemetries.map((one) => `\`${one}\` (${dataPlanes[one].says})`).join(', ')}. Default: those of the mesh in \`traffic\`; `
    + 'required with `gatewayAPI`, which does not say who implements it, and with `kubernetes`, which measures nothing.',
  ),
  sourceRef: z
    .strictObject({ name: name.describe('Name of the source, as the configuration file of the controller has it.') })
    .optional()
    .describe('The metric source that is asked. Default: the one that is named `default`, as `--prometheus` defines it.'),
  interval: positiveDuration.optional().describe('Time between two evaluations. Default: two scrapes of the metric source.'),
  failureLimit: count(0, 100).optional().describe('Failed evaluations in a row that are tolerated before a verdict is Fail. Default `1`.'),
  minRequests: count(1, 1_000_000).optional().describe('Requests of the canary in the window below which a check says nothing. Default `30`.'),
  noData: patience.optional().describe('What to do while there are no series, or too few requests. Default `{action: Hold, deadline: 15m}`.'),
  sourceError: patience.optional().describe('What to do while the metric source does not answer. Default `{action: Hold, deadline: 5m}`.'),
  checks: named(check, 16).describe('The questions; every one must pass before a step is left.'),
})
export const window = z.strictObject({
  cron: scalar.cron.describe(
    'When the window opens: minute, hour, day, month, weekday. A time that the clock skips opens at the next hour; one that it repeats opens '
    + 'once.',
  ),
  duration: positiveDuration.describe('How long it stays open.'),
  timeZone: scalar.timeZone.optional().describe('IANA time zone of `cron`. Default `Etc/UTC`.'),
})
export const tracked = ruled(
  z.strictObject({
    kind: z.enum(['ConfigMap', 'Secret']).describe('Kind of the object.'),
    name: objectName.optional().describe(
      'Its name, in the namespace of the Rollout. Required of a Secret, which the controller reads only where a Role grants exactly this one. Default: every '
      + 'ConfigMap that the template names.',
    ),
  }),
  ...trackedRules,
)
export const spec = ruled(
  z.strictObject({
    workloadRef: workloadRef.optional().describe(
      'The Deployment whose pod template is released. Each version of it runs as a Deployment of its own, made by Sluice. Exactly one of '
      + '`workloadRef` and `backends`.',
    ),
    backends: backends.optional().describe(
      'Two existing Services, or two subsets of one host. Sluice moves only the weights of your own routes between them. Exactly one of '
      + '`workloadRef` and `backends`.',
    ),
    trackedConfig: ruled(z.array(tracked).min(1).max(32), ...trackedConfigRules).optional().describe(
      'ConfigMaps and Secrets that are part of a version: a change of their content is released like a change of the template, and each version reads '
      + 'immutable copies of its own. Default: none, and every version reads the objects as they are. Only with `workloadRef`.',
    ),
    mode: z.enum(['Release', 'Observe']).optional().describe(
      '`Observe`: another tool, or a person, moves the weights between `backends`; Sluice writes nothing but its status, and tells what it would have done. '
      + 'Default `Release`. `Observe` only with `backends`.',
    ),
    replicas: count(0, 100_000).optional().describe(
      'Wanted pods of the service. Leave it out where an autoscaler scales this Rollout. Default: the count of the Deployment at adoption. '
      + 'Only with `workloadRef`.',
    ),
    service: service.optional().describe('The Service that clients call. Only with `workloadRef`.'),
    traffic: traffic.optional().describe('Who moves the requests. Required: no mesh is assumed.'),
    steps: ruled(z.array(step).min(1).max(20), ...stepsRules).describe('The way to 100 %.'),
    analysis: analysis.optional().describe('What is measured. Without it a journey rests on readiness, holds and approvals alone.'),
    schedule: z
      .strictObject({ windows: z.array(window).min(1).max(20).describe(
        'Times in which a journey may start. One that is under way when the window closes goes on.',
      ) })
      .optional()
      .describe('When a journey may start. Default: at any time.'),
    dependsOn: named(z.strictObject({ name: scalar.shortObjectName.describe('Name of the other Rollout, in the same namespace.') }), 16)
      .optional()
      .describe('Rollouts that must have no journey under way before one of this starts.'),
    progressDeadline: positiveDuration.optional().describe(
      'How long getting ready, or a write, may take before the journey fails. Waiting for requests is not counted. Default `10m`.',
    ),
    onFailure: z.enum(['Rollback', 'Hold']).optional().describe(
      'What a failing check does: take the canary back, or hold the journey for a person. Default `Rollback`.',
    ),
    notifications: notifications.optional().describe('Through which NotificationChannels what is told. Default: Kubernetes events and log lines only.'),
    hooks: hooks.optional().describe('Other systems that are asked, started or told on the way of a release. None of them can hold up taking traffic away.'),
    retainStable: duration.optional().describe('How long after a promotion the version before it stays ready for a way back in seconds. Default `30m`.'),
    revisionHistoryLimit: count(0, 100).optional().describe('Old versions that are kept, without pods. Default `3`. Only with `workloadRef`.'),
    deletionPolicy: z.enum(['Restore', 'Orphan']).optional().describe(
      'When the Rollout is deleted: `Restore` the service as it was before Sluice, serving the proven version, or leave everything as it is. '
      + 'Default `Restore`.',
    ),
    paused: z.boolean().optional().describe('No journey starts and no weight rises while true; checks and rollback go on. Default `false`.'),
  }),
  ...specRules,
)
export type RolloutSpec = z.infer<typeof spec>

export const requestActions = ['Promote', 'Abort', 'Approve', 'Retry', 'Pause', 'Resume', 'Rollback'] as const
export type RequestAction = (typeof requestActions)[number]
export const requestSpec = ruled(
  z.strictObject({
    rolloutName: scalar.shortObjectName.describe('Name of the Rollout, in the same namespace.'),
    action: z.enum(requestActions).describe(
      '`Promote`: leave the step now, in place of its hold, its approval, missing data and hooks that do not answer. `Approve`: the approval that a step waits for. '
        + '`Abort`: take the canary back. `Retry`: try a failed version again. `Pause`, `Resume`. `Rollback`: back to the version before the '
        + 'last promotion.',
    ),
    revision: z.string().min(1).max(253).optional().describe(
      'The revision that the person saw: the request is refused where another one is meant by now. Required but for `Abort` and `Pause`.',
    ),
    step: z.int().min(-1).max(19).optional().describe('The step that a `Promote` or `Approve` is meant for, by index from 0; `-1` means the last one.'),
    reason: z.string().max(1024).optional().describe('Why, for the record.'),
    requestedBy: z.string().min(1).max(512).optional().describe('Who asks. With the admission policy installed it must be the caller.'),
  }),
  ...requestRules,
)
export type RequestSpec = z.infer<typeof requestSpec>
