import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { signed, signingKey } from '../../../src/notify/signing.ts'

const key = (secret: string): Buffer => {
  const found = signingKey(secret)
  if (!found.ok) throw new Error(found.message)
  return found.key
}
const first = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const second = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

test('the example of the libraries of Standard Webhooks', () => {
  expect(signed('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330_000, '{"test": 2432232314}', [key(first)])).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek', 'webhook-timestamp': '1614265330', 'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})
test('with two secrets a receiver of either is content', () => {
  const headers = signed('a', 1_000_999, 'body', [key(first), key(second)])
  const by = (secret: Buffer) => `v1,${createHmac('sha256', secret).update('a.1000.body').digest('base64')}`
  expect(headers['webhook-signature']!.split(' ')).toEqual([by(key(first)), by(key(second))])
})
test.for([
  ['plain text', 'begin with whsec_'], ['whsec_', 'no base64'], ['whsec_not base64!', 'no base64'], [`whsec_${Buffer.alloc(23).toString('base64')}`, '23 bytes'], [`whsec_${Buffer.alloc(65).toString('base64')}`, '65 bytes'],
])('%s is no secret, and is not repeated', ([secret, why]) => {
  const found = signingKey(secret!)
  expect(found).toMatchObject({ ok: false, message: expect.stringContaining(why!) })
  const kept = secret!.replace('whsec_', '')
  if (kept !== '') expect(JSON.stringify(found)).not.toContain(kept)
})
test('a line break at the end of a Secret is no part of it', () => expect(key(`${first}\n`)).toEqual(key(first)))
