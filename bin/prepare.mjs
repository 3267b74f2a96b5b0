// Installs what is missing before anything of Sluice runs. Plain JavaScript for every Node from 18 on, without dependencies.
// Prints nothing when all is there, and nothing at all on standard output: what is started afterwards may write JSON there.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const wanted = join(root, 'package-lock.json')
const installed = join(root, 'node_modules', '.package-lock.json')

const why = missing()
if (why !== undefined) await install(why)
if (!existsSync(join(root, 'node_modules', '.bin', 'node')) && Number(process.versions.node.split('.')[0]) < 24) {
  fail(`Node ${process.versions.node} is too old to run Sluice's TypeScript, and the pinned Node was not installed (npm ci --omit=optional does that). Run \`npm ci\` in ${root}, or use Node 24 or newer.`)
}

/** Why something must be installed, or undefined. A newer date of the lock alone is no reason: a checkout sets it too. */
function missing() {
  if (!existsSync(wanted)) return undefined
  if (!existsSync(installed)) return 'dependencies are missing'
  if (statSync(wanted).mtimeMs <= statSync(installed).mtimeMs) return undefined
  const there = packages(installed)
  const changed = Object.entries(packages(wanted)).some(([path, one]) => path !== '' && !one.optional && there[path]?.version !== one.version)
  if (changed) return 'dependencies have changed'
  try {
    utimesSync(installed, new Date(), new Date())
  } catch {
    // Read-only: it is compared again the next time.
  }
  return undefined
}
function packages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {}
}

function install(why) {
  process.stderr.write(`sluice: ${why}; running \`npm ci\` once, this takes about half a minute\n`)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  return new Promise(resolve => {
    execFile(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, shell: process.platform === 'win32', maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) fail(error.code === 'ENOENT' ? 'npm was not found; install Node.js with npm, then run this again' : `npm ci failed in ${root}:\n${stdout}${stderr}`.trimEnd())
      resolve()
    })
  })
}

function fail(message) {
  process.stderr.write(`sluice: ${message}\n`)
  process.exit(1)
}
