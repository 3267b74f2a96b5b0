/** `npm run bench [part …]`: figures that can be measured again, as counts and ratios. Prints a table and writes nothing else. */
import { programs } from './programs.ts'
import { messages } from './messages.ts'
import { questions } from './questions.ts'
import { journeys } from './journeys.ts'
import { table, type Figure } from './table.ts'
import { thousand } from './thousand.ts'

const parts: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  journeys,
  questions,
  thousand: () => thousand(1000),
  programs,
  messages,
}
const wanted = process.argv.slice(2)
const unknown = wanted.filter(part => !(part in parts))
if (unknown.length > 0) {
  process.stderr.write(`no such part: ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}\n`)
  process.exit(2)
}
for (const [part, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(part)) continue
  process.stdout.write(`${part}\n${table(await run())}\n`)
}
