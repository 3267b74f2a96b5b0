/** `sluice demo`: a tour through releases that go well and badly, in an embedded cluster, with the controller of production. Simulated time. */
import { CliFailure, exitCodes, type Io } from './io.ts'
import { connect, type Cluster } from './connect.ts'
import { endOf, report, Shares, type Report } from './demo/journey.ts'
import { app } from './demo/objects.ts'
import { demoOptions, type DemoFlags, type DemoOptions } from './demo/options.ts'
import { repository, type Scenario } from './demo/scenarios.ts'
import { jsonScreen, liveScreen, plainScreen, type DemoScreen } from './demo/screen.ts'
import type { Stage } from './demo/stage.ts'
import { adopting, checksPassed, introduction, nowhere, reasonFor, releasing, staying, tryNext, verdict, withVersions } from './demo/text.ts'
import { applyRollout, applyShop, Interrupted, release, Watched, type Look } from './demo/user.ts'

interface Scene {
  readonly options: DemoOptions
  readonly io: Io
  readonly stage: Stage
  readonly cluster: Cluster
  readonly watched: Watched
  readonly screen: DemoScreen
}
const requestsPerSecond = 40
/** Simulated time that passes before the Rollout is applied, and that a journey may take, in ms. */
const warmUp = 10_000
const longest = 3 * 3_600_000

/** Runs the tour; returns 0 where every outcome was the expected one. Throws CliFailure where a flag is wrong, with exit code 2, or the tour cannot go on. */
export async function demo(flags: DemoFlags, io: Io): Promise<number> {
  const checked = demoOptions(flags)
  if (!checked.ok) throw new CliFailure(checked.problems.join('\nsluice: '), 2)
  const { options } = checked
  const length = options.scenarios.reduce((sum, { minutes }) => sum + minutes, 2) * 60_000
  const { openStage } = await import('./demo/stage.ts')
  // So that simulated time ends about where the clocks of other programs are, for who looks at the cluster afterwards.
  const stage = await openStage({ start: io.clock.now() - length, level: options.logs ? 'info' : 'error', write: line => io.stderr.write(line) })
  try {
    return await onStage(options, io, stage)
  } catch (error) {
    if (error instanceof Interrupted) return exitCodes.interrupted
    throw error
  } finally {
    await stage.close()
  }
}

async function onStage(options: DemoOptions, io: Io, stage: Stage): Promise<number> {
  const screen = await screenFor(options, io, stage)
  const cluster = await connect({ kubeconfig: stage.kubeconfig })
  let watched: Watched | undefined
  try {
    stage.clock.run(options.speed)
    screen.say([...introduction(options), ''])
    await applyShop(cluster)
    watched = new Watched(cluster, io)
    const scene: Scene = { options, io, stage, cluster, watched, screen }
    const right = await tour(scene)
    if (options.keep) await stay(scene)
    return right ? exitCodes.done : exitCodes.failed
  } finally {
    screen.rest()
    await watched?.stop()
    await cluster.close()
  }
}
function screenFor({ json, logs }: DemoOptions, io: Io, { clock }: Stage): DemoScreen | Promise<DemoScreen> {
  if (json) return jsonScreen(io)
  const { terminal } = io.stdout
  // Log lines would run through the picture.
  return terminal === undefined || (logs && io.stderr.terminal !== undefined) ? plainScreen(io) : liveScreen(io, terminal, clock)
}

/** True where every outcome was the expected one. */
async function tour(scene: Scene): Promise<boolean> {
  const { options, screen, stage } = scene
  await adopt(scene)
  let right = true
  for (const [index, scenario] of options.scenarios.entries()) {
    screen.say(['', releasing(scenario, index, options.scenarios.length)], 'Heading')
    const ended = await perform(scene, scenario)
    screen.report(ended)
    screen.say(verdict(scenario, ended), ended.outcome === ended.expected ? 'Good' : 'Bad')
    right &&= ended.outcome === ended.expected
  }
  const missed = stage.traffic.nowhere().count
  const sent = stage.traffic.served().reduce((sum, { total, lost }) => sum + total + lost, missed)
  screen.say(['', nowhere(missed, sent), '', ...tryNext(options)])
  return right && missed === 0
}

async function adopt({ cluster, screen, stage, watched }: Scene): Promise<void> {
  screen.say([adopting])
  const { clock } = stage
  const ready = ({ workloads }: Look) => (workloads.some(one => one.metadata.name === app && one.status?.readyReplicas > 0) ? true : undefined)
  const adopted = ({ rollout }: Look) => (rollout?.status?.phase === 'Idle' ? true : undefined)
  await watched.until(ready, { clock, ms: longest, what: 'the Deployment was not ready' })
  stage.send(requestsPerSecond)
  await new Promise<void>(resolve => clock.setTimeout(resolve, warmUp))
  await applyRollout(cluster)
  const begun = clock.now()
  const looking = watched.listen(look => screen.look(look, begun))
  try {
    await watched.until(adopted, { clock, ms: longest, what: 'the Deployment was not taken over' })
  } finally {
    looking.cancel()
    screen.rest()
  }
}

/** Releases a version and looks on until its journey has ended, or waits for a person. */
async function perform({ cluster, screen, stage, watched }: Scene, scenario: Scenario): Promise<Report> {
  const { clock } = stage
  const before = watched.look.rollout?.status?.journey?.id
  const shares = new Shares()
  let passed = ''
  if (scenario.silent === true) stage.send(0)
  const begun = clock.now()
  await release(cluster, scenario.version)
  const looking = watched.listen(look => {
    screen.look(look, begun)
    const status = look.rollout?.status
    if (look.rollout === undefined || status === undefined || status.journey?.id === before) return
    shares.add(status)
    if (status.phase === 'Flipping') passed = checksPassed(look.rollout) || passed
  })
  try {
    const late = { clock, ms: longest, what: `the journey of ${scenario.version} did not end` }
    const ended = await watched.until(({ rollout }) => rollout?.status && endOf(rollout.status, before), late)
    return report(scenario, ended, shares, withVersions(reasonFor(ended, passed), watched.look.rollout?.status))
  } finally {
    looking.cancel()
    screen.rest()
    stage.send(requestsPerSecond)
  }
}

/** Until Ctrl-C. */
async function stay({ io, options, screen, stage: { clock, kubeconfig } }: Scene): Promise<void> {
  const lines = staying(kubeconfig, options, repository)
  if (options.json) io.stderr.write(`${lines.join('\n')}\n`)
  else screen.say(['', ...lines])
  const behind = io.clock.now() - clock.now()
  if (options.keepSpeed === 1 && behind > 0) {
    clock.run(options.speed * 10)
    await new Promise<void>(resolve => clock.setTimeout(resolve, behind))
  }
  clock.run(options.keepSpeed)
  if (!io.stopped.aborted) await new Promise(resolve => io.stopped.addEventListener('abort', resolve, { once: true }))
}
