/** The demo as people run it: a process of its own, whose standard output, exit code and kubeconfig are what counts. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'

const main = resolve(import.meta.dirname, '../../../src/main.ts')
interface Run {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
}
/** `heard` sees standard error as it grows. */
function demo(args: readonly string[], heard: (stderr: string, interrupt: () => void) => void = () => {}): Promise<Run> {
  const child = spawn(process.execPath, [main, 'demo', ...args], { env: { ...process.env, FORCE_COLOR: '0' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => void (stdout += chunk))
  child.stderr.on('data', chunk => {
    stderr += chunk
    heard(stderr, () => child.kill('SIGINT'))
  })
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('close', code => done({ stdout, stderr, code }))
  })
}

it('runs every scenario to the expected end, with JSON lines and nothing else on standard output', { timeout: 240_000 }, async () => {
  const { stdout, stderr, code } = await demo(['--scenario', 'all', '--speed', '600', '--json'])
  const reports = stdout.trimEnd().split('\n').map(line => JSON.parse(line))
  expect(reports.map(({ scenario, outcome, expected }) => [scenario, outcome, expected])).toEqual([
    ['healthy', 'Promoted', 'Promoted'],
    ['errors', 'RolledBack', 'RolledBack'],
    ['slow', 'RolledBack', 'RolledBack'],
    ['crash', 'RolledBack', 'RolledBack'],
    ['nodata', 'Held', 'Held'],
  ])
  for (const one of reports) expect(Object.keys(one)).toEqual(['scenario', 'outcome', 'expected', 'reason', 'steps', 'requests', 'seconds'])
  const [healthy, errors, slow, crash, nodata] = reports
  expect(healthy.steps.map(({ weight }: { weight: number }) => weight)).toEqual([5, 25, 50, 100])
  for (const [index, least] of [120, 300, 600, 300].entries()) expect(healthy.steps[index].seconds).toBeGreaterThanOrEqual(least - 1)
  expect(healthy.requests.served).toBeGreaterThan(10_000)
  expect(healthy.requests.lost).toBe(0)
  expect(errors.reason).toMatch(/^success \d+\.\d+% misses 99%: \d+ of \d+ requests failed/)
  expect(errors.requests.lost).toBeGreaterThan(3)
  expect(slow.reason).toMatch(/^p99 \d+ms misses 500ms: \d+ of \d+ requests/)
  for (const { steps } of [errors, slow]) expect(steps.map(({ weight }: { weight: number }) => weight)).toEqual([5])
  expect(crash.reason).toMatch(/^CrashLoopBackOff: /)
  expect(crash.steps).toEqual([])
  expect(crash.requests).toEqual({ served: 0, lost: 0 })
  expect(nodata.reason).toMatch(/no data for 15m/)
  expect(nodata.seconds).toBeGreaterThan(900)
  expect(stderr).toBe('')
  expect(code).toBe(0)
})

it('writes plain lines where there is no terminal: one for each decision, the reason in numbers, and what to try next', { timeout: 120_000 }, async () => {
  const { stdout, stderr, code } = await demo(['--scenario', 'errors', '--speed', '300'])
  // eslint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/)
  const decisions = [...stdout.matchAll(/^ +[\dhms]+ {2}(\w+) /gm)].map(([, word]) => word)
  expect(decisions).toEqual(['Adopting', 'Idle', 'Waiting', 'Scaling', 'Shifting', 'Holding', 'Failing', 'Closing', 'Draining', 'RolledBack'])
  expect(stdout).toMatch(/v1\.10\.0 was rolled back after .+\n +because success \d+\.\d+% misses 99%/)
  expect(stdout).toMatch(/No request had nowhere to go: all \d,\d{3} found a pod/)
  expect(stdout).toMatch(/What to try next\n +npm start -- --scenario all/)
  // People say versions, not names of revisions.
  expect(stdout).not.toMatch(/checkout-[a-z0-9]{10}/)
  expect(stderr).toBe('')
  expect(code).toBe(0)
})

it('keeps the cluster until Ctrl-C, and takes its kubeconfig along', { timeout: 120_000 }, async () => {
  let kubeconfig = ''
  let phase: Promise<string> | undefined
  const { stdout, code } = await demo(['--scenario', 'crash', '--speed', '600', '--json', '--keep'], (stderr, interrupt) => {
    const found = /KUBECONFIG=(.+)\n/.exec(stderr)
    if (found === null || phase !== undefined) return
    kubeconfig = found[1]!
    phase = phaseIn(kubeconfig).finally(interrupt)
  })
  expect(await phase).toBe('RolledBack')
  expect(JSON.parse(stdout)).toMatchObject({ scenario: 'crash', outcome: 'RolledBack' })
  expect(existsSync(kubeconfig)).toBe(false)
  expect(code).toBe(0)
})
async function phaseIn(kubeconfig: string): Promise<string> {
  const server = /server: "(.+?)"/.exec(readFileSync(kubeconfig, 'utf8'))![1]!
  const answer = await fetch(`${server}/apis/sluice.dev/v1alpha1/namespaces/shop/rollouts/checkout`)
  return ((await answer.json()) as { status: { phase: string } }).status.phase
}

it('ends at Ctrl-C in the middle with 130', { timeout: 120_000 }, async () => {
  const { code, stdout } = await demo(['--scenario', 'healthy', '--speed', '60', '--json', '--logs'], (stderr, interrupt) => {
    if (stderr.includes('is stable')) interrupt()
  })
  expect(stdout).toBe('')
  expect(code).toBe(130)
})

it.each([
  [['--speed', 'fast'], '--speed is "fast"', 'a number from 1 to 1000'],
  [['--speed', '0'], '--speed is "0"', 'a number from 1 to 1000'],
  [['--scenario', 'sunny'], '--scenario is "sunny"', 'healthy, errors, slow, crash, nodata, or all'],
  [['--fast'], "'--fast'", '--scenario, --speed, --json, --keep'],
])('refuses %j with the option, the value and what is allowed', async (args, named, allowed) => {
  const { stdout, stderr, code } = await demo(args)
  expect(code).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain(named)
  expect(stderr).toContain(allowed)
})
