import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../../src/cli.ts'
import { messageOf, type Subject } from '../../../src/notify/message.ts'
import { slackBody } from '../../../src/notify/slack.ts'
import { payload, webhookBody } from '../../../src/notify/webhook.ts'
import { eventOf, notificationEvents, type Note } from '../../../src/rollout/schema.ts'
import { systemClock } from '../../../src/telemetry/clock.ts'

const subject: Subject = { namespace: 'shop', name: 'checkout', uid: 'f00', cluster: 'eu-1' }
const note = (change: Partial<Note> = {}): Note => ({
  id: '17-0', type: 'RolledBack', at: '2026-11-23T03:00:00Z', severity: 'Warning', message: 'checkout-bbb is rolled back: success 94.1% misses 99% (12431 requests served, 731 lost)',
  journey: 'j1', revision: 'checkout-bbb', from: 'checkout-aaa', version: 'v2', fromVersion: 'v1', commit: '4f2a9c1', step: { index: 1, name: 'tiny', of: '2/4' }, weight: 25,
  reason: 'CheckFailed', check: 'success', value: '94.1%', bound: '99%', requests: { served: 12_431, lost: 731 }, by: 'olga', ...change,
})
const slack = (one: Note): any => JSON.parse(slackBody(messageOf(subject, one)))
const texts = (value: unknown): string[] => (typeof value === 'string' ? [value] : typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [])

describe('for Slack', () => {
  test('a rollback says everything that a reader at night needs', () => {
    const body = slack(note())
    const all = texts(body.blocks).join('\n')
    for (const fact of ['checkout was rolled back', 'eu-1/shop/checkout', 'v1 (checkout-aaa) → v2 (checkout-bbb)', '4f2a9c1', '2/4 tiny, 25% of the traffic', 'CheckFailed check success: 94.1%, bound 99%', '12,431 served by the new version, 731 lost', 'olga', '`sluice retry checkout -n shop`'])
      expect(all.replaceAll('&gt;', '>')).toContain(fact)
    expect(body.text).toContain('sluice retry checkout -n shop')
    expect(body.text).toContain('94.1% misses 99%')
  })
  test('keeps to the limits of Slack, whatever a note holds', () => {
    const long = 'ö<&'.repeat(3000)
    const body = slack(note({ message: long, commit: long, reason: long, check: long, by: long, revision: long, step: { index: 0, name: long } }))
    expect(body.blocks.length).toBeLessThanOrEqual(50)
    for (const block of body.blocks) {
      if (block.type === 'header') expect(block.text.text.length).toBeLessThanOrEqual(150)
      if (block.type === 'section') expect(block.text?.text.length ?? 0).toBeLessThanOrEqual(3000)
      expect(block.fields?.length ?? 0).toBeLessThanOrEqual(10)
      for (const field of block.fields ?? []) expect(field.text.length).toBeLessThanOrEqual(2000)
    }
  })
  test('text of users mentions nobody, links nowhere and formats nothing', () => {
    const evil = '<!channel> <https://evil.example|log in> & *bold* `code`\u202e\u0007'
    const body = slack(note({ message: evil, by: evil, commit: evil, reason: evil, check: undefined }))
    for (const text of texts(body)) {
      for (const mark of ['<', '>', '\u202e', '\u0007']) expect(text).not.toContain(mark)
      expect(text).not.toMatch(/&(?!amp;|lt;|gt;)/)
    }
    const marked = body.blocks.flatMap((block: any) => [block.text, ...(block.fields ?? []), ...(block.elements ?? [])]).filter((one: any) => one?.type === 'mrkdwn')
    expect(marked).toHaveLength(1)
    expect(marked[0]).toMatchObject({ verbatim: true, text: expect.not.stringContaining('bold') })
    expect(body).toMatchObject({ mrkdwn: false, unfurl_links: false })
  })
  test('what is unknown is left out', () => {
    const all = texts(slack({ id: '1-0', type: 'Stalled', at: '2026-11-23T03:00:00Z', severity: 'Warning', reason: 'InvalidSpec', message: 'spec.steps: is missing' })).join('\n')
    expect(all).not.toMatch(/undefined|Commit|Version|Requests/)
    expect(all).toContain('has a problem: Stalled')
  })
})

describe('for webhooks', () => {
  test('the payload is what the published schema says', () => {
    const body = JSON.parse(webhookBody(messageOf(subject, note())))
    expect(payload.parse(body)).toEqual(body)
    expect(body).toMatchObject({
      type: 'rollout.RolledBack', timestamp: '2026-11-23T03:00:00Z',
      data: { id: 'msg_f00_17-0', cluster: 'eu-1', namespace: 'shop', rollout: 'checkout', check: { name: 'success', value: '94.1%', bound: '99%' }, requests: { served: 12_431, lost: 731 }, step: { of: '2/4' }, next: [{ command: 'sluice retry checkout -n shop' }, {}] },
    })
    const published = JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/webhook.schema.json'), 'utf8'))
    expect(Object.keys(body.data).filter(key => !(key in published.properties.data.properties))).toEqual([])
    expect(published.properties.data.required).toEqual(expect.arrayContaining(['id', 'namespace', 'rollout', 'message']))
  })
  test('ids tell notes and Rollouts apart, have no full stop, and are the same at every try', () => {
    const ids = [messageOf(subject, note()), messageOf(subject, note()), messageOf(subject, note({ id: '17-1' })), messageOf({ ...subject, uid: 'f01' }, note())].map(({ id }) => id)
    expect(new Set(ids).size).toBe(3)
    expect(ids[0]).toBe(ids[1])
    for (const id of ids) expect(id).not.toContain('.')
  })
})

describe('next commands', () => {
  const types = [...notificationEvents.filter(event => event !== 'Problem' && event !== 'Request'), 'StableBroken', 'RetryAccepted', 'AbortRefused']
  test.for(types)('after %s they are commands that exist', async type => {
    const { next, title } = messageOf(subject, note({ type, reason: type === 'Waiting' ? 'Approval' : 'X' }))
    expect(title).not.toContain('undefined')
    expect(next.length).toBeGreaterThan(0)
    for (const { command } of next) {
      const [program, verb, ...rest] = command.split(' ')
      expect([program, ...rest]).toEqual(['sluice', 'checkout', '-n', 'shop'])
      expect(await help(verb!)).toMatch(new RegExp(`^Usage: sluice ${verb} \\[options\\].*rollout`, 'm'))
    }
  })
  const help = async (verb: string): Promise<string> => {
    let text = ''
    const screen = { write: (more: string) => void (text += more), columns: () => 200, rows: () => undefined, terminal: undefined }
    await run([verb, '--help'], { identity: 'test', io: { stdout: screen, stderr: screen, color: false, clock: systemClock, stopped: new AbortController().signal } })
    return text
  }
})

test('every type of note is one event that a Rollout can ask for', () => {
  expect(['Started', 'RolledBack', 'Stalled', 'StableBroken', 'PromoteAccepted', 'RollbackRefused'].map(eventOf)).toEqual(['Started', 'RolledBack', 'Problem', 'Problem', 'Request', 'Request'])
})
