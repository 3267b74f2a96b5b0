/** Messages for any receiver, as the payloads of Standard Webhooks: `{type, timestamp, data}`. The schema here is what docs/webhook.schema.json publishes. */
import { z } from 'zod'
import type { Message } from './message.ts'

const word = z.string()
const time = z.string().meta({ format: 'date-time' })
/** Fields may be added in later versions; none is taken away or changes its meaning under the same `type`. */
export const payload = z
  .looseObject({
    type: z.string().regex(/^rollout\.[A-Z][A-Za-z]*$/).describe(
      '`rollout.` and what happened, for example `rollout.RolledBack`; `rollout.Test` for test messages.',
    ),
    timestamp: time.describe('When it happened; when it was sent is in the header `webhook-timestamp`.'),
    data: z
      .looseObject({
        id: word.describe('The same as the header `webhook-id`: a message that is delivered twice has the same.'),
        cluster: word.optional().describe('What the administrator calls the cluster (`clusterName` of the configuration file, or `--cluster-name`).'),
        namespace: word.describe('Namespace of the Rollout.'),
        rollout: word.describe('Name of the Rollout.'),
        uid: word.describe('UID of the Rollout.'),
        severity: z.enum(['Normal', 'Warning']).describe('Whether a person should look.'),
        title: word.describe('What happened, in a few words.'),
        message: word.describe('One sentence for people.'),
        journey: word.optional().describe('The journey that it is about; messages of one journey arrive in order.'),
        revision: word.optional().describe('The revision that was tried.'),
        version: word.optional().describe('Tag or digest of its image.'),
        from: word.optional().describe('The revision that was stable.'),
        fromVersion: word.optional().describe('Tag or digest of its image.'),
        commit: word.optional().describe('Commit that the revision comes from, where a GitOps tool says so.'),
        step: z.object({ index: z.int().min(0), name: word.optional(), of: word.optional() }).optional().describe(
          'The step: its index from 0, its name, and `2/4`.',
        ),
        weight: z.number().min(0).max(100).optional().describe('Percent of the traffic that the revision had.'),
        reason: word.optional().describe('One CamelCase word.'),
        check: z.object({ name: word, value: word.optional(), bound: word.optional() }).optional().describe(
          'The check that decided, what it measured, and its bound.',
        ),
        requests: z.object({ served: z.number().min(0), lost: z.number().min(0) }).optional().describe(
          'Requests that the revision has served and lost in this journey so far.',
        ),
        by: word.optional().describe('The person who asked for it.'),
        next: z.array(z.object({ command: word, purpose: word })).describe('What a person would type next.'),
      })
      .describe('The facts; those that are unknown are absent.'),
  })
  .describe('A message of Sluice about a Rollout.')
export type Payload = z.infer<typeof payload>

/** The body to sign and to send. */
export function webhookBody({ id, subject, note, title, next }: Message): string {
  const { type, at, severity, message, journey, revision, version, from, fromVersion, commit, step, weight, reason, requests, by } = note
  const { cluster, namespace, name, uid } = subject
  const check = note.check === undefined ? undefined : { name: note.check, value: note.value, bound: note.bound }
  const body: Payload = {
    type: `rollout.${type}`,
    timestamp: at,
    data: {
      id, cluster, namespace, rollout: name, uid, severity, title, message, journey,
      revision, version, from, fromVersion, commit, step, weight, reason, check, requests, by, next: [...next],
    },
  }
  return JSON.stringify(body)
}

/** docs/webhook.schema.json: JSON Schema, draft 2020-12. */
export function webhookSchema(): string {
  return `${JSON.stringify({ title: 'Message of Sluice', ...z.toJSONSchema(payload, { target: 'draft-2020-12', io: 'output' }) }, undefined, 2)}\n`
}
