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
/** `GUIDES=linkerd` runs the stories with this word in their title. */
const asked = ({ title }: { title: string }) => title.includes(process.env['GUIDES'] ?? '')

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
  const run = async (story: (typeof stories)[number]): Promise<void> => {
    expect(story.problems).toEqual([])
    accounts.set(story.title, await stage.run(story))
  }
  describe('together', { concurrent: true }, () => {
    test.for(stories.filter(asked).filter(({ path }) => !alone.includes(path)))('$title', async (story) => await run(story))
  })
  describe('one after the other', () => {
    test.for(stories.filter(asked).filter(({ path }) => alone.includes(path)))('$title', async (story) => await run(story))
  })
})

/** What was run of which page, and what not and why. */
function report(accounts: ReadonlyMap<string, Account>): string {
  const rows = [...accounts].map(([title, { executed, compared, checked, applied, skipped }]) =>
    [`${title}: ${executed} blocks of commands run (${compared} with their output), ${applied} of YAML applied, ${checked} judged by the API server, ${skipped.length} not executed`,
      ...skipped.map(({ line, language, why }) => `  line ${line}, ${language}: ${why}`)].join('\n'))
  const sum = (of: (account: Account) => number) => [...accounts.values()].reduce((all, account) => all + of(account), 0)
  return `${rows.join('\n')}\nguides: ${sum(({ executed }) => executed)} executed, ${sum(({ applied, checked }) => applied + checked)} applied or judged, ${sum(({ skipped }) => skipped.length)} not executed\n`
}
