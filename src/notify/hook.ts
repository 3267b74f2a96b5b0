/** Calls of hooks: the body that is sent, whose schema docs/hook.schema.json publishes, and what an answer means. */
import { z } from 'zod'
import type { HookAnswer, HookFacts } from '../rollout/hooks/call.ts'
import type { PlannedHook } from '../rollout/plan.ts'
import { clean, type Message } from './message.ts'
import { redirected, type Reply } from './post.ts'

const word = z.string()
const time = z.string().meta({ format: 'date-time' })
const metadata = z.record(word, word)
/** Fields may be added in later versions; none is taken away or changes its meaning under the same `type`. */
export const hookPayload = z
  .looseObject({
    type: z.string().regex(/^hook\.[A-Z][A-Za-z]*$/).describe('`hook.` and the point of the journey, for example `hook.BeforeRaise`.'),
    timestamp: time.describe('When this was asked for the first time, or when the outcome was; when it was sent is in the header `webhook-timestamp`.'),
    name: word.describe('The same as `data.rollout`, where the load tester of Flagger looks for it.'),
    namespace: word.describe('The same as `data.namespace`, likewise.'),
    phase: word.describe('The same as `data.phase`, likewise.'),
    metadata: metadata.describe('The same as `data.metadata`, likewise.'),
    data: z
      .looseObject({
        id: word.describe('The same as the header `webhook-id`, through all tries: what was begun for it need not be begun again.'),
        hook: word.describe('Name of the hook.'),
        when: word.describe('The point of the journey.'),
        cluster: word.optional().describe('What the administrator calls the cluster (`--cluster-name`).'),
        namespace: word.describe('Namespace of the Rollout.'),
        rollout: word.describe('Name of the Rollout.'),
        uid: word.describe('UID of the Rollout.'),
        phase: word.describe('Phase of the Rollout; after an outcome the outcome.'),
        journey: word.optional().describe('The journey; absent before it starts.'),
        revision: word.optional().describe('The revision that is tried.'),
        version: word.optional().describe('Tag or digest of its image.'),
        from: word.optional().describe('The revision that is stable.'),
        fromVersion: word.optional().describe('Tag or digest of its image.'),
        commit: word.optional().describe('Commit that the revision comes from, where a GitOps tool says so.'),
        step: z.object({ index: z.int().min(0), name: word.optional(), of: word.optional() }).optional().describe(
          'The step that is asked about, the one to enter or the one under way: its index from 0, its name, and `2/4`.',
        ),
        weight: z.number().min(0).max(100).describe('Percent of the traffic that the revision has.'),
        nextWeight: z.number().min(0).max(100).optional().describe('Percent that it would have.'),
        requests: z.object({ served: z.number().min(0), lost: z.number().min(0) }).optional().describe(
          'Requests that the revision has served and lost in this journey so far.',
        ),
        outcome: z.enum(['Promoted', 'RolledBack', 'Superseded', 'Withdrawn']).optional().describe('How the journey ended; only of `hook.AfterOutcome`.'),
        reason: word.optional().describe('Why, as one CamelCase word; likewise.'),
        message: word.optional().describe('One sentence for people; likewise.'),
        metadata: metadata.describe('`metadata` of the hook, as it is.'),
      })
      .describe('The facts; those that are unknown are absent.'),
  })
  .describe('A call of a hook of a Rollout.')
export type HookPayload = z.infer<typeof hookPayload>

/** The body to sign and to send. */
export function hookBody(id: string, { since, ...facts }: HookFacts, cluster: string | undefined): string {
  const { when, rollout, namespace, phase, metadata } = facts
  const data = { id, cluster, ...facts } as HookPayload['data']
  const body: HookPayload = { type: `hook.${when}`, timestamp: since, name: rollout, namespace, phase, metadata, data }
  return JSON.stringify(body)
}
/** The same for a hook that is told of an outcome. */
export function outcomeBody(hook: Pick<PlannedHook, 'name' | 'when' | 'metadata'>, { id, subject, note }: Message): string {
  const { cluster, namespace, name, uid } = subject
  const { type, at, journey, revision, version, from, fromVersion, commit, step, weight, requests, reason, message } = note
  const { metadata } = hook
  const body: HookPayload = {
    type: `hook.${hook.when}`, timestamp: at, name, namespace, phase: type, metadata,
    data: {
      id, hook: hook.name, when: hook.when, cluster, namespace, rollout: name, uid, phase: type, journey, revision, version, from, fromVersion, commit, step,
      weight: weight ?? (type === 'Promoted' ? 100 : 0), requests, outcome: type as HookPayload['data']['outcome'], reason, message, metadata,
    },
  }
  return JSON.stringify(body)
}

/** docs/hook.schema.json: JSON Schema, draft 2020-12. */
export function hookSchema(): string {
  return `${JSON.stringify({ title: 'Call of a hook of Sluice', ...z.toJSONSchema(hookPayload, { target: 'draft-2020-12', io: 'output' }) }, undefined, 2)}\n`
}

/** Statuses below 500 that are no word of the one who decides: the call did not get there, or it comes too often. */
const elsewhere = [401, 404, 405, 407, 408]
/** 2xx agrees, 4xx refuses with its text as the reason, 425 and 429 put it off; everything else is no answer. */
export function judged(reply: Reply, url: URL): HookAnswer {
  if (reply.state !== 'Answered') return { state: 'Error', message: reply.message }
  const { status, retryAfterMs } = reply
  const after = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (status >= 200 && status < 300) return { state: 'Agreed', message: `answered ${status}` }
  if (status >= 300 && status < 400) return { state: 'Error', message: redirected(url, status) }
  if (status === 425 || status === 429) return { state: 'Later', message: reasonOf(reply) ?? `it answered ${status}`, ...after }
  const said = `${url.host} answered ${status}`
  if (elsewhere.includes(status)) return { state: 'Error', message: `${said}: look whether the URL and the secret are still the right ones`, ...after }
  if (status < 500) return { state: 'Refused', message: reasonOf(reply) ?? `it answered ${status} and gave no reason`, ...after }
  return { state: 'Error', message: said, ...after }
}

/** Characters of a reason that are kept. */
const longest = 200
/** The text of an answer in one line: plain, or `reason`, `message` or `detail` of a JSON object. A page for a browser says nothing that belongs here. */
function reasonOf({ type, text }: Extract<Reply, { state: 'Answered' }>): string | undefined {
  const trimmed = text.trim()
  if (trimmed === '' || /html|xml/i.test(type) || trimmed.startsWith('<')) return undefined
  const words = trimmed.startsWith('{') ? wordsOf(trimmed) : trimmed
  if (words === undefined) return undefined
  // Cut between characters, never inside of one.
  const line = Array.from(clean(words).replaceAll('\ufffd', ' ').replace(/\s+/g, ' ').trim())
  return line.length === 0 ? undefined : line.length > longest ? `${line.slice(0, longest - 1).join('')}…` : line.join('')
}
function wordsOf(json: string): string | undefined {
  try {
    const { reason, message, detail } = JSON.parse(json) as Record<string, unknown>
    return [reason, message, detail].find((one): one is string => typeof one === 'string')
  } catch {
    return undefined
  }
}
