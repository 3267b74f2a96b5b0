import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Effective } from '../../../src/configuration/effective.ts'
import { openConfiguration, type LiveConfiguration } from '../../../src/configuration/live.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { settle, Simulated } from '../controller/simulated.ts'

let clock: Simulated
let lines: { level: string; message: string; [field: string]: unknown }[]
let text: string | Error
let seen: Effective[]
let live: LiveConfiguration
const file = (body: string) => `apiVersion: sluice.dev/v1alpha1\nkind: Configuration\n${body}`
const source = (name: string, more = '') => `- {name: ${name}, url: "http://${name}:9090"${more}}\n`
const first = file(`sources:\n${source('default')}${source('edge')}`)
const read = () => (text instanceof Error ? Promise.reject(text) : Promise.resolve(text))
const open = (readNow: () => Promise<string> = read, path = '/etc/sluice/config.yaml') =>
  openConfiguration({ flags: { allowedHosts: ['a'] }, file: { path, read: readNow }, clock, log: createLog({ level: 'info', form: 'Json', write: (line) => lines.push(JSON.parse(line)) }) })
async function opened(): Promise<void> {
  const found = await open()
  if (!found.ok) throw new Error(found.problems.join())
  live = found.live
  live.follow((now) => seen.push(now))
}
const names = () => live.sources.all.map(({ name }) => name)

beforeEach(() => {
  clock = new Simulated()
  lines = []
  seen = []
  text = first
})

test('a valid change applies without a restart: sources, hosts, defaults; what is configured as before stays the same source', async () => {
  await opened()
  const [kept] = live.sources.all
  text = file(`sources:\n${source('default', ', scrapeInterval: 5s')}${source('eu')}\nallowedHosts: [b]\ndefaults: {analysis: {minRequests: 5}}\n`)
  await clock.advance(5000)
  expect(names()).toEqual(['default', 'eu'])
  expect(live.sources.get('default')).toBe(kept)
  expect(seen).toEqual([expect.objectContaining({ allowedHosts: ['a', 'b'], defaults: { analysis: { minRequests: 5 } } })])
  expect(live.current).toBe(seen[0])
  expect(live.state()).toMatchObject({ problems: [], path: '/etc/sluice/config.yaml' })
  expect(lines.map(({ message }) => message)).toEqual(['the configuration has changed: source default was changed, source eu was added, source edge was removed, allowedHosts changed, defaults changed'])
  await clock.advance(60_000)
  expect(seen).toHaveLength(1)
})
test('an invalid one keeps what was in force, is said once with every line, and is over when it is mended', async () => {
  await opened()
  text = file(`sources:\n${source('default', ', tokn: x')}${source('Edge')}`)
  await clock.advance(60_000)
  expect(seen).toEqual([])
  expect(names()).toEqual(['default', 'edge'])
  expect(live.state().problems).toEqual([expect.stringMatching(/^\/etc\/sluice\/config\.yaml:4:\d+: sources\[0\]\.tokn/), expect.stringMatching(/config\.yaml:5:\d+: sources\[1\]\.name/)])
  expect(lines).toEqual([expect.objectContaining({ level: 'error', problems: live.state().problems })])
  text = first
  await clock.advance(5000)
  expect(live.state().problems).toEqual([])
})
test('a file that is gone keeps what was in force and is said once; it comes back as it was, or as another', async () => {
  await opened()
  text = Object.assign(new Error('gone'), { code: 'ENOENT' })
  await clock.advance(20_000)
  expect(live.state().problems).toEqual(['/etc/sluice/config.yaml: does not exist'])
  expect(lines).toHaveLength(1)
  text = first
  await clock.advance(5000)
  expect(live.state().problems).toEqual([])
  text = Object.assign(new Error('gone'), { code: 'ENOENT' })
  await clock.advance(5000)
  text = file('allowedHosts: [c]\n')
  await clock.advance(5000)
  expect(seen.at(-1)!.allowedHosts).toEqual(['a', 'c'])
})
test('a file that is still being written is not taken by half', async () => {
  await opened()
  text = file(`sources:\n${source('default')}`)
  await clock.advance(2000)
  expect(seen).toEqual([])
  text = file(`sources:\n${source('default')}${source('eu')}`)
  await clock.advance(2000)
  expect(seen).toEqual([])
  await clock.advance(2000)
  expect(names()).toEqual(['default', 'eu'])
})
test('a flag that the new file contradicts is told as a problem of the file', async () => {
  const found = await openConfiguration({ flags: { allowedHosts: [], prometheus: 'http://a' }, file: { path: 'c', read: () => Promise.resolve(first) }, clock, log: createLog({ level: 'error', form: 'Json', write: () => {} }) })
  expect(found).toEqual({ ok: false, problems: [expect.stringMatching(/^c: --prometheus and a source named default/)] })
})
test('at the start a file that is missing, or wrong, is told with everything that is wrong', async () => {
  text = Object.assign(new Error('gone'), { code: 'ENOENT' })
  expect(await open()).toEqual({ ok: false, problems: ['--config /etc/sluice/config.yaml: does not exist'] })
  text = file('a: 1\nb: 2\n')
  expect(await open()).toMatchObject({ ok: false, problems: [expect.stringContaining('3:1: a: is no field'), expect.stringContaining('4:1: b: is no field')] })
})
test('nothing is read or told after stop', async () => {
  await opened()
  live.stop()
  text = file('')
  await clock.advance(10_000)
  expect([seen, clock.pending]).toEqual([[], 0])
})

let folder: string | undefined
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})
test('a mounted ConfigMap, which changes by another link of ..data, is followed', async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  const mount = folder
  const version = (name: string, body: string) => {
    mkdirSync(join(mount, name))
    writeFileSync(join(mount, name, 'config.yaml'), body)
    symlinkSync(name, join(mount, '..data_tmp'))
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  version('..1', first)
  symlinkSync('..data/config.yaml', join(mount, 'config.yaml'))
  const path = join(mount, 'config.yaml')
  expect(readFileSync(path, 'utf8')).toBe(first)
  const found = await open(() => readFile(path, 'utf8'), path)
  if (!found.ok) throw new Error(found.problems.join())
  found.live.follow((now) => seen.push(now))
  version('..2', file(`sources:\n${source('eu')}`))
  rmSync(join(mount, '..1'), { recursive: true })
  for (let turn = 0; turn < 50 && seen.length === 0; turn++) {
    await clock.advance(2000)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await settle()
  }
  expect(seen.map(({ sources }) => sources.map(({ name }) => name))).toEqual([['eu']])
  found.live.stop()
})
