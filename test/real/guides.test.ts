/** Every block of YAML and commands in README.md and docs/ is run in the order of its page, on a real API server; what cannot run here says why. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { applyCrds, startControlPlane, type OwnControlPlane } from '../support/control-plane.ts'
import { guideOf } from '../support/guide.ts'
import { startGuideStage, type Account, type GuideStage } from '../support/guide-stage.ts'
import { stageMissing } from '../support/stage.ts'

const missing = stageMissing()
const root = resolve(import.meta.dirname, '../..')
const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md')).map((file) => join('docs', file)).toSorted()]
const guides = pages.map((path) => ({ path, ...guideOf(path, readFileSync(join(root, path), 'utf8')) }))
const stories = guides.flatMap(({ path, stories, problems }) => stories.filter(({ steps }) => steps.length > 0).map((story) => ({ ...story, path, problems })))
/** These pages install and remove what all others stand on. */
const alone = ['docs/install.md']
type Told = (typeof stories)[number]

describe.skipIf(missing)(`guides ${missing ?? ''}`, () => {
  let plane: OwnControlPlane
  let stage: GuideStage
  const accounts = new Map<string, Account>()
  beforeAll(async () => {
    plane = await startControlPlane()
    await applyCrds(plane)
    stage = await startGuideStage(plane)
  })
  afterAll(async () => {
    process.stdout.write(report(accounts))
    await stage?.stop()
    await plane?.stop()
  })
  const run = async (story: Told): Promise<void> => {
    expect(story.problems).toEqual([])
    accounts.set(story.title, await stage.run(story))
  }
  // GUIDES=linkerd: the stories with this word in their title.
  const asked = stories.filter(({ title }) => title.includes(process.env['GUIDES'] ?? ''))
  const together = asked.filter(({ path }) => !alone.includes(path))
  // Begun by the first test; vitest itself would run five at a time, and they mostly wait.
  let begun: ReadonlyMap<Told, Promise<void>> | undefined
  test.for(together)('$title', { timeout: 600_000 }, async (story) => {
    begun ??= pooled(together, run)
    await begun.get(story)
  })
  test.for(asked.filter(({ path }) => alone.includes(path)))('$title', async (story) => await run(story))
})

/** Runs the stories ten at a time, those with the most to do first. */
function pooled(all: readonly Told[], run: (story: Told) => Promise<void>): ReadonlyMap<Told, Promise<void>> {
  const waits = (story: Told): number => story.steps.filter((step) => step.do === 'run').reduce((sum, { command }) => sum + 1 + (command.match(/sluice wait|--for=delete/g)?.length ?? 0) * 10, 0)
  const places: Promise<unknown>[] = Array.from({ length: 10 }, () => Promise.resolve())
  const running = new Map<Told, Promise<void>>()
  for (const [index, story] of all.toSorted((a, b) => waits(b) - waits(a)).entries()) {
    const place = index % places.length
    const result = places[place]!.then(() => run(story))
    places[place] = result.catch(() => undefined)
    running.set(story, result)
  }
  return running
}

/** What was run of which page, and what not and why. */
function report(accounts: ReadonlyMap<string, Account>): string {
  const rows = [...accounts].map(([title, { executed, compared, checked, applied, saved, skipped }]) =>
    [`${title}: ${executed} blocks of commands run (${compared} with their output), ${applied} of YAML applied, ${checked} judged by the API server, ${saved} only saved, ${skipped.length} not executed`,
      ...skipped.map(({ line, language, why }) => `  line ${line}, ${language}: ${why}`)].join('\n'))
  const sum = (of: (account: Account) => number) => [...accounts.values()].reduce((all, account) => all + of(account), 0)
  return `${rows.join('\n')}\nguides: ${sum(({ executed }) => executed)} executed, ${sum(({ applied, checked }) => applied + checked)} applied or judged, ${sum(({ skipped }) => skipped.length)} not executed\n`
}
