/** How pods of the embedded cluster answer requests, and the annotation that says so. Pure. */

/** How a pod answers. */
export interface Answers {
  /** Share of requests that fail, 0..1; 0 where absent. */
  readonly errorRate?: number
  /** Median in ms; 20 where absent. */
  readonly latencyMs?: number
  /** 99th percentile in ms; three times the median where absent. Lognormal in between. */
  readonly p99Ms?: number
  /** Failures are this gRPC status behind HTTP 200, instead of HTTP 500. */
  readonly grpcStatus?: number
  /** No connection to it comes about, though it is ready. */
  readonly unreachable?: boolean
}
/** The annotation by which a pod template of the embedded cluster says how its pods answer: JSON of Answers. */
export const answersAnnotation = 'sandbox.sluice.dev/answers'

const known: Readonly<Record<keyof Answers, 'number' | 'boolean'>> = {
  errorRate: 'number',
  latencyMs: 'number',
  p99Ms: 'number',
  grpcStatus: 'number',
  unreachable: 'boolean',
}

/** What the annotation says; undefined where there is none, an Error where it cannot be understood. */
export function annotatedAnswers(pod: { readonly annotations: Readonly<Record<string, string>> }): Answers | Error | undefined {
  const text = pod.annotations[answersAnnotation]
  if (text === undefined) return undefined
  const wrong = (why: string): Error =>
    new Error(`annotation ${answersAnnotation}: ${text.slice(0, 80)} ${why}; write for example {"errorRate":0.2,"latencyMs":80}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return wrong('is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('is no JSON object')
  for (const [key, entry] of Object.entries(value)) {
    const type = Object.hasOwn(known, key) ? known[key as keyof Answers] : undefined
    if (type === undefined) return wrong(`has the unknown field ${key} (known are ${Object.keys(known).join(', ')})`)
    if (typeof entry !== type || (typeof entry === 'number' && entry < 0))
      return wrong(`needs a ${type}${type === 'number' ? ' of at least 0' : ''} for ${key}`)
  }
  return value as Answers
}
