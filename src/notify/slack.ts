/** Messages for Slack's incoming webhooks, in blocks. User text is escaped: it can mention nobody, link nowhere and format nothing. */
import { clean, type Message } from './message.ts'

/** The body to send. `text` is what a telephone shows before it is unlocked, so everything that matters is in it. */
export function slackBody(message: Message): string {
  const { title, note, facts, next } = message
  const where = facts.find(({ label }) => label === 'Where')
  const summary = `${mark(message)} ${title}${where ? ` (${where.value})` : ''}: ${note.message}${next[0] ? ` | ${next[0].command}` : ''}`
  return JSON.stringify({
    text: escaped(summary, 1500),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: plain(`${mark(message)} ${title}`, 150) },
      { type: 'section', text: plain(note.message || title, 2000) },
      ...(facts.length > 0 ? [{ type: 'section', fields: facts.map(({ label, value }) => plain(`${label}\n${value}`, 500)) }] : []),
      ...(next.length > 0 ? [{ type: 'section', text: commands(message) }] : []),
      { type: 'context', elements: [plain(`${note.type} at ${note.at}, ${message.id}`, 300)] },
    ],
  })
}

function mark({ note }: Message): string {
  if (note.type === 'Promoted') return '✅'
  if (note.type === 'RolledBack' || note.type === 'Closing') return note.severity === 'Warning' ? '🔴' : '⚪'
  return note.severity === 'Warning' ? '🟠' : '🔵'
}

/** Plain text: no emphasis, no links, no mentions; `&`, `<` and `>` are control characters even here. */
function plain(text: string, longest: number): object {
  return { type: 'plain_text', text: escaped(text, longest), emoji: false }
}
/** The one place with markup, and only names of objects inside of it: commands to copy. */
function commands({ next }: Message): object {
  const lines = next.map(({ command, purpose }) => `\`${escaped(command, 300).replaceAll('`', 'ʼ')}\` ${purpose}`)
  return { type: 'mrkdwn', text: lines.join('\n'), verbatim: true }
}
/** At most `longest` characters as Slack counts them, entities in full; control characters go, line breaks of ours stay. */
function escaped(text: string, longest: number): string {
  let kept = ''
  for (const character of text.split('\n').map((line) => clean(line)).join('\n')) {
    const safe = entities[character] ?? character
    if (kept.length + safe.length > longest - 1) return `${kept}…`
    kept += safe
  }
  return kept
}
const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
