import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filledQuery, readTemplate, type QueryValues } from '../../../src/analysis/template.ts'
import { evaluate } from '../../../src/sandbox/promql.ts'
import { parse } from '../../../src/sandbox/promql-parser.ts'
import { SeriesMemory } from '../../../src/sandbox/series.ts'
import { at } from './question.ts'

const values: QueryValues = {
  namespace: 'shop', rollout: 'web', revision: ['web-2'], stable: ['web-1'], door: 'web-canary.shop.svc.cluster.local', windowMs: 90_000, args: { queue: 'orders' },
}
const filled = (text: string, more: Partial<QueryValues> = {}) => {
  const read = readTemplate(text)
  if (!read.ok) throw new Error(read.problem)
  const result = filledQuery(read.template, { ...values, ...more })
  return result.ok ? result.query : `refused: ${result.reason}`
}

describe('a template', () => {
  it.each([
    ['sum(x{namespace="{{namespace}}"})', 'sum(x{namespace="shop"})'],
    ['x{a!="{{ rollout }}",b= "{{revision}}"}', 'x{a!="web",b= "web-2"}'],
    ['x{pod=~"{{revision}}-.*"}', 'x{pod=~"(?:web-2)-.*"}'],
    ['x{host="{{door}}"}', 'x{host="web-canary.shop.svc.cluster.local"}'],
    ['x{host=~"{{door}}(:80)?"}', 'x{host=~"(?:web-canary\\\\.shop\\\\.svc\\\\.cluster\\\\.local)(:80)?"}'],
    ['rate(x[{{window}}])', 'rate(x[90000ms])'],
    ['max_over_time(x[ {{window}} : 15s ]) - x offset {{window}}', 'max_over_time(x[ 90000ms : 15s ]) - x offset 90000ms'],
    ['x{q="{{args.queue}}-{{args.queue}}"}', 'x{q="orders-orders"}'],
    ["x{a='b}}',c=`d`} # a \"comment with {{nonsense}}\n + y", "x{a='b}}',c=`d`} # a \"comment with {{nonsense}}\n + y"],
    ['x{a="\\"{{rollout}}\\\\"}', 'x{a="\\"web\\\\"}'],
    ['x{pod=~"{{pods}}"}', 'x{pod=~"(?:web-2-[bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5})"}'],
    ['x{pod!~"{{stablePods}}|y"}', 'x{pod!~"(?:web-1-[bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5})|y"}'],
  ])('%s', (text, query) => expect(filled(text)).toBe(query))

  it('takes several Deployments into a regular expression, and refuses them as a text', () => {
    expect(filled('x{d=~"{{revision}}"}', { revision: ['a', 'b.c'] })).toBe('x{d=~"(?:a|b\\\\.c)"}')
    expect(filled('x{d="{{revision}}"}', { revision: ['a', 'b'] })).toContain('is 2 Deployments: let the template match it with =~')
    expect(filled('x{d="{{door}}"}', { door: undefined })).toContain('nothing is known that {{door}}')
    expect(filled('x{d="{{args.other}}"}')).toContain('nothing is known that {{args.other}}')
  })
  it('says which arguments it has, and whether it looks at the window', () => {
    expect(readTemplate('x{a="{{args.b}}",c=~"{{args.d}}.{{args.b}}"}')).toMatchObject({ ok: true, template: { args: ['b', 'd'], windowed: false } })
    expect(readTemplate('rate(x[{{window}}])')).toMatchObject({ ok: true, template: { args: [], windowed: true } })
  })

  it.each([
    ['x{a="{{nonsense}}"}', '{{nonsense}} is not known: known are namespace, rollout, revision, stable, pods, stablePods, door, window and args.<name>'],
    ['x{a="{{args}}"}', '{{args}} is not known'],
    ['x{a="{{ a b }}"}', '{{ a b }}"} is no placeholder: write {{name}}'],
    ['x{a="{{namespace"}', 'is no placeholder'],
    ['{{namespace}}', '{{namespace}} stands outside of a string'],
    ['x{ {{args.matchers}} }', '{{args.matchers}} stands outside of a string'],
    ['sum by ({{args.label}}) (x)', 'stands outside of a string'],
    ["x{a='{{namespace}}'}", "a placeholder stands in a string in ': write that string in double quotes"],
    ['x{a=`{{namespace}}`}', 'a placeholder stands in a string in `'],
    ['label_replace(x, "a", "{{args.b}}", "", "")', 'stands in a string that no label is compared with'],
    ['{"{{args.metric}}"}', 'stands in a string that no label is compared with'],
    ['x == "{{args.b}}"', 'stands in a string that no label is compared with'],
    ['x{a="{{window}}"}', '{{window}} is a duration and stands in a string'],
    ['x * {{window}}', '{{window}} is a duration: write it as [{{window}}]'],
    ['x{pod="{{pods}}"}', '{{pods}} is a regular expression: match it with =~'],
    ['x{pod=~"[{{args.a}}]"}', '{{args.a}} stands in a class of characters of a regular expression'],
    ['x{pod=~"[^]{{args.a}}]"}', 'in a class of characters'],
    ['x{pod=~"[[:alpha:]{{args.a}}]"}', 'in a class of characters'],
    ['x{pod=~"\\\\{{args.a}}"}', 'behind a backslash'],
    ['x{pod=~"\\\\Q{{args.a}}\\\\E"}', 'behind \\Q'],
    ['x{pod=~"(?{{args.a}})"}', 'in the head of a group'],
    ['x{pod=~"(?P<{{args.a}}>x)"}', 'in the head of a group'],
    ['x{pod=~"a{1,{{args.a}}}"}', 'in a count of repetitions'],
    ['x{pod=~"\\x5b{{args.a}}]"}', '\\x stands before {{args.a}} in its string'],
    ['x{a="b', 'a string in double quotes does not end'],
    ['x{a="b\n"}', 'a string in double quotes does not end'],
    ["x{a='b", "a string in ' does not end"],
    // Prometheus ends a comment at a carriage return too: what looks like a matcher is part of a raw string, which a value could end.
    ['x # \r{b=`\n{a="{{args.v}}"} # `}', 'a placeholder stands in a string in `'],
  ])('refuses %s', (text, problem) => {
    const read = readTemplate(text)
    expect(read.ok ? 'accepted' : read.problem).toContain(problem)
  })
})

