/** Names, labels and pages of what Sluice measures. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { validateMetricName } from 'prom-client'
import { parse } from 'yaml'
import { definitions, labelMeanings } from '../../../src/telemetry/meters.ts'
import { registry } from '../../../src/telemetry/registry.ts'

const root = resolve(import.meta.dirname, '../../..')
const textOf = (path: string) => readFileSync(join(root, path), 'utf8')
const names = Object.keys(definitions)

describe('metrics', () => {
  test.each(Object.entries(definitions))('%s is named as Prometheus wants it', (name, { type, help, labels }) => {
    expect(validateMetricName(name)).toBe(true)
    expect(name).toMatch(/^sluice_[a-z_]+[a-z]$/)
    expect(name.endsWith('_total')).toBe(type === 'Counter')
    if (type === 'Histogram') expect(name).toMatch(/_seconds$/)
    expect(help).toMatch(/^[A-Z0-9`].*\.$/)
    expect(new Set(labels).size).toBe(labels.length)
  })
  test('every label that has a meaning is used', () => {
    const used = new Set(Object.values(definitions).flatMap(({ labels }) => [...labels] as string[]))
    expect(Object.keys(labelMeanings).filter(label => !used.has(label))).toEqual([])
  })
  test('each stands in the text with its help and type, and the process beside them', async () => {
    const text = await registry({ process: true }).exposition.text()
    for (const [name, { type, help }] of Object.entries(definitions)) {
      expect(text).toContain(`# HELP ${name} ${help}`)
      expect(text).toContain(`# TYPE ${name} ${type.toLowerCase()}`)
    }
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds')
  })
  test('a gauge that nobody tells of has no series, with labels and without', async () => {
    const { meters, exposition } = registry()
    const unread = meters.read(() => [{ name: 'sluice_leader', labels: {}, value: 1 }, { name: 'sluice_queue_depth', labels: { lane: 'Rest' }, value: 2 }])
    const series = async () => (await exposition.text()).split('\n').filter(line => /^sluice_(leader|queue_depth|outbox_notes)/.test(line))
    expect(await series()).toEqual(['sluice_queue_depth{lane="Rest"} 2', 'sluice_leader 1'])
    unread()
    expect(await series()).toEqual([])
  })
  test('a Rollout that is forgotten leaves nothing, and others stay', async () => {
    const { meters, exposition } = registry()
    for (const rollout of ['a', 'b']) meters.count('sluice_journeys_ended_total', { rollout_namespace: 'n', rollout, outcome: 'Promoted' })
    meters.forget('n', 'a')
    const text = await exposition.text()
    expect(text).not.toContain('rollout="a"')
    expect(text).toContain('sluice_journeys_ended_total{rollout_namespace="n",rollout="b",outcome="Promoted"} 1')
  })
})

describe('pages', () => {
  const mentioned = (text: string) => [...text.matchAll(/\bsluice_[a-z_]+/g)].map(([name]) => name.replace(/_(bucket|count|sum)$/, '')).filter(name => !name.endsWith('_'))
  test.each(['docs/observability.md', 'docs/runbooks.md', 'deploy/alerts/sluice.yaml'])('%s names only metrics that exist', path => {
    expect(mentioned(textOf(path)).filter(name => !names.includes(name))).toEqual([])
  })
})

describe('alerts', () => {
  const rules = parse(textOf('deploy/alerts/sluice.yaml')).groups.flatMap((group: { rules: object[] }) => group.rules) as readonly {
    readonly alert: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }[]
  const headings = [...textOf('docs/runbooks.md').matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading)
  test.each(rules)('$alert has a severity, a summary and a runbook', ({ alert, labels, annotations }) => {
    expect(labels['severity']).toMatch(/^(critical|warning)$/)
    expect(annotations['summary']).toMatch(/\.$/)
    expect(annotations['runbook_url']).toBe(`docs/runbooks.md#${alert.toLowerCase()}`)
    expect(headings).toContain(alert)
  })
  test('every runbook is of an alert, and says what it means, whether it hurts and what to type', () => {
    const alerts = headings.filter(heading => heading.startsWith('Sluice'))
    expect(alerts.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted())
    for (const section of textOf('docs/runbooks.md').split(/^### /m).slice(1).filter(text => text.startsWith('Sluice'))) {
      expect(section).toContain('**Means.**')
      expect(section).toContain('**Hurt?**')
      expect(section).toMatch(/^```sh$/m)
    }
  })
})
