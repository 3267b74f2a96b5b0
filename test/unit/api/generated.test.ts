import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { generated } from '../../../src/cli/generate.ts'
import { crds, definitions, structural } from '../../../src/rollout/crd.ts'

const root = join(import.meta.dirname, '../../..')

describe('generated files', () => {
  it.each(generated().map(({ path, text }) => [path, text]))('%s is what the schema says: run `npm run generate`', (path, text) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(text)
  })
  it('are all the objects in crds/', () => expect(readdirSync(join(root, 'crds')).filter((file) => file.endsWith('.yaml')).sort()).toEqual(crds().map(({ file }) => file).sort()))
})

describe('the CRDs', () => {
  interface Place { readonly path: string; readonly schema: any }
  const places = (path: string, schema: any): Place[] => [
    { path, schema },
    ...Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => places(`${path}.${key}`, inner)),
    ...(schema.items ? places(`${path}[]`, schema.items) : []),
    ...(schema.additionalProperties ? places(`${path}[]`, schema.additionalProperties) : []),
  ]
  const all = definitions().flatMap(({ kind, spec, status }) => [...places(`${kind}.spec`, spec), ...(status ? places(`${kind}.status`, status) : [])])
  const wrong = (test: (place: Place) => boolean) => all.filter(test).map(({ path }) => path)

  it('bound every string, list and whole number that people write', () => {
    expect(wrong(({ schema }) => schema.type === 'string' && schema.maxLength === undefined && schema.enum === undefined)).toEqual([])
    expect(wrong(({ schema }) => schema.type === 'array' && schema.maxItems === undefined)).toEqual([])
    expect(wrong(({ schema }) => schema.additionalProperties !== undefined && schema.maxProperties === undefined)).toEqual([])
    const open = ({ minimum, maximum }: any) => minimum === undefined || maximum === undefined
    expect(wrong(({ path, schema }) => path.includes('.spec') && schema.type === 'integer' && open(schema))).toEqual([])
  })
  it('hold no default: inside lists they are what GitOps tools call out of sync', () => expect(wrong(({ schema }) => 'default' in schema)).toEqual([]))
  it('describe every field of a spec', () => {
    expect(wrong(({ path, schema }) => path.includes('.spec.') && !path.endsWith(']') && !schema.description)).toEqual([])
  })
  it('use no key or value on, off, yes, no, y or n, which kubectl reads as true or false', () => {
    const boolean = /^(on|off|yes|no|y|n)$/i
    expect(wrong(({ path, schema }) => boolean.test(path.split('.').at(-1)!) || (schema.enum ?? []).some((value: string) => boolean.test(value)))).toEqual([])
  })
  it('have room for numbers of the size of a sequence', () => expect(wrong(({ schema }) => schema.type === 'integer' && schema.format !== 'int64')).toEqual([]))
  it('name the paths of /scale, the columns and the short name', () => {
    const crd = parse(crds()[0]!.yaml)
    const [version] = crd.spec.versions
    expect(crd.spec.names.shortNames).toEqual(['slr'])
    const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' }
    expect(version.subresources).toEqual({ status: {}, scale })
    const columns = version.additionalPrinterColumns.map(({ name }: { name: string }) => name)
    expect(columns).toEqual(['Phase', 'Step', 'Weight', 'Stable', 'Canary', 'Message', 'Age'])
    const at = (path: string) => path.slice(1).split('.').reduce((schema, key) => schema?.properties?.[key], version.schema.openAPIV3Schema)
    for (const { jsonPath, type } of version.additionalPrinterColumns) if (type !== 'date') expect(at(jsonPath)?.type).toBe(type)
  })
})

describe('structural', () => {
  it('refuses a union that Kubernetes cannot take', () => {
    expect(() => structural(z.object({ a: z.union([z.string(), z.object({})]) }))).toThrow('no structural schema')
  })
})
