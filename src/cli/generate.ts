/** `sluice generate`: writes what is generated from schemas, crds/*.yaml, docs/api.md, docs/webhook.schema.json, docs/config-reference.md and docs/config.schema.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { configurationReference, configurationSchema } from '../configuration/reference.ts'
import { webhookSchema } from '../notify/webhook.ts'
import { crds } from '../rollout/crd.ts'
import { reference } from '../rollout/reference.ts'

/** All generated files, by path from the project's root. */
export function generated(): { readonly path: string; readonly text: string }[] {
  return [
    ...crds().map(({ file, yaml }) => ({ path: `crds/${file}`, text: yaml })),
    { path: 'docs/api.md', text: reference() }, { path: 'docs/webhook.schema.json', text: webhookSchema() },
    { path: 'docs/config-reference.md', text: configurationReference() }, { path: 'docs/config.schema.json', text: configurationSchema() },
  ]
}

/** Writes them under `root` and answers their paths. Throws where the folder cannot be written. */
export function run(root: string): string[] {
  return generated().map(({ path, text }) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    return path
  })
}
