/** The kind on which the contract of custom resources is tested. */
export const gadgetGroup = 'contract.sluice.dev'

export const gadgetCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `gadgets.${gadgetGroup}` },
  spec: {
    group: gadgetGroup,
    scope: 'Namespaced',
    names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', listKind: 'GadgetList', shortNames: ['gdg'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
        },
        additionalPrinterColumns: [
          { name: 'Size', type: 'string', jsonPath: '.spec.size' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  size: { type: 'string', enum: ['S', 'M'] },
                  replicas: { type: 'integer', minimum: 0 },
                  weight: { 'x-kubernetes-int-or-string': true },
                  steps: {
                    type: 'array',
                    maxItems: 2,
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: { type: 'object', required: ['name'], properties: { name: { type: 'string', maxLength: 3 } } },
                  },
                  mode: { type: 'string', default: 'Auto' },
                  open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                },
              },
              status: {
                type: 'object',
                properties: {
                  sequence: { type: 'integer' },
                  replicas: { type: 'integer' },
                  selector: { type: 'string' },
                  conditions: { type: 'array', items: { type: 'object', properties: { type: { type: 'string' }, status: { type: 'string' } } } },
                },
              },
            },
          },
        },
      },
    ],
  },
}
export const gadgetsIn = (namespace: string): string => `/apis/${gadgetGroup}/v1/namespaces/${namespace}/gadgets`
export const gadget = (name: string, spec: object = {}, metadata: object = {}): object => ({
  apiVersion: `${gadgetGroup}/v1`,
  kind: 'Gadget',
  metadata: { name, ...metadata },
  spec: { size: 'S', ...spec },
})
