/** The reference page of metrics and log keys, from their definitions. Pure. */
import { logKeys } from './log.ts'
import { definitions, labelMeanings } from './meters.ts'

/** docs/observability-reference.md. */
export function observabilityReference(): string {
  const metrics = Object.entries(definitions).map(([name, { type, labels, help }]) => `| \`${name}\` | ${type.toLowerCase()} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`)
  const rows = (meanings: Readonly<Record<string, string>>) => Object.entries(meanings).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  return `${[
    '# Metrics and log keys', '',
    'Generated from `src/telemetry/meters.ts` and `src/telemetry/log.ts` by `npm run generate`. What they are for: [observability](observability.md).', '',
    '## Metrics', '', '| metric | type | labels | |', '| --- | --- | --- | --- |', ...metrics, '',
    'Beside them stand `process_*` and `nodejs_*` of [prom-client](https://github.com/siimon/prom-client): CPU, memory, garbage collection, lag of the event loop.', '',
    '## Labels', '', '| label | |', '| --- | --- |', ...rows(labelMeanings), '',
    '## Log keys', '',
    'Every line is one JSON object with `time` (RFC 3339, UTC), `level` (`debug`, `info`, `warn`, `error`), `message` (one sentence for people), and as many of these as it has facts.', '',
    '| key | |', '| --- | --- |', ...rows(logKeys), '',
  ].join('\n')}`
}
