import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, test } from 'vitest'
import { completionScript, shells } from '../../../src/cli/completion-scripts.ts'
import { cliStage, type CliStage } from './stage.ts'

const root = resolve(import.meta.dirname, '../../..')
let stage: CliStage
beforeEach(async () => {
  stage = await cliStage()
  return () => stage.close()
})
async function next(...words: string[]): Promise<string[]> {
  expect(await stage.sluice('complete', '--', ...words)).toBe(0)
  expect(stage.err).toBe('')
  return stage.out.split('\n').filter(Boolean)
}
const values = async (...words: string[]): Promise<string[]> => (await next(...words)).map(line => line.split('\t')[0]!)

describe('what may come next', () => {
  test('verbs by their beginning, with what they do; hidden ones are not among them', async () => {
    expect(await next('pa')).toEqual(['pause\tlet no weight rise until it is resumed'])
    const all = await values('')
    expect(all).toContain('doctor')
    expect(all).not.toContain('complete')
    expect(all).not.toContain('generate')
  })
  test('docs/cli.md has an example of each', async () => {
    const examples = [...readFileSync(join(root, 'docs/cli.md'), 'utf8').matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text]) => text).join('')
    for (const verb of (await values('')).filter(one => one !== 'help')) expect(examples).toMatch(new RegExp(`\\bsluice ${verb}\\b`))
  })
  test('flags and their values', async () => {
    expect(await values('get', '--out')).toEqual(['--output'])
    expect(await values('get', '-o', '')).toEqual(['wide', 'json', 'yaml'])
    expect(await values('get', '--output=j')).toEqual(['--output=json'])
    expect(await values('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(await values('lint', '-')).toContain('--traffic')
  })
  test('paths are left to the shell', async () => {
    expect(await next('lint', '-f', '')).toEqual([':files'])
    expect(await next('get', '--kubeconfig', '/et')).toEqual([':files'])
    expect(await next('lint', '--config', '')).toEqual([':files'])
    expect(await next('controller', '--config=')).toEqual([':files'])
    expect(await next('config', 'check', '')).toEqual([':files'])
  })
  test('names from the cluster that the line means, with their phase', async () => {
    stage.put('checkout')
    stage.put('cart', null)
    stage.put('other', {}, {}, 'default')
    const on = ['--kubeconfig', stage.kubeconfig]
    expect(await next('promote', ...on, '')).toEqual(['cart\tNew', 'checkout\tHolding'])
    expect(await next('get', ...on, 'che')).toEqual(['checkout\tHolding'])
    expect(await values('get', ...on, '-n', 'default', '')).toEqual(['other'])
    expect(await values('get', ...on, '--namespace=default', '')).toEqual(['other'])
    expect(await values('get', ...on, '-n', 'sh')).toEqual(['shop'])
    expect(await values('get', ...on, '--context', '')).toEqual(['sandbox'])
    expect(await values('get', 'checkout', ...on, '')).toEqual([])
  })
  test('names of channels', async () => {
    stage.world.store.create('notificationchannels.sluice.dev', {
      apiVersion: 'sluice.dev/v1alpha1', kind: 'NotificationChannel', metadata: { name: 'releases', namespace: 'shop' }, spec: { slack: { urlSecretRef: { name: 'slack', key: 'url' } } },
    }, { manager: 'kubectl' })
    expect(await values('notify', '')).toEqual(['test'])
    expect(await next('notify', 'test', '--kubeconfig', stage.kubeconfig, 'rel')).toEqual(['releases'])
  })
  test('without a cluster there are no names, and no error in the middle of the line', async () => {
    expect(await next('get', '--kubeconfig', '/nowhere/at/all', '')).toEqual([])
    stage.world.faults.inject({ resource: 'rollouts.sluice.dev', effect: { answer: 403 } })
    expect(await next('get', '--kubeconfig', stage.kubeconfig, '')).toEqual([])
  })
  test('as kubectl asks', async () => {
    expect(await stage.sluice('complete', '--kubectl', '--', 'appr')).toBe(0)
    expect(stage.out).toBe('approve\tgive the approval that the present step waits for\n:4\n')
    await stage.sluice('complete', '--kubectl', '--', 'lint', '-f', '')
    expect(stage.out).toBe(':0\n')
  })
})

describe('scripts', () => {
  test.each(shells)('%s', async shell => {
    expect(await stage.sluice('completion', shell)).toBe(0)
    expect(stage.out).toBe(completionScript(shell))
    expect(stage.out).toContain('sluice complete -- ')
  })
  test('an unknown shell', async () => {
    expect(await stage.sluice('completion', 'tcsh')).toBe(1)
    expect(stage.err).toContain('Allowed choices are bash, zsh, fish')
  })
  test('bash completes with it', async () => {
    stage.put('checkout')
    const script = stage.file('script', completionScript('bash'))
    // A stand-in of the name that the script calls, since the one of the checkout is called bin/sluice.
    const command = stage.file('sluice', `#!/bin/sh\nexec ${join(root, 'bin/sluice')} "$@"\n`)
    chmodSync(command, 0o755)
    const type = (line: string) => `COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _sluice; echo "\${COMPREPLY[@]}"`
    const { stdout } = await promisify(execFile)('bash', ['-c', `source ${script}; ${type("sluice pro")}; ${type(`sluice promote --kubeconfig ${stage.kubeconfig} ch`)}; ${type("sluice get -o ''")}`.replace("''", '""')], { env: { ...process.env, PATH: `${stage.directory}:${process.env['PATH']}` } })
    expect(stdout.split('\n')).toEqual(['promote', 'checkout', 'wide json yaml', ''])
  }, 20_000)
})

describe('kubectl sluice', () => {
  test('the plugin and its completion stand in bin, and can be run', () => {
    expect(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).bin).toMatchObject({ 'kubectl-sluice': 'bin/sluice' })
    expect(existsSync(join(root, 'bin/kubectl_complete-sluice'))).toBe(true)
    const plugin = stage.file('kubectl-sluice', `#!/bin/sh\nexec ${join(root, 'bin/sluice')} "$@"\n`)
    chmodSync(plugin, 0o755)
    const out = execFileSync(join(root, 'bin/kubectl_complete-sluice'), ['dem'], { encoding: 'utf8', env: { ...process.env, PATH: `${stage.directory}:${process.env['PATH']}` } })
    expect(out).toMatch(/^demo\t.*\n:4\n$/)
    writeFileSync(plugin, '')
  }, 20_000)
})
