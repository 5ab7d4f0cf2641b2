import { defineConfig } from 'vitest/config';

/** Integration tests drive the built `bld` on real namespaces and mounts: files one after the other would take long, two at once is what CI has. */
export default defineConfig({
  test: {
    projects: [
      {
        // one process for many files: to load the sources anew for each takes longer than the tests
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/{integration,conformance,security}/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
          // after the unit tests: groups of unlike worker counts cannot run together
          sequence: { groupOrder: 1 },
          globalSetup: ['test/helpers/system.ts'],
        },
      },
    ],
  },
});
