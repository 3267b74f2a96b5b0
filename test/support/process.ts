/** Child processes of tests: started with a log file, waited for, and never left behind, also when the test process is killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Part {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly child: ChildProcess
  readonly pid: number
  readonly logFile: string
  /** Resolves with the exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>
  /** The last lines of its output. */
  tail(lines?: number): string
}

/** A directory and the processes that live in it. Both go when `stop` is called, when this process ends, and when it is killed. */
export interface Nest {
  readonly dir: string
  readonly parts: readonly Part[]
  start(name: string, program: string, args: readonly string[], env?: Record<string, string>): Part
  /** Ends one part: SIGCONT and SIGTERM, after five seconds SIGKILL. */
  end(part: Part): Promise<void>
  stop(): Promise<void>
}

// Reads process ids until the pipe closes, which the kernel does for us even after SIGKILL. SIGKILL works on stopped processes too.
const watchdog = 'pids=; while read -r pid; do pids="$pids $pid"; done; for pid in $pids; do kill -9 "$pid" 2>/dev/null; done; rm -rf "$0"'

/** A new nest in the system's temporary folder. `label` is part of the folder's name. */
export function makeNest(label: string): Nest {
  const dir = mkdtempSync(join(tmpdir(), `sluice-${label}-`))
  const parts: Part[] = []
  const guard = spawn('sh', ['-c', watchdog, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  guard.unref()
  // The pipe of an unref'd child still holds the event loop open.
  ;(guard.stdin as unknown as { unref(): void }).unref()
  guard.stdin.on('error', () => undefined)
  const nest: Nest = {
    dir,
    parts,
    start(name, program, args, env = {}) {
      const logFile = join(dir, `${name}-${parts.length}.log`)
      const log = openSync(logFile, 'a')
      const child = spawn(program, args, { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', log, log] })
      closeSync(log)
      const exited = new Promise<number | string>((resolve) => {
        child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
        child.once('error', (error) => resolve(String(error)))
      })
      const pid = child.pid
      if (pid === undefined) throw new Error(`${name}: cannot start ${program}`)
      guard.stdin.write(`${pid}\n`)
      const part: Part = { name, program, args, child, pid, logFile, exited, tail: (lines = 15) => lastLines(logFile, lines) }
      parts.push(part)
      return part
    },
    async end(part) {
      if (part.child.exitCode !== null || part.child.signalCode !== null) return
      part.child.kill('SIGCONT')
      part.child.kill('SIGTERM')
      const killer = setTimeout(() => part.child.kill('SIGKILL'), 5_000)
      await part.exited
      clearTimeout(killer)
    },
    async stop() {
      for (const part of parts.toReversed()) await nest.end(part)
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
      guard.stdin.end()
    },
  }
  return nest
}

function lastLines(file: string, lines: number): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}

/** A free port on loopback below the range from which the kernel takes ports of outgoing connections, so that nobody else gets it meanwhile. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = 18_000 + Math.floor(Math.random() * 12_000)
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new Error('no free port between 18000 and 30000 on 127.0.0.1')
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Asks until the answer is neither undefined nor false. On time-out the error says what was awaited, and what `hint` knows. */
export async function until<T>(what: string, ask: () => T | undefined | false | Promise<T | undefined | false>, { timeoutMs = 60_000, everyMs = 100, hint = (): unknown => undefined } = {}): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > deadline) {
      const known = await hint()
      throw new Error(`waited ${timeoutMs / 1000}s for ${what}${known === undefined ? '' : `\n${typeof known === 'string' ? known : JSON.stringify(known, null, 1)}`}`)
    }
    await sleep(everyMs)
  }
}
