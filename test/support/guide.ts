/**
 * A page of the documentation as something to run: every block of YAML and shell in order, what must be printed, and what is said to the test in HTML comments;
 * those that begin with a capital are prose. Pure; `guide-stage.ts` runs it. What the comments may say stands in CONTRIBUTING.md.
 */
import { stripVTControlCharacters } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { partsOf, type Block } from './markdown.ts'

export type Step =
  /** `save`: the file into which a reader puts the block, named in its first line. */
  | { readonly do: 'check' | 'apply' | 'save'; readonly yaml: string; readonly save?: string; readonly partOf?: string; readonly line: number }
  | { readonly do: 'run'; readonly command: string; readonly exit: number; readonly hidden: boolean; readonly prints?: string; readonly line: number }
  | { readonly do: 'skip'; readonly why: string; readonly language: string; readonly line: number }
  | { readonly do: 'mesh'; readonly dataPlane: string; readonly line: number }
  | { readonly do: 'traffic'; readonly host: string; readonly perSecond: number; readonly gateway?: string; readonly headers: Readonly<Record<string, string>>; readonly line: number }
  | { readonly do: 'answers'; readonly image: string; readonly errorRate?: number; readonly latencyMs?: number; readonly line: number }
  | { readonly do: 'holds'; readonly hold: string; readonly line: number }

/** A part of a page with a namespace of its own; a page is one story unless it says `new story`. */
export interface Story {
  readonly title: string
  readonly steps: readonly Step[]
}
export interface Guide {
  readonly stories: readonly Story[]
  /** What nobody would know how to run, each with its line and the remedy. */
  readonly problems: readonly string[]
}

/** Programs that a block may use without a word. */
const programs = new Set(['kubectl', 'sluice', 'bin/sluice', 'helm', 'kustomize', 'cat', 'echo', 'grep', 'sed', 'mkdir', 'source', 'export', 'cd', 'sleep', 'jq', 'head', 'tail', 'wc', 'sort', 'for', 'do', 'done'])
const blockNote = /^(not executed|not compared|apply|saved|part of|exits)\b:?\s*([\s\S]*)$/

/** What a page says, as steps. */
export function guideOf(path: string, page: string): Guide {
  const stories: { title: string; steps: Step[] }[] = [{ title: path, steps: [] }]
  const problems: string[] = []
  let notes = new Map<string, string>()
  let noted = 0
  let left: LeftOut = { words: [], why: '' }
  for (const part of partsOf(page)) {
    const problem = (what: string) => void problems.push(`${path}:${part.line}: ${what}`)
    if (part.kind === 'comment') {
      const [, note, value = ''] = blockNote.exec(part.text) ?? []
      const title = /^new story: (.+)$/.exec(part.text)?.[1]
      const step = worldStep(part.text, part.line)
      if (note) [notes, noted] = [new Map([...notes, [note, value.trim()]]), part.line]
      else if (title) stories.push({ title: `${path}, ${title}`, steps: [] })
      else if (part.text.startsWith('lines not executed:')) left = leftOut(part.text)
      else if (step) stories.at(-1)!.steps.push(step)
      else if (!/^[A-Z]/.test(part.text)) problem(`the comment "${part.text.split('\n')[0]}" says nothing that a test knows; see "Guides that run" in CONTRIBUTING.md`)
      continue
    }
    const { steps } = stories.at(-1)!
    const { rest, skipped } = without(part, left)
    if (!notes.has('not executed')) steps.push(...skipped)
    const done = rest === undefined ? undefined : blockStep(rest, notes, steps)
    if (typeof done === 'string') problem(done)
    else if (done) steps.push(done)
    notes = new Map()
  }
  if (notes.size > 0) problems.push(`${path}:${noted}: no block follows this comment`)
  return { stories, problems }
}

function worldStep(text: string, line: number): Step | undefined {
  const [, word, rest = ''] = /^(hidden|mesh|traffic|answers|holds):\s*([\s\S]+)$/.exec(text) ?? []
  const words = rest.split(/\s+/)
  switch (word) {
    case 'hidden':
      return { do: 'run', command: `${rest}\n`, exit: 0, hidden: true, line }
    case 'mesh':
      return { do: 'mesh', dataPlane: rest, line }
    case 'holds':
      return { do: 'holds', hold: rest, line }
    case 'traffic': {
      const [, host, rate, via, ...headers] = /^(\S+) (\d+)\/s(?: via (\S+))?(.*)$/.exec(rest) ?? []
      if (host === undefined) return undefined
      return { do: 'traffic', host, perSecond: Number(rate), ...(via ? { gateway: via } : {}), headers: Object.fromEntries(headers.join(' ').trim().split(' ').filter(Boolean).map((one) => one.split('=') as [string, string])), line }
    }
    case 'answers': {
      const [image, , value] = words
      const [, errors] = /errors (\d+)%/.exec(rest) ?? []
      const [, latency] = /latency (\d+)ms/.exec(rest) ?? []
      if (image === undefined || value === undefined) return undefined
      return { do: 'answers', image, ...(errors ? { errorRate: Number(errors) / 100 } : {}), ...(latency ? { latencyMs: Number(latency) } : {}), line }
    }
    default:
      return undefined
  }
}

