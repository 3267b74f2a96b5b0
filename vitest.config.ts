import { defineConfig } from 'vitest/config'

// Two projects: `unit` is fast, offline and needs nothing; `real` runs against a real API server and Prometheus and skips, with one line, where they are missing.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts'],
          exclude: ['test/contract/**/*.real.test.ts'],
          environment: 'node',
          setupFiles: ['test/support/properties.ts'],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'real',
          include: ['test/real/**/*.test.ts', 'test/contract/**/*.real.test.ts'],
          environment: 'node',
          setupFiles: ['test/support/properties.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          // A controller of one file must not see another's objects in the middle, and two cores carry a control plane and one file well.
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 120_000,
          teardownTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
