/** What a command may touch of its surroundings, and how it gives up. */
import type { Clock } from '../telemetry/clock.ts'

export interface Screen {
  write(text: string): void
  /** Width of the terminal in characters; undefined where it is none. */
  columns(): number | undefined
  /** Lines of the terminal. */
  rows(): number | undefined
  /** The terminal, for pictures that are drawn anew; undefined for files and pipes. */
  readonly terminal: NodeJS.WriteStream | undefined
}
export interface Io {
  readonly stdout: Screen
  readonly stderr: Screen
  /** A terminal that shows colours, and no NO_COLOR. */
  readonly color: boolean
  readonly clock: Clock
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly stopped: AbortSignal
}

/** The command cannot go on. `message` is one sentence with the remedy; it goes to standard error. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure'
  readonly exitCode: number
  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Exit codes of `sluice wait`, for scripts. */
export const exitCodes = { done: 0, failed: 1, rolledBack: 2, needsPerson: 3, timedOut: 4, interrupted: 130 } as const
