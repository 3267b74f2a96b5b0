/** Lines of a terminal as an SVG image: what `sluice get` prints, with its colours. Pure. */

/** A screenshot: what was typed, and the lines that came, with ANSI colours. */
export interface Screen {
  /** Said above it in grey. */
  readonly caption: string
  readonly typed: string
  readonly lines: readonly string[]
}
const cell = { width: 7.8, height: 18 }
const margin = 20
const ground = '#0d1117'
const plain = '#d7dde5'
const grey = '#8b949e'
const colors: Readonly<Record<string, string>> = { 31: '#ff7b72', 32: '#56d364', 33: '#e3b341', 36: '#76e3ea' }

interface Style {
  readonly color: string
  readonly bold: boolean
  readonly dim: boolean
}
const normal: Style = { color: plain, bold: false, dim: false }

/** The image of some screens, one below the other, `columns` characters wide. `title` and `description` are for those who cannot see it. */
export function terminalSvg(screens: readonly Screen[], columns: number, title: string, description: string): string {
  const rows = screens.flatMap(({ caption, typed, lines }, index) => [
    ...(index === 0 ? [] : ['']), paint(2, `# ${caption}`), `${paint(32, '$')} ${paint(1, typed)}`, ...lines,
  ])
  const width = Math.ceil(columns * cell.width + 2 * margin)
  const height = rows.length * cell.height + 2 * margin
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(description)}</desc>`,
    `<rect width="100%" height="100%" rx="8" fill="${ground}"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" xml:space="preserve">`,
    ...rows.flatMap((row, index) => spans(row).map((span) => text(span, margin + (index + 0.75) * cell.height))),
    '</g>',
    '</svg>',
    '',
  ].join('\n')
}

interface Span extends Style {
  readonly column: number
  readonly text: string
}
/** Runs of one style; blanks between words are left to the positions. */
export function spans(line: string): readonly Span[] {
  let style = normal
  let column = 0
  // eslint-disable-next-line no-control-regex
  return line.split(/\u001b\[([0-9;]*)m/).flatMap((piece, index) => {
    if (index % 2 === 1) {
      for (const code of piece.split(';')) style = styled(style, code)
      return []
    }
    const start = column
    column += [...piece].length
    return [...piece.matchAll(/\S+(?: \S+)*/gu)].map((words) => ({ ...style, column: start + [...piece.slice(0, words.index)].length, text: words[0] }))
  })
}
function styled(style: Style, code: string): Style {
  if (code === '0' || code === '') return normal
  if (code === '1') return { ...style, bold: true }
  if (code === '2') return { ...style, dim: true }
  if (code === '22') return { ...style, bold: false, dim: false }
  if (code === '39') return { ...style, color: plain }
  const color = colors[code]
  if (color === undefined) throw new Error(`ANSI code ${code} has no colour here: give it one in docs/images/terminal.ts`)
  return { ...style, color }
}

/** Each run has its place and its length, so that it stands where it stood whatever font there is. */
function text({ column, text: words, color, bold, dim }: Span, y: number): string {
  const fill = dim && color === plain ? grey : color
  const length = ([...words].length * cell.width).toFixed(1)
  return `<text x="${(margin + column * cell.width).toFixed(1)}" y="${y.toFixed(1)}" textLength="${length}" lengthAdjust="spacingAndGlyphs" fill="${fill}"${bold ? ' font-weight="bold"' : ''}>${escaped(words)}</text>`
}
const escaped = (words: string): string => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const paint = (code: number, words: string): string => `\u001b[${code}m${words}\u001b[0m`
