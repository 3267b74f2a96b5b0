/** What an administrator may let unset fields of all Rollouts mean. Part of the configuration file, and of the status of a journey that began under it. */
import { z } from 'zod'
import * as scalar from './scalars.ts'

const { duration, positiveDuration, timeZone } = scalar
const count = (least: number, most: number) => z.int().min(least).max(most)

export const patience = z.strictObject({
  action: z.enum(['Hold', 'Fail', 'Pass']).optional().describe(
    '`Hold`: wait, and after the deadline the journey ends in phase Held, not in a rollback. `Fail`: after the deadline as if the check had '
    + 'failed. `Pass`: after the deadline as if it had passed. Default `Hold`.',
  ),
  deadline: positiveDuration.optional().describe('How long this may last.'),
})
const onFailure = z.enum(['Rollback', 'Hold'])
const analysisDefaults = z.strictObject({
  interval: positiveDuration.optional().describe('Time between two evaluations. Default: two scrapes of the metric source.'),
  failureLimit: count(0, 100).optional().describe('Failed evaluations in a row that are tolerated. Default `1`.'),
  minRequests: count(1, 1_000_000).optional().describe('Requests of the canary in the window below which a check says nothing. Default `30`.'),
  noData: patience.optional().describe('While there are no series, or too few requests. Default `{action: Hold, deadline: 15m}`.'),
  sourceError: patience.optional().describe('While the metric source does not answer. Default `{action: Hold, deadline: 5m}`.'),
})

/** What a journey is judged by: it keeps those with which it began. */
export const journeyDefaults = z.strictObject({
  analysis: analysisDefaults.optional().describe('Of `spec.analysis`.'),
  progressDeadline: positiveDuration.optional().describe('How long getting ready, or a write, may take before the journey fails. Default `10m`.'),
  onFailure: onFailure.optional().describe('What a failing check does. Default `Rollback`.'),
})
export type JourneyDefaults = z.infer<typeof journeyDefaults>

/** All of them. */
export const rolloutDefaults = z.strictObject({
  ...journeyDefaults.shape,
  schedule: z
    .strictObject({ timeZone: timeZone.optional().describe('IANA time zone of release windows that name none. Default `Etc/UTC`.') })
    .optional()
    .describe('Of `spec.schedule`.'),
  retainStable: duration.optional().describe('How long after a promotion the version before it stays ready for a way back in seconds. Default `30m`.'),
  revisionHistoryLimit: count(0, 100).optional().describe('Old versions that are kept, without pods. Default `3`.'),
  deletionPolicy: z.enum(['Restore', 'Orphan']).optional().describe('What happens when a Rollout is deleted. Default `Restore`.'),
})
export type RolloutDefaults = z.infer<typeof rolloutDefaults>
