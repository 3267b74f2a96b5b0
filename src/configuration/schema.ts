/** The configuration file of the controller as a zod schema: the source of its type, its messages, `docs/config.schema.json` and `docs/config-reference.md`. */
import { z } from 'zod'
import { urlProblem } from '../metrics/url.ts'
import { allowedHostProblem } from '../notify/address.ts'
import { durationPattern, parseDuration } from '../rollout/duration.ts'
import { templateNamespaceProblem } from '../rollout/namespaces.ts'
import { exactlyOne, named, ruled, text } from '../rollout/rule.ts'
import { name } from '../rollout/scalars.ts'
import { rolloutDefaults } from '../rollout/schema.ts'

/** What unset fields of a source mean. */
export const sourceDefaults = { scrapeInterval: '15s', timeout: '5s', maxInFlight: 8 } as const

/** A check whose messages never hold the value: it may be a secret that stands in the wrong place. */
function checked<S extends z.ZodType>(schema: S, problemOf: (value: z.output<S>) => string | undefined): S {
  return schema.superRefine((value, context) => {
    const message = problemOf(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  }) as S
}
const between = (least: string, most: string) => text(durationPattern, 28, 'is no duration: write for example 15s, 500ms or 1m30s', {
  cel: '',
  message: `is out of range: write at least ${least} and at most ${most}`,
  quote: true,
  holds: (value) => (parseDuration(value) ?? parseDuration(least)!) >= parseDuration(least)! && (parseDuration(value) ?? 0) <= parseDuration(most)!,
})
const file = checked(z.string().max(1024), (path) =>
  path.startsWith('/') && !path.includes('\0') ? undefined : 'is no absolute path: write the path of a file, such as /etc/sluice/secrets/prometheus/token; a secret itself never stands here')
/** Headers that carry credentials by their very name. */
const secretHeaders = /^(authorization|proxy-authorization|cookie|x-api-key|api-key|apikey|x-auth-token|x-access-token)$|secret|password/i
const headers = checked(z.record(z.string(), z.string().max(1024)), (all) => {
  const [bad] = Object.entries(all).flatMap(([header, value]) => {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(header)) return ['has a name that is none of a header: write for example X-Scope-OrgID']
    if (secretHeaders.test(header)) return [`${header} is a secret, and secrets stand in files: name one in auth.bearerTokenFile, auth.basic.passwordFile or auth.header.valueFile`]
    return /^[\x20-\x7e]+$/.test(value) ? [] : [`${header} is empty or has characters that no header may have: write printable ASCII`]
  })
  return bad ?? (Object.keys(all).length > 16 ? 'are too many: write at most 16' : undefined)
})

const basic = z.strictObject({
  username: z.string().min(1).max(256).describe('The user.'),
  passwordFile: file.describe('File with the password; the line end is cut off.'),
})
const secretHeader = z.strictObject({
  name: text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", 128, 'is no name of a header: write for example X-API-Key').describe('Name of the header.'),
  valueFile: file.describe('File with its value; the line end is cut off.'),
})
const auth = ruled(
  z.strictObject({
    bearerTokenFile: file.optional().describe('File with a token, sent as `Authorization: Bearer …`.'),
    basic: basic.optional().describe('User and password.'),
    header: secretHeader.optional().describe('A header of its own, such as `X-API-Key`.'),
  }),
  exactlyOne(['bearerTokenFile', 'basic', 'header'], 'give exactly one of bearerTokenFile, basic and header'),
)
const tls = checked(
  z.strictObject({
    caFile: file.optional().describe('PEM certificates of the authorities that are trusted, in the place of those that Node brings.'),
    certFile: file.optional().describe('PEM certificate that the controller shows, with its chain. Together with `keyFile`.'),
    keyFile: file.optional().describe('PEM key of that certificate.'),
    serverName: z.string().min(1).max(253).optional().describe('Name that the certificate of the source must have. Default: the host of `url`.'),
    insecureSkipVerify: z.boolean().optional().describe('Takes any certificate: whoever stands in between can then answer in its place. Default `false`.'),
  }),
  (all) => {
    if ((all.certFile === undefined) !== (all.keyFile === undefined)) return 'has only one of certFile and keyFile: give both, or neither'
    return all.insecureSkipVerify && all.caFile !== undefined ? 'has caFile and insecureSkipVerify: remove insecureSkipVerify, or nothing is checked against caFile' : undefined
  },
)
export const source = checked(
  z.strictObject({
    name: name.describe('Name by which Rollouts refer to it (`analysis.sourceRef.name`). `default` is for those that name none.'),
    url: checked(z.string().max(2048), (url) => {
      const parsed = URL.parse(url)
      if (parsed && (parsed.username !== '' || parsed.password !== '')) return 'has a user or a password in it: take them out, and name a file in auth.basic.passwordFile'
      return urlProblem(url)
    }).describe('URL of Prometheus, or of what answers its API (Thanos, Mimir, VictoriaMetrics …), with the path before `/api/v1`.'),
    scrapeInterval: between('100ms', '10m').optional().describe('How often it scrapes the mesh: windows, default holds and the default interval of checks follow it. Default `15s`.'),
    timeout: between('100ms', '1m').optional().describe('How long one answer may take. Default `5s`.'),
    maxInFlight: z.int().min(1).max(16).optional().describe('Questions under way at once; the rest wait. Default `8`.'),
    headers: headers.optional().describe('Sent with every question, for example `X-Scope-OrgID` for the tenant. No secrets.'),
    auth: auth.optional().describe('How the controller proves who it is. Default: not at all.'),
    tls: tls.optional().describe('How the source proves who it is, and the client certificate. Only with `https://`.'),
  }),
  (all) => (all.tls !== undefined && !/^https:/i.test(all.url) ? 'has tls, and its url begins with http://: write https://, or remove tls' : undefined),
)
export type SourceConfiguration = z.infer<typeof source>

export const apiVersion = 'sluice.dev/v1alpha1'
export const kind = 'Configuration'
export const configuration = z.strictObject({
  apiVersion: z.literal(apiVersion).describe(`\`${apiVersion}\`.`),
  kind: z.literal(kind).describe(`\`${kind}\`.`),
  sources: named(source, 32).optional().describe('The metric sources, beside the one of `--prometheus`, which is named `default`.'),
  allowedHosts: z.array(checked(z.string().max(261), allowedHostProblem)).max(256).optional().describe(
    'Private, loopback and cluster hosts that messages may be sent to, as `host`, `host:port` or `*.domain`; those of `--allow-host` are allowed too.',
  ),
  clusterName: text('^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$', 63, 'is no name: write at most 63 letters, digits, dots, dashes and underscores').optional().describe(
    'What messages call this cluster. Default: that of `--cluster-name`, or nothing.',
  ),
  templateNamespaces: z.array(checked(z.string().max(63), templateNamespaceProblem)).max(256).optional().describe(
    'Namespaces whose MetricTemplates are honoured, `*` for all; those of `--allow-templates` are too. Whoever writes templates there can read every series of the source. Default: '
    + 'the namespace of the controller.',
  ),
  defaults: rolloutDefaults.optional().describe('What fields mean that a Rollout leaves out. A journey under way keeps those with which it began.'),
})
export type Configuration = z.infer<typeof configuration>
