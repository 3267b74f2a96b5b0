/** Sluice as people install it, on a real API server: rendered manifests, and the persons and service accounts that meet them. */
import { resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../src/rollout/objects.ts'
import type { ControlPlane } from './control-plane.ts'

const deploy = resolve(import.meta.dirname, '../../deploy')

/** The objects of a folder of deploy/, as `kubectl kustomize` renders them. */
export async function kustomized(plane: ControlPlane, folder: string): Promise<readonly KubeObject[]> {
  const rendered = await plane.kubectlAsync(['kustomize', resolve(deploy, folder)])
  if (rendered.status !== 0) throw new Error(rendered.stderr)
  return objectsIn(rendered.stdout)
}

/** The objects of a stream of YAML documents; throws where one is no YAML. */
export function objectsIn(yaml: string): readonly KubeObject[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    const object: unknown = document.toJS()
    return object === null ? [] : [object as KubeObject]
  })
}

/** Applies objects as people do, server-side and strictly, and waits until CRDs among them are served. */
export async function applied(plane: ControlPlane, objects: readonly KubeObject[], more: readonly string[] = []): Promise<void> {
  const done = await plane.kubectlAsync(['apply', '--server-side', '--validate=strict', ...more, '-f', '-'], objects.map((object) => JSON.stringify(object)).join('\n---\n'))
  if (done.status !== 0) throw new Error(done.stderr)
  const names = objects.filter(({ kind }) => kind === 'CustomResourceDefinition').map(({ metadata }) => `crd/${metadata.name}`)
  if (names.length === 0) return
  const served = await plane.kubectlAsync(['wait', '--for=condition=Established', '--timeout=60s', ...names])
  if (served.status !== 0) throw new Error(served.stderr)
}

/** A token of a service account, which is made where it is missing. */
export async function tokenOf(plane: ControlPlane, namespace: string, name: string): Promise<string> {
  await plane.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } })
  const made = await plane.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  return made.body.status.token
}
