/** The status of both resources: the controller's memory. Lengths and counts are far above what is written: they bound the object and never refuse a pass. */
import { z } from 'zod'
import { journeyDefaults } from './schema-defaults.ts'

export const phases = [
  'Blocked', 'Adopting', 'Idle', 'Waiting', 'Scaling', 'Shifting', 'Holding', 'AwaitingApproval', 'Flipping',
  'Closing', 'Draining', 'RolledBack', 'Held', 'Removing', 'Observing',
] as const
export type Phase = (typeof phases)[number]
/** How journeys of Sluice end. */
export const outcomes = ['Promoted', 'RolledBack', 'Superseded', 'Withdrawn'] as const
/** Of `mode: Observe`: what Sluice would have done with a release of another tool. */
export const observedOutcomes = ['WouldPromote', 'WouldRollBack', 'WouldHold', 'Undecided'] as const
const anyOutcome = z.enum([...outcomes, ...observedOutcomes])
export type Outcome = z.infer<typeof anyOutcome>
export const verdicts = ['Pass', 'Fail', 'NoData', 'Error'] as const

/** A name, an identity, a value with its unit. */
const word = z.string().max(1024)
/** A sentence for people, or an object as JSON. */
const sentence = z.string().max(32_768)
/** RFC 3339. */
const time = z.string().max(64)
const images = z.array(word).max(64).optional().describe('Images of its containers.')
const commit = word.optional().describe('Commit that it comes from, where a GitOps tool says so.')
const requests = z.object({
  served: z.number().describe('Requests that the canary answered.'),
  lost: z.number().describe('Requests that failed on the canary, or never arrived.'),
})

