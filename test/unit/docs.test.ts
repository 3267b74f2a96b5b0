/** Documents say only what is so: links lead somewhere, YAML is valid, commands and files exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { spans, terminalSvg } from '../../docs/images/terminal.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { run } from '../../src/cli.ts'
import { readConfiguration } from '../../src/configuration/read.ts'
import { definitions } from '../../src/rollout/crd.ts'
import { plan } from '../../src/rollout/plan.ts'
import { validate } from '../../src/rollout/validate.ts'
import { systemClock } from '../../src/telemetry/clock.ts'
import { guideOf } from '../support/guide.ts'
import { blocksOf } from '../support/markdown.ts'

const root = resolve(import.meta.dirname, '../..')
const below = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md')).map((path) => join(folder, path))
const pages = [...readdirSync(root).filter((path) => path.endsWith('.md')), ...below('docs'), ...below('examples')].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const textOf = (path: string): string => pages.find((page) => page.path === path)!.text

const prose = (text: string): string => text.replaceAll(/^```[\s\S]*?^```/gm, '')
const codes = (text: string): readonly string[] => [...prose(text).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)

/** The anchor that a heading gets: lower case, blanks as dashes, no punctuation. */
const anchorsOf = (text: string): readonly string[] =>
  [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))

/** What is wrong with the relative links of a page. */
function brokenLinks(path: string, text: string): readonly string[] {
  const targets = [...prose(text).replaceAll(/`[^`\n]*`(?!\])/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  return targets.filter((target) => !/^[a-z]+:/.test(target)).filter((target) => {
    const [file = '', anchor] = target.split('#')
    const found = file === '' ? join(root, path) : resolve(root, dirname(path), file)
    if (!existsSync(found) || relative(root, found).startsWith('..')) return true
    return anchor !== undefined && !anchorsOf(readFileSync(found, 'utf8')).includes(anchor)
  })
}

test('the pages that a newcomer looks for are there', () => {
  const wanted = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/concepts.md', 'docs/api.md', 'docs/architecture.md', 'docs/roadmap.md', 'docs/decisions/README.md', 'examples/README.md']
  expect(wanted.filter((path) => !pages.some((page) => page.path === path))).toEqual([])
})

test('the README counts the custom resources that there are', () => {
  expect(textOf('README.md')).toContain(`${['no', 'one', 'two', 'three', 'four', 'five', 'six'][definitions().length]} custom resources`)
})

test('the installation names every value of the chart, and every field of its config', () => {
  const { properties } = JSON.parse(readFileSync(join(root, 'deploy/helm/sluice/values.schema.json'), 'utf8')) as { properties: Record<string, { properties?: object }> }
  const { global: _, ...values } = properties
  const wanted = [...Object.keys(values), ...Object.keys(values['config']?.properties ?? {}).map((key) => `config.${key}`)]
  const named = codes(textOf('docs/install.md'))
  expect(wanted.filter((value) => !named.some((code) => code === value || code.startsWith(`${value}.`)))).toEqual([])
})

describe.each(pages)('$path', ({ path, text }) => {
  test('relative links and anchors lead somewhere', () => {
    expect(brokenLinks(path, text)).toEqual([])
  })

  test('every YAML block is YAML, and every resource of ours in it is valid', () => {
    for (const block of blocksOf(text).filter(({ language }) => language === 'yaml')) {
      for (const document of parseAllDocuments(block.text)) {
        expect(document.errors).toEqual([])
        const object = document.toJS()
        if (object?.apiVersion !== 'sluice.dev/v1alpha1') continue
        expect(object.kind === 'Configuration' ? readConfiguration(block.text) : validate(object)).toEqual(object.kind === 'Configuration' ? expect.objectContaining({ ok: true }) : [])
        if (object.kind === 'Rollout') expect(plan(object.spec, object.metadata.name, { scrapeIntervalMs: 15_000 }).ok).toBe(true)
      }
    }
  })

  test.skipIf(!/^(README|docs)\b/.test(path))('every block can be run by test/real/guides.test.ts, or says why not', () => {
    expect(guideOf(path, text).problems).toEqual([])
  })

  test('files that it names exist', () => {
    const named = codes(text).flatMap((code) => code.split(/\s+/)).filter((word) => /^(src|test|docs|crds|examples|bin|deploy|\.ci)\/[\w./-]*$/.test(word))
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })

  test('npm scripts that it names exist', () => {
    const named = [...text.matchAll(/\bnpm (?:run ([\w:]+)|(start|test)\b)/g)].map(([, script, short]) => script ?? short!)
    expect(named.filter((script) => !(script in packageJson.scripts))).toEqual([])
  })

  test('sluice commands that it names exist, with their flags', async () => {
    for (const { command, flags } of commandsIn(text)) {
      const help = await helpOf(command)
      expect(help, `sluice ${command}`).toMatch(new RegExp(`^Usage: sluice ${command}\\b`, 'm'))
      for (const flag of flags) expect(help, `sluice ${command} ${flag}`).toMatch(new RegExp(`(^|[\\s,])${flag}\\b`))
    }
  })
})

interface Mentioned {
  readonly command: string
  readonly flags: readonly string[]
}
/** Commands in code spans and shell blocks. Of a line with a pipe, a comment or a second command only the first counts. */
function commandsIn(text: string): readonly Mentioned[] {
  const shell = blocksOf(text).filter(({ language }) => language === 'sh').flatMap((block) => block.text.replaceAll('\\\n', ' ').split('\n'))
  return [...codes(text), ...shell].flatMap((line) => {
    const words = /^(?:\$ )?(?:bin\/)?(?:kubectl )?sluice ([a-z]+)\b([^|#;&]*)/.exec(line.trim())
    // `sluice.dev/…` and what is planned are no commands.
    if (!words || planned.includes(words[1]!)) return []
    return [{ command: words[1]!, flags: (words[2] ?? '').split(/[\s=]+/).filter((word) => /^--?[a-z]/.test(word)) }]
  })
}
/** Named in the roadmap only as what is to come; a command that exists must not be listed here. */
const planned = ['simulate']
async function helpOf(command: string): Promise<string> {
  let text = ''
  const screen = { write: (more: string) => void (text += more), columns: () => 200, rows: () => undefined, terminal: undefined }
  await run([command, '--help'], { identity: 'test', io: { stdout: screen, stderr: screen, color: false, clock: systemClock, stopped: new AbortController().signal } })
  return text
}
test('what is said to be planned is not there yet', async () => {
  for (const command of planned) expect(await helpOf(command)).not.toMatch(new RegExp(`^Usage: sluice ${command}\\b`, 'm'))
})

describe('the tables for people who come from Flagger and Argo', () => {
  const schema = parse(readFileSync(join(root, 'crds/rollouts.yaml'), 'utf8')).spec.versions[0].schema.openAPIV3Schema
  const rows = ['flagger', 'argo-rollouts'].flatMap((tool) => textOf(`docs/guides/migrate-from-${tool}.md`).split('\n')).filter((line) => /^\| .* \| .* \|.*\|$/.test(line)).map((line) => line.split(' | ')[1] ?? '')
  const fields = rows.flatMap((cell) => codes(cell)).filter((code) => code.startsWith('spec.'))
  const known = (path: string): boolean => path.split('.').reduce((at, part) => {
    const found = at?.properties?.[part.replace('[]', '')]
    return part.endsWith('[]') ? found?.items : found
  }, schema) !== undefined

  test('fields of a Rollout that they name exist', () => {
    expect(fields.length).toBeGreaterThan(30)
    expect(fields.filter((field) => !known(field))).toEqual([])
  })
  test('the check finds a field that does not exist', () => {
    expect(known('spec.steps[].hold')).toBe(true)
    expect(known('spec.steps[].pause')).toBe(false)
    expect(known('spec.steps.hold')).toBe(false)
  })
})

test('every decision record is in the index', () => {
  const records = readdirSync(join(root, 'docs/decisions')).filter((file) => file !== 'README.md')
  expect(records.filter((file) => !textOf('docs/decisions/README.md').includes(`(${file})`))).toEqual([])
})

describe('the checks find what they look for', () => {
  test('links', () => {
    expect(brokenLinks('docs/concepts.md', '[a](api.md) [b](nowhere.md) [c](#checks) [d](#nothing) [e](https://example.com) ![f](images/release.svg)\n# Checks')).toEqual(['nowhere.md', '#nothing'])
  })
  test('commands', async () => {
    expect(commandsIn('`sluice get a -w`\n```sh\nbin/sluice wait a --timeout 3m   # why\n```')).toEqual([{ command: 'get', flags: ['-w'] }, { command: 'wait', flags: ['--timeout'] }])
    expect(await helpOf('nothing')).not.toContain('Usage: sluice nothing')
  })
})

describe('the picture', () => {
  test('keeps colours and places of a terminal', () => {
    expect(spans('a  \u001b[1m\u001b[32mb c\u001b[39m\u001b[22m  \u001b[2m░d\u001b[22m')).toMatchObject([
      { column: 0, text: 'a', bold: false }, { column: 3, text: 'b c', bold: true, color: '#56d364' }, { column: 8, text: '░d', dim: true, bold: false },
    ])
    expect(() => spans('\u001b[35mx')).toThrow('35')
  })
  test('is an image whatever the terminal says', () => {
    const svg = terminalSvg([{ caption: 'c', typed: 'sluice get', lines: ['1 < 2 & \u001b[31m3\u001b[39m'] }], 40, 'title', 'a & b')
    expect(svg).toContain('1 &lt; 2 &amp;')
    expect(svg).toContain('<desc id="description">a &amp; b</desc>')
    expect(svg).not.toContain('\u001b')
  })
  test('shows a release and a rollback', () => {
    const svg = readFileSync(join(root, 'docs/images/release.svg'), 'utf8')
    for (const words of ['sluice get checkout --watch', 'STEP 2/4', 'ROLLED BACK', 'sluice retry checkout']) expect(svg).toContain(words)
  })
})