describe('no value', () => {
  const template = 'sum(x{a="{{args.v}}",b=~"pre-{{args.v}}(-[a-z]+)?",c!="{{namespace}}"}) / sum(rate(y{d=~"({{args.v}}|{{revision}})x*"}[{{window}}]))'
  const hostile = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.constantFrom('"', '\\', '{', '}', '`', "'", '\n', '#', '=~', '|', ')', '(', '[', ']', '^', '-', '.*', '{{window}}', '{{args.v}}', 'or vector(1)', '$1', '\\E'), { maxLength: 12 }).map((parts) => parts.join('')),
  )
  const shape = (text: string) => text.replaceAll(/"(\\.|[^"\\])*"/g, '""')

  it('leaves its string, whatever it is', () => {
    const plain = shape(filled(template, { args: { v: 'v' } }))
    fc.assert(fc.property(hostile, hostile, (v, revision) => {
      const query = filled(template, { args: { v }, namespace: v, revision: [revision] })
      parse(query)
      expect(shape(query) === plain).toBe(true)
    }), { numRuns: 300 })
  })
  it('matches anything but itself', () => {
    // Of lone halves of characters nothing is left on the wire.
    fc.assert(fc.property(hostile.filter((text) => text !== '' && text.isWellFormed()), hostile.filter((text) => text !== '' && text.isWellFormed()), (v, other) => {
      const memory = new SeriesMemory(600_000)
      memory.append(at, [{ labels: { __name__: 'x', a: v }, value: 1 }, ...(other === v ? [] : [{ labels: { __name__: 'x', a: other }, value: 10 }])])
      const sum = (query: string) => evaluate(filled(query, { args: { v } }), at, memory)
      expect(sum('sum(x{a="{{args.v}}"})')).toMatchObject({ elements: [{ value: 1 }] })
      expect(sum('sum(x{a=~"{{args.v}}"})')).toMatchObject({ elements: [{ value: 1 }] })
      expect(sum('sum(x{a=~"({{args.v}})+"})')).toMatchObject({ elements: [{ value: other.replaceAll(v, '') === '' && other !== v ? 11 : 1 }] })
    }))
  })
})
