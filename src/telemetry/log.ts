/** One line of JSON per fact, with the same keys everywhere; or plain lines for a person who watches the demo. */
import pino from 'pino'

/** Every key that a line may have beside `time`, `level` and `message`, and what it means. A key that is not here does not compile. */
export const logKeys = {
  rollout: 'Name of the Rollout that the line is about.',
  namespace: 'Its namespace, or that of the channel.',
  note: 'Type of the note, as in events and notifications: `Started`, `RolledBack`; or what could not be done: `LoweringFailed`.',
  reason: 'One CamelCase word: why it ended so, or why something failed.',
  check: 'The check that decided.',
  value: 'What it measured, with its unit.',
  bound: 'Its bound, with its unit.',
  weight: 'Percent of traffic that the new revision had, a number.',
  revision: 'The new revision.',
  from: 'The proven revision.',
  commit: 'Commit of the new revision, where a GitOps tool says so.',
  by: 'Who asked for it.',
  journey: 'Identity of the journey.',
  route: 'The route that could not be written.',
  action: 'The write that did not succeed.',
  object: 'The object in question, as `Kind/namespace/name`.',
  kind: 'Kind of objects that a watch is about.',
  event: 'Name of the Kubernetes event in question.',
  channel: 'The NotificationChannel.',
  id: 'Identity of the note, the same in every repetition.',
  state: 'What came of a test message.',
  source: 'The metric source.',
  identity: 'This process, as in the lease and in `status.writer`.',
  server: 'The API server.',
  watches: 'The namespace that is watched, or `all`.',
  config: 'The configuration file, or `none`.',
  sources: 'Names of all metric sources.',
  changed: 'What has changed in the configuration.',
  problems: 'What is wrong with the configuration, one sentence each.',
  lease: 'The lease as `namespace/name`, or `none`.',
  err: 'An error of our own making: `type`, `message` and `stack`. A line with it is a bug.',
} as const
export type LogKey = keyof typeof logKeys
/** Facts of a line. `err` is an Error and is written with its stack; names of secrets are blanked out. */
export type LogFields = Readonly<Partial<Record<LogKey, unknown>>>
export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export interface LogOptions {
  readonly level: LogLevel
  /** Json: one object per line. Plain: `09:14:02 WARN message key=value`, for a terminal. */
  readonly form: 'Json' | 'Plain'
  /** Receives whole lines with their line end; standard output where unset. */
  readonly write?: (line: string) => void
  /** Unix ms, stamped on lines; the machine's clock where unset. */
  readonly now?: () => number
}

const secretNames = ['authorization', 'token', 'password', 'secret', 'clientKey', 'client-key-data', 'signingSecret']
const blank = '[redacted]'

/** A log. Lines go out in order and without buffering, so that the last one before a crash is there. */
export function createLog(options: LogOptions): Log {
  const now = options.now ?? (() => Date.now())
  const out = options.write === undefined ? pino.destination({ dest: 1, sync: true }) : { write: options.write }
  const stream = options.form === 'Json' ? out : { write: (line: string) => void out.write(plainLine(line)) }
  const logger = pino(
    {
      level: options.level,
      base: undefined,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: label => ({ level: label }), log: scrubbed },
      serializers: { err: (value: unknown) => value },
      redact: { paths: secretNames.flatMap(name => (name.includes('-') ? [`["${name}"]`, `*["${name}"]`] : [name, `*.${name}`])), censor: blank },
    },
    stream,
  )
  const line = (level: LogLevel) => (fields: LogFields, message: string) => logger[level](fields, scrub(message))
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

function scrubbed(fields: Record<string, unknown>): Record<string, unknown> {
  const clean = (value: unknown) => (value instanceof Error ? error(value) : typeof value === 'string' ? scrub(value) : value)
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, clean(value)]))
}
function error(value: Error): { type: string; message: string; stack: string } {
  return { type: value.name, message: scrub(value.message), stack: scrub(value.stack ?? '') }
}
/** Passwords in URLs and bearer tokens do not belong into a log, wherever a message picked them up. */
function scrub(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi, `$1${blank}@`).replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${blank}`)
}

function plainLine(json: string): string {
  const { time, level, message, err, ...fields } = JSON.parse(json) as Record<string, unknown>
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`)
  const stack = typeof err === 'object' && err !== null ? `\n${String((err as { stack?: unknown }).stack)}` : ''
  return `${[String(time).slice(11, 19), String(level).toUpperCase().padEnd(5), message, ...rest].join(' ')}${stack}\n`
}
