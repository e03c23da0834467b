import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { NotRunReporter } from './test/support/not-run-reporter.ts';
import { slowness } from './test/support/slowness.ts';

/** What takes a minute and more, and wants a machine for itself: `npm run test:long`. The longest stands first. */
const LONG = [
  'test/integration/documents.test.ts',
  'test/integration/continue.test.ts',
  'test/integration/map.test.ts',
  'test/integration/tunnel.test.ts',
  'test/integration/backup.test.ts',
  'test/integration/locks.test.ts',
  'test/integration/resume.test.ts',
  'test/integration/package.test.ts',
  'test/integration/redis-sentinel.test.ts',
  'test/contract/redis-faults.test.ts',
  'test/chaos/**/*.test.ts',
];

/** The longest first, so that no worker is left alone with one of them at the end. */
const LONGEST = ['test/integration/documents', 'test/integration/continue', 'test/chaos/faults', 'test/integration/'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((part) => moduleId.includes(part));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** How many times slower than an idle machine this one is now; limits of time grow with it. */
const factor = slowness();

const everyProject = {
  testTimeout: 60_000 * factor,
  hookTimeout: 180_000 * factor,
  // A worker loads the program once for all its files: none leaves anything behind in it.
  isolate: false,
  runner: 'test/support/skipping-runner.ts',
  provide: { slowness: factor },
};

/** Builds the program and starts servers, which the rules of `unit` need not wait for. */
const withServers = { ...everyProject, globalSetup: ['test/support/global-setup.ts'] };

export default defineConfig({
  test: {
    projects: [
      { test: { ...everyProject, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          ...withServers,
          name: 'servers',
          include: ['test/contract/**/*.test.ts', 'test/integration/**/*.test.ts'],
          exclude: LONG,
        },
      },
      { test: { ...withServers, name: 'long', include: LONG } },
    ],
    // Many tests wait for servers and processes more than they compute.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', 'json', new NotRunReporter()],
    outputFile: { json: 'test-results/vitest.json' },
  },
});
