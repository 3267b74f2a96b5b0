/** Status objects word for word as a real API server (1.36) writes them: clients tell errors apart by `reason`, `details` and `causes`. */

export interface Cause {
  readonly reason?: string
  readonly message: string
  readonly field?: string
}
/** A `v1/Status` with status Failure. */
export interface FailureStatus {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: { readonly continue?: string }
  readonly status: 'Failure'
  readonly message: string
  readonly reason: string
  readonly details?: {
    readonly name?: string
    readonly group?: string
    readonly kind?: string
    readonly causes?: readonly Cause[]
    readonly retryAfterSeconds?: number
  }
  readonly code: number
}
/** What messages name: the resource (`deployments` of `apps`) and the kind. */
export interface Named {
  readonly plural: string
  readonly kind: string
  readonly group: string
}

/** Thrown inside the embedded API server; its face answers with `status`. */
export class ApiError extends Error {
  readonly status: FailureStatus
  constructor(status: FailureStatus) {
    super(status.message)
    this.status = status
  }
}

/** A failure of any code; `details` is left out where the real server leaves it out. */
export function failure(code: number, reason: string, message: string, details?: FailureStatus['details'], metadata: FailureStatus['metadata'] = {}): ApiError {
  return new ApiError({ kind: 'Status', apiVersion: 'v1', metadata, status: 'Failure', message, reason, ...(details && { details }), code })
}

const qualified = (resource: Named): string => (resource.group ? `${resource.plural}.${resource.group}` : resource.plural)
const group = (resource: Named): { group?: string } => (resource.group ? { group: resource.group } : {})

/** 404 for one object. */
export function notFound(resource: Named, name: string): ApiError {
  return failure(404, 'NotFound', `${qualified(resource)} "${name}" not found`, { name, ...group(resource), kind: resource.plural })
}
/** 404 for a path that is not served. */
export function unknownPath(): ApiError {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {})
}
export function methodNotAllowed(): ApiError {
  return failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}
export function alreadyExists(resource: Named, name: string): ApiError {
  return failure(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, { name, ...group(resource), kind: resource.plural })
}
/** 409 of a write whose resourceVersion or uid is not the stored one; without a reason: the usual sentence. */
export function conflict(
  resource: Named,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError {
  return failure(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    name,
    ...group(resource),
    kind: resource.plural,
  })
}
/** 409 of a delete whose precondition does not hold; the real server names the kind here, not the resource. */
export function preconditionFailed(resource: Named, name: string, why: string): ApiError {
  const kind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind
  return failure(409, 'Conflict', `Operation cannot be fulfilled on ${kind} "${name}": ${why}`, { name, ...group(resource), kind: resource.kind })
}
/** 422 with causes: the object is refused by validation. */
export function invalid(resource: Named, name: string, causes: readonly Cause[]): ApiError {
  const kind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind
  const lines = causes.map((cause) => `${cause.field ?? ''}: ${cause.message}`)
  const message = `${kind} "${name}" is invalid: ${lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`}`
  return failure(422, 'Invalid', message, { ...(name && { name }), ...group(resource), kind: resource.kind, causes })
}
/** 422 without causes: a JSON patch that does not apply, for example a lost `test`. */
export function patchRefused(): ApiError {
  return failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
}
export function badRequest(message: string): ApiError {
  return failure(400, 'BadRequest', message)
}
/** 415; custom resources list what they accept. */
export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  return failure(415, 'UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`)
}
/** 410 of a watch or list that asks for a history that is gone. */
export function expired(wanted: number, oldest: number): ApiError {
  return failure(410, 'Expired', `too old resource version: ${wanted} (${oldest})`)
}
export function internalError(message: string): ApiError {
  return failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
}

/** The three usual causes, worded as `field.Error` of the API machinery. */
export const cause = {
  required: (field: string, detail = ''): Cause => ({ reason: 'FieldValueRequired', message: `Required value${detail && `: ${detail}`}`, field }),
  invalid: (field: string, value: unknown, detail: string): Cause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${JSON.stringify(value)}: ${detail}`,
    field,
  }),
  forbidden: (field: string, detail: string): Cause => ({ reason: 'FieldValueForbidden', message: `Forbidden: ${detail}`, field }),
}
