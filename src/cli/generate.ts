/** `sluice generate`: writes what is generated from schemas (crds/*.yaml, docs/api.md, and the schemas and pages of webhooks, hooks and the configuration file), from meters and log keys, and from the alerts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { chartSchema, configurationReference, configurationSchema } from '../configuration/reference.ts'
import { hookSchema } from '../notify/hook.ts'
import { webhookSchema } from '../notify/webhook.ts'
import { crds } from '../rollout/crd.ts'
import { reference } from '../rollout/reference.ts'
import { observabilityReference } from '../telemetry/reference.ts'

/** The project's own folder. */
const home = fileURLToPath(new URL('../..', import.meta.url))

/** All generated files, by path from the project's root. */
export function generated(): { readonly path: string; readonly text: string }[] {
  return [
    ...crds().map(({ file, yaml }) => ({ path: `crds/${file}`, text: yaml })),
    { path: 'docs/api.md', text: reference() }, { path: 'docs/webhook.schema.json', text: webhookSchema() }, { path: 'docs/hook.schema.json', text: hookSchema() },
    { path: 'docs/config-reference.md', text: configurationReference() }, { path: 'docs/config.schema.json', text: configurationSchema() },
    { path: chartValues, text: withConfiguration(readFileSync(join(home, chartValues), 'utf8')) },
    { path: 'docs/observability-reference.md', text: observabilityReference() },
    { path: 'deploy/components/service-monitor/prometheus-rule.yaml', text: prometheusRule(readFileSync(join(home, 'deploy/alerts/sluice.yaml'), 'utf8')) },
  ]
}

const chartValues = 'deploy/helm/sluice/values.schema.json'
/** The schema of the chart's values, with that of the configuration file in its one line for it. */
function withConfiguration(schema: string): string {
  return schema.replace(/^ {4}"config": .*$/m, () => `    "config": ${chartSchema()},`)
}

/** A rule file of Prometheus as the Prometheus Operator wants it. */
function prometheusRule(rules: string): string {
  const labels = { 'app.kubernetes.io/name': 'sluice', 'app.kubernetes.io/component': 'controller' }
  const object = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PrometheusRule', metadata: { name: 'sluice', namespace: 'sluice-system', labels }, spec: parse(rules) as object }
  return `# Generated from deploy/alerts/sluice.yaml by \`npm run generate\`.\n${stringify(object, { lineWidth: 0 })}`
}

/** Writes them under `root` and answers their paths. Throws where the folder cannot be written. */
export function run(root: string): string[] {
  return generated().map(({ path, text }) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    return path
  })
}