interface LeftOut {
  readonly words: readonly string[]
  readonly why: string
}
/** `lines not executed: kubectl logs, kubectl top: no container runs here`. */
function leftOut(text: string): LeftOut {
  const [, words = '', why = ''] = text.split(/:\s+/)
  return { words: words.split(/,\s*/), why }
}
/** A block of commands without the lines that hold one of these words. */
function without(block: Block, { words, why }: LeftOut): { readonly rest: Block | undefined; readonly skipped: readonly Step[] } {
  if (block.language !== 'sh') return { rest: block, skipped: [] }
  const lines = block.text.split('\n')
  const gone = lines.filter((line) => words.some((word) => line.includes(word)))
  const kept = lines.filter((line) => !gone.includes(line)).join('\n')
  const skipped = gone.map((line): Step => ({ do: 'skip', why: `${why} (${line})`, language: 'sh', line: block.line + 1 + lines.indexOf(line) }))
  return { rest: gone.length > 0 && kept.trim() === '' ? undefined : { ...block, text: kept }, skipped }
}

/** The step of a block, undefined where there is none, or what is wrong with it. */
function blockStep({ language, text, line }: Block, notes: ReadonlyMap<string, string>, before: readonly Step[]): Step | string | undefined {
  const why = notes.get('not executed')
  if (why === '' || notes.get('not compared') === '') return 'say why: `<!-- not executed: needs a registry -->`'
  if (why !== undefined) return { do: 'skip', why, language, line }
  switch (language) {
    case 'yaml':
      return yamlStep(text, line, notes)
    case 'sh': {
      const unknown = programsOf(text).find((program) => !programs.has(program))
      if (unknown !== undefined) return `nobody knows how to run \`${unknown}\` here: put \`<!-- not executed: why -->\` before the block, or split it`
      return { do: 'run', command: text, exit: Number(notes.get('exits') ?? 0), hidden: false, line }
    }
    case 'text':
      return textStep(text, notes, before)
    case 'bash':
    case 'shell':
    case 'console':
    case 'yml':
      return `write the language as ${language === 'yml' ? 'yaml' : 'sh'}`
    default:
      return undefined
  }
}

function yamlStep(yaml: string, line: number, notes: ReadonlyMap<string, string>): Step | string {
  const save = /^# ([\w./-]+\.ya?ml)\b/.exec(yaml)?.[1]
  const partOf = notes.get('part of')
  const objects = parseAllDocuments(yaml).map((document) => document.toJS() as { apiVersion?: unknown; kind?: unknown } | null)
  if (partOf === undefined && !objects.every((object) => object?.apiVersion && object.kind)) {
    return 'a part of an object: put `<!-- part of: examples/istio-managed/app.yaml -->` before it (the file, and where it has several objects then `Kind`, into which it is merged), or `<!-- not executed: why -->`'
  }
  const only = notes.has('saved') || save?.endsWith('kustomization.yaml')
  if (only && save === undefined) return 'a block that is only saved begins with its name: `# config.yaml`'
  return { do: only ? 'save' : notes.has('apply') ? 'apply' : 'check', yaml, ...(save ? { save } : {}), ...(partOf ? { partOf } : {}), line }
}

/** Output belongs to the block of commands before it: that step is replaced by one that must print it. */
function textStep(text: string, notes: ReadonlyMap<string, string>, before: readonly Step[]): undefined {
  const last = before.at(-1)
  if (last?.do !== 'run' || last.hidden || notes.has('not compared')) return
  ;(before as Step[])[before.length - 1] = { ...last, prints: text }
}

/** First words of the commands of a block, those behind `|`, `&&` and `;` too. */
export function programsOf(shell: string): readonly string[] {
  const text = shell.replaceAll('\\\n', ' ').replaceAll(/'[^']*'|"[^"]*"/g, 'x').replaceAll(/(^|\s)#.*$/gm, '')
  return text.split(/\n|\|\|?|&&|;|<\(|\$\(/).map((command) => command.trim().replace(/^(\w+=\S*\s+)+/, '').split(/[\s)]/)[0]!).filter((word) => word !== '')
}

/**
 * Output without what differs from run to run: times, ages, names by hash, counts of requests, measured values, blanks. A line `…` stands for any lines.
 */
export function comparable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/^\s*…\s*$/gm, '\u0000')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/\b\d\d:\d\d:\d\d\b/g, 'TIME')
    .replaceAll(/-[a-f0-9]{8,10}-[a-z0-9]{5}\b/g, '-HASH').replaceAll(/-[a-z2-7]{10}\b/g, '-HASH')
    .replaceAll(/\b\d+(?:\.\d+)?(?:ms|%|s)(?= [≥≤])/g, 'VALUE').replaceAll(/\d+\.\d+%/g, 'SHARE')
    .replaceAll(/(?<![≥≤] )\b(?:\d+(?:\.\d+)?(?:ms|[dhms]))+\b/g, 'AGE')
    .replaceAll(/[▁▂▃▄▅▆▇█]*[▁▂▃▄▅▆▇][▁▂▃▄▅▆▇█]*/g, '')
    .replaceAll(/\b\d[\d,]*(?= (?:requests?|failed|slow|bad|scrapes|of)\b)|(?<=\b(?:lost|served|of) )\d[\d,]*/g, 'N')
    .replaceAll(/\s+/g, ' ').trim()
}

/** Whether what was printed is what the page shows. */
export function prints(expected: string, printed: string): boolean {
  const pieces = comparable(expected).split('\u0000').map((piece) => piece.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${pieces.join('[\\s\\S]*')}$`).test(comparable(printed))
}

/** Shortens the waiting of every Rollout in a manifest, so that a journey of half an hour is one of half a minute. */
export function hastened(yaml: string, hold = '3s'): string {
  return yaml.replaceAll(/\bhold: \w+/g, `hold: ${hold}`).replaceAll(/\binterval: \d+\w+/g, 'interval: 1s')
}
