/** Runs guides: a control plane of their own, all data planes, one controller; each story in a namespace and a folder of its own, which looks like a checkout. */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { makeNamespace, type ControlPlane } from './control-plane.ts'
import { startController } from './controller.ts'
import { startGatewayController } from './gateway-controller.ts'
import { comparable, hastened, prints, type Step, type Story } from './guide.ts'
import { helmMissing, helmProgram } from './helm.ts'
import { applied, kustomized } from './install.ts'
import { startKubelet } from './kubelet.ts'
import { startMesh, type DataPlane, type Mesh, type Traffic } from './mesh.ts'
import { makeNest, until, type Nest } from './process.ts'
import { startPrometheus } from './prometheus.ts'
import { startSmiAdaptor } from './smi-adaptor.ts'

const root = resolve(import.meta.dirname, '../..')
/** Namespaces that pages call so become scratch namespaces; all others are taken by their name. */
const named = ['shop']
const otherWords = 'prints something else than the page shows'

/** What became of a story's blocks. */
export interface Account {
  /** Blocks of commands that were run. */
  executed: number
  /** Of these, how many had to print what the page shows. */
  compared: number
  /** Blocks of YAML that the API server has judged without keeping them, and those it has kept. */
  checked: number
  applied: number
  /** Files that are no resources of a cluster: commands use them. */
  saved: number
  readonly skipped: { readonly line: number; readonly language: string; readonly why: string }[]
}
export interface GuideStage {
  /** Runs the steps in order. Throws where they do not do what the page says, with the lines. */
  run(story: Story): Promise<Account>
  stop(): Promise<void>
}

/** Starts everything on a control plane whose CRDs are there. */
export async function startGuideStage(plane: ControlPlane): Promise<GuideStage> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step()
  }
  const kept = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting
    undo.push(() => started.stop())
    return started
  }
  try {
    const nest = await kept(Promise.resolve(makeNest('guides')))
    await kept(startKubelet(plane))
    const planes: readonly DataPlane[] = ['Istio', 'Linkerd', 'GatewayAPI']
    const meshes = Object.fromEntries(await Promise.all(planes.map(async (dataPlane) => [dataPlane, await kept(startMesh(plane, { dataPlane }))]))) as Record<DataPlane, Mesh>
    await kept(startSmiAdaptor(plane))
    await kept(startGatewayController(plane))
    const prometheus = await kept(startPrometheus({ targets: Object.values(meshes).map(({ target }) => target), scrapeIntervalMs: 500 }))
    await kept(startController(plane, { scrapeInterval: '500ms', prometheusUrl: prometheus.url }))
    symlinkSync(root, join(nest.dir, 'sluice'))
    // As an administrator has installed it. Its pods are models; the controller that leads is the one below.
    await applied(plane, await kustomized(plane, 'overlays/cluster'), ['--force-conflicts'])
    return { run: async (story) => await runStory(plane, meshes, nest, story), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Place {
  readonly plane: ControlPlane
  readonly meshes: Record<DataPlane, Mesh>
  readonly namespace: string
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly traffic: Traffic[]
  mesh: Mesh
  hold: string
}

async function runStory(plane: ControlPlane, meshes: Record<DataPlane, Mesh>, nest: Nest, story: Story): Promise<Account> {
  const account: Account = { executed: 0, compared: 0, checked: 0, applied: 0, saved: 0, skipped: [] }
  const namespace = await makeNamespace(plane, named[0]!)
  const folder = join(nest.dir, namespace)
  const place: Place = { plane, meshes, namespace, folder, env: checkout(plane, folder, namespace), traffic: [], mesh: meshes.Istio, hold: '3s' }
  try {
    const wrong: string[] = []
    for (const step of story.steps) {
      const what = await runStep(place, step, account)
      if (what === undefined) continue
      wrong.push(`${story.title}, line ${step.line}: ${what}`)
      // Other words are no reason to stop; what was not done is.
      if (!what.startsWith(otherWords)) break
    }
    // Nobody who follows a guide may lose a request by it.
    const lost = Object.values(meshes).flatMap((mesh) => mesh.nowhere(namespace))
    if (lost.length > 0) wrong.push(`${story.title}: requests found no pod: ${JSON.stringify(lost)}`)
    if (wrong.length > 0) throw new Error(wrong.join('\n\n'))
    return account
  } finally {
    for (const one of place.traffic) one.stop()
    await plane.request('DELETE', `/api/v1/namespaces/${namespace}`)
  }
}

/** A folder as a reader has it before him: the repository, its examples with short holds, and the programs on the PATH. */
function checkout(plane: ControlPlane, folder: string, namespace: string): NodeJS.ProcessEnv {
  mkdirSync(join(folder, '.programs'), { recursive: true })
  symlinkSync(join(root, 'bin'), join(folder, 'bin'))
  for (const name of ['crds', 'deploy', 'examples']) cpSync(join(root, name), join(folder, name), { recursive: true, verbatimSymlinks: true })
  for (const file of readdirSync(join(folder, 'examples'), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, 'examples', name))) {
    if (statSync(file).isFile() && file.endsWith('.yaml')) writeFileSync(file, hastened(readFileSync(file, 'utf8')))
  }
  for (const name of ['sluice', 'kubectl-sluice']) symlinkSync(join(root, 'bin/sluice'), join(folder, '.programs', name))
  const helm = helmProgram()
  if (helm !== undefined) symlinkSync(helm, join(folder, '.programs/helm'))
  const config = JSON.parse(readFileSync(plane.kubeconfig, 'utf8'))
  config.contexts[0].context.namespace = namespace
  writeFileSync(join(folder, '.kubeconfig'), JSON.stringify(config), { mode: 0o600 })
  const helmHome = join(folder, '.helm')
  return {
    ...process.env, KUBECONFIG: join(folder, '.kubeconfig'), NO_COLOR: '1', HELM_CACHE_HOME: helmHome, HELM_CONFIG_HOME: helmHome, HELM_DATA_HOME: helmHome,
    PATH: [join(folder, '.programs'), plane.assets, process.env['PATH']].join(delimiter),
  }
}

/** Does one step and counts it. Returns what is wrong. */
async function runStep(place: Place, step: Step, account: Account): Promise<string | undefined> {
  const { meshes, namespace } = place
  switch (step.do) {
    case 'skip':
      return void account.skipped.push({ line: step.line, language: step.language, why: step.why })
    case 'holds':
      return void (place.hold = step.hold)
    case 'mesh':
      if (!(step.dataPlane in meshes)) return `there is no data plane ${step.dataPlane}: ${Object.keys(meshes).join(', ')}`
      return void (place.mesh = meshes[step.dataPlane as DataPlane])
    case 'answers':
      place.mesh.behave((pod) => pod.namespace === namespace && pod.image.endsWith(step.image), step)
      return undefined
    case 'traffic':
      return await startTraffic(place, step)
    case 'check':
    case 'apply':
    case 'save':
      return await judge(place, step, account)
    case 'run':
      return await runCommands(place, step, account)
  }
}

async function startTraffic(place: Place, step: Extract<Step, { do: 'traffic' }>): Promise<undefined> {
  const { mesh, namespace, traffic } = place
  const call = { namespace, host: step.host, headers: step.headers, ...(step.gateway ? { gateway: local(place, step.gateway) } : {}) }
  await until(`pods behind ${step.host}`, () => {
    const routing = mesh.routing(call)
    return 'arms' in routing && routing.arms.every(({ pods }) => pods.length > 0)
  }, { timeoutMs: 30_000, hint: () => mesh.routing(call) })
  traffic.push(mesh.send(call, step.perSecond))
}

/** The page's text with the scratch namespace in place of the one it names. */
function local({ namespace }: Place, text: string): string {
  return named.reduce((all, name) => all.replaceAll(new RegExp(`(-n |--namespace[ =]|namespace: |serviceaccount=|allow-from: |-n=)${name}\\b|(?<=\\.)${name}(?=\\.svc|\\b(?![.\\w-]))|^${name}(?=/)`, 'gm'), (_, before: string = '') => `${before}${namespace}`), text)
}

async function judge(place: Place, step: Extract<Step, { do: 'check' | 'apply' | 'save' }>, account: Account): Promise<string | undefined> {
  const text = local(place, step.partOf === undefined ? step.yaml : merged(step.partOf, step.yaml))
  if (step.save !== undefined) {
    const file = join(place.folder, step.save)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, hastened(text, place.hold))
  }
  if (step.do === 'save') return void account.saved++
  const dry = step.do === 'check' ? ['--dry-run=server'] : []
  // As Git would apply it, beside whatever is there already.
  const flags = ['apply', '--server-side', '--force-conflicts', '--validate=strict', '--field-manager=guide', ...dry]
  const { code, output } = await shell(place, `kubectl ${flags.join(' ')} -f -`, step.do === 'check' ? text : hastened(text, place.hold))
  if (code !== 0) return `the API server refuses this YAML:\n${output}`
  account[step.do === 'check' ? 'checked' : 'applied']++
  return undefined
}

