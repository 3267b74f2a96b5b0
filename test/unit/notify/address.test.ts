import { describe, expect, test } from 'vitest'
import { allowedHostProblem, isPublic, judge, type Address, type AddressRules } from '../../../src/notify/address.ts'

const rules = (change: Partial<AddressRules> = {}): AddressRules => ({ allowedHosts: [], clusterDomain: 'cluster.local', ...change })
const answers = (known: Readonly<Record<string, readonly string[]>>) => async (host: string): Promise<readonly Address[]> => {
  const found = known[host]
  if (found === undefined) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
  return found.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
}
const dns = answers({ 'hooks.slack.com': ['3.5.7.9'], 'evil.example.org': ['3.5.7.9', '10.0.0.7'], 'meta.example.org': ['169.254.169.254'], 'api.example.org': ['35.1.2.3'], 'six.example.org': ['::ffff:127.0.0.1'] })
const of = (url: string, change: Partial<AddressRules> = {}) => judge(new URL(url), rules(change), dns)

test.for([
  '127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '192.0.0.192', '168.63.129.16', '198.19.0.1',
  '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', '::ffff:10.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:1::1', '2001:db8::1', 'ff02::1', 'text',
])('%s is not public', address => expect(isPublic(address)).toBe(false))
test.for(['8.8.8.8', '172.32.0.1', '100.128.0.1', '3.5.7.9', '2606:4700::1111', '2a00:1450:4001::1'])('%s is public', address => expect(isPublic(address)).toBe(true))

describe('without an administrator', () => {
  test('a public host is called at the addresses that were judged', async () => {
    expect(await of('https://hooks.slack.com/services/x')).toEqual({ ok: true, addresses: [{ address: '3.5.7.9', family: 4 }] })
  })
  test.for([
    ['https://127.0.0.1/x', 'loopback'], ['https://2130706433/', 'loopback'], ['https://0x7f.1/', 'loopback'], ['https://[::1]/', 'loopback'], ['https://[::ffff:127.0.0.1]/', 'loopback'],
    ['https://169.254.169.254/latest', 'link-local'], ['https://evil.example.org/', 'private'], ['https://meta.example.org/', 'link-local'], ['https://six.example.org/', 'loopback'],
    ['https://localhost/', 'inside the cluster'], ['https://localhost./', 'inside the cluster'], ['https://prometheus/', 'inside the cluster'], ['https://a.b.svc/', 'inside the cluster'],
    ['https://a.b.svc.cluster.local/', 'inside the cluster'], ['http://hooks.slack.com/', 'without TLS'],
  ])('%s is not', async ([url, why]) => {
    const judged = await of(url!)
    expect(judged).toMatchObject({ ok: false, reason: 'HostNotAllowed', message: expect.stringContaining(why!) })
    expect(judged).toMatchObject({ message: expect.stringContaining('--allow-host ') })
  })
  test('a private address behind a name is not told', async () => expect(JSON.stringify(await of('https://evil.example.org/'))).not.toContain('10.0.0.7'))
  test('the API server is not called, by name or by address, even where it is public', async () => {
    expect(await of('https://api.example.org/', { apiServer: 'api.example.org' })).toMatchObject({ reason: 'HostNotAllowed', message: expect.stringContaining('API server') })
    expect(await of('https://api.example.org/', { apiServer: '35.1.2.3' })).toMatchObject({ reason: 'HostNotAllowed' })
    expect(await of('https://35.1.2.3/', { apiServer: 'api.example.org' })).toMatchObject({ reason: 'HostNotAllowed' })
    expect(await of('https://35.1.2.3/', { apiServer: '35.9.9.9' })).toMatchObject({ ok: true })
  })
  test.for([['ftp://a.example.org/', 'URLInvalid'], ['https://me:secret@hooks.slack.com/', 'URLInvalid'], ['https://nowhere.example.org/', 'HostUnknown']])('%s', async ([url, reason]) => {
    const judged = await of(url!)
    expect(judged).toMatchObject({ ok: false, reason })
    expect(JSON.stringify(judged)).not.toContain('secret')
  })
})

describe('where an administrator allows it', () => {
  test.for([
    ['http://127.0.0.1:8080/x', '127.0.0.1:8080', true], ['http://127.0.0.1:8081/x', '127.0.0.1:8080', false], ['http://127.0.0.1/x', '127.0.0.1', true], ['https://[::1]:9/', '[::1]:9', true],
    ['https://evil.example.org/', 'evil.example.org', true], ['https://evil.example.org/', 'evil.example.org:443', true], ['https://evil.example.org:444/', 'evil.example.org:443', false],
    ['https://evil.example.org/', '*.example.org', true], ['https://evil.example.org/', '*.ample.org', false], ['https://evil.example.org/', 'example.org', false],
    ['https://EVIL.example.org./', 'Evil.Example.org', true], ['https://api.example.org/', 'api.example.org', true],
  ] as const)('%s with --allow-host %s: %s', async ([url, allowed, ok]) => {
    const plain = answers({ 'evil.example.org': ['10.0.0.7'], 'api.example.org': ['10.0.0.1'] })
    expect(await judge(new URL(url), rules({ allowedHosts: [allowed], apiServer: '10.0.0.1' }), plain)).toMatchObject({ ok })
  })
})

test.for(['127.0.0.1:8080', 'hooks.example.com', '*.example.com:443', '[::1]:80', '[fd00::1]', 'localhost'])('--allow-host %s is understood', entry => expect(allowedHostProblem(entry)).toBeUndefined())
test.for(['', 'https://a', 'a:0', 'a:70000', '*', 'a b', 'a/b', '::1', '10.0.0.0/8', 'me@a'])('--allow-host %s is not', entry => expect(allowedHostProblem(entry)).toContain('write a host'))
