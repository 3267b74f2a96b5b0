/** `hooks` of a Rollout: other systems that are asked, started or told on the way of a release. */
import { z } from 'zod'
import { hookPoints, pointOf, whens, type When } from './hooks/index.ts'
import { parseDuration } from './duration.ts'
import { named, ruled, text, type Rule } from './rule.ts'
import { name, positiveDuration } from './scalars.ts'
import { secretKeyRef, url } from './schema-channel.ts'

/** The longest `timeout` in ms: a hook that works for longer answers 425 and is asked again. */
const longestTimeoutMs = 60_000
const timeout = text('^([0-9]{1,5}(h|m|s|ms)){1,4}$', 28, 'is no duration: write for example 10s', {
  cel: "!self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') || (duration(self) >= duration('1s') && duration(self) <= duration('60s'))",
  message: 'is out of range: write from 1s to 60s; what takes longer answers 425 and is asked again',
  quote: true,
  holds: (value) => {
    const ms = parseDuration(value) ?? 1000
    return ms >= 1000 && ms <= longestTimeoutMs
  },
})

interface Hook { when: When; deadline?: unknown; onFailure?: unknown }
const listed = (kinds: readonly string[]) => hookPoints.filter(({ kind }) => kinds.includes(kind)).map(({ when }) => when)
const among = (whens: readonly string[]) => `[${whens.map((when) => `'${when}'`).join(', ')}]`
const [evidence, asked] = [listed(['Evidence']), listed(['Gate', 'Evidence'])]
const rules: readonly Rule<Hook>[] = [
  {
    cel: `!has(self.onFailure) || self.when in ${among(evidence)}`,
    message: `onFailure belongs to ${evidence.join(', ')}: a refusal of any other hook keeps the journey where it is; remove it`,
    holds: ({ when, onFailure }) => onFailure === undefined || pointOf(when)?.kind === 'Evidence',
  },
  {
    cel: `!has(self.deadline) || self.when in ${among(asked)}`,
    message: `deadline belongs to ${asked.join(', ')}: nothing waits for any other hook; remove it`,
    holds: ({ when, deadline }) => deadline === undefined || pointOf(when)?.kind !== 'Report',
  },
]
const mostEntries = 16
const metadata = z
  .record(z.string(), z.string().max(4096))
  .superRefine((value, context) => {
    const { length } = Object.keys(value)
    if (length > mostEntries) context.addIssue({ code: 'custom', message: `${length} entries are too many: at most ${mostEntries}` })
  })
  .meta({ maxProperties: mostEntries })

export const hook = ruled(
  z.strictObject({
    name: name.describe('Name for people and messages; unique.'),
    when: z.enum(whens).describe(`When it is called. ${hookPoints.map(({ when, meaning }) => `\`${when}\`: ${meaning}.`).join(' ')}`),
    url: url.describe('Where to POST. https, and a public address, unless the administrator allows the host (`--allow-host`).'),
    secretRef: secretKeyRef.optional().describe(
      'The secret with which each call is signed, as `whsec_<base64 of 24 to 64 bytes>`, or two of them with a blank between while the receiver changes '
      + 'over. Default: calls are not signed.',
    ),
    timeout: timeout.optional().describe('How long one call may take, from 1s to 60s. Default `10s`.'),
    deadline: positiveDuration.optional().describe(
      'How long the journey waits until it agrees, refusals and silence included; then it is Held, and people are told. One that has not started stays in '
      + 'Waiting. Default: as long as it takes.',
    ),
    onFailure: z.enum(['Rollback', 'Hold', 'Report']).optional().describe(
      'What a refusal in a step does: take the canary back, hold the journey, or only say so. Default: `onFailure` of the Rollout.',
    ),
    metadata: metadata.optional().describe('Sent with each call as it is, for the receiver: the command of a load test, say.'),
  }),
  ...rules,
)
export const hooks = named(hook, 16)
export type HookSpec = z.infer<typeof hook>
