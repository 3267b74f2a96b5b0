/** The loop of the embedded cluster's own controllers: keys that need work, worked off one after the other a moment later, on simulated time. */
import { ApiError } from './status.ts'
import type { Store } from './store.ts'

export interface Loop {
  /** Puts a key up for work; a key that waits already is not put twice. */
  wake(key: string, afterMs?: number): void
  close(): void
}

/** Simulated milliseconds in which a controller notices a change. */
const reactionMs = 50

/** `work` is called with one key at a time. A lost race (ApiError) is tried again after a second. */
export function loop(store: Store, work: (key: string) => void): Loop {
  const waiting = new Map<string, { readonly due: number; readonly timer: { cancel(): void } }>()
  const wake = (key: string, afterMs = reactionMs): void => {
    const due = store.clock.now() + afterMs
    const known = waiting.get(key)
    if (known && known.due <= due) return
    known?.timer.cancel()
    waiting.set(key, { due, timer: store.clock.setTimeout(() => run(key), afterMs) })
  }
  const run = (key: string): void => {
    waiting.delete(key)
    try {
      work(key)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      wake(key, 1000)
    }
  }
  return {
    wake,
    close: () => {
      for (const { timer } of waiting.values()) timer.cancel()
      waiting.clear()
    },
  }
}

/** `<namespace>/<name>` and back. */
export const keyFor = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`
export const fromKey = (key: string): { namespace: string; name: string } => {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name }
}
