/** Fenced blocks of a Markdown page, and the HTML comments around them. Pure. */

export interface Block {
  readonly kind: 'block'
  readonly language: string
  readonly text: string
  /** Of the opening fence, from 1. */
  readonly line: number
}
/** An HTML comment that begins at the left edge. */
export interface Comment {
  readonly kind: 'comment'
  readonly text: string
  readonly line: number
}

/** Blocks and comments in the order of the page. */
export function partsOf(page: string): readonly (Block | Comment)[] {
  return [...page.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```|^<!--([\s\S]*?)-->[ \t]*$/gm)].map(({ index, 1: language = '', 2: text = '', 3: comment }) => {
    const line = page.slice(0, index).split('\n').length
    return comment === undefined ? { kind: 'block', language, text, line } : { kind: 'comment', text: comment.trim(), line }
  })
}

export function blocksOf(page: string): readonly Block[] {
  return partsOf(page).filter((part) => part.kind === 'block')
}
