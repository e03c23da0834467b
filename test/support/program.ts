import { join } from 'node:path';

/**
 * The program in one file, as a release has it, made anew from the sources for each test run. It starts in half the time
 * of the built package, which is tried in tests of its own.
 */
export const PROGRAM = join(import.meta.dirname, '../../test-results/tenant-migrate.mjs');
