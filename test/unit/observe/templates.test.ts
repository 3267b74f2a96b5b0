/** MetricTemplates as a pass sees them. */
import { describe, expect, test } from 'vitest'
import { observe } from '../../../src/controller/observe.ts'
import { Wakes } from '../../../src/controller/wakes.ts'
import type { KubeObject } from '../../../src/rollout/objects.ts'
import { Cluster, deployment, now, rollout, settings } from './cluster.ts'

const template = (namespace = 'shop', spec: object = { query: 'max(lag{pod=~"{{pods}}"})', unit: 's' }, metadata: object = {}): KubeObject =>
  ({ apiVersion: 'sluice.dev/v1alpha1', kind: 'MetricTemplate', metadata: { name: 'lag', namespace, ...metadata }, spec })
const asking = (more: object = {}, ref: object = { name: 'lag' }) => rollout({ analysis: { checks: [{ name: 'lag', prometheus: { templateRef: ref, max: '1', ...more } }] } })
function look(cluster: Cluster, templateNamespaces: readonly string[] | undefined = ['shop']) {
  const observation = observe(cluster, 'shop/cart', { ...settings, ...(templateNamespaces ? { templateNamespaces } : {}) }, new Map(), now)
  if (observation.state !== 'Seen') throw new Error(observation.state)
  return observation
}
const told = (cluster: Cluster, namespaces?: readonly string[]) => look(cluster, namespaces).seen.blockers.map(({ reason, message, stops, stalled }) => ({ reason, message, stops, stalled }))
const grant = { annotations: { 'sluice.dev/allow-from': 'other, shop' } }

describe('a template', () => {
  test('of the own namespace, which is honoured', () => {
    const { seen } = look(new Cluster(asking(), deployment(), template()))
    expect(seen.templates).toMatchObject([{ check: 'lag', state: 'Ready', name: 'shop/lag', unit: 's' }])
    expect(seen.blockers).toEqual([])
  })
  test('of another namespace, which grants it to this one or to all', () => {
    for (const metadata of [grant, { annotations: { 'sluice.dev/allow-from': '*' } }])
      expect(told(new Cluster(asking({}, { name: 'lag', namespace: 'tools' }), deployment(), template('tools', undefined, metadata)), ['tools'])).toEqual([])
    expect(told(new Cluster(asking({}, { name: 'lag', namespace: 'tools' }), deployment(), template('tools', undefined, grant)), ['*'])).toEqual([])
  })
  test.each<[string, Cluster, readonly string[] | undefined, string, string]>([
    ['is missing', new Cluster(asking(), deployment()), ['shop'], 'TemplateMissing', 'check lag: there is no MetricTemplate shop/lag: create it, or correct templateRef'],
    ['is of a namespace that is not honoured', new Cluster(asking(), deployment(), template()), ['tools'], 'TemplateNotAllowed', 'ask the administrator for --allow-templates shop'],
    ['is honoured by nobody', new Cluster(asking(), deployment(), template()), [], 'TemplateNotAllowed', 'MetricTemplates of namespace shop are not honoured'],
    ['of another namespace is not granted', new Cluster(asking({}, { name: 'lag', namespace: 'tools' }), deployment(), template('tools')), ['*'], 'TemplateNotGranted', 'annotate it with sluice.dev/allow-from: shop'],
    ['is wrong', new Cluster(asking(), deployment(), template('shop', { query: 'x{a="{{target}}"}' })), ['shop'], 'TemplateInvalid', 'MetricTemplate shop/lag: spec.query: {{target}} is not known'],
    ['is none', new Cluster(asking(), deployment(), template('shop', { q: 1 })), ['shop'], 'TemplateInvalid', 'spec.query: is missing'],
    ['lacks an argument', new Cluster(asking(), deployment(), template('shop', { query: 'x{a="{{args.queue}}"}' })), ['shop'], 'TemplateArguments', 'needs queue: give prometheus.args.queue'],
    ['has no such argument', new Cluster(asking({ args: { queue: 'q' } }), deployment(), template()), ['shop'], 'TemplateArguments', 'has no {{args.queue}}: remove prometheus.args.queue'],
  ])('that %s stops raises and says what to do', (_, cluster, namespaces, reason, message) => {
    expect(told(cluster, namespaces)).toEqual([{ reason, message: expect.stringContaining(message), stops: 'Raise', stalled: true }])
    expect(look(cluster, namespaces).seen.templates).toMatchObject([{ check: 'lag', state: 'Refused', reason }])
  })
  test('that a check which only reports lacks stops nothing, and is said', () => {
    const object = rollout({ analysis: { checks: [{ name: 'lag', prometheus: { templateRef: { name: 'lag' }, max: '1' }, onFailure: 'Report' }] } })
    const { seen } = look(new Cluster(object, deployment()))
    expect(seen.blockers).toEqual([])
    expect(seen.remarks).toContainEqual({ type: 'CheckNotAsked', reason: 'TemplateMissing', message: expect.stringContaining('check lag: there is no MetricTemplate shop/lag') })
  })
  test('of a kind that is not served is missing, and a Rollout that names none does not care', () => {
    const cluster = new Cluster(asking(), deployment())
    cluster.states.set('MetricTemplate', 'NotServed')
    expect(told(cluster)).toMatchObject([{ reason: 'TemplateMissing', message: expect.stringContaining('apply crds/') }])
    const plain = new Cluster(rollout(), deployment())
    plain.states.set('MetricTemplate', 'NotServed')
    expect(told(plain)).toEqual([])
    expect(look(plain).seen).not.toHaveProperty('templates')
  })
  test('is an input of the journey: its text and its unit are, its labels are not', () => {
    const hash = (object: KubeObject) => look(new Cluster(asking(), deployment(), object)).plan.inputsHash
    const first = hash(template())
    expect(hash(template('shop', undefined, { labels: { a: 'b' } }))).toBe(first)
    expect(hash(template('shop', { query: 'max(lag{pod=~"{{pods}}"}) ', unit: 's' }))).not.toBe(first)
    expect(hash(template('shop', { query: 'max(lag{pod=~"{{pods}}"})', unit: 'ms' }))).not.toBe(first)
  })
  test('wakes the Rollouts that name it when its spec or its grant changes', () => {
    const wakes = new Wakes()
    wakes.of('Rollout', { type: 'Applied', object: asking() })
    const keys = (object: KubeObject, old?: KubeObject) => wakes.of('MetricTemplate', { type: 'Applied', object, ...(old ? { old } : {}) }).map(({ key }) => key)
    expect(keys(template())).toEqual(['shop/cart'])
    expect(keys(template('tools'))).toEqual([])
    expect(keys(template(), template())).toEqual([])
    expect(keys(template('shop', { query: 'up' }), template())).toEqual(['shop/cart'])
    expect(keys(template('shop', undefined, grant), template())).toEqual(['shop/cart'])
  })
  test('is nothing over which two Rollouts could be rivals', () => {
    const wakes = new Wakes()
    wakes.of('Rollout', { type: 'Applied', object: asking() })
    const other = { ...asking(), metadata: { ...asking().metadata, name: 'other' }, spec: { ...asking().spec, workloadRef: { kind: 'Deployment', name: 'other' } } }
    expect(wakes.of('Rollout', { type: 'Applied', object: other }).map(({ key }) => key)).toEqual(['shop/other'])
  })
})
