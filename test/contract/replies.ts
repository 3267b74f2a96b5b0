import type { Reply } from './client.ts'

/** A failure without the parts that differ from run to run. */
export function failed(reply: Reply): object {
  const { code, reason, message, details } = reply.body
  return { status: reply.status, code, reason, message, details }
}
/** The answer to a JSON patch that does not apply. */
export const lostTest = { status: 422, code: 422, reason: 'Invalid', message: 'the server rejected our request due to an error in our request', details: {} }
