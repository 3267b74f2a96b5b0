/** What people call a revision: the tag of the image in which it differs from the other one. */

interface Side {
  readonly images?: readonly string[]
}
/** Tags (or first eight characters of digests) of the first image in which the two differ, of the first image where they do not. */
export function imageVersions(stable: Side | undefined, canary: Side | undefined): { readonly version?: string; readonly fromVersion?: string } {
  const [a, b] = [stable?.images ?? [], canary?.images ?? []]
  const index = Math.max(0, b.findIndex((image, at) => image !== a[at]))
  const [version, fromVersion] = [imageVersion(b[index]), imageVersion(a[index])]
  return { ...(version && { version }), ...(fromVersion && { fromVersion }) }
}

/** `registry:5000/app:v1.9.0` → `v1.9.0`; with a digest alone its first eight characters. */
function imageVersion(image: string | undefined): string | undefined {
  if (image === undefined) return undefined
  const [name = '', digest] = image.split('@')
  const tag = name.slice(name.lastIndexOf('/') + 1).split(':')[1]
  return (tag ?? digest?.replace(/^sha256:/, '').slice(0, 8))?.slice(0, 64)
}
