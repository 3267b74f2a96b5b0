import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { effective, planSettings } from '../../../src/configuration/effective.ts'
import { readConfiguration, told } from '../../../src/configuration/read.ts'
import type { Configuration } from '../../../src/configuration/schema.ts'

const head = { apiVersion: 'sluice.dev/v1alpha1', kind: 'Configuration' }
const full = {
  ...head,
  sources: [
    { name: 'default', url: 'https://prometheus.monitoring:9090/prom', scrapeInterval: '500ms', timeout: '3s', maxInFlight: 4, headers: { 'X-Scope-OrgID': 'shop' }, auth: { bearerTokenFile: '/secrets/token' }, tls: { caFile: '/secrets/ca.crt', certFile: '/secrets/tls.crt', keyFile: '/secrets/tls.key', serverName: 'prometheus' } },
    { name: 'edge', url: 'http://edge:9090', auth: { basic: { username: 'sluice', passwordFile: '/secrets/password' } } },
    { name: 'grafana', url: 'https://prometheus.example.com', auth: { header: { name: 'X-API-Key', valueFile: '/secrets/key' } }, tls: { insecureSkipVerify: true } },
  ],
  allowedHosts: ['hook.tools', '10.0.0.7:8080'],
  clusterName: 'eu-1',
  defaults: {
    analysis: { interval: '20s', failureLimit: 2, minRequests: 100, noData: { action: 'Fail' }, sourceError: { deadline: '10m' } },
    progressDeadline: '15m', onFailure: 'Hold', schedule: { timeZone: 'Europe/Berlin' }, retainStable: '1h', revisionHistoryLimit: 5, deletionPolicy: 'Orphan',
  },
}
const problems = (value: unknown): readonly string[] => {
  const read = readConfiguration(typeof value === 'string' ? value : stringify(value))
  return read.ok ? [] : read.problems.map((problem) => told('c.yaml', problem))
}
/** The full one with one value changed, by path; undefined removes it. */
function changed(path: string, value: unknown): string {
  const object: any = structuredClone(full)
  const keys = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
  const last = keys.pop()!
  const inside = keys.reduce((inner, key) => (inner[key] ??= {}), object)
  if (value === undefined) delete inside[last]
  else inside[last] = value
  return stringify(object)
}

describe('a configuration file', () => {
  test('that is right says nothing, in YAML and JSON, with everything and with nothing in it', () => {
    expect(problems(full)).toEqual([])
    expect(problems(JSON.stringify(full))).toEqual([])
    expect(problems(head)).toEqual([])
  })
  test.for<[string, unknown, string, string]>([
    ['kind', 'Config', 'kind', '"Config" is not known: write Configuration'],
    ['apiVersion', undefined, 'apiVersion', 'is missing'],
    ['source', [], 'source', 'is no field'],
    ['sources[0].name', 'Default', 'sources[0].name', '"Default" is no name'],
    ['sources[1].name', 'default', 'sources[1].name', '"default" is there already'],
    ['sources[0].url', 'prometheus:9090', 'sources[0].url', 'write http:// or https://'],
    ['sources[0].url', 'https://u:hunter2@prometheus', 'sources[0].url', 'auth.basic.passwordFile'],
    ['sources[0].url', 'http://prometheus', 'sources[0]', 'has tls, and its url begins with http://'],
    ['sources[0].scrapeInterval', '50ms', 'sources[0].scrapeInterval', '"50ms" is out of range: write at least 100ms'],
    ['sources[0].scrapeInterval', '15', 'sources[0].scrapeInterval', '"15" is no duration'],
    ['sources[0].timeout', '2m', 'sources[0].timeout', 'at most 1m'],
    ['sources[0].maxInFlight', 17, 'sources[0].maxInFlight', 'at most 16'],
    ['sources[0].headers', { Authorization: 'Bearer hunter2' }, 'sources[0].headers', 'Authorization is a secret'],
    ['sources[0].headers', { 'X Y': 'a' }, 'sources[0].headers', 'none of a header'],
    ['sources[0].headers', { 'X-Y': 'a\nb' }, 'sources[0].headers', 'printable ASCII'],
    ['sources[0].auth.token', 'hunter2', 'sources[0].auth.token', 'is no field'],
    ['sources[0].auth.bearerTokenFile', 'hunter2', 'sources[0].auth.bearerTokenFile', 'is no absolute path'],
    ['sources[0].auth', 'hunter2', 'sources[0].auth', 'has the wrong type: write an object'],
    ['sources[0].auth', {}, 'sources[0].auth', 'exactly one of bearerTokenFile, basic and header'],
    ['sources[1].auth.bearerTokenFile', '/a', 'sources[1].auth', 'exactly one of bearerTokenFile, basic and header'],
    ['sources[1].auth.basic.passwordFile', undefined, 'sources[1].auth.basic.passwordFile', 'is missing'],
    ['sources[0].tls.keyFile', undefined, 'sources[0].tls', 'has only one of certFile and keyFile'],
    ['sources[0].tls.insecureSkipVerify', true, 'sources[0].tls', 'remove insecureSkipVerify'],
    ['allowedHosts[1]', 'http://x', 'allowedHosts[1]', 'write a host or an address'],
    ['clusterName', 'a b', 'clusterName', '"a b" is no name'],
    ['defaults.analysis.minRequests', 0, 'defaults.analysis.minRequests', '0 is too little'],
    ['defaults.analysis.checks', [], 'defaults.analysis.checks', 'is no field'],
    ['defaults.onFailure', 'Report', 'defaults.onFailure', 'one of Rollback, Hold'],
    ['defaults.schedule.timeZone', 'Berlin', 'defaults.schedule.timeZone', 'IANA'],
  ])('is refused for %s %j, with field and remedy, and without what may be a secret', ([path, value, field, says]) => {
    const found = problems(changed(path, value))
    const about = found.find((one) => one.includes(` ${field}: `))
    expect(about).toContain(says)
    expect(found.join()).not.toContain('hunter2')
  })
  test('is said to be wrong with line and column: of the value, of a key that does not belong there, of what is no YAML', () => {
    const text = 'apiVersion: sluice.dev/v1alpha1\nkind: Configuration\nsources:\n- name: default\n  url: ftp://x\n  tokn: abc\n'
    expect(problems(text)).toEqual([expect.stringMatching(/^c\.yaml:5:8: sources\[0\]\.url: /), expect.stringMatching(/^c\.yaml:6:3: sources\[0\]\.tokn: is no field: .*known here: name, url/)])
    expect(problems('a: [1\nb: 2\n')[0]).toMatch(/^c\.yaml:2:1: /)
    expect(problems('')).toEqual([expect.stringContaining('the file is empty')])
    expect(problems('- a')[0]).toContain('has the wrong type')
  })
  test('never makes it throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.jsonValue().map((value) => JSON.stringify({ ...head, sources: value })), fc.jsonValue().map((value) => JSON.stringify({ ...full, defaults: value }))), (text) => {
      expect(Array.isArray(problems(text))).toBe(true)
    }))
  })
  test('the schema for editors knows every field of it', () => {
    const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/config.schema.json'), 'utf8'))
    const unknown = (value: unknown, known: any): string[] => {
      if (Array.isArray(value)) return value.flatMap((entry) => unknown(entry, known.items))
      if (typeof value !== 'object' || value === null || known.properties === undefined) return []
      return Object.entries(value).flatMap(([key, inner]) => (key in known.properties ? unknown(inner, known.properties[key]) : [key]))
    }
    expect(unknown(full, schema)).toEqual([])
    expect(JSON.stringify(schema)).not.toContain('x-kubernetes')
    expect(schema.properties.sources.items.properties.auth.oneOf).toEqual([{ required: ['bearerTokenFile'] }, { required: ['basic'] }, { required: ['header'] }])
  })
})

