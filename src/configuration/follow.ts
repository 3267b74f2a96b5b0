/** A file that may change at any time, as a mounted ConfigMap does: read again and again, and told of when its contents are others. */
import type { Clock } from '../telemetry/clock.ts'

export interface FollowOptions {
  /** The contents now; rejects where they cannot be read. */
  readonly read: () => Promise<string>
  /** What was read before following begins. */
  readonly first: string
  readonly clock: Pick<Clock, 'setTimeout'>
  /** How often it is read, in ms; 2000 where unset. */
  readonly everyMs?: number
  /** Other contents than those that were told of last, read alike twice in a row: a file that is still being written is not taken by half. */
  readonly changed: (text: string) => void
  /** It cannot be read, once for each reason; what was told of last stands. */
  readonly unreadable: (reason: string) => void
  /** It can be read again. */
  readonly readable: () => void
}

/** Begins to follow. By reading and not by notifications: those are lost where a mount swaps links, and on some file systems do not exist. */
export function follow({ read, first, clock, everyMs = 2000, changed, unreadable, readable }: FollowOptions): { stop(): void } {
  let told = first
  let candidate: string | undefined
  let reason: string | undefined
  let stopped = false
  let timer = clock.setTimeout(() => void look(), everyMs)
  async function look(): Promise<void> {
    try {
      const text = await read()
      if (stopped) return
      if (reason !== undefined) readable()
      reason = undefined
      if (text === told) candidate = undefined
      else if (text !== candidate) candidate = text
      else {
        candidate = undefined
        told = text
        changed(text)
      }
    } catch (error) {
      if (stopped) return
      candidate = undefined
      const why = (error as NodeJS.ErrnoException).code ?? String(error)
      if (why !== reason) unreadable((reason = why))
    }
    if (!stopped) timer = clock.setTimeout(() => void look(), everyMs)
  }
  return {
    stop() {
      stopped = true
      timer.cancel()
    },
  }
}
