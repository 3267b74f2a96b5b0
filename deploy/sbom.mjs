// Writes an SPDX 2.3 list (JSON) of what `npm ci` has installed in a folder: node deploy/sbom.mjs [folder] > sbom.spdx.json
// Not `npm sbom --omit=dev`, which leaves out what is a dependency of production and of development at once (`yaml`, for one).
// The date is SOURCE_DATE_EPOCH where that is set, so that the same packages make the same file.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(process.argv[2] ?? '.')
const read = path => JSON.parse(readFileSync(join(root, path), 'utf8'))
const { packages } = read('node_modules/.package-lock.json')
const own = read('package.json')
const all = { '': { version: own.version, dependencies: own.dependencies, name: own.name, license: own.license }, ...packages }

const nameOf = path => all[path].name ?? path.split('node_modules/').at(-1)
const idOf = path => `SPDXRef-${path === '' ? 'Root' : path.replaceAll('node_modules/', '').replaceAll(/[^A-Za-z0-9.-]/g, '-')}`
const licenseOf = path => {
  const { license } = path === '' ? own : read(`${path}/package.json`)
  const text = typeof license === 'object' ? license?.type : license
  return typeof text === 'string' && /^[\w.+() -]+$/.test(text) ? text : 'NOASSERTION'
}
function packageOf(path) {
  const { version, resolved, integrity } = all[path]
  const name = nameOf(path)
  const sha512 = /sha512-(\S+)/.exec(integrity ?? '')?.[1]
  return {
    SPDXID: idOf(path), name, versionInfo: version, downloadLocation: resolved ?? 'NOASSERTION', filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION', licenseDeclared: licenseOf(path), copyrightText: 'NOASSERTION',
    ...(sha512 ? { checksums: [{ algorithm: 'SHA512', checksumValue: Buffer.from(sha512, 'base64').toString('hex') }] } : {}),
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: `pkg:npm/${name.replace('@', '%40')}@${version}` }],
  }
}
/** Where Node finds `name` from `path`: beside it, or in a node_modules further up. */
function found(path, name) {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    if (candidate in all) return candidate
    if (at === '') return undefined
  }
}
const paths = Object.keys(all).filter(path => path === '' || !(all[path].dev || all[path].link)).sort()
const relationships = [{ spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-Root' }, ...paths.flatMap(path => {
  const { dependencies, optionalDependencies, peerDependencies } = all[path]
  const wanted = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).sort()
  return wanted.flatMap(name => found(path, name) ?? []).map(to => ({ spdxElementId: idOf(path), relationshipType: 'DEPENDS_ON', relatedSpdxElement: idOf(to) }))
})]
const listed = paths.map(packageOf)
const digest = createHash('sha256').update(JSON.stringify([listed, relationships])).digest('hex')
const epoch = process.env['SOURCE_DATE_EPOCH']
console.log(JSON.stringify({
  spdxVersion: 'SPDX-2.3', dataLicense: 'CC0-1.0', SPDXID: 'SPDXRef-DOCUMENT', name: `${own.name}@${own.version}`, documentNamespace: `urn:sha256:${digest}`,
  creationInfo: { created: (epoch === undefined ? new Date() : new Date(Number(epoch) * 1000)).toISOString().replace(/\.\d+Z$/, 'Z'), creators: [`Tool: sluice-sbom-${own.version}`] },
  packages: listed, relationships,
}, null, 1))