describe('flags and file', () => {
  const flags = { allowedHosts: [] as string[] }
  const merged = (more: Partial<Parameters<typeof effective>[0]>, file?: object) => effective({ ...flags, ...more }, file && ({ ...head, ...file } as Configuration))
  const wrong = (more: Partial<Parameters<typeof effective>[0]>, file?: object) => {
    const found = merged(more, file)
    return found.ok ? [] : found.problems
  }
  test('the flag defines the source default; sources of the file stand beside it; hosts add up', () => {
    const both = merged({ prometheus: 'http://a:9090', scrapeIntervalMs: 5000, allowedHosts: ['a', 'b'], clusterName: 'x' }, { sources: [{ name: 'edge', url: 'http://b' }], allowedHosts: ['b', 'c'] })
    expect(both).toEqual({
      ok: true,
      effective: {
        sources: [
          { name: 'default', url: 'http://a:9090', scrapeIntervalMs: 5000, timeoutMs: 5000, maxInFlight: 8 },
          { name: 'edge', url: 'http://b', scrapeIntervalMs: 15_000, timeoutMs: 5000, maxInFlight: 8 },
        ],
        allowedHosts: ['a', 'b', 'c'], clusterName: 'x', templateNamespaces: [],
      },
    })
    expect(both.ok && planSettings(both.effective, 'own')).toEqual({ scrapeIntervalMs: 5000, templateNamespaces: ['own'], sources: { default: { scrapeIntervalMs: 5000 }, edge: { scrapeIntervalMs: 15_000 } } })
  })
  test('neither is nothing', () => expect(merged({})).toEqual({ ok: true, effective: { sources: [], allowedHosts: [], templateNamespaces: [] } }))
  test('what is said twice is an error that says what to leave out', () => {
    const own = { sources: [{ name: 'default', url: 'http://b' }] }
    expect(wrong({ prometheus: 'http://a' }, own)).toEqual([expect.stringContaining('leave out --prometheus')])
    expect(wrong({ scrapeIntervalMs: 5 }, own)).toEqual([expect.stringContaining('write its scrapeInterval there')])
    expect(wrong({ clusterName: 'a' }, { clusterName: 'a' })).toEqual([expect.stringContaining('leave one of them out')])
    expect(wrong({ prometheus: 'a:9090' })).toEqual([expect.stringMatching(/^--prometheus: .*write http:/)])
  })
})
