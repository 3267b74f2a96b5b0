/** Sentences on a terminal. Pure. */

/** A label, and beside it a text that is broken between words at the width of the terminal; further lines stand under the text. `margin`: columns before the text, the label's two of indentation included. */
export function wrapped(label: string, text: string, margin: number, columns: number, paint: (label: string) => string = one => one): string[] {
  const room = Math.max(20, columns - margin)
  const lines: string[] = []
  for (const word of text.split(/\s+/).filter(one => one !== '')) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  const blank = ' '.repeat(margin)
  const head = label === '' ? blank : `  ${paint(label)}${' '.repeat(Math.max(1, margin - 2 - label.length))}`
  return (lines.length === 0 ? [''] : lines).map((line, index) => `${index === 0 ? head : blank}${line}`.trimEnd())
}
