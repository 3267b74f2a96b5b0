/**
 * Makes docs/images/release.svg: `npx node docs/images/picture.ts`. The controller, the embedded cluster and the embedded Prometheus of the demo run
 * two releases on simulated time; three screens of `sluice get checkout --watch` are kept as they stood.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, deployments, readRollout, type Cluster } from '../../src/cli/connect.ts'
import { app, namespace } from '../../src/cli/demo/objects.ts'
import { scenarios } from '../../src/cli/demo/scenarios.ts'
import { openStage } from '../../src/cli/demo/stage.ts'
import { applyRollout, applyShop, release } from '../../src/cli/demo/user.ts'
import { podsOf } from '../../src/cli/get.ts'
import { drawCurves, renderRollout, underWay, type RolloutObject } from '../../src/cli/view.ts'
import type { RolloutStatus } from '../../src/rollout/schema.ts'
import { terminalSvg, type Screen } from './terminal.ts'

const columns = 104
/** Simulated seconds per second: slow enough that no answer comes late by the simulated clock. */
const speed = 40

const stage = await openStage({ start: Date.UTC(2026, 10, 23, 9), level: 'error', write: line => void process.stderr.write(line) })
try {
  const cluster = await connect({ kubeconfig: stage.kubeconfig, namespace })
  await applyShop(cluster)
  await applyRollout(cluster)
  stage.clock.run(speed)
  await look(cluster, 'adopted', (status) => status.phase === 'Idle')
  stage.send(50)
  const { healthy, errors } = scenarios
  const screens: Screen[] = []
  await release(cluster, healthy.version)
  const far = (status: RolloutStatus) => status.phase === 'Holding' && status.journey!.weight.seen === 25 && stage.clock.now() - Date.parse(status.journey!.weight.seenAt!) > 128_000
  screens.push(await screen(cluster, `${healthy.version} is being released`, far))
  await look(cluster, 'promoted', (status) => status.phase === 'Idle' && status.history[0]?.outcome === 'Promoted')
  await release(cluster, errors.version)
  screens.push(await screen(cluster, `${errors.version} ${errors.story}`, (status) => status.checks.some((check) => check.failures > 0)))
  screens.push(await screen(cluster, `its second failed evaluation takes it back`, (status) => status.phase === 'RolledBack'))
  const description = `Three screens of a terminal. ${screens.map(({ caption, lines }) => `${caption}: ${lines.map(bare).join(' ')}`).join(' ')}`.replaceAll(/\s+/g, ' ')
  const path = fileURLToPath(new URL('release.svg', import.meta.url))
  writeFileSync(path, terminalSvg(screens, columns, 'Sluice releases one version and takes the next one back', description))
  for (const { lines } of screens) process.stdout.write(`${lines.join('\n')}\n\n`)
  await cluster.close()
} finally {
  await stage.close()
}

/** What a person who watches would see at the first moment at which `reached` holds. */
async function screen(cluster: Cluster, caption: string, reached: (status: RolloutStatus) => boolean): Promise<Screen> {
  const curves: Record<string, number[]> = {}
  const object = await look(cluster, caption, reached, (before, status) => drawCurves(curves, before, status))
  const found = await cluster.api.list(deployments, { namespace, labelSelector: `sluice.dev/rollout=${app}` })
  const lines = renderRollout(object, stage.clock.now(), { columns, color: true, curves, ...(found.ok ? { pods: podsOf(object, found.value.items) } : {}) })
  return { caption, typed: `sluice get ${app} --watch`, lines }
}

async function look(cluster: Cluster, what: string, reached: (status: RolloutStatus) => boolean, each: (before: RolloutStatus | undefined, status: RolloutStatus) => void = () => {}): Promise<RolloutObject> {
  let before: RolloutStatus | undefined
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await sleep(20)) {
    const object = await readRollout(cluster, app)
    const { status } = object
    if (status === undefined) continue
    if (underWay(status) !== undefined || status.phase !== 'Waiting') each(before, status)
    before = status
    if (reached(status)) return object
  }
  throw new Error(`not reached within two minutes: ${what}; it is ${before?.phase}: ${before?.message}`)
}
function bare(line: string): string {
  // eslint-disable-next-line no-control-regex
  return line.replaceAll(/\u001b\[[0-9;]*m/g, '')
}
