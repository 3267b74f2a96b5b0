/** Lists: consistent pages by limit and continue, and resourceVersion semantics. */
import type { KubeObject } from '../rollout/objects.ts'
import { badRequest, failure } from './status.ts'
import type { Selected, Store } from './store.ts'

export interface Page {
  readonly items: readonly KubeObject[]
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number }
}
interface Token {
  readonly rv: number
  /** Key behind which the next page starts. */
  readonly after: string
}

/** A resourceVersion of a query; throws 400. */
export function parsedRevision(text: string | null): number | undefined {
  if (text === null || text === '') return undefined
  if (!/^\d+$/.test(text))
    throw badRequest(`invalid resource version: resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`)
  return Number(text)
}

/** One page. All pages of one list show the same moment; a token whose moment is forgotten is answered with 410. */
export function page(store: Store, id: string, selection: Selected, query: URLSearchParams): Page {
  const limit = Number(query.get('limit') ?? 0)
  const token = query.get('continue') ? parsedToken(query.get('continue')!) : undefined
  const revision = token?.rv ?? wantedRevision(store, query)
  let items: KubeObject[]
  try {
    items = store.listAt(id, selection, revision)
  } catch (error) {
    throw token ? tooOld(error) : error
  }
  const rest = token ? items.filter((item) => place(item) > token.after) : items
  const shown = limit > 0 ? rest.slice(0, limit) : rest
  const left = rest.length - shown.length
  const next = left > 0 ? Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, after: place(shown.at(-1)!) })).toString('base64url') : undefined
  const counted = left > 0 && !selection.labelSelector && !selection.fieldSelector
  return { items: shown, metadata: { resourceVersion: String(revision), ...(next && { continue: next }), ...(counted && { remainingItemCount: left }) } }
}

const place = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`

function wantedRevision(store: Store, query: URLSearchParams): number {
  const wanted = parsedRevision(query.get('resourceVersion'))
  const match = query.get('resourceVersionMatch')
  if (match && wanted === undefined) throw badRequest('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided')
  if (wanted !== undefined && wanted > store.revision) throw tooLarge(wanted, store.revision)
  return match === 'Exact' && wanted ? wanted : store.revision
}

function tooLarge(wanted: number, current: number): Error {
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

function parsedToken(text: string): Token {
  try {
    const { rv, after } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Token
    if (typeof rv === 'number' && typeof after === 'string') return { rv, after }
  } catch {
    // Told below.
  }
  throw badRequest(`invalid continue token: continue key is not valid: ${text}`)
}

function tooOld(error: unknown): unknown {
  const code = (error as { status?: { code?: number } }).status?.code
  if (code !== 410) return error
  return failure(
    410,
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
  )
}
