/** Certificates for tests, made by openssl: authorities, and what they sign. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string
  readonly key: string
}
/** One line that says why tests with certificates are skipped, or undefined. */
export const opensslMissing = (): string | undefined => (spawnSync('openssl', ['version']).status === 0 ? undefined : 'skipped: openssl is not installed')

/** Makes certificates in `folder`; each name is that of its files. */
export function certificates(folder: string): { readonly authority: (name: string) => Pair; readonly signed: (by: Pair, name: string, host?: string) => Pair } {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const files = (name: string): Pair => ({ cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  return {
    authority(name) {
      const { cert, key } = files(name)
      openssl('req', '-x509', ...curve, '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`)
      return { cert, key }
    },
    signed(by, name, host = name) {
      const { cert, key } = files(name)
      const request = join(folder, `${name}.csr`)
      const extensions = join(folder, `${name}.ext`)
      openssl('req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
      writeFileSync(extensions, `subjectAltName=${/^[\d.]+$/.test(host) ? 'IP' : 'DNS'}:${host}\n`)
      openssl('x509', '-req', '-in', request, '-CA', by.cert, '-CAkey', by.key, '-CAcreateserial', '-out', cert, '-days', '2', '-extfile', extensions)
      return { cert, key }
    },
  }
}
/** The text of a PEM file. */
export const pem = (path: string): string => readFileSync(path, 'utf8')
