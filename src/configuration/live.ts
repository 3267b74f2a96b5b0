/** The configuration that is in force in this process, and what becomes of it when its file changes. */
import { Sources } from '../metrics/sources.ts'
import type { Clock } from '../telemetry/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { effective, type ConfigurationFlags, type Effective } from './effective.ts'
import { follow } from './follow.ts'
import { sourceMaker } from './metric-sources.ts'
import { readConfiguration, told } from './read.ts'

export interface LiveOptions {
  readonly flags: ConfigurationFlags
  /** Unset: flags alone. */
  readonly file?: { readonly path: string; readonly read: () => Promise<string> }
  readonly clock: Pick<Clock, 'now' | 'monotonic' | 'setTimeout'>
  readonly log: Log
}
export interface LiveConfiguration {
  readonly current: Effective
  /** Always those of `current`. */
  readonly sources: Sources
  /** `loadedAt`: Unix ms since when `current` is in force. `problems`: why the file as it stands now is not; empty: it is. */
  state(): { readonly path?: string; readonly loadedAt: number; readonly problems: readonly string[] }
  /** Calls back after each change. At most once. */
  follow(changed: (now: Effective) => void): void
  stop(): void
}
export type Opened = { readonly ok: true; readonly live: LiveConfiguration } | { readonly ok: false; readonly problems: readonly string[] }

/** Reads the file once. Not ok: everything that is wrong, one line each. */
export async function openConfiguration({ flags, file, clock, log }: LiveOptions): Promise<Opened> {
  let text = ''
  try {
    text = (await file?.read()) ?? ''
  } catch (error) {
    return { ok: false, problems: [`--config ${file?.path}: ${unreadable(error)}`] }
  }
  const first = understood(flags, file && { path: file.path, text })
  if (!first.ok) return first
  const make = sourceMaker(clock, log)
  const sources = new Sources(make(first.effective.sources))
  let current = first.effective
  let loadedAt = clock.now()
  let problems: readonly string[] = []
  let missing: readonly string[] = []
  let following: { stop(): void } | undefined

  function take(path: string, changedText: string, changed: (now: Effective) => void): void {
    const next = understood(flags, { path, text: changedText })
    if (!next.ok) {
      problems = next.problems
      log.error({ config: path, problems }, `the configuration file is wrong, and the one before stays in force: ${problems[0]}`)
      return
    }
    const what = differences(current, next.effective)
    problems = []
    current = next.effective
    loadedAt = clock.now()
    sources.replace(make(current.sources))
    log.info({ config: path, changed: what }, what.length === 0 ? 'the configuration file says the same as before' : `the configuration has changed: ${what.join(', ')}`)
    changed(current)
  }
  const live: LiveConfiguration = {
    get current() {
      return current
    },
    sources,
    state: () => ({ ...(file === undefined ? {} : { path: file.path }), loadedAt, problems: [...missing, ...problems] }),
    follow(changed) {
      if (file === undefined || following !== undefined) return
      const { path, read } = file
      following = follow({
        read, first: text, clock,
        changed: (changedText) => take(path, changedText, changed),
        unreadable(reason) {
          missing = [`${path}: ${unreadable({ code: reason })}`]
          log.error({ config: path, reason }, `the configuration file ${unreadable({ code: reason })}; what it said before stays in force`)
        },
        readable: () => (missing = []),
      })
    },
    stop: () => following?.stop(),
  }
  return { ok: true, live }
}

function understood(flags: ConfigurationFlags, file: { readonly path: string; readonly text: string } | undefined): ReturnType<typeof effective> {
  if (file === undefined) return effective(flags, undefined)
  const read = readConfiguration(file.text)
  if (!read.ok) return { ok: false, problems: read.problems.map((problem) => told(file.path, problem)) }
  const merged = effective(flags, read.configuration)
  return merged.ok ? merged : { ok: false, problems: merged.problems.map((problem) => `${file.path}: ${problem}`) }
}

function unreadable(error: unknown): string {
  const { code } = error as { code?: string }
  return code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'may not be read' : code === 'EISDIR' ? 'is a directory' : `cannot be read (${code ?? String(error)})`
}

/** For people: `source edge was added`. */
function differences(before: Effective, now: Effective): string[] {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
  const old = new Map(before.sources.map((source) => [source.name, source]))
  const sources = now.sources.flatMap((source) => {
    const was = old.get(source.name)
    return was === undefined ? [`source ${source.name} was added`] : same(was, source) ? [] : [`source ${source.name} was changed`]
  })
  const gone = before.sources.filter(({ name }) => !now.sources.some((source) => source.name === name)).map(({ name }) => `source ${name} was removed`)
  const rest = (['allowedHosts', 'clusterName', 'templateNamespaces', 'defaults'] as const).filter((part) => !same(before[part], now[part])).map((part) => `${part} changed`)
  return [...sources, ...gone, ...rest]
}
