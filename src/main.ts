/** The process: argv, streams and signals in, an exit code out. */
import { accessSync, constants } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'

// Stripping types and compiling is most of the time of a short command. Where nothing can be written, Node would try for ever.
try {
  accessSync(tmpdir(), constants.W_OK)
  enableCompileCache()
} catch {
  // Only slower.
}
const [{ run }, { wantsColor }, { systemClock }] = await Promise.all([import('./cli.ts'), import('./config.ts'), import('./telemetry/clock.ts')])
const { randomBytes } = await import('node:crypto')
const { hostname } = await import('node:os')

const stopped = new AbortController()
let asked = 0
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopped.abort()
    // Whoever asks twice does not want to wait for a graceful end.
    if (++asked > 1) process.exit(130)
  })
}
// `sluice get | head` closes our output early: nothing is wrong.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
const screen = (stream: NodeJS.WriteStream) => ({
  write: (text: string) => void stream.write(text),
  columns: () => (stream.isTTY ? stream.columns : undefined),
  rows: () => (stream.isTTY ? stream.rows : undefined),
  terminal: stream.isTTY ? stream : undefined,
})
process.exitCode = await run(process.argv.slice(2), {
  identity: `${hostname().toLowerCase().replaceAll(/[^-.a-z0-9]/g, '-').slice(0, 100)}-${randomBytes(3).toString('hex')}`,
  io: {
    stdout: screen(process.stdout), stderr: screen(process.stderr), clock: systemClock, stopped: stopped.signal,
    color: wantsColor(process.stdout.isTTY === true, process.env),
  },
})