const condition = z.object({
  type: word.describe('Ready, Reconciling, Stalled, Promoted, or a fact about the service.'),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: word.describe('One CamelCase word.'),
  message: sentence.describe('One sentence, with the remedy where there is one.'),
  lastTransitionTime: time.describe('When `status` last changed.'),
  observedGeneration: z.int().optional().describe('Generation of the Rollout that this was said of.'),
})
const revisionStatus = z.object({
  revision: word.describe('Name of the revision.'),
  backend: word.optional().describe('With `backends`: the backend, without the hash of its template.'),
  images,
  commit,
  changedConfig: z.array(word).max(32).optional().describe('Of a canary: the tracked ConfigMaps and Secrets by whose content alone it differs from stable.'),
})
export const checkStatus = z.object({
  name: word.describe('Name of the check.'),
  verdict: z.enum(verdicts).describe('What the last evaluation said.'),
  value: word.optional().describe('What was measured, for people: `99.71%`, `212ms`.'),
  bound: word.describe('The bound of the check, for people.'),
  total: z.number().optional().describe('Requests in the window.'),
  bad: z.number().optional().describe('Bad ones among them.'),
  message: sentence.optional().describe('Why the verdict is what it is, or how long until there is one.'),
  failures: z.int().describe('Failing evaluations in a row that count.'),
  countedAt: time.optional().describe('When the last one of them was counted.'),
  countedBad: z.number().optional().describe('Bad requests at that time.'),
  since: time.describe('Since when the verdict is what it is.'),
  at: time.describe('When it was last evaluated.'),
})
export type CheckStatus = z.infer<typeof checkStatus>
export const journeyStatus = z.object({
  id: word.describe('Identity of the journey.'),
  since: z.int().describe('The sequence at which it was committed; a `closed-to` annotation of an older one closes nothing.'),
  startedAt: time.describe('When it started.'),
  direction: z.enum(['Out', 'Back']).describe('`Out`: towards the canary. `Back`: the way back to `previous` after a promotion.'),
  baseReplicas: z.int().describe('Wanted pods at its start: they never fall below it while it lasts.'),
  inputsHash: word.describe('Digest of backends, traffic, steps and analysis as the journey last saw them.'),
  defaults: journeyDefaults.optional().describe(
    'What unset fields mean to it, where the configuration of the controller said so when it began, or when its spec was last edited.',
  ),
  step: z.object({
    index: z.int().describe('Index of the step, from 0.'),
    name: word.optional().describe('Its name.'),
    of: word.optional().describe('Where it stands among all, for people: `2/4`.'),
    since: time.describe('When it was entered.'),
  }).describe('The step under way.'),
  weight: z.object({
    wanted: z.number().describe('Percent that was committed.'),
    seen: z.number().optional().describe('Percent that was read back in every route.'),
    seenAt: time.optional().describe('When it was first read back; the hold counts from here.'),
    measured: z.number().optional().describe('Percent of requests that reached the canary.'),
  }).describe('Share of traffic of the canary.'),
  readyAtRaise: z.int().optional().describe('Ready pods of the canary at the last raise.'),
  held: z.object({ reason: word, message: sentence, at: time }).optional().describe('Why a Held journey is held.'),
  closing: z
    .object({ outcome: z.enum(outcomes), reason: word, message: sentence, at: time, check: word.optional(), requestedBy: word.optional() })
    .optional()
    .describe('Why the journey is being closed, from the first pass that wanted it.'),
  countedSince: time.optional().describe('`weight.seenAt` of the evidence whose requests are in `requests` already.'),
  ended: z.object({ outcome: anyOutcome, reason: word, at: time }).optional().describe('How it ended; it stays until the next one starts.'),
  requests: requests.describe('What it has cost so far.'),
  observed: z
    .object({
      by: word.optional().describe('Who moves the weights, as far as the route says.'),
      takenAt: time.optional().describe('When the canary was seen to carry nothing any more.'),
      would: z
        .object({
          outcome: z.enum(['WouldPromote', 'WouldRollBack', 'WouldHold']),
          reason: word,
          message: sentence,
          at: time.describe('When Sluice would have done it.'),
          weight: z.number().describe('Percent that the canary carried then.'),
          check: word.optional(),
          value: word.optional(),
          bound: word.optional(),
          requests: requests.describe('What the canary had served and lost by then.'),
        })
        .optional()
        .describe('What Sluice would have done.'),
    })
    .optional()
    .describe('With `mode: Observe`: the release of another tool that is looked on.'),
})
export type JourneyStatus = z.infer<typeof journeyStatus>
export const note = z.object({
  id: word.describe('Identity: a note that is delivered twice has the same.'),
  type: word.describe('What happened, for example `Promoted`.'),
  at: time.describe('When.'),
  severity: z.enum(['Normal', 'Warning']),
  message: sentence.describe('One sentence for people.'),
  journey: word.optional().describe('The journey that it is about.'),
  reason: word.optional().describe('One CamelCase word.'),
  check: word.optional().describe('The check that decided.'),
  value: word.optional().describe('What it measured.'),
  bound: word.optional().describe('Its bound.'),
  weight: z.number().optional().describe('Percent of the canary at that time.'),
  revision: word.optional().describe('The revision that was tried.'),
  from: word.optional().describe('The revision that was stable.'),
  by: word.optional().describe('The person who asked for it.'),
  commit: word.optional().describe('Commit that the revision comes from.'),
  version: word.optional().describe('Tag of its image, or the beginning of its digest.'),
  fromVersion: word.optional().describe('The same of the revision that was stable.'),
  step: z.object({ index: z.int(), name: word.optional(), of: word.optional() }).optional().describe('The step at that time.'),
  requests: requests.optional().describe('What the journey had cost by then.'),
})
export type Note = z.infer<typeof note>
const answer = z.object({
  uid: word.describe('Identity of the request.'),
  name: word.describe('Its name.'),
  action: word.describe('What was asked.'),
  answer: z.enum(['Accepted', 'Refused']),
  message: sentence.describe('What was done, or why not.'),
  by: word.optional().describe('Who asked.'),
  verified: z.boolean().optional().describe('Whether the admission policy vouched for `by`.'),
  at: time.describe('When it was answered.'),
})
export const hookStates = ['Awaited', 'Agreed', 'Refused', 'Error'] as const
export const hookStatus = z.object({
  name: word.describe('Name of the hook.'),
  when: word.describe('The point at which it is called.'),
  moment: word.describe('What exactly it is asked about, for example a step; asked about another one it is a new call.'),
  id: word.describe('Identity of the call, the same through all tries: the header `webhook-id`.'),
  since: time.describe('Since when it is asked.'),
  state: z.enum(hookStates).describe('`Awaited`: no answer yet, or one that puts it off. `Error`: it does not answer, or not as one who decides.'),
  message: sentence.optional().describe('What it said, or what went wrong.'),
  at: time.optional().describe('Since when state and message are what they are.'),
})
export type HookStatus = z.infer<typeof hookStatus>
const journeyRecord = z.object({
  revision: word.describe('The revision that was tried.'),
  from: word.optional().describe('The revision that was stable.'),
  images,
  commit,
  outcome: anyOutcome,
  reason: word.describe('One CamelCase word.'),
  startedAt: time.describe('When it started.'),
  endedAt: time.describe('When it ended.'),
  requests: requests.describe('The price of the journey.'),
  observed: z
    .object({
      message: sentence.describe('What Sluice would have done, and how the other tool ended it.'),
      by: word.optional().describe('Who moved the weights.'),
      at: time.optional().describe('When Sluice would have done it.'),
      weight: z.number().optional().describe('Percent that the canary carried then.'),
      after: requests.optional().describe('What the canary served and lost after that.'),
    })
    .optional()
    .describe('With `mode: Observe`.'),
})
export const status = z.object({
  schema: z.int().describe('Version of this status; a controller that does not know it only takes traffic away.'),
  sequence: z.int().describe('Rises with every write, from the Unix time in milliseconds of the first: what the controller compares and sets.'),
  writtenAt: time.optional().describe('When this status was written.'),
  observedGeneration: z.int().describe('Generation of the Rollout that this status is about.'),
  observedWorkloadGeneration: z.int().optional().describe('Generation of the Deployment that this status is about.'),
  phase: z.enum(phases).describe('Where the Rollout stands.'),
  message: sentence.describe('What is awaited, and what a person could do.'),
  conditions: z
    .array(condition)
    .max(64)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .describe('Ready, Reconciling and Stalled as kstatus reads them, Promoted, and facts.'),
  replicas: z.int().optional().describe('Pods of the side with the greater share, for autoscalers.'),
  selector: z.string().max(8192).optional().describe('Label selector of these pods, for autoscalers.'),
  stable: revisionStatus.optional().describe('The proven revision.'),
  canary: revisionStatus.optional().describe('The revision that is tried.'),
  previous: z
    .object({ revision: word, images, commit, warmUntil: time.describe('Until when its pods stay ready.') })
    .optional()
    .describe('The revision before the last promotion.'),
  failed: z
    .array(z.object({ revision: word, reason: word, message: sentence, at: time }))
    .max(16)
    .describe('Revisions that were taken back; each waits for a Retry.'),
  journey: journeyStatus.optional().describe('The journey under way, or the last one.'),
  checks: z.array(checkStatus).max(32).describe('The checks of this step.'),
  hooks: z.array(hookStatus).max(64).optional().describe('Calls that the journey waits for, or has waited for in this step.'),
  approved: z.object({ revision: word, step: z.int() }).optional().describe(
    'The last approval: of which revision, and up to which step; `-1` is the start of the journey.',
  ),
  promoted: z.object({ revision: word, step: z.int() }).optional().describe('The last promotion by a person: of which revision, and up to which step.'),
  paused: z.object({ at: time, by: word.optional() }).optional().describe("A person's pause by request; `spec.paused` is the other way."),
  redirected: z
    .array(z.object({ route: word, name: word, original: sentence }))
    .max(128)
    .describe('Canary-only routes that lead to stable for now, with what to put back.'),
  resets: z.array(time).max(32).describe('When a GitOps tool set weights back in the middle of the journey.'),
  requests: z.array(answer).max(64).describe('Requests of people that were answered.'),
  decisions: z.array(z.object({ at: time, decision: word, why: sentence })).max(32).describe('The last decisions.'),
  history: z.array(journeyRecord).max(32).describe('The last journeys.'),
  outbox: z.array(note).max(64).describe('Notes that are not delivered yet.'),
  writer: word.describe('Identity of the controller that wrote this.'),
})
export type RolloutStatus = z.infer<typeof status>
export type Condition = z.infer<typeof condition>

export const requestStatus = z.object({
  state: z.enum(['Accepted', 'Refused']).describe('The answer.'),
  message: sentence.describe('What was done, or why not.'),
  at: time.describe('When it was answered.'),
  verified: z.boolean().optional().describe('Whether the admission policy vouched for `requestedBy`.'),
})
export type RequestStatus = z.infer<typeof requestStatus>
