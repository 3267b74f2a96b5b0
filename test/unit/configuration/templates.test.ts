/** Whose MetricTemplates are honoured, from flags and file. */
import { expect, test } from 'vitest'
import { controllerConfig, controllerDefaults, type ControllerFlags } from '../../../src/config.ts'
import { effective, planSettings } from '../../../src/configuration/effective.ts'
import { honoursTemplates } from '../../../src/rollout/namespaces.ts'

const flags = (allowTemplates?: readonly string[]): ControllerFlags => ({ ...controllerDefaults, leaderElect: true, ...(allowTemplates ? { allowTemplates } : {}) })
const configured = (allowed?: readonly string[]) => {
  const checked = controllerConfig(flags(allowed), 'me')
  if (!checked.ok) throw new Error(checked.problems.join('\n'))
  return checked.config.flags
}
const honoured = (allowed: readonly string[] | undefined, file: readonly string[] | undefined, own?: string) => {
  const merged = effective(configured(allowed), file && { apiVersion: 'sluice.dev/v1alpha1', kind: 'Configuration', templateNamespaces: [...file] })
  if (!merged.ok) throw new Error(merged.problems.join('\n'))
  return planSettings(merged.effective, own).templateNamespaces
}

test('those of flags and file add up; named by nobody, it is the namespace of the controller', () => {
  expect(honoured(['a', 'b'], ['b', 'c'], 'own')).toEqual(['a', 'b', 'c'])
  expect(honoured(['*'], undefined, 'own')).toEqual(['*'])
  expect(honoured(undefined, undefined, 'own')).toEqual(['own'])
  expect(honoured(undefined, [], 'own')).toEqual(['own'])
  expect(honoured(undefined, undefined)).toBeUndefined()
})
test('what is honoured', () => {
  expect(honoursTemplates(undefined, 'a')).toBe(false)
  expect(honoursTemplates([], 'a')).toBe(false)
  expect(honoursTemplates(['b'], 'a')).toBe(false)
  expect(honoursTemplates(['b', 'a'], 'a')).toBe(true)
  expect(honoursTemplates(['*'], 'a')).toBe(true)
})
test.each(['Shop', 'a/b', '', 'team-*', '-a', 'a'.repeat(64)])('%j is no namespace', (entry) => {
  expect(controllerConfig(flags([entry]), 'me')).toEqual({ ok: false, problems: [`--allow-templates is "${entry}"; write the name of one namespace, or * for all of them`] })
})
