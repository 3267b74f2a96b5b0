/** How a page becomes steps, and when output counts as what the page shows. test/real/guides.test.ts runs them. */
import { describe, expect, test } from 'vitest'
import { comparable, guideOf, hastened, prints, programsOf, type Step } from '../support/guide.ts'

const fence = '```'
const block = (language: string, text: string) => `${fence}${language}\n${text}\n${fence}\n`
const steps = (...parts: readonly string[]): readonly Step[] => {
  const { stories, problems } = guideOf('a.md', parts.join('\n'))
  expect(problems).toEqual([])
  return stories.flatMap((story) => story.steps)
}
const problems = (...parts: readonly string[]): readonly string[] => guideOf('a.md', parts.join('\n')).problems
const object = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}'

describe('a page as steps', () => {
  test('objects are judged, or applied where that is said, and saved under the name in their first line', () => {
    expect(steps('# A', block('yaml', object), '<!-- apply -->', block('yaml', object), block('yaml', `# shop/a.yaml\n${object}`))).toMatchObject([
      { do: 'check', line: 2 }, { do: 'apply' }, { do: 'check', save: 'shop/a.yaml' },
    ])
    expect(steps('<!-- part of: examples/hpa/app.yaml Deployment -->', block('yaml', 'metadata: {labels: {a: b}}'))).toMatchObject([{ do: 'check', partOf: 'examples/hpa/app.yaml Deployment' }])
  })
  test('commands are run, and print what the block after them shows', () => {
    expect(steps(block('sh', 'kubectl get pods   # all'), 'prose', block('text', 'NAME'), '<!-- exits: 2 -->', block('sh', 'sluice wait a'))).toMatchObject([
      { do: 'run', exit: 0, prints: 'NAME\n' }, { do: 'run', exit: 2 },
    ])
    expect(steps(block('sh', 'kubectl get pods'), '<!-- not compared: another cluster -->', block('text', 'NAME'))[0]).not.toHaveProperty('prints')
    expect(steps(block('text', 'a picture'))).toEqual([])
  })
  test('what cannot run says why, and its output is not asked for', () => {
    expect(steps('<!-- not executed: needs a registry -->', block('sh', 'docker push a'), block('text', 'pushed'))).toEqual([{ do: 'skip', why: 'needs a registry', language: 'sh', line: 2 }])
  })
  test('comments set the scene', () => {
    expect(steps('<!-- mesh: Linkerd -->', '<!-- traffic: web.example.com 20/s via shop/public user-agent=mobile x=y -->', '<!-- answers: web:2.0.0 errors 40% latency 800ms -->', '<!-- hidden:\nkubectl get pods\nkubectl get nodes\n-->', '<!-- holds: 20s -->')).toMatchObject([
      { do: 'mesh', dataPlane: 'Linkerd' }, { do: 'traffic', host: 'web.example.com', perSecond: 20, gateway: 'shop/public', headers: { 'user-agent': 'mobile', x: 'y' } },
      { do: 'answers', image: 'web:2.0.0', errorRate: 0.4, latencyMs: 800 }, { do: 'run', hidden: true, command: 'kubectl get pods\nkubectl get nodes\n' }, { do: 'holds', hold: '20s' },
    ])
  })
  test('single lines can be left out of all blocks, with a reason', () => {
    expect(steps('<!-- lines not executed: kubectl logs, kubectl top: no container runs here -->', block('sh', 'kubectl get pods\nkubectl logs a'), block('sh', 'kubectl top pods'))).toMatchObject([
      { do: 'skip', why: 'no container runs here (kubectl logs a)', line: 4 }, { do: 'run', command: 'kubectl get pods\n' }, { do: 'skip' },
    ])
  })
  test('a new story begins with nothing', () => {
    expect(guideOf('a.md', ['<!-- new story: ambient -->', block('sh', 'sluice get')].join('\n')).stories.map(({ title, steps: all }) => [title, all.length])).toEqual([['a.md', 0], ['a.md, ambient', 1]])
  })
  test.for([
    ['a program that nobody knows', [block('sh', 'kubectl get pods | xargs istioctl analyze && make')], 'xargs'],
    ['a fragment', [block('yaml', 'spec: {replicas: 1}')], 'a part of an object'],
    ['no reason', ['<!-- not executed: -->', block('sh', 'make')], 'say why'],
    ['another word for the shell', [block('bash', 'kubectl get pods')], 'write the language as sh'],
    ['a comment that is misspelt', ['<!-- not exected: needs a registry -->'], 'says nothing that a test knows'],
    ['a comment without a block', ['<!-- apply -->'], 'no block follows'],
  ] as const)('%s is a problem', ([, page, what]) => {
    expect(problems(...page)).toEqual([expect.stringMatching(new RegExp(`^a\\.md:\\d+: .*${what}`, 's'))])
  })
  test('comments that begin with a capital are prose', () => {
    expect(problems('<!-- Generated from src. -->')).toEqual([])
  })
  test('programs are found behind pipes, substitutions and settings, not in strings and comments', () => {
    expect(programsOf("A=1 kubectl get -o 'x | y' \\\n  pods | grep a && sluice get; cat <(helm version)  # make | it\n")).toEqual(['kubectl', 'grep', 'sluice', 'cat', 'helm'])
  })
})