/** A fragment merged into the last object of a file, or into that of a kind (`examples/a.yaml Deployment`). */
function merged(partOf: string, fragment: string): string {
  const [file = '', kind] = partOf.split(/\s+/)
  const objects = parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((document) => document.toJS())
  const object = kind === undefined ? objects.at(-1) : objects.find((one) => one.kind === kind)
  if (object === undefined) throw new Error(`${file} holds no ${kind ?? 'object'}`)
  return JSON.stringify(merge(object, parseAllDocuments(fragment)[0]!.toJS()))
}
function merge(base: any, change: any): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change) || typeof base !== 'object' || base === null) return change
  return { ...base, ...Object.fromEntries(Object.entries(change).map(([key, value]) => [key, merge(base[key], value)])) }
}

async function runCommands(place: Place, step: Extract<Step, { do: 'run' }>, account: Account): Promise<string | undefined> {
  if (/\bhelm /.test(step.command) && helmMissing() !== undefined) return void account.skipped.push({ line: step.line, language: 'sh', why: helmMissing()! })
  const { code, output } = await shell(place, local(place, step.command))
  const shown = output.replaceAll(place.namespace, named[0]!)
  if (code !== step.exit) {
    const known = await shell(place, 'kubectl get rollouts.sluice.dev -o custom-columns=NAME:.metadata.name,PHASE:.status.phase,MESSAGE:.status.message')
    return `exits with ${code}, not with ${step.exit}:\n${step.command}\n${shown}\n--- Rollouts at the end ---\n${known.output}`
  }
  if (step.hidden) return undefined
  account.executed++
  if (step.prints === undefined) return undefined
  account.compared++
  return prints(step.prints, shown) ? undefined : `${otherWords}:\n${shown}\n--- compared without times, names by hash and counts ---\n${comparable(shown)}\n${comparable(step.prints)}`
}

/** Runs commands as typed, standard error with standard output, and without what a shell on a socket would read first. Ends with 124 what takes longer than two minutes. */
function shell({ folder, env }: Place, command: string, stdin = ''): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((done) => {
    const child = spawn('timeout', ['120', 'bash', '--noprofile', '--norc', '-euo', 'pipefail', '-c', `exec 2>&1\n${command}`], { cwd: folder, env })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    child.once('error', (error) => done({ code: 1, output: String(error) }))
    child.once('close', (code) => done({ code: code ?? 1, output }))
  })
}

