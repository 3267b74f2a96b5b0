/** bin/prepare.mjs and bin/sluice as a person meets them after `git clone`: with an npm that only notes that it was called. */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const bin = resolve(import.meta.dirname, '../../../bin')
let home: string
let project: string
let tools: string
const lock = (versions: Record<string, string>) => JSON.stringify({ packages: { '': {}, ...Object.fromEntries(Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }])), 'node_modules/other-platform': { version: '1.0.0', optional: true } } })
const write = (path: string, text: string, minutesAgo = 0, mode = 0o644) => {
  writeFileSync(path, text)
  chmodSync(path, mode)
  const at = Date.now() / 1000 - minutesAgo * 60
  utimesSync(path, at, at)
}
function installed(versions: Record<string, string>, minutesAgo: number): void {
  mkdirSync(join(project, 'node_modules/.bin'), { recursive: true })
  write(join(project, 'node_modules/.package-lock.json'), lock(versions), minutesAgo)
  symlinkSync(process.execPath, join(project, 'node_modules/.bin/node'))
}
const start = (command: string, args: string[] = [], cwd = tmpdir()) => spawnSync(command, args, { cwd, encoding: 'utf8', env: { PATH: `${tools}:/usr/bin:/bin` } })
const prepare = () => start(process.execPath, [join(project, 'bin/prepare.mjs')])

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-start-'))
  project = join(home, 'a project')
  tools = join(home, 'tools')
  for (const folder of [tools, join(project, 'src')]) mkdirSync(folder, { recursive: true })
  cpSync(bin, join(project, 'bin'), { recursive: true })
  write(join(project, 'package-lock.json'), lock({ zod: '4.0.0' }), 10)
  write(join(project, 'src/main.ts'), 'const text: string = process.argv.slice(2).join(" ")\nconsole.log(`${process.execPath} got ${text}`)\n')
  write(join(tools, 'npm'), `#!/bin/sh\necho noise\necho "$PWD $*" >> "${home}/npm.log"\nmkdir -p node_modules/.bin\nln -sf "${process.execPath}" node_modules/.bin/node\ncp package-lock.json node_modules/.package-lock.json\n`, 0, 0o755)
  symlinkSync(process.execPath, join(tools, 'node'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

test('what is missing is installed with one line on standard error and none on standard output', () => {
  const first = prepare()
  expect([first.status, first.stdout, first.stderr]).toEqual([0, '', 'sluice: dependencies are missing; running `npm ci` once, this takes about half a minute\n'])
  const second = prepare()
  expect([second.status, second.stdout, second.stderr]).toEqual([0, '', ''])
})
test('a newer lock with other versions is installed, one that a checkout only touched is not', () => {
  installed({ zod: '4.0.0' }, 20)
  expect(prepare().stderr).toBe('')
  write(join(project, 'package-lock.json'), lock({ zod: '4.1.0' }))
  expect(prepare().stderr).toContain('dependencies have changed')
  expect(prepare().stderr).toBe('')
})
test('npm start and npm test go on with the Node that they have just installed, not with the one that installed it', () => {
  const { scripts } = JSON.parse(readFileSync(resolve(bin, '../package.json'), 'utf8')) as { scripts: Record<string, string> }
  // What `npm start` runs, as npm runs it: each script in a shell of its own. A shell remembers where it found `node`.
  const npm = (name: string) => spawnSync('/bin/sh', ['-c', scripts[name]!], { cwd: project, encoding: 'utf8', env: { PATH: `${join(project, 'node_modules/.bin')}:${tools}:/usr/bin:/bin` } })
  const pinned = `#!/bin/sh\necho "pinned $*"\n`
  write(join(tools, 'npm'), `#!/bin/sh\nmkdir -p node_modules/.bin\nprintf '%s' '${pinned}' > node_modules/.bin/node\nchmod +x node_modules/.bin/node\ncp package-lock.json node_modules/.package-lock.json\n`, 0, 0o755)
  expect(npm('prestart').stderr).toContain('dependencies are missing')
  expect(npm('start').stdout).toBe('pinned src/main.ts demo\n')
  expect(scripts['pretest']).toBe(scripts['prestart'])
  expect(scripts['start']).not.toContain('prepare')
})
test('a failing installation says what npm said and does not go on', () => {
  write(join(tools, 'npm'), '#!/bin/sh\necho "no network" >&2\nexit 1\n', 0, 0o755)
  const failed = prepare()
  expect([failed.status, failed.stdout]).toEqual([1, ''])
  expect(failed.stderr).toContain('npm ci failed')
  expect(failed.stderr).toContain('no network')
})
test('without npm it says so', () => {
  rmSync(join(tools, 'npm'))
  const failed = spawnSync(process.execPath, [join(project, 'bin/prepare.mjs')], { encoding: 'utf8', env: { PATH: tools } })
  expect([failed.status, failed.stderr.split('\n').at(-2)]).toEqual([1, 'sluice: npm was not found; install Node.js with npm, then run this again'])
})
test('the program starts from any directory, through links of either name, with the pinned Node', () => {
  installed({ zod: '4.0.0' }, 5)
  const links = join(home, 'links')
  mkdirSync(links)
  symlinkSync('../a project/bin/sluice', join(links, 'kubectl-sluice'))
  symlinkSync(join(links, 'kubectl-sluice'), join(links, 'sluice'))
  for (const name of ['kubectl-sluice', 'sluice']) {
    const run = start(join(links, name), ['get', '-w', 'a b'])
    expect([run.stderr, run.status]).toEqual(['', 0])
    expect(run.stdout).toMatch(/ got get -w a b\n$/)
  }
})
test('the program installs what is missing first, and keeps standard output clean', () => {
  const run = start(join(project, 'bin/sluice'), ['version'])
  expect(run.stdout).toMatch(/^\S+ got version\n$/)
  expect(run.stderr).toContain('dependencies are missing')
})
test('a Node that is too old, and none pinned, is said', () => {
  installed({ zod: '4.0.0' }, 5)
  rmSync(join(project, 'node_modules/.bin/node'))
  rmSync(join(tools, 'node'))
  write(join(tools, 'node'), '#!/bin/sh\necho 18\n', 0, 0o755)
  const run = start(join(project, 'bin/sluice'))
  expect([run.status, run.stdout]).toEqual([1, ''])
  expect(run.stderr).toContain('Node 18 is too old')
})