describe('output', () => {
  const shown = 'checkout (shop)   STEP 1/4   v1.9.0 → v2.0.0   1m29s ago\n  traffic  stable 95% ███████████████████░ canary 5%    VirtualService/checkout, seen 1m06s ago\n  checks   success   99.21% ≥ 99%   ▁▂▂▁▁   126 requests, 1 failed, 0 bad of 2\n  pods     checkout-lgjhre6leo'
  test('is the same but for times, hashes, counts and measured values', () => {
    expect(prints(shown, shown.replace('1m29s', '2s').replace('99.21%', '100%').replace('126', '1,204').replace('▁▂▂▁▁', '▇█').replace('lgjhre6leo', 'aaaaaaaaa2').replaceAll('   ', ' '))).toBe(true)
  })
  test.for([['95%', '75%'], ['v2.0.0', 'v2.1.0'], ['STEP 1/4', 'STEP 2/4'], ['≥ 99%', '≥ 98%'], ['VirtualService/checkout', 'VirtualService/cart'], ['5%    Virt', '25%    Virt']])('%s is not %s', ([one, other]) => {
    expect(prints(shown, shown.replace(one!, other!))).toBe(false)
  })
  test('a line … stands for any lines', () => {
    expect(prints('a\n…\nz', 'a\nb\nc\nz')).toBe(true)
    expect(prints('a\n…\nz', 'a\nb\nc\ny')).toBe(false)
    expect(prints('sluice abort --reason …', 'sluice abort --reason …')).toBe(true)
  })
  test('weights and counts of pods are compared', () => {
    expect(prints('web-stable: 100\npods 2/2', 'web-stable: 75\npods 2/2')).toBe(false)
    expect(prints('pods stable 2/2', 'pods stable 1/2')).toBe(false)
    expect(prints('hold 5m ≤ 500ms', 'hold 3s ≤ 300ms')).toBe(false)
  })
  test('what is compared can be read', () => {
    expect(comparable('deploy-6d5f8c9b7-x2x4z  2026-11-23T03:30:59Z  3m2s\u001b[0m')).toBe('deploy-HASH TIME AGE')
  })
})

test('waiting is shortened where a Rollout says it, and nowhere else', () => {
  expect(hastened('steps: [{weight: 5, hold: 10m}]\ninterval: 30s\ntimeout: 3s')).toBe('steps: [{weight: 5, hold: 3s}]\ninterval: 1s\ntimeout: 3s')
})
