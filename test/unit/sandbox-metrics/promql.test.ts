import { describe, expect, it } from 'vitest'
import { evaluate, ExecutionError, stale, type Point } from '../../../src/sandbox/promql.ts'
import { BadQuery } from '../../../src/sandbox/promql-parser.ts'
import { SeriesMemory } from '../../../src/sandbox/series.ts'

const at = 1_000_000_000
const series = (labels: Record<string, string>, ...points: [ms: number, value: number | typeof stale][]) => ({
  labels,
  points: points.map(([ms, v]): Point => ({ t: at + ms, v })),
})
const storage = (...stored: ReturnType<typeof series>[]) => ({
  select: (matchers: readonly { label: string; matches: (value: string) => boolean }[]) =>
    stored.filter(({ labels }) => matchers.every(({ label, matches }) => matches(labels[label] ?? ''))),
})
const run = (query: string, ...stored: ReturnType<typeof series>[]): unknown => {
  const value = evaluate(query, at, storage(...stored))
  return value.type === 'scalar'
    ? value.value
    : Object.fromEntries(
        value.elements.map(({ labels, value: number }) => [
          Object.entries(labels)
            .map(([name, text]) => `${name}=${text}`)
            .sort()
            .join(','),
          number,
        ]),
      )
}

describe('samples', () => {
  it('looks five minutes back, and no further', () => {
    expect(run('x', series({ __name__: 'x' }, [-299_999, 7]))).toEqual({ '__name__=x': 7 })
    expect(run('x', series({ __name__: 'x' }, [-300_000, 7]))).toEqual({})
  })
  it('ends a series at its staleness marker, and looks through it in ranges', () => {
    const ended = series({ __name__: 'x' }, [-20_000, 7], [-5_000, stale])
    expect(run('x', ended)).toEqual({})
    expect(run('x offset 10s', ended)).toEqual({ '__name__=x': 7 })
    expect(run('last_over_time(x[1m])', ended)).toEqual({ '__name__=x': 7 })
  })
  it('extrapolates increase() to the window’s ends, through resets', () => {
    expect(run('increase(x[60s])', series({ __name__: 'x' }, [-52_000, 10], [-37_000, 11], [-22_000, 12], [-7_000, 13]))).toEqual({ '': 4 })
    expect(run('resets(x[60s])', series({ __name__: 'x' }, [-52_000, 10], [-37_000, 1], [-22_000, 2]))).toEqual({ '': 1 })
    expect(run('increase(x[60s])', series({ __name__: 'x' }, [-7_000, 13]))).toEqual({})
  })
})

describe('expressions', () => {
  const some = [series({ __name__: 'x', a: '1', b: 'p' }, [0, 3]), series({ __name__: 'x', a: '1', b: 'q' }, [0, 4]), series({ __name__: 'y', a: '2' }, [0, 5])]
  it.each<[string, unknown]>([
    ['1 + 2 * 3 - 4 / 2', 5],
    ['-2 + 5', 3],
    ['(1 + 2) * 3', 9],
    ['sum(x)', { '': 7 }],
    ['sum by (a) (x)', { 'a=1': 7 }],
    ['sum(x) by (b)', { 'b=p': 3, 'b=q': 4 }],
    ['sum without (b) (x)', { 'a=1': 7 }],
    ['count(x) + max(x) + min(x)', { '': 9 }],
    ['x{b!="p"}', { '__name__=x,a=1,b=q': 4 }],
    ['x{b=~"p|z"} * 2', { 'a=1,b=p': 6 }],
    ['x{b!~"p.*"} > 3', { '__name__=x,a=1,b=q': 4 }],
    ['x > 4', {}],
    ['5 > x', { '__name__=x,a=1,b=p': 3, '__name__=x,a=1,b=q': 4 }],
    ['x or y', { '__name__=x,a=1,b=p': 3, '__name__=x,a=1,b=q': 4, '__name__=y,a=2': 5 }],
    ['x and x{b="p"}', { '__name__=x,a=1,b=p': 3 }],
    ['x unless x{b="p"}', { '__name__=x,a=1,b=q': 4 }],
    ['x or y unless y', { '__name__=x,a=1,b=p': 3, '__name__=x,a=1,b=q': 4 }],
    ['x - x', { 'a=1,b=p': 0, 'a=1,b=q': 0 }],
    ['label_replace(y, "c", "$1-z", "a", "(.*)")', { '__name__=y,a=2,c=2-z': 5 }],
    ['label_replace(y, "a", "", "", "")', { '__name__=y': 5 }],
    ['label_replace(y, "c", "v", "a", "3")', { '__name__=y,a=2': 5 }],
    ['{__name__="y"} # what it is', { '__name__=y,a=2': 5 }],
  ])('%s', (query, expected) => expect(run(query, ...some)).toEqual(expected))

  it.each([
    'histogram_quantile(0.9, x)',
    'topk(3, x)',
    'x @ 5',
    'x[5m:1m]',
    'x[5m]',
    'x == bool 1',
    'x * on (a) y',
    'x ^ 2',
    'x % 2',
    '1 > 2',
    '"text"',
    '',
    'x{',
    'x{a=b}',
    'sum(',
    'x offset',
    'x[5]',
    'increase(x)',
    'x or 1',
    '{a=~".*"}',
    'x{a=~"("}',
    'x y',
    'x; y',
    'sum(1)',
    'label_replace(x, "a")',
    'constructor(x[5m])',
  ])('refuses %s', (query) => expect(() => run(query, ...some)).toThrow(BadQuery))
  it('refuses results with the same labels twice', () => {
    expect(() => run('label_replace(x, "b", "", "", "")', ...some)).toThrow(ExecutionError)
    expect(() => run('last_over_time({a=~"1|2"}[5m]) * 1', series({ __name__: 'v', a: '1' }, [0, 1]), series({ __name__: 'w', a: '1' }, [0, 1]))).toThrow(
      ExecutionError,
    )
  })
})

describe('the memory', () => {
  it('marks what is no longer exposed as ended, and forgets what is old', () => {
    const memory = new SeriesMemory(60_000)
    const labels = { __name__: 'x', a: '', b: '1' }
    memory.scrape(at, [{ labels, value: 1 }])
    expect([...memory.select([])][0]!.labels).toEqual({ __name__: 'x', b: '1' })
    memory.scrape(at + 15_000, [])
    memory.scrape(at + 30_000, [])
    expect([...memory.select([])][0]!.points).toEqual([
      { t: at, v: 1 },
      { t: at + 15_000, v: stale },
    ])
    memory.scrape(at + 45_000, [{ labels, value: 5 }])
    expect([...memory.select([])][0]!.points).toHaveLength(3)
    memory.scrape(at + 60_000, [])
    memory.scrape(at + 200_000, [])
    expect(memory.size).toBe(0)
    memory.scrape(at + 215_000, [{ labels, value: 6 }])
    expect(evaluate('x', at + 215_000, memory)).toMatchObject({ elements: [{ value: 6 }] })
  })
})
